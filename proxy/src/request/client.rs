//! Who is really at the other end, and what the origin is told about it.
//!
//! `X-Forwarded-For` is a list that every proxy on the way adds its peer to, and that the client may have started
//! itself with whatever it likes. So it is read from the right, the end nearest to us, for as long as the address that
//! vouches for the next entry is a trusted proxy; the first address that is none is the client. What stands left of it
//! is hearsay, and is not passed on. `X-Forwarded-Proto` is believed under the same condition.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use super::Edit;

/// Proxies walked through at most; a longer list is a loop or an attack, and its far end is not read.
const HOPS_MAX: usize = 16;

/// By it a trusted proxy says into which lane of a queue a visitor belongs.
const LANE: &str = "sluice-lane";

/// The other end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// The address of the nearest hop that is not a trusted proxy. IPv4 in IPv6 clothes is IPv4.
    pub addr: IpAddr,
    /// Whether the client's own connection is HTTPS: decides which cookies it can have.
    pub secure: bool,
    /// Whether that is the word of a trusted proxy.
    pub scheme_is_a_proxys: bool,
    /// Whether our own peer is a trusted proxy.
    pub peer_is_trusted: bool,
    /// The trusted proxies between the client and us, the nearest to us first. Not allocated without any.
    proxies: Vec<IpAddr>,
}

/// Finds the client. `peer` is the other end of the TCP connection, `tls` whether that connection is HTTPS.
pub(crate) fn resolve(peer: IpAddr, tls: bool, trusted: &[IpNet], headers: &HeaderMap) -> Client {
    let is_trusted = |addr: &IpAddr| trusted.iter().any(|net| net.contains(addr));
    let mut addr = peer.to_canonical();
    let mut proxies = Vec::new();
    if !is_trusted(&addr) {
        return Client { addr, secure: tls, scheme_is_a_proxys: false, peer_is_trusted: false, proxies };
    }
    for entry in from_the_right(headers, &X_FORWARDED_FOR).take(HOPS_MAX) {
        // `unknown`, `_hidden` or nonsense: the last address that was vouched for is the best there is.
        let Some(next) = parse_addr(entry) else { break };
        proxies.push(addr);
        addr = next;
        if !is_trusted(&addr) {
            break;
        }
    }
    let said = scheme(headers, proxies.len());
    let (secure, scheme_is_a_proxys) = (said.unwrap_or(tls), said.is_some());
    Client { addr, secure, scheme_is_a_proxys, peer_is_trusted: true, proxies }
}

/// Says what must change so that the origin learns about the client from us, and from nobody it should not believe.
///
/// `host` and `port` are what the client asked for. The fields that say where a request came from are replaced; what
/// an untrusted peer says in others of that sort is removed. `X-Original-URL` and `X-Rewrite-URL` never pass: some
/// origins take the path from them, and that path has stood in no queue.
pub(crate) fn forward(client: &Client, host: &str, port: Option<u16>, headers: &HeaderMap, edits: &mut Vec<Edit>) {
    for name in headers.keys() {
        let removed = match who_may_send(name.as_str()) {
            Sender::Anybody | Sender::Us => false,
            Sender::TrustedProxy => !client.peer_is_trusted,
            Sender::Nobody => true,
        };
        if removed {
            edits.push(Edit::Remove(name.clone()));
        }
    }
    let proto = if client.secure { "https" } else { "http" };
    edits.extend(Edit::set(X_FORWARDED_FOR.clone(), format_args!("{}", Hops(client))));
    // What was asked for nearly always is what the client wrote, and need not be written again.
    let written = headers.get(header::HOST).filter(|written| port.is_none() && written.as_bytes() == host.as_bytes());
    match written {
        Some(written) => edits.push(Edit::Set(X_FORWARDED_HOST.clone(), written.clone())),
        None => edits.extend(match port {
            Some(port) => Edit::set(X_FORWARDED_HOST.clone(), format_args!("{host}:{port}")),
            None => Edit::set(X_FORWARDED_HOST.clone(), format_args!("{host}")),
        }),
    }
    edits.push(Edit::Set(X_FORWARDED_PROTO.clone(), HeaderValue::from_static(proto)));
}

/// Everybody but us that a request has come through, as a list.
struct Hops<'c>(&'c Client);

impl fmt::Display for Hops<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hops().enumerate().try_for_each(|(nth, hop)| write!(f, "{}{hop}", if nth > 0 { ", " } else { "" }))
    }
}

/// What has said where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The connection itself, or the PROXY header in front of it.
    Connection,
    /// `X-Forwarded-For`, by so many trusted proxies.
    Forwarded(usize),
}

impl Client {
    /// What has said so.
    pub(crate) fn source(&self) -> Source {
        match self.proxies.len() {
            0 => Source::Connection,
            proxies => Source::Forwarded(proxies),
        }
    }

