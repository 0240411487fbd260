use crate::{
    diagnostics::Kind,
    testing::{Dir, QUEUE, TENANT, origin, tenant},
};

fn servers(list: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, "[origin]\nservers = ", list, "\n", QUEUE]))
}

fn addresses(list: &str) -> Vec<String> {
    servers(list).only_tenant().origin.servers.iter().map(ToString::to_string).collect()
}

#[test]
fn addresses_and_names() {
    assert_eq!(addresses("[\"192.0.2.1:80\", \"[2001:db8::1]:81\"]"), ["192.0.2.1:80", "[2001:db8::1]:81"]);
    assert_eq!(addresses("[\"localhost:9000\"]"), ["127.0.0.1:9000"], "one server, not one per family");
    assert_eq!(addresses("[\"two.example.com:1\"]"), ["192.0.2.1:1", "192.0.2.2:1"], "sorted");
}

#[test]
fn names_that_do_not_resolve() {
    servers("[«\"gone.example.com:80\"»]").is_wrong(Kind::Unresolved, "does not resolve: no such host", "IP address");
    servers("[«\"none.example.com:80\"»]").is_wrong(Kind::Unresolved, "no address", "IP address");
}

#[test]
fn odd_servers() {
    let wrong = |written: &str, says: &str, advises: &str| {
        servers(&format!("[«\"{written}\"»]")).is_wrong(Kind::Malformed, says, advises);
    };
    wrong("127.0.0.1", "port is missing", "\"127.0.0.1:80\"");
    wrong("http://127.0.0.1:80", "not a URL: leave out `http://`", "127.0.0.1:9000");
    wrong("127.0.0.1:0", "not a port", "1 to 65535");
    wrong("127.0.0.1:+80", "not a port", "1 to 65535");
    wrong("127.0.0.1:80/app", "not a port", "1 to 65535");
    wrong("2001:db8::1", "brackets", "[2001:db8::1]:9000");
    wrong("[2001:db8::1", "not an IPv6 address", "[2001:db8::1]:9000");
    wrong("[2001:db8::1]80", "not an IPv6 address", "[2001:db8::1]:9000");
    wrong("300.1.1.1:80", "neither a name nor an IPv4 address", "192.0.2.10");
}

#[test]
fn server_twice() {
    servers("[\"127.0.0.1:9000\", «\"localhost:9000\"»]").is_wrong(
        Kind::Duplicate,
        "shop.toml:4:12 has it",
        "keep one",
    );
}

#[test]
fn servers_are_needed() {
    servers("«[]»").is_wrong(Kind::OutOfRange, "`servers` has 0 entries", "1 to 100");
    Dir::tenant(&tenant(&[TENANT, "«[origin]»\n", QUEUE])).is_wrong(
        Kind::Missing,
        "`servers` is missing",
        "127.0.0.1:9000",
    );
    let inline = Dir::tenant(&tenant(&["origin = \"127.0.0.1\"\n", TENANT, QUEUE])).mistakes();
    assert_eq!((inline[0].kind(), inline[0].help()), (Kind::WrongType, "write `[origin]`"));
}

#[test]
fn timeouts_have_bounds() {
    Dir::tenant(&origin("connect_timeout = «\"99ms\"»")).is_wrong(Kind::OutOfRange, "`connect_timeout`", "100ms to 1m");
    Dir::tenant(&origin("read_timeout = «\"1day\"»")).is_wrong(Kind::OutOfRange, "`read_timeout`", "1s to 1h");
    Dir::tenant(&origin("write_timeout = «\"0s\"»")).is_wrong(Kind::OutOfRange, "`write_timeout`", "1s to 1h");
    Dir::tenant(&origin("idle_timeout = «\"\"»")).is_wrong(Kind::Malformed, "empty", "\"90s\"");
}
