mod config;

use proptest::prelude::*;

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

/// How an origin may read a path. Every combination of these habits exists somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    strips_parameters: Option<BeforeDecoding>,
    decodes: u8,
    cuts_at_delimiters: bool,
    folds_slashes: bool,
    backslash_is_slash: bool,
    ignores_case: bool,
    trims_segments: bool,
    drops: Drops,
}

type BeforeDecoding = bool;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drops {
    Nothing,
    WhatIsNoUtf8,
    WhatIsNoAscii,
}

impl Origin {
    /// The page the origin finds: segments after decoding, stripping and resolving.
    pub(crate) fn page(&self, raw: &[u8]) -> Vec<Vec<u8>> {
        let mut path = raw.to_vec();
        if self.strips_parameters == Some(true) {
            path = strip_parameters(&path);
        }
        for _ in 0..self.decodes {
            path = decode_once(&path);
        }
        if self.cuts_at_delimiters {
            path.truncate(path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len()));
        }
        path = match self.drops {
            Drops::Nothing => path,
            Drops::WhatIsNoUtf8 => path.utf8_chunks().map(|chunk| chunk.valid()).collect::<String>().into_bytes(),
            Drops::WhatIsNoAscii => path.into_iter().filter(u8::is_ascii).collect(),
        };
        if self.strips_parameters == Some(false) {
            path = strip_parameters(&path);
        }
        let is_separator = |b: &u8| *b == b'/' || (self.backslash_is_slash && *b == b'\\');
        let mut page: Vec<Vec<u8>> = Vec::new();
        for segment in path.split(is_separator).skip(1) {
            let trimmed = if self.trims_segments { trim(segment) } else { segment };
            match trimmed {
                b"" if self.folds_slashes => {}
                b"." => {}
                b".." => drop(page.pop()),
                _ if self.ignores_case => page.push(trimmed.to_ascii_lowercase()),
                _ => page.push(trimmed.to_vec()),
            }
        }
        page
    }

    fn with_every_habit() -> Self {
        Self {
            strips_parameters: Some(false),
            decodes: 1,
            cuts_at_delimiters: false,
            folds_slashes: true,
            backslash_is_slash: true,
            ignores_case: false,
            trims_segments: false,
            drops: Drops::Nothing,
        }
    }
}

/// Spaces at both ends and dots at the end, unless nothing but dots would be left.
fn trim(segment: &[u8]) -> &[u8] {
    let start = segment.iter().position(|&b| b != b' ').unwrap_or(segment.len());
    let end = segment.iter().rposition(|b| !matches!(b, b' ' | b'.')).map_or(start, |at| at + 1);
    if segment[start..].iter().all(|b| matches!(b, b'.' | b' ')) { segment } else { &segment[start..end] }
}

fn strip_parameters(path: &[u8]) -> Vec<u8> {
    let mut stripped = Vec::new();
    let mut inside = false;
    for &byte in path {
        inside = (inside || byte == b';') && byte != b'/';
        if !inside {
            stripped.push(byte);
        }
    }
    stripped
}

fn decode_once(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        match rest {
            [b'%', high, low, tail @ ..] if unhex(*high, *low).is_ok() => {
                decoded.extend(unhex(*high, *low));
                rest = tail;
            }
            _ => {
                decoded.push(*byte);
                rest = tail;
            }
        }
    }
    decoded
}

pub(crate) fn origins() -> impl Strategy<Value = Origin> {
    let drops = prop::sample::select(vec![Drops::Nothing, Drops::WhatIsNoUtf8, Drops::WhatIsNoAscii]);
    let decoding = (prop::option::of(any::<bool>()), 0..4_u8, any::<bool>());
    (decoding, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), drops).prop_map(
        |((strips_parameters, decodes, cuts_at_delimiters), folds, backslash, case, trims, drops)| Origin {
            strips_parameters,
            decodes,
            cuts_at_delimiters,
            folds_slashes: folds,
            backslash_is_slash: backslash,
            ignores_case: case,
            trims_segments: trims,
            drops,
        },
    )
}

/// Paths made of the pieces that have got past other gates, and of plain noise.
pub(crate) fn nasty_paths() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "/", "checkout", "pay", "c", "heckout", "%63", "%43", "Checkout", "public",
        ]),
        4 => prop::sample::select(vec![
            "//", ".", "..", "%2e", "%2E", "/./", "/../", ";", ";x=1", "%3b", "%3B", "%2f", "%2F", "%5c", "\\", "%25",
            "%2", "%", "2", "5", "f", "%00", "%0a", "%20", "%c3%a9", "%c0%af", "%3f", "%23", "?", "#", " ", "é", "+",
            "%2b", "|", "%7c", "\0", "~", "%7e", "%80", "%ff", "%e9", "%2563", "%252f", "%255c", "%2520", "CHECKOUT", "PAY",
        ]),
    ];
    prop_oneof![
        4 => prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// One page, spelt twice at random.
fn two_spellings() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    prop::collection::vec("[a-cA-C+~ .]{0,2}[a-z]", 1..4).prop_flat_map(|page| (spelling(page.clone()), spelling(page)))
}

