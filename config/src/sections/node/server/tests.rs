use std::time::Duration;

use crate::{
    diagnostics::Kind,
    testing::{Dir, certificates::Pair, tls},
};

fn server(lines: &str) -> Dir {
    Dir::node(&format!("[server]\n{lines}\n"))
}

#[test]
fn every_key_arrives() {
    let dir = server(
        "http = [\"0.0.0.0:80\", \"[::1]:80\"]\nhttps = [\"0.0.0.0:443\"]\nadmin = \"127.0.0.1:1\"\n\
         trusted_proxies = [\"10.0.0.0/8\", \"2001:db8::1\"]\nthreads = 3\ndrain_timeout = \"1m30s\"\n\
         connections_max = 7\nhttp2 = false\nrequests_max = 100\nstate_dir = \"/var/lib/sluice\"",
    );
    let pair = Pair::new(&["shop.example.com"]);
    let shop = tls("certificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]");
    let config = dir.with_pair("shop", &pair).with("tenants/shop.toml", &shop).config();
    let server = config.server;
    assert_eq!(server.http, ["0.0.0.0:80".parse().unwrap(), "[::1]:80".parse().unwrap()]);
    assert_eq!(server.https, ["0.0.0.0:443".parse().unwrap()]);
    assert_eq!(server.admin, "127.0.0.1:1".parse().ok());
    assert_eq!(server.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "2001:db8::1/128".parse().unwrap()]);
    assert_eq!(server.threads, Some(3));
    assert_eq!(server.drain_timeout, Duration::from_secs(90));
    assert_eq!(server.connections_max, 7);
    assert!(!server.http2);
    assert_eq!(server.requests_max, 100);
    assert_eq!(config.store, crate::Store::Embedded { state_dir: "/var/lib/sluice".into() });
}

#[test]
fn paths_begin_at_the_config_folder() {
    let dir = server("state_dir = \"../lines\"");
    assert_eq!(dir.config().store, crate::Store::Embedded { state_dir: dir.path().join("../lines") });
    server("state_dir = «\"\"»").is_wrong(Kind::Malformed, "empty", "leave the key out");
}

#[test]
fn admin_can_be_off() {
    assert_eq!(server("admin = false").config().server.admin, None);
    assert_eq!(server("admin = \"off\"").config().server.admin, None);
    server("admin = «true»").is_wrong(Kind::WrongType, "an address or false", "127.0.0.1:9900");
}

#[test]
fn admin_stays_on_this_machine_unless_told_otherwise() {
    for address in ["0.0.0.0:9900", "10.0.0.1:9900", "[::]:9900", "[::ffff:10.0.0.1]:9900"] {
        let dir = server(&format!("admin = «\"{address}\"»"));
        dir.is_wrong(Kind::Conflict, "reachable from other machines", "`admin_public = true`");
        let public = server(&format!("admin = \"{address}\"\nadmin_public = true"));
        assert_eq!(public.config().server.admin, address.parse().ok());
    }
    for address in ["127.0.0.2:9900", "[::1]:9900", "[::ffff:127.0.0.1]:9900"] {
        assert!(server(&format!("admin = \"{address}\"")).load().is_ok(), "{address}");
    }
}

#[test]
fn listeners_need_an_address_and_a_port() {
    let wrong = |written: &str, advises: &str| {
        server(&format!("http = [«\"{written}\"»]")).is_wrong(Kind::Malformed, "IP address and a port", advises);
    };
    wrong(":80", "0.0.0.0:80");
    wrong("*:80", "[::]:80");
    wrong("127.0.0.1", "\"127.0.0.1:8080\"");
    wrong("::1", "\"[::1]:8080\"");
    wrong("localhost:80", "\"127.0.0.1:8080\"");
    wrong("127.0.0.1:70000", "\"127.0.0.1:8080\"");
    server("http = «\"127.0.0.1:80\"»").is_wrong(Kind::WrongType, "a list", "http = [\"127.0.0.1:80\"]");
}

