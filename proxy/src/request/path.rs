//! The one form of a path that queues are matched on.
//!
//! A queue protects a prefix of the path, and the origin, not this proxy, decides which page a path means. An origin
//! may decode percent-encodings, cut off path parameters (`/checkout;v=1`), or fold `//` into `/`. If it folds two
//! spellings into one page and we match only one of them, the other one is a way round the queue. So every spelling
//! is brought to one [`NormalPath`]. The origin is sent the path as the visitor spelt it: the normal form is for
//! matching only.
//!
//! What origins read in ways that differ has [`readings`] beside its normal form. A path all of whose readings meet
//! the same queue is forwarded as it is; one of which some reading meets another queue, or none, is refused.
//!
//! | in the path | here | because |
//! |---|---|---|
//! | printable ASCII, encoded (`%63`, `%2B`, `%3B`) | decoded | an origin that decodes once sees the same |
//! | anything else, encoded (`%20`, `%c3%a9`, `%3f`) or above 127 | kept, hex in upper case | there is no other safe spelling |
//! | upper and lower case | alike | many routers and file systems take them so |
//! | `;v=1` at the end of a segment | cut off | servlet containers cut it off; others have no page of that name |
//! | `//` inside | folded to `/` | most origins fold it; the rest have no page of that name |
//! | `//` in front | folded; another reading | a URL parser reads `//checkout/pay` as host `checkout`, path `/pay` |
//! | `%2f`, `%5c` | kept; another reading | a separator to some, a letter to others |
//! | `%25` with two hex digits behind it | kept; another reading | a second decoder makes another character of it |
//! | `%3f`, `%23` | kept; another reading | who decodes first cuts the query off there |
//! | a space at either end of a segment, dots at its end | kept; another reading | some file systems and routers drop them |
//! | bytes above 127, however spelt | kept; other readings | some decoders drop what is no UTF-8 or no ASCII, or narrow it |
//! | `.` and `..`, plain, encoded or with parameters, in any reading | refused | who resolves them, and when, differs |
//! | `\` | refused | a separator to some, a letter to others; no client means it |
//! | `%c0%af`, `%e0%80%af` (overlong UTF-8) | refused | old decoders make `/` of it |
//! | control bytes, `%00`…`%1f`, `%7f`, `%`, `%zz`, `%u002f` | refused | not a path at all |

mod readings;

use std::borrow::Cow;
use std::fmt;

/// A path in its normal form: ASCII, starts with `/`, no dot segment, no empty segment except at the end. Upper and lower
/// case are as they came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NormalPath<'a> {
    text: Cow<'a, str>,
    /// What else origins may read, in normal form, and why.
    others: Vec<(Ambiguous, String)>,
}

/// Why a path has no normal form. The answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ambiguous {
    /// Empty, or does not start with `/`.
    NotRooted,
    /// Starts with `//`.
    DoubleSlash,
    /// An encoded slash or backslash.
    EncodedSeparator,
    /// A plain backslash.
    Backslash,
    /// A segment that is `.` or `..` once decoded and without its parameters.
    DotSegment,
    /// A percent-encoding that decodes to a percent-encoding.
    DoubleEncoding,
    /// A `%` without two hex digits behind it.
    BadEscape,
    /// An overlong UTF-8 encoding of an ASCII character.
    Overlong,
    /// A byte that no path may hold: control, space, DEL, `?` or `#`; or an encoded control byte.
    ForbiddenByte,
    /// An encoded `?` or `#`.
    EncodedDelimiter,
    /// A segment with spaces at its ends, or dots at the end.
    SegmentEnd,
    /// Bytes above 127.
    NonAscii,
    /// More readings than are worth a look.
    TooManyReadings,
}

impl Ambiguous {
    /// A short fixed name: a metric label.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::NotRooted => "path_not_rooted",
            Self::DoubleSlash => "path_double_slash",
            Self::EncodedSeparator => "path_encoded_separator",
            Self::Backslash => "path_backslash",
            Self::DotSegment => "path_dot_segment",
            Self::DoubleEncoding => "path_double_encoding",
            Self::BadEscape => "path_bad_escape",
            Self::Overlong => "path_overlong",
            Self::ForbiddenByte => "path_forbidden_byte",
            Self::EncodedDelimiter => "path_encoded_delimiter",
            Self::SegmentEnd => "path_segment_end",
            Self::NonAscii => "path_non_ascii",
            Self::TooManyReadings => "path_too_many_readings",
        }
    }
}

