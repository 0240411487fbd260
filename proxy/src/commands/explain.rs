//! `sluice explain`: why a request meets the queue it meets. The decision is the one that a node makes.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use sluice_config::{Certificate, Config, Mode, Queue};

use super::Failed;
use crate::{
    commands::console::say,
    gate::lane::{self, SaidBy},
    request::{
        client::{self, Client, Source},
        hosts::HostMatch,
        kind::{self, Kind},
        path::NormalPath,
        syntax::strict::Head,
    },
    routing::{
        Routes, Site,
        decision::{Decision, Endpoint, GoesTo, Stop, decide},
        rules::{self, Subject},
    },
    transport::{
        acme::Issued,
        connection::Connection,
        tls::{Certificates, Presented, TicketKeys},
    },
};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The directory that holds sluice.toml and tenants/*.toml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// The request's URL, such as `https://shop.example.com/checkout?x=1`.
    url: Uri,
    /// The request's method.
    #[arg(short = 'X', long, default_value = "GET")]
    method: Method,
    /// The client's address, as the other end of the connection.
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    from: IpAddr,
    /// The address that a PROXY header in front of the connection names.
    #[arg(long, value_name = "ADDRESS")]
    proxy_header: Option<IpAddr>,
    /// A request header, as often as needed.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let config = super::load(&options.config)?;
    let authority = options.url.authority().ok_or_else(|| Failed::Because("the URL has no host".into()))?;
    let host = authority.host().to_ascii_lowercase();
    let routes = routes(&config)?;
    let Some(connection) = connection(&config, &routes, options, &host) else { return Ok(()) };
    let mut headers: HeaderMap = options.headers.iter().cloned().collect();
    if !headers.contains_key(header::HOST) {
        headers.insert(
            header::HOST,
            HeaderValue::from_str(authority.as_str()).map_err(|e| Failed::Because(e.to_string()))?,
        );
    }
    // What no header says is what a browser would say.
    let is_browser = ![header::ACCEPT, SEC_FETCH_MODE].iter().any(|name| headers.contains_key(name));
    if is_browser {
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
    }
    let kind = kind::classify(&options.method, Version::HTTP_11, &headers);
    let target = options.url.path_and_query().map_or("/", |target| target.as_str());
    let head = Head {
        method: &options.method,
        target: target.as_bytes(),
        uri: &Uri::default(),
        version: Version::HTTP_11,
        headers: &headers,
        raw: None,
    };
    let https_port = config.server.https.first().map(std::net::SocketAddr::port);
    match decide(head, kind, &connection, &config.server.trusted_proxies, https_port, &routes) {
        Ok(decision) => {
            tenant(&routes, &decision.facts.host);
            client(&decision.client, &connection);
            if decision.challenge.is_some() {
                say(
                    "acme     a proof for the certificate authority: answered here if the token is one of ours; if not:",
                );
            }
            each_rule(head, kind, &decision);
            goes_to(&decision, kind, &headers);
            if matches!(decision.goes_to, GoesTo::Gate(_) | GoesTo::Origin) {
                origin(&decision.site, decision.facts.path);
            }
            if is_browser && kind == Kind::Navigation {
                say("assumed  a browser; `-H 'Accept: */*'` is a program");
            }
        }
        Err(stop) => stopped(&routes, &host, stop),
    }
    Ok(())
}

fn routes(config: &Config) -> Result<Routes<Queue>, Failed> {
    let because = |error: &dyn std::fmt::Display| Failed::Because(error.to_string());
    let site = |tenant: &Arc<sluice_config::Tenant>| {
        let site = Site::new(tenant.clone(), tenant.queues.clone(), Vec::new());
        site.map(Arc::new).map_err(|bad| Failed::Because(format!("tenant {}: {bad:?}", tenant.name)))
    };
    let sites = config.tenants.iter().map(site).collect::<Result<_, _>>()?;
    let tickets = Arc::new(TicketKeys::new().map_err(|e| because(&e))?);
    let tenants = config.tenants.iter().map(|tenant| &**tenant);
    let certificates = Certificates::new(&config.tls, config.server.http2, tenants, &tickets);
    let certificates = certificates.map_err(|e| because(&e))?;
    certificates.take(&stand_ins(config).map_err(|e| because(&e))?);
    Ok(Routes::new(sites, certificates).with_health_path(config.server.health_path.as_deref()))
}

/// What stands for certificates that are issued to a node that runs.
fn stand_ins(config: &Config) -> Result<Issued, Box<dyn std::error::Error>> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let stand_in = |host: &str| {
        let made = rcgen::generate_simple_self_signed([host.to_owned()])?;
        let certificate = Certificate::issued(&made.cert.pem(), &made.signing_key.serialize_pem(), host, now_s)?;
        Ok((host.to_owned(), Arc::new(certificate)))
    };
    config.acme_hosts().map(|(_, host)| stand_in(host)).collect()
}

