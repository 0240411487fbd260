//! Listeners: one thread accepts and hands each connection to the worker that has fewest.

pub(crate) mod connection;
mod idle;
pub(crate) mod pace;
pub(crate) mod socket;
pub(crate) mod tls;
mod worker;

use std::{
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};

use pingora_core::server::ShutdownWatch;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Builder,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

pub(crate) use self::idle::Idle;
use self::worker::{Client, Worker};
use crate::node::Node;

/// Connections the kernel keeps for us while we accept: a rush arrives faster than one loop accepts.
const BACKLOG: u32 = 4_096;
/// What the kernel keeps of an answer before it is sent. Without this it keeps megabytes for each client that reads nothing,
/// and thousands of such clients take its memory from all others. What is on its way is not bounded by it.
const UNSENT_BYTES_MAX: u32 = 128 << 10;
/// How long load balancers get to see that the node is leaving before listeners close.
const LEAVE_NOTICE_MAX: Duration = Duration::from_secs(5);

/// TLS handshakes that a worker has room for at least, however few connections a node may have.
const HANDSHAKES_MIN: usize = 64;

/// The proxy's listeners.
pub(crate) struct Server {
    node: Arc<Node>,
    listeners: Vec<(StdTcpListener, Scheme)>,
    settings: sluice_config::Server,
    tls: sluice_config::NodeTls,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// As it stands in front of a URL.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Server {
    /// Binds the listeners, so that a taken port is an error at start. Needs a tokio context.
    pub(crate) fn bind(
        node: Arc<Node>,
        settings: &sluice_config::Server,
        tls: &sluice_config::NodeTls,
    ) -> io::Result<Self> {
        let http = settings.http.iter().map(|&addr| (addr, Scheme::Http));
        let https = settings.https.iter().map(|&addr| (addr, Scheme::Https));
        let listeners = http.chain(https).map(|(addr, scheme)| Ok((listen(addr)?, scheme)));
        let listeners = listeners.collect::<io::Result<_>>()?;
        Ok(Self { node, listeners, settings: settings.clone(), tls: tls.clone() })
    }

    /// Where it listens; with port 0 in the config, the ports that were given.
    pub(crate) fn addresses(&self) -> io::Result<Vec<(Scheme, SocketAddr)>> {
        self.listeners.iter().map(|(listener, scheme)| Ok((*scheme, listener.local_addr()?))).collect()
    }

    /// Where visitors are led to who come over plain HTTP: the first listener.
    fn https_port(&self) -> io::Result<Option<u16>> {
        let mut https = self.listeners.iter().filter(|(_, scheme)| *scheme == Scheme::Https);
        https.next().map(|(listener, _)| Ok(listener.local_addr()?.port())).transpose()
    }

    /// Starts the threads. Connections are served from here on.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(crate) fn open(self) -> io::Result<Open> {
        let (closing, shutdown) = watch::channel(false);
        let threads = match self.settings.threads {
            Some(threads) => threads,
            None => available_parallelism()?.get(),
        };
        let shared = worker::Shared {
            node: self.node.clone(),
            trusted_proxies: self.settings.trusted_proxies.clone().into(),
            handshake_timeout: self.tls.handshake_timeout,
            // A quarter: whoever holds a connection already cannot be kept out by those who only shake hands.
            handshakes_max: (self.settings.connections_max / 4 / threads).max(HANDSHAKES_MIN),
            requests_max: self.settings.requests_max,
            https_port: self.https_port()?,
            shutdown: shutdown.clone(),
        };
        let workers = (0..threads).map(|index| Worker::start(index, shared.clone())).collect::<io::Result<Vec<_>>>()?;
        let door = Arc::new(Door {
            node: self.node.clone(),
            workers,
            places: Arc::new(Semaphore::new(self.settings.connections_max)),
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listeners = self.listeners;
        std::thread::Builder::new()
            .name("accept".into())
            .spawn(move || runtime.block_on(door.stand_open(listeners, shutdown)))?;
        Ok(Open { node: self.node, closing, drain_timeout: self.settings.drain_timeout })
    }
}

/// A server that serves.
pub(crate) struct Open {
    node: Arc<Node>,
    closing: watch::Sender<bool>,
    drain_timeout: Duration,
}

impl Open {
    /// Says so in `leaving`, stops accepting, and lets requests in flight finish for at most the drain timeout.
    pub(crate) async fn close(self, leaving: &AtomicBool) {
        leaving.store(true, Ordering::Relaxed);
        sleep(LEAVE_NOTICE_MAX.min(self.drain_timeout / 4)).await;
        // From here on every answer closes its connection. Idle ones end with the process: whoever uses one until
        // then is still served.
        let _ = self.closing.send(true);
        let in_flight = &self.node.metrics.requests_in_flight;
        let deadline = Instant::now() + self.drain_timeout;
        while in_flight.sum() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        let cut = in_flight.sum();
        if cut > 0 {
            tracing::warn!(requests = cut, "drain timeout; requests cut");
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<StdTcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr).map_err(|e| io::Error::new(e.kind(), format!("{addr}: {e}")))?;
    socket.listen(BACKLOG)?.into_std()
}

/// Where clients come in.
struct Door {
    node: Arc<Node>,
    workers: Vec<Worker>,
    places: Arc<Semaphore>,
}

impl Door {
    async fn stand_open(self: Arc<Self>, listeners: Vec<(StdTcpListener, Scheme)>, mut shutdown: ShutdownWatch) {
        let mut accepting = JoinSet::new();
        for (listener, scheme) in listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => drop(accepting.spawn(self.clone().accept(listener, scheme))),
                Err(error) => tracing::error!(%error, "listener not opened"),
            }
        }
        let _ = shutdown.wait_for(|&closing| closing).await;
        accepting.shutdown().await;
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, scheme: Scheme) {
        loop {
            let tcp = match listener.accept().await {
                Ok((tcp, _)) => tcp,
                Err(error) => {
                    // Out of descriptors, mostly. Existing connections go on and free some.
                    tracing::error!(%error, "connection not accepted");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = self.places.clone().try_acquire_owned() else {
                self.node.metrics.connections_refused.inc();
                continue;
            };
            let _ = tcp.set_nodelay(true);
            let _ = SockRef::from(&tcp).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
            // Without this the socket would stay with this thread's reactor.
            let (Ok(tcp), Some(worker)) = (tcp.into_std(), self.workers.iter().min_by_key(|worker| worker.load()))
            else {
                continue;
            };
            worker.take(Client { tcp, scheme, place });
        }
    }
}
