//! Servers that die, hang, reset or answer garbage: each request has its stated answer in its stated time, and the next
//! server takes over.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use super::site::{OPEN, Raw, Reply, Site};
use crate::support::{Client, Protocol, Request, Setup, Tenant, client::on_every_protocol, until};

fn two(bad: SocketAddr, good: SocketAddr) -> Tenant {
    let lines = "balance = \"round_robin\"\nread_timeout = \"1s\"\nconnect_timeout = \"1s\"";
    Tenant::shop(bad).server(good).origin(lines).queue("shop", OPEN)
}

/// Accepts, and then does this with the connection.
async fn server(then: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            then(tcp);
        }
    });
    addr
}

/// Asks until the bad server has been met five times; then every request is answered by the good one.
async fn is_left_out(client: &mut Client, status: u16, within: Duration) {
    let mut failed = 0;
    while failed < 5 {
        let began = Instant::now();
        let answer = client.ask(&Request::fetch("GET", "/")).await;
        assert!(began.elapsed() < within, "{:?}", began.elapsed());
        if answer.status != 200 {
            assert_eq!(answer.status, status);
            failed += 1;
        }
    }
    for _ in 0..10 {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    }
}

async fn a_server_that_hangs_is_a_504_and_then_left_out(protocol: Protocol) {
    // As one that is stopped: the system accepts for it, and nothing reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = Raw::start(|_| Reply::ok()).await;
    let site = Site::with(protocol, two(listener.local_addr().unwrap(), good.addr())).await;
    is_left_out(&mut site.client().await, 504, Duration::from_secs(5)).await;
}

async fn a_server_that_resets_is_a_502_and_then_left_out(protocol: Protocol) {
    let bad = server(|tcp| {
        tokio::spawn(async move {
            let mut tcp = tcp;
            let _ = tcp.read(&mut [0; 16]).await;
            // What is left unread makes a reset of the end.
            drop(tcp);
        });
    });
    let (bad, good) = (bad.await, Raw::start(|_| Reply::ok()).await);
    let site = Site::with(protocol, two(bad, good.addr())).await;
    is_left_out(&mut site.client().await, 502, Duration::from_secs(5)).await;
}

async fn a_server_that_answers_garbage_is_a_502_and_then_left_out(protocol: Protocol) {
    let bad = Raw::start(|_| Reply::close("\x00\x01garbage\r\n\r\n")).await;
    let good = Raw::start(|_| Reply::ok()).await;
    let site = Site::with(protocol, two(bad.addr(), good.addr())).await;
    is_left_out(&mut site.client().await, 502, Duration::from_secs(5)).await;
}

async fn a_server_that_closes_in_the_middle_of_answers_is_left_out(protocol: Protocol) {
    let bad = Raw::start(|_| Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")).await;
    let good = Raw::start(|_| Reply::ok()).await;
    let site = Site::with(protocol, two(bad.addr(), good.addr())).await;
    let mut failed = 0;
    while failed < 5 {
        let got = site.client().await.try_ask(&Request::fetch("GET", "/")).await;
        failed += usize::from(!got.is_ok_and(|answer| answer.text() == "hello" && answer.status == 200));
    }
    let mut client = site.client().await;
    for _ in 0..10 {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.text(), "hello");
    }
    assert_eq!(bad.heard().len(), 5);
}

async fn a_server_that_dies_is_followed_by_the_next_at_once(protocol: Protocol) {
    let (first, second) = (Raw::start(|_| Reply::ok()).await, Raw::start(|_| Reply::ok()).await);
    let site = Site::with(protocol, two(first.addr(), second.addr())).await;
    let mut client = site.client().await;
    for _ in 0..4 {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    }
    drop(first);
    for _ in 0..20 {
        // Idempotent: whether the server had taken it or not, the next one may have it.
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    }
}

/// A real process, stopped as `kill -STOP` does: what it has accepted hangs, and the system goes on accepting for it.
#[tokio::test]
async fn a_process_that_is_stopped_is_a_504_until_it_goes_on() {
    const READ_TIMEOUT: Duration = Duration::from_secs(1);
    // Another node's admin listener will do: it speaks HTTP, and keeps connections.
    let stopped = Setup::new(Tenant::shop(([127, 0, 0, 1], 1).into()).queue("shop", OPEN)).start().await;
    let good = Raw::start(|_| Reply::ok()).await;
    let site = Site::with(Protocol::Http1, two(stopped.admin, good.addr())).await;
    let mut client = site.client().await;
    let health = Request::fetch("GET", "/health");
    let ask = async |client: &mut Client| {
        let (began, answer) = (Instant::now(), client.ask(&health).await);
        (answer.status, answer.text().to_owned(), began.elapsed())
    };
    let turns = [ask(&mut client).await.1, ask(&mut client).await.1];
    assert!(turns.contains(&"alive\n".to_owned()) && turns.contains(&"hello".to_owned()), "each in turn: {turns:?}");

    stopped.signal("STOP");
    let mut failed = 0;
    while failed < 5 {
        let (status, text, took) = ask(&mut client).await;
        if status == 200 {
            assert_eq!(text, "hello");
        } else {
            assert_eq!(status, 504);
            assert!(took >= READ_TIMEOUT && took < 4 * READ_TIMEOUT, "{took:?}");
            failed += 1;
        }
    }
    for _ in 0..20 {
        let (status, text, took) = ask(&mut client).await;
        assert_eq!((status, text.as_str()), (200, "hello"), "the next server has taken over");
        assert!(took < READ_TIMEOUT, "at once: {took:?}");
    }

    stopped.signal("CONT");
    until("it is asked again", async || (ask(&mut client).await.1 == "alive\n").then_some(())).await;
}

on_every_protocol!(
    a_server_that_hangs_is_a_504_and_then_left_out,
    a_server_that_resets_is_a_502_and_then_left_out,
    a_server_that_answers_garbage_is_a_502_and_then_left_out,
    a_server_that_closes_in_the_middle_of_answers_is_left_out,
    a_server_that_dies_is_followed_by_the_next_at_once,
);
