//! `sluice check`

use std::{path::Path, time::SystemTime};

use super::Failed;
use crate::commands::console;

pub(super) fn run(dir: &Path) -> Result<(), Failed> {
    let config = super::load(dir)?;
    let queues: usize = config.tenants.iter().map(|tenant| tenant.queues.len()).sum();
    console::say(format_args!("{}: {} tenant(s), {queues} queue(s), no mistakes", dir.display(), config.tenants.len()));
    if config.keys.is_none() {
        console::say(
            "note: no [keys] in sluice.toml; `sluice run` needs a master secret (make one with `sluice keygen`)",
        );
    }
    for note in config.notes(SystemTime::now()) {
        console::say(format_args!("note: {note}"));
    }
    Ok(())
}
