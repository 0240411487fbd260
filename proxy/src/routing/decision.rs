//! What one request is about, by its parts and its connection: the same decision for everything that serves requests, and
//! for `sluice explain`, which can therefore say nothing else than what a node does.
//!
//! Pure: no line is asked, nothing is counted, nothing waits.
//!
//! 1. A head with more than one reading is refused.
//! 2. The host names the tenant; a connection that was promised another one is misdirected.
//!    One that has been here before for that tenant goes round in a circle.
//! 3. A path with more than one reading is refused.
//! 4. What has come over plain HTTP is led to HTTPS, if the tenant wants that.
//! 5. What is left goes to an endpoint of ours, to the gate of a queue, or on to the origin of its route.

use std::sync::Arc;

use http::{HeaderValue, Uri, Version};
use ipnet::IpNet;

use super::{Guard, Routes, Site};
use crate::{
    request::{
        client::{self, Client},
        kind::{self, Kind},
        path::{Ambiguous, NormalPath},
        redirect,
        strict::{self, Facts, Form, Head, Violation},
        via,
    },
    transport::connection::Connection,
};

/// Ours, on every tenant's host.
const OWN_PREFIX: &str = "/.sluice/";

/// A request that can be served: by whom, and for whom.
#[derive(Debug)]
pub(crate) struct Decision<'r, G> {
    pub(crate) facts: Facts<'r>,
    pub(crate) client: Client,
    pub(crate) site: Arc<Site<G>>,
    pub(crate) goes_to: GoesTo<G>,
    /// The route of the path, by its number in the site: which origin serves it if it may pass.
    pub(crate) route: usize,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) enum GoesTo<G> {
    /// This address, over HTTPS.
    Https(HeaderValue),
    /// An endpoint of ours.
    Own(Endpoint),
    /// The gate of a queue.
    Gate(Arc<G>),
    /// The origin: no queue covers the path.
    Origin,
}

/// The endpoints under `/.sluice/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Status,
    Leave,
    /// The public board of the queue that the path names.
    Board,
    /// None of that name.
    Unknown,
}

/// A request that is answered at once.
#[derive(Debug)]
pub(crate) enum Stop<'r> {
    /// The head is not in order. Where the next request of an HTTP/1 connection would start is in doubt.
    Head(Violation),
    /// The path has more than one reading.
    Path(Ambiguous),
    /// `OPTIONS *`, or one that may go no further: about this server, and no more is said.
    AboutServer,
    /// No tenant answers for the host.
    UnknownHost(Facts<'r>),
    /// The connection is not one for this host: another certificate, or another rule about clients' certificates.
    Misdirected(Facts<'r>),
    /// This fleet has sent it for the same tenant: the origin leads back here.
    Loop(Facts<'r>),
}

/// Decides about a request. `kind` is what [`kind::classify`] says of it, `https_port` where the node speaks HTTPS.
///
/// # Errors
/// [`Stop`] when there is nothing to serve.
pub(crate) fn decide<'r, G: Guard>(
    head: Head<'r>,
    kind: Kind,
    connection: &Connection,
    trusted_proxies: &[IpNet],
    https_port: Option<u16>,
    routes: &Routes<G>,
) -> Result<Decision<'r, G>, Stop<'r>> {
    debug_assert_eq!(kind, kind::classify(head.method, head.version, head.headers));
    let facts = strict::check(head).map_err(Stop::Head)?;
    if head.version == Version::HTTP_2 {
        check_pseudo_fields(head.uri, connection).map_err(Stop::Head)?;
    }
    if facts.form == Form::Asterisk || via::max_forwards(head.method, head.headers) == Some(0) {
        return Err(Stop::AboutServer);
    }
    let Some((_, site)) = routes.find(&facts.host) else { return Err(Stop::UnknownHost(facts)) };
    if let Some(presented) = &connection.tls
        && !presented.covers(&facts.host, site.tenant.tls.as_ref().and_then(|tls| tls.client_ca.as_ref()))
    {
        return Err(Stop::Misdirected(facts));
    }
    if routes.fleet().has_sent(head.headers, site.tenant.name.as_str()) {
        return Err(Stop::Loop(facts));
    }
    let path = NormalPath::parse(facts.path).map_err(Stop::Path)?;
    let client = client::resolve(connection.peer, connection.is_tls(), trusted_proxies, head.headers);
    if let Some(to) = redirect::to_https(&facts, &path, &client, site.tenant.tls.as_ref(), https_port) {
        return Ok(Decision { facts, client, site: site.clone(), goes_to: GoesTo::Https(to), route: 0 });
    }
    let goes_to = match path.as_str().strip_prefix(OWN_PREFIX) {
        Some("status") => GoesTo::Own(Endpoint::Status),
        Some("leave") => GoesTo::Own(Endpoint::Leave),
        Some(rest) if rest.starts_with("board/") => GoesTo::Own(Endpoint::Board),
        Some(_) => GoesTo::Own(Endpoint::Unknown),
        None => site.gate(&path).map_or(GoesTo::Origin, |(_, gate)| GoesTo::Gate(gate.clone())),
    };
    let (route, _) = site.route(&path);
    Ok(Decision { facts, client, site: site.clone(), goes_to, route })
}

/// What the framing of HTTP/2 leaves to us of RFC 9113, 8.3.1. Where there is no `:authority` but a `Host` it keeps no
/// scheme, and takes a request without a `:path`.
fn check_pseudo_fields(uri: &Uri, connection: &Connection) -> Result<(), Violation> {
    if uri.scheme_str().is_some_and(|scheme| scheme != connection.scheme()) {
        return Err(Violation::Scheme);
    }
    if uri.path().is_empty() { Err(Violation::TargetForm) } else { Ok(()) }
}
