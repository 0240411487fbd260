//! What is known of a connection before its first request.

use std::{net::IpAddr, sync::Arc};

use super::tls::Presented;

/// The facts of one client connection. They never change while it lives.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The address at the other end.
    pub(crate) peer: IpAddr,
    /// What the handshake has settled; `None`: plain HTTP.
    pub(crate) tls: Option<Arc<Presented>>,
}

impl Connection {
    /// Whether the connection itself is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The scheme of its requests.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_tls() { "https" } else { "http" }
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}
