//! What holds of whatever stands for a host or a path.
#![allow(clippy::unwrap_used)]

use super::{host, path_pattern};
use crate::{HostPattern, testing::fuzz};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// A host that is accepted is written in one way, and means what that says.
fn hosts(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(pattern) = host::pattern(text) else { return };
    let written = pattern.to_string();
    assert_eq!(host::pattern(&written).unwrap(), pattern, "{written}");
    assert!(written.len() <= 255 && written.is_ascii() && !written.contains(char::is_uppercase), "{written}");
    match &pattern {
        HostPattern::Exact(name) => assert!(pattern.matches(name) && !pattern.matches(&format!("a.{name}"))),
        HostPattern::Below(suffix) => assert!(pattern.matches(&format!("a.{suffix}")) && !pattern.matches(suffix)),
    }
}

/// A pattern that is accepted stays within its bound, and matches as it is read again.
fn paths(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&byte| byte == b'\n').filter_map(|part| str::from_utf8(part).ok());
    let (Some(written), Some(path)) = (parts.next(), parts.next()) else { return };
    for read in [path_pattern::glob, path_pattern::regex] {
        let Ok(pattern) = read(written) else { continue };
        let again = read(pattern.as_str()).unwrap();
        assert_eq!(pattern.matches(path), again.matches(path), "{written} {path}");
        if pattern.matches(path) {
            assert!(path.to_ascii_lowercase().starts_with(pattern.prefix()), "{written} {path}");
        }
    }
}

#[test]
fn fuzzed_hosts_have_one_spelling() {
    fuzz::run(CRATE, "hosts", Vec::new(), 20_000, hosts);
}

#[test]
fn fuzzed_patterns_of_paths_are_bounded_and_read_alike() {
    fuzz::run(CRATE, "path-patterns", Vec::new(), 500, paths);
}