#[test]
fn no_address_is_taken_twice() {
    server("http = [\"127.0.0.1:1\", «\"127.0.0.1:1\"»]").is_wrong(Kind::Duplicate, "sluice.toml:2:9", "keep one");
    server("admin = «\"127.0.0.1:8080\"»").is_wrong(Kind::Duplicate, "the default of `http`", "keep one");
    Dir::node("«[server]»\nhttp = [\"127.0.0.1:9900\"]\n").is_wrong(
        Kind::Duplicate,
        "`admin` is 127.0.0.1:9900 if it is not written, but this address is taken",
        "another address for `admin`",
    );
    let any_port = server("http = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"");
    assert_eq!(any_port.config().server.http.len(), 2);
}

#[test]
fn something_has_to_listen() {
    Dir::node("«[server]»\nhttp = []").is_wrong(Kind::Missing, "nothing to listen on", "http = [\"127.0.0.1:8080\"]");
    let https = server(
        "http = []\nhttps = [\"127.0.0.1:443\"]\n[tls]\ndefault_certificate = { chain = \"tls/x.pem\", key = { file = \"tls/x.key\" } }",
    );
    assert!(https.with_pair("x", &Pair::new(&["shop.example.com"])).load().is_ok());
}

#[test]
fn networks_say_what_they_mean() {
    let wrong = |written: &str, says: &str, advises: &str| {
        server(&format!("trusted_proxies = [«\"{written}\"»]")).is_wrong(Kind::Malformed, says, advises);
    };
    wrong("10.0.0.0/33", "not a network", "10.0.0.0/8");
    wrong("office", "not a network", "10.0.0.0/8");
    wrong("10.1.2.3/8", "bits outside", "\"10.0.0.0/8\" for the whole network, or \"10.1.2.3\"");
}

#[test]
fn numbers_and_durations_have_bounds() {
    server("threads = «0»").is_wrong(Kind::OutOfRange, "`threads`", "from 1 to 1,024");
    server("threads = «-1»").is_wrong(Kind::OutOfRange, "`threads`", "from 1 to 1,024");
    server("threads = «1.5»").is_wrong(Kind::WrongType, "a number, not a number with a fraction", "threads = 1");
    server("connections_max = «1000001»").is_wrong(Kind::OutOfRange, "`connections_max`", "from 1 to 1,000,000");
    server("drain_timeout = «\"61m\"»").is_wrong(Kind::OutOfRange, "`drain_timeout`", "from 0s to 1h");
    server("drain_timeout = «30»").is_wrong(Kind::WrongType, "in quotes, with its unit", "\"30s\"");
}

#[test]
fn truth_in_quotes_is_advised_without_them() {
    server("http2 = «\"false\"»").is_wrong(Kind::WrongType, "true or false, not a string", "`http2 = false`");
    server("http2 = «\"yes\"»").is_wrong(Kind::WrongType, "true or false, not a string", "`http2 = true`");
}

#[test]
fn a_proxy_protocol_is_for_listeners_that_are_there_and_for_peers_that_are_trusted() {
    let node = |lines: &str| Dir::node(&format!("[server]\nhttp = [\"127.0.0.1:1\"]\n{lines}\n"));
    let server = node("trusted_proxies = [\"10.0.0.0/8\"]\nproxy_protocol = [\"127.0.0.1:1\"]\ntraceparent = \"make\"")
        .config()
        .server;
    assert_eq!((server.proxy_protocol, server.traceparent), (server.http, crate::Traceparent::Make));
    let elsewhere = "trusted_proxies = [\"10.0.0.0/8\"]\nproxy_protocol = [«\"127.0.0.1:2\"»]";
    node(elsewhere).is_wrong(Kind::Conflict, "neither `http` nor `https`", "as it is written there");
    node("proxy_protocol = «[\"127.0.0.1:1\"]»").is_wrong(
        Kind::Conflict,
        "nobody whose PROXY header",
        "`trusted_proxies`",
    );
}
