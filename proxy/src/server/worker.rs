//! A worker: one thread with everything of its own, so that no request ever waits for another core.
//!
//! A connection stays with the worker it was given to, and so do the connections to origins that it uses. Nothing
//! is stolen between workers; that costs a little balance and saves locks, wake-ups and freeing memory across
//! threads.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, TcpStream as StdTcpStream},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pingora_core::{
    apps::{HttpPersistentSettings, HttpServerApp as _},
    protocols::http::ServerSession,
    server::{ShutdownWatch, configuration::ServerConf},
};
use pingora_proxy::HttpProxy;
use prometheus::IntGauge;
use tokio::{
    net::TcpStream,
    runtime::Builder,
    sync::{OwnedSemaphorePermit, mpsc},
};

use super::idle::Idle;
use crate::{
    downstream::{Downstream, HEAD_WITHIN},
    node::Node,
    service::{InFlight, Service, poll::may_be_poll},
};

/// Requests on one connection; then it is closed, so that a rebalanced fleet gets its share.
const REQUESTS_PER_CONNECTION_MAX: u32 = 10_000;
/// The first request of a connection must begin within this.
const FIRST_REQUEST: Duration = Duration::from_secs(20);
/// An idle connection is closed after this. Longer than the longest pause between two polls.
const KEEPALIVE: Duration = Duration::from_secs(75);
/// Idle connections to origins that a worker keeps.
const ORIGIN_POOL: usize = 512;
/// Attempts at a request, over all servers of an origin.
const ATTEMPTS_MAX: usize = 16;

/// A client's connection with its place among all of them.
pub(super) type Client = (StdTcpStream, OwnedSemaphorePermit);

/// Where a worker is handed its clients.
pub(super) struct Worker {
    clients: mpsc::UnboundedSender<Client>,
    load: Arc<AtomicUsize>,
}

impl Worker {
    /// Starts a worker's thread.
    pub(super) fn start(
        index: usize,
        node: Arc<Node>,
        trusted_proxies: Arc<[ipnet::IpNet]>,
        shutdown: ShutdownWatch,
    ) -> io::Result<Self> {
        // Bounded by the places that clients come with.
        let (clients, inbox) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let load_of = load.clone();
        std::thread::Builder::new().name(format!("proxy-{index}")).spawn(move || {
            runtime.block_on(async {
                let service = Service { node: node.clone(), trusted_proxies };
                let proxy = proxy(service.clone());
                Floor { node, proxy, service, load: load_of, shutdown }.serve(inbox).await;
            });
        })?;
        Ok(Self { clients, load })
    }

    /// Connections it has.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Hands it a client.
    pub(super) fn take(&self, client: Client) {
        self.load.fetch_add(1, Ordering::Relaxed);
        // A worker lives as long as the process; if it is gone, so is the client.
        let _ = self.clients.send(client);
    }
}

fn proxy(service: Service) -> Arc<HttpProxy<Service>> {
    let conf = ServerConf {
        threads: 1,
        max_retries: ATTEMPTS_MAX,
        upstream_keepalive_pool_size: ORIGIN_POOL,
        ..ServerConf::default()
    };
    let mut proxy = HttpProxy::new(service, Arc::new(conf));
    proxy.handle_init_modules();
    Arc::new(proxy)
}

/// A connection that counts for as long as it is served, however that ends.
struct Here {
    connections: IntGauge,
    load: Arc<AtomicUsize>,
}

impl Here {
    /// The worker's load counts it since it was handed over.
    fn begin(connections: IntGauge, load: Arc<AtomicUsize>) -> Self {
        connections.inc();
        Self { connections, load }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.connections.dec();
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a worker's connections share.
#[derive(Clone)]
struct Floor {
    node: Arc<Node>,
    proxy: Arc<HttpProxy<Service>>,
    service: Service,
    load: Arc<AtomicUsize>,
    shutdown: ShutdownWatch,
}

impl Floor {
    async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<Client>) {
        let floor = self.clone();
        tokio::spawn(async move {
            let _ = self.shutdown.wait_for(|&closing| closing).await;
            // Whoever is about to send a head on a kept connection is let go.
            self.proxy.http_cleanup().await;
        });
        while let Some((tcp, place)) = inbox.recv().await {
            match TcpStream::from_std(tcp) {
                Ok(tcp) => drop(tokio::spawn(floor.clone().connection(tcp, place))),
                Err(error) => {
                    tracing::error!(%error, "a connection could not be taken over");
                    floor.load.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        // The door is shut. Were this to return, the runtime would end, and every request in flight with it.
        std::future::pending().await
    }

    async fn connection(self, tcp: TcpStream, place: OwnedSemaphorePermit) {
        let metrics = &self.node.metrics;
        let _here = Here::begin(metrics.connections.clone(), self.load.clone());
        self.requests(Box::new(Downstream::new(tcp, metrics.connections_cut.clone()))).await;
        drop(place);
    }

    /// Request after request. Between two of them nothing is held but the socket and one timer: visitors in a
    /// waiting room are connections that idle.
    async fn requests(&self, mut client: Box<Downstream>) {
        let mut idle = pin!(Idle::new(FIRST_REQUEST));
        let mut settings = None;
        for served in 0.. {
            if !idle.as_mut().wait(|cx| client.poll_next_request(served, cx)).await {
                return;
            }
            let last = served + 1 >= u64::from(REQUESTS_PER_CONNECTION_MAX) || *self.shutdown.borrow();
            if let Some(head) = client.take_request(may_be_poll) {
                // Until its answer is with the kernel: a node that leaves waits for it.
                let _in_flight = InFlight::begin(&self.node);
                // In a box, so that an idle connection does not keep room for it.
                let peer = client.peer().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                if let Some(answer) = Box::pin(self.service.poll(&head, peer, last)).await {
                    if client.answer(answer).await.is_err() || last {
                        return;
                    }
                    idle.as_mut().restart(KEEPALIVE);
                    continue;
                }
                client.give_back(head);
            }
            let mut session = ServerSession::new_http1(client);
            if let Some(settings) = settings.take() {
                HttpPersistentSettings::apply_to_session(settings, &mut session);
            }
            let more = u64::from(REQUESTS_PER_CONNECTION_MAX).saturating_sub(served + 1);
            session.set_keepalive_reuses_remaining(u32::try_from(more).ok());
            // How long pingora waits for more of a head. Something of it is there, or on its way from `client`.
            session.set_keepalive(Some(HEAD_WITHIN.as_secs()));
            let Some(next) = self.proxy.process_new_http(session, &self.shutdown).await else { return };
            let (stream, next_settings) = next.consume();
            (client, settings) = (Downstream::from_stream(stream), next_settings);
            idle.as_mut().restart(KEEPALIVE);
        }
    }
}
