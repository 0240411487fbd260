use crate::{
    diagnostics::Kind,
    testing::{Dir, KEY},
};

fn keys(lines: &str) -> Dir {
    Dir::node(&format!("[keys]\n{lines}\n"))
}

#[test]
fn secrets_have_names_and_one_is_current() {
    let dir =
        keys("current = \"b.2\"\nsecrets = { \"a-1\" = { env = \"SLUICE_KEY\" }, \"b.2\" = { env = \"OTHER\" } }");
    let keys = dir.with_env("OTHER", &"A".repeat(64)).config().keys.unwrap();
    assert_eq!(keys.current, "b.2");
    assert_eq!(keys.secrets["a-1"].expose(), b"sluice sluice sluice sluice slui");
    assert_eq!(keys.secrets["b.2"].expose(), [0; 48]);
}

#[test]
fn secrets_may_be_tables() {
    let dir = keys("current = \"a\"\n[keys.secrets.a]\nenv = \"SLUICE_KEY\"");
    assert_eq!(dir.config().keys.unwrap().secrets.len(), 1);
}

#[test]
fn current_is_one_of_the_secrets() {
    let secrets = "secrets = { \"2026-11\" = { env = \"SLUICE_KEY\" } }";
    keys(&format!("current = «\"2026-12\"»\n{secrets}")).is_wrong(
        Kind::Conflict,
        "none of this name",
        "did you mean \"2026-11\"?",
    );
    keys(&format!("current = «\"spring\"»\n{secrets}")).is_wrong(
        Kind::Conflict,
        "none of this name",
        "known are \"2026-11\"",
    );
    Dir::node(&format!("«[keys]»\n{secrets}\n")).is_wrong(Kind::Missing, "`current` is missing", "signs");
}

#[test]
fn current_may_name_a_secret_that_is_wrong_itself() {
    keys("current = \"a\"\nsecrets = { a = { env = «\"NOT_SET\"» } }").is_wrong(Kind::Secret, "not set", "set it");
}

#[test]
fn there_is_at_least_one_secret() {
    keys("current = \"a\"\nsecrets = «{}»").is_wrong(Kind::OutOfRange, "0 entries", "SLUICE_KEY");
    Dir::node("«[keys]»\ncurrent = \"a\"\n").is_wrong(Kind::Missing, "`secrets` is missing", "SLUICE_KEY");
    keys("current = \"a\"\nsecrets = 1234").mistakes();
}

#[test]
fn names_of_secrets_are_checked_and_a_key_in_their_place_is_hidden() {
    let dir = keys(&format!(
        "current = \"a\"\nsecrets = {{ a = {{ env = \"SLUICE_KEY\" }}, \"{KEY}\" = {{ env = \"a\" }} }}"
    ));
    let errors = dir.load().unwrap_err();
    assert!(errors.to_string().contains("not a secret's name"), "{errors}");
    let said = format!("{errors}{errors:?}{}", errors.pretty(false));
    assert!(!said.contains(KEY), "{said}");
    let dir = keys(&format!("current = \"{KEY}\"\nsecrets = {{ a = {{ env = \"SLUICE_KEY\" }} }}"));
    let errors = dir.load().unwrap_err();
    assert!(errors.to_string().contains("`***`: not a secret's name"), "{errors}");
}
