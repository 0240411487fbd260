//! Where a body ends, and what of the bytes read belongs to it. Used for answers of origins and for requests of
//! HTTP/1.1.
//!
//! A body is decoded in place: what belongs to it is moved to the front of the buffer, and the rest is left behind it.

mod chunks;

pub(crate) use self::chunks::Chunks;

/// A body that is coming in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// So many bytes are still to come; 0: it is whole.
    Length(u64),
    /// In chunks, with what is known of the one that is coming.
    Chunked(Box<Chunks>),
    /// Whatever comes until the other end closes.
    UntilClose,
}

/// What one buffer held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// So many bytes of the body now stand at the front of the buffer.
    pub(crate) bytes: usize,
    /// So many bytes of the buffer belonged to the body and its framing. Fewer than there are: the body has ended,
    /// and something follows it.
    pub(crate) used: usize,
    /// The body is whole.
    pub(crate) ended: bool,
}

/// A framing that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the framing of a body is broken: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Incoming {
    /// A body in chunks.
    pub(crate) fn chunked() -> Self {
        Self::Chunked(Box::default())
    }

    /// Whether nothing more is to come.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.ended(),
            Self::UntilClose => false,
        }
    }

    /// How much of the next read belongs to the body at most; what is behind it is not to be read where that can be
    /// avoided.
    pub(crate) fn wants(&self) -> usize {
        match self {
            Self::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            Self::Chunked(_) | Self::UntilClose => usize::MAX,
        }
    }

    /// Takes what has been read.
    ///
    /// # Errors
    /// If it is not what a chunked body looks like.
    pub(crate) fn decode(&mut self, buffer: &mut [u8]) -> Result<Decoded, Malformed> {
        match self {
            Self::Length(left) => {
                let used = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
                *left -= used as u64;
                Ok(Decoded { bytes: used, used, ended: *left == 0 })
            }
            Self::Chunked(chunks) => chunks.decode(buffer),
            Self::UntilClose => Ok(Decoded { bytes: buffer.len(), used: buffer.len(), ended: false }),
        }
    }

    /// Whether the body may end with the connection.
    pub(crate) fn may_end_with_the_connection(&self) -> bool {
        matches!(self, Self::UntilClose)
    }
}

/// A body that is going out over HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// As it is: its length has been announced, or it ends with the connection.
    Plain,
    Chunked,
}

/// What stands behind a chunk's bytes.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";
/// The last chunk, without trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The line in front of a chunk.
#[derive(Debug)]
pub(crate) struct ChunkLine {
    text: [u8; Self::BYTES_MAX],
    from: usize,
}

impl ChunkLine {
    /// Sixteen digits and a line end.
    const BYTES_MAX: usize = 18;

    pub(crate) fn new(mut size: usize) -> Self {
        let mut text = [0; Self::BYTES_MAX];
        text[Self::BYTES_MAX - 2..].copy_from_slice(b"\r\n");
        let mut from = Self::BYTES_MAX - 2;
        loop {
            from -= 1;
            text[from] = b"0123456789abcdef"[size % 16];
            size /= 16;
            if size == 0 {
                return Self { text, from };
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[self.from..]
    }
}

#[cfg(test)]
mod tests;
