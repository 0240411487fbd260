use super::*;
use crate::{
    diagnostics::Kind,
    settings::RedisNode,
    testing::{Dir, queue},
};

fn store(lines: &str) -> Dir {
    Dir::node(&format!("[store]\n{lines}\n")).with("tenants/shop.toml", &queue("on_store_loss = \"hold\""))
}

fn settings(lines: &str) -> RedisSettings {
    match store(lines).config().store {
        Store::Redis { settings, .. } => *settings,
        Store::Embedded { .. } => panic!("not shared"),
    }
}

const URL: &str = "url = \"redis://127.0.0.1\"\n";

#[test]
fn url_alone_will_do() {
    let dir = store("url = \"redis://store.example.com:6380/3\"");
    let Store::Redis { url, settings, state_dir } = dir.config().store else { panic!("not shared") };
    assert_eq!(url.expose(), b"redis://store.example.com:6380/3");
    assert_eq!(state_dir, dir.path().join("state"));
    let expected = RedisSettings {
        topology: RedisTopology::Single,
        nodes: vec![RedisNode { host: "store.example.com".into(), port: 6380 }],
        database: 3,
        username: None,
        password: None,
        key_prefix: "sluice".into(),
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_millis(500),
        tls: false,
        tls_ca_pem: None,
    };
    assert_eq!(*settings, expected);
}

#[test]
fn every_key_arrives() {
    let pem = "-----BEGIN CERTIFICATE-----\n";
    let dir = store(
        "url = \"redis+sentinel://a.example.com,b.example.com:1\"\nsentinel_master = \"m\"\ndatabase = 2\n\
         username = \"sluice\"\npassword = { env = \"SLUICE_STORE_PASSWORD\" }\nkey_prefix = \"fleet:1\"\n\
         connect_timeout = \"1s\"\nresponse_timeout = \"50ms\"\ntls = true\ntls_ca_file = \"ca.pem\"",
    )
    .with("ca.pem", pem);
    let Store::Redis { settings, .. } = dir.config().store else { panic!("not shared") };
    assert_eq!(settings.topology, RedisTopology::Sentinel { master: "m".into() });
    assert_eq!(settings.nodes.iter().map(|node| node.port).collect::<Vec<_>>(), [26379, 1]);
    assert_eq!(settings.database, 2);
    assert_eq!(settings.username.as_deref(), Some("sluice"));
    assert_eq!(settings.password.unwrap().expose(), b"hunter2");
    assert_eq!(settings.key_prefix, "fleet:1");
    assert_eq!(settings.connect_timeout, Duration::from_secs(1));
    assert_eq!(settings.response_timeout, Duration::from_millis(50));
    assert!(settings.tls);
    assert_eq!(settings.tls_ca_pem.as_deref(), Some(pem));
}

#[test]
fn password_loses_the_line_end_of_its_file_only() {
    let dir = store(&format!("{URL}password = {{ env = \"MINE\" }}")).with_env("MINE", " hunter 2 \r\n");
    let Store::Redis { settings, .. } = dir.config().store else { panic!("not shared") };
    assert_eq!(settings.password.unwrap().expose(), b" hunter 2 ");
    let empty = store(&format!("{URL}password = «{{ env = \"MINE\" }}»")).with_env("MINE", "\n");
    empty.is_wrong(Kind::Secret, "empty", "store one");
    let long = store(&format!("{URL}password = «{{ env = \"MINE\" }}»")).with_env("MINE", &"x".repeat(5000));
    long.is_wrong(Kind::Secret, "too long", "4096");
}

#[test]
fn no_message_repeats_a_password() {
    for lines in [
        "url = \"redis://user:hunter2@127.0.0.1:6379\"",
        "url = \"redis://:hunter2@127.0.0.1\"",
        "url = \"redis://127.0.0.1:hunter2\"",
        "url = \"redis://127.0.0.1/hunter2\"",
        "url = \"redis://127.0.0.1?password=hunter2\"",
        "url = \"user:hunter2@127.0.0.1\"",
        "url = [\"redis://:hunter2@127.0.0.1\"]",
        "url = \"redis://127.0.0.1\"\npassword = \"hunter2\"",
        "url = \"redis://127.0.0.1\"\npasswd = \"hunter2\"",
        "url = \"redis://127.0.0.1\"\nextra = { deep = [\"hunter2\"] }",
        "url = \"redis://127.0.0.1\"\nusername = \"user:hunter2\"",
        "url = \"redis://127.0.0.1\" password = \"hunter2\"",
    ] {
        let errors = store(lines).load().unwrap_err();
        let said = format!("{errors}{errors:?}{}", errors.pretty(false));
        assert!(!said.contains("hunter2"), "{lines}\n{said}");
    }
    let whole = Dir::node("store = \"redis://:hunter2@127.0.0.1\"").load().unwrap_err();
    assert!(!whole.to_string().contains("hunter2"), "{whole}");
}

