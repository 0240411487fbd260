//! The languages that the pages of the waiting room speak.

use std::fmt;

use crate::diagnostics::{Wrong, words};

/// One of the languages that pages can be shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(usize);

/// BCP 47 tags, in the order in which a visitor is offered them: by their own names, script by script.
const TAGS: [&str; Language::COUNT] = [
    "id", "ca", "cs", "da", "de", "et", "en", "es", "fr", "ga", "hr", "is", "it", "lv", "lt", "hu", "nl", "nb", "pl",
    "pt-BR", "pt-PT", "ro", "sk", "sl", "fi", "sv", "vi", "tr", "el", "bg", "ru", "sr", "uk", "he", "ar", "fa", "ur",
    "hi", "bn", "ta", "th", "ko", "ja", "zh-Hans", "zh-Hant",
];

/// What else browsers ask for: other names of a language, and regions with a script or a variety of their own. Nobody
/// who reads one of the first is served better by the tenant's language.
const MEANT: [(&str, &str); 21] = [
    ("zh", "zh-Hans"),
    ("zh-TW", "zh-Hant"),
    ("zh-HK", "zh-Hant"),
    ("zh-MO", "zh-Hant"),
    ("yue", "zh-Hant"),
    ("pt", "pt-BR"),
    ("pt-AO", "pt-PT"),
    ("pt-CH", "pt-PT"),
    ("pt-CV", "pt-PT"),
    ("pt-LU", "pt-PT"),
    ("pt-MO", "pt-PT"),
    ("pt-MZ", "pt-PT"),
    ("no", "nb"),
    ("nn", "nb"),
    ("bs", "hr"),
    ("sr-Latn", "hr"),
    ("sh", "hr"),
    ("iw", "he"),
    ("in", "id"),
    ("ms", "id"),
    ("mo", "ro"),
];

impl Language {
    /// How many there are.
    pub const COUNT: usize = 45;
    /// English.
    pub const ENGLISH: Self = Self(6);
    /// The longest language range that is looked at, in bytes.
    const RANGE_BYTES_MAX: usize = 35;

    /// All of them.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        TAGS.iter().enumerate().map(|(at, _)| Self(at))
    }

    /// The language of exactly this tag.
    pub fn of(tag: &str) -> Option<Self> {
        Self::all().find(|language| language.tag() == tag)
    }

    /// The language that serves who asks for this range (RFC 4647, 3.4): itself, else what is left without its last
    /// parts.
    pub fn matching(range: &str) -> Option<Self> {
        if range.len() > Self::RANGE_BYTES_MAX || !range.is_ascii() {
            return None;
        }
        let mut range = range;
        loop {
            let meant = MEANT.iter().find(|(asked, _)| asked.eq_ignore_ascii_case(range)).map_or(range, |(_, tag)| tag);
            if let Some(found) = Self::all().find(|language| language.tag().eq_ignore_ascii_case(meant)) {
                return Some(found);
            }
            (range, _) = range.rsplit_once('-')?;
        }
    }

    /// Its BCP 47 tag.
    pub fn tag(self) -> &'static str {
        TAGS[self.index()]
    }

    /// Its place among all of them.
    pub fn index(self) -> usize {
        self.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// What the tags of all languages look like.
pub(crate) const PATTERN: &str = "^[a-z]{2}(-[A-Z][A-Za-z]{1,3})?$";

/// Reads a tag.
pub(crate) fn parse(written: &str) -> Result<Language, Wrong> {
    Language::of(written).ok_or_else(|| {
        let help = match Language::matching(written) {
            Some(meant) => format!("write \"{meant}\""),
            None => format!("write one of {}", words::list(TAGS.iter().map(|tag| format!("\"{tag}\"")), "or")),
        };
        Wrong::malformed("the pages do not speak this language", help)
    })
}

#[cfg(test)]
mod tests;
