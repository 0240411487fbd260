//! Values of fields, cookies and query parameters.

use std::fmt;

use http::{HeaderName, header};
use serde_json::json;

use crate::{
    declare::{Form, Json, Value, json},
    diagnostics::{Kind, Read, Wrong},
};

const ENTRIES_MAX: usize = 20;
const NAME_BYTES_MAX: usize = 128;
const PATTERN_BYTES_MAX: usize = 256;

/// A value in which `*` stands for any characters, none included. Upper and lower case differ.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the wildcards; without a wildcard there is one piece.
    pieces: Vec<Box<str>>,
}

impl Pattern {
    fn new(written: &str) -> Self {
        Self { pieces: written.split('*').map(Into::into).collect() }
    }

    /// Whether any value will do.
    pub fn is_any(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(|piece| piece.is_empty())
    }

    /// Whether a value is one of those meant. Linear in the value, and allocates nothing.
    pub fn matches(&self, value: &[u8]) -> bool {
        let [first, rest @ ..] = self.pieces.as_slice() else { return false };
        let Some((last, between)) = rest.split_last() else { return value == first.as_bytes() };
        let behind = value.strip_prefix(first.as_bytes()).and_then(|behind| behind.strip_suffix(last.as_bytes()));
        let Some(mut left) = behind else { return false };
        // The earliest place of a piece leaves most for the next ones.
        for piece in between.iter().filter(|piece| !piece.is_empty()) {
            let Some(at) = memchr::memmem::find(left, piece.as_bytes()) else { return false };
            left = &left[at + piece.len()..];
        }
        true
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may be a word that only a partner knows.
        f.write_str("Pattern(…)")
    }
}

/// A table of names and the patterns of their values.
pub(super) struct Patterns;

impl Form for Patterns {
    fn schema(&self) -> Json {
        json(json!({
            "type": "object",
            "additionalProperties": { "type": "string", "maxLength": PATTERN_BYTES_MAX },
            "minProperties": 1,
            "maxProperties": ENTRIES_MAX,
        }))
    }
    fn bounds(&self) -> String {
        format!("1 to {ENTRIES_MAX} names, each with a pattern of its value")
    }
}

impl Patterns {
    /// Reads the names, each checked by `name`, and their patterns.
    pub(super) fn read<T>(&self, value: Value<'_>, name: impl Fn(&str) -> Result<T, Wrong>) -> Read<Vec<(T, Pattern)>> {
        let Some(entries) = value.as_table() else {
            return Err(
                value.wrong_type("a table of names and patterns", format!("{} = {{ name = \"*\" }}", value.key))
            );
        };
        if !(1..=ENTRIES_MAX).contains(&entries.len()) {
            let message = format!("`{}` has {} entries", value.key, entries.len());
            let help = format!("write 1 to {ENTRIES_MAX}");
            return Err(value.wrong(Wrong::new(Kind::OutOfRange, message, help)));
        }
        let each = entries.iter().map(|(key, node)| {
            let entry = Value::new(value.diagnostics, key.get_ref(), node);
            let name = name(key.get_ref()).map_err(|wrong| entry.wrong(wrong));
            let pattern = entry.text(pattern);
            Ok((name?, pattern?))
        });
        // Each of them reports its own mistake before the first one ends the collecting.
        let all: Vec<_> = each.collect();
        all.into_iter().collect()
    }
}

fn pattern(written: &str) -> Result<Pattern, Wrong> {
    match written.len() {
        0 => Err(Wrong::malformed("the pattern is empty", "write \"*\" for any value, or the value itself")),
        1..=PATTERN_BYTES_MAX => Ok(Pattern::new(written)),
        _ => Err(Wrong::malformed("the pattern is too long", format!("write at most {PATTERN_BYTES_MAX} bytes"))),
    }
}

/// The name of a header field that a rule may ask for.
pub(super) fn header_name(written: &str) -> Result<HeaderName, Wrong> {
    let name = HeaderName::try_from(written).map_err(|_| {
        Wrong::malformed("not the name of a header field", "write it as clients send it: \"stripe-signature\"")
    })?;
    let better = match name {
        header::HOST => Some("`hosts`"),
        header::COOKIE => Some("`cookies`"),
        header::FORWARDED => Some("`clients`"),
        _ if name.as_str() == "x-forwarded-for" => Some("`clients`"),
        _ => None,
    };
    match better {
        Some(better) => Err(Wrong::malformed(
            "a rule does not see this field",
            format!("write {better}, which says what Sluice makes of it"),
        )),
        None => Ok(name),
    }
}

/// The name of a cookie or of a query parameter.
pub(super) fn plain_name(written: &str) -> Result<String, Wrong> {
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'=' | b';' | b',' | b'"' | b'&');
    if (1..=NAME_BYTES_MAX).contains(&written.len()) && written.bytes().all(is_plain) {
        return Ok(written.to_owned());
    }
    Err(Wrong::malformed("not such a name", format!("write 1 to {NAME_BYTES_MAX} letters, digits or signs")))
}

/// The name of a cookie, which is none of ours.
pub(super) fn cookie_name(written: &str) -> Result<String, Wrong> {
    if written.trim_start_matches("__Host-").trim_start_matches("__Secure-").starts_with("sluice_") {
        return Err(Wrong::malformed(
            "this cookie is one of Sluice's own tokens, which anybody may invent until it is verified",
            "leave it out: who is inside passes anyway",
        ));
    }
    plain_name(written)
}
