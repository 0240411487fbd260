//! Servers that die at random while visitors pay: whatever becomes of a POST, it is executed once at most.
//!
//! `SLUICE_POSTS` says how many POSTs there are for each protocol.

use std::{
    collections::HashMap,
    env,
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use super::super::site::{Heard, OPEN, Raw, Reply, Site};
use crate::{
    servers::Reserved,
    support::{Protocol, Request, Tenant, client::on_every_protocol, dice::Dice},
};

const POSTS: usize = 400;
const CLIENTS: usize = 8;
/// After this many executions one of the servers is killed and started again.
const LIFE: usize = 50;

/// What all servers have executed.
#[derive(Default)]
struct Ledger {
    /// How often, by request line.
    times: Mutex<HashMap<String, usize>>,
    executed: watch::Sender<usize>,
}

impl Ledger {
    /// `what` is a method and a path.
    fn execute(&self, what: &str) {
        let line = what.to_owned();
        *self.times.lock().unwrap_or_else(PoisonError::into_inner).entry(line).or_default() += 1;
        self.executed.send_modify(|executed| *executed += 1);
    }

    /// How many requests of this method were executed, and which of them more than once.
    fn of(&self, method: &str) -> (usize, Vec<String>) {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let of_method = || times.iter().filter(|(line, _)| line.starts_with(method));
        (of_method().count(), of_method().filter(|(_, times)| **times > 1).map(|(line, _)| line.clone()).collect())
    }
}

/// What a server does with each request: it executes what it has read whole, and then dies if the dice say so.
#[derive(Clone)]
struct Deadly {
    ledger: Arc<Ledger>,
    rolls: Arc<AtomicU64>,
}

impl Deadly {
    fn new(ledger: &Arc<Ledger>, seed: u64) -> Self {
        Self { ledger: ledger.clone(), rolls: Arc::new(AtomicU64::new(seed)) }
    }

    fn roll(&self) -> f64 {
        Dice(self.rolls.fetch_add(1, Ordering::Relaxed)).roll()
    }

    fn reply(&self, heard: &Heard) -> Reply {
        self.ledger.execute(heard.head.rsplit_once(" HTTP/1.1").unwrap().0);
        match self.roll() {
            ..0.08 => Reply::close(""),
            ..0.16 => Reply::close("HTTP/1.1 200 OK\r\nContent-Le"),
            ..0.24 => Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"),
            // It says that it keeps the connection, and does not.
            ..0.39 => Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            ..0.395 => Reply::Hang(Vec::new()),
            ..0.4 => Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel".to_vec()),
            _ => Reply::ok(),
        }
    }
}

/// A server of HTTP/2 that does the same, and more: it resets a stream before or behind its execution, leaves while others
/// are under way, and closes with all of them.
async fn of_http2(deadly: Deadly) -> (AbortHandle, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            connections.spawn(serve_http2(tcp, deadly.clone()));
            while connections.try_join_next().is_some() {}
        }
    });
    (serving.abort_handle(), addr)
}

async fn serve_http2(tcp: TcpStream, deadly: Deadly) {
    let Ok(mut http2) = h2::server::handshake(tcp).await else { return };
    let mut answering = JoinSet::new();
    while let Some(Ok((request, mut answer))) = http2.accept().await {
        match deadly.roll() {
            ..0.03 => answer.send_reset(Reason::REFUSED_STREAM),
            ..0.06 => http2.graceful_shutdown(),
            // Without a word to those that are under way.
            ..0.08 => return,
            ..0.1 => http2.abrupt_shutdown(Reason::NO_ERROR),
            _ => drop(answering.spawn(answer_http2(request, answer, deadly.clone()))),
        }
    }
    while answering.join_next().await.is_some() {}
}

async fn answer_http2(request: http::Request<RecvStream>, mut answer: SendResponse<Bytes>, deadly: Deadly) {
    let (head, mut body) = request.into_parts();
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else { return };
        let _ = body.flow_control().release_capacity(piece.len());
    }
    deadly.ledger.execute(&format!("{} {}", head.method, head.uri.path()));
    let ok = || http::Response::new(());
    match deadly.roll() {
        ..0.1 => answer.send_reset(Reason::INTERNAL_ERROR),
        ..0.2 => {
            if let Ok(mut out) = answer.send_response(ok(), false) {
                let _ = out.send_data(Bytes::from_static(b"hel"), false);
                out.send_reset(Reason::INTERNAL_ERROR);
            }
        }
        ..0.205 => {
            poll_fn(|cx| answer.poll_reset(cx).map(drop)).await;
        }
        _ => {
            if let Ok(mut out) = answer.send_response(ok(), false) {
                let _ = out.send_data(Bytes::from_static(b"hello"), true);
            }
        }
    }
}

