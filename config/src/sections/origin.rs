//! `[origin]`: where a tenant's admitted requests go.

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, time::Duration};

use crate::{
    declare::{Section, Table, Value},
    diagnostics::{Kind, Read, Wrong},
    forms::address,
    limits,
    outside::Outside,
    sections::Claims,
    settings::Origin,
};

pub(crate) const SECTION: Section = Section { path: "tenants/*.toml:origin", shown: "[origin]", example: "[origin]" };

pub(crate) const HELP: &str = "write `[origin]` and below it `servers = [\"127.0.0.1:9000\"]`";
const SERVERS_HELP: &str = "write `servers = [\"127.0.0.1:9000\"]`";

const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
const READ_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
const WRITE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Below the 60 s or more after which common servers close an idle connection: whoever closes first must be the
/// one that does not send.
const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(50);

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Origin> {
    let mut claims = Claims::default();
    let servers = table.required("servers", SERVERS_HELP, |value| {
        value.list(limits::ORIGIN_SERVERS, |entry| server(entry, outside, &mut claims))
    });
    let timeout = |key, default, bounds| table.or(key, default, |value| value.duration(bounds));
    let connect_timeout = timeout("connect_timeout", CONNECT_TIMEOUT_DEFAULT, limits::CONNECT_TIMEOUT);
    let read_timeout = timeout("read_timeout", READ_TIMEOUT_DEFAULT, limits::IO_TIMEOUT);
    let write_timeout = timeout("write_timeout", WRITE_TIMEOUT_DEFAULT, limits::IO_TIMEOUT);
    let idle_timeout = timeout("idle_timeout", IDLE_TIMEOUT_DEFAULT, limits::IDLE_TIMEOUT);
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
