//! The site, directly and through Sluice.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{Findings, Scene};
use crate::commands::setup::probe::{Answer, Ask, Way};

/// What is compared unless paths are named.
const PATHS: [&str; 5] = ["/", "/robots.txt", "/sitemap.xml", "/favicon.ico", "/404-of-a-cutover-check"];
/// A clock may be off by this much, in seconds: `Date` counts whole ones, and an answer takes a while.
const CLOCK_OFF_S_MAX: u64 = 3;
/// A page is never quite the same twice: it may differ by this share of its length.
const LENGTH_PARTS: usize = 20;
/// What answers of proxies and of the same page a moment later differ in.
const OF_THE_WAY: [&str; 12] = [
    "date",
    "age",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "via",
    "set-cookie",
    "etag",
    "last-modified",
    "x-request-id",
    "server-timing",
];
const SLUICE_STATE: HeaderName = HeaderName::from_static("sluice-state");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

pub(super) async fn check(scene: &Scene<'_>, findings: &mut Findings) {
    let Some(direct) = &scene.direct else {
        findings.skip("paths", "the origin is behind a socket of the node's machine: compare by hand");
        return;
    };
    // What Sluice would say of the visitor's scheme, so that the origin redirects no more here than there.
    let scheme = if scene.through.tls { "https" } else { "http" };
    let paths: Vec<_> = match scene.options.paths.as_slice() {
        [] => PATHS.map(str::to_owned).into(),
        named => named.to_vec(),
    };
    let mut different = Vec::new();
    let mut first = None;
    for path in &paths {
        let ask = Ask::page(path);
        let straight = scene.probe.ask(direct, &ask.clone().with(FORWARDED_PROTO, scheme)).await;
        let straight = match straight {
            Ok(answer) => answer,
            Err(error) => return findings.stop("paths", format!("the origin does not answer: {error}")),
        };
        let led = match scene.probe.ask(&scene.through, &ask).await {
            Ok(answer) => answer,
            Err(error) => return findings.stop("paths", format!("Sluice does not answer: {error}")),
        };
        if let Some(state) = led.field(&SLUICE_STATE) {
            let says =
                format!("{path} is parked ({state}): have every queue in `mode = \"open\"` until the switch is done");
            return findings.stop("paths", says);
        }
        different.extend(difference(path, &straight, &led));
        first.get_or_insert((straight, led));
    }
    match different.as_slice() {
        [] => findings.ok("paths", format!("{} are the same directly and through Sluice", paths.join(", "))),
        different => findings.stop("paths", different.join("; ")),
    }
    let Some((straight, led)) = first else { return };
    cookies(&straight, &led, findings);
    redirects(scene, direct, &led, findings);
    hsts(scene, &straight, findings);
    clock(&straight, findings);
    post(scene, direct, findings).await;
    websocket(scene, direct, findings).await;
    client_address(scene, findings).await;
    back_door(direct, findings);
}

