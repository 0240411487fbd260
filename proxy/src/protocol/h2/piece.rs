//! Bytes of an answer on their way through the framing, which keeps the last frame until all of it is with the system. A
//! client may leave it there for long, so what has been written is let go at once.

use bytes::{Buf, Bytes};

/// A piece of an answer.
#[derive(Debug, Default)]
pub(super) struct Piece(Bytes);

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    fn advance(&mut self, bytes: usize) {
        self.0.advance(bytes);
        if self.0.is_empty() {
            self.0 = Bytes::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_been_written_is_let_go() {
        let bytes = Bytes::from(vec![b'x'; 100]);
        let mut piece = Piece::from(bytes.clone());
        piece.advance(99);
        assert!(!bytes.is_unique());
        assert_eq!(piece.chunk(), b"x");
        piece.advance(1);
        assert!(bytes.is_unique(), "it is the only one left");
        assert!(!piece.has_remaining());
    }
}
