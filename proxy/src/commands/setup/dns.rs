//! What DNS says of a host: its addresses with their time to live, and who may sign for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use simple_dns::{Packet, TYPE, rdata::RData};
use sluice_config::dns;
use tokio::task::spawn_blocking;

const PORT: u16 = 53;

/// What there is under a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    pub(super) addresses: Vec<IpAddr>,
    /// The least time to live of all that leads to the addresses, in seconds.
    pub(super) ttl_s: Option<u32>,
    /// Who may sign certificates; empty: any authority.
    pub(super) issuers: Vec<String>,
}

/// The resolver that this machine uses.
pub(super) fn system() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let ip: IpAddr = servers.map(str::trim).next()?.parse().ok()?;
    Some(SocketAddr::new(ip, PORT))
}

/// Asks a resolver for all that matters of a host.
pub(super) async fn look_up(resolver: SocketAddr, host: &str) -> Result<Records, String> {
    let mut records = Records::default();
    for kind in [TYPE::A, TYPE::AAAA] {
        ask(resolver, host, kind, &mut records).await?;
    }
    // RFC 8659, 3: the first name towards the root that has such records decides.
    let mut name = Some(host);
    while let Some(at) = name.filter(|name| name.contains('.') && records.issuers.is_empty()) {
        ask(resolver, at, TYPE::CAA, &mut records).await?;
        name = at.split_once('.').map(|(_, parent)| parent);
    }
    Ok(records)
}

async fn ask(resolver: SocketAddr, host: &str, kind: TYPE, records: &mut Records) -> Result<(), String> {
    let asked = host.to_owned();
    let answer = spawn_blocking(move || dns::ask(resolver, &asked, kind)).await;
    let bytes = answer.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let packet = Packet::parse(&bytes).map_err(|e| format!("{resolver}: {e}"))?;
    for record in &packet.answers {
        match &record.rdata {
            RData::A(a) => records.addresses.push(Ipv4Addr::from_bits(a.address).into()),
            RData::AAAA(aaaa) => records.addresses.push(Ipv6Addr::from_bits(aaaa.address).into()),
            RData::CAA(caa) if caa.tag.to_string().eq_ignore_ascii_case("issue") => {
                records.issuers.push(String::from_utf8_lossy(&caa.value).trim_matches('"').to_owned());
            }
            _ => {}
        }
        if kind != TYPE::CAA {
            records.ttl_s = Some(records.ttl_s.map_or(record.ttl, |least| least.min(record.ttl)));
        }
    }
    Ok(())
}
