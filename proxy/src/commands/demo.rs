//! `sluice demo`: a small shop behind Sluice, with a crowd in front of it.

mod certificate;
mod crowd;
mod shop;
mod visitor;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use sluice_admission::{store::Embedded, token::Keyring};
use sluice_config::{
    Admin, Config, HostPattern, Keys, Name, NodeLimits, NodeTls, Origin, Queue, Role, Secret, Server, Store, Tenant,
    TenantTls,
};
use tokio::time::sleep;

use super::{Failed, keygen};
use crate::{
    admin::access::{
        Signer,
        token::{Claims, Kind},
    },
    commands::console,
    life::{self, End, Life},
    sinks::time,
    transport::Scheme,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many visitors stand in line.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    crowd: u32,
    /// How many visitors are let in a minute.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    rate: u32,
    /// The port to open in the browser; 0 lets the system choose.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The port of health and metrics; 0 lets the system choose.
    #[arg(long, default_value_t = 9900)]
    admin_port: u16,
    /// The port of the dashboard; 0 lets the system choose.
    #[arg(long, default_value_t = 9901)]
    dashboard_port: u16,
    /// Speak HTTPS and HTTP/2 as well, with a certificate made for the occasion.
    #[arg(long)]
    https: bool,
    /// The port of HTTPS; 0 lets the system choose.
    #[arg(long, default_value_t = 8443)]
    https_port: u16,
}

const QUEUE: &str = "shop";

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let state = StateDir::new()?;
    let shop = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let config = config(options, shop.local_addr()?, &state)?;
    let keys = config.keys.clone().ok_or_else(|| Failed::Because("no keys".into()))?;
    let lines_run_on = life::runtime()?;
    let life = Life::start(&config, &keys, Embedded::open(&state.0)?.into(), lines_run_on.handle())?;
    let listener = |scheme| life.addresses.iter().find(|(of, _)| *of == scheme).map(|(_, addr)| *addr);
    let front = listener(Scheme::Http).ok_or_else(|| Failed::Because("no listener".into()))?;

    life.beside().spawn(shop::serve(shop));
    let crowd = Arc::new(crowd::Crowd::default());
    life.beside().spawn(crowd.clone().stand_in_line(front, options.crowd, options.rate));

    let url = format!("http://127.0.0.1:{}", front.port());
    console::say(format_args!("Sluice stands in front of a small shop, with {} visitors in line.\n", options.crowd));
    console::say(format_args!("  open     {url}/            and be queued; you are in the shop a minute or so later"));
    if let Some(addr) = listener(Scheme::Https) {
        let url = format!("https://localhost:{}", addr.port());
        console::say(format_args!(
            "  or       {url}/           over TLS and HTTP/2; the browser warns, as nobody vouches for"
        ));
        console::say("                                     the certificate, which was made a moment ago");
    }
    if let Some((addr, _)) = &life.api {
        let token = dashboard_token(&keys)?;
        console::say(format_args!("  operate  http://localhost:{}/#t={token}", addr.port()));
        console::say("                                     the operators' side of it, logged in, once");
    }
    console::say(format_args!("  status   {url}/.sluice/status?queue={QUEUE}"));
    if let Some(admin) = life.admin {
        console::say(format_args!("  metrics  http://{admin}/metrics"));
        console::say(format_args!("  health   http://{admin}/health/ready"));
    }
    console::say("  stop     Ctrl-C\n");
    let node = life.node.clone();
    let rate = options.rate;
    life.beside().spawn(async move {
        loop {
            let routes = node.routes().clone();
            if let Some(gate) = routes.sites().first().and_then(|site| site.gate_named(Some(QUEUE))) {
                let view = gate.usher.view();
                let s = &view.summary;
                console::show(format_args!(
                    "waiting {:>5}   called {:>5}   inside {:>5}   last minute {:>5} of {rate}   walked away {:>5}",
                    s.waiting,
                    s.called_total,
                    s.inside,
                    s.called_last_minute,
                    crowd.walked_away(),
                ));
            }
            sleep(Duration::from_secs(1)).await;
        }
    });
    let stops = {
        let _context = lines_run_on.enter();
        life::Stops::catch()?
    };
    life.until(stops, async |_, stops| {
        stops.asked().await;
        End::Asked
    });
    lines_run_on.shutdown_background();
    console::say("\nstopped");
    Ok(())
}

/// Logs an operator in at the dashboard.
fn dashboard_token(keys: &Keys) -> Result<String, Failed> {
    let (life, now_ms) = (Duration::from_secs(60 * 60), time::now_ms());
    let claims = Claims::new("you".into(), Role::Admin, None, life, now_ms)
        .map_err(|_| Failed::Because("the system gives no random bytes".into()))?;
    Ok(Signer::new(&Keyring::new(keys)?).sign(&claims, Kind::Token))
}

/// A state directory that goes with the demo.
struct StateDir(std::path::PathBuf);

impl StateDir {
    fn new() -> std::io::Result<Self> {
        let dir = std::env::temp_dir().join(format!("sluice-demo-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(options: &Options, shop: SocketAddr, state: &StateDir) -> Result<Config, Failed> {
    let name = |text| Name::new(text).ok_or_else(|| Failed::Because(format!("{text} is no name")));
    let at = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let rate = NonZeroU32::new(options.rate).unwrap_or(NonZeroU32::MIN);
    let queue = Queue {
        // A second's worth: a steady trickle shows better than a rush.
        burst: NonZeroU32::new(options.rate / 60).unwrap_or(NonZeroU32::MIN),
        max_waiting: NonZeroU32::new(100_000).unwrap_or(NonZeroU32::MIN),
        session_idle: Duration::from_secs(120),
        session_max: Duration::from_secs(3_600),
        claim_within: Duration::from_secs(60),
        message: Some("This is a demo: the others in line are not real, the line is.".into()),
        ..Queue::new(name(QUEUE)?, rate)
    };
    let origin = Origin {
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(30),
        ..Origin::new(vec![shop.into()])
    };
    let tenant = Tenant {
        hosts: ["127.0.0.1", "localhost"].map(|host| HostPattern::Exact(host.into())).into(),
        queues: vec![Arc::new(queue)],
        ..Tenant::new(name("demo")?, origin)
    };
    let secret = Secret::new(keygen::secret()?);
    let mut tls = NodeTls::default();
    let mut tenant = tenant;
    if options.https {
        let certificate = Arc::new(certificate::make(&["localhost", "127.0.0.1"])?);
        // By address, browsers name no host.
        tls.default_certificate = Some(certificate.clone());
        tenant.tls = Some(TenantTls { redirect_http: false, ..TenantTls::new(vec![certificate]) });
    }
    Ok(Config {
        server: Server {
            http: vec![at(options.port)],
            https: if options.https { vec![at(options.https_port)] } else { Vec::new() },
            admin: Some(at(options.admin_port)),
            drain_timeout: Duration::from_secs(1),
            ..Server::default()
        },
        tls,
        acme: None,
        store: Store::Embedded { state_dir: state.0.clone() },
        admin: Some(Admin { listen: at(options.dashboard_port), hosts: Vec::new(), keys: Vec::new(), issuer: None }),
        keys: Some(Keys { current: "demo".into(), secrets: [("demo".into(), secret)].into() }),
        limits: NodeLimits::default(),
        access_log: None,
        tenants: vec![Arc::new(tenant)],
    })
}
