//! Token attacks through the front door: whatever is done to a token, it is worth nothing, it is counted, it harms
//! nobody, and it does not turn up in the log.
//!
//! The attacks in all their variety are tests of the tokens themselves. Here it is seen that every door of the node
//! looks at what they say.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::support::{Connection, HOST, Node, Request, Scene, Setup, Tenant, Visitor, browser::Browser, scene::FAST};

const KINDS: [&str; 3] = ["slip", "ticket", "pass"];
const ELSEWHERE: &str = "news.example.org";

/// A node with two tenants, of which each queue has one seat that is taken, and good tokens of every kind.
struct Bank {
    scene: Scene,
    /// Of queue `shop` of tenant `shop`, by kind.
    good: [String; 3],
    /// All good tokens, of all queues.
    all: Vec<String>,
    connection: Connection,
    attacks: f64,
}

impl Bank {
    async fn open() -> Self {
        let one_seat = format!("{FAST}\nmax_active = 1");
        let news = |origin| Tenant::new("news", &[ELSEWHERE], origin).queue("shop", &one_seat);
        let scene = Scene::set_up(
            |shop| shop.queue("shop", &one_seat).queue("sale", &format!("paths = [\"/sale\"]\n{one_seat}")),
            |setup: Setup| setup.env("RUST_LOG", "debug").tenant(news("127.0.0.1:9".parse().unwrap())),
        );
        let scene = scene.await;
        let good = tokens(&scene.node, Browser::new("good"), "/").await;
        let sale = tokens(&scene.node, Browser::new("sale").at(HOST, "sale"), "/sale").await;
        let news = tokens(&scene.node, Browser::new("news").at(ELSEWHERE, "shop"), "/").await;
        let all = [good.clone(), sale, news].concat();
        let connection = scene.node.connect().await;
        Self { scene, good, all, connection, attacks: 0.0 }
    }

    /// Presents a token where one of this kind belongs, and sees it treated as if it were not there.
    async fn refuse(&mut self, kind: &str, token: &str) {
        let browser = Browser::new("thief");
        browser.set_token(kind, token);
        let page = self.connection.ask(&browser.navigation("/")).await;
        let what = format!("{kind} {token}: {page:?}");
        assert_eq!(page.status, 503, "{what}");
        assert!(page.cookie("sluice_slip_shop").is_some_and(|slip| !slip.is_empty()), "not treated as absent: {what}");
        assert!(page.cookie("sluice_ticket_shop").is_none_or(str::is_empty), "given a place: {what}");
        assert!(page.cookie("sluice_pass_shop").is_none_or(str::is_empty), "given a pass: {what}");
        self.attacks += 1.0;
    }

    /// Sees the books agree: every attack is counted, for one reason or another, and the line has not moved.
    async fn close(mut self, reasons: &[&str]) {
        assert!(self.scene.node.is_running());
        let Self { scene, attacks, .. } = &self;
        let metrics = scene.node.metrics().await;
        let refused = |labels: &[(&str, &str)]| metrics.sum("tokens_refused_total", labels);
        assert_eq!(refused(&[]), *attacks);
        for reason in reasons {
            assert!(refused(&[("reason", *reason)]) > 0.0, "{reason}");
            eprintln!("{reason}: {} of {attacks}", refused(&[("reason", *reason)]));
        }
        assert_eq!(refused(&[("reason", "malformed")]) + refused(&[("reason", "elsewhere")]), 0.0, "a fault of ours");
        assert!(!scene.node.log().contains("panicked"));
        // Good ones are as good as before.
        let browser = Browser::new("good");
        browser.set_token("pass", &self.good[2]);
        assert!(scene.node.ask(&browser.navigation("/")).await.is_from_origin());
        self.no_token_is_in_the_log();
    }

