//! Chunks (RFC 9112, 7.1), read as they come in.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | a chunk-size line with its extensions | 4 KiB | malformed |
//! | digits of a size | 16, and no more than fits an i64 | malformed |
//! | all trailer lines | 8 KiB | malformed |

use super::{Decoded, Malformed};

/// Longest chunk-size line, extensions included.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Most bytes of all trailer lines.
const TRAILER_BYTES_MAX: usize = 8 << 10;

/// How far a chunked body has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: State,
    /// Trailer lines, each with its end.
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits of a size; `digits` of them have come.
    Size {
        size: u64,
        digits: u8,
    },
    /// Behind the digits, where extensions may be; so many bytes have come.
    Extension {
        size: u64,
        bytes: usize,
    },
    /// Before the LF of a size line.
    SizeFeed {
        size: u64,
    },
    /// So many bytes of a chunk are to come.
    Data(u64),
    /// Before the line end behind a chunk's bytes.
    DataReturn,
    DataFeed,
    /// In a trailer line, which has begun at this place.
    Trailer {
        from: usize,
    },
    Ended,
}

impl Default for State {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

impl Chunks {
    pub(super) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The trailer lines of a body that has ended, each with its end.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    pub(super) fn decode(&mut self, buffer: &mut [u8]) -> Result<Decoded, Malformed> {
        let (mut at, mut bytes) = (0, 0);
        while at < buffer.len() && self.state != State::Ended {
            if let State::Data(left) = self.state {
                let here = usize::try_from(left).map_or(buffer.len() - at, |left| left.min(buffer.len() - at));
                if bytes != at {
                    buffer.copy_within(at..at + here, bytes);
                }
                (at, bytes) = (at + here, bytes + here);
                let left = left - here as u64;
                self.state = if left == 0 { State::DataReturn } else { State::Data(left) };
            } else {
                self.state = self.step(buffer[at])?;
                at += 1;
            }
        }
        Ok(Decoded { bytes, used: at, ended: self.ended() })
    }

    /// Takes a byte of the framing.
    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        let digit = char::from(byte).to_digit(16);
        match (self.state, byte) {
            (State::Size { size, digits }, _) if digit.is_some() => {
                // An i64 at most: what others count in.
                let more = size.checked_mul(16).and_then(|size| size.checked_add(digit?.into()));
                let size = more.filter(|&size| i64::try_from(size).is_ok() && digits < 16);
                Ok(State::Size { size: size.ok_or(Malformed("chunk size too large"))?, digits: digits + 1 })
            }
            (State::Size { digits: 0, .. }, _) => Err(Malformed("no chunk size")),
            (State::Size { size, .. }, b'\r') => Ok(State::SizeFeed { size }),
            (State::Size { size, .. }, b'\n') => Ok(self.after_size(size)),
            (State::Size { size, .. }, b';' | b' ' | b'\t') => Ok(State::Extension { size, bytes: 0 }),
            (State::Size { .. }, _) => Err(Malformed("chunk size")),
            (State::Extension { size, .. }, b'\r') => Ok(State::SizeFeed { size }),
            (State::Extension { size, .. }, b'\n') => Ok(self.after_size(size)),
            (State::Extension { bytes, .. }, _) if bytes == LINE_BYTES_MAX => {
                Err(Malformed("chunk extension too long"))
            }
            (State::Extension { size, bytes }, _) => Ok(State::Extension { size, bytes: bytes + 1 }),
            (State::SizeFeed { size }, b'\n') => Ok(self.after_size(size)),
            (State::DataReturn, b'\r') => Ok(State::DataFeed),
            (State::DataReturn | State::DataFeed, b'\n') => Ok(State::default()),
            (State::Trailer { from }, b'\n') => Ok(self.after_trailer(from)),
            (State::Trailer { .. }, _) if self.trailers.len() >= TRAILER_BYTES_MAX => {
                Err(Malformed("trailers too long"))
            }
            (State::Trailer { from }, _) => {
                self.trailers.push(byte);
                Ok(State::Trailer { from })
            }
            (State::SizeFeed { .. } | State::DataReturn | State::DataFeed, _) => Err(Malformed("line end of a chunk")),
            (State::Data(_) | State::Ended, _) => unreachable!("neither is framing"),
        }
    }

    fn after_size(&mut self, size: u64) -> State {
        if size == 0 { State::Trailer { from: self.trailers.len() } } else { State::Data(size) }
    }

    fn after_trailer(&mut self, from: usize) -> State {
        if self.trailers.last() == Some(&b'\r') && self.trailers.len() > from {
            self.trailers.pop();
        }
        if self.trailers.len() == from {
            return State::Ended;
        }
        self.trailers.extend_from_slice(b"\r\n");
        State::Trailer { from: self.trailers.len() }
    }
}