impl<'a> NormalPath<'a> {
    /// Normalises the path of a request target, without its query.
    ///
    /// A path that is in normal form already, as nearly all are, costs one scan and no allocation.
    ///
    /// # Errors
    /// [`Ambiguous`] when origins might disagree about what the path means.
    pub(crate) fn parse(raw: &'a [u8]) -> Result<Self, Ambiguous> {
        if raw.first() != Some(&b'/') {
            return Err(Ambiguous::NotRooted);
        }
        let glance = Glance::at(raw);
        let text = if glance.needs_rewriting {
            Cow::Owned(rewrite(raw)?)
        } else if glance.dot_after_slash && has_dot_segment(raw) {
            return Err(Ambiguous::DotSegment);
        } else {
            // It is printable ASCII: this cannot fail.
            Cow::Borrowed(str::from_utf8(raw).map_err(|_| Ambiguous::ForbiddenByte)?)
        };
        let others = if glance.needs_rewriting || glance.dot_at_end { other_readings(raw, &text)? } else { Vec::new() };
        Ok(Self { text, others })
    }

    /// The normal form.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The normal form, and all else that origins may read.
    pub(crate) fn readings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.as_str()).chain(self.others.iter().map(|(_, reading)| reading.as_str()))
    }
}

impl fmt::Display for NormalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Path prefixes, each with what it stands for; the longest one that matches wins.
///
/// `/sale` matches `/sale` and everything below it, but not `/salesman`; `/sale/` matches only what is below `/sale`;
/// `/` matches every path. Upper and lower case are alike. A linear scan, longest first: a tenant has a handful of prefixes.
#[derive(Clone, Debug)]
pub(crate) struct PrefixTable<T> {
    longest_first: Vec<(Box<str>, T)>,
}

/// A prefix that cannot stand in a [`PrefixTable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadPrefix {
    /// The prefix has no normal form.
    Ambiguous(String, Ambiguous),
    /// Two prefixes have the same normal form, this one.
    Repeated(String),
}

impl<T> PrefixTable<T> {
    /// Builds the table. Prefixes are normalised like paths, after spaces and non-ASCII characters have been encoded,
    /// so that a config may say `/café`.
    ///
    /// # Errors
    /// [`BadPrefix`] for the first prefix that is ambiguous or repeated.
    pub(crate) fn new<S: AsRef<str>>(prefixes: impl IntoIterator<Item = (S, T)>) -> Result<Self, BadPrefix> {
        let mut longest_first: Vec<(Box<str>, T)> = Vec::new();
        for (prefix, value) in prefixes {
            let prefix = prefix.as_ref();
            let normal: Box<str> =
                normal_prefix(prefix).map_err(|ambiguous| BadPrefix::Ambiguous(prefix.to_owned(), ambiguous))?.into();
            if longest_first.iter().any(|(other, _)| other.eq_ignore_ascii_case(&normal)) {
                return Err(BadPrefix::Repeated(normal.into()));
            }
            longest_first.push((normal, value));
        }
        longest_first.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self { longest_first })
    }

    /// The longest prefix that matches the normal form, and what it stands for. Other readings are not looked at.
    pub(crate) fn find(&self, path: &NormalPath<'_>) -> Option<(&str, &T)> {
        self.longest(path.as_str())
    }

    /// The same if what all readings of the path meet is `alike`.
    ///
    /// # Errors
    /// What makes origins read the path differently, if the readings meet different things.
    pub(crate) fn find_agreed(
        &self,
        path: &NormalPath<'_>,
        alike: impl Fn(&T, &T) -> bool,
    ) -> Result<Option<(&str, &T)>, Ambiguous> {
        let found = self.find(path);
        for (why, reading) in &path.others {
            let agrees = match (found, self.longest(reading)) {
                (Some((_, one)), Some((_, other))) => alike(one, other),
                (None, None) => true,
                // A queue on `/café` is not to be shut to those who read well, and an origin that drops letters meets no queue.
                (Some(_), None) => *why == Ambiguous::NonAscii,
                (None, Some(_)) => false,
            };
            if !agrees {
                return Err(*why);
            }
        }
        Ok(found)
    }

    fn longest(&self, path: &str) -> Option<(&str, &T)> {
        let (prefix, value) = self.longest_first.iter().find(|(prefix, _)| {
            path.split_at_checked(prefix.len()).is_some_and(|(start, rest)| {
                start.eq_ignore_ascii_case(prefix)
                    && (rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
            })
        })?;
        Some((prefix, value))
    }
}