    fn no_token_is_in_the_log(&self) {
        let log = self.scene.node.log();
        assert!(log.contains("DEBUG"), "there is no debug log to look into");
        for token in &self.all {
            // The MAC is what makes a token worth something.
            let mac = token.rsplit('.').next().unwrap();
            assert!(!log.contains(mac), "in the log: {}", log.lines().find(|line| line.contains(mac)).unwrap());
        }
    }
}

/// A slip, a ticket and a pass of one queue.
async fn tokens(node: &Node, browser: Browser, path: &str) -> [String; 3] {
    let mut inside = Visitor::with(node, browser.clone()).await;
    inside.open(path).await;
    let mut waits = Visitor::with(node, browser.afresh()).await;
    waits.open(path).await;
    let slip = waits.browser.token("slip").unwrap();
    waits.poll().await;
    [slip, waits.browser.token("ticket").unwrap(), inside.browser.token("pass").unwrap()]
}

fn base64(text: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn no_token_survives_a_change_of_any_byte() {
    let mut bank = Bank::open().await;
    for (kind, good) in KINDS.into_iter().zip(bank.good.clone()) {
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = match bytes[at] {
                b'A' => b'B',
                _ => b'A',
            };
            bank.refuse(kind, str::from_utf8(&bytes).unwrap()).await;
        }
    }
    bank.close(&["format", "header", "mac"]).await;
}

#[tokio::test]
async fn no_token_survives_being_cut_or_stretched() {
    let mut bank = Bank::open().await;
    for (kind, good) in KINDS.into_iter().zip(bank.good.clone()) {
        for length in 1..good.len() {
            bank.refuse(kind, &good[..length]).await;
        }
        for changed in [
            format!("{good}A"),
            format!("{good}."),
            format!(".{good}"),
            format!("{good}="),
            format!("{good}.{good}"),
            format!("\"{good}\""),
            good.replacen('.', "..", 1),
            good.to_uppercase(),
            "A".repeat(1_025),
            "A.".repeat(3_000),
        ] {
            bank.refuse(kind, &changed).await;
        }
    }
    bank.close(&["format", "header", "mac", "too_long"]).await;
}

#[tokio::test]
async fn no_byte_can_be_moved_across_a_boundary() {
    let mut bank = Bank::open().await;
    for (kind, good) in KINDS.into_iter().zip(bank.good.clone()) {
        let parts: Vec<_> = good.split('.').collect();
        let [header, payload, mac] = parts[..] else { unreachable!("three parts") };
        for (left, right) in [(header, payload), (payload, mac)] {
            for moved in [
                format!("{}.{}{}", &left[..left.len() - 1], &left[left.len() - 1..], right),
                format!("{left}{}.{}", &right[..1], &right[1..]),
            ] {
                bank.refuse(kind, &good.replacen(&format!("{left}.{right}"), &moved, 1)).await;
            }
        }
        bank.refuse(kind, &format!("{payload}.{header}.{mac}")).await;
        bank.refuse(kind, &format!("{header}.{mac}.{payload}")).await;
    }
    bank.close(&["header", "mac"]).await;
}

