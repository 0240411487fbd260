//! `sluice audit`: is the log what was written?

use std::{fs::File, io::BufReader, path::PathBuf};

use super::Failed;
use crate::{admin::audit::chain::Chain, console::say};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
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
    },
}

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let What::Verify { files, contains } = &options.what;
    let mut chain = Chain::EMPTY;
    let mut found = contains.is_none();
    for path in files {
        let named = |error: &dyn std::fmt::Display| Failed::Because(format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(|error| named(&error))?;
        chain = chain
            .follow(BufReader::new(file), &mut |_, hash| {
                found |= contains.as_ref().is_some_and(|contains| *contains == hash.to_string());
            })
            .map_err(|broken| named(&broken))?;
    }
    if !found {
        return Err(Failed::Because("no record has this hash: records are missing, or it is of another log".into()));
    }
    let count = if chain.seq == 0 { 0 } else { chain.seq - chain.first + 1 };
    say(format_args!("{count} records, {} to {}, hash {}", chain.first, chain.seq, chain.hash));
    Ok(())
}
