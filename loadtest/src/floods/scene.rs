//! What is flooded: one server with two sites behind it, of which one is flooded and the other one is what the
//! bystanders come for. What goes against the bounds of one client, or against the line, goes to the bystanders' site.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{interval, sleep, timeout},
};

use super::metrics::Counters;
use crate::{
    Failed,
    attack::people::browser::{HOST, QUEUE},
    client::{Connection, Protocol, Site, Target, Tickets, Way, parse},
    kit::{
        origin,
        process::{Server, free_addr, sibling},
        template::{fill, program},
    },
};

/// Where floods come from. The bystanders come from 127.0.0.1, so they are another client.
pub(super) const FLOODS_FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The site that is flooded. It has no line before `/`, so everything reaches its origin.
pub(super) const FLOODED: &str = "flooded.example.com";
/// A page of the bystanders' site that no queue holds back.
pub(super) const FREE: &str = "/free";
/// Visitors that are called in a minute.
pub(super) const RELEASE_PER_MINUTE: u32 = 6_000;
/// Seats of the bystanders' site: visits of two minutes fill as many. Whoever walks in without cookies keeps one for
/// half a minute, which takes 4,000 at most: a burst, and the rate.
const SEATS: u32 = 2 * RELEASE_PER_MINUTE;
/// Connections of one client: more than floods of one kind open, and more than may be shaking hands.
pub(super) const CONNECTIONS_PER_CLIENT_MAX: usize = 2_250;
/// What one client may take of the bystanders' site.
const LIMITS: &str = "[limits]\nrequests_per_client = { count = 2000, within = \"1m\" }\nnumbers_per_client = { \
                      count = 100, within = \"10m\" }\nbody_max = \"1MiB\"\n\n";
/// The one answer of the flooded site, in bytes.
const BIG_BYTES: usize = 8 << 20;
/// Memory is looked at so often while a flood goes on.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Memory is back when it is within so many bytes of what it was.
pub(super) const LEFT_BYTES_MAX: u64 = 16 << 20;
/// Sessions of the clients that flood.
const TICKETS_MAX: usize = 256;
/// The admin listener answers within this.
const ADMIN_WITHIN: Duration = Duration::from_secs(10);

/// Who is flooded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Under {
    /// One Sluice node.
    Sluice,
    /// nginx as a plain reverse proxy, for comparison.
    Nginx,
}

/// Everything that runs; it ends with this.
pub(super) struct Scene {
    pub(super) server: Arc<Server>,
    secure: SocketAddr,
    admin: Option<SocketAddr>,
    site: Site,
    flooded: [Way; 2],
    /// To the bystanders' site, for those who flood that.
    beside: Way,
    _big: Server,
    _dir: tempfile::TempDir,
}

/// What a flood needs.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) server: Arc<Server>,
    /// The flooded site, over HTTP/2.
    pub(super) flooded: Target,
    pub(super) flooded_h1: Target,
    /// The bystanders' site, over HTTP/1.1; every handshake is a full one.
    pub(super) beside: Target,
    /// Requests without cookies that are to be answered, at least.
    pub(super) cookieless: u64,
    /// Runs what does not give way to others.
    pub(super) others: Handle,
}

