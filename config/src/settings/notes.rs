//! What a config may say, but hardly means.

#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    diagnostics::words,
    limits::NOTES_MAX,
    settings::{Certificate, Config, CookieDomain, HostPattern, Rule, ServerAddress, Tenant, TenantTls},
};

const DAY_S: u64 = 24 * 60 * 60;
/// A certificate that ends within this is due for renewal.
const ENDS_SOON_DAYS: u64 = 14;
/// Whether a certificate younger than this works everywhere is not known yet.
const YOUNG_S: u64 = DAY_S;
/// What browsers keep for longer cannot be waited for.
const HSTS_ON_TRIAL: Duration = Duration::from_secs(60 * 60);
/// Most hosts named in one note.
const HOSTS_SHOWN_MAX: usize = 5;
/// A page in a hidden tab has asked again after this long.
const HIDDEN_ASKS_WITHIN: Duration = Duration::from_secs(65);

impl Config {
    /// What is no mistake, but is likely not meant, or will be one soon: for a person to read, one sentence each.
    ///
    /// It depends on the time, which is why it is no part of the config.
    pub fn notes(&self, now: SystemTime) -> Vec<String> {
        let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut notes = Vec::new();
        for tenant in &self.tenants {
            too_short(tenant, &mut notes);
            apart(tenant, &mut notes);
            half_protected(tenant, &mut notes);
            rules(tenant, &mut notes);
            self.leads_here(tenant, &mut notes);
        }
        if self.server.https.is_empty() {
            self.unused(&mut notes);
        } else {
            self.unproven(&mut notes);
            if let Some(certificate) = &self.tls.default_certificate {
                ends_soon("default_certificate", certificate, now_s, &mut notes);
                rsa_alone("default_certificate", certificate, &[], &mut notes);
            }
            for tenant in &self.tenants {
                self.tenant(tenant, now_s, &mut notes);
            }
        }
        let omitted = notes.len().saturating_sub(NOTES_MAX);
        notes.truncate(NOTES_MAX);
        if omitted > 0 {
            notes.push(format!("and {omitted} more of the kind"));
        }
        notes
    }

    fn unused(&self, notes: &mut Vec<String>) {
        let with_tls = self.tenants.iter().filter(|tenant| tenant.tls.is_some());
        let names: Vec<_> = with_tls.map(|tenant| tenant.name.to_string()).collect();
        if !names.is_empty() {
            let names = words::first(names.into_iter(), HOSTS_SHOWN_MAX);
            notes.push(format!("[tls] of {names} does nothing: `https` of [server] lists no address"));
        }
        if self.tls.default_certificate.is_some() {
            notes.push("`default_certificate` does nothing: `https` of [server] lists no address".to_owned());
        }
    }

    /// Certificates that are asked for, and cannot be proven here.
    fn unproven(&self, notes: &mut Vec<String>) {
        if self.server.http.is_empty() && self.acme_hosts().next().is_some() {
            notes.push(
                "certificates by ACME: the authority asks over plain HTTP at port 80 of each host, and `http` of [server] \
                 lists no address; add one, or let what is in front pass /.well-known/acme-challenge/ on"
                    .to_owned(),
            );
        }
        if self.acme.is_some() && self.acme_hosts().next().is_none() {
            notes.push("[acme] does nothing: no tenant has `acme = true` in its [tls]".to_owned());
        }
    }

    /// An origin that is one of this node's own listeners: each request would come back.
    fn leads_here(&self, tenant: &Tenant, notes: &mut Vec<String>) {
        let listeners = || self.server.http.iter().chain(&self.server.https);
        let is_own = |address: &SocketAddr| {
            let is_here = address.ip().is_loopback() || address.ip().is_unspecified();
            listeners().any(|listener| {
                let any_address = listener.ip().is_unspecified() && is_here;
                listener.port() == address.port() && (listener.ip() == address.ip() || any_address)
            })
        };
        let routed = tenant.routes.iter().flat_map(|route| &route.origin.servers);
        for server in tenant.origin.servers.iter().chain(routed) {
            let addresses = match &server.address {
                ServerAddress::Ip(address) => std::slice::from_ref(address),
                ServerAddress::Name { addresses, .. } => addresses,
                ServerAddress::Unix(_) => &[],
            };
            if addresses.iter().any(is_own) {
                notes.push(format!(
                    "{}: the origin's server {} is a listener of this node, so that every request would come back and get \
                     508; write where the site itself is",
                    tenant.name, server.address
                ));
            }
        }
    }

