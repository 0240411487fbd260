//! Looking for a byte, as fast as the machine does.

/// Where `byte` comes first.
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    memchr::memchr(byte, text)
}

/// The pieces between the separators, at least one.
pub(crate) fn split(separator: u8, text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut separators = memchr::memchr_iter(separator, text);
    let mut start = Some(0);
    std::iter::from_fn(move || {
        let from = start?;
        let at = separators.next();
        start = at.map(|at| at + 1);
        Some(&text[from..at.unwrap_or(text.len())])
    })
}

/// What comes before the first separator, or everything.
pub(crate) fn before(separator: u8, text: &[u8]) -> &[u8] {
    find(separator, text).map_or(text, |at| &text[..at])
}

#[cfg(test)]
mod tests;
