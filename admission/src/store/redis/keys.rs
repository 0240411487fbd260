//! Where the parts of a line are kept: `prefix:{tenant.queue}:part`, and of lanes behind the first
//! `prefix:{tenant.queue}:slot:part`.
//!
//! Redis Cluster hashes only what stands in braces, so all parts of a line are on one server.

use sluice_config::limits::LANES_MAX;

use super::script::{LANE_KEYS, QUEUE_KEYS};
use crate::store::LineId;

/// Hash slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The keys of one line and the hash slot that they share.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) slot: u16,
    pub(super) names: Vec<String>,
}

impl Keys {
    /// Those of a line with so many lanes.
    pub(super) fn of(prefix: &str, line: &LineId, lanes: usize) -> Self {
        Self::tagged(prefix, &line.to_string(), lanes)
    }

    /// Those of a line with all the lanes that it may have.
    pub(super) fn all_of(prefix: &str, line: &LineId) -> Self {
        Self::of(prefix, line, LANES_MAX)
    }

    pub(super) fn tagged(prefix: &str, tag: &str, lanes: usize) -> Self {
        let mut names: Vec<_> = QUEUE_KEYS.iter().map(|part| format!("{prefix}:{{{tag}}}:{part}")).collect();
        for lane in 0..lanes {
            let behind = if lane == 0 { String::new() } else { format!("{lane}:") };
            names.extend(LANE_KEYS.iter().map(|part| format!("{prefix}:{{{tag}}}:{behind}{part}")));
        }
        Self { slot: slot(tag.as_bytes()), names }
    }

    /// All but those that never outlive a step.
    pub(super) fn lasting(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| !name.ends_with(":scratch"))
    }
}

/// The slot and the key of something that all nodes share and that belongs to no line.
pub(super) fn shared(prefix: &str, name: &str) -> (u16, String) {
    (slot(name.as_bytes()), format!("{prefix}:{{{name}}}"))
}

/// The slot of a hash tag: CRC-16 (XMODEM) modulo the number of slots, as the Cluster specification has it.
fn slot(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0u16, |crc, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        // What `CLUSTER KEYSLOT` answers.
        assert_eq!((slot(b"foo"), slot(b"user1000")), (12_182, 3_443));
    }

    #[test]
    fn parts_of_a_line_share_a_tag() {
        let keys = Keys::tagged("sluice", "shop.sale", 2);
        assert_eq!(keys.names[0], "sluice:{shop.sale}:line");
        assert!(keys.names.iter().all(|k| k.starts_with("sluice:{shop.sale}:")));
        assert_eq!(keys.names.len(), 57);
        assert_eq!(
            (keys.names[9].as_str(), keys.names[33].as_str()),
            ("sluice:{shop.sale}:gone", "sluice:{shop.sale}:1:gone")
        );
        let distinct: std::collections::HashSet<_> = keys.names.iter().collect();
        assert_eq!(distinct.len(), keys.names.len());
    }
}
