//! `servers` of an origin.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use serde_json::{Value as JsonValue, json};

use crate::{
    declare::{Count, Default, Form, Json, Key, List, Looks, Nested, Required, Section, Text, Value, json},
    diagnostics::{Kind, Read, Wrong},
    forms::address::{self, HostPort},
    limits::{SERVER_ADDRESSES_MAX, UNIX_PATH_BYTES_MAX},
    sections::tenant::claims::Claims,
};

/// A server of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginServer {
    /// Where it is.
    pub address: ServerAddress,
    /// Its share of the requests, beside the others' weights.
    pub weight: NonZeroU32,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerAddress {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A host name and a port. Each address is a server of its own.
    Name {
        /// In lower case.
        host: String,
        /// The same for all addresses.
        port: u16,
        /// What the name resolved to when the config was loaded, as [`usable_addresses`] gives it; at least one.
        addresses: Vec<SocketAddr>,
    },
    /// A Unix socket, by its absolute path.
    Unix(PathBuf),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl From<SocketAddr> for OriginServer {
    fn from(address: SocketAddr) -> Self {
        Self { address: ServerAddress::Ip(address), weight: WEIGHT.default() }
    }
}

/// Which of a name's addresses are used: each once and in a fixed order, so that a change is seen only if there is one.
///
/// A name with addresses of both families, `localhost` above all, often has a server behind one of them only: then
/// it is the IPv4 ones.
pub fn usable_addresses(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if addresses.iter().any(SocketAddr::is_ipv4) {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(SERVER_ADDRESSES_MAX);
    addresses
}

const UNIX: &str = "unix:";

pub(crate) static SECTION: Section =
    Section { name: "a server", doc: "", may_hold_secrets: false, keys: &[&ADDRESS, &WEIGHT] };

pub(super) static SERVERS: Key<List<Entry>> = Key {
    name: "servers",
    doc: "Servers as `\"IP:port\"`, `\"host:port\"` or `\"unix:/path\"`, or [with a weight](#servers)",
    kind: List { entries: 1..=100, each: Entry },
    absent: Required("write `servers = [\"127.0.0.1:9000\"]`"),
};

static ADDRESS: Key<Text<Written>> = Key {
    name: "address",
    doc: "`\"IP:port\"`, `\"host:port\"`, or the absolute path of a Unix socket as `\"unix:/path\"`",
    kind: Text { parse: written, looks: Looks::Any("") },
    absent: Required("write `{ address = \"127.0.0.1:9000\", weight = 2 }`"),
};

static WEIGHT: Key<Count, Default<NonZeroU32>> = Key {
    name: "weight",
    doc: "Its share of the requests: one of weight 2 gets twice as many as one of weight 1",
    kind: Count(1..=100),
    absent: Default(|| NonZeroU32::MIN),
};

/// A server: its address, or a table with its weight.
pub(super) struct Entry;

const TABLE: Nested = Nested { section: &SECTION, example: "{ address = \"127.0.0.1:9000\", weight = 2 }" };

impl Form for Entry {
    fn schema(&self) -> Json {
        json(json!({ "oneOf": [JsonValue::Object(ADDRESS.kind.schema()), JsonValue::Object(TABLE.schema())] }))
    }
    fn bounds(&self) -> String {
        String::new()
    }
    fn section(&self) -> Option<&'static Section> {
        Some(&SECTION)
    }
}

/// The addresses of a host, unless it is not known whom to ask.
type Resolve<'r> = &'r dyn Fn(&str, u16) -> Read<io::Result<Vec<SocketAddr>>>;

/// The servers, each once.
pub(super) fn read(value: Value<'_>, resolve: Resolve<'_>) -> Read<Vec<OriginServer>> {
    let mut claims = Claims::default();
    SERVERS.kind.read_each(value, |entry| {
        let mut address = |value: Value<'_>| address(value, resolve, &mut claims);
        if entry.as_table().is_none() {
            return Ok(OriginServer { address: address(entry)?, weight: WEIGHT.default() });
        }
        TABLE.read(entry, |table| {
            let address = table.read_with(&ADDRESS, address);
            let weight = table.read(&WEIGHT);
            Ok(OriginServer { address: address?, weight: weight? })
        })
    })
}

/// An address as it is written.
enum Written {
    Host(HostPort),
    Unix(PathBuf),
}

fn written(text: &str) -> Result<Written, Wrong> {
    match text.strip_prefix(UNIX) {
        Some(path) => unix(path).map(Written::Unix),
        None => address::host_port(text).map(Written::Host),
    }
}

fn unix(path: &str) -> Result<PathBuf, Wrong> {
    // `unix://` and a path is how others write it.
    let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
    if !Path::new(path).is_absolute() {
        return Err(Wrong::malformed("the path of a Unix socket is absolute", "write \"unix:/run/app.sock\""));
    }
    if path.len() > UNIX_PATH_BYTES_MAX || path.contains('\0') {
        return Err(Wrong::malformed(
            "no Unix socket can have this path",
            format!("the longest has {UNIX_PATH_BYTES_MAX} bytes: put the socket into another folder"),
        ));
    }
    Ok(path.into())
}

fn address(
    value: Value<'_>,
    resolve: Resolve<'_>,
    claims: &mut Claims<Result<SocketAddr, PathBuf>>,
) -> Read<ServerAddress> {
    let server = match value.text(written)? {
        Written::Unix(path) => {
            claims.claim_for(Err(path.clone()), value, "server")?;
            return Ok(ServerAddress::Unix(path));
        }
        Written::Host(server) => server,
    };
    let port = server.port.ok_or_else(|| {
        let help = format!("write \"{0}:80\", or the port that {0} listens on", server.host);
        value.wrong(Wrong::malformed("the port is missing", help))
    })?;
    if let Ok(ip) = server.host.parse::<IpAddr>() {
        let address = SocketAddr::new(ip, port);
        claims.claim_for(Ok(address), value, "server")?;
        return Ok(ServerAddress::Ip(address));
    }
    let addresses = resolved(resolve(&server.host, port)?).map_err(|wrong| value.wrong(wrong))?;
    for address in &addresses {
        claims.claim_for(Ok(*address), value, "server")?;
    }
    Ok(ServerAddress::Name { host: server.host, port, addresses })
}

fn resolved(addresses: io::Result<Vec<SocketAddr>>) -> Result<Vec<SocketAddr>, Wrong> {
    let unresolved = |message| {
        Wrong::new(
            Kind::Unresolved,
            message,
            "check the name and the DNS that is asked, or write the server's IP address",
        )
    };
    let addresses = addresses.map_err(|error| unresolved(format!("the name does not resolve: {error}")))?;
    match usable_addresses(addresses) {
        addresses if addresses.is_empty() => Err(unresolved("the name has no address".to_owned())),
        addresses => Ok(addresses),
    }
}
