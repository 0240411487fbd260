//! `[store]`: the shared store of a fleet.

#[cfg(test)]
mod tests;
mod url;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    declare::{
        Default, Key, Looks, Number, Optional, Readable as _, Required, Section, Switch, Table, Text, Time, Value,
    },
    diagnostics::{Read, Wrong},
    limits,
    outside::Outside,
    sections::{
        secret::{self, Secret},
        tls::pem::PemFile,
    },
};
use url::Scheme;

#[cfg(test)]
pub(crate) use url::NODES_MAX;
pub use url::RedisNode;

/// `[store]`: where the lines live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In this process, with state files in this directory. One node only.
    Embedded {
        /// Where the state files are kept.
        state_dir: PathBuf,
    },
    /// In Redis or Valkey, shared by a fleet.
    Redis {
        /// `redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://`, as written; never with a password.
        url: Secret,
        /// What the URL says, taken apart, and everything else a connection needs.
        settings: Box<RedisSettings>,
        /// Marks this node has seen, so that a wiped store is healed after a full restart too.
        state_dir: PathBuf,
    },
}

impl Store {
    /// Where a node keeps what must outlive it.
    pub fn state_dir(&self) -> &Path {
        match self {
            Self::Embedded { state_dir } | Self::Redis { state_dir, .. } => state_dir,
        }
    }
}

/// What a connection to Redis or Valkey needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// How the nodes belong together.
    pub topology: RedisTopology,
    /// The URL's hosts in the order written. Names are not resolved here: the store may be unavailable when a node
    /// starts, and moves between addresses while it runs.
    pub nodes: Vec<RedisNode>,
    /// Logical database; 0 in a cluster.
    pub database: u32,
    /// Name of the ACL user; `None`: the server's default user.
    pub username: Option<String>,
    /// Password of that user.
    pub password: Option<Secret>,
    /// Starts every key, so that several fleets can share one store.
    pub key_prefix: String,
    /// How long TCP and TLS set-up may take.
    pub connect_timeout: Duration,
    /// How long an answer may take before the store counts as unavailable.
    pub response_timeout: Duration,
    /// Whether connections are TLS.
    pub tls: bool,
    /// PEM certificates that sign the server's; `None`: the public ones.
    pub tls_ca_pem: Option<String>,
}

/// How the nodes of a store belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    /// One server (`redis://`, `rediss://`).
    Single,
    /// Sentinels that know which server is the primary (`redis+sentinel://`).
    Sentinel {
        /// Name under which the Sentinels watch it.
        master: String,
    },
    /// Seed nodes of a cluster (`redis+cluster://`).
    Cluster,
}

