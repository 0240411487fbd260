use super::*;

fn shown(text: &str) -> String {
    let hidden = suspicious(text, crate::sections::KNOWN_KEYS.never_secret);
    let stars = |at: usize, c: char| match hidden.iter().any(|range| range.contains(&at)) {
        true => '*',
        false => c,
    };
    text.char_indices().map(|(at, c)| stars(at, c)).collect()
}

#[test]
fn values_of_keys_that_never_hold_secrets_are_shown() {
    let text = "[server]\nhttp = [\n\"127.0.0.1:80\",\n\"[::1]:80\"\n]\n[[queue]]\nburst = 5 5\n";
    assert_eq!(shown(text), text.replace("\n]\n", "\n*\n"));
}

#[test]
fn everything_else_is_hidden() {
    assert_eq!(shown("[keys]\nsecrets = { a = x\n"), "[keys]\nsecrets =********\n");
    assert_eq!(shown("url = a\n  b\n"), "url =**\n***\n");
    assert_eq!(shown("keys = x"), "keys =**");
    assert_eq!(shown("store = x"), "store =**");
    assert_eq!(shown("passw = x"), "passw =**");
    assert_eq!(shown("\"a\" = x"), "*******");
    assert_eq!(shown("[store] url = x"), "***************");
    assert_eq!(shown("nothing like a key"), "******************");
    assert_eq!(shown("burst = 5 # was 6"), "burst = 5 *******");
    assert_eq!(shown("http = { a = x"), "http =********");
    let long = "k".repeat(33) + "=";
    assert_eq!(shown(&long), "*".repeat(34));
    let header = format!("[{}]", "k".repeat(33));
    assert_eq!(shown(&header), "*".repeat(35));
}

#[test]
fn pairs_as_in_yaml_are_shown_if_the_key_never_holds_a_secret() {
    for text in ["burst: 60", "\tburst:\t60", "burst : 60", "origin:"] {
        assert_eq!(shown(text), text);
    }
    assert_eq!(shown("burst: 60 # was 70"), "burst: 60 ********");
    assert_eq!(shown("origin: { a: b"), "origin:*******");
    for text in ["url: x", "user: x", "keys:", "http://a:b@c", "burst:60"] {
        assert_eq!(shown(text), "*".repeat(text.len()));
    }
}

#[test]
fn master_secrets_are_long_and_mixed() {
    let key = crate::testing::KEY;
    assert_eq!(master_secrets(key).as_slice(), std::slice::from_ref(&(0..44)));
    assert_eq!(master_secrets(&format!("a = \"{key}\", é/{key}")), [5..49, 54..99]);
    assert!(master_secrets("/etc/sluice/keys/production/cluster-east/Master-Key.2026").is_empty());
    assert!(master_secrets("secrets/of/the/production/cluster/in/the/east/key").is_empty());
    assert!(master_secrets("").is_empty());
}
