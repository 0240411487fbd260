//! What can be seen of a site from outside.

use std::{collections::BTreeSet, net::SocketAddr};

use http::{StatusCode, Uri, header};
use tokio::net::lookup_host;

use super::platform::{self, Platform};
use crate::commands::setup::probe::{Answer, Ask, Probe, Way};

/// How often a site may lead on before it is lost.
const REDIRECTS_MAX: usize = 5;
/// So many paths are explained.
const PATHS: usize = 10;
/// Where call-backs often are.
const PROGRAMS: [&str; 6] = ["/webhook", "/webhooks", "/stripe/webhook", "/paypal/ipn", "/api/webhooks", "/callback"];
/// Nothing is there.
const NOWHERE: &str = "/a-path-of-sluice-init-that-no-site-has";
/// Addresses of a name that are taken over.
const SERVERS_MAX: usize = 8;

/// What was seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// Those that lead to it, the one that shows pages first.
    pub(super) hosts: Vec<String>,
    /// Where it is now, as `servers` has it.
    pub(super) servers: Vec<String>,
    pub(super) https: bool,
    pub(super) platform: Option<&'static Platform>,
    /// What no browser asks for.
    pub(super) programs: Vec<String>,
    /// Ten of its paths, to be explained.
    pub(super) paths: Vec<String>,
    hsts: Option<String>,
    cookies: usize,
    is_cached: bool,
    /// It opens connections that stay.
    pub(super) streams: bool,
}

/// Looks at a site: its pages, where it leads on to, and what it seems to be made with.
pub(super) async fn at(probe: &Probe, url: &Uri) -> Result<Seen, String> {
    let mut place = Place::of(url).ok_or_else(|| format!("{url}: write https://HOST"))?;
    let mut hosts = vec![place.host.clone()];
    let mut path = if url.path().is_empty() { "/".to_owned() } else { url.path().to_owned() };
    for _ in 0..=REDIRECTS_MAX {
        let (answer, servers) = ask(probe, &place, &path).await?;
        let Some(to) = answer.field(&header::LOCATION).filter(|_| answer.status.is_redirection()) else {
            return Ok(seen(probe, place, hosts, servers, &answer).await);
        };
        let to: Uri = to.parse().map_err(|_| format!("{} leads on to {to}, which is no address", place.host))?;
        if let Some(next) = Place::of(&to) {
            if !is_kin(&next.host, &place.host) {
                return Err(format!(
                    "{} leads on to {}, which is another site: look at that one",
                    place.host, next.host
                ));
            }
            hosts.retain(|host| *host != next.host);
            hosts.insert(0, next.host.clone());
            place = next;
        }
        path = if to.path().is_empty() { "/".to_owned() } else { to.path().to_owned() };
    }
    Err(format!("{} leads on and on, {REDIRECTS_MAX} times", place.host))
}

/// A host with its port, and how it is spoken to.
#[derive(Clone, Debug)]
struct Place {
    host: String,
    port: u16,
    https: bool,
}

impl Place {
    fn of(url: &Uri) -> Option<Self> {
        let https = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
        Some(Self { host: url.host()?.to_ascii_lowercase(), port, https })
    }

    fn way(&self, at: SocketAddr) -> Way {
        Way { at, host: self.host.clone(), tls: self.https, from: None }
    }
}

/// A site with and without `www`.
fn is_kin(one: &str, other: &str) -> bool {
    one.trim_start_matches("www.") == other.trim_start_matches("www.")
}

async fn ask(probe: &Probe, place: &Place, path: &str) -> Result<(Answer, Vec<SocketAddr>), String> {
    let found =
        lookup_host((place.host.as_str(), place.port)).await.map_err(|error| format!("{}: {error}", place.host))?;
    let servers: Vec<_> = found.collect::<BTreeSet<_>>().into_iter().take(SERVERS_MAX).collect();
    let mut why = format!("{} has no address", place.host);
    for at in &servers {
        match probe.ask(&place.way(*at), &Ask::page(path)).await {
            Ok(answer) => return Ok((answer, servers)),
            Err(error) => why = error,
        }
    }
    Err(why)
}

