//! What one request is about, by its parts and its connection: the same decision for everything that serves requests, and
//! for `sluice explain`, which can therefore say nothing else than what a node does.
//!
//! Pure: no line is asked, nothing is counted, nothing waits.
//!
//! 1. A head with more than one reading is refused.
//! 2. The host names the tenant; a connection that was promised another one is misdirected.
//!    One that has been here before for that tenant goes round in a circle.
//! 3. A path is refused if its readings meet different queues, or different routes.
//! 4. What has come over plain HTTP is led to HTTPS, if the tenant wants that. A certificate authority that asks for a proof
//!    is answered before that, if it is one that this node has asked.
//! 5. What is left goes to an endpoint of ours, to the gate of a queue, or on to the origin of its route. Of a queue's paths
//!    its rules are asked first ([`rules`]).

use std::sync::Arc;

use http::{HeaderValue, Method, Uri, Version, header};
use ipnet::IpNet;
use sluice_config::RuleAction;

use super::{
    Routes, Site,
    rules::{self, Subject},
};
use crate::{
    gate::Guard,
    request::{
        client::{self, Client},
        kind::{self, Kind},
        path::{Ambiguous, NormalPath},
        syntax::strict::{self, Facts, Form, Head, Violation},
        via,
    },
    routing::redirect,
    transport::connection::Connection,
};

/// What search engines may read.
const ROBOTS: &str = "/robots.txt";
/// Ours, on every tenant's host.
const OWN_PREFIX: &str = "/.sluice/";

/// A request that can be served: by whom, and for whom.
#[derive(Debug)]
pub(crate) struct Decision<'r, G> {
    pub(crate) facts: Facts<'r>,
    pub(crate) client: Client,
    pub(crate) site: Arc<Site<G>>,
    pub(crate) goes_to: GoesTo<G>,
    /// The token of a proof for a certificate authority, which is answered here if it is one of ours, wherever the request goes
    /// otherwise.
    pub(crate) challenge: Option<&'r str>,
    /// The rule that has decided where it goes: of this queue, and which.
    pub(crate) rule: Option<(Arc<G>, usize)>,
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
    /// The origin: no queue covers the path, or a rule passes the request.
    Origin,
    /// Nowhere: a rule refuses it.
    Refused,
}

/// The endpoints under `/.sluice/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Status,
    Leave,
    /// A place is taken along to another device.
    Move,
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
    /// The path has readings that meet different queues, or one that no path may have.
    Path(Ambiguous),
    /// `OPTIONS *`, or one that may go no further: about this server, and no more is said.
    AboutServer,
    /// A load balancer asks whether this node is well.
    Health,
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
    let facts = strict::check(head).map_err(|violation| match violation {
        Violation::HostMissing if is_health_check(head, target_path(head.target), routes) => Stop::Health,
        other => Stop::Head(other),
    })?;
    if head.version == Version::HTTP_2 {
        check_pseudo_fields(head.uri, connection).map_err(Stop::Head)?;
    }
    if facts.form == Form::Asterisk || via::max_forwards(head.method, head.headers) == Some(0) {
        return Err(Stop::AboutServer);
    }
    let Some((_, site)) = routes.find(&facts.host) else {
        let is_health_check = is_health_check(head, facts.path, routes);
        return Err(if is_health_check { Stop::Health } else { Stop::UnknownHost(facts) });
    };
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
    let tls = site.tenant.tls.as_ref();
    let asks = matches!(*head.method, Method::GET | Method::HEAD) && tls.is_some_and(|tls| tls.acme);
    let challenge = challenge_token(facts.path).filter(|_| asks);
    let is_covered = || routes.certificates().cover(&facts.host);
    if let Some(to) = redirect::to_https(&facts, &path, &client, tls, is_covered, https_port) {
        let (site, goes_to) = (site.clone(), GoesTo::Https(to));
        return Ok(Decision { facts, client, site, goes_to, challenge, rule: None, route: 0 });
    }
    let mut rule = None;
    let goes_to = match path.as_str().strip_prefix(OWN_PREFIX) {
        Some("status") => GoesTo::Own(Endpoint::Status),
        Some("leave") => GoesTo::Own(Endpoint::Leave),
        Some("move") => GoesTo::Own(Endpoint::Move),
        Some(rest) if rest.starts_with("board/") => GoesTo::Own(Endpoint::Board),
        Some(_) => GoesTo::Own(Endpoint::Unknown),
        None => {
            let gate = site.gate(&path).map_err(Stop::Path)?;
            let gate = gate.filter(|(prefix, _)| !is_for_programs(head.method, facts.path, prefix));
            gate.map_or(GoesTo::Origin, |(_, gate)| {
                let subject = Subject::of(head, kind, &facts, &path, client.addr);
                let decided = rules::deciding(&gate.queue().rules, &subject);
                rule = decided.map(|(nth, _)| (gate.clone(), nth));
                match decided.map(|(_, rule)| &rule.action) {
                    Some(RuleAction::Pass) => GoesTo::Origin,
                    Some(RuleAction::Refuse) => GoesTo::Refused,
                    Some(RuleAction::Queue | RuleAction::Lane(_)) | None => GoesTo::Gate(gate.clone()),
                }
            })
        }
    };
    let (route, _) = site.route(&path).map_err(Stop::Path)?;
    Ok(Decision { facts, client, site: site.clone(), goes_to, challenge, rule, route })
}

/// Whether a program asks for it on behalf of the whole site: what search engines may read, and what shows a certificate
/// authority who answers for the host. It waits in no line, unless a queue has it as its own prefix.
fn is_for_programs(method: &Method, path: &[u8], prefix: &str) -> bool {
    // As it is spelt, so that origins have no choice.
    let is_meant = path == ROBOTS.as_bytes() || challenge_token(path).is_some();
    let is_own_prefix = [ROBOTS, redirect::ACME_PREFIX.trim_end_matches('/')]
        .iter()
        .any(|place| prefix.get(..place.len()).is_some_and(|start| start.eq_ignore_ascii_case(place)));
    matches!(*method, Method::GET | Method::HEAD) && is_meant && !is_own_prefix
}

/// The token of a path at which a certificate authority asks for a proof (RFC 8555, 8.3), as it is spelt.
fn challenge_token(path: &[u8]) -> Option<&str> {
    let token = path.strip_prefix(redirect::ACME_PREFIX.as_bytes())?;
    let is_token = !token.is_empty() && token.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    str::from_utf8(token).ok().filter(|_| is_token)
}

/// Whether a request that no tenant answers for is a health check: over HTTP/1.0 it may have no host.
fn is_health_check<G>(head: Head<'_>, path: &[u8], routes: &Routes<G>) -> bool {
    let is_safe = matches!(*head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let is_in_order = head.version != Version::HTTP_11 || head.headers.contains_key(header::HOST);
    is_safe && is_in_order && routes.is_for_health(path)
}

/// The path of a target in origin form.
fn target_path(target: &[u8]) -> &[u8] {
    target.split(|&b| b == b'?').next().unwrap_or_default()
}

/// What the framing of HTTP/2 leaves to us of RFC 9113, 8.3.1. Where there is no `:authority` but a `Host` it keeps no
/// scheme, and takes a request without a `:path`.
fn check_pseudo_fields(uri: &Uri, connection: &Connection) -> Result<(), Violation> {
    if uri.scheme_str().is_some_and(|scheme| scheme != connection.scheme()) {
        return Err(Violation::Scheme);
    }
    if uri.path().is_empty() { Err(Violation::TargetForm) } else { Ok(()) }
}
