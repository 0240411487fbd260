//! What might be a secret, wherever it stands.

#[cfg(test)]
mod tests;

use std::ops::Range;

/// Longest key that is shown. A master secret in base64 is longer.
pub(crate) const KEY_BYTES_MAX: usize = 32;

/// Everything that might be a secret, judged by the lines alone: better one too many hidden than one shown.
///
/// Shown are section headers, keys, and the values of keys that are `never_secret`.
pub(crate) fn suspicious(text: &str, never_secret: fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    // Whether a line without a key goes on with a list that may be shown.
    let mut in_shown_list = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let comment = content.find('#').unwrap_or(content.len());
        let shown_to = match shown_key(content).or_else(|| shown_key_of_yaml(content, never_secret)) {
            Some((key, value)) if never_secret(key) && is_plain(&content[value..]) => comment,
            Some((_, value)) => value,
            None if is_header(content) || in_shown_list && is_plain(content) => comment,
            None => 0,
        };
        in_shown_list = shown_to == comment && content[..comment].trim_end().ends_with(['[', ',']);
        if shown_to < content.len() {
            hidden.push(start + shown_to..start + content.len());
        }
        start += line.len();
    }
    hidden
}

/// What looks like a master secret: as long as 30 bytes of base64 without a break, and as mixed.
pub(crate) fn master_secrets(text: &str) -> Vec<Range<usize>> {
    const RUN_BYTES_MIN: usize = 40;
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=-_".contains(c);
    let has = |run: &str, class: fn(&u8) -> bool| run.bytes().any(|b| class(&b));
    let mut start = 0;
    let mut found = Vec::new();
    for run in text.split_inclusive(|c| !is_base64(c)) {
        let is_mixed = has(run, u8::is_ascii_uppercase) && has(run, u8::is_ascii_lowercase);
        if run.len() >= RUN_BYTES_MIN && is_mixed && has(run, u8::is_ascii_digit) {
            found.push(start..start + run.trim_end_matches(|c| !is_base64(c)).len());
        }
        start += run.len();
    }
    found
}

/// The key of a line and where its value begins. Anything but a short bare key may be a value gone astray.
fn shown_key(line: &str) -> Option<(&str, usize)> {
    let (key, _) = line.split_once('=')?;
    let value = key.len() + 1;
    let key = key.trim();
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_bare && key.len() <= KEY_BYTES_MAX).then_some((key, value))
}

/// The key of a line `key: value`, if it is a known one, and where the value begins.
fn shown_key_of_yaml(line: &str, never_secret: fn(&str) -> bool) -> Option<(&str, usize)> {
    let (key, rest) = line.split_once(':')?;
    // Not the scheme of a URL, which may have a password in it.
    let is_pair = rest.is_empty() || rest.starts_with([' ', '\t']);
    (is_pair && never_secret(key.trim())).then_some((key.trim(), key.len() + 1))
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
