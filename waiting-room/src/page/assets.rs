//! Style and script as they stand in every page, and the policy that allows just them.
//!
//! The policy names the SHA-256 of the inlined text instead of a nonce: the header is the same for
//! every answer, and nothing an attacker could inject would run. For that the script must be the
//! same in every page, so what differs (standing, words, names) reaches it as data.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Sort;

/// The parts of a page that never differ.
pub(super) struct Assets {
    /// Inside `<style>`, byte for byte.
    pub(super) style: String,
    /// Inside the one `<script>` that runs, byte for byte.
    pub(super) script: String,
    /// What the board has beside the style.
    pub(super) board_style: String,
    /// What runs on the board.
    pub(super) board_script: String,
}

pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    // A script needs its line breaks, where they stand for semicolons; a style needs none.
    let style = |source| compact(source, "", separates_in_style).replace(";}", "}");
    let script = |source| compact(source, "\n", separates_in_script);
    Assets {
        style: style(include_str!("../../templates/page.css")),
        script: shortened(&script(include_str!("../../templates/page.js"))),
        board_style: style(include_str!("../../templates/board.css")),
        board_script: script(include_str!("../../templates/board.js")),
    }
});

/// Header value for a page that also has a style of its tenant.
///
/// A form may be sent to the page's own origin and go nowhere else, unless the page holds a visitor's form: a browser
/// holds `form-action` against redirects as well, and after a payment or a sign-on the site may well lead on to another
/// host.
pub(super) fn policy(tenant_style: &str, sort: Sort) -> String {
    let (mut style, mut script) = (source_hash(&ASSETS.style), source_hash(&ASSETS.script));
    if sort == Sort::Board {
        style = format!("{style} {}", source_hash(&ASSETS.board_style));
        script = format!("{script} {}", source_hash(&ASSETS.board_script));
    }
    let tenants = if tenant_style.is_empty() { String::new() } else { format!(" {}", source_hash(tenant_style)) };
    let form_action = if sort == Sort::HoldsForm { "" } else { "form-action 'self'; " };
    format!(
        "default-src 'none'; style-src {style}{tenants}; script-src {script}; connect-src 'self'; img-src data:; \
         base-uri 'none'; {form_action}frame-ancestors 'self'"
    )
}

/// A hash source as CSP level 2 defines it.
pub(super) fn source_hash(inline: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, inline.as_bytes());
    format!("'sha256-{}'", STANDARD.encode(digest))
}

/// Drops what a browser does not need: comment lines, indentation, empty lines and spaces that
/// separate nothing. Two fifths of the text, in every page sent.
///
/// `separates` says whether a space between two characters has a meaning. Strings are left alone,
/// so this is no parser and needs none; the sources keep to comments on lines of their own, to
/// double quotes, and to strings that end on the line they begin.
fn compact(source: &str, line_break: &str, separates: fn(char, char) -> bool) -> String {
    let mut out = String::with_capacity(source.len());
    for line in source.lines().map(str::trim) {
        if line.is_empty() || line.starts_with("//") || line.starts_with("/*") {
            continue;
        }
        let (mut quoted, mut before) = (false, ' ');
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            quoted ^= c == '"';
            let after = rest.peek().copied().unwrap_or(' ');
            if c != ' ' || quoted || separates(before, after) {
                out.push(c);
                before = c;
            }
        }
        out.push_str(line_break);
    }
    out
}

/// Names of the script's own that are long and stand nowhere but by themselves: no one's member, no key of an object.
#[rustfmt::skip]
const NAMES: [&str; 62] = [
    "offerLanguages", "cookiesBlocked", "ENTER_AFTER_S", "BACKOFF_MAX_S", "offerChoices", "checkCookies", "JOINING_MAX", "retryAfter",
    "ANSWER_MS", "offerMove", "pollAfter", "answered", "keepRoom", "mayEnter", "drawIcon", "takeTurn",
    "SPEAK_MS", "isClosed", "failures", "longest", "joining", "HURRY_S", "between", "askedAt",
    "withinS", "plural", "colour", "button", "spoken", "inLine", "digits", "isTurn",
    "isForm", "canvas", "woken", "timer", "ghost", "secondsTo", "limit", "speak",
    "pause", "face", "audio", "delay", "piece", "since", "alarm", "tones",
    "choice", "option", "label", "count", "range", "parts", "answer", "words",
    "event", "rules", "first", "about", "request", "turn",
];

/// A script with short names for its [`NAMES`]: what is left of its length after compression is mostly words.
fn shortened(script: &str) -> String {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
    let mut out = String::with_capacity(script.len());
    for (nth, piece) in script.split('"').enumerate() {
        if nth > 0 {
            out.push('"');
        }
        let mut rest = piece;
        // Every other piece is a string.
        while let Some(at) = rest.find(in_name).filter(|_| nth % 2 == 0) {
            let length = rest[at..].find(|c| !in_name(c)).unwrap_or(rest.len() - at);
            let (before, word) = (&rest[..at], &rest[at..at + length]);
            out.push_str(before);
            match NAMES.iter().position(|name| *name == word).filter(|_| !before.ends_with('.')) {
                // Two letters are enough, of which the first is no letter.
                Some(nth) => out.extend(['$', char::from(ALPHABET[nth])]),
                None => out.push_str(word),
            }
            rest = &rest[at + length..];
        }
        out.push_str(rest);
    }
    out
}

const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const _: () = assert!(NAMES.len() <= ALPHABET.len());

/// In a script a space means something between two words only.
fn separates_in_script(before: char, after: char) -> bool {
    let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '"');
    in_word(before) && in_word(after)
}

/// In a style a space between selectors or between values has a meaning, around punctuation not.
fn separates_in_style(before: char, after: char) -> bool {
    !matches!(before, '{' | '}' | ':' | ';' | ',' | '>') && !matches!(after, '{' | '}' | '>')
}

#[cfg(test)]
mod tests;
