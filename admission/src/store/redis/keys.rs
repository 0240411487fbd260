//! Where the parts of a line are kept: `prefix:{tenant.queue}:part`.
//!
//! Redis Cluster hashes only what stands in braces, so all parts of a line are on one server.

use super::script::KEY_NAMES;
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
    pub(super) fn of(prefix: &str, line: &LineId) -> Self {
        Self::tagged(prefix, &line.to_string())
    }

    pub(super) fn tagged(prefix: &str, tag: &str) -> Self {
        let names = KEY_NAMES.iter().map(|part| format!("{prefix}:{{{tag}}}:{part}")).collect();
        Self { slot: slot(tag.as_bytes()), names }
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
        let keys = Keys::tagged("sluice", "shop.sale");
        assert_eq!(keys.names[0], "sluice:{shop.sale}:line");
        assert!(keys.names.iter().all(|k| k.starts_with("sluice:{shop.sale}:")));
    }
}
