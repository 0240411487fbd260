use crate::{
    diagnostics::Kind,
    settings::HostPattern,
    testing::{Dir, ORIGIN, QUEUE, TENANT, queue, tenant},
};

#[test]
fn hosts_are_lower_case_and_exact_or_below() {
    let dir = Dir::tenant(&tenant(&[
        "name = \"a\"\nhosts = [\"Shop.Example.COM\", \"*.Example.com\", \"127.0.0.1\"]\n",
        ORIGIN,
        QUEUE,
    ]));
    let expected = [
        HostPattern::Exact("shop.example.com".into()),
        HostPattern::Below("example.com".into()),
        HostPattern::Exact("127.0.0.1".into()),
    ];
    assert_eq!(dir.only_tenant().hosts, expected);
}

#[test]
fn a_name_is_needed_and_the_files_own_is_suggested() {
    let nameless = tenant(&["hosts = [\"a.example.com\"]\n", ORIGIN, QUEUE]);
    let mistake = Dir::new().with("tenants/tickets.toml", &nameless).mistakes().remove(0);
    assert_eq!((mistake.line(), mistake.column(), mistake.text()), (1, 1, ""));
    assert_eq!(mistake.message(), "`name` is missing");
    assert_eq!(mistake.help(), "write `name = \"tickets\"`");

    let odd = tenant(&["name = «\"Shop 1\"»\nhosts = [\"a.example.com\"]\n", ORIGIN, QUEUE]);
    Dir::tenant(&odd).is_wrong(Kind::Malformed, "not a name", "a-z 0-9 - _");
}

#[test]
fn everything_that_is_missing_is_said() {
    let messages: Vec<_> = Dir::tenant("").mistakes().iter().map(|mistake| mistake.message().to_owned()).collect();
    assert_eq!(messages, ["`name` is missing", "`hosts` is missing", "`origin` is missing", "`queue` is missing"]);
}

#[test]
fn hosts_are_counted() {
    Dir::tenant(&tenant(&["name = \"a\"\nhosts = «[]»\n", ORIGIN, QUEUE])).is_wrong(
        Kind::OutOfRange,
        "`hosts` has 0 entries",
        "1 to 100",
    );
    let hosts: Vec<_> = (0..101).map(|nth| format!("\"h{nth}.example.com\"")).collect();
    let many = format!("name = \"a\"\nhosts = [{}]\n{ORIGIN}{QUEUE}", hosts.join(","));
    assert_eq!(Dir::tenant(&many).mistakes()[0].message(), "`hosts` has 101 entries");
}

#[test]
fn host_twice_in_one_tenant() {
    Dir::tenant(&tenant(&["name = \"a\"\nhosts = [\"a.example.com\", «\"A.example.com\"»]\n", ORIGIN, QUEUE]))
        .is_wrong(Kind::Duplicate, "tenants/shop.toml:2:10 has it", "keep one");
}

#[test]
fn queue_is_a_list() {
    let one = tenant(&[TENANT, ORIGIN, "«[queue]»\nname = \"a\"\nrelease_per_minute = 1\n"]);
    Dir::tenant(&one).is_wrong(Kind::WrongType, "a list of tables, not a table", "[[queue]]");
    let many = format!("{TENANT}{ORIGIN}{}", "[[queue]]\n".repeat(101));
    let mistakes = Dir::tenant(&many).mistakes();
    assert_eq!((mistakes.len(), mistakes[0].message()), (1, "`queue` has 101 entries"));
}

#[test]
fn unknown_keys_are_refused_with_a_guess() {
    Dir::tenant(&queue("«relase_per_minute» = 1")).is_wrong(
        Kind::UnknownKey,
        "unknown key in [[queue]]",
        "did you mean `release_per_minute`?",
    );
    Dir::tenant(&queue("«Max-Active» = 1")).is_wrong(Kind::UnknownKey, "unknown key", "`max_active`");
    Dir::tenant(&queue("«servers» = [\"secret\"]")).is_wrong(
        Kind::UnknownKey,
        "unknown key",
        "it belongs in [origin] of tenants/*.toml",
    );
    Dir::tenant(&queue("«drain_timeout» = \"1s\"")).is_wrong(
        Kind::UnknownKey,
        "unknown key",
        "it belongs in [server] of sluice.toml",
    );
    Dir::tenant(&queue("«colour» = 1")).is_wrong(Kind::UnknownKey, "unknown key", "remove it; known here are `name`");
    Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, "[«cros»]\nmax_age = 1\n"])).is_wrong(
        Kind::UnknownKey,
        "unknown table in the top of a tenant's file",
        "`cors`",
    );
    Dir::tenant(&queue("[queue.«bounds»]\na = 1")).is_wrong(Kind::UnknownKey, "unknown table in [[queue]]", "remove");
}
