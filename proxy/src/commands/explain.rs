//! `sluice explain`: why a request meets the queue it meets.

use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use sluice_config::{HostPattern, Mode};

use super::Failed;
use crate::{
    console::say,
    request::{
        kind::{self, Kind},
        path::{NormalPath, PrefixTable},
    },
    routes::{HostMatch, HostTable},
};

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
    /// A request header, as often as needed.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let config = super::load(&options.config)?;
    let host = options.url.host().ok_or_else(|| Failed::Because("the URL has no host".into()))?.to_ascii_lowercase();
    let patterns = config.tenants.iter().flat_map(|t| t.hosts.iter().map(move |h: &HostPattern| (h, t)));
    let hosts = HostTable::new(patterns);
    let Some((matched, tenant)) = hosts.find(&host) else {
        say(format_args!("host     {host}: no tenant answers for it, so the answer is 421"));
        return Ok(());
    };
    let pattern = match matched {
        HostMatch::Exact => host.clone(),
        HostMatch::Below(suffix) => format!("*.{suffix}"),
    };
    say(format_args!("tenant   {} (host {host} matches \"{pattern}\")", tenant.name));
    let path = match NormalPath::parse(options.url.path().as_bytes()) {
        Ok(path) => path,
        Err(ambiguous) => {
            say(format_args!("path     {}: refused with 400, {}", options.url.path(), ambiguous.reason()));
            return Ok(());
        }
    };
    if path.as_str().starts_with("/.sluice/") {
        say("queue    none: paths under /.sluice/ are answered by Sluice itself");
        return Ok(());
    }
    let prefixes = tenant.queues.iter().flat_map(|q| q.paths.iter().map(move |p| (p.as_str(), q)));
    let queues = PrefixTable::new(prefixes).map_err(|bad| Failed::Because(format!("{bad:?}")))?;
    let Some((prefix, queue)) = queues.find(&path) else {
        say(format_args!("queue    none: no queue has a prefix of {path}, so everybody is forwarded"));
        return Ok(());
    };
    say(format_args!("queue    {} (path {path}, longest prefix \"{prefix}\")", queue.name));
    say(format_args!("mode     {}", mode(queue.mode)));
    let headers: HeaderMap = options.headers.iter().cloned().collect();
    let kind = kind::classify(&options.method, Version::HTTP_11, &headers);
    say(format_args!("kind     {}", kind.name()));
    if queue.mode != Mode::Open {
        say(format_args!("parked   {}", parked(kind, queue.wait_status.code())));
    }
    Ok(())
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
        Kind::FormPost => "429 and a page that says the form was not sent".into(),
        Kind::Preflight => "204, with or without a place: preflights carry no cookies".into(),
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
