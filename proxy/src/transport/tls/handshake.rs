//! The handshake: bounded in time, in number, and in how much of a worker's time it takes.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use prometheus::{IntCounter, IntCounterVec};
use rustls::{HandshakeKind, server::Acceptor};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{Missing, Presented};
use crate::transport::connection::Protocol;

/// Encrypted bytes that wait in a connection for a client to take them: one record, so that a client which reads nothing
/// holds no more.
const SEND_BUFFER_BYTES: usize = 16 << 10;

/// With more handshakes under way than this a client is a crowd: its handshakes wait for one another.
const CROWD_MIN: usize = 8;

/// A worker's handshakes. A signature takes longer than a hundred polls, so each turn of the worker has room for one:
/// visitors who wait are answered however many newcomers there are.
#[derive(Debug)]
pub(crate) struct Handshakes {
    turns: Semaphore,
    /// Crowds queue here first, so that only one of their handshakes stands in the queue for turns.
    crowds: Semaphore,
    places: Semaphore,
    /// Once fewer places than this are free, a client may have so many handshakes under way, over all workers.
    scarce: usize,
    client_max: usize,
    counts: HandshakeCounts,
}

/// What became of handshakes.
#[derive(Clone, Debug)]
pub(crate) struct HandshakeCounts {
    full: IntCounter,
    resumed: IntCounter,
    unknown_name: IntCounter,
    not_issued: IntCounter,
    too_slow: IntCounter,
    failed: IntCounter,
    refused: IntCounter,
}

impl HandshakeCounts {
    /// One series for each outcome.
    pub(crate) fn new(by_outcome: &IntCounterVec) -> Self {
        let of = |outcome| by_outcome.with_label_values(&[outcome]);
        Self {
            full: of("full"),
            resumed: of("resumed"),
            unknown_name: of("unknown_name"),
            not_issued: of("not_issued"),
            too_slow: of("too_slow"),
            failed: of("failed"),
            refused: of("refused"),
        }
    }
}

/// A connection after its handshake, and what that has settled.
pub(crate) type Shaken = (Box<TlsStream<TcpStream>>, Encrypted);

/// What a handshake has settled.
pub(crate) struct Encrypted {
    pub(crate) presented: Arc<Presented>,
    pub(crate) protocol: Protocol,
}

impl Handshakes {
    /// At most `max` of them under way; of one client `client_max`, over all workers, once half of the places are taken.
    pub(crate) fn new(max: usize, client_max: usize, counts: HandshakeCounts) -> Self {
        let (turns, crowds) = (Semaphore::new(1), Semaphore::new(1));
        Self { turns, crowds, places: Semaphore::new(max), scarce: max / 2, client_max, counts }
    }

    /// Shakes hands with a client, or lets it go; what was the matter is counted. `of_client`: how many handshakes the
    /// client has under way, this one among them. `choose` is asked once, and finds no certificate for a host that is not
    /// served here.
    pub(crate) async fn shake(
        &self,
        tcp: TcpStream,
        of_client: usize,
        deadline: Instant,
        choose: impl FnOnce(&rustls::server::ClientHello<'_>) -> Result<Arc<Presented>, Missing>,
    ) -> Option<Shaken> {
        let has_its_share = of_client > self.client_max && self.places.available_permits() < self.scarce;
        let Some(_place) = self.places.try_acquire().ok().filter(|_| !has_its_share) else {
            self.counts.refused.inc();
            return None;
        };
        match timeout_at(deadline, self.hands(tcp, of_client, choose)).await {
            Ok(Ok(encrypted)) => {
                let resumed = encrypted.0.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
                if resumed { &self.counts.resumed } else { &self.counts.full }.inc();
                Some(encrypted)
            }
            Ok(Err(failed)) => {
                match failed {
                    Failed::Missing(Missing::Unknown) => self.counts.unknown_name.inc(),
                    Failed::Missing(Missing::NotIssued) => {
                        self.counts.not_issued.inc();
                        tell_of_missing();
                    }
                    Failed::Io(error) => {
                        tracing::debug!(%error, "TLS handshake failed");
                        self.counts.failed.inc();
                    }
                }
                None
            }
            Err(_) => {
                self.counts.too_slow.inc();
                None
            }
        }
    }

    /// A place to sign. A client with few handshakes under way waits for one handshake of the crowds at most.
    async fn turn(&self, of_client: usize) -> Turn<'_> {
        let crowd = if of_client > CROWD_MIN { self.crowds.acquire().await.ok() } else { None };
        Turn { _turn: self.turns.acquire().await.ok(), _crowd: crowd }
    }

