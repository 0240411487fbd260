//! The part of a page that all its visitors share, compressed once, with a visitor's own part behind it.
//!
//! All three formats allow a stream to go on with bytes that are not compressed: a *stored* block in deflate (RFC 1951,
//! 3.2.4), an uncompressed meta-block in brotli (RFC 7932, 9.2). So the shared part is compressed and flushed to a whole
//! byte when it is first asked for, and an answer is a copy of it, a few bytes of framing and the visitor's part as it
//! is. A page costs no compression, and nothing that a client can choose is ever compressed together with anything else:
//! the length of an answer tells nothing of its content (BREACH).
//!
//! There is no zstd: every browser that takes it takes brotli as well, which is smaller here.

use std::{io::Write, sync::OnceLock};

use bytes::Bytes;
use flate2::{Compression, write::DeflateEncoder};

/// How the bytes of an answer are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As they are.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Encoding {
    /// All of them, the smallest first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// Its name in `Content-Encoding`; none for bytes as they are.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }
}

/// A shared part in all its encodings.
#[derive(Debug)]
pub(super) struct Packed {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
}

impl Packed {
    pub(super) fn new(plain: String) -> Self {
        Self { plain: plain.into(), gzip: OnceLock::new(), brotli: OnceLock::new() }
    }

    /// The whole document: the shared part, and `own` behind it.
    pub(super) fn followed_by(&self, own: &[u8], encoding: Encoding) -> Bytes {
        let shared = self.shared(encoding);
        let mut out = Vec::with_capacity(shared.len() + own.len() + FRAMING_BYTES);
        out.extend_from_slice(shared);
        match encoding {
            Encoding::Identity => out.extend_from_slice(own),
            Encoding::Gzip => self.end_gzip(&mut out, own),
            Encoding::Brotli => end_brotli(&mut out, own),
        }
        out.into()
    }

    fn shared(&self, encoding: Encoding) -> &Bytes {
        match encoding {
            Encoding::Identity => &self.plain,
            Encoding::Gzip => self.gzip.get_or_init(|| begin_gzip(&self.plain)),
            Encoding::Brotli => self.brotli.get_or_init(|| begin_brotli(&self.plain)),
        }
    }

    fn end_gzip(&self, out: &mut Vec<u8>, own: &[u8]) {
        let mut blocks = own.chunks(STORED_BYTES_MAX).peekable();
        loop {
            let block = blocks.next().unwrap_or_default();
            let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
            let last = blocks.peek().is_none();
            out.push(u8::from(last));
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(block);
            if last {
                break;
            }
        }
        let mut crc = flate2::Crc::new();
        crc.update(&self.plain);
        crc.update(own);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
    }
}

/// Room for what stands between and behind the parts, for all but the longest forms.
const FRAMING_BYTES: usize = 32;
/// The longest stored block of deflate.
const STORED_BYTES_MAX: usize = u16::MAX as usize;
/// Of 11. The last two levels take ten times as long for a hundredth, and the first visitor waits for it.
const BROTLI_QUALITY: u32 = 9;
const BROTLI_WINDOW_LOG2: u32 = 18;

fn begin_gzip(plain: &[u8]) -> Bytes {
    // Magic, deflate, no flags, no time, unknown system.
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut writer = DeflateEncoder::new(&mut out, Compression::best());
    // Into memory: neither can fail. What the writer adds when it is dropped is left out.
    let _ = writer.write_all(plain).and_then(|()| writer.flush());
    let length = writer.get_ref().len();
    drop(writer);
    out.truncate(length);
    out.into()
}

fn begin_brotli(plain: &[u8]) -> Bytes {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, BROTLI_QUALITY, BROTLI_WINDOW_LOG2);
    // Into memory: neither can fail.
    let _ = writer.write_all(plain).and_then(|()| writer.flush());
    writer.get_ref().clone().into()
}

fn end_brotli(out: &mut Vec<u8>, own: &[u8]) {
    for block in own.chunks(1 << 20) {
        // From the lowest bit: not the last; how many nibbles say the length; the length less one; uncompressed.
        let length_bits = if block.len() <= 1 << 16 { 16 } else { 20 };
        let length = u32::try_from(block.len() - 1).unwrap_or(0);
        let nibbles = u32::from(length_bits == 20);
        let header = nibbles << 1 | length << 3 | 1 << (3 + length_bits);
        out.extend_from_slice(&header.to_le_bytes()[..3]);
        out.extend_from_slice(block);
    }
    // The last, and empty.
    out.push(3);
}

#[cfg(test)]
mod tests;
