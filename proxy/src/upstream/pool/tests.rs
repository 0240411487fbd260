#![allow(clippy::unwrap_used)]

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::upstream::origin::{Endpoint, Server as OriginServer};

const IDLE: Duration = Duration::from_secs(60);

/// A server, and a way to it.
struct Server {
    listener: TcpListener,
    id: u64,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let id = listener.local_addr().unwrap().port().into();
        Self { listener, id }
    }

    async fn connect(&self) -> (Link, TcpStream) {
        let endpoint = Endpoint::Tcp(self.listener.local_addr().unwrap());
        let link = Link::open(&OriginServer::alone(endpoint), IDLE).await.unwrap();
        (link, self.listener.accept().await.unwrap().0)
    }
}

/// Waits until what the server did has arrived.
async fn until_heard(link: &mut Link) {
    std::future::poll_fn(|cx| link.poll_readable(cx)).await.unwrap();
}

#[tokio::test]
async fn the_connection_used_last_is_used_first() {
    let (server, now, mut pool) = (Server::start().await, Instant::now(), Pool::default());
    let (first, end_of_first) = server.connect().await;
    let (second, mut end_of_second) = server.connect().await;
    pool.put(server.id, first, IDLE, now);
    pool.put(server.id, second, IDLE, now);
    let mut link = pool.take(server.id, now).unwrap();
    assert!(link.reused);
    end_of_second.write_all(b"x").await.unwrap();
    until_heard(&mut link).await;
    assert!(pool.take(server.id, now).unwrap().is_quiet());
    assert!(pool.take(server.id, now).is_none());
    drop(end_of_first);
}

#[tokio::test]
async fn a_connection_that_was_closed_or_that_spoke_unasked_is_not_used() {
    let (server, now, mut pool) = (Server::start().await, Instant::now(), Pool::default());
    let (mut closed, end_of_closed) = server.connect().await;
    let (mut talking, mut end_of_talking) = server.connect().await;
    drop(end_of_closed);
    end_of_talking.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    until_heard(&mut closed).await;
    until_heard(&mut talking).await;
    pool.put(server.id, closed, IDLE, now);
    pool.put(server.id, talking, IDLE, now);
    assert!(pool.take(server.id, now).is_none());
    assert_eq!(pool.count, 0);
}

#[tokio::test]
async fn what_is_too_old_is_neither_used_nor_kept() {
    let (server, now, mut pool) = (Server::start().await, Instant::now(), Pool::default());
    let (old, _end) = server.connect().await;
    let (new, _other_end) = server.connect().await;
    pool.put(server.id, old, IDLE, now);
    pool.put(server.id, new, IDLE * 2, now);
    pool.sweep(now + IDLE);
    assert_eq!(pool.count, 1);
    assert!(pool.take(server.id, now + IDLE * 2).is_none());
    pool.sweep(now);
    assert!(pool.idle.is_empty());
}

#[tokio::test]
async fn at_the_bound_the_oldest_is_closed() {
    let (one, other, now) = (Server::start().await, Server::start().await, Instant::now());
    let mut pool = Pool::default();
    let mut ends = Vec::new();
    for number in 0..=IDLE_MAX {
        let server = if number == 0 { &one } else { &other };
        let (link, end) = server.connect().await;
        pool.put(server.id, link, IDLE, now + Duration::from_secs(number as u64));
        ends.push(end);
    }
    assert_eq!(pool.count, IDLE_MAX);
    assert!(pool.take(one.id, now).is_none());
    assert!(pool.take(other.id, now).is_some());
}
