use std::{net::SocketAddr, path::Path};

use super::{Balance, Health, ServerAddress, usable_addresses};
use crate::{
    diagnostics::Kind,
    limits::{SERVER_ADDRESSES_MAX, UNIX_PATH_BYTES_MAX},
    testing::{
        Dir, QUEUE, TENANT,
        certificates::{Authority, Pair},
        origin, tenant,
    },
};

fn servers(list: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, "[origin]\nservers = ", list, "\n", QUEUE]))
}

fn addresses(list: &str) -> Vec<String> {
    let servers = servers(list).only_tenant().origin.servers;
    let addresses = servers.iter().flat_map(|server| match &server.address {
        ServerAddress::Name { addresses, .. } => addresses.iter().map(ToString::to_string).collect(),
        address => vec![address.to_string()],
    });
    addresses.collect()
}

#[test]
fn addresses_and_names() {
    assert_eq!(addresses("[\"192.0.2.1:80\", \"[2001:db8::1]:81\"]"), ["192.0.2.1:80", "[2001:db8::1]:81"]);
    assert_eq!(addresses("[\"localhost:9000\"]"), ["127.0.0.1:9000"], "one server, not one per family");
    assert_eq!(addresses("[\"two.example.com:1\"]"), ["192.0.2.1:1", "192.0.2.2:1"], "sorted");
}

#[test]
fn names_are_kept_to_be_resolved_again() {
    let servers = servers("[\"Two.example.com:1\"]").only_tenant().origin.servers;
    let [server] = servers.as_slice() else { panic!("{servers:?}") };
    assert_eq!(server.address.to_string(), "two.example.com:1");
    let ServerAddress::Name { addresses, .. } = &server.address else { panic!("{server:?}") };
    assert_eq!(addresses.len(), 2);
}

#[test]
fn addresses_of_one_name_are_bounded() {
    let many = (0..200).map(|nth| SocketAddr::from(([192, 0, 2, nth], 80)));
    assert_eq!(usable_addresses(many.collect()).len(), SERVER_ADDRESSES_MAX);
}

#[test]
fn weights_and_unix_sockets() {
    let list = "[{ address = \"127.0.0.1:1\", weight = 3 }, { address = \"127.0.0.1:2\" }, \"unix:/run/app.sock\", \
                \"unix:///run/b.sock\"]";
    let servers = servers(list).only_tenant().origin.servers;
    assert_eq!(servers.iter().map(|server| server.weight.get()).collect::<Vec<_>>(), [3, 1, 1, 1]);
    assert_eq!(servers[2].address, ServerAddress::Unix(Path::new("/run/app.sock").into()));
    assert_eq!(servers[3].address.to_string(), "unix:/run/b.sock");
}

#[test]
fn weights_have_bounds_and_servers_no_other_keys() {
    servers("[{ address = \"127.0.0.1:1\", weight = «0» }]").is_wrong(Kind::OutOfRange, "`weight`", "1 to 100");
    servers("[{ address = \"127.0.0.1:1\", weight = «101» }]").is_wrong(Kind::OutOfRange, "`weight`", "1 to 100");
    servers("[{ address = \"127.0.0.1:1\", «wieght» = 2 }]").is_wrong(Kind::UnknownKey, "a server", "`weight`");
    servers("[«{ weight = 2 }»]").is_wrong(Kind::Missing, "`address` is missing", "address = ");
    servers("[«9000»]").is_wrong(Kind::WrongType, "must be a string", "servers");
}

#[test]
fn balance_is_one_of_three() {
    let balance = |word: &str| Dir::tenant(&origin(&format!("balance = \"{word}\""))).only_tenant().origin.balance;
    assert_eq!(balance("least_in_flight"), Balance::LeastInFlight);
    assert_eq!(balance("round_robin"), Balance::RoundRobin);
    assert_eq!(balance("sticky"), Balance::Sticky);
    Dir::tenant(&origin("balance = «\"round-robin\"»")).is_wrong(Kind::Malformed, "no such balance", "round_robin");
}

#[test]
fn names_that_do_not_resolve() {
    servers("[«\"gone.example.com:80\"»]").is_wrong(Kind::Unresolved, "does not resolve: no such host", "IP address");
    servers("[«\"none.example.com:80\"»]").is_wrong(Kind::Unresolved, "no address", "IP address");
}

#[test]
fn names_are_asked_of_the_resolvers_that_are_written() {
    let with = |lines: &str| {
        Dir::tenant(&tenant(&[TENANT, "[origin]\nservers = [\"of-a-resolver.example.com:80\"]\n", lines, "\n", QUEUE]))
    };
    let origin = with("resolvers = [\"192.0.2.53:8600\", \"192.0.2.54:53\"]").only_tenant().origin;
    assert_eq!(origin.resolvers, ["192.0.2.53:8600".parse().unwrap(), "192.0.2.54:53".parse().unwrap()]);
    let ServerAddress::Name { addresses, .. } = &origin.servers[0].address else { panic!("{origin:?}") };
    assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.53:80", "192.0.2.54:80"]);
    // A mistake of theirs is the only one: names are not asked of others instead.
    with("resolvers = [«\"192.0.2.53\"»]").is_wrong(Kind::Malformed, "an IP address and a port", "192.0.2.53:53");
    with("resolvers = [«\"dns.example.com:53\"»]").is_wrong(
        Kind::Malformed,
        "an IP address and a port",
        "127.0.0.1:8600",
    );
    with("resolvers = [«\"0.0.0.0:53\"»]").is_wrong(Kind::Malformed, "an IP address and a port", "127.0.0.1:8600");
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
    wrong("unix:run/app.sock", "absolute", "unix:/run/app.sock");
    wrong("300.1.1.1:80", "neither a name nor an IPv4 address", "192.0.2.10");
}

