//! `sluice cutover check`: what would go wrong on the day on which visitors are led to Sluice.
//!
//! The site is asked twice for everything: directly, as Sluice would ask its origin, and through Sluice. Nothing is changed
//! by it, unless a form is named with `--post`.

mod finding;
mod machine;
mod names;
mod site;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use sluice_config::{Config, HostPattern, ServerAddress, Tenant};
use tokio::runtime::Builder;

use self::finding::{Findings, Verdict};
use super::probe::{Probe, Way};
use crate::commands::{Failed, console::say};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Look for all that goes wrong on the day. Exits with 0 if nothing does, 1 if something may surprise, 2 if visitors
    /// would be turned away or come round the line.
    Check(Box<CheckOptions>),
}

#[derive(Debug, clap::Args)]
struct CheckOptions {
    /// The host that visitors type.
    host: String,
    /// The directory that holds sluice.toml and tenants/*.toml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// Where Sluice is asked: http://ADDRESS:PORT or https://ADDRESS:PORT. Without it: its first listener, on this machine.
    #[arg(long, value_name = "URL")]
    node: Option<http::Uri>,
    /// A path that has to be the same directly and through Sluice, as often as needed. Without it: five usual ones.
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<String>,
    /// A path to which an empty form may be posted, twice.
    #[arg(long, value_name = "PATH")]
    post: Option<String>,
    /// A path that answers WebSocket handshakes.
    #[arg(long, value_name = "PATH")]
    websocket: Option<String>,
    /// A path whose answer shows the client's address as the site sees it.
    #[arg(long, value_name = "PATH")]
    whoami: Option<String>,
    /// The resolver to ask, in place of this machine's.
    #[arg(long, value_name = "ADDRESS")]
    dns: Option<SocketAddr>,
    /// A file of authorities to trust beside this machine's (PEM).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the checks look at.
struct Scene<'a> {
    options: &'a CheckOptions,
    config: &'a Config,
    tenant: &'a Tenant,
    probe: Probe,
    /// Where Sluice is asked.
    node: SocketAddr,
    through: Way,
    /// The origin, as Sluice would ask it; `None`: it is behind a socket of this machine.
    direct: Option<Way>,
}

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    let What::Check(options) = &options.what;
    let config = crate::commands::load(&options.config)?;
    let tenant = tenant_of(&config, &options.host)?;
    let through = through(options, &config)?;
    let direct = direct(&tenant, &options.host);
    let probe = Probe::new(options.ca.as_deref())?;
    let node = through.at;
    let scene = Scene { options, config: &config, tenant: &tenant, probe, node, through, direct };
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let findings = runtime.block_on(check(&scene));
    say(if options.json { findings.json()? } else { findings.table() });
    match findings.verdict() {
        Verdict::Ok | Verdict::Skip => Ok(()),
        Verdict::Warn => Err(Failed::Said(ExitCode::from(1))),
        Verdict::Stop => Err(Failed::Said(ExitCode::from(2))),
    }
}

async fn check(scene: &Scene<'_>) -> Findings {
    let mut findings = Findings::default();
    let records = names::records(scene, &mut findings).await;
    names::loops(scene, records.as_ref(), &mut findings);
    if let Some(records) = &records {
        names::check(scene, records, &mut findings);
    }
    names::certificate(scene, &mut findings).await;
    site::check(scene, &mut findings).await;
    machine::check(scene, &mut findings).await;
    findings
}

fn tenant_of(config: &Config, host: &str) -> Result<Arc<Tenant>, Failed> {
    let answers = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => name == host,
        HostPattern::Below(suffix) => host.strip_suffix(suffix.as_str()).is_some_and(|below| below.ends_with('.')),
    };
    let found = config.tenants.iter().find(|tenant| tenant.hosts.iter().any(answers));
    found.cloned().ok_or_else(|| Failed::Because(format!("no tenant of the config has {host} among its `hosts`")))
}

/// Where Sluice is asked.
fn through(options: &CheckOptions, config: &Config) -> Result<Way, Failed> {
    let way = |at, tls| Way { at, host: options.host.clone(), tls, from: None };
    if let Some(node) = &options.node {
        let wrong = || Failed::Because(format!("--node {node}: write http://ADDRESS:PORT or https://ADDRESS:PORT"));
        let tls = match node.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let at = node.authority().and_then(|authority| authority.as_str().parse().ok()).ok_or_else(wrong)?;
        return Ok(way(at, tls));
    }
    let server = &config.server;
    let (listener, tls) = match (server.https.first(), server.http.first()) {
        (Some(at), _) => (*at, true),
        (None, Some(at)) => (*at, false),
        (None, None) => return Err(Failed::Because("the config has no listener".into())),
    };
    if listener.port() == 0 {
        return Err(Failed::Because(
            "the system chooses the listener's port: name the one that it has with --node".into(),
        ));
    }
    let ip = match listener.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(way(SocketAddr::new(ip, listener.port()), tls))
}

/// The origin's first server, as Sluice would ask it.
fn direct(tenant: &Tenant, host: &str) -> Option<Way> {
    let at = match &tenant.origin.servers.first()?.address {
        ServerAddress::Ip(at) => *at,
        ServerAddress::Name { addresses, .. } => *addresses.first()?,
        ServerAddress::Unix(_) => return None,
    };
    Some(Way { at, host: host.to_owned(), tls: tenant.origin.tls.is_some(), from: None })
}