/// The connection that a request for this URL would come on; `None`: there is none, which has been said.
fn connection(config: &Config, routes: &Routes<Queue>, options: &Options, host: &str) -> Option<Connection> {
    let peer = options.proxy_header.unwrap_or(options.from);
    let proxy = options.proxy_header.map(|_| options.from);
    if options.url.scheme_str() != Some("https") || config.server.https.is_empty() {
        return Some(Connection::new(peer, proxy, None));
    }
    let certificates = routes.certificates();
    let presented: Option<Arc<Presented>> =
        certificates.named(host, |_| true).or_else(|| certificates.unnamed().cloned());
    if certificates.issued(host).is_some() {
        say(format_args!("assumed  the certificate of {host}, which comes by ACME, has been issued"));
    }
    if presented.is_none() {
        say(format_args!("tls      no certificate covers {host}, so the handshake fails: unrecognized_name"));
    }
    presented.map(|presented| Connection::new(peer, proxy, Some(presented)))
}

fn tenant(routes: &Routes<Queue>, host: &str) {
    let Some((matched, site)) = routes.find(host) else { return };
    let pattern = match matched {
        HostMatch::Exact => host.to_owned(),
        HostMatch::Below(suffix) => format!("*.{suffix}"),
    };
    say(format_args!("tenant   {} (host {host} matches \"{pattern}\")", site.tenant.name));
}

fn stopped(routes: &Routes<Queue>, host: &str, stop: Stop<'_>) {
    match stop {
        Stop::UnknownHost(facts) => {
            say(format_args!("host     {}: no tenant answers for it, so the answer is 421", facts.host));
        }
        Stop::Misdirected(facts) => say(format_args!(
            "host     {}: the certificate of this connection is not for it, so the answer is 421",
            facts.host
        )),
        Stop::Head(violation) => {
            say(format_args!("request  refused with {}, {}", violation.status(), violation.reason()));
        }
        Stop::Loop(facts) => {
            say(format_args!("host     {}: its origin leads back here, so the answer is 508", facts.host))
        }
        Stop::Path(ambiguous) => {
            tenant(routes, host);
            say(format_args!("path     refused with 400, {}", ambiguous.reason()));
        }
        Stop::Health => say("request  is a health check, and the answer says whether the node is ready"),
        Stop::AboutServer => say("request  is about this server, so the answer is 204"),
    }
}

/// Whose request it is, and what says so.
fn client(client: &Client, connection: &Connection) {
    let said_by = match (client.source(), connection.proxy) {
        (Source::Forwarded(proxies), _) => format!("X-Forwarded-For, through {proxies} of `trusted_proxies`"),
        (Source::Connection, Some(proxy)) => format!("the PROXY header of {proxy}"),
        (Source::Connection, None) => "the connection itself".to_owned(),
    };
    say(format_args!("client   {}, by {said_by}", client.addr));
}

/// Each rule of the path's queue, and what has kept it from deciding.
fn each_rule(head: Head<'_>, kind: Kind, decision: &Decision<'_, Queue>) {
    let Decision { facts, site, client, goes_to, rule, .. } = decision;
    let Ok(path) = NormalPath::parse(facts.path) else { return };
    let queue = match (goes_to, rule) {
        (GoesTo::Gate(queue), _) | (_, Some((queue, _))) => queue,
        _ => return,
    };
    debug_assert!(site.gates().iter().any(|gate| Arc::ptr_eq(gate, queue)));
    let subject = Subject::of(head, kind, facts, &path, client.addr);
    for (nth, each) in queue.rules.iter().enumerate() {
        let (number, name, word) = (nth + 1, &each.name, each.action.word());
        match rules::failed(each, &subject) {
            Some(failed) => say(format_args!("rule     {number} \"{name}\" ({word}): no, by {failed}")),
            None => {
                say(format_args!("rule     {number} \"{name}\" ({word}): decides"));
                if nth + 1 < queue.rules.len() {
                    say("         those behind it are not asked");
                }
                return;
            }
        }
    }
}

