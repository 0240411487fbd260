//! `[server]`: listeners and node-wide limits.

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use serde_json::{Value as JsonValue, json};

use crate::{
    declare::{
        Choice, Count, Default, Form, Json, Key, List, Looks, Number, Optional, Readable, Section, Switch, Table, Text,
        Time, Value, json,
    },
    diagnostics::{Diagnostics, Read, Wrong},
    forms::{address, path},
    outside::Outside,
    sections::tenant::claims::{Claims, Owner},
};

/// `[server]`: listeners and node-wide limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Plain HTTP listeners.
    pub http: Vec<SocketAddr>,
    /// TLS listeners.
    pub https: Vec<SocketAddr>,
    /// Health and metrics; `None` switches it off.
    pub admin: Option<SocketAddr>,
    /// Peers whose `X-Forwarded-For` / `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Listeners on which each connection begins with a PROXY header.
    pub proxy_protocol: Vec<SocketAddr>,
    /// What becomes of requests without a trace.
    pub traceparent: Traceparent,
    /// Worker threads of the proxy; `None`: one per core.
    pub threads: Option<usize>,
    /// How long requests in flight may take after a stop signal before they are cut.
    pub drain_timeout: Duration,
    /// Most client connections at once; the idlest makes room for the next one.
    pub connections_max: usize,
    /// Whether HTTP/2 is offered on the `https` listeners.
    pub http2: bool,
    /// Where health checks are answered that ask for no tenant's host.
    pub health_path: Option<String>,
    /// Most requests under way at once, over all connections; the next one is refused.
    pub requests_max: usize,
}

impl std::default::Default for Server {
    fn default() -> Self {
        Self {
            http: HTTP.default(),
            https: HTTPS.default(),
            admin: ADMIN.default(),
            trusted_proxies: TRUSTED_PROXIES.default(),
            proxy_protocol: PROXY_PROTOCOL.default(),
            traceparent: TRACEPARENT.default(),
            threads: None,
            drain_timeout: DRAIN_TIMEOUT.default(),
            connections_max: CONNECTIONS_MAX.default() as usize,
            http2: HTTP2.default(),
            health_path: None,
            requests_max: REQUESTS_MAX.default() as usize,
        }
    }
}

/// What becomes of `traceparent` (W3C Trace Context). One that is in order always goes on as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traceparent {
    /// It goes on as it came.
    Pass,
    /// Where there is none in order, a trace begins, not sampled.
    Make,
}

pub(crate) static SECTION: Section = Section {
    name: "[server]",
    doc: "Listeners and node-wide limits",
    may_hold_secrets: false,
    keys: &[
        &HTTP,
        &HTTPS,
        &ADMIN,
        &ADMIN_PUBLIC,
        &TRUSTED_PROXIES,
        &PROXY_PROTOCOL,
        &TRACEPARENT,
        &THREADS,
        &DRAIN_TIMEOUT,
        &CONNECTIONS_MAX,
        &HTTP2,
        &HEALTH_PATH,
        &REQUESTS_MAX,
        &STATE_DIR,
    ],
};

const HTTP_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

type Listeners = List<Text<SocketAddr>>;
const LISTENERS: Listeners = List { entries: 0..=64, each: Text { parse: address::listen, looks: Looks::Any("") } };

static HTTP: Key<Listeners, Default<Vec<SocketAddr>>> = Key {
    name: "http",
    doc: "Addresses (IP:port) for plain HTTP; `[]` for none. Port 0: the system chooses one",
    kind: LISTENERS,
    absent: Default(|| vec![HTTP_DEFAULT]),
};

static HTTPS: Key<Listeners, Default<Vec<SocketAddr>>> = Key {
    name: "https",
    doc: "Addresses (IP:port) for TLS; needs a certificate, of a tenant or `default_certificate`",
    kind: LISTENERS,
    absent: Default(Vec::new),
};

static ADMIN: Key<Admin, Default<Option<SocketAddr>>> = Key {
    name: "admin",
    doc: "Address (IP:port) of health and metrics; `false` or `\"off\"`: none. An address that other machines can reach \
          needs `admin_public`",
    kind: Admin,
    absent: Default(|| Some(ADMIN_DEFAULT)),
};

static ADMIN_PUBLIC: Key<Switch, Default<bool>> = Key {
    name: "admin_public",
    doc: "Allows an `admin` address that other machines can reach",
    kind: Switch,
    absent: Default(|| false),
};

static TRUSTED_PROXIES: Key<List<Text<IpNet>>, Default<Vec<IpNet>>> = Key {
    name: "trusted_proxies",
    doc: "Networks (CIDR) of the proxies in front, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed",
    kind: List { entries: 0..=1000, each: Text { parse: address::network, looks: Looks::Any("") } },
    absent: Default(Vec::new),
};

