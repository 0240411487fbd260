//! What serves clients: one thread accepts and hands each connection to the worker that has fewest.

pub(crate) mod supervisor;
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
    net::TcpListener,
    runtime::Builder,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use self::worker::{Client, Worker};
use crate::{
    limits::{Prefixes, clients::ClientConnections},
    node::{Ends, Node},
    transport::{
        Scheme,
        listeners::{Listeners, Purpose},
    },
};

/// What the kernel keeps of an answer before it is sent. Without this it keeps megabytes for each client that reads nothing,
/// and thousands of such clients take its memory from all others. What is on its way is not bounded by it.
const UNSENT_BYTES_MAX: u32 = 128 << 10;
/// How long load balancers get to see that the node is leaving before listeners close.
const LEAVE_NOTICE_MAX: Duration = Duration::from_secs(5);
/// Within this the connections of HTTP/2 have heard that the node leaves, and are waited for.
const HEARD_WITHIN: Duration = Duration::from_millis(250);

/// How long a newcomer waits for the place of a connection that has been let go: longer than that takes to say why.
const ROOM_WITHIN: Duration = Duration::from_secs(2);

/// TLS handshakes that a worker has room for at least, however few connections a node may have.
const HANDSHAKES_MIN: usize = 64;

/// The proxy's listeners.
pub(crate) struct Server {
    node: Arc<Node>,
    listeners: Vec<(StdTcpListener, Speaks)>,
    settings: sluice_config::Server,
    tls: sluice_config::NodeTls,
    limits: sluice_config::NodeLimits,
}

/// What comes on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Speaks {
    scheme: Scheme,
    /// Behind a PROXY header.
    proxied: bool,
}

impl Server {
    /// # Errors
    /// If there is no descriptor left.
    pub(crate) fn new(node: Arc<Node>, config: &sluice_config::Config, all: &Listeners) -> io::Result<Self> {
        let sluice_config::Config { server: settings, tls, limits, .. } = config;
        let mut listeners = Vec::new();
        for (purpose, scheme) in [(Purpose::Http, Scheme::Http), (Purpose::Https, Scheme::Https)] {
            let configured = all.all().iter().filter(|one| one.purpose == purpose).map(|one| one.configured);
            for (listener, address) in all.of(purpose)?.into_iter().zip(configured) {
                let proxied = settings.proxy_protocol.contains(&address);
                listeners.push((listener, Speaks { scheme, proxied }));
            }
        }
        Ok(Self { node, listeners, settings: settings.clone(), tls: tls.clone(), limits: limits.clone() })
    }

    /// Where it listens; with port 0 in the config, the ports that were given.
    pub(crate) fn addresses(&self) -> io::Result<Vec<(Scheme, SocketAddr)>> {
        self.listeners.iter().map(|(listener, speaks)| Ok((speaks.scheme, listener.local_addr()?))).collect()
    }

    /// Where visitors are led to who come over plain HTTP: the first listener.
    fn https_port(&self) -> io::Result<Option<u16>> {
        let mut https = self.listeners.iter().filter(|(_, speaks)| speaks.scheme == Scheme::Https);
        https.next().map(|(listener, _)| Ok(listener.local_addr()?.port())).transpose()
    }

    /// Starts the threads. Connections are served once they are [let in](Open::let_in).
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(crate) fn open(self) -> io::Result<Open> {
        let (closing, shutdown) = watch::channel(false);
        let (opening, opened) = watch::channel(false);
        let (shut, is_shut) = oneshot::channel();
        let metrics = &self.node.metrics;
        metrics.connections_max.set(i64::try_from(self.settings.connections_max).unwrap_or(i64::MAX));
        metrics.requests_max.set(i64::try_from(self.settings.requests_max).unwrap_or(i64::MAX));
        let threads = match self.settings.threads {
            Some(threads) => threads,
            None => available_parallelism()?.get(),
        };
        let trusted_proxies: Arc<[ipnet::IpNet]> = self.settings.trusted_proxies.clone().into();
        let connections_max = self.settings.connections_max;
        // A quarter: clients that only shake hands cannot keep out those that hold a connection already.
        let handshakes_max = (connections_max / 4 / threads).max(HANDSHAKES_MIN);
        let shared = worker::Shared {
            node: self.node.clone(),
            clients: Arc::new(ClientConnections::new(&self.limits, connections_max, trusted_proxies.clone())),
            prefixes: Prefixes::of(&self.limits),
            traceparent: self.settings.traceparent,
            trusted_proxies,
            handshake_timeout: self.tls.handshake_timeout,
            handshakes_max,
            client_handshakes_max: handshakes_max * threads / 4,
            requests_max: self.settings.requests_max,
            https_port: self.https_port()?,
            shutdown: shutdown.clone(),
        };
        let workers = (0..threads).map(|index| Worker::start(index, shared.clone())).collect::<io::Result<Vec<_>>>()?;
        let door =
            Arc::new(Door { node: self.node.clone(), workers, places: Arc::new(Semaphore::new(connections_max)) });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listeners = self.listeners;
        let stands_open = door.clone();
        std::thread::Builder::new().name("accept".into()).spawn(move || {
            runtime.block_on(stands_open.stand_open(listeners, opened, shutdown));
            drop(shut);
        })?;
        Ok(Open { door, node: self.node, opening, closing, is_shut, drain_timeout: self.settings.drain_timeout })
    }
}

