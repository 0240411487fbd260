//! Visitors' connections: real ones, from an address of each visitor's own.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpSocket,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// No answer within this is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Says that the origin has answered.
pub(crate) const FROM_ORIGIN: &str = "x-origin";

/// The nodes, and how many connections there may be to them.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) nodes: Vec<SocketAddr>,
    open: Arc<Semaphore>,
    open_max: usize,
    opened: AtomicU64,
}

impl Net {
    pub(crate) fn new(nodes: Vec<SocketAddr>, open_max: usize) -> Self {
        Self { nodes, open: Arc::new(Semaphore::new(open_max)), open_max, opened: AtomicU64::new(0) }
    }

    /// How many connections have been made so far.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// How many connections are open now.
    pub(crate) fn open_now(&self) -> usize {
        self.open_max - self.open.available_permits()
    }
}

/// A visitor's end.
#[derive(Debug)]
pub(crate) struct Client {
    net: Arc<Net>,
    from: Ipv4Addr,
    /// Keeps its connection from one request to the next, as browsers do. If not, it opens one for each.
    keeps: bool,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    to: usize,
    send: http1::SendRequest<Empty<Bytes>>,
    _open: OwnedSemaphorePermit,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn is_from_origin(&self) -> bool {
        self.headers.contains_key(FROM_ORIGIN)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn set_cookies(&self) -> impl Iterator<Item = &str> {
        self.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok())
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No connection could be made.
    Connect(io::ErrorKind),
    /// The connection ended before the answer did.
    Broken(io::ErrorKind),
    /// What came is not HTTP, or not whole.
    NotHttp,
    /// Nothing came in time.
    Silence,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "no connection: {kind}"),
            Self::Broken(kind) => write!(f, "no answer: {kind}"),
            Self::NotHttp => write!(f, "an answer that is not whole"),
            Self::Silence => write!(f, "no answer within {} s", ANSWER_WITHIN.as_secs()),
        }
    }
}

impl From<hyper::Error> for Trouble {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() {
            return Self::NotHttp;
        }
        let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
        Self::Broken(cause.map_or(io::ErrorKind::UnexpectedEof, io::Error::kind))
    }
}

impl Client {
    pub(crate) fn new(net: Arc<Net>, from: Ipv4Addr, keeps: bool) -> Self {
        Self { net, from, keeps, kept: None }
    }

    /// Asks one of the nodes. A kept connection that the other end has closed meanwhile is replaced by a new one, once,
    /// as browsers do.
    pub(crate) async fn ask(&mut self, to: usize, request: &Request<()>) -> Result<Answer, Trouble> {
        match timeout(ANSWER_WITHIN, self.try_ask(to, request)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.kept = None;
                Err(Trouble::Silence)
            }
        }
    }

    async fn try_ask(&mut self, to: usize, request: &Request<()>) -> Result<Answer, Trouble> {
        if let Some(kept) = self.kept.take_if(|kept| kept.to == to)
            && !kept.send.is_closed()
            && let Ok(answer) = self.ask_on(kept, request).await
        {
            return Ok(answer);
        }
        // Closed before the other is opened: a visitor has one at a time.
        self.kept = None;
        let fresh = self.connect(to).await?;
        self.ask_on(fresh, request).await
    }

    async fn connect(&self, to: usize) -> Result<Kept, Trouble> {
        let no_connection = |error: io::Error| Trouble::Connect(error.kind());
        let none = || Trouble::Connect(io::ErrorKind::AddrNotAvailable);
        let node = *self.net.nodes.get(to).ok_or_else(none)?;
        let open = self.net.open.clone().acquire_owned().await.map_err(|_| none())?;
        let socket = TcpSocket::new_v4().map_err(no_connection)?;
        socket.bind(SocketAddr::from((self.from, 0))).map_err(no_connection)?;
        let tcp = socket.connect(node).await.map_err(no_connection)?;
        tcp.set_nodelay(true).map_err(no_connection)?;
        self.net.opened.fetch_add(1, Relaxed);
        let (send, connection) = http1::handshake(TokioIo::new(tcp)).await?;
        // Ends with the visitor's half; what goes wrong is told to that half.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Kept { to, send, _open: open })
    }

    async fn ask_on(&mut self, mut on: Kept, request: &Request<()>) -> Result<Answer, Trouble> {
        on.send.ready().await?;
        let response = on.send.send_request(request.clone().map(|()| Empty::new())).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        if self.keeps {
            self.kept = Some(on);
        }
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}
