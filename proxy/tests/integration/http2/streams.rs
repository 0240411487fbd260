//! Requests and answers on streams: bodies of every sort, trailers, cookies, and the end of a connection.

use http::{HeaderMap, HeaderValue};

use super::{client, data, frames, last_data, shop, shop_with};
use crate::support::{
    HOST, Http2, Protocol, Request, Scene,
    frames::{
        DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, NO_ERROR, Outcome, RST_STREAM, WINDOW_UPDATE, block,
        get, pseudo, setting,
    },
    scene::FAST,
    until,
};

const LARGE_BYTES: usize = 8 << 20;

/// Bytes in which a piece that is lost, doubled or elsewhere shows.
fn large() -> Vec<u8> {
    (0..u32::try_from(LARGE_BYTES / 4).unwrap()).flat_map(|at| at.wrapping_mul(0x9E37_79B9).to_be_bytes()).collect()
}

/// A shop in which nobody gets in.
async fn held() -> Scene {
    let settings = format!("{FAST}\nmode = \"hold\"");
    Scene::speaking(Protocol::Http2, |shop| shop.queue("shop", &settings), |setup| setup).await
}

#[tokio::test]
async fn a_large_body_goes_up_and_comes_down_whole() {
    let scene = shop().await;
    let sent = large();
    let request = Request::fetch("POST", "/echo").body("application/octet-stream", sent.clone());
    let answer = client(&scene).await.ask(&request).await;
    assert_eq!((answer.status, answer.body.len()), (200, LARGE_BYTES));
    assert!(answer.body == sent, "what came back is not what was sent");
    assert!(scene.origin.last_hit().body == sent);
}

