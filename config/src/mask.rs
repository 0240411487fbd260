//! What might be a secret in text that could not be parsed.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::schema;

/// Longest key that is shown. A master secret in base64 is longer.
pub(crate) const KEY_BYTES_MAX: usize = 32;

/// Everything that might be a secret, judged by the lines alone: better one too many hidden than one shown.
///
/// Shown are section headers, keys, and the values of those keys that are known and never hold a secret.
pub(crate) fn suspicious(text: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    // Whether a line without a key goes on with a list that may be shown.
    let mut in_shown_list = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let hidden_from = match shown_key(content) {
            Some((key, value)) if schema::never_secret(key) && is_plain(&content[value..]) => None,
            Some((_, value)) => Some(value),
            None if is_header(content) || in_shown_list && is_plain(content) => None,
            None => Some(0),
        };
        in_shown_list = hidden_from.is_none() && content.ends_with(['[', ',']);
        if let Some(from) = hidden_from.filter(|from| *from < content.len()) {
            hidden.push(start + from..start + content.len());
        }
        start += line.len();
    }
    hidden
}

/// The key of a line and where its value begins. Anything but a short bare key may be a value gone astray.
fn shown_key(line: &str) -> Option<(&str, usize)> {
    let (key, _) = line.split_once('=')?;
    let value = key.len() + 1;
    let key = key.trim();
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_bare && key.len() <= KEY_BYTES_MAX).then_some((key, value))
}

/// `[name]` or `[[name]]`, closed or not, and nothing else.
fn is_header(line: &str) -> bool {
    let Some(name) = line.trim().strip_prefix('[') else { return false };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
    (1..=KEY_BYTES_MAX).contains(&name.len()) && name.bytes().all(bare)
}

/// Whether a value is no table. None that may be shown is one: it would have been torn from its place.
fn is_plain(value: &str) -> bool {
    !value.contains(['=', '{'])
}
