//! Requests with more than one reading: refused, as they are on HTTP/1.1, before anybody else gets to read them.

use super::{client, frames, shop, shop_with};
use crate::support::{
    HOST, Request, Scene,
    frames::{ENHANCE_YOUR_CALM, Outcome, PROTOCOL_ERROR, block, get, heads, pseudo},
};

type Fields<'f> = Vec<(&'f str, &'f str)>;

/// A GET of the shop in which one of the pseudo-fields is another, or none.
fn get_with<'f>(name: &str, value: Option<&'f str>) -> Fields<'f> {
    let all = pseudo("GET", "/").into_iter().map(|(n, v)| if n == name { (n, value) } else { (n, Some(v)) });
    all.filter_map(|(name, value)| Some((name, value?))).collect()
}

fn get_and<'f>(more: &[(&'f str, &'f str)]) -> Fields<'f> {
    [&pseudo("GET", "/")[..], more].concat()
}

async fn outcome(scene: &Scene, fields: &[(&str, &str)]) -> Outcome {
    let mut frames = frames(scene, &[]).await;
    frames.send(&heads(1, &block(fields))).await;
    let outcome = frames.outcome(1).await;
    let ended = matches!(outcome, Outcome::Ended(_));
    assert!(ended || frames.goes_on().await, "one request that is wrong ends no connection: {fields:?}");
    outcome
}

#[tokio::test]
async fn a_request_with_two_readings_is_refused_and_reaches_no_origin() {
    let scene = shop().await;
    let long = "x".repeat(49 << 10);
    for (what, fields) in [
        ("another scheme", get_with(":scheme", Some("http"))),
        ("a scheme of another kind", get_with(":scheme", Some("ftp"))),
        ("Host unlike :authority", get_and(&[("host", "news.example.org")])),
        ("Host with another port", get_and(&[("host", "shop.example.com:8443")])),
        ("two Hosts", get_and(&[("host", HOST), ("host", HOST)])),
        ("an empty Host", get_and(&[("host", "")])),
        ("user information", get_with(":authority", Some("user@shop.example.com"))),
        ("user information in Host", [get_with(":authority", None), vec![("host", "user@shop.example.com")]].concat()),
        ("no host at all", get_with(":authority", None)),
        ("an empty :authority", get_with(":authority", Some(""))),
        ("a port that is none", get_with(":authority", Some("shop.example.com:x"))),
        ("no :path beside Host", vec![(":method", "GET"), (":scheme", "https"), ("host", HOST)]),
        ("a path that does not begin", get_with(":path", Some("checkout"))),
        ("an absolute :path", get_with(":path", Some("https://shop.example.com/"))),
        ("a space in :path", get_with(":path", Some("/a b"))),
        ("a line feed in :path", get_with(":path", Some("/a\r\nX: y"))),
        ("a NUL in :path", get_with(":path", Some("/a\0"))),
        ("* of a GET", get_with(":path", Some("*"))),
        ("a space before a value", get_and(&[("x", " y")])),
        ("a tab behind a value", get_and(&[("x", "y\t")])),
        ("nothing but a space", get_and(&[("x", " ")])),
        ("two content-lengths", get_and(&[("content-length", "0"), ("content-length", "0")])),
        ("two content-lengths in one", get_and(&[("content-length", "0, 0")])),
        ("a content-length with a sign", get_and(&[("content-length", "+0")])),
        ("a length by another name", get_and(&[("content_length", "5")])),
        ("a coding by another name", get_and(&[("transfer_encoding", "chunked")])),
        ("a method that is refused", get_with(":method", Some("TRACE"))),
        ("a method that is no token", get_with(":method", Some("GET /"))),
        ("a method that is empty", get_with(":method", Some(""))),
        ("a value that is too long", get_and(&[("x", &long)])),
        ("too many fields", [get_and(&[]), vec![("x", "y"); 101]].concat()),
    ] {
        let refused = match outcome(&scene, &fields).await {
            Outcome::Answered(status) => matches!(status, 400 | 405 | 431),
            Outcome::Reset(code) => code == PROTOCOL_ERROR,
            // Where not even a frame can be read.
            Outcome::Ended(code) => what.starts_with("a method that") && code == Some(PROTOCOL_ERROR),
        };
        assert!(refused, "{what}: {:?}", outcome(&scene, &fields).await);
    }
    assert_eq!(scene.origin.hit_count(), 0);
    assert!(scene.node.metrics().await.sum("requests_rejected_total", &[("reason", "scheme")]) >= 2.0);
}

#[tokio::test]
async fn what_is_unusual_and_plain_is_served() {
    let scene = shop().await;
    for (what, fields) in [
        ("Host like :authority", get_and(&[("host", HOST)])),
        ("Host alone", [get_with(":authority", None), vec![("host", HOST)]].concat()),
        ("upper case", get_with(":authority", Some("SHOP.example.COM"))),
        ("a dot at the end", get_with(":authority", Some("shop.example.com."))),
        ("an empty value", get_and(&[("x", "")])),
        ("blanks within a value", get_and(&[("x", "a \t b")])),
        ("te: trailers", get_and(&[("te", "trailers")])),
        ("a priority", get_and(&[("priority", "u=1, i")])),
        ("a hundred cookies", [get_and(&[]), vec![("cookie", "a=b"); 150]].concat()),
        ("settings of an upgrade that nobody makes", get_and(&[("http2-settings", "AAMAAABkAAQAAP__")])),
    ] {
        assert_eq!(outcome(&scene, &fields).await, Outcome::Answered(200), "{what}");
        let hit = scene.origin.last_hit();
        assert!(hit.header("host").unwrap().to_ascii_lowercase().starts_with("shop.example.com"), "{what}: {hit:?}");
        assert_eq!((hit.header("te"), hit.header("http2-settings")), (None, None), "{what}");
    }
}

