//! The bytes of an HTTP/1 connection, before the parser under us has smoothed them over.
//!
//! Pingora mends what it can: a space or NUL in the target becomes `%20` or `%00`, a chunk extension may be anything,
//! an empty chunk size is 0. After that nobody can tell what was sent, and it must be refused (RFC 9112, 3.2 and 7.1).
//! So [`Wire`] looks at the bytes as they come off the socket, and follows them from one request to the next.
//!
//! It refuses only what nobody after it can see. Whatever else is wrong, such as two lengths, is left to
//! [`strict`](crate::request::syntax::strict), which answers it properly and has the connection closed; from there on `Wire` looks away.

use crate::request::syntax::{
    scan::{find, split},
    strict::{FIELDS_BYTES_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX, Violation},
};

/// Longest head, white space and line ends included. More than [`strict`](crate::request::syntax::strict) lets pass.
const HEAD_BYTES_MAX: usize = FIELDS_BYTES_MAX + TARGET_BYTES_MAX + 8 * 1024;
/// Longest request line: the longest target, and more than enough for a method and a version.
const REQUEST_LINE_BYTES_MAX: usize = TARGET_BYTES_MAX + 64;
/// Most lines of a head: as many fields as the parser has room for. Fewer are enough for
/// [`strict`](crate::request::syntax::strict).
const LINES_MAX: u16 = 255;
/// Longest chunk-size line with its extensions, and longest trailer line.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// Most trailer lines.
const TRAILERS_MAX: u8 = 32;
/// Empty lines skipped in front of a request line: as many as RFC 9112, 2.2 asks for.
const EMPTY_LINES_MAX: usize = 1;

/// What to hand to pingora in the place of refused bytes, followed by the end of the stream: wherever its parsers are,
/// a CR without LF is an error to them. It then answers 400, or cuts off what it was answering, and closes.
pub(crate) const REFUSAL: &[u8] = b"\r\r";

/// Follows what a client sends on one connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    state: State,
    /// A line of which only the start has been seen. Empty, and not allocated, when reads end where lines do.
    partial: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the end of a request's head.
    Head(Head),
    /// So many bytes of a sized body are to come.
    Body(u64),
    /// In a chunk-size line.
    ChunkSize,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// Before the line end behind a chunk's bytes.
    ChunkEnd,
    /// After the last chunk; so many trailer lines have been seen.
    Trailers(u8),
    /// Another protocol, or a request that others refuse.
    LookAway,
    /// Refused.
    Refused(Violation),
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

/// What has been seen of a request's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    bytes: usize,
    /// Empty lines in front of the request line.
    empty_lines: usize,
    /// The request line has been seen.
    begun: bool,
    /// Lines behind it.
    fields: u16,
    framing: Framing,
}

/// How the body is framed, by the fields seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Framing {
    #[default]
    None,
    Length(u64),
    Chunked,
    /// Not as it should be, which is for others to say.
    Odd,
}