/// What one scan without early exits, many bytes at a time, tells about a path.
#[derive(Default)]
struct Glance {
    /// An escape, a parameter, an empty segment, or a byte that may not be there at all.
    needs_rewriting: bool,
    /// A segment that starts with a dot: `..`, or just `.well-known`.
    dot_after_slash: bool,
    /// A segment that ends with a dot.
    dot_at_end: bool,
}

fn has_dot_segment(path: &[u8]) -> bool {
    let starts_segment = |&at: &usize| at > 0 && path[at - 1] == b'/';
    let is_all = |at: usize| matches!(&path[at + 1..], [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..]);
    memchr::memchr_iter(b'.', path).filter(starts_segment).any(is_all)
}

impl Glance {
    fn at(raw: &[u8]) -> Self {
        let mut glance = Self::default();
        // The first byte is known to be a slash.
        for (&before, &at) in raw.iter().zip(raw.get(1..).unwrap_or_default()) {
            let special = (at == b'%') | (at == b';') | (at == b'\\') | (at == b'?') | (at == b'#');
            glance.needs_rewriting |= special | !at.is_ascii_graphic() | ((before == b'/') & (at == b'/'));
            glance.dot_after_slash |= (before == b'/') & (at == b'.');
            glance.dot_at_end |= (before == b'.') & (at == b'/');
        }
        glance.dot_at_end |= raw.last() == Some(&b'.');
        glance
    }
}

/// What else origins may make of a path whose normal form is this.
fn other_readings(raw: &[u8], normal: &str) -> Result<Vec<(Ambiguous, String)>, Ambiguous> {
    let mut others: Vec<(Ambiguous, String)> = Vec::new();
    for (why, reading) in readings::of(raw)? {
        let reading = rewrite(&reading)?;
        if reading != normal && others.iter().all(|(_, other)| *other != reading) {
            others.push((why, reading));
        }
    }
    Ok(others)
}

/// The slow way: a path that is not in its normal form, or has none.
fn rewrite(raw: &[u8]) -> Result<String, Ambiguous> {
    let mut normal = String::with_capacity(raw.len());
    let mut segments = raw[1..].split(|&b| b == b'/').peekable();
    while let Some(segment) = segments.next() {
        normal.push('/');
        let start = normal.len();
        push_segment(segment, &mut normal)?;
        match &normal[start..] {
            // `/a/` keeps its slash, `/a//b` loses one.
            "" if segments.peek().is_none() => {}
            "" => normal.truncate(start - 1),
            "." | ".." => return Err(Ambiguous::DotSegment),
            _ => {}
        }
    }
    Ok(normal)
}

/// Appends one raw segment, decoded and without its parameters. The parameters are checked all the same.
fn push_segment(raw: &[u8], normal: &mut String) -> Result<(), Ambiguous> {
    let mut end = None;
    let mut rest = raw;
    while let [byte, tail @ ..] = rest {
        let decoded = match CLASS[usize::from(*byte)] {
            Class::Percent | Class::High if is_overlong(rest) => return Err(Ambiguous::Overlong),
            Class::Percent => {
                let [high, low, tail @ ..] = tail else { return Err(Ambiguous::BadEscape) };
                rest = tail;
                unhex(*high, *low)?
            }
            Class::Backslash => return Err(Ambiguous::Backslash),
            Class::Forbidden => return Err(Ambiguous::ForbiddenByte),
            Class::Plain | Class::Slash | Class::Semicolon | Class::High => {
                rest = tail;
                *byte
            }
        };
        match CLASS[usize::from(decoded)] {
            Class::Forbidden if decoded < b' ' || decoded == DEL => return Err(Ambiguous::ForbiddenByte),
            Class::Slash | Class::Backslash | Class::Forbidden | Class::High | Class::Percent => {
                push_escape(decoded, normal);
            }
            Class::Plain => normal.push(char::from(decoded)),
            Class::Semicolon => {
                end.get_or_insert(normal.len());
                normal.push(';');
            }
        }
    }
    normal.truncate(end.unwrap_or(normal.len()));
    Ok(())
}

