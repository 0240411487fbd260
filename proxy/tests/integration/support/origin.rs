//! The site behind the node: it answers by path, and remembers every request.
//!
//! | path | answer |
//! |---|---|
//! | `/end…` | 200 with `Sluice-Session: end`: the visit is over |
//! | `/renew…` | 200 with `Sluice-Session: renew`: the visit goes on from now |
//! | `/kept…` | 200 that anybody may keep |
//! | `/slow…` | 200, once the test says [`Origin::go_on`] |
//! | `/events…` | an event stream: one event, then silence |
//! | `/socket…` | 101, then every byte comes back |
//! | `/websocket` | a WebSocket: the text of each short message comes back |
//! | as given to [`Origin::page`] | that page |
//! | `/cookie…` | 200 with a cookie of its own |
//! | `/echo…` | 200 with the body that came |
//! | `/bytes/N` | 200 with so many bytes |
//! | `/status/N` | that status, without a body |
//! | other | 200 with method, path and length of the body |

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
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
use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
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
    pages: Mutex<HashMap<String, String>>,
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
        let shared =
            Arc::new(Shared { hits: Mutex::default(), pages: Mutex::default(), may_go_on: watch::Sender::new(false) });
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

    /// Serves a page of HTML at a path.
    pub(crate) fn page(&self, path: &str, html: String) {
        self.shared.pages().insert(path.into(), html);
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
    fn pages(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned();
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    let upgrade = is_upgrade.then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    // A client that breaks off has sent as much as it has sent.
    let body = body.collect().await.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
    let said = format!("{} {} {}\n", head.method, head.uri, body.len());
    let said = if path.starts_with("/echo") {
        body.clone()
    } else if let Some(bytes) = number_after(&path, "/bytes/") {
        vec![b'x'; bytes].into()
    } else {
        said.into()
    };
    let hit = Hit { at, method: head.method.to_string(), target: head.uri.to_string(), headers: head.headers, body };
    shared.log().push(hit);

    let mut answer = http::Response::new(Either::Left(Full::new(said)));
    answer.headers_mut().insert("x-origin", HeaderValue::from_static("yes"));
    if path.starts_with("/end") {
        answer.headers_mut().insert("sluice-session", HeaderValue::from_static("end"));
    } else if path.starts_with("/kept") {
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        answer.headers_mut().insert("cdn-cache-control", HeaderValue::from_static("max-age=600"));
    } else if path.starts_with("/renew") {
        answer.headers_mut().insert("sluice-session", HeaderValue::from_static("renew"));
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
    } else if let Some(status) = number_after(&path, "/status/") {
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        *answer.body_mut() = Either::Left(Full::default());
    } else if path.starts_with("/events") {
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        *answer.body_mut() = Either::Right(OneEvent { sent: false });
    } else if let Some(page) = shared.pages().get(&path).cloned() {
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        *answer.body_mut() = Either::Left(Full::from(page));
    } else if let Some(upgrade) = upgrade.filter(|_| path.starts_with("/socket") || path == "/websocket") {
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Some(key) = key {
            answer.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accepted(&key));
        }
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            // Both end when the other side goes.
            let _ = if path == "/websocket" { repeat(upgraded).await } else { echo(upgraded).await };
        });
    }
    Ok(answer)
}

fn number_after<T: FromStr>(path: &str, prefix: &str) -> Option<T> {
    path.strip_prefix(prefix)?.parse().ok()
}

async fn echo(upgraded: Upgraded) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
    copy(&mut from, &mut to).await.map(drop)
}

/// The answer to a key of a WebSocket (RFC 6455, 4.2.2).
fn accepted(key: &HeaderValue) -> HeaderValue {
    const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let hash = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), MAGIC].concat());
    HeaderValue::from_str(&BASE64_STANDARD.encode(hash)).unwrap()
}

/// Sends the text of each message back, if it is short and in one frame (RFC 6455, 5.2). Those of clients are masked.
async fn repeat(upgraded: Upgraded) -> io::Result<()> {
    const TEXT_WHOLE: u8 = 0x81;
    let mut both = TokioIo::new(upgraded);
    loop {
        let mut head = [0; 6];
        both.read_exact(&mut head).await?;
        let (kind, length, mask) = (head[0], head[1] & 0x7f, &head[2..]);
        let mut text = vec![0; length.into()];
        both.read_exact(&mut text).await?;
        text.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        if kind != TEXT_WHOLE {
            return Ok(());
        }
        both.write_all(&[&[TEXT_WHOLE, length][..], &text].concat()).await?;
        both.flush().await?;
    }
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
