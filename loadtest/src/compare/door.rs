//! Where a server under comparison listens: in the open, and over TLS too if that is what is compared.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    visitor::HOST,
    work::{Job, Work},
};
use crate::{
    Failed,
    client::{Protocol, Site, Target, Tickets, Way},
    kit::process::free_addr,
};

/// One certificate for all, and how clients come over TLS.
pub(super) struct Secure {
    site: Site,
    ways: [Way; 2],
}

impl Secure {
    pub(super) fn new() -> Result<Self, Failed> {
        let site = Site::new(&[HOST])?;
        let way = |protocol| site.way(HOST, protocol, Arc::new(Tickets::at_most(1)));
        let ways = [way(Protocol::Http1Tls)?, way(Protocol::Http2Tls)?];
        Ok(Self { site, ways })
    }

    /// A way with tickets of its own.
    pub(super) fn way(&self, protocol: Protocol, tickets: Arc<Tickets>) -> Result<Way, Failed> {
        self.site.way(HOST, protocol, tickets)
    }
}

/// Addresses of one server.
#[derive(Clone, Copy)]
pub(super) struct Door<'a> {
    pub(super) plain: SocketAddr,
    tls: Option<(SocketAddr, &'a Secure)>,
}

/// What a server is given to speak TLS.
pub(super) struct Tls {
    pub(super) listen: SocketAddr,
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
    pub(super) pair: PathBuf,
}

impl<'a> Door<'a> {
    /// Addresses that are free now.
    pub(super) fn new(secure: Option<&'a Secure>) -> Result<Self, Failed> {
        let tls = match secure {
            Some(secure) => Some((free_addr()?, secure)),
            None => None,
        };
        Ok(Self { plain: free_addr()?, tls })
    }

    /// The same with another address in the open.
    pub(super) fn at(self, plain: SocketAddr) -> Self {
        Self { plain, ..self }
    }

    /// Writes the certificate into a folder, if there is to be TLS.
    pub(super) fn write(&self, dir: &Path) -> Result<Option<Tls>, Failed> {
        let Some((listen, secure)) = self.tls else { return Ok(None) };
        let files = secure.site.write(dir)?;
        Ok(Some(Tls { listen, chain: files.chain, key: files.key, pair: files.pair }))
    }

    /// Where it listens for TLS.
    pub(super) fn secure(&self) -> Option<SocketAddr> {
        Some(self.tls?.0)
    }

    /// Every way to it over TLS.
    pub(super) fn secure_targets(self) -> impl Iterator<Item = Target> + 'a {
        let tls = self.tls.into_iter();
        tls.flat_map(|(addr, secure)| secure.ways.iter().map(move |way| Target { addr, way: way.clone() }))
    }

    /// Every way to it.
    pub(super) fn targets(self) -> impl Iterator<Item = Target> + 'a {
        std::iter::once(self.plain.into()).chain(self.secure_targets())
    }
}

impl Work {
    /// The same work over what a client speaks.
    pub(super) fn over(self, to: &Target) -> Job {
        Job { work: self, protocol: to.way.protocol() }
    }
}
