use crate::{
    diagnostics::Kind,
    settings::{Language, Page},
    testing::{Dir, ORIGIN, QUEUE, TENANT, tenant},
};

fn page(lines: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, lines, "\n"]))
}

#[test]
fn without_the_table_visitors_read_english_unless_they_ask_for_another_language() {
    let least = page("").only_tenant().page;
    assert_eq!(least, Page::default());
    assert_eq!(least.language, Language::ENGLISH);
}

#[test]
fn every_key() {
    let most = page(
        "[page]\nlanguage = \"de\"\n[page.texts.de]\nstates.waiting.heading = \"Bitte warten\"\n\
         place.ahead.one = \"Person\"\n[page.texts.pt-BR]\nform.sender = \"De {site}.\"",
    );
    let most = most.only_tenant().page;
    assert_eq!(most.language.tag(), "de");
    let text = |tag: &str, name: &str| most.texts[&Language::of(tag).unwrap()][name].clone();
    assert_eq!(text("de", "states.waiting.heading"), "Bitte warten");
    assert_eq!(text("de", "place.ahead.one"), "Person");
    assert_eq!(text("pt-BR", "form.sender"), "De {site}.");
}

#[test]
fn a_language_is_one_of_those_that_there_are() {
    page("[page]\nlanguage = «\"de-AT\"»").is_wrong(Kind::Malformed, "do not speak this language", "write \"de\"");
    page("[page]\nlanguage = «\"tlh\"»").is_wrong(Kind::Malformed, "do not speak this language", "\"zh-Hant\"");
    page("[page.texts.«xx»]\nform.line = \"x\"").is_wrong(Kind::Malformed, "do not speak this language", "\"zh-Hant\"");
}

#[test]
fn a_text_has_a_name_that_the_pages_know() {
    let of = |line: &str| page(&format!("[page.texts.de]\n{line}"));
    of("states.waiting.«headin» = \"x\"").is_wrong(Kind::UnknownKey, "no such text", "`states.waiting.heading`");
    of("states.«waiting» = \"x\"").is_wrong(Kind::UnknownKey, "no such text", "");
    of("place.ahead.«eleven» = \"x\"").is_wrong(Kind::UnknownKey, "no such text", "");
    of("«name» = \"x\"").is_wrong(Kind::UnknownKey, "no such text", "");
    of("form.line = «7»").is_wrong(Kind::WrongType, "a string", "line = \"…\"");
}

#[test]
fn a_text_is_plain_and_keeps_its_places() {
    let of = |line: &str| page(&format!("[page.texts.de]\n{line}"));
    of("form.line = «\"<b>x</b>\"»").is_wrong(Kind::Malformed, "no mark-up", "");
    of("form.line = «\"a\\nb\"»").is_wrong(Kind::Malformed, "no mark-up", "");
    of("form.line = «\" \"»").is_wrong(Kind::Malformed, "empty", "leave the key out");
    let long = of(&format!("form.line = \"{}\"", "x".repeat(401))).mistakes();
    assert_eq!((long[0].kind(), long[0].message()), (Kind::OutOfRange, "the text has 401 characters"));
    of("form.line = «\"{n}\"»").is_wrong(Kind::Malformed, "nothing in braces", "");
    of("form.sender = «\"Von dort\"»").is_wrong(Kind::Malformed, "must have `{site}`", "");
    of("form.sender = «\"{site} {sites}\"»").is_wrong(Kind::Malformed, "must have `{site}`", "");
}
