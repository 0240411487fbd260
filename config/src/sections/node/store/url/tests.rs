use super::*;

#[track_caller]
fn ok(written: &str) -> StoreUrl {
    parse(written).unwrap_or_else(|wrong| panic!("{written}: {wrong:?}"))
}

#[track_caller]
fn wrong(written: &str, says: &str, advises: &str) {
    let wrong = parse(written).unwrap_err();
    assert!(wrong.message.contains(says) && wrong.help.contains(advises), "{written}: {wrong:?}");
}

fn nodes(written: &str) -> Vec<String> {
    ok(written).nodes.iter().map(|node| format!("{} {}", node.host, node.port)).collect()
}

#[test]
fn four_schemes_and_their_ports() {
    assert_eq!(nodes("redis://127.0.0.1"), ["127.0.0.1 6379"]);
    assert_eq!(nodes("rediss://store.example.com:1/"), ["store.example.com 1"]);
    assert_eq!(nodes("redis+sentinel://a,b:1,[::1]"), ["a 26379", "b 1", "::1 26379"]);
    assert_eq!(nodes("redis+cluster://a,[::1]:7"), ["a 6379", "::1 7"]);
    assert_eq!(ok("redis://a/15").database, Some(15));
    assert_eq!(ok("redis://a/").database, None);
}

#[test]
fn mistakes() {
    wrong("rediz://a", "no such kind", "did you mean redis://?");
    wrong("http://a", "no such kind", "begin with redis://, rediss://");
    wrong("127.0.0.1:6379", "no such kind", "begin with redis://");
    wrong("redis://u:p@a", "user and password", "username");
    wrong("redis://a?db=1", "options", "keys of `[store]`");
    wrong("redis://a/x", "not a database", "/0");
    wrong("redis://a/99999", "not a database", "/0");
    wrong("redis://", "host in the URL", "redis://");
    wrong("redis://a:0", "host in the URL", "redis://");
    wrong("redis://a b", "host in the URL", "redis://");
    wrong("redis://a,b", "several hosts", "redis+cluster://");
    wrong(&format!("redis+cluster://a{}", ",a".repeat(64)), "too many hosts", "64");
}
