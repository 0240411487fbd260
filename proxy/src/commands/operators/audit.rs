//! `sluice audit`: is the log what was written?

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use super::report::Known;
use crate::commands::Failed;
use crate::{
    admin::{
        audit::{Checkpoint, chain::Chain},
        seal::{self, Purpose},
    },
    commands::console::say,
};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Check the chain of one or more files of a node, the oldest first. Exits with 1 at the first record that is not as
    /// it was written.
    Verify {
        /// audit-*.jsonl and audit.jsonl of the node's state directory.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A hash that was kept elsewhere: the chain has to contain it, so that records at its end cannot be missing.
        #[arg(long, value_name = "HASH")]
        contains: Option<String>,
        /// A signed checkpoint that was kept elsewhere (`GET /v1/audit/checkpoint`, or the log of the node): the chain has to
        /// contain it. Needs --key or --config.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        #[command(flatten)]
        key: Known,
    },
}

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    let What::Verify { files, contains, checkpoint, key } = &options.what;
    let checkpoint = checkpoint.as_ref().map(|file| read(file, key)).transpose()?;
    let mut missing: Vec<&str> = contains.as_deref().into_iter().collect();
    // Before the first record there is nothing that could be missing.
    missing.extend(checkpoint.as_ref().filter(|point| point.seq > 0).map(|point| point.hash.as_str()));
    let mut chain = Chain::EMPTY;
    for path in files {
        let named = |error: &dyn std::fmt::Display| Failed::Because(format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(|error| named(&error))?;
        chain = chain
            .follow(BufReader::new(file), &mut |_, hash| {
                missing.retain(|wanted| *wanted != hash.to_string());
            })
            .map_err(|broken| named(&broken))?;
    }
    if !missing.is_empty() {
        return Err(Failed::Because("no record has this hash: records are missing, or it is of another log".into()));
    }
    let count = if chain.seq == 0 { 0 } else { chain.seq - chain.first + 1 };
    let matches = checkpoint
        .map_or_else(String::new, |point| format!(", matches the checkpoint of {} at {}", point.seq, point.at));
    say(format_args!("{count} records, {} to {}, hash {}{matches}", chain.first, chain.seq, chain.hash));
    Ok(())
}

/// A checkpoint, as it was signed.
fn read(file: &Path, key: &Known) -> Result<Checkpoint, Failed> {
    let named = |why: &dyn std::fmt::Display| Failed::Because(format!("{}: {why}", file.display()));
    let signed = fs::read_to_string(file).map_err(|error| named(&error))?;
    let text = seal::open(Purpose::Checkpoint, &signed, &key.keys()?).map_err(|unsealed| named(&unsealed))?;
    serde_json::from_str(text).map_err(|error| named(&error))
}
