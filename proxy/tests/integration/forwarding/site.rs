//! An origin that says exactly what a test wants, and a node in front of it.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
    task::{AbortHandle, JoinSet, yield_now},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    Authority, Client, Connection, HOST, Http2, Node, Protocol, SOON, Setup, Tenant, TlsClient, certificates::Pair,
    connection::Stream,
};

/// Nobody waits.
pub(crate) const OPEN: &str = "paths = [\"/\"]\nrelease_per_minute = 6000\nburst = 1000\nmode = \"open\"";
/// Nobody waits, and everybody gets a pass.
pub(crate) const ADMITS: &str = "paths = [\"/\"]\nrelease_per_minute = 6000\nburst = 1000";

/// A request that has reached the origin.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Request line and fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, and which of its requests it was, from 0.
    pub(crate) connection: usize,
    pub(crate) nth: usize,
}

impl Heard {
    pub(crate) fn is(&self, method: &str) -> bool {
        self.head.starts_with(&format!("{method} "))
    }
}

/// What the origin does then.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Says this, and waits for the next request.
    Keep(Vec<u8>),
    /// Says this and closes.
    Close(Vec<u8>),
    /// Says this, and nothing more.
    Hang(Vec<u8>),
}

impl Reply {
    pub(crate) fn keep(bytes: impl AsRef<[u8]>) -> Self {
        Self::Keep(bytes.as_ref().into())
    }

    pub(crate) fn close(bytes: impl AsRef<[u8]>) -> Self {
        Self::Close(bytes.as_ref().into())
    }

    /// An answer like any other.
    pub(crate) fn ok() -> Self {
        Self::keep("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    }
}

type Answers = Arc<dyn Fn(&Heard) -> Reply + Send + Sync>;

/// An origin that speaks bytes. It stops when it is dropped.
pub(crate) struct Raw {
    addr: Option<SocketAddr>,
    heard: Arc<Mutex<Vec<Heard>>>,
    serving: AbortHandle,
}

impl Raw {
    pub(crate) async fn start(answers: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answers).await
    }

    pub(crate) async fn start_at(addr: SocketAddr, answers: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let listener = Arc::new(listener);
        let accept = move || {
            let listener = listener.clone();
            async move { Some(listener.accept().await.ok()?.0) }
        };
        let mut origin = Self::accepting(accept, answers);
        origin.addr = Some(addr);
        origin
    }

    /// One on a Unix socket.
    pub(crate) fn start_on(path: &Path, answers: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        let listener = Arc::new(UnixListener::bind(path).unwrap());
        let accept = move || {
            let listener = listener.clone();
            async move { Some(listener.accept().await.ok()?.0) }
        };
        Self::accepting(accept, answers)
    }

    /// One that speaks TLS, as [`acceptor`] does. A connection on which no TLS is spoken is closed.
    pub(crate) async fn start_encrypted(
        pair: &Pair,
        clients: Option<&Authority>,
        answers: impl Fn(&Heard) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new((listener, acceptor(pair, clients)));
        let accept = move || {
            let shared = shared.clone();
            async move {
                loop {
                    let (tcp, _) = shared.0.accept().await.ok()?;
                    // One at a time will do.
                    if let Ok(Ok(stream)) = timeout(SOON, shared.1.accept(tcp)).await {
                        return Some(stream);
                    }
                }
            }
        };
        let mut origin = Self::accepting(accept, answers);
        origin.addr = Some(addr);
        origin
    }

    /// One that gets its connections from a function.
    pub(crate) fn accepting<S, F>(
        accept: impl Fn() -> F + Send + Sync + 'static,
        answers: impl Fn(&Heard) -> Reply + Send + Sync + 'static,
    ) -> Self
    where
        S: Stream + 'static,
        F: Future<Output = Option<S>> + Send,
    {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (log, answers): (_, Answers) = (heard.clone(), Arc::new(answers));
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let Some(stream) = accept().await else { return };
                let (log, answers) = (log.clone(), answers.clone());
                connections.spawn(serve(stream, connection, log, answers));
            }
        });
        Self { addr: None, heard, serving: serving.abort_handle() }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr.expect("it is on TCP")
    }

    /// Stops it, and waits until it listens no more.
    pub(crate) async fn stop(self) {
        self.serving.abort();
        while !self.serving.is_finished() {
            yield_now().await;
        }
    }

    /// Every request so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Shakes hands with this certificate; every client has to show one of `clients`, if there are any.