    /// Whether our own peer is a trusted proxy, so that what it says of the request is believed.
    pub(crate) fn peer_is_trusted(&self) -> bool {
        self.peer_is_trusted
    }

    /// Everybody but us that the request has come through, the client first.
    fn hops(&self) -> impl Iterator<Item = IpAddr> {
        std::iter::once(self.addr).chain(self.proxies.iter().rev().copied())
    }
}

/// The lane into which a trusted proxy has put a visitor, by its name. Of several lines none counts.
pub(crate) fn lane(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers.get_all(LANE).iter();
    let name = lines.next()?.as_bytes();
    lines.next().is_none().then_some(name)
}

/// The entries of a list field over all its lines, the last one first. Empty ones are none (RFC 9110, 5.6.1.2).
fn from_the_right<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter().rev();
    lines
        .flat_map(|line| line.as_bytes().rsplit(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|entry| !entry.is_empty())
}

/// Each proxy adds a scheme as it adds an address, or else overwrites what is there; so the client's scheme is as far
/// from the right as its address, or the leftmost there is.
fn scheme(headers: &HeaderMap, hops: usize) -> Option<bool> {
    let scheme = from_the_right(headers, &X_FORWARDED_PROTO).take(hops.max(1)).last()?;
    let is = |names: [&str; 2]| names.iter().any(|name| scheme.eq_ignore_ascii_case(name.as_bytes()));
    // Some say what a WebSocket's address begins with.
    if is(["https", "wss"]) { Some(true) } else { is(["http", "ws"]).then_some(false) }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn parse_addr(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let bracketed = || Some(IpAddr::V6(text.strip_prefix('[')?.split_once(']')?.0.parse::<Ipv6Addr>().ok()?));
    let with_port = || Some(IpAddr::V4(text.split_once(':')?.0.parse().ok()?));
    let addr = text.parse().ok().or_else(bracketed).or_else(with_port)?;
    Some(addr.to_canonical())
}

/// From whom an origin may get a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Anybody,
    TrustedProxy,
    /// Always replaced by our own.
    Us,
    Nobody,
}

fn who_may_send(name: &str) -> Sender {
    // All names below start with one of these; most others do not.
    if !name.starts_with(['x', 'f', 't', 'c', 'p', 'r', 's', 'w']) {
        return Sender::Anybody;
    }
    // What CGI-like origins take for a name with `-`. No proxy worth its trust sends these.
    if name.contains('_') {
        let dashed = name.replace('_', "-");
        return if who_may_send(&dashed) == Sender::Anybody { Sender::Anybody } else { Sender::Nobody };
    }
    match name {
        "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" => Sender::Us,
        // Says the same in other words; two that may differ are worse than one.
        "forwarded" => Sender::Nobody,
        "x-original-url" | "x-rewrite-url" => Sender::Nobody,
        // What CGI takes for the address of a proxy of the origin's own.
        "proxy" => Sender::Nobody,
        // For us alone, from a proxy that is trusted.
        LANE => Sender::Nobody,
        // What frameworks and servers take for the path, the host, the way through themselves, or for a file's place.
        "x-original-uri"
        | "x-original-path"
        | "x-rewrite-uri"
        | "x-rewrite-path"
        | "x-request-uri"
        | "x-real-uri"
        | "x-override-url"
        | "x-replaced-path"
        | "x-envoy-original-path"
        | "x-envoy-original-host"
        | "x-envoy-original-dst-host"
        | "x-matched-path"
        | "x-invoke-path"
        | "x-invoke-query"
        | "x-invoke-output"
        | "x-now-route-matches"
        | "x-middleware-subrequest"
        | "x-http-host-override"
        | "x-host-override"
        | "x-backend-host"
        | "x-base-url"
        | "x-script-name"
        | "script-name"
        | "path-info"
        | "path-translated"
        | "request-uri"
        | "x-sendfile-type"
        | "x-accel-mapping" => Sender::TrustedProxy,
        "x-real-ip"
        | "x-client-ip"
        | "x-cluster-client-ip"
        | "x-original-forwarded-for"
        | "x-original-host"
        | "x-host"
        | "x-url-scheme"
        | "x-envoy-external-address"
        | "true-client-ip"
        | "cf-connecting-ip"
        | "fastly-client-ip"
        | "client-ip"
        | "cf-connecting-ipv6"
        | "cf-pseudo-ipv4"
        | "proxy-client-ip"
        | "wl-proxy-client-ip"
        | "x-remote-ip"
        | "x-remote-addr"
        | "x-originating-ip"
        | "x-azure-clientip"
        | "x-azure-socketip"
        | "x-appengine-user-ip"
        | "x-proxyuser-ip"
        | "x-scheme"
        | "x-arr-ssl"
        | "front-end-https" => Sender::TrustedProxy,
        _ if name.starts_with("x-forwarded") => Sender::TrustedProxy,
        _ => Sender::Anybody,
    }
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests;