impl Wire {
    /// Looks at what has been read from the client.
    ///
    /// # Errors
    /// What is wrong with it; the parser is not to see these bytes, and the connection is to be closed. Once refused,
    /// a connection stays so.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.step(rest).inspect_err(|&violation| {
                self.state = State::Refused(violation);
                self.partial = Vec::new();
            })?;
        }
        Ok(())
    }

    /// The connection has switched to another protocol (101 was sent): what follows is not HTTP.
    pub(crate) fn switch(&mut self) {
        self.state = State::LookAway;
        self.partial = Vec::new();
    }

    /// Whether everything that was seen so far belongs to requests that are whole.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.state == State::default()
    }

    /// Whether the start of a head has been seen, and not its end.
    pub(crate) fn in_head(&self) -> bool {
        matches!(self.state, State::Head(head) if head.bytes > 0)
    }

    /// Takes some bytes and gives back the rest.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        match self.state {
            State::Head(head) => self.head(head, bytes),
            State::Body(left) => {
                let (left, rest) = skip(left, bytes);
                self.state = if left == 0 { State::default() } else { State::Body(left) };
                Ok(rest)
            }
            State::Chunk(left) => {
                let (left, rest) = skip(left, bytes);
                self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                Ok(rest)
            }
            State::ChunkSize | State::ChunkEnd | State::Trailers(_) => self.line(bytes),
            State::LookAway => Ok(&[]),
            State::Refused(violation) => Err(violation),
        }
    }

    fn head<'a>(&mut self, mut head: Head, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        let mut start = 0;
        for feed in memchr::memchr_iter(b'\n', bytes) {
            // Nearly always the whole head comes in one read, and is looked at where it is.
            let mut line = &bytes[start..feed];
            start = feed + 1;
            if !self.partial.is_empty() {
                self.partial.extend_from_slice(line);
                line = &self.partial;
            }
            let ended = head.line(line.strip_suffix(b"\r").ok_or(Violation::LineEnd)?)?;
            self.partial.clear();
            if ended {
                if head.bytes + start > HEAD_BYTES_MAX {
                    return Err(Violation::FieldSize);
                }
                self.partial = Vec::new();
                self.state = head.followed_by();
                return Ok(&bytes[start..]);
            }
        }
        self.partial.extend_from_slice(&bytes[start..]);
        head.bytes += bytes.len();
        self.state = State::Head(head);
        if head.bytes > HEAD_BYTES_MAX { Err(head.too_long(&self.partial)) } else { Ok(&[]) }
    }

    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        let (part, rest) = match find(b'\n', bytes) {
            Some(at) => bytes.split_at(at + 1),
            None => (bytes, &[][..]),
        };
        if self.partial.len() + part.len() > LINE_BYTES_MAX {
            return Err(Violation::ChunkSize);
        }
        self.partial.extend_from_slice(part);
        if part.ends_with(b"\n") {
            let line = self.partial.strip_suffix(b"\r\n").ok_or(Violation::LineEnd)?;
            self.state = after_line(self.state, line)?;
            // Kept from chunk to chunk, but not by an idle connection.
            if self.state == State::default() { self.partial = Vec::new() } else { self.partial.clear() }
        }
        Ok(rest)
    }
}

/// Skips up to `left` bytes: how many are left then, and what follows.
fn skip(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    (left - here as u64, &bytes[here..])
}

impl Head {
    /// Takes a line without its end; true: it was the last one.
    fn line(&mut self, line: &[u8]) -> Result<bool, Violation> {
        if !self.begun {
            if !line.is_empty() {
                self.begun = true;
                check_request_line(line)?;
            } else if self.empty_lines == EMPTY_LINES_MAX {
                return Err(Violation::LineEnd);
            } else {
                self.empty_lines += 1;
            }
            return Ok(false);
        }
        self.fields = self.fields.saturating_add(1);
        if self.fields > LINES_MAX {
            return Err(Violation::FieldCount);
        }
        // The first letter decides about most names.
        let framing = match line.first() {
            None => return Ok(true),
            Some(b'c' | b'C') => value_of(line, b"content-length:").map(Framing::of_length),
            Some(b't' | b'T') => value_of(line, b"transfer-encoding:").map(Framing::of_coding),
            _ => None,
        };
        if let Some(framing) = framing {
            self.framing = if self.framing == Framing::None { framing } else { Framing::Odd };
        }
        Ok(false)
    }

    /// What is too long about it; `partial`: the line that does not end.
    fn too_long(&self, partial: &[u8]) -> Violation {
        if self.begun { Violation::FieldSize } else { too_long(partial) }
    }

    fn followed_by(&self) -> State {
        match self.framing {
            Framing::None | Framing::Length(0) => State::default(),
            Framing::Length(length) => State::Body(length),
            Framing::Chunked => State::ChunkSize,
            Framing::Odd => State::LookAway,
        }
    }
}

impl Framing {
    fn of_length(value: &[u8]) -> Self {
        number(value, 10).map_or(Self::Odd, Self::Length)
    }

