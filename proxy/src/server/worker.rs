//! A worker: one thread with everything of its own, so that no request ever waits for another core.
//!
//! A connection stays with the worker it was given to, and so do the connections to origins that it uses. Nothing
//! is stolen between workers; that costs a little balance and saves locks, wake-ups and freeing memory across
//! threads.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, TcpStream as StdTcpStream},
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
use sluice_config::Traceparent;
use tokio::{
    net::TcpStream,
    runtime::Builder,
    select,
    sync::{OwnedSemaphorePermit, mpsc, oneshot, watch},
    time::Instant,
};

use super::Speaks;
use crate::{
    limits::{Prefixes, clients::ClientConnections},
    node::Node,
    protocol::Driver,
    service::Service,
    transport::{
        Scheme, Spot,
        connection::{Connection, Protocol},
        idlest, proxy_protocol,
        socket::Socket,
        tls::{Encrypted, Handshakes, Shaken},
    },
    upstream,
};

/// A client's connection.
pub(super) struct Client {
    pub(super) tcp: StdTcpStream,
    /// What comes on the listener that it came to.
    pub(super) speaks: Speaks,
    /// Its place among all connections.
    pub(super) place: OwnedSemaphorePermit,
}

/// What a worker is told.
enum Word {
    Serve(Client),
    /// A place is needed; says whether a connection goes.
    LetOneGo(oneshot::Sender<bool>),
    /// Somebody wants to know whether it is alive.
    Answer(oneshot::Sender<()>),
}

/// What all workers have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) node: Arc<Node>,
    pub(super) trusted_proxies: Arc<[ipnet::IpNet]>,
    pub(super) clients: Arc<ClientConnections>,
    pub(super) prefixes: Prefixes,
    pub(super) traceparent: Traceparent,
    pub(super) handshake_timeout: Duration,
    /// TLS handshakes under way, of each worker.
    pub(super) handshakes_max: usize,
    /// Of one client, over all workers, once they are scarce.
    pub(super) client_handshakes_max: usize,
    /// Requests under way, of all workers.
    pub(super) requests_max: usize,
    /// Where HTTPS is spoken, if it is.
    pub(super) https_port: Option<u16>,
    pub(super) shutdown: ShutdownWatch,
}

/// Where a worker is handed its clients.
pub(super) struct Worker {
    words: mpsc::UnboundedSender<Word>,
    load: Arc<AtomicUsize>,
}

impl Worker {
    /// Starts a worker's thread.
    pub(super) fn start(index: usize, shared: Shared) -> io::Result<Self> {
        // Bounded by the places that clients come with, and by listeners, each of which waits for its answer.
        let (words, inbox) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let load_of = load.clone();
        std::thread::Builder::new().name(format!("proxy-{index}")).spawn(move || {
            runtime.block_on(async {
                let Shared { node, trusted_proxies, requests_max, https_port, shutdown, .. } = shared;
                let Shared { handshake_timeout, handshakes_max, client_handshakes_max, .. } = shared;
                let Shared { clients, prefixes, traceparent, .. } = shared;
                let log = node.access_log.lane();
                let handshakes =
                    Handshakes::new(handshakes_max, client_handshakes_max, node.metrics.handshakes.clone());
                let service = Service { node, trusted_proxies, prefixes, traceparent, requests_max, https_port, log };
                // A watch of the worker's own: connections look at it all the time, and share no lock with other workers.
                let (closing, watch) = watch::channel(false);
                let driver = Arc::new(Driver::new(service, watch));
                let floor = Arc::new(Floor { driver, handshakes, handshake_timeout, clients, load: load_of });
                floor.serve(inbox, shutdown, closing).await;
            });
        })?;
        Ok(Self { words, load })
    }

    /// Connections it has.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Hands it a client.
    pub(super) fn take(&self, client: Client) {
        self.load.fetch_add(1, Ordering::Relaxed);
        // A worker lives as long as the process; if it is gone, so is the client.
        let _ = self.words.send(Word::Serve(client));
    }

    /// Waits until it has come round to answering.
    pub(super) async fn answers(&self) {
        let (says, heard) = oneshot::channel();
        // One that is gone answers nothing, for ever.
        if self.words.send(Word::Answer(says)).is_err() || heard.await.is_err() {
            std::future::pending().await
        }
    }

