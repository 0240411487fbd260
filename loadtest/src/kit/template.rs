//! Configs of other servers: text with `@words@` to fill in.

use std::path::{Path, PathBuf};

use crate::Failed;

/// Fills in words; one that is not known is an error.
pub(crate) fn fill(text: &str, words: &[(&str, &str)]) -> Result<String, Failed> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        filled.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let length = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        match after.strip_prefix('@') {
            Some(after) if !word.is_empty() => {
                let value = words.iter().find(|(name, _)| *name == word).map(|(_, value)| value);
                filled.push_str(value.ok_or_else(|| format!("there is no word @{word}@ in a peer's config"))?);
                rest = after;
            }
            _ => filled.push('@'),
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A text inside single quotes in nginx' config.
pub(crate) fn nginx_quoted(text: &str) -> Result<String, Failed> {
    if text.contains('$') {
        return Err("a fixed answer of nginx cannot hold a dollar".into());
    }
    Ok(text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Where a program is; servers are often not on the path of those who are not root.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| file.is_file())
}

/// Where nginx' module for Lua is.
pub(crate) fn lua_modules() -> Option<&'static Path> {
    ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/etc/nginx/modules"]
        .map(Path::new)
        .into_iter()
        .find(|place| place.join("ngx_http_lua_module.so").is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn words_are_filled_in_once_and_other_signs_are_left_alone() {
        let words = [("listen", "127.0.0.1:1"), ("dir", "/tmp/@listen@")];
        assert_eq!(fill("a@b @listen@; @ @@ @dir@/x@", &words).unwrap(), "a@b 127.0.0.1:1; @ @@ /tmp/@listen@/x@");
        assert!(fill("@unheard_of@", &words).is_err());
    }

    #[test]
    fn a_fixed_answer_ends_where_it_ends() {
        assert_eq!(nginx_quoted(r#"{"a":"it's \n"}"#).unwrap(), r#"{"a":"it\'s \\n"}"#);
        assert!(nginx_quoted("$host").is_err());
    }
}
