//! HTTP/2 as its RFC demands it, and within bounds: frame by frame where no well-behaved client would do.

mod bounds;
mod conformance;
mod requests;
mod rests;
mod streams;

use std::collections::BTreeMap;

use crate::support::{
    HOST, Http2, Protocol, Scene, Setup,
    frames::{ACK, DATA, END_STREAM, Frame, Frames, PREFACE, SETTINGS},
    scene::FAST,
};

/// A shop without a line.
async fn shop() -> Scene {
    shop_with("").await
}

/// The same on a node with these lines of `[server]`.
async fn shop_with(server: &str) -> Scene {
    let prepare = |setup: Setup| if server.is_empty() { setup } else { setup.server(server) };
    Scene::speaking(Protocol::Http2, |shop| shop.queue("shop", FAST), prepare).await
}

/// A connection frame by frame, with these settings of the client.
async fn frames(scene: &Scene, settings: &[u8]) -> Frames {
    Frames::begin(scene.tls().speaks("h2").connect(scene.node.https(), HOST).await.unwrap(), settings).await
}

async fn client(scene: &Scene) -> Http2 {
    Http2::over(scene.tls().speaks("h2").connect(scene.node.https(), HOST).await.unwrap()).await
}

/// What the node says first: its settings, by their numbers.
async fn offered(scene: &Scene) -> BTreeMap<u16, u32> {
    let mut frames = Frames::silent(scene.tls().speaks("h2").connect(scene.node.https(), HOST).await.unwrap());
    frames.send_bytes(&[PREFACE, &Frame::new(SETTINGS, 0, 0, []).bytes()].concat()).await;
    let settings = frames.until(|frame| frame.kind == SETTINGS && !frame.has(ACK)).await.unwrap().payload;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte));
    settings.chunks(6).map(|one| (number(&one[..2]).try_into().unwrap(), number(&one[2..]))).collect()
}

fn data(stream: u32, bytes: impl Into<Vec<u8>>) -> Frame {
    Frame::new(DATA, 0, stream, bytes)
}

fn last_data(stream: u32, bytes: impl Into<Vec<u8>>) -> Frame {
    Frame::new(DATA, END_STREAM, stream, bytes)
}