impl Scene {
    pub(super) async fn start(under: Under) -> Result<Self, Failed> {
        let dir = tempfile::Builder::new()
            .prefix("sluice-floods-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()?;
        let site = Site::new(&[HOST, FLOODED])?;
        let small = origin::start().await?;
        let big = start_big(dir.path())?;
        let secure = free_addr()?;
        let (mut server, admin) = match under {
            Under::Sluice => sluice(dir.path(), &site, secure, small, big.addr)?,
            Under::Nginx => (nginx(dir.path(), &site, secure, small, big.addr)?, None),
        };
        server.listens(secure)?;
        let way = |protocol| site.way(FLOODED, protocol, Arc::new(Tickets::at_most(TICKETS_MAX)));
        let flooded = [way(Protocol::Http1Tls)?, way(Protocol::Http2Tls)?];
        let beside = site.way(HOST, Protocol::Http1Tls, Arc::new(Tickets::at_most(0)))?;
        Ok(Self { server: Arc::new(server), secure, admin, site, flooded, beside, _big: big, _dir: dir })
    }

    /// What a flood needs, of which others do not give way but are run here; `cookieless`: as [`Clients::cookieless`].
    pub(super) fn clients(&self, cookieless: u64) -> Clients {
        let [http1, http2] = self.flooded.clone();
        Clients {
            server: self.server.clone(),
            flooded: Target { addr: self.secure, way: http2 },
            flooded_h1: Target { addr: self.secure, way: http1 },
            beside: Target { addr: self.secure, way: self.beside.clone() },
            cookieless,
            others: Handle::current(),
        }
    }

    /// The other site, with tickets of its own.
    pub(super) fn beside(&self, protocol: Protocol) -> Result<Target, Failed> {
        let way = self.site.way(HOST, protocol, Arc::new(Tickets::at_most(TICKETS_MAX)))?;
        Ok(Target { addr: self.secure, way })
    }

    /// What the node says it has counted; nothing of others.
    pub(super) async fn counters(&self) -> Result<Counters, Failed> {
        let Some(admin) = self.admin else { return Ok(Counters::default()) };
        let ask = async {
            let mut connection = Connection::open(&Way::PLAIN, admin, None).await?;
            let request = parse(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").ok_or("a request that is none")?;
            let answer = connection.send(request).await?;
            Ok::<_, Failed>(Counters::parse(&String::from_utf8_lossy(&answer.body)))
        };
        timeout(ADMIN_WITHIN, ask).await.map_err(|_| "the admin listener does not answer")?
    }

    /// Looks at its memory until [`Watch::most`].
    pub(super) fn watch(&self, before_bytes: u64) -> Watch {
        let ends = Arc::new(AtomicBool::new(false));
        let most = Arc::new(AtomicU64::new(before_bytes));
        let (server, over, seen) = (self.server.clone(), ends.clone(), most.clone());
        let looking = tokio::spawn(async move {
            let mut look = interval(LOOK_EVERY);
            while !over.load(Relaxed) {
                look.tick().await;
                seen.fetch_max(server.memory_bytes()?, Relaxed);
            }
            Ok(())
        });
        Watch { ends, most, looking }
    }

    /// Waits for memory to be back where it was; how much it is then, or after this.
    pub(super) async fn memory_back(
        &self,
        before_bytes: u64,
        within: Duration,
        every: Duration,
    ) -> Result<u64, Failed> {
        let deadline = Instant::now() + within;
        loop {
            let now = self.server.memory_bytes()?;
            if now <= before_bytes + LEFT_BYTES_MAX || Instant::now() > deadline {
                return Ok(now);
            }
            sleep(every).await;
        }
    }
}

/// A task that looks at a server's memory.
pub(super) struct Watch {
    ends: Arc<AtomicBool>,
    most: Arc<AtomicU64>,
    looking: JoinHandle<Result<(), Failed>>,
}

impl Watch {
    /// The most that was seen.
    pub(super) async fn most(self) -> Result<u64, Failed> {
        self.ends.store(true, Relaxed);
        self.looking.await??;
        Ok(self.most.load(Relaxed))
    }
}

/// An origin with one big answer, for those who flood, in a process of its own: it has as many connections as the node opens.
fn start_big(dir: &Path) -> Result<Server, Failed> {
    let file = dir.join("big.http");
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {BIG_BYTES}\r\n\r\n");
    fs::write(&file, [head.as_bytes(), &vec![b'x'; BIG_BYTES]].concat())?;
    let addr = free_addr()?;
    // It gives way as the clients do: they are what it works for.
    let mut command = Command::new("chrt");
    command.args(["--idle", "0"]).arg(sibling("sluice-loadtest")?);
    command.args(["bare", "--listen", &addr.to_string(), "--answer"]).arg(&file);
    Server::start(command, addr)
}

fn sluice(
    dir: &Path,
    site: &Site,
    secure: SocketAddr,
    small: SocketAddr,
    big: SocketAddr,
) -> Result<(Server, Option<SocketAddr>), Failed> {
    fs::create_dir(dir.join("tenants"))?;
    site.write(dir)?;
    let admin = free_addr()?;
    fs::write(
        dir.join("sluice.toml"),
        format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\nhttps = [\"{secure}\"]\nadmin = \"{admin}\"\nthreads = 2\n\n[limits]\n\
             connections_per_client_max = {CONNECTIONS_PER_CLIENT_MAX}\n\n[keys]\ncurrent = \"floods\"\nsecrets = \
             {{ floods = {{ env = \"SLUICE_FLOODS_KEY\" }} }}\n"
        ),
    )?;
    let tls = Site::TENANT;
    let shop = format!(
        "name = \"{QUEUE}\"\npaths = [\"/\"]\nmax_active = {SEATS}\n\n[[queue.rule]]\nname = \"free\"\nwhen = {{ \
         path = \"{FREE}\" }}\naction = \"pass\"\n"
    );
    let unused = "name = \"unused\"\npaths = [\"/line\"]\n".to_owned();
    for (name, host, origin, limits, queue) in
        [("shop", HOST, small, LIMITS, shop), ("flooded", FLOODED, big, "", unused)]
    {
        fs::write(
            dir.join(format!("tenants/{name}.toml")),
            format!(
                "name = \"{name}\"\nhosts = [\"{host}\"]\n\n[origin]\nservers = \
                 [\"{origin}\"]\n\n{tls}{limits}[[queue]]\nrelease_per_minute = {RELEASE_PER_MINUTE}\nsession_idle = \
                 \"1h\"\n{queue}"
            ),
        )?;
    }
    let mut command = Command::new(sibling("sluice")?);
    command.arg("run").arg("--config").arg(dir);
    command.stderr(File::create(dir.join("stderr.log"))?);
    // A key for this run only: a flood needs no secret.
    command.env("SLUICE_FLOODS_KEY", BASE64_STANDARD.encode([7; 32])).env("RUST_LOG", "error");
    Ok((Server::start_and_listen(command)?, Some(admin)))
}

fn nginx(dir: &Path, site: &Site, secure: SocketAddr, small: SocketAddr, big: SocketAddr) -> Result<Server, Failed> {
    let program = program("nginx").ok_or("nginx is not installed")?;
    let files = site.write(dir)?;
    let text = |path: &Path| path.display().to_string();
    let config = fill(
        include_str!("../../peers/nginx-floods.conf"),
        &[
            ("dir", &text(dir)),
            ("listen_tls", &secure.to_string()),
            ("chain", &text(&files.chain)),
            ("key", &text(&files.key)),
            ("host", HOST),
            ("flooded", FLOODED),
            ("origin", &small.to_string()),
            ("big", &big.to_string()),
        ],
    )?;
    let file = dir.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    // Without -e it opens the log of the system's nginx first.
    command.args(["-e", "stderr"]).arg("-p").arg(dir).arg("-c").arg(file);
    command.stderr(File::create(dir.join("stderr.log"))?);
    Server::start(command, secure)
}