    fn tenant(&self, tenant: &Tenant, now_s: u64, notes: &mut Vec<String>) {
        let own = tenant.tls.as_ref().map_or(&[][..], |tls| &tls.certificates);
        let all: Vec<_> = own.iter().chain(&self.tls.default_certificate).map(AsRef::as_ref).collect();
        covered(tenant, &all, notes);
        for (nth, certificate) in own.iter().enumerate() {
            ends_soon(tenant.name.as_str(), certificate, now_s, notes);
            let (before, after) = (&own[..nth], &own[nth + 1..]);
            let others: Vec<_> = before.iter().chain(after).map(AsRef::as_ref).collect();
            rsa_alone(tenant.name.as_str(), certificate, &others, notes);
        }
        if let Some(tls) = &tenant.tls {
            hsts_too_early(tenant, tls, now_s, notes);
        }
    }
}

/// Times within which a page that is hidden cannot ask.
fn too_short(tenant: &Tenant, notes: &mut Vec<String>) {
    for queue in tenant.queues.iter().filter(|queue| queue.return_within < HIDDEN_ASKS_WITHIN) {
        notes.push(format!(
            "{}: `return_within` of queue {} is {} s: a page in a hidden tab asks once a minute and loses its place in \
             between; write at least {} s",
            tenant.name,
            queue.name,
            queue.return_within.as_secs(),
            HIDDEN_ASKS_WITHIN.as_secs()
        ));
    }
}

/// Prefixes that leave out the page that they seem to name.
fn half_protected(tenant: &Tenant, notes: &mut Vec<String>) {
    let all = || tenant.queues.iter().flat_map(|queue| &queue.paths);
    for queue in &tenant.queues {
        for path in &queue.paths {
            let Some(page) = path.strip_suffix('/').filter(|page| !page.is_empty()) else { continue };
            if !all().any(|other| other.eq_ignore_ascii_case(page)) {
                notes.push(format!(
                    "{}: `{path}` of queue {} is before what is below it, and not before {page} itself; write \
                     \"{page}\" for both",
                    tenant.name, queue.name
                ));
            }
        }
    }
}

/// Rules that pass more than they seem to, or never match.
fn rules(tenant: &Tenant, notes: &mut Vec<String>) {
    for queue in &tenant.queues {
        let place = |rule: &Rule| format!("{}: rule \"{}\" of queue {}", tenant.name, rule.name, queue.name);
        for rule in &queue.rules {
            if let Some(remark) = rule.remark() {
                notes.push(format!("{} {remark}", place(rule)));
            }
            // What a path of the queue begins with and what one of the rule does: one begins with the other.
            let meets = |prefix: &str| {
                queue.paths.iter().any(|path| {
                    let common = path.len().min(prefix.len());
                    path.as_bytes()[..common].eq_ignore_ascii_case(&prefix.as_bytes()[..common])
                })
            };
            let paths = &rule.when.all.paths;
            if !paths.is_empty() && !paths.iter().any(|path| meets(path.prefix())) {
                notes.push(format!("{} never matches: its paths are none of the queue's", place(rule)));
            }
        }
        let after_all =
            queue.rules.iter().skip_while(|rule| !rule.when.all.is_empty() || rule.when.not.is_some()).nth(1);
        if let Some(rule) = after_all {
            notes.push(format!("{} never matches: one before it matches every request", place(rule)));
        }
    }
}

/// Hosts on which a visitor stands in line once more.
fn apart(tenant: &Tenant, notes: &mut Vec<String>) {
    let domains = tenant.cookie_domains();
    let name = |host: &HostPattern| match host {
        HostPattern::Exact(name) | HostPattern::Below(name) => name.clone(),
    };
    let alone = |host: &&HostPattern| Tenant::shares_cookies(&domains, &name(host)).is_none();
    let several = tenant.hosts.len() > 1 || matches!(tenant.hosts.first(), Some(HostPattern::Below(_)));
    let apart: Vec<_> = tenant.hosts.iter().filter(alone).collect();
    if !several || apart.is_empty() || tenant.cookies.domain == CookieDomain::Off {
        return;
    }
    let shown = words::first(apart.iter().map(ToString::to_string), HOSTS_SHOWN_MAX);
    let advice = match parent(tenant.hosts.iter().map(name)) {
        Some(parent) => format!("write `domain = \"{parent}\"` in [cookies] if all hosts there may see the cookies"),
        None => "browsers share no cookies between hosts without a name in common".to_owned(),
    };
    notes.push(format!(
        "{}: a visitor who is inside on one host waits again on {shown}, and takes a seat there; {advice}",
        tenant.name
    ));
}

