//! What a node says of itself.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use sluice_admission::token::Keyring;
use sluice_config::{Keys, OnStoreLoss, Queue};

use crate::{admin::api::mode_name, routing::Routes};

/// Most lines of which each setting is told.
pub(crate) const LINES_WHOLE_MAX: usize = 30;
/// Most lines that are told at all.
pub(crate) const LINES_MAX: usize = 1_000;
/// The setting in whose place a digest of all of them stands.
const DIGEST: &str = "rules";

/// What a node goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// What it is called.
    pub(crate) name: String,
    pub(crate) version: String,
    /// When it was started, in ms since 1970 by its own clock.
    pub(crate) started_ms: u64,
    /// Its master secrets by name, each with a digest that tells nothing of it; the one that signs first.
    pub(crate) keys: Vec<String>,
    /// The settings of its lines, `TENANT/QUEUE`, as far as they decide who is called.
    pub(crate) lines: BTreeMap<String, BTreeMap<String, String>>,
}

impl Told {
    pub(crate) fn of(routes: &Routes, keys: &[String], name: String, started_ms: u64) -> Self {
        let sites = routes.sites().iter();
        let queues = sites.flat_map(|site| site.tenant.queues.iter().map(|queue| (&site.tenant.name, queue)));
        let lines = queues.map(|(tenant, queue)| (format!("{tenant}/{}", queue.name), settings(queue)));
        let mut lines: BTreeMap<_, _> = lines.take(LINES_MAX).collect();
        if lines.len() > LINES_WHOLE_MAX {
            lines.values_mut().for_each(|settings| {
                let digest = fingerprint(format!("{settings:?}").as_bytes());
                *settings = BTreeMap::from([(DIGEST.to_owned(), digest)]);
            });
        }
        Self { name, version: env!("CARGO_PKG_VERSION").to_owned(), started_ms, keys: keys.to_vec(), lines }
    }
}

/// What of a queue's file decides who is called, by the names of the keys.
fn settings(queue: &Queue) -> BTreeMap<String, String> {
    let time = |time: std::time::Duration| humantime::format_duration(time).to_string();
    let store_loss = queue.on_store_loss.map_or("none", |loss| match loss {
        OnStoreLoss::Hold => "hold",
        OnStoreLoss::Trickle => "trickle",
        OnStoreLoss::Admit => "admit",
    });
    let all = [
        ("release_per_minute", queue.release_per_minute.to_string()),
        ("burst", queue.burst.to_string()),
        ("max_active", queue.max_active.map_or_else(|| "none".to_owned(), |seats| seats.to_string())),
        ("max_waiting", queue.max_waiting.to_string()),
        ("mode", mode_name(queue.mode).to_owned()),
        ("on_store_loss", store_loss.to_owned()),
        ("claim_within", time(queue.claim_within)),
        ("return_within", time(queue.return_within)),
        ("session_idle", time(queue.session_idle)),
        ("session_max", time(queue.session_max)),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The names of the master secrets, each with a digest of a secret that is derived from it for this alone.
pub(super) fn keys(keys: &Keys, keyring: &Keyring) -> Vec<String> {
    // In the order in which the keyring derives.
    let others = keys.secrets.keys().filter(|name| **name != keys.current);
    let names = std::iter::once(&keys.current).chain(others);
    let secrets = keyring.secrets_for("fingerprint");
    names.zip(&secrets).map(|(name, secret)| format!("{name}={}", fingerprint(secret))).collect()
}

/// Eight hexadecimal digits.
fn fingerprint(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluice_config::{Name, Secret};

    use super::*;

    #[test]
    fn keys_are_told_apart_by_their_secrets_and_the_one_that_signs_comes_first() {
        let ring = |current: &str, secrets: &[(&str, u8)]| {
            let secrets = secrets.iter().map(|&(name, byte)| (name.to_owned(), Secret::new(vec![byte; 32]))).collect();
            let settings = Keys { current: current.to_owned(), secrets };
            keys(&settings, &Keyring::new(&settings).unwrap())
        };
        let both = ring("b", &[("a", 1), ("b", 2)]);
        assert_eq!(both.len(), 2);
        assert!(both[0].starts_with("b=") && both[1].starts_with("a="), "{both:?}");
        assert_eq!(ring("a", &[("a", 1), ("b", 2)]), [both[1].clone(), both[0].clone()]);
        assert_ne!(ring("b", &[("b", 3)])[0], both[0]);
    }

    #[test]
    fn every_setting_is_told_by_the_name_that_files_give_it() {
        let queue = Queue::new(Name::new("sale").unwrap(), 600.try_into().unwrap());
        let told = settings(&queue);
        assert_eq!((&*told["release_per_minute"], &*told["max_active"]), ("600", "none"));
        let schema = sluice_config::schema::tenant_file().to_string();
        assert!(told.keys().all(|name| schema.contains(&format!("\"{name}\""))), "{told:?}");
    }
}
