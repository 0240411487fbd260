//! TLS: what a node speaks, and what each tenant presents.

use std::{fmt, sync::Arc, time::Duration};

use rustls::{SignatureAlgorithm, pki_types::CertificateDer, sign::CertifiedKey};
use schemars::JsonSchema;

use super::HostPattern;

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

impl Default for NodeTls {
    fn default() -> Self {
        Self {
            versions: TlsVersions::From12,
            session_tickets: true,
            handshake_timeout: Duration::from_secs(10),
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

/// `[tls]` of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantTls {
    /// At least one; an ECDSA and an RSA one may cover the same host.
    pub certificates: Vec<Arc<Certificate>>,
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

/// A certificate with its chain and its private key, which belongs to it.
#[derive(Clone)]
pub struct Certificate {
    /// The chain, the server's own certificate first, and the key.
    pub pair: Arc<CertifiedKey>,
    /// The hosts it covers; of `Below`, one label in front, as the standards have it.
    pub names: Vec<HostPattern>,
    /// Begin of its validity, in seconds since 1970.
    pub not_before_s: u64,
    /// End of its validity, in seconds since 1970.
    pub not_after_s: u64,
}

impl Certificate {
    /// Whether it covers a host (lower case, no port).
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| match name {
            HostPattern::Exact(name) => name == host,
            HostPattern::Below(suffix) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == suffix)
            }
        })
    }

    /// Whether its key is an RSA key, which takes many times the processor time of an ECDSA key.
    pub fn is_rsa(&self) -> bool {
        self.pair.key.algorithm() == SignatureAlgorithm::RSA
    }
}

/// A key belongs to one certificate only, so the chain tells them apart.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.pair.cert == other.pair.cert
    }
}

impl Eq for Certificate {}

/// Without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, not_before_s, not_after_s, .. } = self;
        f.debug_struct("Certificate")
            .field("names", names)
            .field("not_before_s", not_before_s)
            .field("not_after_s", not_after_s)
            .finish_non_exhaustive()
    }
}

/// `[cookies]` of a tenant: how browsers treat ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum SameSite {
    /// Ours come along from everywhere, over HTTPS: who is sent back from a payment or sign-on page is still inside.
    #[default]
    None,
    /// Ours stay at home when another site posts a form.
    Lax,
}

impl SameSite {
    /// Every choice with the word for it in files.
    pub const ALL: [(&'static str, Self); 2] = [("none", Self::None), ("lax", Self::Lax)];
}
