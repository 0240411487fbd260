//! Connections that rest between two polls, and what becomes of them.

use std::time::Duration;

use super::frames;
use crate::support::{
    HOST, Http2, Protocol, Request, Response, Scene, Setup,
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, Frame, Frames, GOAWAY,
        HEADERS, NO_ERROR, Outcome, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, get, post, pseudo, setting,
    },
    scene::FAST,
    until,
};

/// Longer than it takes until a connection rests.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a client may be sent on a connection before it says more.
const WINDOW_BYTES: u32 = 65_535;
/// The number of the setting for the table of fields.
const HEADER_TABLE_SIZE: u16 = 1;

/// A shop in which nobody gets to `/queued`, and everybody to all else.
async fn shop() -> Scene {
    shop_with(|setup| setup).await
}

async fn shop_with(prepare: impl FnOnce(Setup) -> Setup) -> Scene {
    let settings = format!("{FAST}\nmode = \"hold\"\npaths = [\"/queued\"]");
    Scene::speaking(Protocol::Http2, |shop| shop.queue("shop", &settings), prepare).await
}

fn more(bytes: u32) -> Frame {
    Frame::new(WINDOW_UPDATE, 0, 0, bytes.to_be_bytes())
}

/// A client that takes this much more than the first window.
async fn taking(scene: &Scene, bytes: u32) -> Frames {
    let mut client = frames(scene, &[]).await;
    client.patient(PATIENCE).send(&[more(bytes)]).await;
    client
}

/// A client whose first request has been answered here.
async fn waiting(scene: &Scene) -> Frames {
    let mut client = taking(scene, 1 << 20).await;
    client.send(&[get(1, "/queued")]).await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(429));
    client
}

/// Whether a frame tells the client how large its table may be.
fn says_table(frame: &Frame, bytes: u32) -> bool {
    frame.kind == SETTINGS && frame.payload.chunks(6).any(|one| one == setting(HEADER_TABLE_SIZE, bytes))
}

/// Waits until the client is asked to keep no table, and its connection rests.
async fn rests(scene: &Scene, client: &mut Frames) {
    client.until(|frame| says_table(frame, 0)).await.expect("the client is asked to keep no table");
    resting(scene, 1.0).await;
}

async fn resting(scene: &Scene, connections: f64) {
    scene.node.until_metrics("resting", |m| m.sum("http2_connections_resting", &[]) == connections).await;
}

#[tokio::test]
async fn a_connection_rests_between_two_polls_and_its_client_notices_nothing() {
    let scene = shop().await;
    let mut client = waiting(&scene).await;
    rests(&scene, &mut client).await;
    for stream in [3, 5] {
        client.send(&[get(stream, "/queued")]).await;
        // Nothing is said but the answer: the client knows all else.
        let head = client.next().await.unwrap();
        assert_eq!((head.kind, head.stream), (HEADERS, stream));
        client.until(|frame| (frame.kind, frame.stream, frame.has(END_STREAM)) == (DATA, stream, true)).await.unwrap();
        resting(&scene, 1.0).await;
    }
    // What it still says of streams that have ended is of no account, and a ping is answered without ado.
    client.send(&[Frame::new(WINDOW_UPDATE, 0, 5, 1_u32.to_be_bytes())]).await;
    client.send(&[Frame::new(PING, 0, 0, [7; 8]), Frame::new(RST_STREAM, 0, 3, 8_u32.to_be_bytes())]).await;
    let answer = client.next().await.unwrap();
    assert_eq!(answer, Frame::new(PING, ACK, 0, [7; 8]));
    resting(&scene, 1.0).await;
    let all = [more(1).bytes(), get(7, "/queued").bytes(), more(1).bytes()].concat();
    for byte in all {
        client.send_bytes(&[byte]).await;
    }
    assert_eq!(client.outcome(7).await, Outcome::Answered(429));
    assert_eq!(scene.node.metrics().await.sum("http2_cut_total", &[]), 0.0);
}