    async fn hands(
        &self,
        tcp: TcpStream,
        of_client: usize,
        choose: impl FnOnce(&rustls::server::ClientHello<'_>) -> Result<Arc<Presented>, Missing>,
    ) -> Result<Shaken, Failed> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
        let presented = choose(&start.client_hello());
        let presented = match presented {
            Ok(presented) => presented,
            Err(missing) => {
                let mut tcp = start.io;
                refuse_name(&mut tcp).await?;
                return Err(Failed::Missing(missing));
            }
        };
        let mut accept = pin!(start.into_stream_with(presented.config(), |session| {
            session.set_buffer_limit(Some(SEND_BUFFER_BYTES));
        }));
        // The first step is the one that signs. A turn is handed on when the worker comes back to its list of what is
        // ready, behind all that was on it.
        let first = {
            let _turn = self.turn(of_client).await;
            poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx))).await
        };
        tokio::task::yield_now().await;
        let stream = match first {
            Poll::Ready(done) => done?,
            Poll::Pending => accept.await?,
        };
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok((Box::new(stream), Encrypted { presented, protocol }))
    }
}

/// Held while a handshake signs. Fields are dropped in order: the next of the crowds comes behind all who wait by then.
struct Turn<'a> {
    _turn: Option<SemaphorePermit<'a>>,
    _crowd: Option<SemaphorePermit<'a>>,
}

enum Failed {
    Missing(Missing),
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Says once a minute what an owner who looks on wants to know. Which host it is, the log of orders says.
fn tell_of_missing() {
    const EVERY: Duration = Duration::from_secs(60);
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.is_none_or(|at| at.elapsed() >= EVERY) {
        *told = Some(Instant::now());
        tracing::warn!("TLS handshakes refused: the host's certificate has not been issued yet");
    }
}

/// A fatal `unrecognized_name` (RFC 6066, section 3).
async fn refuse_name(tcp: &mut TcpStream) -> io::Result<()> {
    use tokio::io::AsyncWriteExt as _;
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    const UNRECOGNIZED_NAME: u8 = 112;
    tcp.write_all(&[ALERT, 3, 3, 0, 2, FATAL, UNRECOGNIZED_NAME]).await?;
    tcp.shutdown().await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use prometheus::Opts;
    use tokio::task::JoinSet;

    use super::*;

    fn handshakes() -> Arc<Handshakes> {
        let counts = IntCounterVec::new(Opts::new("handshakes", "of a test"), &["outcome"]).unwrap();
        Arc::new(Handshakes::new(1_000, 1_000, HandshakeCounts::new(&counts)))
    }

    /// Asks for turns for clients with so many handshakes under way, one after the other; the order in which they got them.
    async fn order(under_way: &[usize]) -> Vec<usize> {
        let handshakes = handshakes();
        let signed = Arc::new(Mutex::new(Vec::new()));
        let busy = handshakes.turn(1).await;
        let mut tasks = JoinSet::new();
        for &of_client in under_way {
            let (handshakes, signed) = (Arc::clone(&handshakes), Arc::clone(&signed));
            tasks.spawn(async move {
                let _turn = handshakes.turn(of_client).await;
                signed.lock().unwrap().push(of_client);
            });
            tokio::task::yield_now().await;
        }
        drop(busy);
        tasks.join_all().await;
        let signed = signed.lock().unwrap();
        signed.clone()
    }

    #[tokio::test]
    async fn a_client_with_few_handshakes_waits_for_one_of_a_crowds_at_most() {
        let crowd: Vec<usize> = (CROWD_MIN + 1..CROWD_MIN + 101).collect();
        let signed = order(&[&crowd[..], &[1, 1]].concat()).await;
        assert_eq!(signed[..4], [crowd[0], 1, 1, crowd[1]]);
        assert_eq!(signed.len(), crowd.len() + 2, "and all of the crowd get theirs");
    }

    #[tokio::test]
    async fn clients_with_few_handshakes_go_in_the_order_in_which_they_came() {
        assert_eq!(order(&[1, 2, 3, CROWD_MIN]).await, [1, 2, 3, CROWD_MIN]);
    }
}
