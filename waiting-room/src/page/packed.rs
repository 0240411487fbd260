//! The part of a page that all its visitors share, compressed once, with a visitor's own part behind it.
//!
//! Both compressed formats allow a stream to go on with bytes that are not compressed: a *stored* block in deflate (RFC 1951,
//! 3.2.4), an uncompressed meta-block in brotli (RFC 7932, 9.2). So the shared part is compressed and flushed to a whole
//! byte when it is first asked for, and an answer is a copy of it, a few bytes of framing and the visitor's part as it
//! is. A page costs no compression, and nothing that a client can choose is ever compressed together with anything else:
//! the length of an answer tells nothing of its content (BREACH).
//!
//! A page also ends in a part that all visitors share, in compressed blocks that refer to nothing before them. Deflate
//! has such blocks anyway. An encoder of brotli makes them when it is told that something may come before: then its
//! stream begins with its head and two bytes as they are, which end on a whole byte.
//!
//! There is no zstd: every browser that takes it takes brotli as well, which is smaller here.

use std::{io::Write, sync::OnceLock};

use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};

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

/// What pages end with, for all visitors.
#[derive(Debug)]
pub(super) struct Tail {
    plain: Bytes,
    deflated: OnceLock<Bytes>,
    /// Behind the first two bytes; `None`: it is stored as it is.
    brotli: OnceLock<Option<Bytes>>,
}

impl Tail {
    pub(super) fn new(plain: String) -> Self {
        Self { plain: plain.into(), deflated: OnceLock::new(), brotli: OnceLock::new() }
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

    /// The whole document: the shared part, and `own` and a tail behind it.
    pub(super) fn followed_by(&self, own: &[u8], tail: Option<&Tail>, encoding: Encoding) -> Bytes {
        let shared = self.shared(encoding);
        let last = tail.map_or(&[][..], |tail| &tail.plain);
        let mut out = Vec::with_capacity(shared.len() + own.len() + last.len() + FRAMING_BYTES);
        out.extend_from_slice(shared);
        match encoding {
            Encoding::Identity => {
                out.extend_from_slice(own);
                out.extend_from_slice(last);
            }
            Encoding::Gzip => self.end_gzip(&mut out, own, tail),
            Encoding::Brotli => {
                store_brotli(&mut out, own);
                end_brotli(&mut out, tail);
            }
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

    fn end_gzip(&self, out: &mut Vec<u8>, own: &[u8], tail: Option<&Tail>) {
        let mut blocks = own.chunks(STORED_BYTES_MAX).peekable();
        loop {
            let block = blocks.next().unwrap_or_default();
            let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
            let last = blocks.peek().is_none();
            out.push(u8::from(last && tail.is_none()));
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(block);
            if last {
                break;
            }
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.plain);
        crc.update(own);
        let mut length = self.plain.len() + own.len();
        if let Some(tail) = tail {
            out.extend_from_slice(tail.deflated.get_or_init(|| deflate(&tail.plain)));
            crc.update(&tail.plain);
            length += tail.plain.len();
        }
        out.extend_from_slice(&crc.finalize().to_le_bytes());
        // As the format has it: the lower 32 bits.
        out.extend_from_slice(&u32::try_from(length & 0xffff_ffff).unwrap_or_default().to_le_bytes());
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
    deflate_into(&mut out, plain, TDEFLFlush::Sync);
    out.into()
}

/// The last blocks of a stream, which stand on their own.
fn deflate(plain: &[u8]) -> Bytes {
    let mut out = Vec::new();
    deflate_into(&mut out, plain, TDEFLFlush::Finish);
    out.into()
}

/// Looks for the shortest: a shared part is made once. `Sync` leaves the stream open behind a whole byte.
fn deflate_into(out: &mut Vec<u8>, plain: &[u8], flush: TDEFLFlush) {
    /// The most that there is.
    const LEVEL: i32 = 10;
    /// Neither a head nor a sum around the blocks.
    const RAW: i32 = 0;
    let flags = create_comp_flags_from_zip_params(LEVEL, RAW, CompressionStrategy::Default as i32);
    // Into memory: it cannot fail.
    compress_to_output(&mut CompressorOxide::new(flags), plain, flush, |bytes| {
        out.extend_from_slice(bytes);
        true
    });
}

fn end_brotli(out: &mut Vec<u8>, tail: Option<&Tail>) {
    let packed = tail.and_then(|tail| Some((tail, tail.brotli.get_or_init(|| detached(&tail.plain)).as_ref()?)));
    match packed {
        Some((tail, rest)) => {
            store_brotli(out, &tail.plain[..DETACHED_PLAIN]);
            out.extend_from_slice(rest);
        }
        None => {
            store_brotli(out, tail.map_or(&[][..], |tail| &tail.plain));
            // The last, and empty.
            out.push(3);
        }
    }
}

/// What a stream that may stand behind others begins with: its head, and bytes as they are.
const DETACHED_HEAD: usize = 3;
const DETACHED_PLAIN: usize = 2;

/// The last blocks of a stream, without the first bytes and what comes before them.
fn detached(plain: &[u8]) -> Option<Bytes> {
    let params = BrotliEncoderParams {
        quality: BROTLI_QUALITY.cast_signed(),
        lgwin: BROTLI_WINDOW_LOG2.cast_signed(),
        catable: true,
        appendable: true,
        use_dictionary: false,
        ..BrotliEncoderParams::default()
    };
    let mut writer = brotli::CompressorWriter::with_params(Vec::new(), 4096, &params);
    // Into memory: it cannot fail.
    let _ = writer.write_all(plain);
    let stream = writer.into_inner();
    let begins = stream.get(DETACHED_HEAD..DETACHED_HEAD + DETACHED_PLAIN)?;
    (plain.get(..DETACHED_PLAIN)? == begins).then(|| Bytes::copy_from_slice(&stream[DETACHED_HEAD + DETACHED_PLAIN..]))
}

fn begin_brotli(plain: &[u8]) -> Bytes {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, BROTLI_QUALITY, BROTLI_WINDOW_LOG2);
    // Into memory: neither can fail.
    let _ = writer.write_all(plain).and_then(|()| writer.flush());
    writer.get_ref().clone().into()
}

fn store_brotli(out: &mut Vec<u8>, own: &[u8]) {
    for block in own.chunks(1 << 20) {
        // From the lowest bit: not the last; how many nibbles say the length; the length less one; uncompressed.
        let length_bits = if block.len() <= 1 << 16 { 16 } else { 20 };
        let length = u32::try_from(block.len() - 1).unwrap_or(0);
        let nibbles = u32::from(length_bits == 20);
        let header = nibbles << 1 | length << 3 | 1 << (3 + length_bits);
        out.extend_from_slice(&header.to_le_bytes()[..3]);
        out.extend_from_slice(block);
    }
}

#[cfg(test)]
mod tests;
