//! Nobody takes more than their share: who does is told to be calm, is counted, and others do not notice.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{client, data, frames, shop, shop_with};
use crate::support::{
    HOST, Http2, Protocol, Request, Scene,
    frames::{
        CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, Frames, HEADERS, Outcome, PING, PRIORITY,
        REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, get, post, pseudo, setting,
    },
    scene::FAST,
    until,
};

/// More frames than a connection may spend at once, whatever comes back while they are on their way.
const FLOOD: usize = 4_000;
/// Streams open at once.
const STREAMS_MAX: u32 = 100;
/// How long answers may lie there untaken, and a moment for a busy machine.
const NOT_TAKEN_WITHIN: Duration = Duration::from_secs(30 + 5);

async fn cut(scene: &Scene, reasons: &[&str]) -> f64 {
    let metrics = scene.node.metrics().await;
    reasons.iter().map(|reason| metrics.sum("http2_cut_total", &[("reason", reason)])).sum()
}

/// A client that floods the node with a frame, behind those that begin it, is told to be calm; others are served.
async fn is_calmed(scene: &Scene, what: &str, begins: &[Frame], flood: impl Fn(u32) -> Vec<Frame>, reasons: &[&str]) {
    let other = client(scene).await;
    assert_eq!(other.ask(&Request::navigation("/")).await.status, 200);
    let before = cut(scene, reasons).await;
    let mut frames = frames(scene, &[]).await;
    frames.send(begins).await;
    let all: Vec<u8> = (0..u32::try_from(FLOOD).unwrap()).flat_map(&flood).flat_map(|frame| frame.bytes()).collect();
    frames.send_bytes(&all).await;
    assert_eq!(frames.ended().await, Some(ENHANCE_YOUR_CALM), "{what}");
    // Its client may know a moment before it is counted.
    until(what, async || (cut(scene, reasons).await == before + 1.0).then_some(())).await;
    assert_eq!(other.ask(&Request::navigation("/")).await.status, 200, "{what}");
}

#[tokio::test]
async fn floods_of_frames_that_ask_for_nothing_end_their_connection() {
    let scene = shop().await;
    let one = |frame: Frame| move |_: u32| vec![frame.clone()];
    let scene = &scene;
    is_calmed(scene, "SETTINGS", &[], one(Frame::new(SETTINGS, 0, 0, setting(3, 100))), &["settings"]).await;
    is_calmed(scene, "PING", &[], one(Frame::new(PING, 0, 0, [0; 8])), &["pings"]).await;
    is_calmed(scene, "PRIORITY", &[], one(Frame::new(PRIORITY, 0, 1, [0, 0, 0, 0, 7])), &["priority"]).await;
    is_calmed(scene, "an unknown frame", &[], one(Frame::new(0xfa, 0, 0, [])), &["unknown_frames"]).await;
    let open = [post(1, "/slow")];
    let update = Frame::new(WINDOW_UPDATE, 0, 1, 1_u32.to_be_bytes());
    is_calmed(scene, "WINDOW_UPDATE", &open, one(update), &["window_updates"]).await;
    is_calmed(scene, "empty DATA", &open, one(data(1, [])), &["empty_data", "too_much"]).await;
    let begun = [Frame::new(HEADERS, 0, 1, block(&pseudo("GET", "/")))];
    is_calmed(scene, "CONTINUATION", &begun, one(Frame::new(CONTINUATION, 0, 1, [])), &["too_much"]).await;
}