async fn seen(probe: &Probe, place: Place, hosts: Vec<String>, servers: Vec<SocketAddr>, page: &Answer) -> Seen {
    let platform = platform::of(page);
    let text = page.text();
    let mut programs: Vec<String> =
        platform.map_or(&[][..], |platform| platform.programs).iter().map(ToString::to_string).collect();
    let status = async |path: &str| match servers.first() {
        Some(at) => probe.ask(&place.way(*at), &Ask::page(path)).await.ok().map(|answer| answer.status),
        None => None,
    };
    let nowhere = status(NOWHERE).await.unwrap_or(StatusCode::NOT_FOUND);
    for path in PROGRAMS {
        let is_there = status(path).await.is_some_and(|status| status != nowhere && status != StatusCode::NOT_FOUND);
        if is_there && !programs.iter().any(|known| known == path) {
            programs.push(path.to_owned());
        }
    }
    let mut paths = vec!["/".to_owned(), "/robots.txt".to_owned()];
    paths.extend(programs.iter().take(PATHS / 2).cloned());
    for link in links(&text) {
        if paths.len() < PATHS && !paths.contains(&link) {
            paths.push(link);
        }
    }
    for usual in ["/cart", "/checkout", "/login", "/account", "/api", "/sitemap.xml", "/search", "/help"] {
        if paths.len() < PATHS && !paths.iter().any(|path| path == usual) {
            paths.push(usual.to_owned());
        }
    }
    let field = |name| page.field(&name).map(str::to_owned);
    Seen {
        hosts,
        servers: servers.iter().map(ToString::to_string).collect(),
        https: place.https,
        platform,
        programs,
        paths,
        hsts: field(header::STRICT_TRANSPORT_SECURITY),
        cookies: page.fields.get_all(header::SET_COOKIE).iter().count(),
        is_cached: field(header::CACHE_CONTROL)
            .is_some_and(|value| value.contains("public") || value.contains("s-maxage")),
        streams: text.contains("wss://")
            || text.contains("ws://")
            || text.contains("EventSource")
            || text.contains("socket.io"),
    }
}

/// Paths that a page links to on its own site.
fn links(page: &str) -> impl Iterator<Item = String> + '_ {
    let after = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let own = after.filter(|link| link.starts_with('/') && !link.starts_with("//"));
    own.map(|link| link.split(['?', '#']).next().unwrap_or_default().to_owned())
}

impl Seen {
    /// A name for the tenant: what stands before the last dot of its host.
    pub(super) fn name(&self) -> String {
        let host = self.hosts.first().map_or("site", |host| host.trim_start_matches("www."));
        let label = host.split('.').next().unwrap_or("site");
        let name: String =
            label.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').collect();
        if name.is_empty() || name.starts_with('-') { "site".to_owned() } else { name }
    }

    /// What was seen, for the owner to read.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut said = vec![format!("{} at {}", self.hosts.join(", "), self.servers.join(", "))];
        said.extend(self.platform.map(|platform| format!("looks like {}", platform.name)));
        said.push(if self.https { "speaks HTTPS".into() } else { "speaks plain HTTP".into() });
        said.extend(
            self.hsts
                .as_ref()
                .map(|hsts| format!("says HSTS, `{hsts}`: Sluice must speak HTTPS from the first minute")),
        );
        if self.cookies > 0 {
            said.push(format!("sets {} cookie(s) on its first page", self.cookies));
        }
        if self.is_cached {
            said.push(
                "lets caches keep its first page: put Sluice behind no cache that would keep the waiting page".into(),
            );
        }
        if self.streams {
            said.push("opens WebSockets or event streams: they keep a visitor's seat".into());
        }
        if !self.programs.is_empty() {
            said.push(format!("is called by programs at {}", self.programs.join(", ")));
        }
        said
    }
}
