use proptest::prelude::*;

fn matches(glob: &str, path: &str) -> bool {
    super::glob(glob).unwrap().matches(path)
}

#[test]
fn a_star_stays_within_its_segment_and_two_do_not() {
    for (glob, path, expected) in [
        ("/hooks/*", "/hooks/pay", true),
        ("/hooks/*", "/hooks/", true),
        ("/hooks/*", "/hooks", false),
        ("/hooks/*", "/hooks/pay/now", false),
        ("/hooks/**", "/hooks/pay/now", true),
        ("/hooks/**", "/hooks", false),
        ("/hooks/*/notify", "/hooks/pay/notify", true),
        ("/hooks/*/notify", "/hooks/a/b/notify", false),
        ("/**/notify", "/a/b/notify", true),
        ("/**/notify", "/notify", false),
        ("/**notify", "/notify", true),
        ("/HOOKS/pay", "/hooks/Pay", true),
        ("/a.b", "/axb", false),
        ("/a+b(c)", "/a+b(c)", true),
        ("/hooks", "/hooks", true),
        ("/hooks", "/hooks/", false),
        ("/hooks", "/hooksx", false),
        ("/caf%C3%A9/*", "/caf%C3%A9/x", true),
    ] {
        assert_eq!(matches(glob, path), expected, "{glob} {path}");
    }
}

#[test]
fn an_expression_is_for_the_whole_path_and_for_either_case() {
    let regex = |expression: &str, path: &str| super::regex(expression).unwrap().matches(path);
    assert!(regex("/item/[0-9]+", "/Item/12"));
    assert!(!regex("/item/[0-9]+", "/item/12/edit"));
    assert!(!regex("/item/[0-9]+", "/x/item/12"));
    assert!(regex("/a|/b", "/b") && !regex("/a|/b", "/ab"));
    assert!(regex("^/a$", "/a"));
    // The first that matches need not be the one that matches all.
    assert!(regex("/a|/a/b", "/a/b"));
}

#[test]
fn patterns_that_would_match_nothing_or_anything_are_refused() {
    for glob in ["hooks/*", "/a/***", "/a?", "/[ab]", "/a//b", "/a/../b", "/.sluice/*", "/a b", "/%61"] {
        assert!(super::glob(glob).is_err(), "{glob}");
    }
    for expression in ["", "(", ".*", "/(?=a)b", "(/[a-z]{1,900}){40}"] {
        assert!(super::regex(expression).is_err(), "{expression}");
    }
    let wrong = super::regex("/a(").unwrap_err();
    assert!(wrong.message.contains("unclosed group"), "{}", wrong.message);
}

/// The same by trying every way.
fn naive(glob: &[u8], path: &[u8]) -> bool {
    match glob {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|at| naive(rest, &path[at..])),
        [b'*', rest @ ..] => {
            let segment = path.iter().position(|&b| b == b'/').unwrap_or(path.len());
            (0..=segment).any(|at| naive(rest, &path[at..]))
        }
        [byte, rest @ ..] => path.first().is_some_and(|b| b.eq_ignore_ascii_case(byte)) && naive(rest, &path[1..]),
    }
}

proptest! {
    #[test]
    fn a_glob_matches_what_it_says(glob in "/[ab*/]{0,8}", path in "/[abA/]{0,8}") {
        if let Ok(pattern) = super::glob(&glob) {
            prop_assert_eq!(pattern.matches(&path), naive(glob.as_bytes(), path.as_bytes()));
        }
    }
}
