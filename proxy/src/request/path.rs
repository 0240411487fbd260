//! The one form of a path that queues are matched on.
//!
//! A queue protects a prefix of the path, and the origin, not this proxy, decides which page a path means. An origin
//! may decode percent-encodings, cut off path parameters (`/checkout;v=1`), or fold `//` into `/`. If it folds two
//! spellings into one page and we match only one of them, the other one is a way round the queue. So every spelling
//! is brought to one [`NormalPath`], and what an origin might fold in a way that cannot be foreseen is [`Ambiguous`]
//! and refused. The origin is sent the path as the visitor spelt it: the normal form is for matching only.
//!
//! | in the path | here | because |
//! |---|---|---|
//! | printable ASCII, encoded (`%63`, `%2B`, `%3B`) | decoded | an origin that decodes once sees the same |
//! | anything else, encoded (`%20`, `%c3%a9`, `%3f`) | kept, hex in upper case | there is no other safe spelling |
//! | `;v=1` at the end of a segment | cut off | servlet containers cut it off; others have no page of that name |
//! | `//` inside | folded to `/` | most origins fold it; the rest have no page of that name |
//! | `//` in front | refused | a URL parser reads `//checkout/pay` as host `checkout`, path `/pay` |
//! | `.` and `..`, plain, encoded or with parameters | refused | who resolves them, and when, differs |
//! | `%2f`, `%5c`, `\` | refused | a separator to some, a letter to others |
//! | `%25` with two hex digits behind it | refused | a second decoder makes another character of it |
//! | `%c0%af`, `%e0%80%af` (overlong UTF-8) | refused | old decoders make `/` of it |
//! | control bytes, `%00`…`%1f`, `%7f`, `%`, `%zz`, `%u002f`, raw bytes above 127 | refused | not a path at all |
//!
//! Letters keep their case. An origin that takes `/Checkout` for `/checkout` (a case-blind file system) needs its
//! queue on `/`, which no spelling escapes.

use std::borrow::Cow;
use std::fmt;

/// A path in its normal form: ASCII, starts with `/`, no dot segment, no empty segment except at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NormalPath<'a>(Cow<'a, str>);

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
    /// A byte that no path may hold: control, space, DEL, `?`, `#`, or above 127; or an encoded control byte.
    ForbiddenByte,
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
        if glance.needs_rewriting {
            return rewrite(raw);
        }
        if glance.dot_after_slash && has_dot_segment(raw) {
            return Err(Ambiguous::DotSegment);
        }
        // It is printable ASCII: this cannot fail.
        let text = str::from_utf8(raw).map_err(|_| Ambiguous::ForbiddenByte)?;
        Ok(Self(Cow::Borrowed(text)))
    }

    /// The normal form.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NormalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Path prefixes, each with what it stands for; the longest one that matches wins.
///
/// `/sale` matches `/sale` and everything below it, but not `/salesman`; `/sale/` matches only what is below `/sale`;
/// `/` matches every path. A linear scan, longest first: a tenant has a handful of prefixes.
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
            let encoded = encode(prefix);
            let normal = NormalPath::parse(encoded.as_bytes())
                .map_err(|ambiguous| BadPrefix::Ambiguous(prefix.to_owned(), ambiguous))?;
            let normal: Box<str> = normal.as_str().into();
            if longest_first.iter().any(|(other, _)| *other == normal) {
                return Err(BadPrefix::Repeated(normal.into()));
            }
            longest_first.push((normal, value));
        }
        longest_first.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self { longest_first })
    }

    /// The longest prefix that matches, in its normal form, and what it stands for.
    pub(crate) fn find(&self, path: &NormalPath<'_>) -> Option<(&str, &T)> {
        let path = path.as_str();
        let (prefix, value) = self.longest_first.iter().find(|(prefix, _)| {
            path.strip_prefix(&**prefix)
                .is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
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
        }
        glance
    }
}

/// The slow way: a path that is not in its normal form, or has none.
fn rewrite(raw: &[u8]) -> Result<NormalPath<'static>, Ambiguous> {
    let mut normal = String::with_capacity(raw.len());
    let mut segments = raw[1..].split(|&b| b == b'/').peekable();
    while let Some(segment) = segments.next() {
        normal.push('/');
        let start = normal.len();
        push_segment(segment, &mut normal)?;
        match &normal[start..] {
            // `/a/` keeps its slash; `/a//b` loses one; `//b` is refused.
            "" if segments.peek().is_none() => {}
            "" if start == 1 => return Err(Ambiguous::DoubleSlash),
            "" => normal.truncate(start - 1),
            "." | ".." => return Err(Ambiguous::DotSegment),
            _ => {}
        }
    }
    Ok(NormalPath(Cow::Owned(normal)))
}

/// Appends one raw segment, decoded and without its parameters. The parameters are checked all the same.
fn push_segment(raw: &[u8], normal: &mut String) -> Result<(), Ambiguous> {
    let start = normal.len();
    let mut end = None;
    let mut rest = raw;
    while let [byte, tail @ ..] = rest {
        let decoded = match CLASS[usize::from(*byte)] {
            Class::Percent => {
                let [high, low, tail @ ..] = tail else { return Err(Ambiguous::BadEscape) };
                if is_overlong(rest) {
                    return Err(Ambiguous::Overlong);
                }
                rest = tail;
                unhex(*high, *low)?
            }
            Class::Backslash => return Err(Ambiguous::Backslash),
            Class::Forbidden => return Err(Ambiguous::ForbiddenByte),
            Class::Plain | Class::Slash | Class::Semicolon => {
                rest = tail;
                *byte
            }
        };
        match CLASS[usize::from(decoded)] {
            Class::Slash | Class::Backslash => return Err(Ambiguous::EncodedSeparator),
            Class::Forbidden if decoded < b' ' || decoded == DEL => return Err(Ambiguous::ForbiddenByte),
            Class::Forbidden | Class::Percent => push_escape(decoded, normal),
            Class::Plain => normal.push(char::from(decoded)),
            Class::Semicolon => {
                end.get_or_insert(normal.len());
                normal.push(';');
            }
        }
    }
    if has_double_encoding(&normal.as_bytes()[start..]) {
        return Err(Ambiguous::DoubleEncoding);
    }
    normal.truncate(end.unwrap_or(normal.len()));
    Ok(())
}

/// Whether the decoded segment holds `%25` (an encoded `%`) and then two hex digits: what a second decoder would take
/// for an escape. Looked for after decoding, so that `%25%34%31` is caught too.
fn has_double_encoding(segment: &[u8]) -> bool {
    segment.windows(5).any(|w| w.starts_with(b"%25") && w[3].is_ascii_hexdigit() && w[4].is_ascii_hexdigit())
}

/// Whether escapes at the start of `rest` spell an ASCII character in two, three or four bytes of UTF-8.
///
/// Only that: other bytes that are not UTF-8 are Latin-1 or Shift-JIS on many an old site, and mean no separator.
fn is_overlong(rest: &[u8]) -> bool {
    let mut bytes = [0; 4];
    let mut length = 0;
    for (escape, byte) in rest.chunks_exact(3).zip(&mut bytes) {
        let [b'%', high, low] = escape else { break };
        let Ok(decoded) = unhex(*high, *low) else { break };
        *byte = decoded;
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

fn push_escape(byte: u8, text: &mut String) {
    const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(UPPER_HEX[usize::from(byte >> 4)]));
    text.push(char::from(UPPER_HEX[usize::from(byte & 15)]));
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
    classes
};

#[cfg(test)]
mod tests;