/// A server each of whose closed connections ends in a reset.
async fn resetting(deadly: Deadly) -> (Raw, SocketAddr) {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let addr = listener.local_addr().unwrap();
    let accept = move || {
        let listener = listener.clone();
        async move {
            let (tcp, _) = listener.accept().await.ok()?;
            SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).ok()?;
            Some(tcp)
        }
    };
    (Raw::accepting(accept, move |heard| deadly.reply(heard)), addr)
}

/// A server that is killed with all its connections after every [`LIFE`] executions, and started again.
async fn mortal(deadly: Deadly) -> (AbortHandle, SocketAddr) {
    let port = Reserved::new();
    let addr = port.addr();
    let mut executed = deadly.ledger.executed.subscribe();
    let start = move || {
        let deadly = deadly.clone();
        Raw::start_at(addr, move |heard| deadly.reply(heard))
    };
    let mut server = start().await;
    let lives = tokio::spawn(async move {
        let _port = port;
        loop {
            let so_far = *executed.borrow_and_update();
            // The other end lives in the server.
            let _ = executed.wait_for(|&executed| executed >= so_far + LIFE).await;
            server.stop().await;
            server = start().await;
        }
    });
    (lives.abort_handle(), addr)
}

async fn no_post_is_executed_twice_under_random_deaths(protocol: Protocol) {
    let ledger = Arc::new(Ledger::default());
    let dying = Deadly::new(&ledger, 1);
    let closing = Raw::start(move |heard| dying.reply(heard)).await;
    let (_resets, resetting) = resetting(Deadly::new(&ledger, 1_000_000)).await;
    let (lives, mortal) = mortal(Deadly::new(&ledger, 2_000_000)).await;
    let tenant = Tenant::shop(closing.addr()).server(resetting).server(mortal);
    none_is_executed_twice(protocol, tenant, "", &ledger).await;
    lives.abort();
}

async fn no_post_is_executed_twice_under_random_deaths_of_http2(protocol: Protocol) {
    let ledger = Arc::new(Ledger::default());
    let (one, first) = of_http2(Deadly::new(&ledger, 1)).await;
    let (two, second) = of_http2(Deadly::new(&ledger, 1_000_000)).await;
    none_is_executed_twice(protocol, Tenant::shop(first).server(second), "http2 = true", &ledger).await;
    one.abort();
    two.abort();
}

async fn none_is_executed_twice(protocol: Protocol, tenant: Tenant, more: &str, ledger: &Ledger) {
    let posts = env::var("SLUICE_POSTS").map_or(POSTS, |posts| posts.parse().unwrap());
    let lines = format!("read_timeout = \"1s\"\nbalance = \"round_robin\"\n{more}");
    let site = Arc::new(Site::with(protocol, tenant.origin(&lines).queue("shop", OPEN)).await);

    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (site, next) = (site.clone(), next.clone());
        clients.spawn(async move {
            let mut client = site.client().await;
            let mut answered = 0;
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= posts {
                    return answered;
                }
                let post = Request::fetch("POST", &format!("/{nth}"));
                let post = if nth % 2 == 0 { post.body("text/plain", "pay") } else { post };
                // What may be repeated goes between: the same connections carry both.
                let get = (nth % 4 == 0).then(|| Request::fetch("GET", &format!("/{nth}")));
                for request in [Some(post), get].into_iter().flatten() {
                    match client.try_ask(&request).await {
                        Ok(answer) => answered += usize::from(answer.status == 200 && request.method() == "POST"),
                        Err(_) => client = site.client().await,
                    }
                }
            }
        });
    }
    let mut answered = 0;
    while let Some(count) = clients.join_next().await {
        answered += count.unwrap();
    }
    let ((executed, twice), (gets, gets_twice)) = (ledger.of("POST"), ledger.of("GET"));
    let metrics = site.node.metrics().await;
    let again = metrics.sum("origin_second_attempts_total", &[]);
    let ejections = metrics.sum("origin_server_ejections_total", &[]);
    eprintln!(
        "{posts} POSTs: {executed} executed, {} twice, {answered} answered with 200; {gets} GETs executed, {} twice; \
         {again} second attempts, {ejections} ejections",
        twice.len(),
        gets_twice.len()
    );
    assert!(twice.is_empty(), "{twice:?}");
    assert!(executed > posts / 2, "most got to a server: {executed}");
    assert!(answered > posts / 5, "and many were answered: {answered}");
}

on_every_protocol!(
    no_post_is_executed_twice_under_random_deaths,
    no_post_is_executed_twice_under_random_deaths_of_http2,
);