impl RedisSettings {
    /// These nodes without TLS and password, with everything else at its default.
    pub fn new(topology: RedisTopology, nodes: Vec<RedisNode>) -> Self {
        Self {
            topology,
            nodes,
            database: DATABASE.default(),
            username: None,
            password: None,
            key_prefix: KEY_PREFIX.default(),
            connect_timeout: CONNECT_TIMEOUT.default(),
            response_timeout: RESPONSE_TIMEOUT.default(),
            tls: false,
            tls_ca_pem: None,
        }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[store]",
    doc: "The Redis or Valkey that the nodes of a fleet share. Without this table the lines live in the one node, and in \
          its state files",
    // A password may stand in many wrong places here.
    may_hold_secrets: true,
    keys: &[
        &URL,
        &SENTINEL_MASTER,
        &DATABASE,
        &USERNAME,
        &PASSWORD,
        &KEY_PREFIX,
        &CONNECT_TIMEOUT,
        &RESPONSE_TIMEOUT,
        &TLS,
        &TLS_CA_FILE,
    ],
};

static URL: Key<Text<url::StoreUrl>> = Key {
    name: "url",
    doc: "`redis://HOST:PORT`, `rediss://…` for TLS, `redis+sentinel://A,B,C` or `redis+cluster://A,B,C`; a path is the \
          database. Never with user, password or options",
    kind: Text { parse: url::parse, looks: Looks::Pattern(url::PATTERN, "at most 64 hosts") },
    absent: Required("write `url = \"redis://127.0.0.1:6379\"`"),
};

const NAME: Text<String> =
    Text { parse: name, looks: Looks::Pattern("^[A-Za-z0-9._-]{1,64}$", "1 to 64 of `A-Z a-z 0-9 . _ -`") };

static SENTINEL_MASTER: Key<Text<String>, Optional> = Key {
    name: "sentinel_master",
    doc: "Name under which the Sentinels watch the primary; required with `redis+sentinel://`, refused otherwise",
    kind: NAME,
    absent: Optional("none"),
};

static DATABASE: Key<Number, Default<u32>> = Key {
    name: "database",
    doc: "Logical database, here or in the URL; 0 in a cluster",
    kind: Number(url::DATABASES),
    absent: Default(|| 0),
};

static USERNAME: Key<Text<String>, Optional> =
    Key { name: "username", doc: "Name of the ACL user", kind: NAME, absent: Optional("the server's default user") };

static PASSWORD: Key<secret::Kept, Optional> = Key {
    name: "password",
    doc: "Password of that user, at most 4,096 bytes",
    kind: secret::Kept { example: "password = { env = \"SLUICE_STORE_PASSWORD\" }" },
    absent: Optional("none"),
};

static KEY_PREFIX: Key<Text<String>, Default<String>> = Key {
    name: "key_prefix",
    doc: "Starts every key, so that several fleets can share one store",
    kind: Text {
        parse: key_prefix,
        looks: Looks::Pattern("^[A-Za-z0-9._:-]{1,32}$", "1 to 32 of `A-Z a-z 0-9 . _ : -`"),
    },
    absent: Default(|| "sluice".to_owned()),
};

static CONNECT_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "connect_timeout",
    doc: "How long TCP and TLS set-up may take",
    kind: Time::from_ms(100..=60_000),
    absent: Default(|| Duration::from_secs(2)),
};

static RESPONSE_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "response_timeout",
    doc: "How long an answer may take before the store counts as unavailable",
    kind: Time::from_ms(10..=30_000),
    absent: Default(|| Duration::from_millis(500)),
};

static TLS: Key<Switch, Optional> = Key {
    name: "tls",
    doc: "Connect with TLS",
    kind: Switch,
    absent: Optional("`true` with `rediss://`, else `false`"),
};

static TLS_CA_FILE: Key<PemFile, Optional> = Key {
    name: "tls_ca_file",
    doc: "PEM file, from the config folder, of the certificates that sign the store's; needs TLS",
    kind: PemFile { certificates: None, bytes_max: limits::FILE_BYTES_MAX },
    absent: Optional("the public ones"),
};

/// Reads `[store]`; `state_dir` comes from `[server]`.
pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>, state_dir: Read<PathBuf>) -> Read<Store> {
    let url = table.read_with(&URL, |value| {
        // What follows the scheme may hold a password in any number of wrong places.
        URL.kind.read(value).inspect_err(|_| value.hide_after("://")).map(|url| (url, value))
    });
    let scheme = url.as_ref().ok().map(|(url, _)| url.scheme);
    let topology = topology(table, scheme);
    let database = database(table, &url);
    let username = table.read_with(&USERNAME, |value| {
        // "user:password" is a slip away.
        USERNAME.kind.read(value).inspect_err(|_| value.hide())
    });
    let password = table.read_with(&PASSWORD, |value| PASSWORD.kind.password(value, outside));
    let key_prefix = table.read(&KEY_PREFIX);
    let connect_timeout = table.read(&CONNECT_TIMEOUT);
    let response_timeout = table.read(&RESPONSE_TIMEOUT);
    let tls = tls(table, scheme);
    let tls_ca_pem = tls_ca(table, outside, &tls);
    let (url, _) = url?;
    let settings = RedisSettings {
        topology: topology?,
        nodes: url.nodes,
        database: database?,
        username: username?,
        password: password?,
        key_prefix: key_prefix?,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        tls: tls?,
        tls_ca_pem: tls_ca_pem?,
    };
    Ok(Store::Redis { url: Secret::new(url.written), settings: Box::new(settings), state_dir: state_dir? })
}