fn goes_to(decision: &Decision<'_, Queue>, kind: Kind, headers: &HeaderMap) {
    let Decision { site, goes_to, rule, .. } = decision;
    let Ok(path) = NormalPath::parse(decision.facts.path) else { return };
    let queue = match goes_to {
        GoesTo::Refused => {
            say("answer   403, by the rule");
            return;
        }
        GoesTo::Origin if rule.is_some() => {
            let queue = rule.as_ref().map_or("", |(queue, _)| queue.name.as_str());
            say(format_args!("queue    {queue}, which the rule lets it pass by"));
            return;
        }
        GoesTo::Https(to) => {
            let to = String::from_utf8_lossy(to.as_bytes());
            say(format_args!("redirect 308 to {to}: the tenant is served over HTTPS"));
            return;
        }
        GoesTo::Own(Endpoint::Status | Endpoint::Leave | Endpoint::Move | Endpoint::Board | Endpoint::Unknown) => {
            say("queue    none: paths under /.sluice/ are answered by Sluice itself");
            return;
        }
        GoesTo::Origin => {
            match site.gate(&path).ok().flatten() {
                Some(_) => {
                    say(format_args!("queue    none: {path} is for programs, and waits only in a queue that names it"))
                }
                None => say(format_args!("queue    none: no queue has a prefix of {path}, so everybody is forwarded")),
            }
            return;
        }
        GoesTo::Gate(queue) => queue,
    };
    let prefix = site.gate(&path).ok().flatten().map_or("", |(prefix, _)| prefix);
    say(format_args!("queue    {} (path {path}, longest prefix \"{prefix}\")", queue.name));
    if let Some(lane) = lane(decision, headers, queue) {
        say(format_args!("lane     {lane}, for a visitor who has no number yet"));
    }
    say(format_args!("mode     {}", mode(queue.mode)));
    say(format_args!("kind     {}", kind.name()));
    if queue.mode != Mode::Open {
        say(format_args!("parked   {}", parked(kind, queue.wait_status.code())));
    }
}

/// Into which lane a request puts its visitor, and what says so; `None`: the queue has one lane.
fn lane(decision: &Decision<'_, Queue>, headers: &HeaderMap, queue: &Queue) -> Option<String> {
    let first = &queue.lanes.first()?.name;
    let by_proxy = client::lane(headers).filter(|_| decision.client.peer_is_trusted);
    let named = lane::Named { by_proxy, by_rule: lane::by_rule(decision.rule.as_ref()) };
    let (lane, why) = match named.lane(queue) {
        Some((lane, SaidBy::Proxy)) => (lane.name_in(queue), "by Sluice-Lane of a trusted proxy"),
        Some((lane, SaidBy::Rule)) => (lane.name_in(queue), "by the rule"),
        None => (Some(first), "the first, as nothing names another"),
    };
    Some(format!("{} ({why})", lane.unwrap_or(first)))
}

/// Which servers a request gets to if it passes.
fn origin(site: &Site<Queue>, path: &[u8]) {
    let Ok(path) = NormalPath::parse(path) else { return };
    let Ok((nth, prefix)) = site.route(&path) else { return };
    let routed = nth.checked_sub(1).and_then(|nth| site.tenant.routes.get(nth));
    let (origin, why) = match routed {
        Some(route) => (&route.origin, format!("[[route]], longest prefix \"{prefix}\"")),
        None if site.tenant.routes.is_empty() => (&site.tenant.origin, "[origin]".to_owned()),
        None => (&site.tenant.origin, format!("[origin], no route has a prefix of {path}")),
    };
    let scheme = if origin.tls.is_some() { "https" } else { "http" };
    let servers: Vec<_> = origin.servers.iter().map(|server| server.address.to_string()).collect();
    say(format_args!("origin   {} by {scheme} ({why})", servers.join(", ")));
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Open => "open: everybody passes, visits are only watched",
        Mode::Auto => "auto: visitors are called at the release rate",
        Mode::Hold => "hold: nobody is called, newcomers join the line",
        Mode::Drain => "drain: the line is served at the release rate until it is empty, then everybody passes",
        Mode::Closed => "closed: nobody is called and nobody joins, visitors inside stay",
    }
}

fn parked(kind: Kind, wait_status: u16) -> String {
    match kind {
        Kind::Navigation => format!("{wait_status} and the waiting page"),
        Kind::FormPost => "429 and a page from which the form can be sent again".into(),
        Kind::Preflight => {
            "204 by [cors], while a line stands and no visitor of that address is inside; else it is the origin's"
                .into()
        }
        Kind::Prefetch => "503, and no number is taken".into(),
        Kind::Grpc => "trailers only: UNAVAILABLE".into(),
        Kind::Fetch | Kind::Unsafe | Kind::Upgrade | Kind::EventStream => "429 and a JSON problem".into(),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written as 'Name: value'")?;
    let name = name.trim().parse().map_err(|e| format!("{name}: {e}"))?;
    let value = value.trim().parse().map_err(|e| format!("{value}: {e}"))?;
    Ok((name, value))
}
