//! Listening sockets: bound here, or handed over by a service manager or by the process before this one.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
};

use serde::{Deserialize, Serialize};
use sluice_config::Config;
use tokio::net::TcpSocket;

/// Connections the kernel keeps for us while we accept: a rush arrives faster than one loop accepts.
const BACKLOG: u32 = 4_096;

/// What comes to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Visitors.
    Http,
    /// Visitors, over TLS.
    Https,
    /// Health checks and scrapes.
    Admin,
    /// Operators.
    Api,
}

/// A listener, and where the config wants it: with port 0 the system has chosen another one.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) purpose: Purpose,
    pub(crate) configured: SocketAddr,
    pub(crate) listener: TcpListener,
}

/// One that was handed over. `was`: what it was for, if the process before has said so.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) was: Option<(Purpose, SocketAddr)>,
    pub(crate) listener: TcpListener,
}

/// The listeners of a node.
#[derive(Debug)]
pub(crate) struct Listeners(Vec<Listening>);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
#[error("{purpose}: {configured}: {source}")]
pub(crate) struct NoListener {
    purpose: Purpose,
    configured: SocketAddr,
    source: io::Error,
}

impl Listeners {
    /// Opens every listener that a config names. Needs a tokio context.
    ///
    /// # Errors
    /// If a port is taken.
    pub(crate) fn open(config: &Config, mut handed: Vec<Handed>) -> Result<Self, NoListener> {
        let all =
            |purpose, addresses: &[SocketAddr]| addresses.iter().map(|&address| (purpose, address)).collect::<Vec<_>>();
        let admin: Vec<_> = config.server.admin.into_iter().collect();
        let api: Vec<_> = config.admin.iter().map(|admin| admin.listen).collect();
        let wanted = [
            all(Purpose::Http, &config.server.http),
            all(Purpose::Https, &config.server.https),
            all(Purpose::Admin, &admin),
            all(Purpose::Api, &api),
        ];
        let mut open = Vec::new();
        for (purpose, configured) in wanted.concat() {
            let listener = take(&mut handed, purpose, configured).map_or_else(|| listen(configured), Ok);
            let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
            let listener = listener.map_err(|source| NoListener { purpose, configured, source })?;
            open.push(Listening { purpose, configured, listener });
        }
        for Handed { listener, .. } in handed {
            // Clients who come there would wait for ever, if the process that has handed it over keeps it.
            let address = listener.local_addr().ok().map(tracing::field::display);
            tracing::warn!(address, "a listener was handed over that the config does not name");
        }
        Ok(Self(open))
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Listening] {
        &self.0
    }

    /// Another handle of each that is for this.
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub(crate) fn of(&self, purpose: Purpose) -> io::Result<Vec<TcpListener>> {
        self.0.iter().filter(|one| one.purpose == purpose).map(|one| one.listener.try_clone()).collect()
    }

    /// Closes these handles.
    pub(crate) fn close(&mut self) {
        self.0.clear();
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http | Self::Https => "cannot listen",
            Self::Admin => "admin listener",
            Self::Api => "[admin] listener",
        })
    }
}

/// The one that was for this already; else the one at this address, whatever it was for.
fn take(handed: &mut Vec<Handed>, purpose: Purpose, configured: SocketAddr) -> Option<TcpListener> {
    let same = handed.iter().position(|one| one.was == Some((purpose, configured)));
    let there = || handed.iter().position(|one| one.listener.local_addr().is_ok_and(|address| address == configured));
    // The others keep their order: of several with port 0 the first is the first again.
    same.or_else(there).map(|at| handed.remove(at).listener)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
