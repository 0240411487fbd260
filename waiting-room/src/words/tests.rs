use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use sluice_config::TEXTS;
use toml::Value;

use super::*;
use crate::samples::STATES;

fn english() -> &'static Words {
    of(Language::ENGLISH)
}

fn wait(low_s: u32, high_s: u32) -> String {
    english().wait_range(WaitRange { low_s, high_s })
}

/// The texts of a catalogue by name, a text for each plural form by itself.
fn texts(language: Language) -> BTreeMap<String, String> {
    fn gather(value: &Value, name: &str, texts: &mut BTreeMap<String, String>) {
        match value {
            Value::String(text) => _ = texts.insert(name.trim_matches('.').to_owned(), text.clone()),
            Value::Table(inner) => inner.iter().for_each(|(key, value)| gather(value, &format!("{name}.{key}"), texts)),
            other => panic!("{language}: {name} is {other}", language = name),
        }
    }
    let mut texts = BTreeMap::new();
    gather(&catalogue::table(language).into(), "", &mut texts);
    texts
}

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').expect("a brace is closed").0).collect()
}

/// Reading a catalogue fails where one of its texts is missing, or is not known.
#[test]
fn every_language_has_every_text() {
    let mut names = HashSet::new();
    for language in Language::all() {
        assert_eq!(of(language).language, language);
        assert!(names.insert(&of(language).name), "{language} is called like another");
    }
    assert_eq!(names.len(), Language::COUNT);
}

#[test]
fn the_config_knows_the_texts_and_their_places() {
    let ours: BTreeSet<_> = texts(Language::ENGLISH).into_keys().collect();
    let known = TEXTS.iter().flat_map(|id| match id.counted {
        true => vec![format!("{}.one", id.name), format!("{}.other", id.name)],
        false => vec![id.name.to_owned()],
    });
    assert_eq!(known.chain(["name".to_owned()]).collect::<BTreeSet<_>>(), ours);
    for (name, text) in texts(Language::ENGLISH) {
        let known: BTreeSet<_> =
            TEXTS.iter().filter(|id| id.name == name).flat_map(|id| id.places.iter().copied()).collect();
        assert_eq!(places(&text), known, "{name}");
    }
}

#[test]
fn no_text_loses_a_place_or_has_mark_up() {
    let english = texts(Language::ENGLISH);
    for language in Language::all() {
        for (name, text) in texts(language) {
            if let Some(original) = english.get(&name) {
                assert_eq!(places(&text), places(original), "{language}, {name}: {text}");
            }
            assert!(!text.contains(['<', '>', '&', '"', '\\']), "{language}, {name}: {text}");
            assert!(
                !text.contains(char::is_control) && text.trim() == text && !text.contains("  "),
                "{language}, {name}"
            );
            assert!(text.chars().count() <= 300, "{language}, {name}: too long for a phone");
        }
    }
}

#[test]
fn a_counted_text_has_the_plural_forms_of_its_language_and_no_others() {
    for language in Language::all() {
        let texts = texts(language);
        let forms: BTreeSet<_> = texts.keys().filter_map(|name| name.strip_prefix("place.ahead.")).collect();
        let expected: BTreeSet<_> = locale::plurals(language).iter().map(|form| form.name()).collect();
        assert_eq!(forms, expected, "{language}");
        for n in [0, 1, 2, 3, 5, 11, 21, 100, 1_000_000] {
            assert!(locale::plurals(language).contains(&locale::plural(language, n)), "{language}: {n}");
        }
    }
}

/// A text that was left in English would be one of another language, too.
#[test]
fn no_language_has_the_sentences_of_another() {
    let mut seen: BTreeMap<String, Language> = BTreeMap::new();
    for language in Language::all() {
        for (name, text) in texts(language).into_iter().filter(|(_, text)| text.chars().count() > 30) {
            if let Some(other) = seen.insert(text.clone(), language) {
                let kin = |tag: &'static str| tag.split('-').next();
                let are_kin = kin(other.tag()) == kin(language.tag());
                assert!(are_kin, "{name}: {language} has the words of {other}: {text}");
            }
        }
    }
}

