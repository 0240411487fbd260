//! Polls have a way of their own through a node, and nobody can tell: what is usual about one takes it, what is not goes
//! the way of every other request.

use serde_json::Value;

use crate::support::{
    Protocol, Request, Response, Scene, Visitor,
    browser::{Browser, HOST_PREFIX, Status},
    scene::FAST,
};

/// Everything about an answer but what depends on when it was asked for.
fn timeless(response: &Response) -> (u16, Vec<(String, String)>, Value) {
    let fixed = response.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    let mut body = response.json();
    // How long the wait is reckoned to be changes from one tick to the next.
    for name in ["server_time", "wait_seconds", "poll_after_seconds"] {
        assert!(body.as_object_mut().unwrap().remove(name).is_some(), "{response:?}");
    }
    let fixed = fixed.filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    (response.status, fixed.cloned().collect(), body)
}

/// Everything about an answer that does not depend on when and how it was asked for.
fn bare(response: &Response) -> (u16, Vec<(String, String)>, Option<Value>) {
    let mut fields = response.headers.clone();
    fields.retain(|(name, _)| !matches!(name.as_str(), "date" | "connection" | "content-length"));
    for (name, value) in &mut fields {
        if name == "set-cookie" {
            let cookie = value.split('=').next().unwrap();
            *value = cookie.strip_prefix(HOST_PREFIX).unwrap_or(cookie).to_owned();
        }
    }
    fields.sort();
    let body = (!response.body.is_empty()).then(|| {
        let mut body = response.json();
        let members = body.as_object_mut().unwrap();
        members.retain(|name, _| !["server_time", "wait_seconds", "poll_after_seconds"].contains(&name.as_str()));
        body
    });
    (response.status, fields, body)
}

/// Polls with a token every way that there is: on each protocol, and on HTTP/1.1 past pingora and through it. All answers
/// must be alike; what they say is told.
async fn polls_every_way(scene: &Scene, token: Option<(&str, &str)>) -> String {
    let mut first = None;
    for protocol in Protocol::ALL {
        let browser = Browser::new("same");
        if let Some((kind, token)) = token {
            match protocol {
                Protocol::Http1 => browser.set_token(kind, token),
                _ => browser.set_token_over_https(kind, token),
            }
        }
        // The field makes a poll unusual enough to be left to pingora.
        for unusual in [false, true] {
            let poll = if unusual { browser.poll().header("Content-Length", "0") } else { browser.poll() };
            let mut client = scene.client_speaking(protocol).await;
            let answer = client.ask(&poll).await;
            let (_, expected) = first.get_or_insert_with(|| (Status::of(&answer), bare(&answer)));
            assert_eq!(bare(&answer), *expected, "{protocol:?}, unusual: {unusual}");
            assert!(client.is_usable().await, "{protocol:?}, unusual: {unusual}: {answer:?}");
        }
    }
    let status = first.and_then(|(status, _)| status);
    status.map_or_else(String::new, |status| status.state)
}

