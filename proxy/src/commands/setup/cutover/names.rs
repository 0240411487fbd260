//! What DNS and certificates say.

use std::net::IpAddr;

use sluice_config::{Config, HostPattern, ServerAddress, Tenant};

use super::{Findings, Scene};
use crate::commands::setup::dns::{self, Records};

/// Longer than this, and the way back takes too long.
const TTL_S_MAX: u32 = 60;
/// A certificate that ends sooner needs care before the day.
const DAYS_MIN: u64 = 14;

/// What DNS says of the host; nothing if it was not asked, or did not answer.
pub(super) async fn records(scene: &Scene<'_>, findings: &mut Findings) -> Option<Records> {
    let Some(resolver) = scene.options.dns.or_else(dns::system) else {
        findings.skip("ttl", "no resolver in /etc/resolv.conf: name one with --dns");
        return None;
    };
    match dns::look_up(resolver, &scene.options.host).await {
        Ok(records) => Some(records),
        Err(error) => {
            findings.skip("ttl", format!("DNS was asked and did not answer: {error}"));
            None
        }
    }
}

/// TTL, AAAA and CAA.
pub(super) fn check(scene: &Scene<'_>, records: &Records, findings: &mut Findings) {
    match records.ttl_s {
        None => findings.stop("ttl", format!("there is no address under {}", scene.options.host)),
        Some(ttl) if ttl > TTL_S_MAX => findings.warn(
            "ttl",
            format!("{ttl} s: lower it to {TTL_S_MAX} s a day before, or the way back takes as long as that"),
        ),
        Some(ttl) => findings.ok("ttl", format!("{ttl} s")),
    }
    let has_v6 = records.addresses.iter().any(IpAddr::is_ipv6);
    let server = &scene.config.server;
    let listens_v6 = server.http.iter().chain(&server.https).any(|listener| listener.is_ipv6());
    match (has_v6, listens_v6) {
        (true, false) => findings.stop(
            "aaaa",
            "the host has an AAAA record, and Sluice has no IPv6 listener: visitors by IPv6 would come round the line, or not \
             at all. Listen on \"[::]:443\", or remove the record with the switch",
        ),
        (true, true) => findings.ok("aaaa", "change the AAAA record together with the A record"),
        (false, _) => findings.ok("aaaa", "there is none"),
    }
    match records.issuers.as_slice() {
        [] => findings.ok("caa", "any authority may sign"),
        issuers => findings.warn(
            "caa",
            format!(
                "only these may sign for the host: {}. The authority of Sluice's certificate must be among them",
                issuers.join(", ")
            ),
        ),
    }
}

/// The origin must not be the name or the address that visitors use.
pub(super) fn loops(scene: &Scene<'_>, records: Option<&Records>, findings: &mut Findings) {
    let origins: Vec<_> = origins(scene.tenant).collect();
    let named = origins.iter().find_map(|address| match address {
        ServerAddress::Name { host, .. } if is_host(scene.tenant, host) => Some(host),
        _ => None,
    });
    if let Some(name) = named {
        let says = format!(
            "the origin is {name}, which leads to Sluice after the switch: name it by its address or a private name"
        );
        return findings.stop("loop", says);
    }
    let own = own_addresses(scene.config, scene.node);
    let ips = |address: &ServerAddress| match address {
        ServerAddress::Ip(at) => vec![*at],
        ServerAddress::Name { addresses, .. } => addresses.clone(),
        ServerAddress::Unix(_) => Vec::new(),
    };
    if let Some(at) = origins.iter().flat_map(|address| ips(address)).find(|at| own.contains(at)) {
        return findings.stop("loop", format!("the origin is {at}, where Sluice itself listens"));
    }
    let public = records.map_or(&[][..], |records| &records.addresses);
    match origins.iter().flat_map(|address| ips(address)).find(|at| public.contains(&at.ip())) {
        Some(at) => findings.ok(
            "loop",
            format!("none. The origin is {}, where the host leads now: that address must stay the origin's", at.ip()),
        ),
        None => findings.ok("loop", "none: the origin is neither the host's name nor where Sluice listens"),
    }
}

fn origins(tenant: &Tenant) -> impl Iterator<Item = &ServerAddress> {
    let routed = tenant.routes.iter().flat_map(|route| &route.origin.servers);
    tenant.origin.servers.iter().chain(routed).map(|server| &server.address)
}

fn is_host(tenant: &Tenant, name: &str) -> bool {
    tenant.hosts.iter().any(|pattern| match pattern {
        HostPattern::Exact(host) => host.eq_ignore_ascii_case(name),
        HostPattern::Below(suffix) => name.strip_suffix(suffix.as_str()).is_some_and(|below| below.ends_with('.')),
    })
}

fn own_addresses(config: &Config, node: std::net::SocketAddr) -> Vec<std::net::SocketAddr> {
    let server = &config.server;
    server.http.iter().chain(&server.https).copied().chain([node]).collect()
}

/// The certificate that visitors will be shown.
pub(super) async fn certificate(scene: &Scene<'_>, findings: &mut Findings) {
    let host = &scene.options.host;
    if !scene.through.tls {
        return match scene.config.server.https.is_empty() {
            true => findings.warn(
                "certificate",
                "Sluice speaks no HTTPS by its config: whatever ends TLS in front of it needs one",
            ),
            false => findings.skip("certificate", "plain HTTP was asked for with --node"),
        };
    }
    match scene.probe.certificate_days(&scene.through).await {
        Ok(days) if days < DAYS_MIN => {
            findings
                .warn("certificate", format!("it covers {host}, and ends in {days} days: renew it before the switch"));
        }
        Ok(days) => findings.ok("certificate", format!("it covers {host} for {days} days")),
        Err(error) => findings.stop("certificate", format!("visitors would be warned off: {error}")),
    }
}