/// A spelling that an origin with every habit reads as this page.
fn spelling(page: Vec<String>) -> impl Strategy<Value = Vec<u8>> {
    let segment = |text: String| {
        let letters: Vec<_> = text
            .bytes()
            .map(|b| {
                let plain = if b == b' ' { "%20".to_owned() } else { char::from(b).to_string() };
                prop_oneof![4 => Just(plain), 1 => Just(format!("%{b:02x}")), 1 => Just(format!("%{b:02X}"))]
            })
            .collect();
        let before = prop::sample::select(vec!["/", "/", "/", "/", "//", "/./", "/x/../", "/;/", "%2f"]);
        let after = prop::sample::select(vec!["", "", "", ";", ";v=1", "%3bv", ";%2e"]);
        (before, letters, after).prop_map(|(before, letters, after)| format!("{before}{}{after}", letters.concat()))
    };
    page.into_iter()
        .map(segment)
        .collect::<Vec<_>>()
        .prop_map(|segments| format!("/shop{}", segments.concat()).into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_normal_form_is_its_own_normal_form(raw in nasty_paths()) {
        if let Ok(path) = NormalPath::parse(&raw) {
            let again = NormalPath::parse(path.as_str().as_bytes());
            prop_assert_eq!(again.as_ref().map(NormalPath::as_str), Ok(path.as_str()));
            let is_borrowed = again.is_ok_and(|again| matches!(again.text, Cow::Borrowed(_)));
            prop_assert!(is_borrowed || path.as_str().contains('%'));
        }
    }

    /// The promise of the module: an origin's protected pages cannot be reached by a spelling the table does not match.
    #[test]
    fn no_spelling_gets_past_the_queue(raw in nasty_paths(), origin in origins()) {
        let Ok(path) = NormalPath::parse(&raw) else { return Ok(()) };
        let table = PrefixTable::new([("/checkout", "checkout"), ("/public/pay", "pay")]).expect("valid");
        let Ok(found) = table.find_agreed(&path, |one, other| one == other) else { return Ok(()) };
        let matched = found.map(|(_, queue)| *queue);
        let page = origin.page(&raw);
        let below = |prefix: &[&[u8]]| page.len() >= prefix.len() && prefix.iter().zip(&page).all(|(a, b)| a == b);
        if below(&[b"checkout"]) {
            prop_assert_eq!(matched, Some("checkout"), "{:?} as {:?}", String::from_utf8_lossy(&raw), path);
        }
        if below(&[b"public", b"pay"]) {
            prop_assert_eq!(matched, Some("pay"), "{:?} as {:?}", String::from_utf8_lossy(&raw), path);
        }
    }

    /// Two spellings of one page match alike, or are refused.
    #[test]
    fn spellings_of_one_page_match_alike((a, b) in two_spellings()) {
        let origin = Origin::with_every_habit();
        let page = origin.page(&a);
        prop_assert_eq!(&page, &origin.page(&b));
        let prefix = page.iter().map(|segment| format!("/{}", String::from_utf8_lossy(segment))).collect::<String>();
        let Ok(table) = PrefixTable::new([(&prefix, ())]) else { return Ok(()) };
        let met = |raw: &[u8]| table.find_agreed(&NormalPath::parse(raw)?, |(), ()| true).map(|found| found.is_some());
        if let (Ok(a), Ok(b)) = (met(&a), met(&b)) {
            prop_assert_eq!(a, b);
        }
    }

    #[test]
    fn the_longest_matching_prefix_wins(
        prefixes in prop::collection::btree_set("/([ab]{1,2}/){0,2}[ab]{0,2}", 1..8),
        path in "/([ab]{1,2}/){0,3}[ab]{0,2}",
    ) {
        let table = PrefixTable::new(prefixes.iter().map(|p| (p, p.clone()))).expect("valid");
        let matches = |prefix: &&String| {
            path == **prefix || path.starts_with(&format!("{}/", prefix.trim_end_matches('/')))
                && (!prefix.ends_with('/') || path.len() >= prefix.len())
        };
        let expected = prefixes.iter().filter(matches).max_by_key(|p| p.len());
        let found = table.find(&NormalPath::parse(path.as_bytes()).expect("clean")).map(|(_, value)| value);
        prop_assert_eq!(found, expected);
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
