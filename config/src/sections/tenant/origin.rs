//! `[origin]`: where a tenant's admitted requests go.

mod health;
mod proof;
mod servers;
#[cfg(test)]
mod tests;
mod tls;

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

pub use health::Health;
pub use proof::Proof;
pub use servers::{OriginServer, ServerAddress, usable_addresses};
pub use tls::OriginTls;

use crate::{
    declare::{Choice, Count, Default, Key, List, Looks, Nested, Optional, Section, Switch, Table, Text, Time},
    diagnostics::Read,
    forms::address,
    outside::Outside,
};

/// `[origin]`: where admitted requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// At least one.
    pub servers: Vec<OriginServer>,
    /// Which of them gets the next request.
    pub balance: Balance,
    /// Most requests under way at each server; `None`: no bound.
    pub in_flight_max: Option<NonZeroU32>,
    /// Who is asked for the addresses of servers' names, one after the other; empty: the system.
    pub resolvers: Vec<SocketAddr>,
    /// Between two look-ups of a server's name.
    pub resolve_every: Duration,
    /// How servers are checked; `None`: they are not.
    pub health: Option<Health>,
    /// How TLS is spoken to them; `None`: it is not.
    pub tls: Option<OriginTls>,
    /// HTTP/2 is spoken to them, by ALPN or, without TLS, with prior knowledge.
    pub http2: bool,
    /// How it knows that a request has come through here; `None`: it does not.
    pub proof: Option<Proof>,
    /// TCP connect, and TLS handshake.
    pub connect_timeout: Duration,
    /// Between two reads of the answer.
    pub read_timeout: Duration,
    /// Between two writes of the request.
    pub write_timeout: Duration,
    /// Idle pooled connections are closed after this; keep it below the origin's own keep-alive.
    pub idle_timeout: Duration,
}

impl Origin {
    /// These servers, with everything else at its default.
    pub fn new(servers: Vec<OriginServer>) -> Self {
        Self {
            servers,
            balance: BALANCE.default(),
            in_flight_max: None,
            resolvers: RESOLVERS.default(),
            resolve_every: RESOLVE_EVERY.default(),
            health: None,
            tls: None,
            http2: false,
            proof: None,
            connect_timeout: CONNECT_TIMEOUT.default(),
            read_timeout: READ_TIMEOUT.default(),
            write_timeout: WRITE_TIMEOUT.default(),
            idle_timeout: IDLE_TIMEOUT.default(),
        }
    }
}

/// Which server gets the next request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Balance {
    /// Of two that are drawn by weight, the one with fewer requests under way.
    #[default]
    LeastInFlight,
    /// One after the other.
    RoundRobin,
    /// A visitor's requests go to the same one.
    Sticky,
}

