//! Which certificate a client gets.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwapOption;
use rustls::{
    RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        CryptoProvider,
        ring::{self, cipher_suite},
    },
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier},
    sign::{CertifiedKey, SigningKey},
    version::{TLS12, TLS13},
};
use sluice_config::{Certificate, ClientCa, NodeTls, Tenant, TlsVersions};

use super::{TicketKeys, TlsError, tickets::Ticketer};
use crate::{request::hosts::HostTable, transport::acme::Issued};

/// Tickets that a client gets with a handshake of TLS 1.3: one for each of two connections, since each is used once.
const TICKETS_PER_HANDSHAKE: usize = 2;
/// The largest early data: none. A request that is replayed would take a place twice.
const EARLY_DATA_BYTES_MAX: u32 = 0;

/// What a client is presented with: a certificate, and what is asked of the client in return.
#[derive(Debug)]
pub(crate) struct Presented {
    certificate: Arc<Certificate>,
    client_ca: Option<ClientCa>,
    config: Arc<ServerConfig>,
}

impl Presented {
    /// Whether requests for a host may come on this connection: the certificate covers it, and clients are asked for the
    /// same. So browsers may use one connection for several hosts, and a client certificate is never got round.
    pub(crate) fn covers(&self, host: &str, client_ca: Option<&ClientCa>) -> bool {
        self.certificate.covers(host) && self.client_ca.as_ref() == client_ca
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

/// All certificates of a node by host. Built whole from a config, swapped whole, but for those that are issued meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    by_host: HostTable<Arc<[Arc<Presented>]>>,
    /// Hosts whose certificates come by ACME.
    by_acme: HashMap<String, Slot>,
    default: Option<Arc<Presented>>,
    /// How more are made; `None`: none come by ACME.
    make: Option<Make>,
}

/// Where the certificate of a host comes by ACME.
#[derive(Debug)]
struct Slot {
    client_ca: Option<ClientCa>,
    presented: ArcSwapOption<Presented>,
}

/// Why there is nothing to present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The client names no host, or one without a certificate.
    Unknown,
    /// The certificate of the host comes by ACME, and has not come yet.
    NotIssued,
}

