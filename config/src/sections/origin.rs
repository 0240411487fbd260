//! `[origin]`: where a tenant's admitted requests go.

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, time::Duration};

use crate::{
    declare::{Default, Key, List, Looks, Required, Section, Table, Text, Time, Value},
    diagnostics::{Kind, Read, Wrong},
    forms::address::{self, HostPort},
    outside::Outside,
    sections::claims::Claims,
};

/// `[origin]`: where admitted requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// At least one, resolved.
    pub servers: Vec<SocketAddr>,
    /// TCP connect.
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
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            connect_timeout: CONNECT_TIMEOUT.default(),
            read_timeout: READ_TIMEOUT.default(),
            write_timeout: WRITE_TIMEOUT.default(),
            idle_timeout: IDLE_TIMEOUT.default(),
        }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[origin]",
    doc: "Where admitted requests go",
    may_hold_secrets: false,
    keys: &[&SERVERS, &CONNECT_TIMEOUT, &READ_TIMEOUT, &WRITE_TIMEOUT, &IDLE_TIMEOUT],
};

pub(crate) const HELP: &str = "write `[origin]` and below it `servers = [\"127.0.0.1:9000\"]`";

static SERVERS: Key<List<Text<HostPort>>> = Key {
    name: "servers",
    doc: "Servers as IP:port or host:port; a name is resolved when the config is loaded",
    kind: List { entries: 1..=100, each: Text { parse: address::host_port, looks: Looks::Any("") } },
    absent: Required("write `servers = [\"127.0.0.1:9000\"]`"),
};

static CONNECT_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "connect_timeout",
    doc: "How long a TCP connect may take",
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
    let mut claims = Claims::default();
    let servers =
        table.read_with(&SERVERS, |value| SERVERS.kind.read_each(value, |entry| server(entry, outside, &mut claims)));
    let connect_timeout = table.read(&CONNECT_TIMEOUT);
    let read_timeout = table.read(&READ_TIMEOUT);
    let write_timeout = table.read(&WRITE_TIMEOUT);
    let idle_timeout = table.read(&IDLE_TIMEOUT);
    Ok(Origin {
        servers: servers?.concat(),
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        idle_timeout: idle_timeout?,
    })
}

/// The addresses of one server.
fn server(value: Value<'_>, outside: &Outside<'_>, claims: &mut Claims<SocketAddr>) -> Read<Vec<SocketAddr>> {
    let server = value.text(address::host_port)?;
    let port = server.port.ok_or_else(|| {
        let help = format!("write \"{0}:80\", or the port that {0} listens on", server.host);
        value.wrong(Wrong::malformed("the port is missing", help))
    })?;
    let addresses = match server.host.parse() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => resolve(&server.host, port, outside).map_err(|wrong| value.wrong(wrong))?,
    };
    for address in &addresses {
        claims.claim_for(*address, value, "server")?;
    }
    Ok(addresses)
}

/// A name's addresses, each once and in a fixed order, so that a reload sees a change only if there is one.
///
/// A name with addresses of both families, `localhost` above all, often has a server behind one of them only: then
/// it is the IPv4 ones.
fn resolve(host: &str, port: u16, outside: &Outside<'_>) -> Result<Vec<SocketAddr>, Wrong> {
    let unresolved = |message| {
        Wrong::new(Kind::Unresolved, message, "check the name and this machine's DNS, or write the server's IP address")
    };
    let mut addresses =
        (outside.resolve)(host, port).map_err(|error| unresolved(format!("the name does not resolve: {error}")))?;
    if addresses.iter().any(SocketAddr::is_ipv4) {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses.sort_unstable();
    addresses.dedup();
    match addresses.is_empty() {
        true => Err(unresolved("the name has no address".to_owned())),
        false => Ok(addresses),
    }
}