    fn of_coding(value: &[u8]) -> Self {
        if value.eq_ignore_ascii_case(b"chunked") { Self::Chunked } else { Self::Odd }
    }
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// What is too long about a request line.
fn too_long(line: &[u8]) -> Violation {
    let method = find(b' ', line).unwrap_or(line.len());
    if method > METHOD_BYTES_MAX { Violation::RequestLine } else { Violation::TargetTooLong }
}

/// `method SP target SP version`, the target without blanks, control bytes and a fragment. What is wrong with the method,
/// and a version that is none, the parser refuses by itself.
fn check_request_line(line: &[u8]) -> Result<(), Violation> {
    if line.len() > REQUEST_LINE_BYTES_MAX {
        return Err(too_long(line));
    }
    let mut words = split(b' ', line).skip(1);
    let target = words.next().unwrap_or_default();
    let version = words.next();
    // No early exit, so that the compiler can take many bytes at a time.
    let bad_bytes = target.iter().fold(false, |found, &b| found | (b <= b' ') | (b == 0x7f) | (b == b'#'));
    if target.is_empty() || bad_bytes || words.next().is_some() {
        return Err(Violation::TargetBytes);
    }
    match version {
        Some(b"HTTP/1.1" | b"HTTP/1.0") => Ok(()),
        Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']) => Err(Violation::Version),
        _ => Ok(()),
    }
}

/// What follows one line of a chunked body, without its line end.
fn after_line(state: State, line: &[u8]) -> Result<State, Violation> {
    match state {
        State::ChunkSize => match chunk_size(line).ok_or(Violation::ChunkSize)? {
            0 => Ok(State::Trailers(0)),
            size => Ok(State::Chunk(size)),
        },
        State::ChunkEnd if line.is_empty() => Ok(State::ChunkSize),
        State::Trailers(_) if line.is_empty() => Ok(State::default()),
        State::Trailers(count) if count < TRAILERS_MAX && is_field(line) => Ok(State::Trailers(count + 1)),
        _ => Err(Violation::ChunkSize),
    }
}

/// `1*HEXDIG [ chunk-ext ]`: the size, if the line is in order (RFC 9112, 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extensions) = line.split_at(digits);
    if is_extensions(extensions) { number(digits, 16) } else { None }
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`
fn is_extensions(text: &[u8]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let Some(extension) = blanks(rest).strip_prefix(b";") else { return false };
        let Some(after_name) = token(blanks(extension)) else { return false };
        rest = match blanks(after_name).strip_prefix(b"=") {
            None => after_name,
            Some(value) => match token(blanks(value)).or_else(|| quoted(blanks(value))) {
                Some(after_value) => after_value,
                None => return false,
            },
        };
    }
    true
}

fn is_field(line: &[u8]) -> bool {
    let visible = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    token(line).and_then(|rest| rest.strip_prefix(b":")).is_some_and(|value| value.iter().all(|&b| visible(b)))
}

/// What follows the blanks in front.
fn blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()..]
}

/// What follows the token in front (RFC 9110, 5.6.2), if there is one.
fn token(text: &[u8]) -> Option<&[u8]> {
    let is_tchar = |b: &&u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let length = text.iter().take_while(is_tchar).count();
    (length > 0).then(|| &text[length..])
}

/// What follows the quoted string in front (RFC 9110, 5.6.4), if there is one.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'\t' | b' '..=b'~' | 0x80.., rest @ ..] => rest,
            [b'\t' | b' ' | b'!' | b'#'..=b'[' | b']'..=b'~' | 0x80.., rest @ ..] => rest,
            _ => return None,
        };
    }
}

/// Digits only, and no more of them than fit an i64: what some origins count in.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.iter().all(|&b| char::from(b).is_digit(radix));
    let number = i64::from_str_radix(str::from_utf8(digits).ok().filter(|_| all_digits)?, radix).ok()?;
    u64::try_from(number).ok()
}

#[cfg(test)]
mod tests;
