//! Visitors' connections to the nodes: real ones, from an address of each visitor's own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Request;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    Failed,
    attack::people::browser::HOST,
    client::{Answer, Connection, Protocol, Site, Tickets, Trouble, Way},
};

/// No answer within this is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Session tickets that the crowd has at hand, of each protocol.
const TICKETS_MAX: usize = 4_096;

/// Says that the origin has answered.
pub(crate) const FROM_ORIGIN: &str = "x-origin";

pub(crate) fn is_from_origin(answer: &Answer) -> bool {
    answer.headers.contains_key(FROM_ORIGIN)
}

/// How visitors reach the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    http1: Way,
    http2: Way,
}

impl Doors {
    /// Without TLS, and so without HTTP/2.
    pub(crate) const OPEN: Self = Self { http1: Way::PLAIN, http2: Way::PLAIN };

    /// Over TLS. A client resumes sessions of others, as a browser that keeps its own would: what nodes have to do for
    /// it is the same, whoever was given a ticket.
    pub(crate) fn secure(site: &Site) -> Result<Self, Failed> {
        let way = |protocol| site.way(HOST, protocol, Arc::new(Tickets::at_most(TICKETS_MAX)));
        Ok(Self { http1: way(Protocol::Http1Tls)?, http2: way(Protocol::Http2Tls)? })
    }
}

/// The nodes, and how many connections there may be to them.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) nodes: Vec<SocketAddr>,
    doors: Doors,
    open: Arc<Semaphore>,
    open_max: usize,
    opened: AtomicU64,
    /// Connections that had ended when they were to be used again, or did with the request.
    ended: AtomicU64,
}

impl Net {
    pub(crate) fn new(nodes: Vec<SocketAddr>, doors: Doors, open_max: usize) -> Self {
        Self {
            nodes,
            doors,
            open: Arc::new(Semaphore::new(open_max)),
            open_max,
            opened: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Whether it is TLS that nodes speak.
    pub(crate) fn is_secure(&self) -> bool {
        self.doors.http1.is_secure()
    }

    /// How many connections have been made so far.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// How many connections had ended when they were to be used again, or did so instead of an answer.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Relaxed)
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
    http2: bool,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    to: usize,
    connection: Connection,
    _open: OwnedSemaphorePermit,
}

impl Client {
    pub(crate) fn new(net: Arc<Net>, from: Ipv4Addr, keeps: bool, http2: bool) -> Self {
        Self { net, from, keeps, http2, kept: None }
    }

    /// Asks one of the nodes. A kept connection that the other end has closed meanwhile is replaced by a new one, once, and so is
    /// one that ends before the request was seen, as browsers do.
    pub(crate) async fn ask(&mut self, to: usize, request: &Request<()>) -> Result<Answer, Trouble> {
        match timeout(ANSWER_WITHIN, self.try_ask(to, request)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.kept = None;
                Err(Trouble::Silence(ANSWER_WITHIN.as_secs()))
            }
        }
    }

    async fn try_ask(&mut self, to: usize, request: &Request<()>) -> Result<Answer, Trouble> {
        if let Some(kept) = self.kept.take_if(|kept| kept.to == to) {
            if !kept.connection.is_closed()
                && let Ok(answer) = self.ask_on(kept, request).await
            {
                return Ok(answer);
            }
            self.net.ended.fetch_add(1, Relaxed);
        }
        // Closed before the other is opened: a visitor has one at a time.
        self.kept = None;
        let fresh = self.connect(to).await?;
        match self.ask_on(fresh, request).await {
            Err(Trouble::Unseen) => {
                self.net.ended.fetch_add(1, Relaxed);
                let other = self.connect(to).await?;
                self.ask_on(other, request).await
            }
            answer => answer,
        }
    }

    async fn connect(&self, to: usize) -> Result<Kept, Trouble> {
        let none = || Trouble::Connect(std::io::ErrorKind::AddrNotAvailable);
        let node = *self.net.nodes.get(to).ok_or_else(none)?;
        let open = self.net.open.clone().acquire_owned().await.map_err(|_| none())?;
        let way = if self.http2 { &self.net.doors.http2 } else { &self.net.doors.http1 };
        let connection = Connection::open(way, node, Some(self.from)).await?;
        self.net.opened.fetch_add(1, Relaxed);
        Ok(Kept { to, connection, _open: open })
    }

    async fn ask_on(&mut self, mut on: Kept, request: &Request<()>) -> Result<Answer, Trouble> {
        let request = on.connection.ready(request)?;
        let answer = on.connection.send(request).await?;
        if self.keeps {
            self.kept = Some(on);
        }
        Ok(answer)
    }
}