#[test]
fn paths_of_unix_sockets_have_a_bound() {
    let with = |bytes: usize| servers(&format!("[\"unix:/{}\"]", "x".repeat(bytes - 1)));
    assert_eq!(with(UNIX_PATH_BYTES_MAX).only_tenant().origin.servers.len(), 1);
    let mistakes = with(UNIX_PATH_BYTES_MAX + 1).mistakes();
    assert!(mistakes[0].help().contains("107 bytes"), "{mistakes:?}");
}

#[test]
fn server_twice() {
    servers("[\"127.0.0.1:9000\", «\"localhost:9000\"»]").is_wrong(
        Kind::Duplicate,
        "shop.toml:4:12 has it",
        "keep one",
    );
    servers("[\"unix:/a\", «\"unix:/a\"»]").is_wrong(Kind::Duplicate, "shop.toml:4:12 has it", "keep one");
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
fn checks_are_asked_for_by_their_table() {
    let health = |lines: &str| Dir::tenant(&origin(&format!("[origin.health]\n{lines}"))).only_tenant().origin.health;
    assert_eq!(health(""), Some(Health::default()));
    assert_eq!(health("path = \"/up?deep=1\"").unwrap().path.as_deref(), Some("/up?deep=1"));
    let wrong = |lines: &str, says: &str, advises: &str| {
        Dir::tenant(&origin(&format!("[origin.health]\n{lines}"))).is_wrong(Kind::Malformed, says, advises);
    };
    wrong("path = «\"up\"»", "starts with `/`", "/health");
    wrong("path = «\"/a b\"»", "not a path", "without spaces");
    wrong("path = «\"/café\"»", "not a path", "ASCII");
}

#[test]
fn timeouts_have_bounds() {
    Dir::tenant(&origin("connect_timeout = «\"99ms\"»")).is_wrong(Kind::OutOfRange, "`connect_timeout`", "100ms to 1m");
    Dir::tenant(&origin("read_timeout = «\"1day\"»")).is_wrong(Kind::OutOfRange, "`read_timeout`", "1s to 1h");
    Dir::tenant(&origin("write_timeout = «\"0s\"»")).is_wrong(Kind::OutOfRange, "`write_timeout`", "1s to 1h");
    Dir::tenant(&origin("idle_timeout = «\"\"»")).is_wrong(Kind::Malformed, "empty", "\"90s\"");
}

fn tls(lines: &str) -> Dir {
    let pair = Pair::new(&["app.internal"]);
    Dir::tenant(&origin(lines)).with_pair("app", &pair).with("tls/ca.pem", &Authority::root("Origin").pem())
}

#[test]
fn tls_has_a_name_and_those_who_vouch_for_it() {
    let read = tls("tls = true\ntls_name = \"App.internal\"").only_tenant().origin.tls.unwrap();
    assert_eq!((read.name.as_deref(), read.ca, read.client), (Some("app.internal"), None, None));
    let read =
        tls("tls = true\ntls_name = \"2001:DB8::1\"\ntls_ca_file = \"tls/ca.pem\"").only_tenant().origin.tls.unwrap();
    assert_eq!((read.name.as_deref(), read.ca.map(|ca| ca.len())), (Some("2001:db8::1"), Some(1)));
    let client = "tls_client_certificate = { chain = \"tls/app.pem\", key = { file = \"tls/app.key\" } }";
    assert!(tls(&format!("tls = true\ntls_name = \"a\"\n{client}")).only_tenant().origin.tls.unwrap().client.is_some());
    assert_eq!(tls("tls = false").only_tenant().origin.tls, None);
    let named = tenant(&[TENANT, "[origin]\nservers = [\"two.example.com:443\"]\ntls = true\n", QUEUE]);
    assert_eq!(Dir::tenant(&named).only_tenant().origin.tls.unwrap().name, None, "the server's own");
}

#[test]
fn mistakes_of_tls_say_what_to_write() {
    let address = tenant(&[TENANT, "«[origin]»\nservers = [\"192.0.2.1:443\"]\ntls = true\n", QUEUE]);
    Dir::tenant(&address).is_wrong(Kind::Missing, "`tls_name` is missing", "tls_name = ");
    tls("tls_name = «\"app.internal\"»").is_wrong(Kind::Conflict, "`tls_name` without TLS", "tls = true");
    tls("tls_ca_file = «\"tls/ca.pem\"»").is_wrong(Kind::Conflict, "`tls_ca_file` without TLS", "tls = true");
    tls("tls = true\ntls_name = «\"https://a\"»").is_wrong(Kind::Malformed, "not a URL", "\"a\"");
    tls("tls = true\ntls_name = \"a\"\ntls_ca_file = «\"tls/none.pem\"»").is_wrong(
        Kind::Unreadable,
        "cannot be read",
        "",
    );
    let unix = tenant(&[TENANT, "[origin]\nservers = [\"unix:/run/a\"]\ntls = «true»\ntls_name = \"a\"\n", QUEUE]);
    Dir::tenant(&unix).is_wrong(Kind::Conflict, "Unix sockets", "port");
}

#[test]
fn a_proof_is_signed_with_the_text_of_a_secret_that_is_long_enough() {
    let with =
        |secret: &str| Dir::tenant(&origin("[origin.proof]\nsecret = «{ env = \"PROOF\" }»")).with_env("PROOF", secret);
    let long = "0123456789abcdef0123456789abcdef";
    let proof = with(long).only_tenant().origin.proof.expect("one is asked for");
    assert_eq!(proof.secret.expose(), long.as_bytes());
    with(&long[1..]).is_wrong(Kind::Secret, "the secret has 31 bytes", "at least 32");
}
