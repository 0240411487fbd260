//! `[tls]` of a tenant: what it presents, and what it asks of browsers and clients.

#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc, time::Duration};

use rustls::{RootCertStore, pki_types::CertificateDer};
use serde_json::{Value as JsonValue, json};

use crate::{
    declare::{Default, Form, Json, Key, List, Nested, Optional, Readable, Section, Switch, Table, Time, Value, json},
    diagnostics::{Kind, Read, Wrong, words},
    forms::{duration, host::HostPattern},
    limits::{ACME_HOSTS_MAX, CERTIFICATE_FILE_BYTES_MAX, CLIENT_CA_CERTIFICATES},
    outside::Outside,
    sections::{
        tenant::claims::Claims,
        tls::{
            chain,
            pair::{self, Certificate},
            pem::PemFile,
        },
    },
};

/// `[tls]` of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantTls {
    /// At least one, unless they come by ACME; an ECDSA and an RSA one may cover the same host.
    pub certificates: Vec<Arc<Certificate>>,
    /// Whether a certificate for each host is asked for by ACME.
    pub acme: bool,
    /// Whether plain HTTP is redirected to HTTPS.
    pub redirect_http: bool,
    /// `Strict-Transport-Security`; `None`: not sent.
    pub hsts: Option<Hsts>,
    /// Who must have signed the certificate that every client shows; `None`: clients need none.
    pub client_ca: Option<ClientCa>,
}

/// How long browsers refuse plain HTTP for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// Whole seconds.
    pub max_age: Duration,
    /// Whether the hosts below are meant as well.
    pub subdomains: bool,
}

/// The authorities that may sign clients' certificates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCa {
    /// At least one, each usable as a trust anchor.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl TenantTls {
    /// These certificates, with everything else at its default.
    pub fn new(certificates: Vec<Arc<Certificate>>) -> Self {
        Self { certificates, acme: false, redirect_http: REDIRECT_HTTP.default(), hsts: None, client_ca: None }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[tls]",
    doc: "What is presented on the node's `https` listeners. Without this table the tenant has no HTTPS of this node's own",
    may_hold_secrets: false,
    keys: &[&CERTIFICATES, &ACME, &REDIRECT_HTTP, &HSTS, &HSTS_SUBDOMAINS, &CLIENT_CA_FILE],
};

const CERTIFICATES_HELP: &str = "write `certificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]`, or \
                                 `acme = true`, or leave out the table";

static CERTIFICATES: Key<List<Nested>, Optional> = Key {
    name: "certificates",
    doc: "Certificates, each of which covers at least one of the `hosts`. An ECDSA and an RSA one may \
          cover the same host",
    kind: List {
        // One of each kind for each host.
        entries: 1..=2 * 100,
        each: Nested {
            section: &pair::SECTION,
            example: "{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }",
        },
    },
    absent: Optional("required without `acme`"),
};

static ACME: Key<Switch, Default<bool>> = Key {
    name: "acme",
    doc: "Whether a certificate for each of the `hosts` is asked for at the authority of `[acme]`, and renewed, in the place \
          of `certificates`. No host may be a wildcard",
    kind: Switch,
    absent: Default(|| false),
};

static REDIRECT_HTTP: Key<Switch, Default<bool>> = Key {
    name: "redirect_http",
    doc: "Whether plain HTTP is redirected to HTTPS, for hosts that a certificate covers, on nodes with an `https` listener",
    kind: Switch,
    absent: Default(|| true),
};

static HSTS: Key<HstsAge, Default<Option<Duration>>> = Key {
    name: "hsts",
    doc: "How long browsers refuse plain HTTP for a host, in whole seconds, or `\"off\"`. It cannot be taken back before \
          that",
    kind: HstsAge,
    absent: Default(|| None),
};

static HSTS_SUBDOMAINS: Key<Switch, Default<bool>> = Key {
    name: "hsts_subdomains",
    doc: "Whether the hosts below are meant as well; needs `hsts`",
    kind: Switch,
    absent: Default(|| false),
};

static CLIENT_CA_FILE: Key<PemFile, Optional> = Key {
    name: "client_ca_file",
    doc: "PEM file, from the config folder, of the authorities that sign clients' certificates; every client has to show \
          one then",
    kind: PemFile { certificates: Some(CLIENT_CA_CERTIFICATES), bytes_max: CERTIFICATE_FILE_BYTES_MAX },
    absent: Optional("clients need none"),
};

/// The hosts whose certificates are asked for by ACME, over all tenants.
pub(crate) struct ByAcme {
    has_authority: bool,
    hosts: usize,
}

impl ByAcme {
    pub(crate) fn new(has_authority: bool) -> Self {
        Self { has_authority, hosts: 0 }
    }

