//! Connections before and below any request: listeners, sockets and their pace, what is known of a connection, PROXY headers,
//! TLS and its certificates.

pub(crate) mod acme;
pub(crate) mod connection;
mod idle;
pub(crate) mod idlest;
pub(crate) mod listeners;
pub(crate) mod pace;
pub(crate) mod proxy_protocol;
pub(crate) mod socket;
pub(crate) mod tls;

pub(crate) use self::{idle::Idle, idlest::Spot, proxy_protocol::Refused as ProxyHeaderRefused};

/// What a listener speaks, behind a PROXY header if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// As it stands in front of a URL.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
