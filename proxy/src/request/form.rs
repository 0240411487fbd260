//! What a form holds, as a browser sends it: pairs of names and values (URL Standard, 5.1).
//!
//! Read so that a page can hold the pairs and the browser send them once more. So it is all or nothing: a form that
//! would come out of the page in any other way than it came is not read.

use http::{HeaderMap, header};

use crate::request::syntax::scan::{before, find, split};

/// Longest form that is read.
pub(crate) const BYTES_MAX: usize = 64 << 10;
/// Most fields of a form that is read.
pub(crate) const FIELDS_MAX: usize = 500;

/// Whether the body is a form in the one encoding that is read.
pub(crate) fn is_readable(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map(|value| before(b';', value.as_bytes()).trim_ascii());
    media.is_some_and(|media| media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded"))
}

/// The pairs of a form in their order; `None`: a browser would not send them like this once more.
pub(crate) fn read(body: &[u8]) -> Option<Vec<(String, String)>> {
    if body.len() > BYTES_MAX {
        return None;
    }
    let mut fields = Vec::new();
    for pair in split(b'&', body).filter(|pair| !pair.is_empty()) {
        let name = before(b'=', pair);
        let value = pair.get(name.len() + 1..).unwrap_or_default();
        let (name, value) = (text(name)?, text(value)?);
        // A field without a name is left out of a form. In the place of one of this name a browser sends its encoding.
        if name.is_empty() || (name.eq_ignore_ascii_case("_charset_") && value != "UTF-8") {
            return None;
        }
        if fields.len() == FIELDS_MAX {
            return None;
        }
        fields.push((name, value));
    }
    Some(fields)
}

/// What `+` and `%` stand for, if it is text that a page can hold.
fn text(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'+' => b' ',
            // A `%` that stands for nothing is itself.
            b'%' => match after.split_at_checked(2).and_then(|(digits, after)| Some((hex(digits)?, after))) {
                Some((byte, after)) => {
                    rest = after;
                    byte
                }
                None => b'%',
            },
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    // HTML has no NUL, and a browser ends every line of a field with both.
    let lines = text.replace("\r\n", "");
    (find(0, lines.as_bytes()).is_none() && !lines.contains(['\r', '\n'])).then_some(text)
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |&digit: &u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let [high, low] = digits else { return None };
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests;