/// Whether bytes at the start of `rest`, escaped or not, spell an ASCII character in two, three or four bytes of UTF-8.
///
/// Only that: other bytes that are not UTF-8 are Latin-1 or Shift-JIS on many an old site, and mean no separator.
fn is_overlong(rest: &[u8]) -> bool {
    let mut bytes = [0; 4];
    let mut length = 0;
    for (piece, byte) in readings::pieces(rest).zip(&mut bytes) {
        *byte = piece.byte();
        length += 1;
    }
    const TAIL: std::ops::RangeInclusive<u8> = 0x80..=0xbf;
    match bytes[..length] {
        [0xc0 | 0xc1, a, ..] => TAIL.contains(&a),
        [0xe0, 0x80 | 0x81, a, ..] => TAIL.contains(&a),
        [0xf0, 0x80, 0x80 | 0x81, a] => TAIL.contains(&a),
        _ => false,
    }
}

/// The normal form of a prefix, as a person may write it in a config.
fn normal_prefix(prefix: &str) -> Result<String, Ambiguous> {
    let encoded = encode(prefix);
    if encoded.starts_with('/') { rewrite(encoded.as_bytes()) } else { Err(Ambiguous::NotRooted) }
}

/// Encodes what a person may write in a config but a path may not hold.
fn encode(prefix: &str) -> Cow<'_, str> {
    if prefix.bytes().all(|b| b.is_ascii_graphic()) {
        return Cow::Borrowed(prefix);
    }
    let mut encoded = String::with_capacity(prefix.len() * 3);
    for byte in prefix.bytes() {
        if byte.is_ascii_graphic() {
            encoded.push(char::from(byte));
        } else {
            push_escape(byte, &mut encoded);
        }
    }
    Cow::Owned(encoded)
}

/// Writes a byte as `%XX`.
pub(crate) fn push_escape(byte: u8, text: &mut String) {
    const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(UPPER_HEX[usize::from(byte >> 4)]));
    text.push(char::from(UPPER_HEX[usize::from(byte & 15)]));
}

/// The bytes of a text, each escape as the byte that it stands for.
pub(crate) fn unescaped(text: &[u8]) -> impl Iterator<Item = u8> {
    readings::pieces(text).map(|piece| piece.byte())
}

fn unhex(high: u8, low: u8) -> Result<u8, Ambiguous> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Ambiguous::BadEscape),
    };
    Ok((digit(high)? << 4) | digit(low)?)
}

const DEL: u8 = 0x7f;

/// What a byte means in a path.
#[derive(Clone, Copy)]
enum Class {
    /// Printable ASCII without a meaning of its own here. Browsers send `|`, `^`, `[` and the like unencoded.
    Plain,
    Slash,
    Percent,
    Semicolon,
    Backslash,
    /// Above 127: one letter or another, or none.
    High,
    Forbidden,
}

static CLASS: [Class; 256] = {
    let mut classes = [Class::Forbidden; 256];
    let mut byte = b'!';
    while byte < DEL {
        classes[byte as usize] = match byte {
            b'/' => Class::Slash,
            b'%' => Class::Percent,
            b';' => Class::Semicolon,
            b'\\' => Class::Backslash,
            b'?' | b'#' => Class::Forbidden,
            _ => Class::Plain,
        };
        byte += 1;
    }
    let mut byte = 0x80;
    while byte < classes.len() {
        classes[byte] = Class::High;
        byte += 1;
    }
    classes
};

#[cfg(test)]
pub(crate) mod tests;
