//! Style and script as they stand in every page, and the policy that allows just them.
//!
//! The policy names the SHA-256 of the inlined text instead of a nonce: the header is the same for
//! every answer, and nothing an attacker could inject would run. For that the script must be the
//! same in every page, so what differs (standing, words, names) reaches it as data.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};

/// The parts of a page that never differ.
pub(super) struct Assets {
    /// Inside `<style>`, byte for byte.
    pub(super) style: String,
    /// Inside the one `<script>` that runs, byte for byte.
    pub(super) script: String,
}

pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    // A script needs its line breaks, where they stand for semicolons; a style needs none.
    let style = compact(include_str!("../../templates/page.css"), "", separates_in_style);
    let script = compact(include_str!("../../templates/page.js"), "\n", separates_in_script);
    Assets { style, script }
});

/// Header value for a page that also has a style of its tenant.
///
/// A form may be sent to the page's own origin and go nowhere else, unless the page holds a visitor's form: a browser
/// holds `form-action` against redirects as well, and after a payment or a sign-on the site may well lead on to another
/// host.
pub(super) fn policy(tenant_style: &str, holds_form: bool) -> String {
    let (style, script) = (source_hash(&ASSETS.style), source_hash(&ASSETS.script));
    let tenants = if tenant_style.is_empty() { String::new() } else { format!(" {}", source_hash(tenant_style)) };
    let form_action = if holds_form { "" } else { "form-action 'self'; " };
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
