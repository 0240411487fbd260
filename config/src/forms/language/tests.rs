use std::collections::HashSet;

use super::*;

#[test]
fn every_language_is_found_by_its_tag() {
    assert_eq!(Language::all().len(), Language::COUNT);
    let tags: HashSet<_> = Language::all().map(Language::tag).collect();
    assert_eq!(tags.len(), Language::COUNT);
    for language in Language::all() {
        assert_eq!(Language::of(language.tag()), Some(language));
        assert_eq!(parse(language.tag()).unwrap(), language);
    }
    assert_eq!(Language::ENGLISH.tag(), "en");
    assert!(MEANT.iter().all(|(_, tag)| Language::of(tag).is_some()));
}

#[test]
fn a_range_is_served_by_what_is_left_of_it() {
    for (range, expected) in [
        ("de", Some("de")),
        ("DE-at", Some("de")),
        ("de-CH-1996", Some("de")),
        ("en-GB-oxendict", Some("en")),
        ("zh", Some("zh-Hans")),
        ("zh-CN", Some("zh-Hans")),
        ("zh-tw", Some("zh-Hant")),
        ("zh-Hant-HK", Some("zh-Hant")),
        ("pt", Some("pt-BR")),
        ("pt-pt", Some("pt-PT")),
        ("pt-AO", Some("pt-PT")),
        ("nn-NO", Some("nb")),
        ("sr-Latn-RS", Some("hr")),
        ("sr-RS", Some("sr")),
        ("iw", Some("he")),
        ("xx", None),
        ("*", None),
        ("", None),
        ("-", None),
        ("d\u{e9}", None),
        ("de-aaaaaaaa-bbbbbbbb-cccccccc-dddddddd", None),
    ] {
        assert_eq!(Language::matching(range).map(Language::tag), expected, "{range}");
    }
}
