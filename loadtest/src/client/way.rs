//! How a client reaches a server: in the open, or over TLS with one of two protocols.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rustls::{ClientConfig, HandshakeKind, pki_types::ServerName};
use serde::Serialize;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Io, Trouble};

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    Http1,
    Http1Tls,
    Http2Tls,
}

impl Protocol {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http1Tls => "h1+TLS",
            Self::Http2Tls => "h2+TLS",
        }
    }

    /// As it stands in the handshake.
    pub(super) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 | Self::Http1Tls => b"http/1.1",
            Self::Http2Tls => b"h2",
        }
    }
}

/// A protocol, and the TLS below it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    protocol: Protocol,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Where a server is, and how it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) way: Way,
}

/// In the open.
impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self { addr, way: Way::PLAIN }
    }
}

impl From<&Self> for Target {
    fn from(target: &Self) -> Self {
        target.clone()
    }
}

impl Way {
    /// HTTP/1.1 without TLS.
    pub(crate) const PLAIN: Self = Self { protocol: Protocol::Http1, tls: None };

    pub(super) fn over_tls(protocol: Protocol, config: Arc<ClientConfig>, host: ServerName<'static>) -> Self {
        Self { protocol, tls: Some((config, host)) }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Connects, from this address if one is given, and shakes hands.
    pub(crate) async fn connect(&self, to: SocketAddr, from: Option<Ipv4Addr>) -> Result<Io, Trouble> {
        let tcp = connect(to, from).await.map_err(|error| Trouble::Connect(error.kind()))?;
        let Some((config, host)) = &self.tls else { return Ok(Io::Plain(tcp)) };
        let failed = |error: std::io::Error| Trouble::Handshake(error.to_string());
        let tls = TlsConnector::from(config.clone()).connect(host.clone(), tcp).await.map_err(failed)?;
        let chosen = tls.get_ref().1.alpn_protocol();
        if self.protocol == Protocol::Http2Tls && chosen != Some(self.protocol.alpn()) {
            return Err(Trouble::Handshake("HTTP/2 was not agreed on".to_owned()));
        }
        Ok(Io::Tls(Box::new(tls)))
    }
}

impl Io {
    /// Whether the handshake resumed a session; `None` without TLS.
    pub(crate) fn is_resumed(&self) -> Option<bool> {
        let Self::Tls(tls) = self else { return None };
        Some(tls.get_ref().1.handshake_kind()? == HandshakeKind::Resumed)
    }
}

async fn connect(to: SocketAddr, from: Option<Ipv4Addr>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = from {
        socket.bind((from, 0).into())?;
    }
    let tcp = socket.connect(to).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}