/// The longest name of at least two labels that all are at or below.
fn parent(mut hosts: impl Iterator<Item = String>) -> Option<String> {
    let first = hosts.next()?;
    let rest: Vec<_> = hosts.collect();
    let suffixes = std::iter::successors(Some(first.as_str()), |name| name.split_once('.').map(|(_, rest)| rest));
    let is_above = |name: &&str| rest.iter().all(|host| Tenant::shares_cookies(&[name], host).is_some());
    let is_shareable = |name: &&str| name.contains('.') && name.parse::<std::net::Ipv4Addr>().is_err();
    suffixes.filter(is_shareable).find(is_above).map(str::to_owned)
}

/// A certificate's `*` is one label, a tenant's one or more.
fn covered(tenant: &Tenant, certificates: &[&Certificate], notes: &mut Vec<String>) {
    let by_acme: Vec<_> = tenant.acme_hosts().collect();
    let is_covered = |host: &&HostPattern| {
        matches!(host, HostPattern::Exact(host) if by_acme.contains(&host.as_str()))
            || certificates.iter().any(|certificate| match host {
                HostPattern::Exact(host) => certificate.covers(host),
                HostPattern::Below(_) => certificate.names.contains(host),
            })
    };
    let shown = |hosts: Vec<&HostPattern>| words::first(hosts.into_iter().map(HostPattern::to_string), HOSTS_SHOWN_MAX);
    let (covered, bare): (Vec<_>, Vec<_>) = tenant.hosts.iter().partition(is_covered);
    if !bare.is_empty() {
        notes.push(format!(
            "{}: no certificate covers {}, so that no browser gets there over HTTPS",
            tenant.name,
            shown(bare)
        ));
    }
    let wild: Vec<_> = covered.into_iter().filter(|host| matches!(host, HostPattern::Below(_))).collect();
    if !wild.is_empty() {
        notes.push(format!(
            "{}: the `*` of a certificate is one label, so that hosts with more labels in place of the `*` of {} have \
             HTTPS only if a certificate names them",
            tenant.name,
            shown(wild)
        ));
    }
}

fn ends_soon(whose: &str, certificate: &Certificate, now_s: u64, notes: &mut Vec<String>) {
    let days_left = certificate.not_after_s.saturating_sub(now_s) / DAY_S;
    if days_left < ENDS_SOON_DAYS {
        notes.push(format!(
            "{whose}: the certificate for {} ends on {}; renew it",
            shown(certificate),
            words::moment(certificate.not_after_s)
        ));
    }
}

/// An RSA key is there for old clients, beside one that costs less.
fn rsa_alone(whose: &str, certificate: &Certificate, others: &[&Certificate], notes: &mut Vec<String>) {
    let is_beside =
        |other: &&Certificate| !other.is_rsa() && certificate.names.iter().any(|name| other.names.contains(name));
    if certificate.is_rsa() && !others.iter().any(is_beside) {
        notes.push(format!(
            "{whose}: the certificate for {} has an RSA key, with which a handshake takes many times the processor \
             time; add one with an ECDSA P-256 key",
            shown(certificate)
        ));
    }
}

fn hsts_too_early(tenant: &Tenant, tls: &TenantTls, now_s: u64, notes: &mut Vec<String>) {
    let Some(hsts) = tls.hsts.filter(|hsts| hsts.max_age > HSTS_ON_TRIAL) else { return };
    let is_young = |certificate: &&Arc<Certificate>| now_s.saturating_sub(certificate.not_before_s) < YOUNG_S;
    if let Some(certificate) = tls.certificates.iter().find(is_young) {
        notes.push(format!(
            "{}: `hsts` keeps browsers to HTTPS for {}, and the certificate for {} is not a day old: if HTTPS is new here, begin with \
             `hsts = \"1h\"`",
            tenant.name,
            crate::forms::duration::show(hsts.max_age),
            shown(certificate)
        ));
    }
}

/// A certificate by its first name.
fn shown(certificate: &Certificate) -> String {
    certificate.names.first().map(HostPattern::to_string).unwrap_or_default()
}
