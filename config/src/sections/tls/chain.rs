//! What a chain of certificates says, and whether clients would take it.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, error::X509Error, extensions::GeneralName, prelude::FromDer as _};

use crate::{
    declare::Value,
    diagnostics::{
        Kind, Read, Wrong,
        words::{self, harmless},
    },
    forms::host::{self, HostPattern},
    limits::CERTIFICATE_NAMES,
    outside::Outside,
};

/// Most names shown in one message.
const NAMES_SHOWN_MAX: usize = 5;

/// What the server's own certificate says.
pub(super) struct Own {
    /// The hosts it covers; of `Below`, one label in front.
    pub(super) names: Vec<HostPattern>,
    pub(super) not_before_s: u64,
    pub(super) not_after_s: u64,
}

/// What a certificate is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'h> {
    /// It is presented to clients, for hosts of which it covers at least one, if they are known.
    Server(Option<&'h [HostPattern]>),
    /// It is shown to servers.
    Client,
}

/// Judges a chain that stands in no file, for a host, as clients would.
pub(super) fn judge(chain: &[CertificateDer<'_>], host: &HostPattern, now_s: u64) -> Result<Own, Wrong> {
    let chain: Vec<_> = chain.iter().zip(1..).map(|(der, nth)| parse(der, nth)).collect::<Result<_, _>>()?;
    let own = chain.first().ok_or_else(|| bad("there is no certificate", ""))?;
    if own.is_ca() {
        return Err(bad("the first certificate is an authority's", ""));
    }
    let (not_before_s, not_after_s) = validity(own, now_s)?;
    order(&chain)?;
    let names = covering(names(own)?, Some(std::slice::from_ref(host)))?;
    Ok(Own { names, not_before_s, not_after_s })
}

/// Checks the chain that `value` names.
pub(super) fn check(
    value: Value<'_>,
    chain: &[CertificateDer<'_>],
    outside: &Outside<'_>,
    purpose: Purpose<'_>,
) -> Read<Own> {
    let wrong = |wrong| value.wrong(wrong);
    let parsed: Result<Vec<_>, _> = chain.iter().zip(1..).map(|(der, nth)| parse(der, nth)).collect();
    let chain = parsed.map_err(wrong)?;
    let Some(own) = chain.first() else {
        return Err(value.wrong(bad("there is no certificate", "name a file that holds one")));
    };
    if own.is_ca() {
        // Whatever else is wrong comes from this.
        return Err(value.wrong(bad(
            "the first certificate is an authority's, which signs others: clients refuse it as a server's own",
            "put the server's own certificate first. A self-made one has to say that it is one: openssl req -x509 \
             -addext basicConstraints=critical,CA:FALSE …",
        )));
    }
    let validity = validity(own, outside.now_s()).map_err(wrong);
    let order = order(&chain).map_err(wrong);
    let names = match purpose {
        Purpose::Server(hosts) => names(own).and_then(|names| covering(names, hosts)).map_err(wrong),
        Purpose::Client => Ok(names(own).unwrap_or_default()),
    };
    let (not_before_s, not_after_s) = validity?;
    order?;
    Ok(Own { names: names?, not_before_s, not_after_s })
}

/// Whether a certificate may sign others.
pub(super) fn is_authority(der: &CertificateDer<'_>) -> bool {
    parse(der, 1).is_ok_and(|certificate| certificate.is_ca())
}

fn parse<'a>(der: &'a CertificateDer<'_>, nth: usize) -> Result<X509Certificate<'a>, Wrong> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => {
            Err(bad(format!("certificate {nth} in the file is damaged"), "copy the file anew from where it was issued"))
        }
    }
}

/// Begin and end of the validity, in seconds since 1970.
fn validity(own: &X509Certificate<'_>, now_s: u64) -> Result<(u64, u64), Wrong> {
    let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
    let not_before_s = seconds(own.validity().not_before.timestamp());
    let not_after_s = seconds(own.validity().not_after.timestamp());
    if now_s < not_before_s {
        let message = format!("the certificate is not valid before {}", words::moment(not_before_s));
        return Err(bad(message, "wait until then, or set this machine's clock"));
    }
    if now_s > not_after_s {
        let message = format!("the certificate has expired on {}", words::moment(not_after_s));
        return Err(bad(message, "renew it, and put the new chain and key in place of the old ones"));
    }
    Ok((not_before_s, not_after_s))
}

