use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::settings::HostPattern;

#[test]
fn durations_as_people_write_them() {
    let seconds = |written: &str| duration::parse(written).unwrap().as_secs();
    assert_eq!(
        [seconds("10m"), seconds("90s"), seconds("1h30m"), seconds("1h 30m"), seconds("2days")],
        [600, 90, 5400, 5400, 172_800]
    );
    assert_eq!(duration::parse("500ms"), Ok(Duration::from_millis(500)));
    for (written, says) in [
        ("", "empty"),
        (" ", "empty"),
        ("10", "unit is missing"),
        ("10 m 5", "unit is missing"),
        ("10q", "unknown unit"),
        ("-1s", "not a duration"),
        ("s", "not a duration"),
        ("1e9s", "unknown unit"),
        ("99999999999999999999s", "too long"),
        ("١s", "not a duration"),
    ] {
        let wrong = duration::parse(written).unwrap_err();
        assert!(wrong.message.contains(says), "{written}: {wrong:?}");
    }
}

#[test]
fn hosts() {
    for name in ["localhost", "a", "a-b.c1", "1a.example.com", "xn--strae-oqa.example.com", "192.0.2.1"] {
        assert_eq!(host::name(name), Ok(name.to_owned()));
        assert_eq!(host::pattern(&format!("*.{name}")), Ok(HostPattern::Below(name.to_owned())));
    }
    for (written, says, advises) in [
        ("", "empty", "shop.example.com"),
        ("*", "every host", "*.example.com"),
        ("*.", "empty", "shop.example.com"),
        ("*.*.a", "`*`", "*.example.com"),
        ("a.*.b", "`*`", "*.example.com"),
        ("a*.b", "`*`", "*.example.com"),
        ("a..b", "label of the host name is empty", "shop.example.com"),
        (".a", "label of the host name is empty", "shop.example.com"),
        ("a.example.com.", "dot at the end", "\"a.example.com\""),
        ("a.example.com:8080", "no port", "\"a.example.com\""),
        ("a.example.com:", "no port", "\"a.example.com\""),
        ("[::1]", "`:`", "IPv6"),
        ("https://a.example.com:1/b", "not a URL", "\"a.example.com\""),
        ("a.example.com/b", "no path", "\"a.example.com\""),
        ("-a.b", "neither starts nor ends", "shop.example.com"),
        ("a-.b", "neither starts nor ends", "shop.example.com"),
        ("a_b.c", "letters, digits", "shop.example.com"),
        ("a b", "letters, digits", "shop.example.com"),
        ("straße.example.com", "ASCII", "xn--"),
        ("1.2.3", "neither a name nor an IPv4", "192.0.2.10"),
        ("256.1.1.1", "neither a name nor an IPv4", "192.0.2.10"),
    ] {
        let wrong = host::pattern(written).unwrap_err();
        assert!(wrong.message.contains(says) && wrong.help.contains(advises), "{written}: {wrong:?}");
    }
    assert!(host::name(&"a".repeat(64)).unwrap_err().message.contains("63"));
    assert!(host::name(&"a.".repeat(127)).is_err());
    assert!(host::name(&format!("{}a", "a.".repeat(126))).is_ok());
    assert!(host::name(&format!("{}aa", "a.".repeat(126))).unwrap_err().message.contains("too long"));
}

#[test]
fn paths() {
    for prefix in [
        "/",
        "/a",
        "/a/",
        "/a.b/c-d_e~f",
        "/a%20b",
        "/%C3%A9",
        "/a,b=c:d@e!$&'()*+",
        "/a%7Cb%22",
        "/%C0",
        "/%E0%20",
        "/.sluiced",
        "/.well-known/x",
        "/...",
        "/%25",
    ] {
        assert_eq!(path::prefix(prefix), Ok(prefix.to_owned()));
    }
    for (written, says, advises) in [
        ("", "starts with `/`", "\"/\""),
        ("shop", "starts with `/`", "\"/shop\""),
        ("https://a.example.com/b/c", "starts with `/`", "\"/b/c\""),
        ("/a?b", "without query", "\"/a\""),
        ("/a#b", "without query", "\"/a\""),
        ("//a", "`//`", "\"/a\""),
        ("/a//", "`//`", "\"/a\""),
        ("/a/../b", "`..`", "without them"),
        ("/./a", "`.`", "without them"),
        ("/a/..", "`..`", "without them"),
        ("/%2e%2E/a", "`%2e` is a plain character", "\"/.%2E/a\""),
        ("/%41", "`%41` is a plain character", "\"/A\""),
        ("/a%2Fb", "ambiguous", "without it"),
        ("/a%5cb", "ambiguous", "without it"),
        ("/a%00", "ambiguous", "without it"),
        ("/%2541", "escaped twice", "once"),
        ("/a%c3%a9", "capitals", "\"/a%C3%a9\""),
        ("/a%", "two hexadecimal digits", "%25"),
        ("/a%4", "two hexadecimal digits", "%25"),
        ("/a%é", "escaped", "\"/a%%C3%A9\""),
        ("/a%zz", "two hexadecimal digits", "%25"),
        ("/a b", "escaped", "\"/a%20b\""),
        ("/straße", "escaped", "\"/stra%C3%9Fe\""),
        ("/a\\b", "`\\`", "`/`"),
        ("/a;v=1", "`;` begins parameters", "\"/a\""),
        ("/a;v=1/b;c;d/", "`;` begins parameters", "\"/a/b/\""),
        ("/a%3bv=1/b", "`;` begins parameters", "\"/a/b\""),
        ("/;x/b/;y", "`;` begins parameters", "\"/b/\""),
        ("/a/..;/b", "`;` begins parameters", "\"/a/../b\""),
        ("/a%2Bb", "`%2B` is a plain character", "\"/a+b\""),
        ("/a%3db", "`%3d` is a plain character", "\"/a=b\""),
        ("/a%C0%AFb", "overlong", "without it"),
        ("/a%c1%9cb", "overlong", "without it"),
        ("/a%E0%80%AF", "overlong", "without it"),
        ("/a%F0%80%80%AF", "overlong", "without it"),
        ("/a\u{7}", "control", "remove"),
        ("/.sluice", "Sluice's own", "another"),
        ("/.sluice/status", "Sluice's own", "another"),
    ] {
        let wrong = path::prefix(written).unwrap_err();
        assert!(wrong.message.contains(says) && wrong.help.contains(advises), "{written}: {wrong:?}");
    }
    assert!(path::prefix(&format!("/{}", "a".repeat(511))).is_ok());
    assert!(path::prefix(&format!("/{}", "a".repeat(512))).unwrap_err().message.contains("too long"));
}

proptest! {
    #[test]
    fn shown_durations_are_read_back(millis in 0..10_000_000_000_u64) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(duration::parse(&duration::show(duration)), Ok(duration));
    }

    /// What is suggested in place of a path is a path, or at least another mistake's place.
    #[test]
    fn suggested_paths_come_to_an_end(written in "/?[a-z./%A-F0-9?#;+é \\\\]{0,20}") {
        let mut path = written.clone();
        for _ in 0..64 {
            match path::prefix(&path) {
                Ok(_) => return Ok(()),
                Err(wrong) => match wrong.help.strip_prefix("write \"") {
                    Some(better) => {
                        let better = better.trim_end_matches('"').to_owned();
                        prop_assert_ne!(&better, &path);
                        path = better;
                    }
                    None => return Ok(()),
                },
            }
        }
        prop_assert!(false, "no end: {written}");
    }
}