/// A server that serves.
pub(crate) struct Open {
    door: Arc<Door>,
    node: Arc<Node>,
    opening: watch::Sender<bool>,
    closing: watch::Sender<bool>,
    /// Ends when no listener accepts any more.
    is_shut: oneshot::Receiver<()>,
    drain_timeout: Duration,
}

impl Open {
    /// Clients are served from here on.
    pub(crate) fn let_in(&self) {
        let _ = self.opening.send(true);
    }

    /// Tells the service manager that the node is alive for as long as every worker answers, as often as it wants to hear,
    /// until another process does.
    pub(crate) fn vouches(&self, mut followed: Ends) -> impl Future<Output = ()> + use<> {
        let door = self.door.clone();
        async move {
            let Some(every) = supervisor::wants_to_hear_every() else { return };
            loop {
                let answers = async {
                    for worker in &door.workers {
                        worker.answers().await;
                    }
                };
                match timeout(every, answers).await {
                    Ok(()) => supervisor::alive().await,
                    Err(_) => {
                        tracing::error!("a worker does not answer; the service manager is not told that all is well")
                    }
                }
                if timeout(every, followed.wait()).await.is_ok() {
                    return;
                }
            }
        }
    }

    /// Says so in `leaving`, stops accepting, and lets requests in flight finish for at most the drain timeout.
    pub(crate) async fn close(self, leaving: &AtomicBool) {
        leaving.store(true, Ordering::Relaxed);
        sleep(LEAVE_NOTICE_MAX.min(self.drain_timeout / 4)).await;
        // From here on every answer closes its connection. Idle ones of HTTP/1 end with the process: whoever uses one until
        // then is still served.
        let _ = self.closing.send(true);
        let metrics = &self.node.metrics;
        let under_way = || metrics.requests_in_flight.sum() + metrics.http2_leaving.sum();
        let (deadline, heard) = (Instant::now() + self.drain_timeout, Instant::now() + HEARD_WITHIN);
        while (under_way() > 0 || Instant::now() < heard) && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        if under_way() > 0 {
            let (requests, leaving) = (metrics.requests_in_flight.sum(), metrics.http2_leaving.sum());
            tracing::warn!(requests, leaving, "drain timeout; requests and connections cut");
        }
    }

    /// Leaves the listeners to another process that has them too, and serves the clients who are here until each has had the
    /// answer to its next request, for at most the drain timeout. A connection that idles is not closed before: its client
    /// may be about to ask, and would lose the request.
    pub(crate) async fn leave_to_another(self) {
        let _ = self.closing.send(true);
        let _ = self.is_shut.await;
        let deadline = Instant::now() + self.drain_timeout;
        let here = || self.door.workers.iter().map(Worker::load).sum::<usize>();
        while here() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        let (connections, requests) = (here(), self.node.metrics.requests_in_flight.sum());
        if connections > 0 {
            tracing::warn!(connections, requests, "drain timeout; connections cut");
        }
    }
}

/// Where clients come in.
struct Door {
    node: Arc<Node>,
    workers: Vec<Worker>,
    places: Arc<Semaphore>,
}

impl Door {
    async fn stand_open(
        self: Arc<Self>,
        listeners: Vec<(StdTcpListener, Speaks)>,
        mut opened: watch::Receiver<bool>,
        shutdown: ShutdownWatch,
    ) {
        // Until then clients wait in the kernel, or are another process's.
        if opened.wait_for(|&open| open).await.is_err() {
            return;
        }
        let mut accepting = JoinSet::new();
        for (listener, speaks) in listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => drop(accepting.spawn(self.clone().accept(listener, speaks, shutdown.clone()))),
                Err(error) => tracing::error!(%error, "listener not opened"),
            }
        }
        while accepting.join_next().await.is_some() {}
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, speaks: Speaks, mut shutdown: ShutdownWatch) {
        loop {
            // Broken off here or not at all: a client that has been accepted is served.
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = shutdown.wait_for(|&closing| closing) => return,
            };
            let tcp = match accepted {
                Ok((tcp, _)) => tcp,
                Err(error) => {
                    // Out of descriptors, mostly. Existing connections go on and free some.
                    tracing::error!(%error, "connection not accepted");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Some(place) = self.place().await else {
                self.node.metrics.connections_refused.inc();
                self.node.metrics.limit("", "connections_max");
                continue;
            };
            let _ = tcp.set_nodelay(true);
            let _ = SockRef::from(&tcp).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
            // Without this the socket would stay with this thread's reactor.
            let (Ok(tcp), Some(worker)) = (tcp.into_std(), self.workers.iter().min_by_key(|worker| worker.load()))
            else {
                continue;
            };
            worker.take(Client { tcp, speaks, place });
        }
    }

    /// A place for a newcomer. When all are taken, the idlest connection of the worker that has most is let go.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Some(place);
        }
        let worker = self.workers.iter().max_by_key(|worker| worker.load())?;
        if !worker.lets_one_go().await {
            return None;
        }
        self.node.metrics.limit("", "connection_idlest");
        timeout(ROOM_WITHIN, self.places.clone().acquire_owned()).await.ok()?.ok()
    }
}
