//! `[store]`: the shared store of a fleet.

#[cfg(test)]
mod tests;
mod url;

use std::{path::PathBuf, time::Duration};

use crate::{
    declare::{Section, Table, Value},
    diagnostics::{Read, Wrong},
    limits,
    outside::Outside,
    sections::{pem, secret},
    settings::{RedisSettings, RedisTopology, Secret, Store},
};
use url::Scheme;

pub(crate) use url::PATTERN as URL_PATTERN;

pub(crate) const SECTION: Section = Section { path: "sluice.toml:store", shown: "[store]", example: "[store]" };
const PASSWORD: Section = Section {
    path: "sluice.toml:store.password",
    shown: "a password",
    example: "password = { env = \"SLUICE_STORE_PASSWORD\" }",
};

/// What names in the store look like, for editors.
pub(crate) const NAME_PATTERN: &str = "^[A-Za-z0-9._-]{1,64}$";
pub(crate) const KEY_PREFIX_PATTERN: &str = "^[A-Za-z0-9._:-]{1,32}$";

const KEY_PREFIX_DEFAULT: &str = "sluice";
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(2);
const RESPONSE_TIMEOUT_DEFAULT: Duration = Duration::from_millis(500);

/// Reads `[store]`; `state_dir` is told by `[server]`.
pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>, state_dir: Read<PathBuf>) -> Read<Store> {
    let url = table.required("url", "write `url = \"redis://127.0.0.1:6379\"`", |value| {
        // What follows the scheme may hold a password in any number of wrong places.
        value.text(url::parse).inspect_err(|_| value.hide_after("://")).map(|url| (url, value))
    });
    let scheme = url.as_ref().ok().map(|(url, _)| url.scheme);
    let topology = topology(table, scheme);
    let database = database(table, &url);
    let username = table.optional("username", |value| {
        // "user:password" is a slip away.
        value.text(name).inspect_err(|_| value.hide())
    });
    let password = table.optional("password", |value| secret::password(value, PASSWORD, outside));
    let key_prefix = table.or("key_prefix", KEY_PREFIX_DEFAULT.to_owned(), |value| value.text(key_prefix));
    let connect_timeout =
        table.or("connect_timeout", CONNECT_TIMEOUT_DEFAULT, |value| value.duration(limits::CONNECT_TIMEOUT));
    let response_timeout =
        table.or("response_timeout", RESPONSE_TIMEOUT_DEFAULT, |value| value.duration(limits::RESPONSE_TIMEOUT));
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

/// Which servers there are behind the URL; only Sentinels need to be told a name.
fn topology(table: &Table<'_>, scheme: Option<Scheme>) -> Read<RedisTopology> {
    let master = table.optional("sentinel_master", |value| {
        let master = value.text(name)?;
        match scheme {
            Some(Scheme::Sentinel) | None => Ok(master),
            Some(_) => Err(value
                .conflict("`sentinel_master` without Sentinels", "remove it, or write `url = \"redis+sentinel://…\"`")),
        }
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
    let value = table.value("database");
    let database = match value {
        Some(value) => value.integer(limits::DATABASE)?,
        None => in_url.unwrap_or(0),
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
    table.or("tls", by_scheme, |value| match value.bool()? {
        false if by_scheme => Err(value.conflict("`rediss://` is TLS", "write `tls = true`, or `redis://` in the URL")),
        tls => Ok(tls),
    })
}

fn tls_ca(table: &Table<'_>, outside: &Outside<'_>, tls: &Read<bool>) -> Read<Option<String>> {
    table.optional("tls_ca_file", |value| {
        if matches!(tls, Ok(false)) {
            return Err(
                value.conflict("`tls_ca_file` without TLS", "add `tls = true`, or write `rediss://` in the URL")
            );
        }
        let file = pem::read(value, outside, limits::FILE_BYTES_MAX)?;
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
