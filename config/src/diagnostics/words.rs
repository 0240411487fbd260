//! Words for messages.

#[cfg(test)]
mod tests;

use std::time::{Duration, UNIX_EPOCH};

use super::mask;

/// The candidate that was most likely meant by `word`.
pub(crate) fn closest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    // A misspelt word is short, and the distance is quadratic.
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

/// The first few of many: `a, b and 7 more`.
pub(crate) fn first(items: impl ExactSizeIterator<Item = String>, shown_max: usize) -> String {
    let omitted = items.len().saturating_sub(shown_max);
    let more = (omitted > 0).then(|| format!("{omitted} more"));
    list(items.take(shown_max).chain(more), "and")
}

/// A moment as people write it, in UTC: `2026-11-30 12:00 UTC`.
pub(crate) fn moment(since_1970_s: u64) -> String {
    /// The end of the year 9999, after which there is no way to write one.
    const LAST_S: u64 = 253_402_300_799;
    let moment = UNIX_EPOCH + Duration::from_secs(since_1970_s.min(LAST_S));
    let written = humantime::format_rfc3339_seconds(moment).to_string();
    let (day, time) = written.split_once('T').unwrap_or((&written, ""));
    format!("{day} {} UTC", time.get(..5).unwrap_or_default())
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

/// A file may come from elsewhere: what it says must not drive the terminal or turn text around.
pub(crate) fn harmless_char(c: char) -> char {
    match c {
        '\t' | '\u{feff}' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        c if c.is_control() => '?',
        c => c,
    }
}
