//! Upgrades under load: each request is answered, and the line goes on as if there were one process.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    servers::Server,
    support::{
        Connection, HOST, Http2, Protocol, Request, Response, Scene, Setup, Status, TlsClient, browser::Browser, fleet,
        node::ended, until,
    },
};

/// Waits in line behind `/queue`.
const CROWD: usize = 24;

/// Where a client is served, and what it speaks.
#[derive(Clone)]
struct Way {
    protocol: Protocol,
    at: SocketAddr,
    tls: TlsClient,
}

enum Kept {
    Http1(Connection),
    Http2(Http2),
}

/// A client that goes to another connection when it is told to, as browsers do, and no other time.
struct Client {
    way: Way,
    kept: Option<Kept>,
}

impl Way {
    fn all(scene: &Scene) -> [Self; 3] {
        Protocol::ALL.map(|protocol| Self {
            protocol,
            at: if protocol == Protocol::Http1 { scene.node.http } else { scene.node.https() },
            tls: scene.tls().speaks(protocol.alpn()),
        })
    }

    async fn connect(&self) -> Kept {
        match self.protocol {
            Protocol::Http1 => Kept::Http1(Connection::open(self.at).await),
            Protocol::Http1Tls => Kept::Http1(Connection::over(self.tls.connect(self.at, HOST).await.unwrap())),
            Protocol::Http2 => Kept::Http2(Http2::over(self.tls.connect(self.at, HOST).await.unwrap()).await),
        }
    }
}

impl Client {
    async fn ask(&mut self, request: &Request) -> Response {
        loop {
            let kept = match self.kept.take() {
                Some(kept) => kept,
                None => self.way.connect().await,
            };
            match kept {
                Kept::Http1(mut connection) => {
                    let answer = connection.ask(request).await;
                    self.kept = (!answer.closes()).then_some(Kept::Http1(connection));
                    return answer;
                }
                Kept::Http2(connection) => {
                    if let Some(answer) = connection.ask_unless_leaving(request).await {
                        self.kept = Some(Kept::Http2(connection));
                        return answer;
                    }
                }
            }
        }
    }
}

/// Asks again and again for what has no queue, on one connection or each time on another.
async fn load(way: Way, keeps: bool, ends: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    let mut client = Client { way, kept: None };
    while !ends.load(Ordering::Relaxed) {
        let answer = client.ask(&Request::navigation("/free")).await;
        assert!(answer.is_from_origin(), "{answer:?}");
        answered.fetch_add(1, Ordering::Relaxed);
        if !keeps {
            client.kept = None;
        }
    }
}

/// Waits for its turn as the page does, and goes in. Gives its number.
async fn waits(way: Way, browser: Browser, number: u64, highest_called: Arc<AtomicU64>) -> u64 {
    let mut client = Client { way, kept: None };
    let mut ahead = u64::MAX;
    loop {
        let before = highest_called.load(Ordering::SeqCst);
        let answer = client.ask(&browser.poll()).await;
        browser.take_in(&answer);
        let status = Status::of(&answer).unwrap_or_else(|| panic!("no status document: {answer:?}"));
        assert_eq!(status.number, Some(number), "a number is kept");
        if status.may_enter() {
            highest_called.fetch_max(number, Ordering::SeqCst);
            break;
        }
        assert!(number > before, "{number} is overtaken by {before}: {status:?}");
        assert_eq!(status.state, "waiting", "the line stands still: {status:?}");
        assert!(status.ahead.unwrap() <= ahead, "the place went back: {status:?}, before {ahead}");
        ahead = status.ahead.unwrap();
        sleep_until(Instant::now() + Duration::from_secs(status.poll_after_seconds.into())).await;
    }
    let page = client.ask(&browser.navigation("/queue")).await;
    browser.take_in(&page);
    assert!(page.is_from_origin(), "called, and not let in: {page:?}");
    browser.number().unwrap()
}

async fn websocket(scene: &Scene) -> Connection {
    let mut connection = scene.node.connect().await;
    let request = Request::new("GET", "/socket").host(HOST);
    let request = request.header("Connection", "Upgrade").header("Upgrade", "websocket");
    let answer = connection.ask(&request.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    connection
}

async fn carries_bytes(websocket: &mut Connection) {
    websocket.send(b"\x81\x05hello").await;
    assert_eq!(websocket.exactly(7).await, b"\x81\x05hello");
}

async fn nothing_is_lost(prepare: impl FnOnce(Setup) -> Setup, on_store_loss: &str) {
    // One walks in, and two a second follow.
    let queue = format!("paths = [\"/queue\"]\nrelease_per_minute = 120\nburst = 1\n{on_store_loss}");
    let prepare = |setup: Setup| prepare(setup.server("drain_timeout = \"20s\""));
    let mut scene = Scene::speaking(Protocol::Http2, |shop| shop.queue("shop", &queue), prepare).await;
    let ways = Way::all(&scene);
    scene.visitor("first").await.ask(Request::navigation("/queue")).await;

    let (ends, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut loads = JoinSet::new();
    for way in &ways {
        for keeps in [true, false] {
            loads.spawn(load(way.clone(), keeps, ends.clone(), answered.clone()));
        }
    }
    let mut crowd = JoinSet::new();
    let highest_called = Arc::new(AtomicU64::new(0));
    let mut numbers = Vec::new();
    for (nth, way) in ways.iter().cycle().take(CROWD).enumerate() {
        let browser = Browser::new(&nth.to_string());
        let mut client = Client { way: way.clone(), kept: None };
        browser.take_in(&client.ask(&browser.navigation("/queue")).await);
        browser.take_in(&client.ask(&browser.poll()).await);
        let number = browser.number().unwrap();
        numbers.push(number);
        crowd.spawn(waits(way.clone(), browser, number, highest_called.clone()));
    }
    assert!(numbers.is_sorted(), "{numbers:?}");
    let mut sockets = vec![websocket(&scene).await];
    let mut older = Vec::new();
    // A good one, one that cannot start, and another good one at once.
    older.push(scene.node.upgrade().await.unwrap());
    sockets.push(websocket(&scene).await);
    let good = scene.node.folder.read("sluice.toml");
    scene.node.folder.write("sluice.toml", "no config\n");
    let why = scene.node.upgrade_refused().await;
    assert!(why.contains("sluice.toml:1"), "{why}");
    scene.node.folder.write("sluice.toml", &good);
    assert!(scene.node.upgrade().await.is_none());
    sockets.push(websocket(&scene).await);
    for socket in &mut sockets {
        carries_bytes(socket).await;
    }
    let so_far = answered.load(Ordering::Relaxed);
    until("the load goes on", async || (answered.load(Ordering::Relaxed) > so_far + 500).then_some(())).await;
    let mut entered = crowd.join_all().await;
    entered.sort_unstable();
    assert_eq!(entered, numbers, "each has the number that it had before");
    ends.store(true, Ordering::Relaxed);
    loads.join_all().await;
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), *numbers.last().unwrap() as f64);
    drop(sockets);
    for process in older {
        assert_eq!(ended(process).await.code(), Some(0));
    }
    until("one process is left", async || (scene.node.processes() == [scene.node.pid()]).then_some(())).await;
    assert!(!scene.node.log().contains("connections cut"), "{}", scene.node.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_with_the_line_in_the_process() {
    nothing_is_lost(|setup| setup, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_with_the_line_in_redis() {
    let redis = Server::start();
    nothing_is_lost(|setup| setup.store(&fleet::one(&redis)), "on_store_loss = \"hold\"").await;
}