#[tokio::test]
async fn streams_that_are_begun_to_be_thrown_away_end_their_connection() {
    let scene = shop().await;
    let reset = |at: u32| vec![get(2 * at + 1, "/slow"), Frame::new(RST_STREAM, 0, 2 * at + 1, 8_u32.to_be_bytes())];
    is_calmed(&scene, "resets", &[], reset, &["resets", "too_much"]).await;
    // Or such that the node has to reset them.
    let malformed = block(&pseudo("GET", "/")[1..]);
    let made = |at: u32| vec![Frame::new(HEADERS, END_HEADERS | END_STREAM, 2 * at + 1, malformed.clone())];
    is_calmed(&scene, "made resets", &[], made, &["too_much"]).await;
    scene.node.until_metrics("nothing is left", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
}

#[tokio::test]
async fn a_hundred_streams_are_served_at_once_and_the_next_is_refused() {
    let scene = shop().await;
    let offered = super::offered(&scene).await;
    assert_eq!(offered.get(&3), Some(&STREAMS_MAX), "{offered:?}");
    let mut frames = frames(&scene, &[]).await;
    let streams = (0..=STREAMS_MAX).map(|at| 2 * at + 1);
    frames.send(&streams.clone().map(|stream| get(stream, "/slow")).collect::<Vec<_>>()).await;
    let last = 2 * STREAMS_MAX + 1;
    assert_eq!(frames.outcome(last).await, Outcome::Reset(REFUSED_STREAM));
    scene.origin.go_on();
    let mut answered = 0;
    while answered < STREAMS_MAX {
        let ended = frames.until(|frame| frame.has(END_STREAM) && frame.kind <= HEADERS).await.unwrap();
        assert_ne!(ended.stream, last);
        answered += 1;
    }
    frames.send(&[get(last + 2, "/")]).await;
    assert_eq!(frames.outcome(last + 2).await, Outcome::Answered(200));
}

#[tokio::test]
async fn answers_that_are_not_taken_end_their_connection() {
    // No window at all, and more parked requests than there is room for answers.
    let held =
        Scene::speaking(Protocol::Http2, |shop| shop.queue("shop", &format!("{FAST}\nmode = \"hold\"")), |setup| setup);
    let (parking, forwarding) = (held.await, shop().await);
    let (mut parked, mut forwarded) =
        (frames(&parking, &setting(4, 0)).await, frames(&forwarding, &setting(4, 0)).await);
    let (mut few, mut many) = (frames(&forwarding, &setting(4, 0)).await, frames(&forwarding, &setting(4, 0)).await);
    let since = Instant::now();
    // One fewer in a row than end a connection, and as many.
    few.send(&(0..5).map(|at| get(2 * at + 1, "/")).collect::<Vec<_>>()).await;
    many.send(&(0..6).map(|at| get(2 * at + 1, "/")).collect::<Vec<_>>()).await;
    parked.send(&(0..20).map(|at| get(2 * at + 1, "/")).collect::<Vec<_>>()).await;
    forwarded.send(&[get(1, "/")]).await;
    let (parked, forwarded, many, few_are_reset) =
        tokio::join!(ends(&mut parked), is_reset(&mut forwarded), ends(&mut many), async {
            let mut reset = 0;
            while reset < 5 && is_reset(&mut few).await {
                reset += 1;
            }
            reset
        });
    assert_eq!((parked, many), (Some(ENHANCE_YOUR_CALM), Some(ENHANCE_YOUR_CALM)));
    assert_eq!(few_are_reset, 5);
    assert!(few.goes_on().await, "five in a row end no connection");
    assert!(forwarded, "the one stream is given up");
    assert!(since.elapsed() > Duration::from_secs(25), "nobody was that slow: {:?}", since.elapsed());
    assert_eq!(cut(&parking, &["answers_not_taken"]).await, 1.0);
    assert_eq!(cut(&forwarding, &["answers_not_taken"]).await, 1.0);
    for scene in [&parking, &forwarding] {
        scene.node.until_metrics("nothing is left", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
    }
}

async fn ends(frames: &mut Frames) -> Option<u32> {
    timeout(NOT_TAKEN_WITHIN, frames.patient(NOT_TAKEN_WITHIN).ended()).await.expect("the connection ends")
}

async fn is_reset(frames: &mut Frames) -> bool {
    let reset = async { frames.patient(NOT_TAKEN_WITHIN).until(|frame| frame.kind == RST_STREAM).await };
    timeout(NOT_TAKEN_WITHIN, reset).await.expect("the stream ends").is_some()
}

/// Each has made its handshake, and says nothing on HTTP/2.
#[tokio::test]
async fn connections_that_do_not_begin_make_room_for_a_newcomer() {
    let scene = shop_with("connections_max = 3\nthreads = 1").await;
    let connect = async || scene.tls().speaks("h2").connect(scene.node.https(), HOST).await;
    let start = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(Frames::silent(connect().await.unwrap()));
    }
    let newcomer = until("there is room", async || connect().await.ok()).await;
    assert_eq!(Http2::over(newcomer).await.ask(&Request::navigation("/")).await.status, 200);
    assert!(start.elapsed() < Duration::from_secs(15), "before any of them has had its time");
    silent[0].ended().await;
}
