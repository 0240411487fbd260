//! The readings that origins may make of one odd path.
//!
//! Each habit below exists in some server, framework or file system, and an origin may have any number of them, in any
//! order. So a path's readings are all that can be made of it by habits, one after the other, until nothing new comes.
//! If all of them meet the same queue the path may be forwarded as it is spelt, whatever the origin makes of it.
//!
//! Every reading is a path in the spelling of a request, so that the next habit, and in the end the normal form, can be
//! applied to it.

use super::{Ambiguous, push_escape, unhex};

/// Most readings of one path. An honest one has a handful.
const READINGS_MAX: usize = 48;
/// Most bytes of all readings of one path together.
const BYTES_MAX: usize = 64 << 10;

/// One thing that some origin does with a path, and what it is called. `None`: nothing to do.
type Habit = (Ambiguous, fn(&[u8]) -> Option<Vec<u8>>);

/// Which reading comes of a habit, or by which the path is refused if it meets another queue.
const HABITS: [Habit; 10] = [
    (Ambiguous::DoubleSlash, without_authority),
    (Ambiguous::DoubleSlash, without_parameters),
    (Ambiguous::EncodedSeparator, |path| replaced(path, |byte| matches!(byte, b'/' | b'\\').then_some(b'/'))),
    (Ambiguous::DoubleEncoding, decoded_once_more),
    (Ambiguous::EncodedDelimiter, cut_at_delimiter),
    (Ambiguous::SegmentEnd, trimmed),
    (Ambiguous::NonAscii, |path| without_non_ascii(path, false)),
    (Ambiguous::NonAscii, |path| without_non_ascii(path, true)),
    (Ambiguous::NonAscii, narrowed),
    (Ambiguous::NonAscii, folded),
];

/// All readings of a path but itself, each with the habit that its first step was, or with the dropping of letters if
/// that was among them.
///
/// # Errors
/// If there are too many of them.
pub(super) fn of(raw: &[u8]) -> Result<Vec<(Ambiguous, Vec<u8>)>, Ambiguous> {
    let mut found: Vec<(Ambiguous, Vec<u8>)> = Vec::new();
    let mut bytes = 0;
    let mut next = 0;
    loop {
        let (first, from) = match next {
            0 => (None, raw),
            nth => match found.get(nth - 1) {
                Some((first, from)) => (Some(*first), from.as_slice()),
                None => return Ok(found),
            },
        };
        let mut fresh = Vec::new();
        for (habit, read) in HABITS {
            let Some(reading) = read(from) else { continue };
            let is_known = |known: &[u8]| known == reading;
            let known = found.iter().chain(&fresh).any(|(_, known)| is_known(known)) || is_known(raw);
            if !known {
                bytes += reading.len();
                // An origin that drops letters differs from all others: see `find_agreed`.
                let why = if habit == Ambiguous::NonAscii { habit } else { first.unwrap_or(habit) };
                fresh.push((why, reading));
            }
        }
        found.extend(fresh);
        if found.len() > READINGS_MAX || bytes > BYTES_MAX {
            return Err(Ambiguous::TooManyReadings);
        }
        next += 1;
    }
}

/// A URL parser takes what is behind `//` for a host.
fn without_authority(path: &[u8]) -> Option<Vec<u8>> {
    let behind = path.strip_prefix(b"//")?;
    let end = behind.iter().position(|&b| b == b'/').unwrap_or(behind.len());
    let rest = &behind[end..];
    Some(if rest.is_empty() { b"/".to_vec() } else { rest.to_vec() })
}

/// The normal form is without them, too; but what stands before them is then at the end of its segment, and an empty
/// segment in front is a host to some.
fn without_parameters(path: &[u8]) -> Option<Vec<u8>> {
    let mut read = Vec::with_capacity(path.len());
    let mut inside = false;
    for piece in pieces(path) {
        inside = (inside || piece.byte() == b';') && !matches!(piece, Piece::Plain(b'/'));
        match piece {
            _ if inside => {}
            Piece::Plain(byte) => read.push(byte),
            Piece::Escape(_, spelt) => read.extend_from_slice(spelt),
        }
    }
    (read != path).then_some(read)
}

