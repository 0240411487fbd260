//! Small texts: the forms that settings take, and words for messages.

pub(crate) mod address;
pub(crate) mod duration;
pub(crate) mod host;
pub(crate) mod path;
#[cfg(test)]
mod tests;

use crate::mask;

/// The candidate that somebody who wrote `word` most likely meant.
pub(crate) fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    // Nobody misspells a word into a novel, and the distance is quadratic.
    const WORD_CHARS_MAX: usize = 64;
    if word.chars().count() > WORD_CHARS_MAX {
        return None;
    }
    let usual = word.to_lowercase().replace('-', "_");
    let near = |candidate: &str| {
        let slips = candidate.chars().count().max(3) / 3;
        let distance = strsim::osa_distance(word, candidate).min(strsim::osa_distance(&usual, candidate));
        (distance <= slips).then_some(distance)
    };
    candidates
        .filter_map(|candidate| near(candidate).map(|distance| (distance, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a, b or c`.
pub(crate) fn list(items: impl Iterator<Item = String>, last: &str) -> String {
    let items: Vec<_> = items.collect();
    match items.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [firsts @ .., end] => format!("{} {last} {end}", firsts.join(", ")),
    }
}

/// A number with its thousands apart: `10,000,000`.
pub(crate) fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}

/// A text for a message: short, without what would drive a terminal, and without what looks like a master secret.
pub(crate) fn harmless(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    if !mask::master_secrets(text).is_empty() {
        return "***".to_owned();
    }
    let short: String = text.chars().map(harmless_char).take(CHARS_MAX).collect();
    if text.chars().nth(CHARS_MAX).is_some() { format!("{short}…") } else { short }
}

/// A file may come from somebody else: what it says must not drive the terminal or turn text around.
pub(crate) fn harmless_char(c: char) -> char {
    match c {
        '\t' | '\u{feff}' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        c if c.is_control() => '?',
        c => c,
    }
}