/// Somebody who stands in line, behind the one seat that there is.
async fn waiting() -> (Scene, Visitor, Visitor) {
    let (scene, inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("waits").await;
    visitor.join().await;
    (scene, inside, visitor)
}

#[tokio::test]
async fn a_poll_is_answered_alike_whichever_way_it_takes() {
    let (scene, _inside, visitor) = waiting().await;
    let poll = visitor.browser.poll();
    let usual = scene.node.ask(&poll).await;
    assert_eq!(usual.status, 200, "{usual:?}");
    assert!(usual.header("date").is_some() && !usual.closes(), "{usual:?}");
    // Each of these but a body of no bytes is unusual enough to be left to pingora.
    let cookie = format!("Cookie: {}", "x=y; ".repeat(1_000));
    for oddity in ["Connection: keep-alive, te", "Content-Length: 0", "Expect: 100-continue", &cookie] {
        let (name, value) = oddity.split_once(": ").unwrap();
        let mut connection = scene.node.connect().await;
        let odd = connection.ask(&poll.clone().header(name, value)).await;
        assert_eq!(timeless(&odd), timeless(&usual), "{name}");
        // And the next one on the same connection is a usual one.
        assert_eq!(timeless(&connection.ask(&poll).await), timeless(&usual), "after {name}");
    }
    let head = scene.node.ask(&Request::new("HEAD", "/.sluice/status?queue=shop")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn a_poll_is_answered_alike_on_every_protocol_whatever_it_has_to_say() {
    let one_seat = format!("{FAST}\nmax_active = 1");
    let scene = Scene::speaking(Protocol::Http1Tls, |shop| shop.queue("shop", &one_seat), |setup| setup).await;
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    let pass = inside.browser.token("pass").unwrap();
    let mut visitor = scene.visitor("waits").await;
    visitor.join().await;
    let ticket = visitor.browser.token("ticket").unwrap();
    assert_eq!(polls_every_way(&scene, None).await, "joining");
    assert_eq!(polls_every_way(&scene, Some(("ticket", "ey.not.one"))).await, "joining");
    assert_eq!(polls_every_way(&scene, Some(("ticket", &ticket))).await, "waiting");
    assert_eq!(polls_every_way(&scene, Some(("pass", &pass))).await, "admitted");
    for (mode, state) in [("hold", "held"), ("closed", "closed")] {
        scene.change(&format!("{one_seat}\nmode = \"{mode}\"")).await;
        visitor.until_state(state).await;
        assert_eq!(polls_every_way(&scene, Some(("ticket", &ticket))).await, state);
    }
    scene.change(&one_seat).await;
    inside.leave().await;
    visitor.until_state("called").await;
    assert_eq!(polls_every_way(&scene, Some(("ticket", &ticket))).await, "called");
}

#[tokio::test]
async fn polls_that_come_together_are_all_answered_and_others_follow() {
    let (scene, _inside, visitor) = waiting().await;
    let poll = visitor.browser.poll();
    let page = visitor.browser.navigation("/");
    let mut connection = scene.node.connect().await;
    for round in 0..3 {
        connection.send([poll.bytes(), poll.bytes(), page.bytes(), poll.bytes()].concat()).await;
        for status in [200, 200, 503, 200] {
            let response = connection.response("GET").await;
            assert_eq!(response.status, status, "round {round}: {response:?}");
        }
        assert_eq!(connection.ask(&poll).await.status, 200, "alone, after round {round}");
    }
    // In two pieces: the first one ends within the head, wherever the reads end.
    let bytes = poll.bytes();
    for at in [1, 30, bytes.len() - 3] {
        connection.send(&bytes[..at]).await;
        tokio::task::yield_now().await;
        connection.send(&bytes[at..]).await;
        assert_eq!(connection.response("GET").await.status, 200, "cut at {at}");
    }
}

#[tokio::test]
async fn what_no_request_may_be_no_poll_may_be() {
    let (scene, _inside, visitor) = waiting().await;
    let poll = String::from_utf8(visitor.browser.poll().bytes()).unwrap();
    for (what, odd, status) in [
        ("a bare line feed", poll.replacen("\r\n", "\n", 1), 400),
        ("two hosts", poll.replacen("\r\n", "\r\nHost: shop.example.com\r\n", 1), 400),
        ("no host", poll.replacen("Host: shop.example.com\r\n", "", 1), 400),
        ("another site", poll.replacen("Host: shop.example.com", "Host: nobody.example.net", 1), 421),
        ("a space before a colon", poll.replacen("Accept:", "Accept :", 1), 400),
        ("a folded line", poll.replacen("Accept:", "X: y\r\n z\r\nAccept:", 1), 400),
        ("a fragment", poll.replacen("?queue=shop", "?queue=shop#x", 1), 400),
        ("another queue", poll.replacen("?queue=shop", "?queue=nobody", 1), 404),
        ("two ways to end", poll.replacen("\r\n", "\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", 1), 400),
    ] {
        let mut connection = scene.node.connect().await;
        connection.send(&odd).await;
        let response = connection.response("GET").await;
        assert_eq!(response.status, status, "{what}: {response:?}");
        assert_eq!(response.closes(), status == 400, "{what}: {response:?}");
    }
    let mut connection = scene.node.connect().await;
    connection.send(poll.replacen("\r\n", "\r\nConnection: close\r\n", 1)).await;
    assert!(connection.response("GET").await.closes());
    connection.closed().await;
}

#[tokio::test]
async fn a_node_that_leaves_says_so_to_those_who_poll() {
    let (scene, _inside, visitor) = waiting().await;
    let mut connection = scene.node.connect().await;
    assert!(!connection.ask(&visitor.browser.poll()).await.closes());
    scene.node.signal("TERM");
    // Until it does, polls are answered as ever.
    loop {
        let Some(response) = connection.try_ask(&visitor.browser.poll()).await.ok() else {
            panic!("cut without a word")
        };
        assert_eq!(response.status, 200);
        if response.closes() {
            break;
        }
    }
}
