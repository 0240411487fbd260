//! What a node says of itself.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use sluice_admission::token::Keyring;
use sluice_config::{Keys, Queue};

use crate::routing::Routes;

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
        let settings =
            |queue: &Queue| queue.compared().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
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

    use sluice_config::Secret;

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
}