/// In what two answers differ that should be the same.
fn difference(path: &str, straight: &Answer, led: &Answer) -> Option<String> {
    if straight.status != led.status {
        return Some(format!("{path}: {} directly, {} through Sluice", straight.status.as_u16(), led.status.as_u16()));
    }
    let (short, long) = (straight.body.len().min(led.body.len()), straight.body.len().max(led.body.len()));
    if long - short > long / LENGTH_PARTS {
        let (straight, led) = (straight.body.len(), led.body.len());
        return Some(format!("{path}: {straight} bytes directly, {led} through Sluice"));
    }
    let names = |answer: &Answer| {
        let names = answer.fields.keys().map(HeaderName::as_str).filter(|name| !OF_THE_WAY.contains(name));
        names.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let (missing, ours) = (names(straight), names(led));
    let lost: Vec<_> =
        missing.symmetric_difference(&ours).filter(|name| *name != "strict-transport-security").cloned().collect();
    if !lost.is_empty() {
        return Some(format!("{path}: only one of the two answers has {}", lost.join(", ")));
    }
    let same = |name: &HeaderName| straight.fields.get(name) == led.fields.get(name);
    let told = [header::CONTENT_TYPE, header::LOCATION, header::CACHE_CONTROL].into_iter().find(|name| !same(name));
    told.map(|name| format!("{path}: {name} is another through Sluice"))
}

/// Cookies arrive as they were set. Ours come beside them.
fn cookies(straight: &Answer, led: &Answer, findings: &mut Findings) {
    let set = |answer: &Answer| {
        let lines = answer.fields.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
        let shapes = lines.map(|line| {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            // Values may differ each time, and so may ends.
            let attributes = attributes.split(';').map(|a| a.trim().to_ascii_lowercase());
            let kept: BTreeSet<_> = attributes.filter(|a| !a.starts_with("expires=") && !a.is_empty()).collect();
            (pair.split('=').next().unwrap_or_default().to_owned(), kept)
        });
        shapes.filter(|(name, _)| !name.contains("sluice_")).collect::<BTreeSet<_>>()
    };
    let (directly, through) = (set(straight), set(led));
    let lost = directly.symmetric_difference(&through).next();
    match (lost, directly.len()) {
        (Some((name, _)), _) => {
            findings.stop("cookies", format!("{name} is not set, or set otherwise, through Sluice"));
        }
        (None, 0) => findings.ok("cookies", "the first path sets none"),
        (None, count) => findings.ok("cookies", format!("{count} are set as they are directly")),
    }
}

/// A redirect to where only Sluice should go.
fn redirects(scene: &Scene<'_>, direct: &Way, led: &Answer, findings: &mut Findings) {
    let Some(to) = led.field(&header::LOCATION) else { return };
    let leads_to_http = scene.through.tls && to.starts_with(&format!("http://{}", scene.options.host));
    if to.contains(&direct.at.to_string()) {
        findings.stop("redirects", format!("the site sends visitors to its own address: {to}"));
    } else if leads_to_http {
        findings.stop(
            "redirects",
            format!(
                "the site sends visitors back to {to}: it has to look at X-Forwarded-Proto, or they go round in circles"
            ),
        );
    } else {
        findings.ok("redirects", format!("the first path leads on to {to}"));
    }
}

/// Browsers that have seen HSTS come by HTTPS alone.
fn hsts(scene: &Scene<'_>, straight: &Answer, findings: &mut Findings) {
    let said = straight.field(&header::STRICT_TRANSPORT_SECURITY);
    let speaks_https = scene.through.tls || !scene.config.server.https.is_empty();
    match said {
        Some(said) if !speaks_https => findings.stop(
            "hsts",
            format!("the site says `{said}`: browsers come by HTTPS alone, which Sluice does not speak by this config"),
        ),
        Some(said) if said.to_ascii_lowercase().contains("includesubdomains") => {
            findings.warn(
                "hsts",
                format!("the site says `{said}`: there is no way back to plain HTTP, for hosts below it as well"),
            );
        }
        Some(said) => findings.ok("hsts", format!("the site says `{said}`, and Sluice speaks HTTPS")),
        None => findings.ok("hsts", "the site says none"),
    }
}

/// Tickets and passes count in seconds, and so do sessions of the site.
fn clock(straight: &Answer, findings: &mut Findings) {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let said = straight.field(&header::DATE).and_then(http_date_s);
    match said.map(|said| now_s.abs_diff(said)) {
        None => findings.skip("clock", "the site does not say what time it is"),
        Some(off) if off > CLOCK_OFF_S_MAX => {
            findings.warn(
                "clock",
                format!("the site's and this machine's differ by {off} s: let both follow the same time"),
            );
        }
        Some(_) => findings.ok("clock", "the site's and this machine's agree"),
    }
}

/// An HTTP date (RFC 9110, 5.6.7), of the form that servers send.
fn http_date_s(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.strip_suffix(" GMT")?.split(' ').skip(1);
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    let stamp = format!("{year}-{month:02}-{day}T{time}Z");
    let moment = humantime::parse_rfc3339(&stamp).ok()?;
    Some(moment.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

async fn post(scene: &Scene<'_>, direct: &Way, findings: &mut Findings) {
    let Some(path) = &scene.options.post else {
        return findings.skip("post", "name a path for an empty form with --post");
    };
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let ask = Ask { method: Method::POST, path: path.clone(), fields: vec![(header::CONTENT_TYPE, form)] };
    same(scene, direct, "post", &ask, findings).await;
}

async fn websocket(scene: &Scene<'_>, direct: &Way, findings: &mut Findings) {
    let Some(path) = &scene.options.websocket else {
        return findings.skip("websocket", "name a path that answers handshakes with --websocket");
    };
    let ask = Ask { method: Method::GET, path: path.clone(), fields: Vec::new() }
        .with(header::CONNECTION, "Upgrade")
        .with(header::UPGRADE, "websocket")
        .with(header::SEC_WEBSOCKET_VERSION, "13")
        .with(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
    match scene.probe.ask(direct, &ask).await {
        Ok(answer) if answer.status == StatusCode::SWITCHING_PROTOCOLS => {}
        Ok(answer) => {
            return findings.skip("websocket", format!("the origin answers {} itself", answer.status.as_u16()));
        }
        Err(error) => return findings.skip("websocket", format!("the origin does not answer: {error}")),
    }
    same(scene, direct, "websocket", &ask, findings).await;
}

/// The same status both ways.
async fn same(scene: &Scene<'_>, direct: &Way, check: &'static str, ask: &Ask, findings: &mut Findings) {
    let (straight, led) = (scene.probe.ask(direct, ask).await, scene.probe.ask(&scene.through, ask).await);
    match (straight, led) {
        (Ok(straight), Ok(led)) if straight.status == led.status => {
            findings.ok(check, format!("{} both ways", led.status.as_u16()));
        }
        (Ok(straight), Ok(led)) => findings.stop(
            check,
            format!("{}: {} directly, {} through Sluice", ask.path, straight.status.as_u16(), led.status.as_u16()),
        ),
        (Err(error), _) | (_, Err(error)) => findings.stop(check, format!("{}: {error}", ask.path)),
    }
}

/// What the site takes for the client's address, and whom Sluice believes.
async fn client_address(scene: &Scene<'_>, findings: &mut Findings) {
    const CHECK: &str = "client address";
    let open = scene.config.server.trusted_proxies.iter().find(|network| network.prefix_len() == 0);
    if let Some(network) = open {
        let says =
            format!("`trusted_proxies` has {network}: any client may claim any address. Name the proxies in front");
        return findings.stop(CHECK, says);
    }
    let Some(path) = &scene.options.whoami else {
        let says = "name a path that shows it with --whoami; the site has to take it from X-Forwarded-For";
        return findings.skip(CHECK, says);
    };
    // Another address than the node's own, where there is one, so that the two can be told apart.
    let from = scene.through.at.ip().is_loopback().then_some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    let way = Way { from: from.filter(|_| scene.through.at.is_ipv4()), ..scene.through.clone() };
    match (scene.probe.ask(&way, &Ask::page(path)).await, way.from) {
        (Ok(answer), Some(from)) if answer.text().contains(&from.to_string()) => {
            findings.ok(CHECK, "the site sees the client's");
        }
        (Ok(_), Some(from)) => findings.stop(
            CHECK,
            format!("the site does not see {from}, from where it was asked: let it take X-Forwarded-For from Sluice"),
        ),
        (Ok(answer), None) => {
            findings.skip(CHECK, format!("compare yourself, the site sees: {}", answer.text().trim()))
        }
        (Err(error), _) => findings.stop(CHECK, error),
    }
}

/// An origin that the whole world reaches is a way round the line.
fn back_door(direct: &Way, findings: &mut Findings) {
    match is_public(direct.at.ip()) {
        true => findings.warn(
            "back door",
            format!(
                "the origin answers at {}, a public address: whoever knows it comes round the line. Let it take \
                     connections from Sluice alone, once the switch is done",
                direct.at
            ),
        ),
        false => findings.ok("back door", format!("the origin is at {}, which is not public", direct.at)),
    }
}

/// Whether an address can be reached from everywhere.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_origin_that_the_world_reaches_is_a_back_door() {
        for (ip, expected) in [
            ("203.0.113.9", true),
            ("10.1.2.3", false),
            ("192.168.0.1", false),
            ("172.16.0.1", false),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("2001:db8::1", true),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:203.0.113.9", true),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), expected, "{ip}");
            let mut findings = Findings::default();
            let at = std::net::SocketAddr::new(ip.parse().unwrap(), 443);
            back_door(&Way { at, host: String::new(), tls: false, from: None }, &mut findings);
            assert_eq!(findings.json().unwrap().contains("\"warn\""), expected, "{ip}");
        }
    }

    #[test]
    fn dates_of_answers_are_unix_seconds() {
        assert_eq!(http_date_s("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date_s("Sunday, 06-Nov-94 08:49:37 GMT"), None);
        assert_eq!(http_date_s(""), None);
    }
}