/// Escapes of some characters become what `by` says.
fn replaced(path: &[u8], by: impl Fn(u8) -> Option<u8>) -> Option<Vec<u8>> {
    let mut read = Vec::with_capacity(path.len());
    let mut changed = false;
    for piece in pieces(path) {
        match piece {
            Piece::Escape(byte, spelt) => match by(byte) {
                Some(other) => {
                    changed = true;
                    read.push(other);
                }
                None => read.extend_from_slice(spelt),
            },
            Piece::Plain(byte) => read.push(byte),
        }
    }
    changed.then_some(read)
}

/// What is decoded twice. Escapes of what has a meaning of its own stay escapes, for the other habits.
fn decoded_once_more(path: &[u8]) -> Option<Vec<u8>> {
    if !path.windows(3).any(|escape| escape == b"%25") {
        return None;
    }
    let mut text = String::with_capacity(path.len());
    // Where a percent sign stands that was an escape.
    let mut bare = Vec::new();
    for piece in pieces(path) {
        match piece {
            Piece::Escape(b'%', _) => {
                bare.push(text.len());
                text.push('%');
            }
            Piece::Escape(byte, _) if byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\' | b'?' | b'#') => {
                text.push(char::from(byte));
            }
            Piece::Escape(byte, _) => push_escape(byte, &mut text),
            Piece::Plain(byte) if byte.is_ascii() => text.push(char::from(byte)),
            Piece::Plain(byte) => push_escape(byte, &mut text),
        }
    }
    let bytes = text.into_bytes();
    let is_escape = |at: usize| matches!(bytes.get(at + 1..at + 3), Some([high, low]) if unhex(*high, *low).is_ok());
    if !bare.iter().any(|&at| is_escape(at)) {
        return None;
    }
    let mut read = Vec::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        read.push(byte);
        if bare.contains(&at) && !is_escape(at) {
            read.extend_from_slice(b"25");
        }
    }
    Some(read)
}

/// What is decoded before the query is cut off.
fn cut_at_delimiter(path: &[u8]) -> Option<Vec<u8>> {
    let mut read = Vec::with_capacity(path.len());
    for piece in pieces(path) {
        match piece {
            Piece::Escape(b'?' | b'#', _) => return Some(read),
            Piece::Escape(_, spelt) => read.extend_from_slice(spelt),
            Piece::Plain(byte) => read.push(byte),
        }
    }
    None
}

/// Spaces around the names of files, and dots behind them, mean nothing to some file systems and routers.
fn trimmed(path: &[u8]) -> Option<Vec<u8>> {
    let mut read = Vec::with_capacity(path.len());
    for segment in path.split(|&b| b == b'/').skip(1) {
        read.push(b'/');
        let mut rest = segment;
        while let Some(inner) = strip_ignoring_case(rest, b"%20", Side::Start) {
            rest = inner;
        }
        loop {
            let without = strip_ignoring_case(rest, b"%20", Side::End)
                .or_else(|| strip_ignoring_case(rest, b"%2e", Side::End))
                .or_else(|| rest.strip_suffix(b"."));
            match without {
                Some(inner) => rest = inner,
                None => break,
            }
        }
        let has_dots = segment.contains(&b'.') || find_ignoring_case(segment, b"%2e");
        let has_spaces = find_ignoring_case(segment, b"%20");
        read.extend_from_slice(match (rest.is_empty(), has_dots, has_spaces) {
            // Nothing but dots: what is meant by it is judged where it stands.
            (true, true, false) => segment,
            // Dots with spaces around them may be a dot segment to somebody.
            (true, true, true) => b"..",
            _ => rest,
        });
    }
    (read != path).then_some(read)
}

fn find_ignoring_case(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|piece| piece.eq_ignore_ascii_case(what))
}

#[derive(Clone, Copy)]
enum Side {
    Start,
    End,
}

