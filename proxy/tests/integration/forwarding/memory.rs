//! However much is sent, what is kept of it has a bound.

use super::site::{OPEN, Site};
use crate::support::{Origin, Protocol, Request, client::on_every_protocol};

const LARGE_BYTES: usize = 64 << 20;

async fn a_large_body_either_way_leaves_memory_as_it_was(protocol: Protocol) {
    let origin = Origin::start().await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut client = site.client().await;
    let up = |bytes: usize| Request::fetch("POST", "/up").body("text/plain", vec![b'x'; bytes]);
    // Buffers of the connection itself are made once.
    assert_eq!(client.ask(&up(2 << 20)).await.status, 200);
    assert_eq!(client.ask(&Request::fetch("GET", "/bytes/2000000")).await.body.len(), 2_000_000);
    let before = site.node.memory_kib();
    let answer = client.ask(&up(LARGE_BYTES)).await;
    assert_eq!(answer.text(), format!("POST /up {LARGE_BYTES}\n"));
    assert_eq!(client.ask(&Request::fetch("GET", &format!("/bytes/{LARGE_BYTES}"))).await.body.len(), LARGE_BYTES);
    let grown = site.node.memory_kib().saturating_sub(before);
    eprintln!("{grown} KiB more after {LARGE_BYTES} bytes up and down");
    assert!(grown < 2 << 10, "{grown} KiB");
}

on_every_protocol!(a_large_body_either_way_leaves_memory_as_it_was);
