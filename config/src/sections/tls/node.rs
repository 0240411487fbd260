//! `[tls]` of `sluice.toml`: what this node speaks on its `https` listeners.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{
    declare::{Section, Table, Value},
    diagnostics::Read,
    limits,
    outside::Outside,
    sections::{Claims, tls::pair},
    settings::{NodeTls, TlsVersions},
};

pub(crate) const SECTION: Section = Section { path: "sluice.toml:tls", shown: "[tls]", example: "[tls]" };
const DEFAULT_CERTIFICATE: pair::Sections = pair::Sections {
    pair: Section {
        path: "sluice.toml:tls.default_certificate",
        shown: "`default_certificate`",
        example: "default_certificate = { chain = \"tls/default.pem\", key = { file = \"tls/default.key\" } }",
    },
    key: Section {
        path: "sluice.toml:tls.default_certificate.key",
        shown: "a private key",
        example: "key = { file = \"tls/default.key\" }",
    },
};

const HANDSHAKE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<NodeTls> {
    let versions = table.or("versions", TlsVersions::From12, versions);
    let session_tickets = table.or("session_tickets", true, Value::bool);
    let handshake_timeout =
        table.or("handshake_timeout", HANDSHAKE_TIMEOUT_DEFAULT, |value| value.duration(limits::HANDSHAKE_TIMEOUT));
    let default_certificate =
        table.optional("default_certificate", |value| pair::read(value, DEFAULT_CERTIFICATE, outside, None));
    Ok(NodeTls {
        versions: versions?,
        session_tickets: session_tickets?,
        handshake_timeout: handshake_timeout?,
        default_certificate: default_certificate?,
    })
}

fn versions(value: Value<'_>) -> Read<TlsVersions> {
    let mut claims = Claims::default();
    let all = value.list(limits::TLS_VERSIONS, |entry| {
        let version = entry.choice(&[("1.2", TlsVersions::From12), ("1.3", TlsVersions::Only13)])?;
        claims.claim_for(version, entry, "version")?;
        Ok(version)
    })?;
    match (all.contains(&TlsVersions::From12), all.contains(&TlsVersions::Only13)) {
        (true, true) => Ok(TlsVersions::From12),
        (false, _) => Ok(TlsVersions::Only13),
        (true, false) => Err(value.conflict(
            "TLS 1.2 without 1.3: every client that speaks the newer one would get the weaker",
            "write `versions = [\"1.2\", \"1.3\"]`",
        )),
    }
}
