//! A language that nobody speaks: English with accents, two fifths longer, in brackets. A layout that holds for it holds for
//! languages that need more room than English, and whatever stands outside of its brackets has not come from a catalogue.

use std::collections::BTreeMap;

use sluice_config::{Language, settings::Page};
use toml::{Table, Value};

/// How much longer than English, in hundredths.
const LONGER: usize = 40;

/// Settings of a tenant who has put this language in the place of English.
pub(super) fn settings() -> Page {
    let texts = texts().into_iter().map(|(name, text)| (name, lengthened(&text))).collect();
    Page { texts: BTreeMap::from([(Language::ENGLISH, texts)]), ..Page::default() }
}

/// Those of English, by name.
fn texts() -> BTreeMap<String, String> {
    let catalogue: Table = include_str!("../../../languages/en.toml").parse().unwrap();
    let mut texts = BTreeMap::new();
    gather(&catalogue, "", &mut texts);
    texts
}

fn gather(table: &Table, group: &str, texts: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = format!("{group}{key}");
        match value {
            Value::Table(inner) => gather(inner, &format!("{name}."), texts),
            Value::String(text) => _ = texts.insert(name, text.clone()),
            other => panic!("{name} is {other}"),
        }
    }
}

/// A text in this language. Its places keep their names.
fn lengthened(text: &str) -> String {
    let mut out = String::from("[");
    let mut in_place = false;
    for letter in text.chars() {
        in_place = (in_place || letter == '{') && letter != '}';
        match accented(letter).filter(|_| !in_place) {
            Some((accented, is_vowel)) => out.extend(std::iter::repeat_n(accented, 1 + usize::from(is_vowel))),
            None => out.push(letter),
        }
    }
    let wanted = text.chars().count() * (100 + LONGER) / 100;
    for word in [" ôñé", " ţŵô", " ţĥŕéé"].into_iter().cycle() {
        if out.chars().count() > wanted {
            break;
        }
        out += word;
    }
    out.push(']');
    out
}

/// A letter with an accent, and whether it is a vowel.
fn accented(letter: char) -> Option<(char, bool)> {
    const PLAIN: &str = "aeiouyAEIOUYcdghjklnrstwzCDGHJKLNRSTWZ";
    const ACCENTED: &str = "áéíôûýÅÉÎÖÜÝçďĝĥĵķļñŕšţŵžÇĎĜĤĴĶĻÑŔŠŢŴŽ";
    let at = PLAIN.chars().position(|plain| plain == letter)?;
    Some((ACCENTED.chars().nth(at)?, "aeiouyAEIOUY".contains(letter)))
}

#[test]
fn its_texts_are_longer_and_keep_their_places() {
    assert_eq!(lengthened("about {range} minutes"), "[áábôôûûţ {range} mííñûûţééš ôñé]");
    assert_eq!(lengthened("Next"), "[Ñééxţ]");
    let places = |text: &str| text.split(['{', '}']).skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let texts = texts();
    assert!(texts.len() > 90, "{} texts", texts.len());
    for text in texts.values() {
        let longer = lengthened(text);
        assert!(longer.chars().count() * 100 >= text.chars().count() * (100 + LONGER), "{text}: {longer}");
        assert_eq!(places(text), places(&longer));
    }
}
