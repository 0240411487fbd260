//! `[tls]` of a tenant: what it presents, and what it asks of browsers and clients.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use rustls::{RootCertStore, pki_types::CertificateDer};

use crate::{
    declare::{Section, Table, Value},
    diagnostics::{Kind, Read, Wrong},
    limits,
    outside::Outside,
    sections::{
        Claims, pem,
        tls::{chain, pair},
    },
    settings::{Certificate, ClientCa, HostPattern, Hsts, TenantTls},
};

pub(crate) const SECTION: Section = Section { path: "tenants/*.toml:tls", shown: "[tls]", example: "[tls]" };
const CERTIFICATES: pair::Sections = pair::Sections {
    pair: Section {
        path: "tenants/*.toml:tls.certificates",
        shown: "a certificate",
        example: "{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }",
    },
    key: Section {
        path: "tenants/*.toml:tls.certificates.key",
        shown: "a private key",
        example: "key = { file = \"tls/shop.key\" }",
    },
};

const CERTIFICATES_HELP: &str =
    "write `certificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]`, or leave out the table";
/// What [`hsts`] accepts, for editors.
pub(crate) const HSTS_PATTERN: &str = r"^(off|\s*([0-9][0-9.\s]*[A-Za-zµ]+\s*)+)$";
const OFF: &str = "off";

/// Reads `[tls]` of a tenant that answers for `hosts`.
pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>, hosts: &Read<Vec<HostPattern>>) -> Read<TenantTls> {
    let hosts = hosts.as_deref().ok();
    let certificates = table.required("certificates", CERTIFICATES_HELP, |value| certificates(value, outside, hosts));
    let redirect_http = table.or("redirect_http", true, Value::bool);
    let hsts = hsts(table);
    let client_ca = table.optional("client_ca_file", |value| client_ca(value, outside));
    Ok(TenantTls { certificates: certificates?, redirect_http: redirect_http?, hsts: hsts?, client_ca: client_ca? })
}

fn certificates(value: Value<'_>, outside: &Outside<'_>, hosts: Option<&[HostPattern]>) -> Read<Vec<Arc<Certificate>>> {
    let mut claims = Claims::default();
    value.list(limits::CERTIFICATES, |entry| {
        let certificate = pair::read(entry, CERTIFICATES, outside, hosts)?;
        claims.claim_for(certificate.pair.cert.first().cloned(), entry, "certificate")?;
        Ok(certificate)
    })
}

fn hsts(table: &Table<'_>) -> Read<Option<Hsts>> {
    let max_age = table.or("hsts", None, |value| match value.as_str() {
        Some(OFF) => Ok(None),
        _ => max_age(value).map(Some),
    });
    let subdomains = table.or("hsts_subdomains", false, |value| match (value.bool()?, &max_age) {
        (true, Ok(None)) => Err(value.conflict(
            "`hsts_subdomains` without `hsts`",
            "write how long browsers shall refuse plain HTTP, `hsts = \"1h\"` to begin with, or remove this",
        )),
        (subdomains, _) => Ok(subdomains),
    });
    let (max_age, subdomains) = (max_age?, subdomains?);
    Ok(max_age.map(|max_age| Hsts { max_age, subdomains }))
}

/// Browsers count whole seconds.
fn max_age(value: Value<'_>) -> Read<Duration> {
    let max_age = value.duration(limits::HSTS_MAX_AGE)?;
    match max_age.subsec_nanos() {
        0 => Ok(max_age),
        _ => Err(value.wrong(Wrong::malformed("browsers count whole seconds", "write it without parts of a second"))),
    }
}

fn client_ca(value: Value<'_>, outside: &Outside<'_>) -> Read<ClientCa> {
    let certificates = pem::certificates(value, outside, limits::CLIENT_CA_CERTIFICATES)?;
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
