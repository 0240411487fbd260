//! What a handshake costs a server: CPU from accepting a connection to the ticket it gives, round after round.

use std::{future::poll_fn, net::Ipv4Addr, pin::Pin, sync::Arc, task::Poll, time::Duration};

use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWriteExt as _, ReadBuf},
    task::JoinSet,
    time::timeout,
};

use super::super::{
    door::Secure,
    in_turn,
    peers::Peer,
    work::{Job, Work},
};
use crate::{
    Failed,
    bench::median,
    client::{Io, Protocol, Target, Tickets, Trouble},
    kit::console::complain,
};

/// Clients that shake hands at the same time.
const LANES: usize = 16;
/// A server that gives no ticket within this gives none.
const TICKET_WITHIN: Duration = Duration::from_secs(5);
/// Addresses of clients begin here: one for each lane, so that ports do not run out.
const FIRST_SOURCE: u8 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// With the certificate and its signature.
    Full,
    /// By the ticket of the one before.
    Resumed,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Full, Self::Resumed];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Full => "full handshake",
            Self::Resumed => "resumed handshake",
        }
    }
}

/// What a kind of handshake costs everybody who does it.
#[derive(Debug, Serialize)]
pub(super) struct Costs {
    pub(super) kind: Kind,
    pub(super) servers: Vec<Cost>,
}

#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) name: &'static str,
    /// CPU of all its processes for one: the median of all rounds.
    pub(super) us: f64,
    pub(super) rounds_us: Vec<f64>,
}

impl Cost {
    fn new(name: &'static str, rounds_us: Vec<f64>) -> Self {
        Self { name, us: median(rounds_us.clone()), rounds_us }
    }

    /// How many a core does in a second.
    pub(super) fn per_second(&self) -> f64 {
        1e6 / self.us
    }
}

/// The servers take turns. Who gives no tickets has no sessions to resume, and is left out of that.
pub(super) async fn measure(
    kind: Kind,
    peers: &[Peer],
    secure: &Secure,
    count: usize,
    rounds: usize,
) -> Result<Costs, Failed> {
    let mut servers = Vec::new();
    for peer in peers {
        let job = Job { work: Work::Poll, protocol: Protocol::Http1Tls };
        let task = peer.tasks.get(&job).ok_or("nothing to shake hands with")?;
        let lanes = lanes(kind, secure, &task.to)?;
        match (kind, lanes[0].shake_once().await) {
            (Kind::Resumed, Err(Trouble::Silence(_))) => continue,
            (_, first) => first.map(drop).map_err(|error| format!("{}: {error}", peer.name))?,
        }
        servers.push((peer.name, task.server.clone(), lanes, Vec::new()));
    }
    // The first round warms up.
    for number in 0..=rounds {
        complain(format_args!("{}: round {number} of {rounds}", kind.title()));
        for at in in_turn(number, servers.len()) {
            let (name, server, lanes, rounds_us) = &mut servers[at];
            let failed = |error| format!("{name}, {}: {error}", kind.title());
            if kind == Kind::Resumed {
                // A ticket for each lane: what was kept may be too old, or of a key that has gone.
                shake_all(lanes, LANES, None).await.map_err(failed)?;
            }
            let before = server.cpu()?;
            shake_all(lanes, count, Some(kind == Kind::Resumed)).await.map_err(failed)?;
            let used = server.cpu()? - before;
            if number > 0 {
                rounds_us.push(used.as_secs_f64() * 1e6 / count as f64);
            }
        }
    }
    Ok(Costs { kind, servers: servers.into_iter().map(|(name, _, _, rounds)| Cost::new(name, rounds)).collect() })
}

/// A client that shakes hands over and over.
#[derive(Clone)]
struct Lane {
    to: Target,
    from: Ipv4Addr,
    tickets: Arc<Tickets>,
}

fn lanes(kind: Kind, secure: &Secure, to: &Target) -> Result<Vec<Lane>, Failed> {
    (0..LANES)
        .map(|number| {
            let tickets = Arc::new(Tickets::at_most(usize::from(kind == Kind::Resumed)));
            let way = secure.way(Protocol::Http1Tls, tickets.clone())?;
            let from = Ipv4Addr::new(127, 0, FIRST_SOURCE, 1 + u8::try_from(number)?);
            Ok(Lane { to: Target { addr: to.addr, way }, from, tickets })
        })
        .collect()
}

/// All lanes together so many handshakes, which must be of one kind if it is said which.
async fn shake_all(lanes: &[Lane], count: usize, resumed: Option<bool>) -> Result<(), Failed> {
    let mut workers = JoinSet::new();
    for (at, lane) in lanes.iter().enumerate() {
        let lane = lane.clone();
        let count = count / lanes.len() + usize::from(at < count % lanes.len());
        workers.spawn(async move {
            for _ in 0..count {
                let was_resumed = lane.shake_once().await?;
                if resumed.is_some_and(|resumed| resumed != was_resumed) {
                    return Err(format!("a handshake that was resumed: {was_resumed}").into());
                }
            }
            Ok::<_, Failed>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(())
}

impl Lane {
    /// Connects, shakes hands, waits for a ticket and hangs up. Whether it was resumed.
    async fn shake_once(&self) -> Result<bool, Trouble> {
        let before = self.tickets.came();
        let mut io = self.to.way.connect(self.to.addr, Some(self.from)).await?;
        let resumed = io.is_resumed() == Some(true);
        let ticket = timeout(TICKET_WITHIN, ticket(&mut io, &self.tickets, before)).await;
        ticket.map_err(|_| Trouble::Silence(TICKET_WITHIN.as_secs()))??;
        // What has gone wrong by now does not matter.
        let _ = io.shutdown().await;
        Ok(resumed)
    }
}

/// Reads until one more ticket has come than before. Nothing else is to be read: nothing was asked.
async fn ticket(io: &mut Io, tickets: &Tickets, before: u64) -> Result<(), Trouble> {
    let mut byte = [0];
    poll_fn(|cx| {
        let mut buffer = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut *io).poll_read(cx, &mut buffer);
        match read {
            _ if tickets.came() > before => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(Trouble::Broken(error.kind()))),
            Poll::Ready(Ok(())) => Poll::Ready(Err(Trouble::Broken(std::io::ErrorKind::UnexpectedEof))),
        }
    })
    .await
}