static PROXY_PROTOCOL: Key<Listeners, Default<Vec<SocketAddr>>> = Key {
    name: "proxy_protocol",
    doc: "Those of the addresses of `http` and `https` on which each connection begins with a PROXY header, version 1 or 2. It \
          is required there, and believed from `trusted_proxies` only; whatever else comes is closed",
    kind: LISTENERS,
    absent: Default(Vec::new),
};

static TRACEPARENT: Key<Choice<Traceparent, 2>, Default<Traceparent>> = Key {
    name: "traceparent",
    doc: "What becomes of `traceparent` and `tracestate` (W3C Trace Context) on the way to origins",
    kind: Choice {
        words: &[("pass", Traceparent::Pass), ("make", Traceparent::Make)],
        meanings: ["they go on as they came", "where there is none in order, a trace begins, not sampled"],
    },
    absent: Default(|| Traceparent::Pass),
};

static THREADS: Key<Count, Optional> =
    Key { name: "threads", doc: "Worker threads", kind: Count(1..=1024), absent: Optional("one per core") };

static DRAIN_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "drain_timeout",
    doc: "How long requests in flight may take after a stop signal before they are cut",
    kind: Time::from_s(0..=60 * 60),
    absent: Default(|| Duration::from_secs(30)),
};

static CONNECTIONS_MAX: Key<Number, Default<u32>> = Key {
    name: "connections_max",
    doc: "Most client connections at once; the idlest makes room for the next one, which is closed only if none is idle",
    kind: Number(1..=1_000_000),
    absent: Default(|| 15_000),
};

static HTTP2: Key<Switch, Default<bool>> = Key {
    name: "http2",
    doc: "Whether HTTP/2 is offered on the `https` listeners",
    kind: Switch,
    absent: Default(|| true),
};

static HEALTH_PATH: Key<Text<String>, Optional> = Key {
    name: "health_path",
    doc: "Where load balancers get an answer on the listeners of visitors, without `Host` over HTTP/1.0 or with one that \
          is no tenant's, such as the node's address: 200, or 503 when visitors are to be sent to other nodes",
    kind: Text { parse: path::prefix, looks: Looks::Pattern(path::PATTERN, "") },
    absent: Optional("such requests are refused"),
};

static REQUESTS_MAX: Key<Number, Default<u32>> = Key {
    name: "requests_max",
    doc: "Most requests under way at once, over all connections; the next one is refused",
    kind: Number(100..=1_000_000),
    absent: Default(|| 20_000),
};

static STATE_DIR: Key<Text<String>, Default<String>> = Key {
    name: "state_dir",
    doc: "Folder of what this node remembers of each line and, without Redis, of the state files; from the config folder",
    kind: Text { parse: folder, looks: Looks::Any("") },
    absent: Default(|| "state".to_owned()),
};

/// Reads `[server]` and, beside it, where state files are kept.
pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<(Server, PathBuf)> {
    let mut taken = Claims::default();
    let http = listeners(table, &HTTP, &mut taken);
    let https = listeners(table, &HTTPS, &mut taken);
    let admin = admin(table, &mut taken);
    let listening = match (&http, &https) {
        (Ok(http), Ok(https)) if http.is_empty() && https.is_empty() => {
            Err(table.missing("there is nothing to listen on", format!("write `http = [\"{HTTP_DEFAULT}\"]`")))
        }
        _ => Ok(()),
    };
    let trusted_proxies = table.read(&TRUSTED_PROXIES);
    let proxy_protocol = proxy_protocol(table, &http, &https, &trusted_proxies);
    let traceparent = table.read(&TRACEPARENT);
    let threads = table.read(&THREADS);
    let drain_timeout = table.read(&DRAIN_TIMEOUT);
    let connections_max = table.read(&CONNECTIONS_MAX);
    let http2 = table.read(&HTTP2);
    let health_path = table.read(&HEALTH_PATH);
    let requests_max = table.read(&REQUESTS_MAX);
    let state_dir = table.read(&STATE_DIR);
    listening?;
    let server = Server {
        http: http?,
        https: https?,
        admin: admin?,
        trusted_proxies: trusted_proxies?,
        proxy_protocol: proxy_protocol?,
        traceparent: traceparent?,
        threads: threads?.map(|threads| threads.get() as usize),
        drain_timeout: drain_timeout?,
        connections_max: connections_max? as usize,
        http2: http2?,
        health_path: health_path?,
        requests_max: requests_max? as usize,
    };
    Ok((server, outside.dir.join(state_dir?)))
}

/// Reads `admin` of a `[server]` and nothing else of it: whatever else is wrong there is no answer to where a node that
/// runs is asked for its health.
pub(crate) fn read_admin(diagnostics: &Diagnostics, value: Option<Value<'_>>) -> Read<Option<SocketAddr>> {
    let Some(entries) = value.and_then(Value::as_table) else { return Ok(ADMIN.default()) };
    Table::new(diagnostics, &SECTION, 0..0, entries).read(&ADMIN)
}