/// Which servers there are behind the URL; only Sentinels need a name.
fn topology(table: &Table<'_>, scheme: Option<Scheme>) -> Read<RedisTopology> {
    let master =
        table.checked(&SENTINEL_MASTER, |value, _| match scheme {
            Some(Scheme::Sentinel) | None => Ok(()),
            Some(_) => Err(value
                .conflict("`sentinel_master` without Sentinels", "remove it, or write `url = \"redis+sentinel://…\"`")),
        })?;
    match (scheme, master) {
        (Some(Scheme::Sentinel), Some(master)) => Ok(RedisTopology::Sentinel { master }),
        (Some(Scheme::Sentinel), None) => Err(table.missing(
            "`sentinel_master` is missing",
            "write the name under which the Sentinels watch the primary: `sentinel_master = \"mymaster\"`",
        )),
        (Some(Scheme::Cluster), _) => Ok(RedisTopology::Cluster),
        _ => Ok(RedisTopology::Single),
    }
}

/// The logical database, from its key or from the URL's path.
fn database(table: &Table<'_>, url: &Read<(url::StoreUrl, Value<'_>)>) -> Read<u32> {
    let in_url = url.as_ref().ok().and_then(|(url, _)| url.database);
    let in_cluster = matches!(url, Ok((url, _)) if url.scheme == Scheme::Cluster);
    let value = table.value(&DATABASE);
    let database = match value {
        Some(value) => DATABASE.kind.read(value)?,
        None => in_url.unwrap_or(DATABASE.default()),
    };
    let place = value.or(url.as_ref().ok().map(|(_, value)| *value));
    match place {
        Some(place) if in_cluster && database != 0 => {
            Err(place.conflict("a cluster has database 0 only", "leave the database out"))
        }
        Some(place) if in_url.is_some_and(|in_url| in_url != database) => {
            Err(place.conflict("the URL names another database", "name the database here or in the URL, not in both"))
        }
        _ => Ok(database),
    }
}

/// `rediss://` is TLS; the other schemes say it with `tls = true`.
fn tls(table: &Table<'_>, scheme: Option<Scheme>) -> Read<bool> {
    let by_scheme = scheme == Some(Scheme::SingleTls);
    let tls = table.checked(&TLS, |value, tls| match tls {
        false if by_scheme => Err(value.conflict("`rediss://` is TLS", "write `tls = true`, or `redis://` in the URL")),
        _ => Ok(()),
    })?;
    Ok(tls.unwrap_or(by_scheme))
}

fn tls_ca(table: &Table<'_>, outside: &Outside<'_>, tls: &Read<bool>) -> Read<Option<String>> {
    table.read_with(&TLS_CA_FILE, |value| {
        if matches!(tls, Ok(false)) {
            return Err(
                value.conflict("`tls_ca_file` without TLS", "add `tls = true`, or write `rediss://` in the URL")
            );
        }
        let file = TLS_CA_FILE.kind.read(value, outside)?;
        let pem = String::from_utf8(file.bytes).ok().filter(|text| text.contains("-----BEGIN CERTIFICATE-----"));
        pem.ok_or_else(|| {
            let help = "it must hold PEM: `-----BEGIN CERTIFICATE-----` …";
            value.wrong(Wrong::malformed("the file holds no certificate", help))
        })
    })
}

fn name(written: &str) -> Result<String, Wrong> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=64).contains(&written.len()) && written.bytes().all(valid) {
        return Ok(written.to_owned());
    }
    Err(Wrong::malformed("not a name", "write 1 to 64 of A-Z a-z 0-9 . _ -"))
}

/// No braces: they would move Redis's hash tag, and a line's keys would no longer stand together.
fn key_prefix(written: &str) -> Result<String, Wrong> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
    if (1..=32).contains(&written.len()) && written.bytes().all(valid) {
        return Ok(written.to_owned());
    }
    Err(Wrong::malformed("not a prefix for keys", "write 1 to 32 of A-Z a-z 0-9 . _ : -"))
}
