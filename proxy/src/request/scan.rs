//! Looking for a byte, as fast as the machine does.

/// Where `byte` comes first.
pub(super) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    memchr::memchr(byte, text)
}

/// The pieces between the separators, at least one.
pub(super) fn split(separator: u8, text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match find(separator, text) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

/// What comes before the first separator, or everything.
pub(super) fn before(separator: u8, text: &[u8]) -> &[u8] {
    find(separator, text).map_or(text, |at| &text[..at])
}

#[cfg(test)]
mod tests;
