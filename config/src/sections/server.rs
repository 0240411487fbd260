//! `[server]`: listeners and node-wide limits.

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::{
    declare::{Section, Table, Value},
    diagnostics::{Read, Wrong},
    forms::address,
    limits,
    outside::Outside,
    sections::{Claims, Owner},
    settings::Server,
};

pub(crate) const SECTION: Section = Section { path: "sluice.toml:server", shown: "[server]", example: "[server]" };

const HTTP_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);
const STATE_DIR_DEFAULT: &str = "state";
const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const CONNECTIONS_MAX_DEFAULT: u32 = 15_000;
const REQUESTS_MAX_DEFAULT: u32 = 20_000;

/// Reads `[server]` and, beside it, where state files are kept.
pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<(Server, PathBuf)> {
    let mut taken = Claims::default();
    let http = listeners(table, "http", Some(HTTP_DEFAULT), &mut taken);
    let https = listeners(table, "https", None, &mut taken);
    let admin = admin(table, &mut taken);
    let listening = match (&http, &https) {
        (Ok(http), Ok(https)) if http.is_empty() && https.is_empty() => {
            Err(table.missing("there is nothing to listen on", format!("write `http = [\"{HTTP_DEFAULT}\"]`")))
        }
        _ => Ok(()),
    };
    let trusted_proxies = table.or("trusted_proxies", Vec::new(), |value| {
        value.list(limits::TRUSTED_PROXIES, |entry| entry.text(address::network))
    });
    let threads = table.optional("threads", |value| value.count(limits::THREADS));
    let drain_timeout = table.or("drain_timeout", DRAIN_TIMEOUT_DEFAULT, |value| value.duration(limits::DRAIN_TIMEOUT));
    let connections_max =
        table.or("connections_max", CONNECTIONS_MAX_DEFAULT, |value| value.integer(limits::CONNECTIONS));
    let http2 = table.or("http2", true, Value::bool);
    let requests_max = table.or("requests_max", REQUESTS_MAX_DEFAULT, |value| value.integer(limits::REQUESTS));
    let state_dir = table.or("state_dir", outside.dir.join(STATE_DIR_DEFAULT), |value| {
        value.text(|written| match written {
            "" => Err(Wrong::malformed("the path is empty", "name a folder, or leave the key out")),
            written => Ok(outside.dir.join(written)),
        })
    });
    listening?;
    let server = Server {
        http: http?,
        https: https?,
        admin: admin?,
        trusted_proxies: trusted_proxies?,
        threads: threads?.map(|threads| threads.get() as usize),
        drain_timeout: drain_timeout?,
        connections_max: connections_max? as usize,
        http2: http2?,
        requests_max: requests_max? as usize,
    };
    Ok((server, state_dir?))
}

/// Listeners of one kind.
fn listeners(
    table: &Table<'_>,
    key: &'static str,
    default: Option<SocketAddr>,
    taken: &mut Claims<SocketAddr>,
) -> Read<Vec<SocketAddr>> {
    let Some(value) = table.value(key) else {
        if let Some(address) = default {
            claim_default(table, taken, address, key)?;
        }
        return Ok(Vec::from_iter(default));
    };
    value.list(limits::LISTENERS, |entry| {
        let address = entry.text(address::listen)?;
        claim(taken, address, entry)
    })
}

/// The admin listener: an address, or `false` or `"off"` for none.
///
/// It shows the names and figures of all queues, so it stays on this machine unless somebody says otherwise in so many
/// words.
fn admin(table: &Table<'_>, taken: &mut Claims<SocketAddr>) -> Read<Option<SocketAddr>> {
    let public = table.or("admin_public", false, Value::bool);
    let Some(value) = table.value("admin") else {
        claim_default(table, taken, ADMIN_DEFAULT, "admin")?;
        return Ok(Some(ADMIN_DEFAULT));
    };
    match (value.as_bool(), value.as_str()) {
        (Some(false), _) | (_, Some("off")) => return Ok(None),
        (Some(true), _) => {
            return Err(value.wrong_type("an address or false", format!("admin = \"{ADMIN_DEFAULT}\"")));
        }
        _ => {}
    }
    let address = value.text(address::listen)?;
    if public.is_ok_and(|public| !public) && !address.ip().to_canonical().is_loopback() {
        return Err(value.conflict(
            "the admin listener would be reachable from other machines",
            format!(
                "write `admin = \"127.0.0.1:{}\"`, or add `admin_public = true` if a firewall guards the port",
                address.port()
            ),
        ));
    }
    claim(taken, address, value).map(Some)
}

/// Two listeners cannot have the same address, unless the system chooses their ports.
fn claim(taken: &mut Claims<SocketAddr>, address: SocketAddr, value: Value<'_>) -> Read<SocketAddr> {
    if address.port() != 0 {
        taken.claim_for(address, value, "address")?;
    }
    Ok(address)
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
