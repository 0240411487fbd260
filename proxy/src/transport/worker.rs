//! A worker: one thread with everything of its own, so that no request ever waits for another core.
//!
//! A connection stays with the worker it was given to, and so do the connections to origins that it uses. Nothing
//! is stolen between workers; that costs a little balance and saves locks, wake-ups and freeing memory across
//! threads.

use std::{
    io,
    net::TcpStream as StdTcpStream,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pingora_core::server::ShutdownWatch;
use prometheus::IntGauge;
use rustls::server::ClientHello;
use tokio::{
    net::TcpStream,
    runtime::Builder,
    sync::{OwnedSemaphorePermit, mpsc, watch},
};

use super::{
    Scheme,
    connection::Protocol,
    socket::Socket,
    tls::{Encrypted, Handshakes, Shaken},
};
use crate::{node::Node, protocol::Driver, service::Service, upstream};

/// A client's connection.
pub(super) struct Client {
    pub(super) tcp: StdTcpStream,
    /// What the listener speaks that it came to.
    pub(super) scheme: Scheme,
    /// Its place among all connections.
    pub(super) place: OwnedSemaphorePermit,
}

/// What all workers have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) node: Arc<Node>,
    pub(super) trusted_proxies: Arc<[ipnet::IpNet]>,
    pub(super) handshake_timeout: Duration,
    /// TLS handshakes under way, of each worker.
    pub(super) handshakes_max: usize,
    /// Requests under way, of all workers.
    pub(super) requests_max: usize,
    /// Where HTTPS is spoken, if it is.
    pub(super) https_port: Option<u16>,
    pub(super) shutdown: ShutdownWatch,
}

/// Where a worker is handed its clients.
pub(super) struct Worker {
    clients: mpsc::UnboundedSender<Client>,
    load: Arc<AtomicUsize>,
}

impl Worker {
    /// Starts a worker's thread.
    pub(super) fn start(index: usize, shared: Shared) -> io::Result<Self> {
        // Bounded by the places that clients come with.
        let (clients, inbox) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let load_of = load.clone();
        std::thread::Builder::new().name(format!("proxy-{index}")).spawn(move || {
            runtime.block_on(async {
                let Shared { node, trusted_proxies, requests_max, https_port, shutdown, .. } = shared;
                let Shared { handshake_timeout, handshakes_max, .. } = shared;
                let handshakes = Handshakes::new(handshakes_max, node.metrics.handshakes.clone());
                let service = Service { node, trusted_proxies, requests_max, https_port };
                // A watch of the worker's own: connections look at it all the time, and share no lock with other workers.
                let (closing, watch) = watch::channel(false);
                let driver = Arc::new(Driver::new(service, watch));
                let floor = Arc::new(Floor { driver, handshakes, handshake_timeout, load: load_of });
                floor.serve(inbox, shutdown, closing).await;
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
struct Floor {
    driver: Arc<Driver>,
    handshakes: Handshakes,
    handshake_timeout: Duration,
    load: Arc<AtomicUsize>,
}

impl Floor {
    /// `closing` is heard by the worker's connections once `shutdown` says so.
    async fn serve(
        self: Arc<Self>,
        mut inbox: mpsc::UnboundedReceiver<Client>,
        mut shutdown: ShutdownWatch,
        closing: watch::Sender<bool>,
    ) {
        tokio::spawn(async move {
            let _ = shutdown.wait_for(|&closing| closing).await;
            // Whoever is about to send a head on a kept connection is let go.
            let _ = closing.send(true);
        });
        tokio::spawn(upstream::sweep());
        while let Some(Client { tcp, scheme, place }) = inbox.recv().await {
            match TcpStream::from_std(tcp) {
                Ok(tcp) => drop(tokio::spawn(self.clone().connection(tcp, scheme, place))),
                Err(error) => {
                    tracing::error!(%error, "connection not taken over by its worker");
                    self.load.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        // The door is shut. Were this to return, the runtime would end, and every request in flight with it.
        std::future::pending().await
    }

    async fn connection(self: Arc<Self>, tcp: TcpStream, scheme: Scheme, place: OwnedSemaphorePermit) {
        let metrics = &self.driver.service.node.metrics;
        let _here = Here::begin(metrics.connections.clone(), self.load.clone());
        let cuts = metrics.connections_cut.clone();
        let (socket, tls) = match scheme {
            Scheme::Http => (Socket::plain(tcp, cuts), None),
            Scheme::Https => match self.shake(tcp).await {
                Some((stream, tls)) => (Socket::encrypted(stream, cuts), Some(tls)),
                None => return,
            },
        };
        match tls {
            // Each in a box: an idle connection keeps no room for the other.
            Some(Encrypted { presented, protocol: Protocol::Http2 }) => {
                Box::pin(self.driver.http2(socket, presented)).await;
            }
            tls => Box::pin(self.driver.http1(socket, tls.map(|tls| tls.presented))).await,
        }
        drop(place);
    }

    /// In a box, which is gone when the handshake is over.
    fn shake(&self, tcp: TcpStream) -> Pin<Box<impl Future<Output = Option<Shaken>>>> {
        let node = &self.driver.service.node;
        let choose = |hello: &ClientHello<'_>| node.routes().certificates().choose(hello).cloned();
        Box::pin(self.handshakes.shake(tcp, self.handshake_timeout, choose))
    }
}
