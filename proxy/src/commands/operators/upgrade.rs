//! `sluice upgrade`: has another process take the place of the one that runs, and waits for what becomes of it.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    runtime::Builder,
    time::{sleep, timeout},
};

use crate::{
    admin::probes::Process,
    commands::{Failed, console::say, health},
};

/// Longer than all that an upgrade may take.
const VERDICT_WITHIN: Duration = Duration::from_secs(120);
/// How long after the end of the older process the newer one may answer for the first time.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);
/// How often the node is asked.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Where it says which process it is.
const PATH: &str = "/process";

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    /// The directory that the node was started with.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
}

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    let authority = health::listener(&options.config)?.to_string();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let before = process(&authority).await?;
        ask(before.pid)?;
        let (asked, mut seen) = (Instant::now(), Instant::now());
        while asked.elapsed() < VERDICT_WITHIN {
            if is_there(before.pid) {
                seen = Instant::now();
            }
            // The listener changes hands: one answer in vain says nothing.
            if let Ok(now) = process(&authority).await {
                let (pid, version) = (now.pid, now.version);
                if now.follows == Some(before.pid) {
                    say(format_args!(
                        "process {pid}, version {version}, is the node; {} serves its last clients",
                        before.pid
                    ));
                    return Ok(());
                }
                if pid != before.pid {
                    return Err(Failed::Because(format!(
                        "process {pid}, version {version}, is the node, and was started anew: process {} has ended, and \
                         handed nothing over",
                        before.pid
                    )));
                }
                if now.upgrades_refused > before.upgrades_refused {
                    let why = now.why.unwrap_or_default();
                    return Err(Failed::Because(format!("upgrade refused; process {} goes on: {why}", before.pid)));
                }
            }
            if seen.elapsed() > FOLLOWED_WITHIN {
                return Err(Failed::Because(format!("process {} has ended, and none follows it", before.pid)));
            }
            sleep(ASK_EVERY).await;
        }
        Err(Failed::Because(format!("no verdict within {} s; see the log of the node", VERDICT_WITHIN.as_secs())))
    })
}

/// Not so one that has ended and whose parent has not heard of it yet.
fn is_there(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| !state.trim_start().starts_with(['Z', 'X']))
}

async fn process(authority: &str) -> Result<Process, Failed> {
    let because = |why: &str| Failed::Because(format!("http://{authority}{PATH}: {why}"));
    let answer = timeout(health::ANSWER_WITHIN, health::ask(authority, PATH)).await;
    let (status, body) = answer.map_err(|_| because("no answer"))?.map_err(|error| because(&error.to_string()))?;
    if !status.is_success() {
        return Err(because(&format!("{status}: the node that runs takes no upgrade; restart it")));
    }
    Ok(serde_json::from_slice(&body)?)
}

/// Sends the signal, if there is a process here that waits for it: any other one would be ended by it.
fn ask(pid: u32) -> Result<(), Failed> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    let bit = u64::try_from(Signal::USR2.as_raw() - 1).map_or(0, |bit| 1 << bit);
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match process.filter(|_| caught.is_some_and(|caught| caught & bit != 0)) {
        Some(process) => Ok(kill_process(process, Signal::USR2)?),
        None => Err(Failed::Because(format!(
            "the node says that it is process {pid}, and there is no such node here: run this where it runs, such as in \
             its container"
        ))),
    }
}