#[tokio::test]
async fn many_requests_at_once_on_one_connection_each_get_their_own_answer() {
    let scene = shop().await;
    let client = client(&scene).await;
    // Before it has heard how many there may be, a client takes as many as it likes.
    client.ask(&Request::unknown_queue()).await;
    let asked = (0..300).map(|at| {
        let client = client.clone();
        tokio::spawn(async move {
            let request = Request::fetch("POST", &format!("/echo/{at}")).body("text/plain", format!("body {at}"));
            assert_eq!(client.ask(&request).await.text(), format!("body {at}"));
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    assert_eq!(scene.node.metrics().await.sum("connections", &[]), 1.0);
}

#[tokio::test]
async fn one_stream_that_is_not_read_holds_up_no_other() {
    let scene = shop().await;
    let mut frames = frames(&scene, &[]).await;
    frames.send(&[Frame::new(WINDOW_UPDATE, 0, 0, (1_u32 << 30).to_be_bytes())]).await;
    // An answer beyond the stream's window, which never grows.
    frames.send(&[get(1, "/bytes/1000000")]).await;
    let mut taken = 0;
    while taken < 65_535 {
        taken += frames.until(|frame| frame.kind == DATA && frame.stream == 1).await.unwrap().payload.len();
    }
    frames.send(&[get(3, "/")]).await;
    assert_eq!(frames.outcome(3).await, Outcome::Answered(200));
}

#[tokio::test]
async fn an_answer_comes_in_pieces_of_the_clients_window() {
    let scene = shop().await;
    let mut frames = frames(&scene, &setting(4, 1)).await;
    frames.send(&[get(1, "/bytes/5")]).await;
    assert_eq!(frames.outcome(1).await, Outcome::Answered(200));
    for _ in 0..5 {
        let piece = frames.until(|frame| frame.kind == DATA).await.unwrap();
        assert_eq!(piece.payload.len(), 1, "{piece:?}");
        frames.send(&[Frame::new(WINDOW_UPDATE, 0, 1, 1_u32.to_be_bytes())]).await;
    }
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head_or_at_once() {
    let scene = shop().await;
    let mut frames = frames(&scene, &[]).await;
    for (at, (method, path, status)) in
        [("HEAD", "/", 200), ("HEAD", "/bytes/1000", 200), ("GET", "/status/204", 204), ("GET", "/status/304", 304)]
            .into_iter()
            .enumerate()
    {
        let stream = 2 * u32::try_from(at).unwrap() + 1;
        frames.send(&[Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, block(&pseudo(method, path)))]).await;
        assert_eq!(frames.outcome_and_bytes(stream).await, (Outcome::Answered(status), 0), "{method} {path}");
    }
    let parked = held().await;
    let head = Http2::ask(&client(&parked).await, &Request::new("HEAD", "/").header("Accept", "text/html")).await;
    assert_eq!((head.status, head.body.len()), (503, 0));
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 1_000, "the length of the page");
}

#[tokio::test]
async fn trailers_of_a_request_do_no_harm() {
    let scene = shop().await;
    let client = client(&scene).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("4711"));
    let request = Request::new("POST", "/echo").body("text/plain", "a body");
    assert_eq!(client.ask_with_trailers(&request, trailers.clone()).await.text(), "a body");
    let parking = held().await;
    let parked = super::client(&parking).await;
    assert_eq!(parked.ask_with_trailers(&request, trailers).await.status, 429);
}

#[tokio::test]
async fn a_page_load_whose_end_comes_late_has_no_body() {
    let scene = shop().await;
    for (method, apart) in [("GET", false), ("GET", true), ("HEAD", true)] {
        let mut frames = frames(&scene, &[]).await;
        let head = Frame::new(HEADERS, END_HEADERS, 1, block(&pseudo(method, "/")));
        if apart {
            frames.send(&[head]).await;
            scene.node.until_metrics("it is under way", |m| m.sum("requests_in_flight", &[]) == 1.0).await;
            frames.send(&[last_data(1, [])]).await;
        } else {
            frames.send(&[head, last_data(1, [])]).await;
        }
        assert_eq!(frames.outcome(1).await, Outcome::Answered(200));
        let hit = scene.origin.last_hit();
        let framing = (hit.header("transfer-encoding"), hit.header("content-length"));
        assert_eq!(framing, (None, None), "{method}: a body that nobody has sent was announced");
        scene.node.until_metrics("it is over", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
    }
    // Where there is one, it goes through.
    let mut frames = frames(&scene, &[]).await;
    let head = Frame::new(HEADERS, END_HEADERS, 1, block(&pseudo("GET", "/echo")));
    frames.send(&[head, data(1, "a "), data(1, "bo"), last_data(1, "dy")]).await;
    assert_eq!(frames.body_of_answer(1).await, b"a body");
}

#[tokio::test]
async fn the_origin_gets_one_line_of_cookies_and_no_expectation() {
    let scene = shop().await;
    let request = Request::new("POST", "/cart").header("Cookie", "a=1").header("Cookie", "b=2").header("Cookie", "c=3");
    let request = request.header("Expect", "100-continue").body("application/json", "{}");
    assert_eq!(client(&scene).await.ask(&request).await.status, 200);
    let hit = scene.origin.last_hit();
    assert_eq!((hit.header("cookie"), hit.header("expect")), (Some("a=1; b=2; c=3"), None));
    assert_eq!((&hit.body[..], hit.header("x-forwarded-proto")), (&b"{}"[..], Some("https")));
}

#[tokio::test]
async fn a_client_that_waits_for_a_word_before_its_body_gets_one() {
    let scene = shop().await;
    let mut frames = frames(&scene, &[]).await;
    let fields = [&pseudo("POST", "/echo")[..], &[("expect", "100-continue")]].concat();
    frames.send(&[Frame::new(HEADERS, END_HEADERS, 1, block(&fields))]).await;
    assert_eq!(frames.outcome(1).await, Outcome::Answered(100));
    frames.send(&[last_data(1, "a body")]).await;
    assert_eq!(frames.body_of_answer(1).await, b"a body");
}

#[tokio::test]
async fn a_call_that_is_parked_is_answered_by_a_head_that_is_the_end() {
    let scene = held().await;
    let mut frames = frames(&scene, &[]).await;
    let fields = [&pseudo("POST", "/shop.Cart/Add")[..], &[("content-type", "application/grpc"), ("te", "trailers")]];
    let call = Frame::new(HEADERS, END_HEADERS, 1, block(&fields.concat()));
    frames.send(&[call, last_data(1, [0, 0, 0, 0, 0])]).await;
    let head = frames.until(|frame| frame.stream == 1).await.unwrap();
    assert_eq!((head.kind, head.has(END_STREAM)), (HEADERS, true), "{head:?}");
    // What it says, as a client reads it.
    let call = Request::new("POST", "/shop.Cart/Add").header("TE", "trailers");
    let answer = client(&scene).await.ask(&call.body("application/grpc", [0, 0, 0, 0, 0])).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("14")), "{answer:?}");
    assert_eq!(answer.header("content-length"), None, "{answer:?}");
    assert!(answer.header("grpc-message").is_some(), "{answer:?}");
}

#[tokio::test]
async fn a_long_body_that_is_not_wanted_is_answered_at_once_and_costs_no_connection() {
    let scene = held().await;
    let client = client(&scene).await;
    for _ in 0..3 {
        let upload = Request::fetch("POST", "/cart").body("application/json", large());
        assert_eq!(client.ask(&upload).await.status, 429);
    }
    assert_eq!(client.ask(&Request::unknown_queue()).await.status, 404);
    scene.node.until_metrics("nothing is left", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
}

#[tokio::test]
async fn a_stream_that_its_client_resets_lets_the_origin_go_and_leaves_the_rest_alone() {
    let scene = shop().await;
    let mut frames = frames(&scene, &[]).await;
    frames.send(&[get(1, "/slow"), get(3, "/slow")]).await;
    until("the origin is asked", async || (scene.origin.hit_count() == 2).then_some(())).await;
    frames.send(&[Frame::new(RST_STREAM, 0, 1, 8_u32.to_be_bytes())]).await;
    scene.node.until_metrics("it is let go", |m| m.sum("requests_in_flight", &[]) == 1.0).await;
    scene.origin.go_on();
    assert_eq!(frames.outcome(3).await, Outcome::Answered(200));
    assert!(!scene.node.log().contains("ERROR"), "{}", scene.node.log());
}

#[tokio::test]
async fn a_node_that_leaves_says_so_in_two_steps_and_finishes_what_is_under_way() {
    const NO_LAST_STREAM: u32 = (1 << 31) - 1;
    let mut scene = shop_with("drain_timeout = \"8s\"").await;
    let mut frames = frames(&scene, &[]).await;
    frames.send(&[get(1, "/slow")]).await;
    until("the origin is asked", async || (scene.origin.hit_count() == 1).then_some(())).await;
    let mut idle = super::frames(&scene, &[]).await;
    scene.node.signal("TERM");
    // First: nothing new, please; what is on its way already is served.
    let first = frames.until(|frame| frame.kind == GOAWAY).await.unwrap();
    assert_eq!((first.number(0), first.number(4)), (NO_LAST_STREAM, NO_ERROR));
    // Then, once the client must have heard of it: nothing but these.
    let second = frames.until(|frame| frame.kind == GOAWAY).await.unwrap();
    assert_eq!((second.number(0), second.number(4)), (1, NO_ERROR));
    assert_eq!(idle.ended().await, Some(NO_ERROR));
    assert!(scene.node.is_running(), "a request is under way");
    scene.origin.go_on();
    assert_eq!(frames.outcome(1).await, Outcome::Answered(200));
    assert_eq!(frames.ended().await, Some(NO_ERROR));
    assert!(!frames.was_cut(), "the node was gone before it had taken its leave");
    assert_eq!(scene.node.exit_status().await.code(), Some(0));
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_no_error_and_nothing_under_way() {
    let scene = shop().await;
    let mut begun = frames(&scene, &[]).await;
    begun.send(&[get(1, "/slow"), Frame::new(HEADERS, 0, 3, block(&[(":method", "GET"), (":authority", HOST)]))]).await;
    until("the origin is asked", async || (scene.origin.hit_count() == 1).then_some(())).await;
    drop(begun);
    let over = |m: &crate::support::metrics::Metrics| {
        m.sum("requests_in_flight", &[]) == 0.0 && m.sum("connections", &[]) == 0.0
    };
    let metrics = scene.node.until_metrics("it is gone", over).await;
    assert_eq!((metrics.sum("origin_errors_total", &[]), metrics.sum("http2_cut_total", &[])), (0.0, 0.0));
    assert!(!scene.node.log().contains("ERROR"), "{}", scene.node.log());
}
