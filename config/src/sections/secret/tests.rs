use super::*;
use crate::testing::{Dir, KEY};

/// A `[keys]` with one secret.
fn secret(written: &str) -> Dir {
    Dir::node(&format!("[keys]\ncurrent = \"a\"\nsecrets = {{ a = {written} }}\n"))
}

fn with_file(content: &[u8], mode: u32) -> Dir {
    let dir = secret("{ file = «\"a.key\"» }").with_bytes("a.key", content);
    dir.set_mode("a.key", mode);
    dir
}

fn value(dir: &Dir) -> Secret {
    dir.config().keys.unwrap().secrets["a"].clone()
}

#[test]
fn file_or_environment_both_alphabets_padded_or_not() {
    let bytes: Vec<u8> = (0..32).map(|nth| 0xfb ^ nth).collect();
    let padded = base64::engine::general_purpose::STANDARD.encode(&bytes);
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
    assert!(url.contains('-') || url.contains('_'));
    for text in [padded.clone(), format!(" {padded}\r\n"), url.clone(), format!("{url}\n")] {
        assert_eq!(value(&with_file(text.as_bytes(), 0o600)).expose(), bytes);
        assert_eq!(value(&secret("{ env = \"MINE\" }").with_env("MINE", &text)).expose(), bytes);
    }
}

#[test]
fn absolute_paths_are_taken_as_they_are() {
    let elsewhere = Dir::new().with("a.key", KEY);
    elsewhere.set_mode("a.key", 0o400);
    let dir = secret(&format!("{{ file = {:?} }}", elsewhere.path().join("a.key")));
    assert_eq!(value(&dir).expose().len(), 32);
}

#[test]
fn secret_in_the_config_is_refused_and_not_repeated() {
    let dir = secret(&format!("\"{KEY}\""));
    let mistakes = dir.mistakes();
    let [mistake] = mistakes.as_slice() else { panic!("{mistakes:?}") };
    assert_eq!((mistake.kind(), mistake.line(), mistake.column()), (Kind::Secret, 3, 17));
    assert!(mistake.message().contains("does not stand in the config"), "{mistake:?}");
    assert!(mistake.help().contains("{ env = \"SLUICE_KEY\" }"), "{mistake:?}");
    assert_eq!(mistake.text(), "***");
}

#[test]
fn too_short_too_long_and_not_base64() {
    let thirty_one = base64::engine::general_purpose::STANDARD.encode([1; 31]);
    with_file(thirty_one.as_bytes(), 0o600);
    let short = secret("{ env = \"MINE\" }").with_env("MINE", &thirty_one).mistakes();
    assert_eq!((short[0].kind(), short[0].message()), (Kind::Secret, "the secret has 31 bytes"));
    assert!(short[0].help().contains("32 to 1024") && short[0].help().contains("sluice keygen"));
    let long = secret("{ env = \"MINE\" }").with_env("MINE", &"A".repeat(4096)).mistakes();
    assert_eq!(long[0].message(), "the secret has 3072 bytes");
    let odd = secret("{ env = \"MINE\" }").with_env("MINE", "hunter2 hunter2 hunter2").mistakes();
    assert_eq!(odd[0].message(), "the secret is not base64");
}

#[test]
fn variable_that_is_not_set() {
    secret("{ env = «\"MISSING\"» }").is_wrong(Kind::Secret, "not set", "name another");
    let mixed_up = secret("{ env = \"hunter2\" }").load().unwrap_err();
    assert!(mixed_up.to_string().contains("`***`: this environment variable is not set"), "{mixed_up}");
}

#[test]
fn file_that_is_not_there() {
    secret("{ file = «\"b.key\"» }").is_wrong(Kind::Secret, "cannot be read", "b.key");
    secret("{ file = «\"tenants\"» }").is_wrong(Kind::Secret, "not a regular file", "tenants");
    let mixed_up = secret(&format!("{{ file = \"{KEY}\" }}")).load().unwrap_err();
    assert!(mixed_up.to_string().contains("name the file that holds the secret, not the secret"), "{mixed_up}");
    assert!(!format!("{mixed_up}{mixed_up:?}").contains(KEY), "{mixed_up}");
}

#[test]
fn file_that_cannot_be_a_secret() {
    with_file(&[0xff; 40], 0o600).is_wrong(Kind::Secret, "not text", "a.key");
    with_file(&vec![b'A'; SECRET_FILE_BYTES_MAX + 1], 0o600).is_wrong(Kind::Secret, "larger than 64 KiB", "a.key");
}

#[cfg(unix)]
#[test]
fn file_open_to_others_is_refused() {
    for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
        let says = format!("mode {mode:03o}");
        with_file(KEY.as_bytes(), mode).is_wrong(Kind::Secret, &says, "chmod 600 ");
    }
    for mode in [0o600, 0o400] {
        assert!(with_file(KEY.as_bytes(), mode).load().is_ok(), "{mode:o}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_root_may_be_read_by_its_group_and_changed_by_nobody() {
    for (mode, owner, expected) in [
        (0o440, 0, true),
        (0o040, 0, true),
        (0o440, 1000, false),
        (0o640, 0, false),
        (0o460, 0, false),
        (0o450, 0, false),
        (0o444, 0, false),
        (0o441, 0, false),
    ] {
        assert_eq!(is_readable_by_group_alone(mode, owner), expected, "{mode:o} of {owner}");
    }
    assert!(is_own_group(rustix::process::getegid().as_raw()) && !is_own_group(u32::MAX - 7));
}

#[test]
fn exactly_one_source() {
    secret("«{ }»").is_wrong(Kind::Missing, "where is the secret?", "{ env = \"SLUICE_KEY\" }");
    secret("{ env = \"SLUICE_KEY\", file = «\"a.key\"» }").is_wrong(Kind::Conflict, "together", "one of them");
    secret("{ «fiel» = \"a.key\", env = \"SLUICE_KEY\" }").is_wrong(
        Kind::UnknownKey,
        "unknown key in a secret",
        "`file`",
    );
    let number = secret("12345678").mistakes();
    assert_eq!((number[0].kind(), number[0].text()), (Kind::WrongType, "***"));
    let number = secret("{ env = 12345678 }").mistakes();
    assert_eq!((number[0].kind(), number[0].text()), (Kind::WrongType, "***"));
}
