//! How records stand in a journal: framed, so that damage differs from a record that was being written.
//!
//! | bytes | |
//! |---|---|
//! | 4 | mark, by which records behind damage are found |
//! | 4 | layout |
//! | 8 | sequence: one more than that of the record before; repeated and missing records are noticed |
//! | 4 | length of the payload |
//! | 4 | CRC-32 of the payload |
//! | 4 | CRC-32 of all the above |
//! | | payload |
//!
//! A process that dies leaves a beginning of its last record, so a sound header tells how much is missing. Whatever
//! else does not fit is damage.

use std::io;

use memchr::memmem::Finder;
use serde::Serialize;

use super::journal::LAYOUT;

/// Not UTF-8, and no run of bits as lines have them.
const MARK: [u8; 4] = [0xf5, b'S', b'L', b'J'];
const HEADER_BYTES: usize = 28;
/// A payload longer than this is refused when it is written. A line of a million visitors takes 4 MB, the largest batch
/// some 20 MB.
pub(super) const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// What stands at one place of a journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// Nothing: the journal ends here.
    End,
    /// A beginning of a record.
    Torn,
    /// Something else.
    Damaged,
    /// A record of a layout that this build does not know.
    Layout(u32),
    /// A whole record, and where the next one begins.
    Whole { sequence: u64, payload: &'a [u8], next: usize },
}

/// What stands there.
pub(super) fn at(bytes: &[u8], at: usize) -> Frame<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return Frame::End;
    }
    let Some((header, rest)) = rest.split_at_checked(HEADER_BYTES) else {
        let marked = rest.len().min(MARK.len());
        return if rest[..marked] == MARK[..marked] { Frame::Torn } else { Frame::Damaged };
    };
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[..4] != MARK || crc32fast::hash(&header[..24]) != word(24) {
        return Frame::Damaged;
    }
    if word(4) != LAYOUT {
        return Frame::Layout(word(4));
    }
    let sequence = u64::from(word(8)) | u64::from(word(12)) << 32;
    let Some(payload) = usize::try_from(word(16)).ok().and_then(|length| rest.get(..length)) else {
        return Frame::Torn;
    };
    if crc32fast::hash(payload) != word(20) {
        return Frame::Damaged;
    }
    Frame::Whole { sequence, payload, next: at + HEADER_BYTES + payload.len() }
}

/// Payloads of the whole records from there on, whatever lies between them.
pub(super) fn behind(bytes: &[u8], from: usize) -> impl Iterator<Item = &[u8]> {
    let finder = Finder::new(&MARK);
    let mut place = from;
    std::iter::from_fn(move || {
        loop {
            place += finder.find(bytes.get(place..)?)?;
            match at(bytes, place) {
                Frame::Whole { payload, next, .. } => {
                    place = next;
                    return Some(payload);
                }
                _ => place += 1,
            }
        }
    })
}

/// Appends a record. After an error the buffer is as before.
pub(super) fn append(buffer: &mut Vec<u8>, sequence: u64, record: &impl Serialize) -> io::Result<()> {
    let begin = buffer.len();
    let result = encode(buffer, sequence, record);
    if result.is_err() {
        buffer.truncate(begin);
    }
    result
}

fn encode(buffer: &mut Vec<u8>, sequence: u64, record: &impl Serialize) -> io::Result<()> {
    let begin = buffer.len();
    buffer.extend_from_slice(&MARK);
    buffer.extend_from_slice(&LAYOUT.to_le_bytes());
    buffer.extend_from_slice(&sequence.to_le_bytes());
    buffer.extend_from_slice(&[0; 12]);
    postcard::to_io(record, &mut *buffer).map_err(io::Error::other)?;
    let payload = &buffer[begin + HEADER_BYTES..];
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= PAYLOAD_BYTES_MAX);
    let Some(length) = length else {
        let text = format!("a record of {} bytes; at most {PAYLOAD_BYTES_MAX} are written", payload.len());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    };
    let sum = crc32fast::hash(payload);
    buffer[begin + 16..begin + 20].copy_from_slice(&length.to_le_bytes());
    buffer[begin + 20..begin + 24].copy_from_slice(&sum.to_le_bytes());
    let sum = crc32fast::hash(&buffer[begin..begin + 24]);
    buffer[begin + 24..begin + 28].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn two_records() -> (Vec<u8>, usize) {
        let mut bytes = Vec::new();
        append(&mut bytes, 7, &"first").unwrap();
        let second = bytes.len();
        append(&mut bytes, 8, &"the second").unwrap();
        (bytes, second)
    }

    #[test]
    fn a_cut_is_torn_and_a_flip_is_damage() {
        let (bytes, second) = two_records();
        assert!(matches!(at(&bytes, second), Frame::Whole { sequence: 8, next, .. } if next == bytes.len()));
        assert_eq!(at(&bytes, bytes.len()), Frame::End);
        for end in second + 1..bytes.len() {
            assert_eq!(at(&bytes[..end], second), Frame::Torn, "{end}");
        }
        for byte in second..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[byte] ^= 1 << bit;
                assert_eq!(at(&flipped, second), Frame::Damaged, "byte {byte}, bit {bit}");
            }
        }
    }

    #[test]
    fn zeros_are_damage_and_not_empty_records() {
        assert_eq!(at(&[0; 100], 0), Frame::Damaged);
        assert_eq!(at(&[0; 3], 0), Frame::Damaged);
    }

    #[test]
    fn records_behind_damage_are_found() {
        let (mut bytes, second) = two_records();
        bytes[second - 1] ^= 1;
        bytes.splice(second..second, *b"some bytes in between");
        let found: Vec<&str> = behind(&bytes, 1).map(|payload| postcard::from_bytes(payload).unwrap()).collect();
        assert_eq!(found, ["the second"]);
    }

    #[test]
    fn a_record_that_is_too_long_leaves_the_buffer_alone() {
        struct Refused;
        impl Serialize for Refused {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                use serde::ser::{Error, SerializeSeq};
                let mut seq = s.serialize_seq(Some(2))?;
                seq.serialize_element(&1)?;
                Err(S::Error::custom("no more"))
            }
        }
        let (mut bytes, _) = two_records();
        let before = bytes.clone();
        assert!(append(&mut bytes, 9, &Refused).is_err());
        assert_eq!(bytes, before);
    }
}
