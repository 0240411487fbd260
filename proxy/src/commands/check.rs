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
    if let Some(acme) = &config.acme {
        for tenant in &config.tenants {
            let hosts: Vec<_> = tenant.acme_hosts().collect();
            if !hosts.is_empty() {
                console::say(format_args!(
                    "acme: {} asks {} for a certificate of each of {}",
                    tenant.name,
                    acme.directory.url(),
                    hosts.join(", ")
                ));
            }
        }
    }
    for note in config.notes(SystemTime::now()) {
        console::say(format_args!("note: {note}"));
    }
    Ok(())
}