#[tokio::test]
async fn whatever_wakes_a_connection_is_answered() {
    let scene = shop().await;
    let long = "x".repeat(3_000);
    let request = |stream, flags, more: &[(&str, &str)]| {
        Frame::new(HEADERS, END_HEADERS | flags, stream, block(&[&pseudo("GET", "/queued")[..], more].concat()))
    };
    let begins = |frame: &Frame| Frame::new(HEADERS, END_STREAM, frame.stream, &frame.payload[..4]);
    let goes_on = |frame: &Frame| Frame::new(CONTINUATION, END_HEADERS, frame.stream, &frame.payload[4..]);
    let get = request(3, END_STREAM, &[]);
    let woken_by = [
        vec![request(3, END_STREAM, &[("cookie", &long)])],
        vec![Frame::new(SETTINGS, 0, 0, setting(3, 50)), get.clone()],
        vec![post(3, "/queued"), Frame::new(DATA, END_STREAM, 3, *b"a=b")],
        vec![begins(&get), goes_on(&get)],
        vec![Frame::new(0xfa, 0, 0, [0; 5]), get.clone()],
    ];
    let mut clients = Vec::new();
    for said in woken_by {
        clients.push((waiting(&scene).await, said));
    }
    let all = clients.len();
    for (client, _) in &mut clients {
        client.until(|frame| says_table(frame, 0)).await.expect("the client is asked to keep no table");
    }
    resting(&scene, all as f64).await;
    for (client, said) in &mut clients {
        client.send(said).await;
        assert_eq!(client.outcome(3).await, Outcome::Answered(429), "{said:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_on_using_its_table_is_told_to_connect_anew_and_loses_nothing() {
    let scene = shop().await;
    let mut client = waiting(&scene).await;
    rests(&scene, &mut client).await;
    // The newest field of a table that is there no more.
    let block = [&block(&pseudo("GET", "/queued"))[..], &[0xbe]].concat();
    client.send(&[Frame::new(HEADERS, END_HEADERS | END_STREAM, 3, block)]).await;
    let goaway = client.until(|frame| frame.kind == GOAWAY).await.expect("a last word");
    assert_eq!((goaway.number(0), goaway.number(4)), (1, NO_ERROR));
}

/// Neither before its first rest, nor after one that such a head has ended.
#[tokio::test]
async fn a_connection_does_not_rest_in_the_middle_of_a_head() {
    let scene = shop().await;
    let head = block(&pseudo("GET", "/queued"));
    let begins = |stream| Frame::new(HEADERS, END_STREAM, stream, &head[..4]);
    let goes_on = |stream| Frame::new(CONTINUATION, END_HEADERS, stream, &head[4..]);
    let (mut client, mut rested) = (waiting(&scene).await, waiting(&scene).await);
    client.send(&[begins(3)]).await;
    rests(&scene, &mut rested).await;
    rested.send(&[begins(3)]).await;
    resting(&scene, 0.0).await;
    // Another one that could rest a moment later does.
    let mut other = waiting(&scene).await;
    rests(&scene, &mut other).await;
    for client in [&mut client, &mut rested] {
        client.send(&[goes_on(3)]).await;
        assert_eq!(client.outcome(3).await, Outcome::Answered(429));
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_not_waited_for() {
    let scene = shop().await;
    let mut client = waiting(&scene).await;
    rests(&scene, &mut client).await;
    client.send_bytes(&[0xff, 0xff, 0xff, HEADERS, END_HEADERS, 0, 0, 0, 3]).await;
    assert_eq!(client.ended().await, Some(FRAME_SIZE_ERROR));
}

#[tokio::test]
async fn a_client_whose_connection_has_rested_is_sent_no_more_than_it_takes() {
    const MORE_BYTES: u32 = 100_000;
    let page = |stream| {
        let fields = [&pseudo("GET", "/queued")[..], &[("accept", "text/html")]].concat();
        Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, block(&fields))
    };
    let scene = shop().await;
    let mut client = taking(&scene, MORE_BYTES).await;
    client.send(&[page(1)]).await;
    let first = client.body_of_answer(1).await.len();
    assert!((4_000..MORE_BYTES as usize).contains(&first), "one page is {first} bytes");
    rests(&scene, &mut client).await;
    let all = (WINDOW_BYTES + 2 * MORE_BYTES) as usize;
    let asked: Vec<_> = (0..u32::try_from(all / first + 2).unwrap()).map(|at| page(2 * at + 3)).collect();
    // What comes with the question counts once.
    client.send(&[&[more(MORE_BYTES)], &asked[..]].concat()).await;
    let mut taken = first;
    while taken < all {
        let frame = client.until(|frame| frame.kind == DATA).await.expect("data");
        taken += frame.payload.len();
    }
    assert_eq!(taken, all);
    client.send(&[Frame::new(PING, 0, 0, [0; 8])]).await;
    let next = client.until(|frame| matches!(frame.kind, DATA | PING)).await.unwrap();
    assert_eq!(next.kind, PING, "more than the client takes was sent");
}

#[tokio::test]
async fn a_connection_on_which_requests_are_forwarded_does_not_rest_and_has_its_table_again() {
    let scene = shop().await;
    let mut inside = taking(&scene, 1 << 20).await;
    inside.send(&[get(1, "/free")]).await;
    assert_eq!(inside.outcome(1).await, Outcome::Answered(200));
    // One that may take nothing more than at the beginning does not rest either.
    let mut narrow = frames(&scene, &[]).await;
    narrow.send(&[get(1, "/queued")]).await;
    assert_eq!(narrow.outcome(1).await, Outcome::Answered(429));
    let mut waits = waiting(&scene).await;
    // The others would have rested before it.
    rests(&scene, &mut waits).await;
    waits.send(&[get(3, "/free")]).await;
    waits.until(|frame| says_table(frame, 4_096)).await.expect("the table is back");
    resting(&scene, 0.0).await;
    for client in [&mut inside, &mut narrow] {
        client.send(&[Frame::new(PING, 0, 0, [0; 8])]).await;
        let next = client.until(|frame| matches!(frame.kind, SETTINGS | PING)).await.unwrap();
        assert_eq!(next.kind, PING, "it was asked to keep no table");
    }
}

#[tokio::test]
async fn a_client_that_asks_in_a_row_has_its_table_again_and_rests_afterwards() {
    let scene = shop().await;
    let mut client = waiting(&scene).await;
    rests(&scene, &mut client).await;
    for stream in [3, 5, 7, 9] {
        client.send(&[get(stream, "/queued")]).await;
        assert_eq!(client.outcome(stream).await, Outcome::Answered(429));
    }
    client.until(|frame| says_table(frame, 4_096)).await.expect("the table is back");
    rests(&scene, &mut client).await;
    client.send(&[get(11, "/queued")]).await;
    assert_eq!(client.outcome(11).await, Outcome::Answered(429));
}

#[tokio::test]
async fn a_client_whose_connection_rests_hears_that_the_node_leaves() {
    let mut scene = shop().await;
    let mut client = taking(&scene, 1 << 20).await;
    client.send(&[get(1, "/queued"), get(3, "/queued")]).await;
    assert_eq!(client.outcome(3).await, Outcome::Answered(429));
    rests(&scene, &mut client).await;
    scene.node.signal("TERM");
    let goaway = client.until(|frame| frame.kind == GOAWAY).await.expect("a last word");
    assert_eq!((goaway.number(0), goaway.number(4)), (3, NO_ERROR));
    assert_eq!(client.ended().await, Some(NO_ERROR));
    assert!(!client.was_cut(), "the connection ends in order");
    drop(client);
    scene.node.until_gone().await;
}

/// The tables of compressed fields fit on both sides, however often the node's are made anew.
#[tokio::test]
async fn a_client_with_a_table_of_fields_gets_whole_answers_before_and_after_each_rest() {
    let scene = shop().await;
    let client = Http2::wide(scene.tls().speaks("h2").connect(scene.node.https(), HOST).await.unwrap()).await;
    let ask = async |path: &str| {
        let Response { status, mut headers, .. } = client.ask(&Request::navigation(path)).await;
        // What differs from one answer to the next.
        headers.retain(|(name, _)| !matches!(name.as_str(), "date" | "set-cookie" | "content-length" | "x-request-id"));
        (status, headers)
    };
    let first = ask("/queued").await;
    assert_eq!(first.0, 503);
    for _ in 0..2 {
        for _ in 0..3 {
            assert_eq!(ask("/queued").await, first);
        }
        resting(&scene, 1.0).await;
    }
    assert_eq!(ask("/queued").await, first);
    let inside = ask("/free").await;
    assert_eq!(inside.0, 200);
    for _ in 0..3 {
        assert_eq!((ask("/free").await, ask("/queued").await), (inside.clone(), first.clone()));
    }
    assert_eq!(scene.node.metrics().await.sum("http2_cut_total", &[]), 0.0);
}

#[tokio::test]
async fn a_connection_that_rests_makes_room_for_a_newcomer() {
    let scene = shop_with(|setup| setup.server("connections_max = 1\nthreads = 1")).await;
    let mut client = waiting(&scene).await;
    rests(&scene, &mut client).await;
    let connect = async || scene.tls().speaks("h2").connect(scene.node.https(), HOST).await.ok();
    let newcomer = Http2::over(until("there is room", connect).await).await;
    assert_eq!(newcomer.ask(&Request::navigation("/free")).await.status, 200);
    let goaway = client.until(|frame| frame.kind == GOAWAY).await.expect("a last word");
    assert_eq!((goaway.number(0), goaway.number(4)), (1, NO_ERROR));
    assert_eq!(scene.node.metrics().await.sum("http2_cut_total", &[("reason", "idlest")]), 1.0);
}

#[tokio::test]
async fn a_flood_of_pings_ends_a_connection_that_rests() {
    let scene = shop().await;
    let mut client = waiting(&scene).await;
    rests(&scene, &mut client).await;
    client.send(&vec![Frame::new(PING, ACK, 0, [0; 8]); 4_000]).await;
    assert_eq!(client.ended().await, Some(ENHANCE_YOUR_CALM));
    assert_eq!(scene.node.metrics().await.sum("http2_cut_total", &[("reason", "pings")]), 1.0);
}