/// Each certificate is issued by the next one, by name and by signature.
fn order(chain: &[X509Certificate<'_>]) -> Result<(), Wrong> {
    for (nth, pair) in (1..).zip(chain.windows(2)) {
        let [issued, issuer] = pair else { continue };
        let is_named = issued.issuer().as_raw() == issuer.subject().as_raw();
        // A signature of a kind that is not known here is the clients' to judge.
        let signature = issued.verify_signature(Some(issuer.public_key()));
        if !is_named || matches!(signature, Err(X509Error::SignatureVerificationError)) {
            let message = format!(
                "the chain is out of order: certificate {nth} is issued by {}, and certificate {} is {}{}",
                harmless(&issued.issuer().to_string()),
                nth + 1,
                harmless(&issuer.subject().to_string()),
                if is_named { " with another key" } else { "" },
            );
            let help = "write the server's own certificate first, then the one that issued it, then the one that \
                        issued that; a root at the end may be left out";
            return Err(bad(message, help));
        }
    }
    Ok(())
}

/// The names that browsers look at, which are not the common name.
fn names(own: &X509Certificate<'_>) -> Result<Vec<HostPattern>, Wrong> {
    let Ok(extension) = own.subject_alternative_name() else {
        return Err(bad("the certificate's names are damaged", "issue it anew"));
    };
    let all = extension.map_or(&[][..], |extension| &extension.value.general_names);
    let names: Vec<_> = all.iter().filter_map(name).collect();
    if names.is_empty() {
        return Err(bad(
            "the certificate names no host",
            "issue one with the hosts in its subjectAltName: clients ignore the common name",
        ));
    }
    if !CERTIFICATE_NAMES.contains(&names.len()) {
        let message = format!("the certificate has {} names", names.len());
        return Err(bad(message, format!("issue one with at most {}", CERTIFICATE_NAMES.end())));
    }
    Ok(names)
}

/// `None` for mail addresses and the like, and for what no client would match.
fn name(name: &GeneralName<'_>) -> Option<HostPattern> {
    match name {
        // An address counts in a field of its own only.
        GeneralName::DNSName(name) => host::pattern(name).ok().filter(|_| name.parse::<IpAddr>().is_err()),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = address.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()?;
            Some(HostPattern::Exact(address.to_string()))
        }
        _ => None,
    }
}

fn covering(names: Vec<HostPattern>, hosts: Option<&[HostPattern]>) -> Result<Vec<HostPattern>, Wrong> {
    let Some(hosts) = hosts else { return Ok(names) };
    if hosts.iter().any(|host| names.iter().any(|name| overlap(name, host))) {
        return Ok(names);
    }
    let shown = words::first(names.iter().map(HostPattern::to_string), NAMES_SHOWN_MAX);
    Err(bad(
        "the certificate covers none of the tenant's hosts",
        format!("it covers {shown}: name another certificate, or correct `hosts`"),
    ))
}

/// Whether a name of a certificate, whose `*` is one label, covers any host of a tenant's pattern, whose `*` is one
/// or more.
fn overlap(name: &HostPattern, host: &HostPattern) -> bool {
    let is_below = |name: &str, suffix: &str| {
        name.strip_suffix(suffix).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
    };
    match (name, host) {
        (HostPattern::Exact(name), HostPattern::Exact(host)) => name == host,
        (HostPattern::Below(suffix), HostPattern::Exact(host)) => {
            host.split_once('.').is_some_and(|(_, rest)| rest == suffix)
        }
        (HostPattern::Exact(name), HostPattern::Below(suffix)) => is_below(name, suffix),
        (HostPattern::Below(name), HostPattern::Below(suffix)) => name == suffix || is_below(name, suffix),
    }
}

fn bad(message: impl Into<String>, help: impl Into<String>) -> Wrong {
    Wrong::new(Kind::Certificate, message, help)
}
