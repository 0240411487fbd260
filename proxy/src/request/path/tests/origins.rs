//! Whatever habits an origin has, no spelling of a path gets past its queue.

use proptest::prelude::*;

use super::*;

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