pub(crate) fn acceptor(pair: &Pair, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    Arc::new(builder.with_single_cert(vec![pair.certificate.clone()], pair.key()).unwrap()).into()
}

async fn serve(mut tcp: impl Stream, connection: usize, log: Arc<Mutex<Vec<Heard>>>, answers: Answers) -> Option<()> {
    let mut ahead = Vec::new();
    for nth in 0.. {
        let head = until(&mut tcp, &mut ahead, b"\r\n\r\n").await?;
        let head = String::from_utf8(head).unwrap();
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let mut body = Vec::new();
        if let Some(length) = field("content-length") {
            body = exactly(&mut tcp, &mut ahead, length.parse().unwrap()).await?;
        } else if field("transfer-encoding").is_some() {
            loop {
                let line = until(&mut tcp, &mut ahead, b"\r\n").await?;
                let size = usize::from_str_radix(str::from_utf8(&line).unwrap().trim(), 16).unwrap();
                let chunk = exactly(&mut tcp, &mut ahead, size + 2).await?;
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        }
        let heard = Heard { head, body, connection, nth };
        log.lock().unwrap_or_else(PoisonError::into_inner).push(heard.clone());
        match answers(&heard) {
            Reply::Keep(bytes) => tcp.write_all(&bytes).await.ok()?,
            Reply::Close(bytes) => {
                let _ = tcp.write_all(&bytes).await;
                return None;
            }
            Reply::Hang(bytes) => {
                tcp.write_all(&bytes).await.ok()?;
                // Until the other end has enough of it.
                while tcp.read_buf(&mut ahead).await.ok()? > 0 {}
                return None;
            }
        }
    }
    None
}

async fn until(tcp: &mut impl Stream, ahead: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = ahead.windows(end.len()).position(|window| window == end) {
            return Some(ahead.drain(..at + end.len()).collect());
        }
        tcp.read_buf(ahead).await.ok().filter(|&read| read > 0)?;
    }
}

async fn exactly(tcp: &mut impl Stream, ahead: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while ahead.len() < length {
        tcp.read_buf(ahead).await.ok().filter(|&read| read > 0)?;
    }
    Some(ahead.drain(..length).collect())
}

/// A node in front of an origin, for clients who speak one protocol.
pub(crate) struct Site {
    pub(crate) node: Node,
    protocol: Protocol,
    tls: TlsClient,
}

impl Site {
    /// A shop with one queue of these settings.
    pub(crate) async fn of(protocol: Protocol, origin: SocketAddr, queue: &str) -> Self {
        Self::with(protocol, Tenant::shop(origin).queue("shop", queue)).await
    }

    /// The same for this tenant.
    pub(crate) async fn with(protocol: Protocol, tenant: Tenant) -> Self {
        Self::set_up(protocol, tenant, |setup| setup).await
    }

    /// The same on a node as `prepare` makes it.
    pub(crate) async fn set_up(protocol: Protocol, tenant: Tenant, prepare: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = Authority::new("authority");
        let setup = Setup::new(tenant.presents(&["shop"], "")).https("").pair("shop", &authority.server(&[HOST]));
        // One worker, so that connections to the origin are used again.
        let node = prepare(setup.server("threads = 1")).start().await;
        Self { node, protocol, tls: TlsClient::new(&authority, None) }
    }

    pub(crate) async fn client(&self) -> Client {
        if self.protocol == Protocol::Http1 {
            return Client::Http1(self.node.connect().await);
        }
        let stream = self.stream().await;
        match self.protocol {
            Protocol::Http2 => Client::Http2(Http2::over(stream).await),
            _ => Client::Http1(Connection::over(stream)),
        }
    }

    /// An encrypted connection.
    pub(crate) async fn stream(&self) -> impl Stream + 'static {
        self.tls.speaks(self.protocol.alpn()).connect(self.node.https(), HOST).await.unwrap()
    }

    /// The bytes of a connection of HTTP/1.1.
    pub(crate) async fn bytes(&self) -> Connection {
        match self.client().await {
            Client::Http1(connection) => connection,
            Client::Http2(_) => panic!("the clients speak HTTP/2"),
        }
    }
}