impl Balance {
    /// Every choice with the word for it in files.
    pub const ALL: [(&'static str, Self); 3] =
        [("least_in_flight", Self::LeastInFlight), ("round_robin", Self::RoundRobin), ("sticky", Self::Sticky)];
}

pub(crate) static SECTION: Section = Section {
    name: "[origin]",
    doc: "Where admitted requests go",
    may_hold_secrets: false,
    keys: &[
        &servers::SERVERS,
        &BALANCE,
        &IN_FLIGHT_MAX,
        &RESOLVERS,
        &RESOLVE_EVERY,
        &CONNECT_TIMEOUT,
        &READ_TIMEOUT,
        &WRITE_TIMEOUT,
        &IDLE_TIMEOUT,
        &tls::TLS,
        &tls::TLS_NAME,
        &tls::TLS_CA_FILE,
        &tls::TLS_CLIENT_CERTIFICATE,
        &HTTP2,
        &HEALTH,
        &proof::PROOF,
    ],
};

pub(crate) const HELP: &str = "write `[origin]` and below it `servers = [\"127.0.0.1:9000\"]`";

static BALANCE: Key<Choice<Balance, 3>, Default<Balance>> = Key {
    name: "balance",
    doc: "Which server gets the next request",
    kind: Choice {
        words: &Balance::ALL,
        meanings: [
            "of two that are drawn by weight, the one with fewer requests under way",
            "one after the other, by weight",
            "all requests of a visitor inside go to the same one while it is up; of others, those of one client \
             address",
        ],
    },
    absent: Default(Balance::default),
};

static IN_FLIGHT_MAX: Key<Count, Optional> = Key {
    name: "in_flight_max",
    doc: "Most requests under way at each server, for each node; WebSockets and streams count for as long as they last. \
          Further ones wait for at most `connect_timeout`, then get 503 and keep their place",
    kind: Count(1..=1_000_000),
    absent: Optional("no bound"),
};

static RESOLVERS: Key<List<Text<SocketAddr>>, Default<Vec<SocketAddr>>> = Key {
    name: "resolvers",
    doc: "Resolvers of DNS (IP:port) that are asked for servers' names, the next one if one does not answer; `[]`: the system. \
          They are asked for each name as it is written: the system's file of hosts and search domains do not count",
    kind: List { entries: 0..=3, each: Text { parse: address::resolver, looks: Looks::Any("") } },
    absent: Default(Vec::new),
};

static RESOLVE_EVERY: Key<Time, Default<Duration>> = Key {
    name: "resolve_every",
    doc: "Between two look-ups of a server's name, give or take a fifth. A name that does not resolve keeps its last \
          addresses",
    kind: Time::from_s(1..=60 * 60),
    absent: Default(|| Duration::from_secs(30)),
};

static HTTP2: Key<Switch, Default<bool>> = Key {
    name: "http2",
    doc: "Speak HTTP/2 to the servers, as gRPC needs: over TLS by ALPN, else with prior knowledge. WebSockets cannot go there: \
          give their paths a `[[route]]`",
    kind: Switch,
    absent: Default(|| false),
};

static HEALTH: Key<Nested, Optional> = Key::table("health", &health::SECTION);

static CONNECT_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "connect_timeout",
    doc: "How long a connect to a server may take, and the TLS handshake if there is one",
    kind: Time::from_ms(100..=60_000),
    absent: Default(|| Duration::from_secs(5)),
};

static READ_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "read_timeout",
    doc: "Longest silence while the origin answers",
    kind: Time::from_s(1..=60 * 60),
    absent: Default(|| Duration::from_secs(60)),
};

static WRITE_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "write_timeout",
    doc: "Longest wait for the origin to take more of a request",
    kind: Time::from_s(1..=60 * 60),
    absent: Default(|| Duration::from_secs(60)),
};

// Its default is below the 60 s or more after which common servers close an idle connection: the side that closes first
// must be the one that does not send.
static IDLE_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "idle_timeout",
    doc: "How long an unused connection stays open; keep it below the origin's own keep-alive",
    kind: Time::from_s(1..=60 * 60),
    absent: Default(|| Duration::from_secs(50)),
};

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Origin> {
    let resolvers = table.read(&RESOLVERS);
    let resolve =
        |host: &str, port| Ok((outside.resolve)(resolvers.as_deref().map_err(|&reported| reported)?, host, port));
    let servers = table.read_with(&servers::SERVERS, |value| servers::read(value, &resolve));
    let tls = tls::read(table, outside, &servers);
    let balance = table.read(&BALANCE);
    let in_flight_max = table.read(&IN_FLIGHT_MAX);
    let resolve_every = table.read(&RESOLVE_EVERY);
    let health = table.read_with(&HEALTH, |value| HEALTH.kind.read(value, health::read));
    let http2 = table.read(&HTTP2);
    let proof =
        table.read_with(&proof::PROOF, |value| proof::PROOF.kind.read(value, |table| proof::read(table, outside)));
    let connect_timeout = table.read(&CONNECT_TIMEOUT);
    let read_timeout = table.read(&READ_TIMEOUT);
    let write_timeout = table.read(&WRITE_TIMEOUT);
    let idle_timeout = table.read(&IDLE_TIMEOUT);
    Ok(Origin {
        servers: servers?,
        balance: balance?,
        in_flight_max: in_flight_max?,
        resolvers: resolvers?,
        resolve_every: resolve_every?,
        health: health?,
        tls: tls?,
        http2: http2?,
        proof: proof?,
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        idle_timeout: idle_timeout?,
    })
}
