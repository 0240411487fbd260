//! Servers that die, hang, reset or answer garbage: each request has its stated answer in its stated time, the next
//! server takes over, and nothing is executed twice.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::site::{OPEN, Raw, Reply, Site};
use crate::support::{Client, Protocol, Request, Tenant, client::on_every_protocol, dice::Dice};

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

/// A server that executes what it reads whole, and dies in between whenever the dice say so: before it has read, before it
/// answers, in the middle of its answer, between two requests.
fn deadly(
    executed: &Arc<std::sync::Mutex<HashMap<String, usize>>>,
    seed: u64,
) -> impl Fn(&super::site::Heard) -> Reply + use<> {
    let (executed, rolls) = (executed.clone(), AtomicU64::new(seed));
    move |heard| {
        let id = heard.head.split(' ').nth(1).unwrap().to_owned();
        *executed.lock().unwrap().entry(id).or_default() += 1;
        let roll = Dice(rolls.fetch_add(1, Ordering::Relaxed)).roll();
        match roll {
            ..0.125 => Reply::close(""),
            ..0.25 => Reply::close("HTTP/1.1 200 OK\r\nContent-Le"),
            ..0.375 => Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"),
            // It says that it keeps the connection, and does not.
            ..0.5 => Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            _ => Reply::ok(),
        }
    }
}

async fn no_post_is_executed_twice_under_random_deaths(protocol: Protocol) {
    const CLIENTS: usize = 5;
    const POSTS: usize = 80;
    let executed = Arc::default();
    let (one, two) = (Raw::start(deadly(&executed, 1)).await, Raw::start(deadly(&executed, 1_000_000)).await);
    let closes = server(drop).await;
    let tenant = Tenant::shop(one.addr()).server(two.addr()).server(closes).origin("read_timeout = \"2s\"");
    let site = Arc::new(Site::with(protocol, tenant.queue("shop", OPEN)).await);
    let mut clients = JoinSet::new();
    for client_id in 0..CLIENTS {
        let mut client = site.client().await;
        let site = site.clone();
        clients.spawn(async move {
            let mut answered = 0;
            for nth in 0..POSTS {
                let request = Request::fetch("POST", &format!("/{client_id}-{nth}"));
                let request = if nth % 2 == 0 { request.body("text/plain", "pay") } else { request };
                match client.try_ask(&request).await {
                    Ok(answer) => answered += usize::from(answer.status == 200),
                    Err(_) => client = site.client().await,
                }
            }
            answered
        });
    }
    let mut answered = 0;
    while let Some(count) = clients.join_next().await {
        answered += count.unwrap();
    }
    let executed = executed.lock().unwrap();
    let twice: Vec<_> = executed.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(executed.len() > CLIENTS * POSTS / 4, "most got to a server: {}", executed.len());
    assert!(answered > CLIENTS * POSTS / 10, "and many were answered: {answered}");
}

on_every_protocol!(
    a_server_that_hangs_is_a_504_and_then_left_out,
    a_server_that_resets_is_a_502_and_then_left_out,
    a_server_that_answers_garbage_is_a_502_and_then_left_out,
    a_server_that_closes_in_the_middle_of_answers_is_left_out,
    a_server_that_dies_is_followed_by_the_next_at_once,
    no_post_is_executed_twice_under_random_deaths,
);
