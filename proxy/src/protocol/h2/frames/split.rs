//! Where one direction of a connection stands in its frames, however its bytes are cut.

/// Bytes of a frame's head (RFC 9113, 4.1).
pub(in crate::protocol::h2) const HEAD_BYTES: usize = 9;
/// Bytes of the preface.
const PREFACE_BYTES: u32 = 24;
/// What a client sends in front of its first frame (RFC 9113, 3.4).
pub(in crate::protocol::h2) const PREFACE: &[u8; PREFACE_BYTES as usize] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(in crate::protocol::h2) type Head = [u8; HEAD_BYTES];

/// Frames' kinds (RFC 9113, 6).
pub(in crate::protocol::h2) mod kind {
    pub(in crate::protocol::h2) const DATA: u8 = 0;
    pub(in crate::protocol::h2) const HEADERS: u8 = 1;
    pub(in crate::protocol::h2) const PRIORITY: u8 = 2;
    pub(in crate::protocol::h2) const RST_STREAM: u8 = 3;
    pub(in crate::protocol::h2) const SETTINGS: u8 = 4;
    pub(in crate::protocol::h2) const PING: u8 = 6;
    pub(in crate::protocol::h2) const GOAWAY: u8 = 7;
    pub(in crate::protocol::h2) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::protocol::h2) const CONTINUATION: u8 = 9;
}

/// Frames' flags.
pub(in crate::protocol::h2) mod flag {
    pub(in crate::protocol::h2) const ACK: u8 = 0x1;
    pub(in crate::protocol::h2) const END_STREAM: u8 = 0x1;
    pub(in crate::protocol::h2) const END_HEADERS: u8 = 0x4;
    pub(in crate::protocol::h2) const PADDED: u8 = 0x8;
    pub(in crate::protocol::h2) const PRIORITY: u8 = 0x20;
}

/// What stands in front of a block with that flag (RFC 9113, 6.2).
const PRIORITY_BYTES: usize = 5;

/// The bytes of a frame behind its head.
pub(in crate::protocol::h2) fn length_of(head: &Head) -> u32 {
    u32::from_be_bytes([0, head[0], head[1], head[2]])
}

/// The stream that a frame is of; 0: the connection.
pub(in crate::protocol::h2) fn stream_of(head: &Head) -> u32 {
    let [.., a, b, c, d] = *head;
    u32::from_be_bytes([a & 0x7f, b, c, d])
}

/// The block of fields, or the part of it, in the payload of a frame of HEADERS with these flags.
pub(in crate::protocol::h2) fn block_of(flags: u8, mut payload: &[u8]) -> &[u8] {
    if flags & flag::PADDED != 0 {
        let (&padding, rest) = payload.split_first().unwrap_or((&0, &[]));
        payload = rest.get(..rest.len().saturating_sub(padding.into())).unwrap_or_default();
    }
    if flags & flag::PRIORITY != 0 {
        payload = payload.get(PRIORITY_BYTES..).unwrap_or_default();
    }
    payload
}

/// A frame of the connection as a whole.
pub(in crate::protocol::h2) fn put_frame(to: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    to.extend_from_slice(&[a, b, c, kind, flags, 0, 0, 0, 0]);
    to.extend_from_slice(payload);
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::protocol::h2) enum Part<'a> {
    Head(Head),
    /// Of the payload of the last head, or of the preface. `ends`: it is the end of it.
    Payload {
        piece: &'a [u8],
        ends: bool,
    },
}

#[derive(Debug, Default)]
pub(in crate::protocol::h2) struct Splitter {
    /// Bytes that are no frame's head: the preface, payloads.
    skip: u32,
    head: Head,
    head_bytes: usize,
}

impl Splitter {
    /// What a client sends, from the beginning.
    pub(in crate::protocol::h2) fn of_client() -> Self {
        Self { skip: PREFACE_BYTES, ..Self::default() }
    }

    /// Whether the last frame has ended and the next has not begun.
    pub(in crate::protocol::h2) fn is_between_frames(&self) -> bool {
        self.left() == 0
    }

    /// Bytes up to the end of the payload, or of the head, that is under way; 0: between two frames.
    pub(in crate::protocol::h2) fn left(&self) -> usize {
        match self.head_bytes {
            0 => self.skip as usize,
            bytes => HEAD_BYTES - bytes,
        }
    }

    /// Takes the next part off `bytes`; `None`: they have been looked at.
    pub(in crate::protocol::h2) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Part<'a>> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let (piece, behind) = bytes.split_at(bytes.len().min(self.skip as usize));
                *bytes = behind;
                self.skip -= u32::try_from(piece.len()).unwrap_or(self.skip);
                return Some(Part::Payload { piece, ends: self.skip == 0 });
            }
            let wanted = (HEAD_BYTES - self.head_bytes).min(bytes.len());
            self.head[self.head_bytes..self.head_bytes + wanted].copy_from_slice(&bytes[..wanted]);
            self.head_bytes += wanted;
            *bytes = &bytes[wanted..];
            if self.head_bytes == HEAD_BYTES {
                self.head_bytes = 0;
                self.skip = length_of(&self.head);
                return Some(Part::Head(self.head));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn heads_and_payloads_are_told_apart_however_they_are_cut() {
        let bytes = [&[0, 0, 0, 4, 1, 0, 0, 0, 0][..], &[0, 0, 3, 1, 5, 0x80, 0, 0, 7, 1, 2, 3]].concat();
        for step in 1..=bytes.len() {
            let (mut split, mut heads, mut payload, mut ends) = (Splitter::default(), Vec::new(), Vec::new(), 0);
            for mut piece in bytes.chunks(step) {
                while let Some(part) = split.next(&mut piece) {
                    match part {
                        Part::Head(head) => heads.push((head[3], length_of(&head), stream_of(&head))),
                        Part::Payload { piece, ends: end } => {
                            payload.extend_from_slice(piece);
                            ends += u32::from(end);
                        }
                    }
                }
            }
            assert_eq!((&heads[..], &payload[..], ends), (&[(4, 0, 0), (1, 3, 7)][..], &[1, 2, 3][..], 1), "{step}");
            assert!(split.is_between_frames());
        }
        let mut split = Splitter::of_client();
        assert!(!split.is_between_frames());
        assert_eq!(split.next(&mut &[0; 30][..]), Some(Part::Payload { piece: &[0; 24], ends: true }));
    }
}