impl Certificates {
    /// # Errors
    /// If the cryptography refuses what the config has checked.
    pub(crate) fn new<'t>(
        tls: &NodeTls,
        http2: bool,
        tenants: impl IntoIterator<Item = &'t Tenant>,
        tickets: &Arc<TicketKeys>,
    ) -> Result<Self, TlsError> {
        let (tls, tickets) = (tls.clone(), tickets.clone());
        let make = Make { tls, http2, tickets, provider: Arc::new(provider()) };
        let mut hosts = Vec::new();
        let mut by_acme = HashMap::new();
        for tenant in tenants {
            let Some(settings) = &tenant.tls else { continue };
            let ca = settings.client_ca.as_ref();
            let slot = || Slot { client_ca: ca.cloned(), presented: ArcSwapOption::empty() };
            by_acme.extend(tenant.acme_hosts().map(|host| (host.to_owned(), slot())));
            let presented = settings.certificates.iter().map(|certificate| make.presented(certificate, ca));
            let presented: Arc<[_]> = presented.collect::<Result<_, _>>()?;
            hosts.extend(tenant.hosts.iter().map(|host| (host, presented.clone())));
        }
        let default = make.tls.default_certificate.as_ref().map(|certificate| make.presented(certificate, None));
        let default = default.transpose()?;
        let make = Some(make).filter(|_| !by_acme.is_empty());
        Ok(Self { by_host: HostTable::new(hosts), by_acme, default, make })
    }

    /// Presents what has been issued from now on, and nothing that is not in there any more. Connections keep what they have
    /// been presented with.
    pub(crate) fn take(&self, issued: &Issued) {
        let Some(make) = &self.make else { return };
        for (host, slot) in &self.by_acme {
            let (before, now) = (slot.presented.load(), issued.get(host));
            if before.as_ref().map(|presented| &presented.certificate) == now {
                continue;
            }
            let presented = now.map(|certificate| make.presented(certificate, slot.client_ca.as_ref()));
            match presented.transpose() {
                Ok(presented) => slot.presented.store(presented),
                Err(error) => tracing::error!(host, %error, "the certificate that was issued cannot be presented"),
            }
        }
    }

    /// The certificate of a host that has come by ACME.
    pub(crate) fn issued(&self, host: &str) -> Option<Arc<Certificate>> {
        Some(self.by_acme.get(host)?.presented.load().as_ref()?.certificate.clone())
    }

    /// Whether there is a certificate for a host (lower case), the default left aside.
    pub(crate) fn cover(&self, host: &str) -> bool {
        let own = self.by_host.find(host).is_some_and(|(_, all)| all.iter().any(|p| p.certificate.covers(host)));
        own || self.by_acme.get(host).is_some_and(|slot| slot.presented.load().is_some())
    }

    /// The certificate for hosts that no other covers.
    pub(crate) fn default_certificate(&self) -> Option<&Certificate> {
        self.default.as_ref().map(|presented| &*presented.certificate)
    }

    /// What a client that begins like this is presented with.
    ///
    /// # Errors
    /// If there is nothing for it.
    pub(crate) fn choose(&self, hello: &ClientHello<'_>) -> Result<Arc<Presented>, Missing> {
        // Of TLS 1.2 the cipher says which key it goes with.
        let has_cipher = |key: &dyn SigningKey| {
            let offered = CIPHERS.iter().filter(|cipher| hello.cipher_suites().contains(&cipher.suite()));
            offered.into_iter().any(|cipher| cipher.usable_for_signature_algorithm(key.algorithm()))
        };
        let verifies = |certificate: &Certificate| {
            let key = &*certificate.pair.key;
            key.choose_scheme(hello.signature_schemes()).is_some() && has_cipher(key)
        };
        let name = hello.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let named = name.as_deref().and_then(|name| self.named(name, verifies));
        let is_to_come = || name.is_some_and(|name| self.by_acme.contains_key(&name));
        let missing = || if is_to_come() { Missing::NotIssued } else { Missing::Unknown };
        named.or_else(|| self.default.clone()).ok_or_else(missing)
    }

    /// What a client that asks for a host (lower case) is presented with, the default left aside. Of several certificates that
    /// cover it, it is the first one that the client verifies, or the first: the handshake then says what is wrong.
    pub(crate) fn named(&self, host: &str, verifies: impl Fn(&Certificate) -> bool) -> Option<Arc<Presented>> {
        if let Some(slot) = self.by_acme.get(host) {
            return slot.presented.load_full();
        }
        let (_, all) = self.by_host.find(host)?;
        let covering = || all.iter().filter(|presented| presented.certificate.covers(host));
        covering().find(|presented| verifies(&presented.certificate)).or_else(|| covering().next()).cloned()
    }

    /// What clients are presented with that name no host.
    pub(crate) fn unnamed(&self) -> Option<&Arc<Presented>> {
        self.default.as_ref()
    }
}

/// In the order in which they are chosen: all are sound, so it is the cheapest first.
const CIPHERS: [SupportedCipherSuite; 9] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

fn provider() -> CryptoProvider {
    CryptoProvider { cipher_suites: CIPHERS.to_vec(), ..ring::default_provider() }
}

/// What all of a node's TLS configs have in common.
#[derive(Debug)]
struct Make {
    tls: NodeTls,
    http2: bool,
    tickets: Arc<TicketKeys>,
    provider: Arc<CryptoProvider>,
}

impl Make {
    fn presented(&self, certificate: &Arc<Certificate>, ca: Option<&ClientCa>) -> Result<Arc<Presented>, TlsError> {
        let versions: &[&SupportedProtocolVersion] = match self.tls.versions {
            TlsVersions::From12 => &[&TLS12, &TLS13],
            TlsVersions::Only13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(self.provider.clone()).with_protocol_versions(versions)?;
        let builder = match ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                for authority in &ca.certificates {
                    roots.add(authority.clone())?;
                }
                let provider = self.provider.clone();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Only(certificate.pair.clone())));
        config.alpn_protocols =
            if self.http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        config.ignore_client_order = true;
        // Nothing is kept here for clients to come back to: they carry it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = if self.tls.session_tickets { TICKETS_PER_HANDSHAKE } else { 0 };
        config.max_early_data_size = EARLY_DATA_BYTES_MAX;
        if self.tls.session_tickets {
            config.ticketer = Arc::new(Ticketer::new(self.tickets.clone(), ca));
        }
        Ok(Arc::new(Presented { certificate: certificate.clone(), client_ca: ca.cloned(), config: Arc::new(config) }))
    }
}

/// The choice is made before a config is: one config presents one certificate.
#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}