    /// Has its idlest connection go. False: none has been idle for long.
    pub(super) async fn lets_one_go(&self) -> bool {
        let (says, heard) = oneshot::channel();
        self.words.send(Word::LetOneGo(says)).is_ok() && heard.await.unwrap_or(false)
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
    clients: Arc<ClientConnections>,
    load: Arc<AtomicUsize>,
}

impl Floor {
    /// `closing` is heard by the worker's connections once `shutdown` says so.
    async fn serve(
        self: Arc<Self>,
        mut inbox: mpsc::UnboundedReceiver<Word>,
        mut shutdown: ShutdownWatch,
        closing: watch::Sender<bool>,
    ) {
        tokio::spawn(async move {
            let _ = shutdown.wait_for(|&closing| closing).await;
            // Whoever is about to send a head on a kept connection is let go.
            let _ = closing.send(true);
        });
        tokio::spawn(upstream::sweep());
        while let Some(word) = inbox.recv().await {
            let Client { tcp, speaks, place } = match word {
                Word::Serve(client) => client,
                Word::Answer(says) => {
                    let _ = says.send(());
                    continue;
                }
                Word::LetOneGo(says) => {
                    // Whoever has asked may be gone.
                    let _ = says.send(idlest::let_go());
                    continue;
                }
            };
            match TcpStream::from_std(tcp) {
                Ok(tcp) => drop(tokio::spawn(self.clone().connection(tcp, speaks, place))),
                Err(error) => {
                    tracing::error!(%error, "connection not taken over by its worker");
                    self.load.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        // The door is shut. Were this to return, the runtime would end, and every request in flight with it.
        std::future::pending().await
    }

    async fn connection(self: Arc<Self>, mut tcp: TcpStream, speaks: Speaks, place: OwnedSemaphorePermit) {
        let metrics = &self.driver.service.node.metrics;
        let _here = Here::begin(metrics.connections.clone(), self.load.clone());
        let spot = Spot::new();
        spot.idles(false);
        let deadline = Instant::now() + self.handshake_timeout;
        let peer = tcp.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |addr| addr.ip());
        let named = if speaks.proxied {
            match self.named(&mut tcp, peer, deadline, &spot).await {
                Some(named) => named,
                None => return,
            }
        } else {
            None
        };
        let client = named.unwrap_or(peer);
        // Behind the PROXY header, which says whose it is, and before the handshake, which costs most.
        let Some(_one) = self.clients.take(client) else {
            metrics.limit("", "connections_per_client_max");
            return;
        };
        let cuts = metrics.connections_cut.clone();
        let (socket, tls) = match speaks.scheme {
            Scheme::Http => (Socket::plain(tcp, cuts), None),
            Scheme::Https => match self.shake(tcp, client, deadline, &spot).await {
                Some((stream, tls)) => (Socket::encrypted(stream, cuts), Some(tls)),
                None => return,
            },
        };
        let proxy = named.map(|_| peer);
        match tls {
            // Each in a box: an idle connection keeps no room for the other.
            Some(Encrypted { presented, protocol: Protocol::Http2 }) => {
                let connection = Connection::new(client, proxy, Some(presented));
                Box::pin(self.driver.http2(socket, connection, spot)).await;
            }
            tls => {
                let connection = Connection::new(client, proxy, tls.map(|tls| tls.presented));
                Box::pin(self.driver.http1(socket, connection, spot)).await;
            }
        }
        drop(place);
    }

    /// Reads a PROXY header: the address that it names, if it names one. `None`: the connection is to be closed, which
    /// has been counted. In a box, which is gone when it has been read.
    fn named<'a>(
        &'a self,
        tcp: &'a mut TcpStream,
        peer: IpAddr,
        deadline: Instant,
        spot: &'a Spot,
    ) -> Pin<Box<impl Future<Output = Option<Option<IpAddr>>> + 'a>> {
        let service = &self.driver.service;
        Box::pin(async move {
            let read = proxy_protocol::client_of(tcp, peer, &service.trusted_proxies, deadline);
            let read = select! {
                biased;
                () = spot.gone() => return None,
                read = read => read,
            };
            read.inspect_err(|refused| service.node.metrics.proxy_header(*refused)).ok()
        })
    }

    /// In a box, which is gone when the handshake is over.
    fn shake<'a>(
        &'a self,
        tcp: TcpStream,
        client: IpAddr,
        deadline: Instant,
        spot: &'a Spot,
    ) -> Pin<Box<impl Future<Output = Option<Shaken>> + 'a>> {
        let node = &self.driver.service.node;
        let choose = |hello: &ClientHello<'_>| node.routes().certificates().choose(hello);
        Box::pin(async move {
            let shaking = self.clients.shakes(client);
            select! {
                biased;
                () = spot.gone() => None,
                shaken = self.handshakes.shake(tcp, shaking.count, deadline, choose) => shaken,
            }
        })
    }
}
