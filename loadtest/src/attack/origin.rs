//! The site behind the nodes, and the witness: it writes down every request that reaches it.
//!
//! | path | answer |
//! |---|---|
//! | `/end` | 200 with `Sluice-Session: end`: the visit is over |
//! | other | 200 |

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use super::{
    clock::{Clock, Us},
    wire::FROM_ORIGIN,
};
use crate::{Failed, attack::people::browser::VISITOR};

/// The page that everybody comes for, one behind it, one that ends a visit, and one before which another queue stands.
pub(crate) const HOME: &str = "/";
pub(crate) const INSIDE: &str = "/cart";
pub(crate) const END: &str = "/end";
pub(crate) const OTHER: &str = "/other";

/// As much as a small page.
const PAGE_BYTES: usize = 1_024;

/// A request that reached the origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    pub(crate) at_us: Us,
    pub(crate) who: Who,
    pub(crate) page: Page,
}

/// Who made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A visitor of the crowd.
    Visitor(u32),
    /// Somebody who has no business there: without cookies, or with a pass that is none.
    Outlaw(u32),
    /// Nobody of ours.
    Stranger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Home,
    Inside,
    End,
    /// Behind the other queue.
    Other,
    Unknown,
}

impl Who {
    /// As the header says it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Visitor(who) => format!("v{who}"),
            Self::Outlaw(who) => format!("o{who}"),
            Self::Stranger => "?".to_owned(),
        }
    }

    fn of(name: Option<&HeaderValue>) -> Self {
        let parse = |name: &str| match name.split_at_checked(1)? {
            ("v", who) => Some(Self::Visitor(who.parse().ok()?)),
            ("o", who) => Some(Self::Outlaw(who.parse().ok()?)),
            _ => None,
        };
        name.and_then(|name| name.to_str().ok()).and_then(parse).unwrap_or(Self::Stranger)
    }
}

/// A running origin, on a thread of its own so that a busy crowd does not delay what it writes down. Ends with this.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    log: Arc<Mutex<Vec<Hit>>>,
    ends: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Origin {
    pub(crate) fn start(clock: Clock) -> Result<Self, Failed> {
        let log = Arc::new(Mutex::default());
        let (ends, ended) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let writes = Arc::clone(&log);
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                let listener = match TcpListener::bind("127.0.0.1:0").await {
                    Ok(listener) => listener,
                    Err(error) => return drop(tell.send(Err(error))),
                };
                let _ = tell.send(listener.local_addr());
                tokio::select! {
                    () = accept(listener, clock, writes) => {}
                    _ = ended => {}
                }
            });
        });
        Ok(Self { addr: told.recv()??, log, ends: Some(ends), thread: Some(thread) })
    }

    /// Every request so far, in the order in which they came.
    pub(crate) fn hits(&self) -> Vec<Hit> {
        lock(&self.log).clone()
    }

    /// Closes all connections.
    pub(crate) fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.ends.take().map(|ends| ends.send(()));
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(log: &Mutex<Vec<Hit>>) -> MutexGuard<'_, Vec<Hit>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, clock: Clock, log: Arc<Mutex<Vec<Hit>>>) {
    // In a set, so that all connections end with the origin.
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let _ = tcp.set_nodelay(true);
        let log = Arc::clone(&log);
        let service = service_fn(move |request| {
            let answer = answer(&request, clock, &log);
            async { Ok::<_, Infallible>(answer) }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
        while connections.try_join_next().is_some() {}
    }
}

fn answer(request: &Request<Incoming>, clock: Clock, log: &Mutex<Vec<Hit>>) -> Response<Full<Bytes>> {
    static BODY: [u8; PAGE_BYTES] = [b'x'; PAGE_BYTES];
    let page = match request.uri().path() {
        HOME => Page::Home,
        INSIDE => Page::Inside,
        END => Page::End,
        OTHER => Page::Other,
        _ => Page::Unknown,
    };
    let who = Who::of(request.headers().get(VISITOR));
    {
        let mut log = lock(log);
        // Under the lock, so that the log is in the order of its times.
        log.push(Hit { at_us: clock.now_us(), who, page });
    }
    let mut answer = Response::new(Full::new(Bytes::from_static(&BODY)));
    let headers = answer.headers_mut();
    headers.insert(FROM_ORIGIN, HeaderValue::from_static("yes"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    if page == Page::End {
        headers.insert("sluice-session", HeaderValue::from_static("end"));
    }
    answer
}
