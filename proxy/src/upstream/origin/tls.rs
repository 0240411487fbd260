//! TLS to servers. Their certificates are always verified, against a name that is always there.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
    client::ResolvesClientCert,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
};
use sluice_config::OriginTls;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How TLS is spoken to a server.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Two are the same if what was verified for one holds for the other.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

/// Why TLS to an origin cannot be set up. The config has been checked, so this says more of the machine than of the owner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OriginTlsError {
    #[error("TLS: {0}")]
    Config(#[from] Error),
    #[error(
        "`tls = true` without `tls_ca_file`, and this system trusts no authorities: install its ca-certificates, or name \
         a file"
    )]
    NoAuthorities,
    #[error("{0} is no name that a certificate can be for")]
    Name(String),
}

impl Tls {
    pub(super) fn new(config: Arc<ClientConfig>, name: &str) -> Result<Self, OriginTlsError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| OriginTlsError::Name(name.to_owned()))?;
        Ok(Self { config, name })
    }

    /// Shakes hands.
    pub(in crate::upstream) async fn connect(&self, tcp: TcpStream) -> Result<Box<TlsStream<TcpStream>>, TlsFailure> {
        let connector = TlsConnector::from(self.config.clone());
        let stream = connector.connect(self.name.clone(), tcp).await;
        let stream = stream.map_err(|error| TlsFailure::of(error, &self.name))?;
        // One that knows no ALPN speaks HTTP/1.1.
        let wants_http2 = self.config.alpn_protocols.iter().any(|protocol| protocol == b"h2");
        if wants_http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(TlsFailure("it does not speak HTTP/2 over TLS (`http2`)".to_owned()));
        }
        Ok(Box::new(stream))
    }
}

/// What is spoken by these settings, and whom it trusts.
pub(super) fn config(settings: &OriginTls, http2: bool) -> Result<Arc<ClientConfig>, OriginTlsError> {
    let roots = match &settings.ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            ca.iter().try_for_each(|certificate| roots.add(certificate.clone()))?;
            Arc::new(roots)
        }
        None => system_roots().ok_or(OriginTlsError::NoAuthorities)?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
    let mut config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some(client) => builder.with_client_cert_resolver(shows(&client.pair)),
    };
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(Arc::new(config))
}

/// What is spoken to servers that are no origins: as to an origin of which nothing is configured.
pub(crate) fn tls_to_anywhere() -> Result<Arc<ClientConfig>, OriginTlsError> {
    tls_trusting(None)
}

/// The same to servers whose certificates these authorities sign; `None`: those that the system trusts.
pub(crate) fn tls_trusting(ca: Option<Vec<CertificateDer<'static>>>) -> Result<Arc<ClientConfig>, OriginTlsError> {
    config(&OriginTls { name: None, ca, client: None }, false)
}

fn shows(pair: &Arc<CertifiedKey>) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from(pair.clone()))
}

/// The authorities that the system trusts, as of the first time that anybody asks. One that cannot be read is left out.
fn system_roots() -> Option<Arc<RootCertStore>> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (taken, ignored) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(taken, ignored, errors = ?found.errors, "the system's authorities");
        Arc::new(roots)
    });
    Some(roots.clone()).filter(|roots| !roots.is_empty())
}

/// Why a handshake has failed, in words that say what to look at.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TlsFailure(String);

impl TlsFailure {
    fn of(error: io::Error, name: &ServerName<'_>) -> Self {
        let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) else {
            return Self(match error.kind() {
                io::ErrorKind::UnexpectedEof => "it closed during the TLS handshake".to_owned(),
                _ => format!("the connection broke during the TLS handshake: {error}"),
            });
        };
        Self(match cause {
            Error::InvalidMessage(_) => "it does not speak TLS on this port".to_owned(),
            Error::InvalidCertificate(of) => match of {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "its certificate has expired".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "its certificate is not valid yet".to_owned()
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    format!("its certificate is not for {} (`tls_name`)", name.to_str())
                }
                CertificateError::UnknownIssuer => {
                    "its certificate is signed by no authority that is trusted here (`tls_ca_file`)".to_owned()
                }
                other => format!("its certificate is refused: {other}"),
            },
            Error::AlertReceived(AlertDescription::CertificateRequired) => no_client_certificate(),
            Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                "it does not speak the HTTP that is wanted over TLS (`http2`)".to_owned()
            }
            other => format!("the TLS handshake failed: {other}"),
        })
    }
}

fn no_client_certificate() -> String {
    "it asks for a certificate (`tls_client_certificate`)".to_owned()
}

/// What a server says in TLS that is asked in plain HTTP: the first bytes of an alert.
pub(in crate::upstream) fn is_alert(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x15, 0x03])
}