#[test]
fn password_in_the_url_is_refused_with_the_way_out() {
    let errors = store("url = \"redis://user:hunter2@127.0.0.1\"").load().unwrap_err().to_string();
    assert!(errors.contains(":2:7: `\"redis://***`: user and password do not stand in the URL"), "{errors}");
    assert!(errors.contains("`password = { env = \"SLUICE_STORE_PASSWORD\" }`"), "{errors}");
}

#[test]
fn sentinels_need_the_name_of_the_primary_and_nobody_else_does() {
    let dir = Dir::node("«[store]»\nurl = \"redis+sentinel://127.0.0.1\"\n")
        .with("tenants/shop.toml", &queue("on_store_loss = \"hold\""));
    dir.is_wrong(Kind::Missing, "`sentinel_master` is missing", "mymaster");
    store(&format!("{URL}sentinel_master = «\"m\"»")).is_wrong(
        Kind::Conflict,
        "without Sentinels",
        "redis+sentinel://",
    );
}

#[test]
fn database_is_said_once() {
    assert_eq!(settings("url = \"redis://127.0.0.1/4\"\ndatabase = 4").database, 4);
    store("url = \"redis://127.0.0.1/4\"\ndatabase = «5»").is_wrong(Kind::Conflict, "another database", "not in both");
    store("url = «\"redis+cluster://127.0.0.1/4\"»").is_wrong(Kind::Conflict, "database 0 only", "leave");
    store("url = \"redis+cluster://127.0.0.1\"\ndatabase = «4»").is_wrong(Kind::Conflict, "database 0 only", "leave");
    assert_eq!(settings("url = \"redis+cluster://a.example.com,b.example.com/0\"").topology, RedisTopology::Cluster);
}

#[test]
fn tls_is_said_by_the_scheme_or_by_the_key() {
    assert!(settings("url = \"rediss://127.0.0.1\"").tls);
    assert!(settings("url = \"redis://127.0.0.1\"\ntls = true").tls);
    store("url = \"rediss://127.0.0.1\"\ntls = «false»").is_wrong(Kind::Conflict, "is TLS", "`redis://`");
    store(&format!("{URL}tls_ca_file = «\"ca.pem\"»")).is_wrong(Kind::Conflict, "without TLS", "`rediss://`");
    store("url = \"rediss://127.0.0.1\"\ntls_ca_file = «\"ca.pem\"»").is_wrong(
        Kind::Unreadable,
        "cannot be read",
        "ca.pem",
    );
    store("url = \"rediss://127.0.0.1\"\ntls_ca_file = «\"sluice.toml\"»").is_wrong(
        Kind::Malformed,
        "no certificate",
        "PEM",
    );
}

#[test]
fn names_are_checked() {
    store(&format!("{URL}key_prefix = «\"{{a}}\"»")).is_wrong(Kind::Malformed, "not a prefix", "1 to 32");
    let username = store(&format!("{URL}username = \"\"")).mistakes();
    assert_eq!((username[0].kind(), username[0].text()), (Kind::Malformed, "***"));
    store("url = \"redis+sentinel://127.0.0.1\"\nsentinel_master = «\"a b\"»").is_wrong(
        Kind::Malformed,
        "not a name",
        "1 to 64",
    );
    store(&format!("{URL}response_timeout = «\"1ms\"»")).is_wrong(
        Kind::OutOfRange,
        "`response_timeout`",
        "10ms to 30s",
    );
}

#[test]
fn mistakes_elsewhere_do_not_repeat_themselves_here() {
    // One mistake in [server] is one error, though [store] needs its state_dir.
    let dir = Dir::node("[server]\nstate_dir = «\"\"»\n[store]\nurl = \"redis://127.0.0.1\"\n")
        .with("tenants/shop.toml", &queue("on_store_loss = \"hold\""));
    dir.is_wrong(Kind::Malformed, "empty", "");
}