#[test]
fn what_stands_below_the_number_goes_with_it() {
    for (tag, n, expected) in [
        ("en", 1, "person ahead of you"),
        ("en", 2, "people ahead of you"),
        ("pl", 1, "osoba przed Tobą"),
        ("pl", 22, "osoby przed Tobą"),
        ("pl", 12, "osób przed Tobą"),
        ("uk", 21, "людина перед вами"),
        ("lv", 10, "cilvēku pirms jums"),
        ("sl", 102, "osebi pred vami"),
        ("ro", 20, "de persoane înaintea dumneavoastră"),
        ("ar", 11, "شخصًا أمامك"),
        ("he", 2, "אנשים לפניך"),
        ("ja", 1, "人が前に並んでいます"),
        ("ja", 0, "次はあなたの番です"),
    ] {
        assert_eq!(of(Language::of(tag).unwrap()).ahead(n), expected, "{tag}, {n}");
    }
}

#[test]
fn numbers_are_written_as_the_language_does() {
    for (tag, n, expected) in [
        ("en", 0, "0"),
        ("en", 812, "812"),
        ("en", 4711, "4,711"),
        ("en", u64::MAX, "18,446,744,073,709,551,615"),
        ("de", 1_234_567, "1.234.567"),
        ("es", 1234, "1234"),
        ("es", 12_345, "12.345"),
        ("hi", 12_345_678, "1,23,45,678"),
        ("fa", 4711, "۴٬۷۱۱"),
        ("bn", 123_456, "১,২৩,৪৫৬"),
        ("fr", 12_345, "12\u{202f}345"),
    ] {
        assert_eq!(of(Language::of(tag).unwrap()).number(n), expected, "{tag}");
    }
}

#[test]
fn waits_in_plain_words() {
    const HOUR: u32 = 3600;
    for (low_s, high_s, expected) in [
        (0, 0, "up to a minute"),
        (5, 40, "up to a minute"),
        (60, 60, "up to a minute"),
        (10, 61, "up to 2 minutes"),
        (70, 110, "about 1–2 minutes"),
        (120, 240, "about 2–4 minutes"),
        (180, 180, "about 3 minutes"),
        (17 * 60, 20 * 60, "about 17–20 minutes"),
        (18 * 60, 21 * 60, "about 18–25 minutes"),
        (23 * 60, 31 * 60, "about 20–35 minutes"),
        (HOUR, 2 * HOUR, "about 60–120 minutes"),
        (HOUR, 2 * HOUR + 1, "about 1–3 hours"),
        (HOUR - 1, 3 * HOUR, "up to 3 hours"),
        (5 * HOUR, 5 * HOUR, "about 5 hours"),
        (23 * HOUR, 30 * HOUR, "about 23–30 hours"),
        (24 * HOUR, 30 * HOUR, "more than a day"),
        (u32::MAX, u32::MAX, "more than a day"),
        // A range the wrong way round is the producer's fault, and still no reason to panic.
        (300, 60, "up to a minute"),
    ] {
        assert_eq!(wait(low_s, high_s), expected, "{low_s} to {high_s}");
    }
}

/// The script looks words up by the names of the status document.
#[test]
fn the_script_finds_every_state_and_reason() {
    let words = serde_json::to_value(english()).unwrap();
    for face in STATES.map(Face::Of).into_iter().chain([Face::Missed, Face::NotOpen, Face::SoldOut]) {
        let said = english().said(face);
        assert_eq!(words["states"][face.as_str()]["heading"], said.heading);
        assert_eq!(words["states"][face.as_str()]["text"], said.text);
    }
    for reason in Reason::ALL {
        let known = words["reasons"].get(reason.as_str()).and_then(serde_json::Value::as_str);
        assert_eq!(known, english().reason(reason));
    }
}

proptest! {
    /// P10: the words hold whenever the range does.
    #[test]
    fn the_words_are_never_narrower_than_the_range(
        low_s in 0_u32..100_000,
        length_s in 0_u32..100_000,
    ) {
        let high_s = low_s + length_s;
        let text = wait(low_s, high_s);
        let unit_s = if text.contains("hour") { 3600 } else { 60 };
        let numbers: Vec<u32> = text.split([' ', '–']).filter_map(|word| word.parse().ok()).collect();
        let (low, high) = match numbers[..] {
            [low, high] => (low, high),
            [high] if text.starts_with("up to") => (0, high),
            [exact] => (exact, exact),
            _ if text == english().wait.day => (24 * 60, u32::MAX / 60),
            _ => (0, 1),
        };
        prop_assert!(low * unit_s <= low_s, "{} for {} to {}", text, low_s, high_s);
        prop_assert!(high_s <= high * unit_s, "{} for {} to {}", text, low_s, high_s);
    }
}