    /// What stands against asking for certificates for these hosts.
    fn take(&mut self, hosts: &[HostPattern]) -> Result<(), Wrong> {
        if !self.has_authority {
            return Err(Wrong::new(
                Kind::Missing,
                "there is no [acme] in sluice.toml, which says whom to ask for certificates",
                "write `[acme]` and below it `accept_terms = true` there",
            ));
        }
        let is_name = |host: &HostPattern| matches!(host, HostPattern::Exact(name) if name.parse::<IpAddr>().is_err());
        if let Some(host) = hosts.iter().find(|host| !is_name(host)) {
            let why = match host {
                HostPattern::Below(_) => {
                    "authorities want a proof in the DNS for a wildcard, and this proof is over HTTP"
                }
                HostPattern::Exact(_) => "certificates by ACME are for names, and this is an address",
            };
            let help = "bring a certificate of your own in `certificates`, in a tenant's file of its own if other hosts are to \
                        have theirs by ACME";
            return Err(Wrong::new(Kind::Conflict, format!("{host}: {why}"), help));
        }
        self.hosts += hosts.len();
        if self.hosts > ACME_HOSTS_MAX {
            let grouped = |count: usize| words::grouped(u32::try_from(count).unwrap_or(u32::MAX));
            let message = format!("with these there are {} hosts whose certificates come by ACME", grouped(self.hosts));
            let help =
                format!("one fleet asks for at most {}: spread the tenants over several", grouped(ACME_HOSTS_MAX));
            return Err(Wrong::new(Kind::OutOfRange, message, help));
        }
        Ok(())
    }
}

/// Reads `[tls]` of a tenant that answers for `hosts`.
pub(crate) fn read(
    table: &Table<'_>,
    outside: &Outside<'_>,
    hosts: &Read<Vec<HostPattern>>,
    by_acme: &mut ByAcme,
) -> Read<TenantTls> {
    let hosts = hosts.as_deref().ok();
    let is_own = table.value(&CERTIFICATES).is_some();
    let acme = table.checked(&ACME, |value, acme| match acme {
        true if is_own => Err(value.conflict("both `acme` and `certificates`", "remove one of the two")),
        true => by_acme.take(hosts.unwrap_or_default()).map_err(|wrong| value.wrong(wrong)),
        false => Ok(()),
    });
    let certificates = match acme {
        Ok(false) if !is_own => Err(table.missing("`certificates` is missing", CERTIFICATES_HELP)),
        _ => table.read_with(&CERTIFICATES, |value| certificates(value, outside, hosts)),
    };
    let redirect_http = table.read(&REDIRECT_HTTP);
    let hsts = hsts(table);
    let client_ca = table.read_with(&CLIENT_CA_FILE, |value| client_ca(value, outside));
    let certificates = certificates?.unwrap_or_default();
    Ok(TenantTls { certificates, acme: acme?, redirect_http: redirect_http?, hsts: hsts?, client_ca: client_ca? })
}

fn certificates(value: Value<'_>, outside: &Outside<'_>, hosts: Option<&[HostPattern]>) -> Read<Vec<Arc<Certificate>>> {
    let mut claims = Claims::default();
    let List { each, .. } = &CERTIFICATES.kind;
    CERTIFICATES.kind.read_each(value, |entry| {
        let certificate = pair::read(entry, each, outside, hosts)?;
        claims.claim_for(certificate.pair.cert.first().cloned(), entry, "certificate")?;
        Ok(certificate)
    })
}

fn hsts(table: &Table<'_>) -> Read<Option<Hsts>> {
    let max_age = table.read(&HSTS);
    let subdomains = table.checked(&HSTS_SUBDOMAINS, |value, subdomains| match (subdomains, &max_age) {
        (true, Ok(None)) => Err(value.conflict(
            "`hsts_subdomains` without `hsts`",
            "write how long browsers shall refuse plain HTTP, `hsts = \"1h\"` to begin with, or remove this",
        )),
        _ => Ok(()),
    });
    let (max_age, subdomains) = (max_age?, subdomains?);
    Ok(max_age.map(|max_age| Hsts { max_age, subdomains }))
}

/// A duration that browsers count in whole seconds, or `"off"`.
struct HstsAge;

const OFF: &str = "off";
/// Zero takes back what browsers have seen before; the longest is two years of 365.25 days.
const HSTS_MAX_AGE: Time = Time::from_s(0..=2 * 31_557_600);

impl Form for HstsAge {
    fn schema(&self) -> Json {
        let duration = duration::PATTERN.trim_start_matches('^').trim_end_matches('$');
        json(json!({ "type": "string", "pattern": format!("^({OFF}|{duration})$") }))
    }
    fn bounds(&self) -> String {
        HSTS_MAX_AGE.bounds()
    }
    fn remark(&self) -> Option<String> {
        HSTS_MAX_AGE.remark()
    }
}

impl Readable for HstsAge {
    type Out = Option<Duration>;
    fn read(&self, value: Value<'_>) -> Read<Option<Duration>> {
        if value.as_str() == Some(OFF) {
            return Ok(None);
        }
        let max_age = HSTS_MAX_AGE.read(value)?;
        match max_age.subsec_nanos() {
            0 => Ok(Some(max_age)),
            _ => {
                Err(value.wrong(Wrong::malformed("browsers count whole seconds", "write it without parts of a second")))
            }
        }
    }
    fn write(&self, max_age: &Option<Duration>) -> JsonValue {
        max_age.map_or(OFF.into(), |max_age| duration::show(max_age).into())
    }
}

fn client_ca(value: Value<'_>, outside: &Outside<'_>) -> Read<ClientCa> {
    let certificates = CLIENT_CA_FILE.kind.certificates(value, outside)?;
    for (nth, certificate) in certificates.iter().enumerate() {
        if !is_authority(certificate) {
            return Err(value.wrong(Wrong::new(
                Kind::Certificate,
                format!("certificate {} in the file may not sign others", nth + 1),
                "name the authorities that sign clients' certificates, not the clients' certificates themselves",
            )));
        }
    }
    Ok(ClientCa { certificates })
}

fn is_authority(certificate: &CertificateDer<'static>) -> bool {
    chain::is_authority(certificate) && RootCertStore::empty().add(certificate.clone()).is_ok()
}
