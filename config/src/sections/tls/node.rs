//! `[tls]` of `sluice.toml`: what this node speaks on its `https` listeners.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use serde_json::{Value as JsonValue, json};

use crate::{
    declare::{Default, Form, Json, Key, Nested, Optional, Readable, Section, Switch, Table, Time, Value, json},
    diagnostics::Read,
    outside::Outside,
    sections::{
        tenant::claims::Claims,
        tls::pair::{self, Certificate},
    },
};

/// `[tls]` in `sluice.toml`: what this node speaks on its `https` listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTls {
    /// The protocol versions spoken.
    pub versions: TlsVersions,
    /// Whether clients may resume a session by a ticket.
    pub session_tickets: bool,
    /// From the accepted connection to the end of the handshake, the preface of HTTP/2 included.
    pub handshake_timeout: Duration,
    /// Presented to clients that name no host, or one without a certificate; `None`: their handshake fails.
    pub default_certificate: Option<Arc<Certificate>>,
}

impl std::default::Default for NodeTls {
    fn default() -> Self {
        Self {
            versions: VERSIONS.default(),
            session_tickets: SESSION_TICKETS.default(),
            handshake_timeout: HANDSHAKE_TIMEOUT.default(),
            default_certificate: None,
        }
    }
}

/// The protocol versions of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    From12,
    /// TLS 1.3 only.
    Only13,
}

pub(crate) static SECTION: Section = Section {
    name: "[tls]",
    doc: "What this node speaks on its `https` listeners. Certificates stand in the tenants' files",
    may_hold_secrets: false,
    keys: &[&VERSIONS, &SESSION_TICKETS, &HANDSHAKE_TIMEOUT, &DEFAULT_CERTIFICATE],
};

static VERSIONS: Key<Versions, Default<TlsVersions>> = Key {
    name: "versions",
    doc: "The versions spoken: `\"1.3\"`, and `\"1.2\"` beside it",
    kind: Versions,
    absent: Default(|| TlsVersions::From12),
};

static SESSION_TICKETS: Key<Switch, Default<bool>> = Key {
    name: "session_tickets",
    doc: "Whether clients may resume a session by a ticket",
    kind: Switch,
    absent: Default(|| true),
};

static HANDSHAKE_TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "handshake_timeout",
    doc: "From the accepted connection to the end of the handshake",
    kind: Time::from_s(1..=60),
    absent: Default(|| Duration::from_secs(10)),
};

static DEFAULT_CERTIFICATE: Key<Nested, Optional> = Key {
    name: "default_certificate",
    doc: "Certificate for clients that name no host, or one without a certificate",
    kind: Nested {
        section: &pair::SECTION,
        example: "default_certificate = { chain = \"tls/default.pem\", key = { file = \"tls/default.key\" } }",
    },
    absent: Optional("their handshake fails"),
};

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<NodeTls> {
    let versions = table.read(&VERSIONS);
    let session_tickets = table.read(&SESSION_TICKETS);
    let handshake_timeout = table.read(&HANDSHAKE_TIMEOUT);
    let default_certificate =
        table.read_with(&DEFAULT_CERTIFICATE, |value| pair::read(value, &DEFAULT_CERTIFICATE.kind, outside, None));
    Ok(NodeTls {
        versions: versions?,
        session_tickets: session_tickets?,
        handshake_timeout: handshake_timeout?,
        default_certificate: default_certificate?,
    })
}

/// The list of versions.
struct Versions;

const WORDS: [(&str, TlsVersions); 2] = [("1.2", TlsVersions::From12), ("1.3", TlsVersions::Only13)];

impl Form for Versions {
    fn schema(&self) -> Json {
        json(json!({
            "type": "array",
            "items": { "enum": WORDS.map(|(word, _)| word) },
            "minItems": 1,
            "maxItems": WORDS.len(),
            "uniqueItems": true,
            "contains": { "const": "1.3" },
        }))
    }
    fn bounds(&self) -> String {
        "`[\"1.3\"]` or both".to_owned()
    }
}

impl Readable for Versions {
    type Out = TlsVersions;
    fn read(&self, value: Value<'_>) -> Read<TlsVersions> {
        let mut claims = Claims::default();
        let all = value.list(1..=WORDS.len(), |entry| {
            let version = entry.choice(&WORDS)?;
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
    fn write(&self, versions: &TlsVersions) -> JsonValue {
        match versions {
            TlsVersions::From12 => json!(["1.2", "1.3"]),
            TlsVersions::Only13 => json!(["1.3"]),
        }
    }
}
