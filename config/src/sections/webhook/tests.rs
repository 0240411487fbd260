use super::*;
use crate::{
    settings::Tenant,
    testing::{Dir, ORIGIN, QUEUE, TENANT, tenant},
};

const SECRET_TEXT: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn with(text: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, "[[webhook]]\n", text])).with_env("HOOK", SECRET_TEXT)
}

fn hooks(text: &str) -> Tenant {
    with(text).only_tenant()
}

const KEPT: &str = "secret = { env = \"HOOK\" }\n";

#[test]
fn a_webhook_has_an_address_a_secret_and_all_events_unless_it_says_which() {
    let tenant = hooks(&format!("name = \"chat\"\nurl = \"https://hooks.example.com?a=b\"\n{KEPT}"));
    let [hook] = tenant.webhooks.as_slice() else { panic!("{:?}", tenant.webhooks) };
    assert_eq!(hook.url.to_string(), "https://hooks.example.com:443/?a=b");
    assert_eq!((hook.events.len(), hook.secrets.len(), hook.loopback), (11, 1, false));
    assert_eq!(hook.secrets[0].expose().len(), 24);
    let text =
        format!("name = \"chat\"\nurl = \"https://a.example:8443/x\"\n{KEPT}old_{KEPT}events = [\"queue.ended\"]\n");
    let [hook] = &hooks(&text).webhooks[..] else { panic!() };
    assert_eq!((hook.url.port, &*hook.url.target, hook.secrets.len()), (8443, "/x", 2));
    assert_eq!(hook.events, [WebhookEvent::QueueEnded]);
    let text = format!("name = \"chat\"\nurl = \"http://127.0.0.1:9000/x\"\n{KEPT}loopback = true\n");
    assert!(!hooks(&text).webhooks[0].url.https);
}

#[test]
fn mistakes_of_webhooks_have_their_places() {
    // An address may hold a secret, so it is not shown.
    let url = |url: &str, kind, says: &str| {
        let mistakes = with(&format!("name = \"chat\"\nurl = \"{url}\"\n{KEPT}")).mistakes();
        let [mistake] = mistakes.as_slice() else { panic!("{mistakes:#?}") };
        assert_eq!(
            (mistake.kind(), mistake.message().contains(says), mistake.text()),
            (kind, true, "***"),
            "{mistake:#?}"
        );
    };
    url("http://hooks.example.com/", Kind::Conflict, "in plain HTTP");
    for private in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "0.0.0.0", "[::1]", "[::ffff:192.168.0.1]", "[fd00::1]"]
    {
        url(&format!("https://{private}/x"), Kind::Conflict, "whole internet");
    }
    url("https://ann:pw@hooks.example.com/", Kind::Malformed, "a user, a password");
    url("ftp://hooks.example.com/", Kind::Malformed, "not an `https://` URL");
    with(&format!("name = \"chat\"\nurl = \"https://a.example\"\n{KEPT}events = [«\"queue.begun\"»]\n")).mistakes();
    with("name = \"chat\"\nurl = \"https://a.example\"\nsecret = «{ env = \"HOOK\" }»\n")
        .with_env("HOOK", "hunter2")
        .is_wrong(Kind::Secret, "not a secret of a webhook", "openssl");
    let twice = format!(
        "name = \"chat\"\nurl = \"https://a.example\"\n{KEPT}[[webhook]]\nname = «\"chat\"»\nurl = \"https://a.example\"\n{KEPT}"
    );
    with(&twice).is_wrong(Kind::Duplicate, "webhook name is taken", "keep one");
}

#[test]
fn only_what_the_whole_internet_reaches_is_public() {
    let public = |text: &str| is_public(text.parse().unwrap());
    for address in
        ["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "2600::1", "2a00:1450::1"]
    {
        assert!(public(address), "{address}");
    }
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::10.0.0.1",
        "64:ff9b::a00:1",
        "100::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "2002:a00:1::1",
        "3fff::1",
    ] {
        assert!(!public(address), "{address}");
    }
}
