//! The site behind the node: it answers by path, and remembers every request.
//!
//! | path | answer |
//! |---|---|
//! | `/end…` | 200 with `Sluice-Session: end`: the visit is over |
//! | `/slow…` | 200, once the test says [`Origin::go_on`] |
//! | `/events…` | an event stream: one event, then silence |
//! | `/socket…` | 101, then every byte comes back |
//! | `/cookie…` | 200 with a cookie of its own |
//! | other | 200 with method, path and length of the body |

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::{
    body::{Body, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::copy,
    net::TcpListener,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

type Answer = http::Response<Either<Full<Bytes>, OneEvent>>;

/// A running origin. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Origin {
    addr: SocketAddr,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    hits: Mutex<Vec<Hit>>,
    may_go_on: watch::Sender<bool>,
}

/// A request that reached the origin.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) at: Instant,
    pub(crate) method: String,
    /// As the request line has it.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Hit {
    /// The one value of a field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} came more than once: {self:?}");
        value
    }

    /// Who sent it, by the header that virtual visitors carry.
    pub(crate) fn visitor(&self) -> Option<&str> {
        self.header("x-visitor")
    }
}

impl Origin {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { hits: Mutex::default(), may_go_on: watch::Sender::new(false) });
        let serving = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Self { addr, shared, serving }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every request so far, in the order in which they came.
    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.shared.log().clone()
    }

    pub(crate) fn hit_count(&self) -> usize {
        self.shared.log().len()
    }

    /// The newest request.
    pub(crate) fn last_hit(&self) -> Hit {
        self.shared.log().last().cloned().unwrap_or_else(|| panic!("the origin was not asked"))
    }

    /// Lets the answers to `/slow` go, those that wait and those to come.
    pub(crate) fn go_on(&self) {
        self.shared.may_go_on.send_replace(true);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Vec<Hit>> {
        self.hits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // In a set, so that all connections end with the origin.
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let _ = tcp.set_nodelay(true);
        let shared = shared.clone();
        let service = service_fn(move |request| answer(request, shared.clone()));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service).with_upgrades());
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut request: http::Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, Infallible> {
    let at = Instant::now();
    let path = request.uri().path().to_owned();
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    let upgrade = is_upgrade.then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    // A client that breaks off has sent as much as it has sent.
    let body = body.collect().await.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
    let said = format!("{} {} {}\n", head.method, head.uri, body.len());
    let hit = Hit { at, method: head.method.to_string(), target: head.uri.to_string(), headers: head.headers, body };
    shared.log().push(hit);

    let mut answer = http::Response::new(Either::Left(Full::from(said)));
    answer.headers_mut().insert("x-origin", HeaderValue::from_static("yes"));
    if path.starts_with("/end") {
        answer.headers_mut().insert("sluice-session", HeaderValue::from_static("end"));
    } else if path.starts_with("/cookie") {
        answer.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("basket=7; Path=/"));
    } else if path.starts_with("/other-way") {
        answer.headers_mut().insert(header::ALT_SVC, HeaderValue::from_static("h3=\":443\""));
    } else if path.starts_with("/own-headers") {
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=0"));
        answer.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    } else if path.starts_with("/slow") {
        // The sender lives as long as the origin.
        let _ = shared.may_go_on.subscribe().wait_for(|&go| go).await;
    } else if path.starts_with("/events") {
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        *answer.body_mut() = Either::Right(OneEvent { sent: false });
    } else if let Some(upgrade) = upgrade.filter(|_| path.starts_with("/socket")) {
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                echo(upgraded).await;
            }
        });
    }
    Ok(answer)
}

async fn echo(upgraded: Upgraded) {
    let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
    // Ends when the other side goes.
    let _ = copy(&mut from, &mut to).await;
}

/// A body that never ends.
struct OneEvent {
    sent: bool,
}

impl Body for OneEvent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.sent {
            return Poll::Pending;
        }
        self.sent = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: hello\n\n")))))
    }
}
