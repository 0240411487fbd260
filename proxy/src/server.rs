//! Listeners and connections: our own accept loop around pingora's request handling.
//!
//! It bounds connections, hands each one to pingora request by request, and on the way out lets those in
//! flight finish.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pingora_core::{
    apps::{HttpPersistentSettings, HttpServerApp as _},
    protocols::{Stream, http::ServerSession},
    server::{ShutdownWatch, configuration::ServerConf},
};
use pingora_proxy::HttpProxy;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{downstream::Downstream, metrics::Metrics, node::Node, service::Service};

/// Connections the kernel keeps for us while we accept: a rush arrives faster than one loop accepts.
const BACKLOG: u32 = 4_096;
/// Requests on one connection; then it is closed, so that a rebalanced fleet gets its share.
const REQUESTS_PER_CONNECTION_MAX: u32 = 10_000;
/// The first request of a connection must begin within this.
const FIRST_REQUEST: Duration = Duration::from_secs(20);
/// An idle connection is closed after this. Longer than the longest pause between two polls.
const KEEPALIVE: Duration = Duration::from_secs(75);
/// How long load balancers get to see that the node is leaving before listeners close.
const LEAVE_NOTICE_MAX: Duration = Duration::from_secs(5);

/// The proxy's listeners.
pub(crate) struct Server {
    node: Arc<Node>,
    proxy: Arc<HttpProxy<Service>>,
    listeners: Vec<TcpListener>,
    places: Arc<Semaphore>,
    drain_timeout: Duration,
}

impl Server {
    /// Binds the listeners, so that a taken port is an error at start.
    pub(crate) fn bind(node: Arc<Node>, settings: &sluice_config::Server) -> io::Result<Self> {
        let listeners = settings.http.iter().map(|&addr| listen(addr)).collect::<io::Result<_>>()?;
        let conf = ServerConf { max_retries: 16, upstream_keepalive_pool_size: 1_024, ..ServerConf::default() };
        let service = Service { node: node.clone(), trusted_proxies: settings.trusted_proxies.clone().into() };
        let mut proxy = HttpProxy::new(service, Arc::new(conf));
        proxy.handle_init_modules();
        let places = Arc::new(Semaphore::new(settings.connections_max));
        Ok(Self { node, proxy: Arc::new(proxy), listeners, places, drain_timeout: settings.drain_timeout })
    }

    /// Where it listens; with port 0 in the config, the ports that were given.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Serves until `stop` resolves; then says so in `leaving`, stops accepting, and lets requests in flight
    /// finish for at most the drain timeout.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>, leaving: Arc<AtomicBool>) {
        let (closing, shutdown) = watch::channel(false);
        let mut accepting = JoinSet::new();
        let metrics_of = self.node.clone();
        for listener in self.listeners {
            let door = Door {
                node: self.node.clone(),
                proxy: self.proxy.clone(),
                places: self.places.clone(),
                shutdown: shutdown.clone(),
            };
            accepting.spawn(door.accept(listener));
        }
        stop.await;
        leaving.store(true, Ordering::Relaxed);
        sleep(LEAVE_NOTICE_MAX.min(self.drain_timeout / 4)).await;
        // From here on every answer closes its connection, and idle connections end.
        let _ = closing.send(true);
        accepting.shutdown().await;
        self.proxy.http_cleanup().await;
        let deadline = Instant::now() + self.drain_timeout;
        let metrics: &Metrics = &metrics_of.metrics;
        while metrics.requests_in_flight.get() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        let cut = metrics.requests_in_flight.get();
        if cut > 0 {
            tracing::warn!(requests = cut, "requests were cut at the end of the drain timeout");
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr).map_err(|e| io::Error::new(e.kind(), format!("{addr}: {e}")))?;
    socket.listen(BACKLOG)
}

/// What a connection needs.
#[derive(Clone)]
struct Door {
    node: Arc<Node>,
    proxy: Arc<HttpProxy<Service>>,
    places: Arc<Semaphore>,
    shutdown: ShutdownWatch,
}

impl Door {
    async fn accept(self, listener: TcpListener) {
        loop {
            let tcp = match listener.accept().await {
                Ok((tcp, _)) => tcp,
                Err(error) => {
                    // Out of descriptors, mostly. Existing connections go on and free some.
                    tracing::error!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = self.places.clone().try_acquire_owned() else {
                self.node.metrics.connections_refused.inc();
                continue;
            };
            let _ = tcp.set_nodelay(true);
            tokio::spawn(self.clone().serve(tcp, place));
        }
    }

    async fn serve(self, tcp: TcpStream, place: OwnedSemaphorePermit) {
        let metrics = &self.node.metrics;
        metrics.connections.inc();
        self.requests(Box::new(Downstream::new(tcp, metrics.connections_cut.clone()))).await;
        metrics.connections.dec();
        drop(place);
    }

    /// Request after request. Between two of them nothing is held but the socket: visitors in a waiting room are
    /// connections that idle.
    async fn requests(&self, mut stream: Stream) {
        let mut settings = None;
        let mut shutdown = self.shutdown.clone();
        for served in 0.. {
            let limit = if settings.is_none() { FIRST_REQUEST } else { KEEPALIVE };
            tokio::select! {
                readable = timeout(limit, Downstream::of(&stream).next_request(served)) => match readable {
                    Ok(Ok(())) => {}
                    _ => return,
                },
                _ = shutdown.wait_for(|&closing| closing) => return,
            }
            let mut session = ServerSession::new_http1(stream);
            match settings.take() {
                Some(settings) => HttpPersistentSettings::apply_to_session(settings, &mut session),
                None => session.set_keepalive_reuses_remaining(Some(REQUESTS_PER_CONNECTION_MAX)),
            }
            session.set_keepalive(Some(KEEPALIVE.as_secs()));
            let Some(next) = self.proxy.process_new_http(session, &self.shutdown).await else { return };
            (stream, settings) = next.consume();
        }
    }
}
