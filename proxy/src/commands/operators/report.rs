//! `sluice report`: what was promised and kept, and whether a report is what was signed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sluice_admission::token::Keyring;
use tokio::runtime::Builder;

use super::client::{Api, Client};
use crate::{
    admin::seal::{self, Purpose, Seal},
    commands::{Failed, console::say, load},
};

/// A signed report of a queue over a time, or the check of one.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Get a report from a node's API: waits, the rate and how it was used, seats, standstills, losses, changes.
    Get(Get),
    /// Check that a file is a report as it was signed. Needs no node. Exits with 1 if it is not.
    Verify {
        /// What `sluice report get` has written.
        file: PathBuf,
        #[command(flatten)]
        key: Known,
    },
    /// Print the public key that verifies reports and checkpoints of this fleet, to be given to others.
    Key {
        /// The directory that holds sluice.toml and tenants/*.toml.
        #[arg(long, value_name = "DIR")]
        config: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Get {
    #[command(flatten)]
    api: Api,
    /// The queue, as TENANT/QUEUE.
    queue: String,
    /// Begin, such as 2026-11-29T10:00:00Z. Without it: 24 hours before the end.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End. Without it: now.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Write it into this file. Without it: on standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The key that must have signed.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(in crate::commands) struct Known {
    /// The fleet's public key, as `sluice report key` prints it.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A config folder of the fleet, whose master secrets can be read: all of them verify.
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
}

impl Known {
    /// The public keys.
    pub(in crate::commands) fn keys(&self) -> Result<Vec<String>, Failed> {
        match (&self.key, &self.config) {
            (Some(key), _) => Ok(vec![key.clone()]),
            (None, Some(dir)) => keys(dir),
            (None, None) => Err(Failed::Because(
                "whose signature has it to be? Name the fleet's public key (--key), or one of its config folders (--config)"
                    .into(),
            )),
        }
    }
}

fn keys(dir: &Path) -> Result<Vec<String>, Failed> {
    let config = load(dir)?;
    let keys = config.keys.as_ref().ok_or_else(|| Failed::Because("sluice.toml has no [keys]".into()))?;
    Ok(Seal::all(&Keyring::new(keys)?).iter().map(Seal::public_key).collect())
}

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    match &options.what {
        What::Get(get) => Builder::new_current_thread().enable_all().build()?.block_on(fetch(get)),
        What::Verify { file, key } => verify(file, key),
        What::Key { config } => {
            if let Some(key) = keys(config)?.first() {
                say(key);
            }
            Ok(())
        }
    }
}

async fn fetch(get: &Get) -> Result<(), Failed> {
    let (tenant, queue) =
        get.queue.split_once('/').ok_or_else(|| Failed::Because("write the queue as TENANT/QUEUE".into()))?;
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+".contains(&b));
    let times = [("from", &get.from), ("to", &get.to)];
    let times: Vec<_> = times.iter().filter_map(|(name, time)| Some((name, time.as_deref()?))).collect();
    if ![tenant, queue].into_iter().chain(times.iter().map(|(_, time)| *time)).all(is_plain) {
        return Err(Failed::Because("a name or a time has characters that none has".into()));
    }
    let query: Vec<_> = times.iter().map(|(name, time)| format!("{name}={}", time.replace('+', "%2B"))).collect();
    let path = format!("/v1/tenants/{tenant}/queues/{queue}/report?{}", query.join("&"));
    let data = Client::new(&get.api)?.get(&path).await?;
    let signed = data["signed"].as_str().unwrap_or_default();
    match &get.out {
        None => say(signed.trim_end()),
        Some(file) => {
            fs::write(file, signed).map_err(|error| Failed::Because(format!("{}: {error}", file.display())))?;
            let (totals, rate) = (&data["report"]["totals"], &data["report"]["rate"]);
            say(format_args!(
                "{}: {} came, {} called, rate used {}, exceeded in {} minutes; signed by {}",
                file.display(),
                totals["arrived"],
                totals["called"],
                rate["used"],
                rate["exceeded_minutes"],
                data["public_key"].as_str().unwrap_or_default(),
            ));
        }
    }
    Ok(())
}

fn verify(file: &Path, known: &Known) -> Result<(), Failed> {
    let named = |why: &dyn std::fmt::Display| Failed::Because(format!("{}: {why}", file.display()));
    let signed = fs::read_to_string(file).map_err(|error| named(&error))?;
    let text = seal::open(Purpose::Report, &signed, &known.keys()?).map_err(|unsealed| named(&unsealed))?;
    let report: serde_json::Value = serde_json::from_str(text).map_err(|error| named(&error))?;
    let part = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    say(format_args!(
        "{}/{}, {} to {}: as it was signed, made {}",
        part("tenant"),
        part("queue"),
        part("from"),
        part("to"),
        part("made")
    ));
    Ok(())
}
