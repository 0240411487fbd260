//! Clients that ask for much and read nothing: what is kept for one of them has a bound, and an end.
//!
//! What is measured is the node's own memory. What the system keeps for a connection comes on top: some megabytes for
//! each, which it sheds by itself when memory runs short.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use crate::{
    forwarding::site::{OPEN, Site},
    support::{
        Connection, HOST, Node, Protocol, Request, SOON, Setup, Tenant,
        frames::{Frame, Frames, PREFACE, SETTINGS, WINDOW_UPDATE, get, setting},
        until_within,
    },
};

const CLIENTS: usize = 200;
/// What each of them asks for: more than the system and the node keep for a connection.
const ANSWER_BYTES: usize = 8 << 20;
/// What the origin hands over at once.
const PIECE_BYTES: usize = 64 << 10;
/// An origin of which nothing is taken for so long has been given all that will be.
const AT_REST: Duration = Duration::from_secs(2);

/// An origin that sends as much as is taken. It stops when it is dropped.
struct Origin {
    addr: SocketAddr,
    /// Bytes of all answers so far.
    taken: watch::Receiver<usize>,
    serving: AbortHandle,
}

impl Origin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, taken) = watch::channel(0);
        let serving = tokio::spawn(async move {
            let mut answers = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                answers.spawn(answer(tcp, sender.clone()));
                while answers.try_join_next().is_some() {}
            }
        });
        Self { addr, taken, serving: serving.abort_handle() }
    }

    /// Waits until all answers have stopped.
    async fn until_at_rest(&mut self) {
        let mut since = Instant::now();
        until_within(SOON * 3, "nothing more is taken of the answers", async || {
            if self.taken.has_changed().unwrap() {
                self.taken.mark_unchanged();
                since = Instant::now();
            }
            (since.elapsed() > AT_REST).then_some(())
        })
        .await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request, one answer; ends when the other end does.
async fn answer(mut tcp: TcpStream, taken: watch::Sender<usize>) -> Option<()> {
    let (mut head, piece) = (Vec::new(), vec![b'x'; PIECE_BYTES]);
    while !head.ends_with(b"\r\n\r\n") {
        tcp.read_buf(&mut head).await.ok().filter(|&read| read > 0)?;
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER_BYTES}\r\n\r\n");
    tcp.write_all(head.as_bytes()).await.ok()?;
    for _ in 0..ANSWER_BYTES / PIECE_BYTES {
        tcp.write_all(&piece).await.ok()?;
        taken.send_modify(|taken| *taken += PIECE_BYTES);
    }
    Some(())
}

/// Clients who have all got a part of their answers, and read none of it; and how much larger each has made the node,
/// in KiB.
async fn all_stand_still() -> (Node, Origin, Vec<Connection>, u64) {
    let mut origin = Origin::start().await;
    let shop = Tenant::shop(origin.addr).queue("sale", "release_per_minute = 60\npaths = [\"/sale\"]");
    let node = Setup::new(shop).start().await;
    let before = node.memory_kib();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = node.connect().await;
        client.send(Request::new("GET", "/film").host(HOST).bytes()).await;
        clients.push(client);
    }
    node.until_metrics("all are under way", |m| m.sum("requests_in_flight", &[]) == CLIENTS as f64).await;
    origin.until_at_rest().await;
    let each = node.memory_kib().saturating_sub(before) / CLIENTS as u64;
    eprintln!("{each} KiB for each of {CLIENTS} clients who read nothing");
    (node, origin, clients, each)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_who_reads_nothing_costs_forty_kib() {
    let (node, _origin, clients, each) = all_stand_still().await;
    assert!(each <= 40, "{each} KiB for each client");
    drop(clients);
    node.until_metrics("all are gone", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_stands_still_costs_forty_kib() {
    const CONNECTIONS: usize = 40;
    /// As many as each may have at origins.
    const STREAMS: usize = 6;
    let mut origin = Origin::start().await;
    let site = Site::of(Protocol::Http2, origin.addr, OPEN).await;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let (requests, connection) = h2::client::handshake(site.stream().await).await.unwrap();
        // It reads what the windows let through, and widens none.
        tokio::spawn(async move { drop(connection.await) });
        open.push(requests.ready().await.unwrap());
    }
    let before = site.node.memory_kib();
    let mut answers = Vec::new();
    for requests in &mut open {
        for _ in 0..STREAMS {
            let request = http::Request::get(format!("https://{HOST}/film")).body(()).unwrap();
            let (answer, _) = requests.send_request(request, true).unwrap();
            answers.push(answer.await.unwrap());
        }
    }
    origin.until_at_rest().await;
    let each = site.node.memory_kib().saturating_sub(before) / answers.len() as u64;
    eprintln!("{each} KiB for each of {} streams that stand still", answers.len());
    assert!(each <= 40, "{each} KiB for each stream");
}

/// Clients of HTTP/2 that open all windows wide, and read nothing at all; and how much larger each has made the node, its
/// connection included, in KiB.
async fn all_stand_still_with_wide_windows() -> (Site, Origin, Vec<Frames>, u64) {
    const WINDOW_MAX: u32 = (1 << 31) - 1;
    let mut origin = Origin::start().await;
    let site = Site::of(Protocol::Http2, origin.addr, OPEN).await;
    // What is made once.
    assert_eq!(site.client().await.ask(&Request::navigation("/film")).await.body.len(), ANSWER_BYTES);
    let before = site.node.memory_kib();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Frames::silent(site.stream().await);
        let settings = Frame::new(SETTINGS, 0, 0, [setting(1, 0), setting(4, WINDOW_MAX)].concat());
        let update = Frame::new(WINDOW_UPDATE, 0, 0, (WINDOW_MAX - 65_535).to_be_bytes());
        client.send_bytes(&[PREFACE, &settings.bytes(), &update.bytes()].concat()).await;
        clients.push(client);
    }
    let idle = site.node.memory_kib().saturating_sub(before) / CLIENTS as u64;
    for client in &mut clients {
        client.send(&[get(1, "/film")]).await;
    }
    site.node.until_metrics("all are under way", |m| m.sum("requests_in_flight", &[]) == CLIENTS as f64).await;
    origin.until_at_rest().await;
    let each = site.node.memory_kib().saturating_sub(before) / CLIENTS as u64;
    eprintln!("{each} KiB for each of {CLIENTS} clients with wide windows who read nothing, {idle} before they ask");
    (site, origin, clients, each)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_wide_windows_who_reads_nothing_costs_little_and_is_cut_within_a_minute() {
    let since = Instant::now();
    let (site, _origin, _clients, each) = all_stand_still_with_wide_windows().await;
    until_within(Duration::from_secs(60).saturating_sub(since.elapsed()), "all are cut", async || {
        (site.node.metrics().await.sum("connections", &[]) == 0.0).then_some(())
    })
    .await;
    eprintln!("all were cut after {:?}", since.elapsed());
    // Half of it is the connection itself. The futures of a build that is not optimised are larger.
    assert!(each <= 40, "{each} KiB for each client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_who_reads_nothing_is_cut_within_a_minute() {
    let (node, _origin, _clients, _) = all_stand_still().await;
    until_within(Duration::from_secs(60), "all are cut", async || {
        (node.metrics().await.sum("requests_in_flight", &[]) == 0.0).then_some(())
    })
    .await;
}