#[tokio::test]
async fn no_forged_header_or_payload_is_believed() {
    let mut bank = Bank::open().await;
    for (kind, good) in KINDS.into_iter().zip(bank.good.clone()) {
        let parts: Vec<_> = good.split('.').collect();
        let [header, payload, mac] = parts[..] else { unreachable!("three parts") };
        for forged in [
            r#"{"alg":"none"}"#.to_owned(),
            format!(r#"{{"alg":"none","kid":"test","typ":"sluice-{kind}"}}"#),
            format!(r#"{{"alg":"HS512","kid":"test","typ":"sluice-{kind}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"other","typ":"sluice-{kind}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"../../dev/null","typ":"sluice-{kind}"}}"#),
            format!(r#"{{"kid":"test","alg":"HS256","typ":"sluice-{kind}"}}"#),
            r#"{"alg":"HS256","kid":"test"}"#.to_owned(),
            "{}".to_owned(),
        ] {
            bank.refuse(kind, &format!("{}.{payload}.{mac}", base64(&forged))).await;
            bank.refuse(kind, &format!("{}.{payload}.", base64(&forged))).await;
        }
        for forged in [
            r#"{"t":"shop","q":"shop","e":1,"l":0,"n":1,"i":0,"x":9999999999999,"h":9999999999999}"#,
            r#"{"t":"shop","q":"shop","e":1,"l":0,"n":-1,"i":-1,"f":0,"s":0}"#,
            r#"{"t":"shop","q":"shop","d":"","i":""}"#,
            "",
        ] {
            bank.refuse(kind, &format!("{header}.{}.{mac}", base64(forged))).await;
            bank.refuse(kind, &format!("{header}.{}.", base64(forged))).await;
        }
    }
    bank.close(&["header", "mac"]).await;
}

#[tokio::test]
async fn no_token_is_good_for_another_kind_queue_or_tenant() {
    let mut bank = Bank::open().await;
    let (of_shop, elsewhere) = (bank.good.clone(), bank.all.clone());
    for kind in KINDS {
        for (other, token) in KINDS.into_iter().zip(&of_shop) {
            if kind != other {
                bank.refuse(kind, token).await;
            }
        }
        for token in elsewhere.iter().filter(|token| !of_shop.contains(token)) {
            bank.refuse(kind, token).await;
        }
    }
    bank.close(&["header", "mac"]).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_and_cookies_without_end_harm_nobody() {
    let bank = Bank::open().await;
    let head = |cookie: &[u8]| {
        let start = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/html\r\nCookie: sluice_pass_shop=");
        [start.as_bytes(), cookie, b"\r\n\r\n"].concat()
    };
    let mut connection = bank.scene.node.connect().await;
    connection.send(head(&[0xff, 0xfe, b'.', 0x80, b'.', 0xc0])).await;
    assert_eq!(connection.response("GET").await.status, 503);
    let mut statuses = BTreeSet::new();
    for length in [10_000, 15_000, 20_000, 65_536, 100_000, 1_000_000] {
        let mut connection = bank.scene.node.connect().await;
        // What is refused before it has been read whole may end the connection while the rest is on its way.
        connection.try_send(head(&vec![b'A'; length])).await;
        if let Some(response) = connection.response_if_any("GET").await {
            statuses.insert(response.status);
        }
    }
    assert!(statuses.iter().all(|status| matches!(status, 400 | 431 | 503)), "{statuses:?}");
    assert!(statuses.contains(&503), "10,000 bytes are just a bad cookie: {statuses:?}");
    let mut visitor = bank.scene.visitor("ann").await;
    visitor.join().await;
    bank.no_token_is_in_the_log();
}

#[tokio::test]
async fn headers_of_apps_are_looked_at_as_closely_as_cookies() {
    let mut bank = Bank::open().await;
    let [slip, ticket, pass] = bank.good.clone();
    let mut wrong = Vec::new();
    for (name, token) in [("Sluice-Ticket", &ticket), ("Sluice-Ticket", &slip), ("Sluice-Pass", &pass)] {
        let mac = token.rfind('.').unwrap() + 1;
        wrong.push((name, format!("{}A{}", &token[..mac], &token[mac + 1..])));
        wrong.push((name, token[..token.len() - 1].to_owned()));
    }
    wrong.push(("Sluice-Ticket", pass.clone()));
    wrong.push(("Sluice-Pass", ticket));
    for (name, token) in wrong {
        let answer = bank.connection.ask(&Request::app("GET", "/api").header(name, &token)).await;
        assert_eq!(answer.status, 429, "{name}: {token}");
        assert_eq!(answer.json()["sluice"]["state"], "joining", "{name}: {token}");
    }
    let answer = bank.connection.ask(&Request::app("GET", "/api").header("Sluice-Pass", pass)).await;
    assert!(answer.is_from_origin());
    bank.no_token_is_in_the_log();
}
