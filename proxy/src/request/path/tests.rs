mod config;
pub(crate) mod origins;

use super::*;

fn normal(raw: &str) -> Result<String, Ambiguous> {
    NormalPath::parse(raw.as_bytes()).map(|path| path.as_str().to_owned())
}

#[test]
fn a_clean_path_is_borrowed() {
    for raw in ["/", "/sale", "/sale/", "/.well-known/x", "/a.b/..c/...", "/a|b^[c]{d}'!$&()*+,=:@~", "/.sluice/status"]
    {
        let path = NormalPath::parse(raw.as_bytes()).expect(raw);
        assert!(matches!(path.text, Cow::Borrowed(text) if text == raw), "{raw}");
    }
}

#[test]
fn spellings_of_one_page_become_one() {
    for (raw, expected) in [
        ("/%63heckout", "/checkout"),
        ("/%43heckout", "/Checkout"),
        ("/a%2Bb", "/a+b"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/caf%e9", "/caf%E9"),
        ("/100%25", "/100%25"),
        ("/100%25/%32", "/100%25/2"),
        ("/who%3f%23", "/who%3F%23"),
        ("/checkout;v=1", "/checkout"),
        ("/checkout;a;b/pay;c", "/checkout/pay"),
        ("/checkout%3bv=1/pay", "/checkout/pay"),
        ("/a//b///c", "/a/b/c"),
        ("/a//", "/a/"),
        ("/a/;x/b", "/a/b"),
        ("/a/;x", "/a/"),
        ("/;x", "/"),
        ("/%2ewell-known", "/.well-known"),
        ("/%2e%2e%2e", "/..."),
        // Origins read these in more ways than one: see below.
        ("//checkout/pay", "/checkout/pay"),
        ("//", "/"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5Cb"),
        ("/a%252fb", "/a%252fb"),
        ("/a%25%36%31", "/a%2561"),
        ("/café", "/caf%C3%A9"),
    ] {
        assert_eq!(normal(raw).as_deref(), Ok(expected), "{raw}");
    }
}

#[test]
fn what_origins_may_read_differently_is_refused() {
    use Ambiguous::*;
    for (raw, why) in [
        ("", NotRooted),
        ("*", NotRooted),
        ("checkout", NotRooted),
        ("/a\\b", Backslash),
        ("/%61\\b", Backslash),
        ("/.", DotSegment),
        ("/..", DotSegment),
        ("/./a", DotSegment),
        ("/a/../b", DotSegment),
        ("/a/..", DotSegment),
        ("/a/.%2e/b", DotSegment),
        ("/a/%2E%2e", DotSegment),
        ("/a/..;/b", DotSegment),
        ("/a/.;x=1", DotSegment),
        ("/a/%2e%3b/b", DotSegment),
        // A dot segment to some, after one habit or several.
        ("/a/..%2fb", DotSegment),
        ("/a%5c..%5cb", DotSegment),
        ("/%252e%252e/b", DotSegment),
        ("/a%252f..%25252fb", DotSegment),
        ("/a/%20../b", DotSegment),
        ("/a/.\u{80}./b", DotSegment),
        ("/a/．．／b", DotSegment),
        ("/a/..%3fx/b", DotSegment),
        ("/a%2500", ForbiddenByte),
        ("/a%25c0%25afb", Overlong),
        ("/a%2%35", BadEscape),
        ("/a%", BadEscape),
        ("/a%2", BadEscape),
        ("/a%zz", BadEscape),
        ("/a%u002fb", BadEscape),
        ("/a%c0%afb", Overlong),
        ("/a%C1%9Cb", Overlong),
        ("/a%e0%80%afb", Overlong),
        ("/a%f0%80%80%afb", Overlong),
        ("/a%00", ForbiddenByte),
        ("/a%0a", ForbiddenByte),
        ("/a%7F", ForbiddenByte),
        ("/a\0", ForbiddenByte),
        ("/a b", ForbiddenByte),
        ("/a\u{7f}", ForbiddenByte),
        ("/a?b", ForbiddenByte),
        ("/a#b", ForbiddenByte),
    ] {
        assert_eq!(normal(raw), Err(why), "{raw:?}");
        assert!(why.reason().starts_with("path_"));
    }
}

/// What a path meets where one queue is before `/checkout`, one before `/wiki/what` and one before `/café`.
fn met(raw: &[u8]) -> Result<Option<&'static str>, Ambiguous> {
    let table =
        PrefixTable::new([("/checkout", "checkout"), ("/wiki/what", "what"), ("/café", "café")]).expect("valid");
    let found = table.find_agreed(&NormalPath::parse(raw)?, |one, other| one == other)?;
    Ok(found.map(|(_, queue)| *queue))
}

#[test]
fn an_odd_path_is_refused_where_its_readings_meet_different_queues() {
    use Ambiguous::*;
    for (raw, why) in [
        ("//checkout/pay", DoubleSlash),
        ("//x/checkout", DoubleSlash),
        ("/checkout%2fpay", EncodedSeparator),
        ("/%2fcheckout", EncodedSeparator),
        ("/a%2f%2fcheckout", DoubleSlash),
        ("/checkout%5Cpay", EncodedSeparator),
        ("/%2563heckout", DoubleEncoding),
        ("/%252563heckout", DoubleEncoding),
        ("/checkout%252fpay", DoubleEncoding),
        ("/checkout%3fa=b", EncodedDelimiter),
        ("/checkout%23pay", EncodedDelimiter),
        ("/checkout%20", SegmentEnd),
        ("/checkout%20/pay", SegmentEnd),
        ("/%20checkout", SegmentEnd),
        ("/checkout.", SegmentEnd),
        ("/checkout%2e%20./pay", SegmentEnd),
        ("/%80checkout", NonAscii),
        ("/check%80out/pay", NonAscii),
        ("/%c3%a9checkout", NonAscii),
        ("/ｃheckout", NonAscii),
        ("/chec%E2%84%AAout", NonAscii),
        ("/wiki/what%3f", EncodedDelimiter),
        ("/caf%e9", NonAscii),
    ] {
        let expected = if raw == "/caf%e9" || raw == "/a%2f%2fcheckout" { Ok(None) } else { Err(why) };
        assert_eq!(met(raw.as_bytes()), expected, "{raw}");
    }
    assert_eq!(met(b"/\x80checkout"), Err(NonAscii), "however it is spelt");
    let nested = format!("/%{}63heckout", "25".repeat(60));
    assert_eq!(met(nested.as_bytes()), Err(TooManyReadings));
}

#[test]
fn an_odd_path_is_forwarded_where_all_its_readings_meet_the_same() {
    for (raw, queue) in [
        ("/api/v4/projects/group%2Fproject", None),
        ("//wp-json/wp/v2/posts", None),
        ("/job/feature%252Fx/", None),
        ("/100%25acrylic", None),
        ("/search/caf%c3%a9%20noir", None),
        ("/wiki/Was%3F", None),
        ("/Windows%5Cdisk", None),
        ("/café/menu%2Fnoir", Some("café")),
        ("/caf%C3%A9", Some("café")),
        ("/checkout/a%2fb", Some("checkout")),
        ("/checkout/100%25acrylic%20", Some("checkout")),
        ("/checkout//a%252Fb.", Some("checkout")),
        ("/Checkout", Some("checkout")),
        ("/CHECK%4fUT/PAY", Some("checkout")),
        ("/checkout;v=1", Some("checkout")),
    ] {
        assert_eq!(met(raw.as_bytes()), Ok(queue), "{raw}");
    }
    let everything = PrefixTable::new([("/", ())]).expect("valid");
    for raw in ["//checkout", "/a%2fb", "/%252563heckout", "/checkout%20", "/%ff%fe"] {
        let path = NormalPath::parse(raw.as_bytes()).expect(raw);
        assert!(everything.find_agreed(&path, |(), ()| true).is_ok_and(|found| found.is_some()), "{raw}");
    }
}

#[test]
fn latin_1_is_not_overlong() {
    // "À propos" and "à la" in Latin-1.
    assert_eq!(normal("/%c0%20propos").as_deref(), Ok("/%C0%20propos"));
    assert_eq!(normal("/%e0%20la").as_deref(), Ok("/%E0%20la"));
}

#[test]
fn prefixes_match_whole_segments_and_the_longest_wins() {
    let table = PrefixTable::new([("/sale", "sale"), ("/sale/vip/", "vip"), ("/café", "café"), ("/a b", "space")])
        .expect("valid");
    let find = |raw: &str| table.find(&NormalPath::parse(raw.as_bytes()).expect(raw)).map(|(_, value)| *value);
    assert_eq!(find("/sale"), Some("sale"));
    assert_eq!(find("/sale/"), Some("sale"));
    assert_eq!(find("/sale/x"), Some("sale"));
    assert_eq!(find("/sale;x"), Some("sale"));
    assert_eq!(find("/salesman"), None);
    assert_eq!(find("/Sale"), Some("sale"));
    assert_eq!(find("/"), None);
    assert_eq!(find("/sale/vip"), Some("sale"));
    assert_eq!(find("/sale/vip/"), Some("vip"));
    assert_eq!(find("/sale//vip/x"), Some("vip"));
    assert_eq!(find("/sale/vipers"), Some("sale"));
    assert_eq!(find("/caf%c3%A9/menu"), Some("café"));
    assert_eq!(find("/a%20b"), Some("space"));

    let everything = PrefixTable::new([("/", ())]).expect("valid");
    assert_eq!(everything.find(&NormalPath::parse(b"/x").expect("clean")), Some(("/", &())));
}

#[test]
fn bad_prefixes_are_refused() {
    assert_eq!(
        PrefixTable::new([("/a/../b", ())]).err(),
        Some(BadPrefix::Ambiguous("/a/../b".into(), Ambiguous::DotSegment))
    );
    for other in ["/%61", "/A"] {
        assert!(matches!(PrefixTable::new([("/a", 1), (other, 2)]).err(), Some(BadPrefix::Repeated(_))), "{other}");
    }
}

/// A normal form is its own, and is rooted, without anything that an origin could read in another way.
fn fuzzed(raw: &[u8]) {
    let Ok(path) = NormalPath::parse(raw) else { return };
    let normal = path.as_str();
    let again = NormalPath::parse(normal.as_bytes()).expect("a normal form is not ambiguous");
    assert_eq!(again.as_str(), normal);
    assert!(normal.starts_with('/') && !normal.split('/').any(|segment| matches!(segment, "." | "..")), "{normal}");
    assert!(normal.bytes().all(|byte| byte > b' ' && byte != 0x7f && !b"\\?#".contains(&byte)), "{normal}");
    assert!(path.readings().count() <= 64, "{normal}");
}

#[test]
fn fuzzed_paths_are_ambiguous_or_in_a_form_of_their_own() {
    crate::fuzz::run(env!("CARGO_MANIFEST_DIR"), "paths", Vec::new(), 50_000, fuzzed);
}