#[tokio::test]
async fn a_fragment_is_cut_off_before_anybody_reads_it() {
    let scene = shop().await;
    assert_eq!(outcome(&scene, &get_with(":path", Some("/a?b#/../c"))).await, Outcome::Answered(200));
    assert_eq!(scene.origin.last_hit().target, "/a?b");
}

#[tokio::test]
async fn options_for_the_server_itself_is_answered() {
    let scene = shop().await;
    let fields = [(":method", "OPTIONS"), (":scheme", "https"), (":authority", HOST), (":path", "*")];
    assert_eq!(outcome(&scene, &fields).await, Outcome::Answered(204));
    assert_eq!(scene.origin.hit_count(), 0);
}

#[tokio::test]
async fn a_connect_is_refused_and_its_extended_form_not_offered() {
    let scene = shop().await;
    let refused = outcome(&scene, &[(":method", "CONNECT"), (":authority", "shop.example.com:443")]).await;
    assert!(matches!(refused, Outcome::Answered(400 | 405) | Outcome::Reset(PROTOCOL_ERROR)), "{refused:?}");
    let offered = super::offered(&scene).await;
    assert_eq!(offered.get(&8), None, "{offered:?}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_alone() {
    let scene = shop().await;
    let half = "x".repeat(12_000);
    let fields: Vec<_> = ["a", "b", "c", "d", "e", "f"].into_iter().map(|name| (name, half.as_str())).collect();
    let mut frames = frames(&scene, &[]).await;
    frames.send(&heads(1, &block(&get_and(&fields)))).await;
    let outcome = frames.outcome(1).await;
    assert!(matches!(outcome, Outcome::Answered(431) | Outcome::Reset(_)), "{outcome:?}");
    frames.send(&[get(3, "/")]).await;
    assert_eq!(frames.outcome(3).await, Outcome::Answered(200));
    assert_eq!(scene.origin.hit_count(), 1);
}

#[tokio::test]
async fn a_client_that_sends_nothing_but_malformed_requests_is_let_go() {
    let scene = shop().await;
    let mut frames = frames(&scene, &[]).await;
    let fields = block(&get_and(&[("host", "news.example.org")]));
    for stream in 0..32 {
        frames.send(&heads(2 * stream + 1, &fields)).await;
    }
    assert_eq!(frames.ended().await, Some(ENHANCE_YOUR_CALM));
    let counted = [("reason", "malformed_requests")];
    scene.node.until_metrics("it is counted", |m| m.sum("http2_cut_total", &counted) == 1.0).await;
}

/// Slow requests, all on one connection of their own; each comes to its status, or to nothing if it is refused.
async fn slow_requests(scene: &Scene, asked: usize) -> Vec<tokio::task::JoinHandle<Option<u16>>> {
    let slow = client(scene).await;
    let ask = |_| {
        let slow = slow.clone();
        tokio::spawn(async move { slow.try_ask(&Request::navigation("/slow")).await.ok().map(|answer| answer.status) })
    };
    (0..asked).map(ask).collect()
}

#[tokio::test]
async fn a_client_that_asks_for_much_leaves_room_for_others() {
    let scene = shop_with("requests_max = 100").await;
    let asked = slow_requests(&scene, 100).await;
    let refused = [("reason", "connection_share")];
    scene.node.until_metrics("it has its share", |m| m.sum("requests_rejected_total", &refused) == 49.0).await;
    assert_eq!(client(&scene).await.ask(&Request::navigation("/")).await.status, 200);
    scene.origin.go_on();
    let mut served = 0;
    for request in asked {
        served += usize::from(request.await.unwrap() == Some(200));
    }
    assert_eq!(served, 51, "what takes it to half of what there is, and one more");
}

#[tokio::test]
async fn a_node_that_is_full_refuses_in_a_way_that_may_be_tried_again() {
    let scene = shop_with("requests_max = 100").await;
    let mut under_way = slow_requests(&scene, 51).await;
    scene.node.until_metrics("half are under way", |m| m.sum("requests_in_flight", &[]) == 51.0).await;
    for _ in 51..100 {
        under_way.extend(slow_requests(&scene, 1).await);
    }
    scene.node.until_metrics("all are under way", |m| m.sum("requests_in_flight", &[]) == 100.0).await;
    let refused = client(&scene).await.try_ask(&Request::navigation("/")).await.unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
    let busy = scene.node.ask(&Request::navigation("/")).await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("2")), "{busy:?}");
    assert_eq!(scene.node.metrics().await.sum("requests_rejected_total", &[("reason", "requests_max")]), 2.0);
    scene.origin.go_on();
    for request in under_way {
        assert_eq!(request.await.unwrap(), Some(200));
    }
    assert_eq!(client(&scene).await.ask(&Request::navigation("/")).await.status, 200);
}