fn folder(written: &str) -> Result<String, Wrong> {
    match written {
        "" => Err(Wrong::malformed("the path is empty", "name a folder, or leave the key out")),
        written => Ok(written.to_owned()),
    }
}

/// Listeners of one kind.
fn listeners(
    table: &Table<'_>,
    key: &'static Key<Listeners, Default<Vec<SocketAddr>>>,
    taken: &mut Claims<SocketAddr>,
) -> Read<Vec<SocketAddr>> {
    let Some(value) = table.value(key) else {
        let default = key.default();
        for address in &default {
            claim_default(table, taken, *address, key.name)?;
        }
        return Ok(default);
    };
    key.kind.check_each(value, |entry, address| claim(taken, *address, entry))
}

/// Listeners that are there, with somebody to be believed.
fn proxy_protocol(
    table: &Table<'_>,
    http: &Read<Vec<SocketAddr>>,
    https: &Read<Vec<SocketAddr>>,
    trusted_proxies: &Read<Vec<IpNet>>,
) -> Read<Vec<SocketAddr>> {
    let Some(value) = table.value(&PROXY_PROTOCOL) else { return Ok(PROXY_PROTOCOL.default()) };
    // Those that are wrong have been reported, and may be the ones that are meant.
    let known = http.as_ref().ok().zip(https.as_ref().ok());
    let named =
        PROXY_PROTOCOL.kind.check_each(value, |entry, address| match known {
            Some((http, https)) if !http.contains(address) && !https.contains(address) => Err(entry
                .conflict("neither `http` nor `https` lists this address", "name a listener as it is written there")),
            _ => Ok(()),
        })?;
    if !named.is_empty() && trusted_proxies.as_ref().is_ok_and(Vec::is_empty) {
        return Err(value.conflict(
            "there is nobody whose PROXY header is believed",
            "write the addresses of the proxies in front into `trusted_proxies`",
        ));
    }
    Ok(named)
}

/// The admin listener: an address, or `false` or `"off"` for none.
struct Admin;

impl Form for Admin {
    fn schema(&self) -> Json {
        json(json!({ "anyOf": [{ "type": "string" }, { "const": false }] }))
    }
    fn bounds(&self) -> String {
        "loopback, unless `admin_public`".to_owned()
    }
}

impl Readable for Admin {
    type Out = Option<SocketAddr>;
    fn read(&self, value: Value<'_>) -> Read<Option<SocketAddr>> {
        match (value.as_bool(), value.as_str()) {
            (Some(false), _) | (_, Some("off")) => Ok(None),
            (Some(true), _) => Err(value.wrong_type("an address or false", format!("admin = \"{ADMIN_DEFAULT}\""))),
            _ => value.text(address::listen).map(Some),
        }
    }
    fn write(&self, address: &Option<SocketAddr>) -> JsonValue {
        address.map_or(false.into(), |address| address.to_string().into())
    }
}

/// It shows the names and figures of all queues, so it stays on this machine unless `admin_public` says otherwise.
fn admin(table: &Table<'_>, taken: &mut Claims<SocketAddr>) -> Read<Option<SocketAddr>> {
    let public = table.read(&ADMIN_PUBLIC);
    if table.value(&ADMIN).is_none()
        && let Some(address) = ADMIN.default()
    {
        claim_default(table, taken, address, ADMIN.name)?;
    }
    table.checked(&ADMIN, |value, address| match address {
        Some(address) if public.is_ok_and(|public| !public) && !address.ip().to_canonical().is_loopback() => Err(value
            .conflict(
                "the admin listener would be reachable from other machines",
                format!(
                    "write `admin = \"127.0.0.1:{}\"`, or add `admin_public = true` if a firewall guards the port",
                    address.port()
                ),
            )),
        Some(address) => claim(taken, *address, value),
        None => Ok(()),
    })
}

/// Two listeners cannot have the same address, unless the system chooses their ports.
fn claim(taken: &mut Claims<SocketAddr>, address: SocketAddr, value: Value<'_>) -> Read<()> {
    match address.port() {
        0 => Ok(()),
        _ => taken.claim_for(address, value, "address"),
    }
}

fn claim_default(
    table: &Table<'_>,
    taken: &mut Claims<SocketAddr>,
    address: SocketAddr,
    key: &'static str,
) -> Read<()> {
    taken.claim(address, Owner::Default(key), "address").map_err(|wrong| {
        let message = format!("`{key}` is {address} if it is not written, but {}", wrong.message);
        table.wrong(Wrong::new(wrong.kind, message, format!("write another address for `{key}`")))
    })
}