fn strip_ignoring_case<'p>(text: &'p [u8], what: &[u8], side: Side) -> Option<&'p [u8]> {
    let at = text.len().checked_sub(what.len())?;
    let (piece, rest) = match side {
        Side::Start => (&text[..what.len()], &text[what.len()..]),
        Side::End => (&text[at..], &text[..at]),
    };
    piece.eq_ignore_ascii_case(what).then_some(rest)
}

/// Some decoders drop what is no UTF-8, others all that is no ASCII.
fn without_non_ascii(path: &[u8], valid_too: bool) -> Option<Vec<u8>> {
    rewritten(path, |run| {
        let keeps = if valid_too { String::new() } else { run.utf8_chunks().map(|chunk| chunk.valid()).collect() };
        keeps.into_bytes()
    })
}

/// Letters of full width, a slash among them, become those of ASCII.
fn narrowed(path: &[u8]) -> Option<Vec<u8>> {
    letters_rewritten(path, |letter| match u32::from(letter) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0),
        _ => None,
    })
}

/// Letters that become ASCII when case is ignored the way of Unicode: the Kelvin sign, the long s, the dotless i.
fn folded(path: &[u8]) -> Option<Vec<u8>> {
    letters_rewritten(path, |letter| match letter {
        '\u{212a}' => Some('k'),
        '\u{17f}' => Some('s'),
        '\u{130}' | '\u{131}' => Some('i'),
        _ => None,
    })
}

fn letters_rewritten(path: &[u8], by: impl Fn(char) -> Option<char>) -> Option<Vec<u8>> {
    rewritten(path, |run| {
        let mut read = Vec::with_capacity(run.len());
        for chunk in run.utf8_chunks() {
            for letter in chunk.valid().chars() {
                read.extend_from_slice(by(letter).unwrap_or(letter).encode_utf8(&mut [0; 4]).as_bytes());
            }
            read.extend_from_slice(chunk.invalid());
        }
        read
    })
}

/// Runs of bytes above 127, spelt either way, become what `by` makes of them.
fn rewritten(path: &[u8], by: impl Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    if path.is_ascii() && !path.contains(&b'%') {
        return None;
    }
    let mut read = String::with_capacity(path.len());
    let mut run = Vec::new();
    let mut changed = false;
    let mut end = |run: &mut Vec<u8>, read: &mut String| {
        if run.is_empty() {
            return;
        }
        let other = by(run);
        changed |= other != *run;
        for &byte in &other {
            let is_plain = byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'?' | b'#');
            if is_plain { read.push(char::from(byte)) } else { push_escape(byte, read) }
        }
        run.clear();
    };
    for piece in pieces(path) {
        match piece {
            Piece::Escape(byte, _) | Piece::Plain(byte) if !byte.is_ascii() => run.push(byte),
            Piece::Escape(byte, _) => {
                end(&mut run, &mut read);
                push_escape(byte, &mut read);
            }
            Piece::Plain(byte) => {
                end(&mut run, &mut read);
                read.push(char::from(byte));
            }
        }
    }
    end(&mut run, &mut read);
    changed.then(|| read.into_bytes())
}

/// A byte of a path as it is spelt.
pub(super) enum Piece<'p> {
    Plain(u8),
    Escape(u8, &'p [u8]),
}

impl Piece<'_> {
    pub(super) fn byte(&self) -> u8 {
        let (Piece::Plain(byte) | Piece::Escape(byte, _)) = self;
        *byte
    }
}

/// A `%` without two hex digits is a plain one; such a path is refused anyway.
pub(super) fn pieces(path: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = path;
    std::iter::from_fn(move || {
        let (&byte, tail) = rest.split_first()?;
        if let (b'%', Some((spelt, behind))) = (byte, rest.split_at_checked(3))
            && let Ok(decoded) = unhex(spelt[1], spelt[2])
        {
            rest = behind;
            return Some(Piece::Escape(decoded, spelt));
        }
        rest = tail;
        Some(Piece::Plain(byte))
    })
}
