//! TLS as clients speak it: what they trust, what they show, and what they resume.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion,
    client::{
        ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
    },
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::certificates::{Authority, Pair};

/// Sessions that a client keeps.
const SESSIONS_MAX: usize = 8;

/// A client: what it offers, and the sessions it remembers.
#[derive(Clone, Debug)]
pub(crate) struct TlsClient {
    config: ClientConfig,
}

impl TlsClient {
    /// One that trusts an authority, and shows a certificate if it has one.
    pub(crate) fn new(trusts: &Authority, shows: Option<&Pair>) -> Self {
        Self::of_versions(&[&TLS13, &TLS12], trusts, shows)
    }

    /// The same with these versions of TLS alone.
    pub(crate) fn of_versions(
        versions: &[&'static SupportedProtocolVersion],
        trusts: &Authority,
        shows: Option<&Pair>,
    ) -> Self {
        Self::with_root(versions, trusts.certificate.clone(), shows)
    }

    /// One that trusts the holder of this certificate.
    pub(crate) fn trusting(root: CertificateDer<'static>) -> Self {
        Self::with_root(&[&TLS13, &TLS12], root, None)
    }

    fn with_root(
        versions: &[&'static SupportedProtocolVersion],
        root: CertificateDer<'static>,
        shows: Option<&Pair>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match shows {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_auth_cert(vec![pair.certificate.clone()], pair.key()).unwrap(),
        };
        config.resumption = Resumption::store(Arc::new(AnyName(ClientSessionMemoryCache::new(SESSIONS_MAX))));
        Self { config }
    }

    /// The same, and it offers this protocol alone.
    pub(crate) fn speaks(&self, alpn: &str) -> Self {
        self.speaks_all(&[alpn])
    }

    /// The same, and it offers these protocols.
    pub(crate) fn speaks_all(&self, alpn: &[&str]) -> Self {
        let mut config = self.config.clone();
        config.alpn_protocols = alpn.iter().map(|&protocol| protocol.into()).collect();
        Self { config }
    }

    /// The same, and it names no host.
    pub(crate) fn names_nobody(&self) -> Self {
        let mut config = self.config.clone();
        config.enable_sni = false;
        Self { config }
    }

    /// Shakes hands, and expects a certificate that covers `host`.
    ///
    /// # Errors
    /// If the handshake fails; the node's alert is in the error's text.
    pub(crate) async fn connect(&self, addr: SocketAddr, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(addr).await?;
        tcp.set_nodelay(true)?;
        self.over(tcp, host).await
    }

    /// The same on a connection that stands already.
    pub(crate) async fn over(&self, tcp: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(self.config.clone())).connect(name, tcp).await
    }
}

/// Whether a connection goes on with a session of before.
pub(crate) fn is_resumed(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// The certificate that the node has presented.
pub(crate) fn presented(stream: &TlsStream<TcpStream>) -> &[u8] {
    stream.get_ref().1.peer_certificates().unwrap()[0].as_ref()
}

/// Sessions that are offered to every host, whichever they began with. No honest client does that.
#[derive(Debug)]
struct AnyName(ClientSessionMemoryCache);

fn one() -> ServerName<'static> {
    ServerName::try_from("every.example").unwrap()
}

impl ClientSessionStore for AnyName {
    fn set_kx_hint(&self, _: ServerName<'static>, group: rustls::NamedGroup) {
        self.0.set_kx_hint(one(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        self.0.kx_hint(&one())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(one(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&one())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&one());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(one(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&one())
    }
}
