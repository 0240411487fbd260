//! `[server]`: listeners and node-wide limits.

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    error::Wrong,
    limits,
    log::Read,
    outside::Outside,
    read::{Section, Table, Value},
    sections::Claims,
    settings::Server,
    text::address,
};

pub(crate) const SECTION: Section = Section { path: "server", shown: "[server]", example: "[server]" };

const HTTP_DEFAULT: &str = "127.0.0.1:8080";
const ADMIN_DEFAULT: &str = "127.0.0.1:9900";
const STATE_DIR_DEFAULT: &str = "state";
const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const CONNECTIONS_MAX_DEFAULT: u32 = 15_000;

/// Reads `[server]` and, beside it, where state files are kept.
pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<(Server, PathBuf)> {
    let mut taken = Claims::default();
    let admin = admin(table, &mut taken);
    let mut listeners = |key, default: &[&str]| match table.value(key) {
        Some(value) => value.list(limits::LISTENERS, |entry| {
            let address = entry.text(address::listen)?;
            claim(&mut taken, address, entry)
        }),
        None => Ok(default.iter().filter_map(|address| address.parse().ok()).collect()),
    };
    let http = listeners("http", &[HTTP_DEFAULT]);
    let https = listeners("https", &[]);
    if let (Ok(http), Ok(https)) = (&http, &https)
        && http.is_empty()
        && https.is_empty()
    {
        table.missing("there is nothing to listen on", format!("write `http = [\"{HTTP_DEFAULT}\"]`"));
    }
    let trusted_proxies = table.or("trusted_proxies", Vec::new(), |value| {
        value.list(limits::TRUSTED_PROXIES, |entry| entry.text(address::network))
    });
    let threads = table.optional("threads", |value| value.count(limits::THREADS));
    let drain_timeout = table.or("drain_timeout", DRAIN_TIMEOUT_DEFAULT, |value| value.duration(limits::DRAIN_TIMEOUT));
    let connections_max =
        table.or("connections_max", CONNECTIONS_MAX_DEFAULT, |value| value.integer(limits::CONNECTIONS));
    let state_dir = table.or("state_dir", outside.dir.join(STATE_DIR_DEFAULT), |value| {
        value.text(|written| match written {
            "" => Err(Wrong::malformed("the path is empty", "name a folder, or leave the key out")),
            written => Ok(outside.dir.join(written)),
        })
    });
    let server = Server {
        http: http?,
        https: https?,
        admin: admin?,
        trusted_proxies: trusted_proxies?,
        threads: threads?.map(|threads| threads.get() as usize),
        drain_timeout: drain_timeout?,
        connections_max: connections_max? as usize,
    };
    Ok((server, state_dir?))
}

/// The admin listener: an address, or `false` or `"off"` for none.
///
/// It can close queues and show who waits, so it stays on this machine unless somebody says otherwise in so many
/// words.
fn admin(table: &Table<'_>, taken: &mut Claims<SocketAddr>) -> Read<Option<SocketAddr>> {
    let public = table.or("admin_public", false, Value::bool);
    let Some(value) = table.value("admin") else {
        let default = ADMIN_DEFAULT.parse().ok();
        if let Some(address) = default {
            // The first claim: nobody can have it yet.
            let _ = taken.claim(address, table.place(), "address");
        }
        return Ok(default);
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
        let claimed = taken.claim(address, value.place(), "address");
        claimed.map_err(|wrong| value.wrong(wrong))?;
    }
    Ok(address)
}
