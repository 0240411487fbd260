//! A node: the real binary with a config folder of its own.

mod folder;

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

pub(crate) use self::folder::ConfigFolder;
use super::{
    Connection, Request, Response,
    certificates::{Pair, put},
    config::Tenant,
    metrics::Metrics,
    until,
};
use crate::servers::Reserved;

/// The program under test.
const SLUICE: &str = env!("CARGO_BIN_EXE_sluice");

/// What a node is started with.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    tenants: Vec<Tenant>,
    server: String,
    store: String,
    tls: String,
    files: Vec<(String, String)>,
    env: Vec<(String, String)>,
    keeps_ports: bool,
    is_linked: bool,
    http: Option<Reserved>,
}

impl Setup {
    pub(crate) fn new(tenant: Tenant) -> Self {
        Self { tenants: vec![tenant], ..Self::default() }
    }

    pub(crate) fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenants.push(tenant);
        self
    }

    /// A line of `[server]`.
    pub(crate) fn server(mut self, line: &str) -> Self {
        self.server.push_str(line);
        self.server.push('\n');
        self
    }

    /// A `[store]` of these lines.
    pub(crate) fn store(mut self, lines: &str) -> Self {
        self.store = format!("\n[store]\n{lines}\n");
        self
    }

    /// An `https` listener, and a `[tls]` of these lines.
    pub(crate) fn https(mut self, lines: &str) -> Self {
        self.tls.push_str(&format!("\n[tls]\n{lines}\n"));
        self.server("https = [\"127.0.0.1:0\"]")
    }

    /// The operators' API, with these lines of `[admin]`.
    pub(crate) fn api(mut self, lines: &str) -> Self {
        self.tls.push_str(&format!("\n[admin]\nlisten = \"127.0.0.1:0\"\n{lines}\n"));
        self
    }

    /// Any other section, such as `[limits]`.
    pub(crate) fn section(mut self, text: &str) -> Self {
        self.tls.push_str(&format!("\n{text}\n"));
        self
    }

    /// A certificate and its key in the config folder, by a name.
    pub(crate) fn pair(self, name: &str, pair: &Pair) -> Self {
        self.file(&format!("{name}.pem"), &pair.chain_pem).file(&format!("{name}.key"), &pair.key_pem)
    }

    /// Any other file in the config folder.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The node comes back on the same ports when it is started again.
    pub(crate) fn keeps_ports(mut self) -> Self {
        self.keeps_ports = true;
        self
    }

    /// The node is started by a link in its folder, which may lead to another program later.
    pub(crate) fn behind_a_link(mut self) -> Self {
        self.is_linked = true;
        self
    }

    /// Visitors are served in plain HTTP on this port, which others know already; and it keeps its ports.
    pub(crate) fn at(mut self, http: Reserved) -> Self {
        self.http = Some(http);
        self.keeps_ports()
    }

    pub(crate) async fn start(mut self) -> Node {
        let folder = ConfigFolder::new();
        let program = if self.is_linked { folder.path().join("sluice") } else { SLUICE.into() };
        if self.is_linked {
            symlink(SLUICE, &program).unwrap();
        }
        let http = self.http.take();
        let reserved = self.keeps_ports.then(|| [http.unwrap_or_else(Reserved::new), Reserved::new()]);
        let any = "127.0.0.1:0".parse().unwrap();
        let [http, admin]: [SocketAddr; 2] = reserved.as_ref().map_or([any, any], |r| [r[0].addr(), r[1].addr()]);
        folder.write("sluice.toml", &(server_file(http, admin, &self.server) + &self.store + &self.tls));
        for (name, text) in &self.files {
            put(folder.path(), name, text);
        }
        for tenant in &self.tenants {
            folder.write_tenant(tenant);
        }
        let mut node = Node {
            folder,
            program,
            child: None,
            follower: None,
            http,
            https: None,
            admin,
            api: None,
            env: self.env,
            _reserved: reserved,
        };
        node.start().await;
        node
    }
}

/// A `sluice.toml`.
pub(crate) fn server_file(http: SocketAddr, admin: SocketAddr, server: &str) -> String {
    format!(
        "[server]\nhttp = [\"{http}\"]\nadmin = \"{admin}\"\n{server}\n\
         [keys]\ncurrent = \"test\"\nsecrets = {{ test = {{ env = \"SLUICE_KEY\" }} }}\n"
    )
}

/// A running node. It is killed when the test is over.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) folder: ConfigFolder,
    /// Where visitors are served.
    pub(crate) http: SocketAddr,
    /// The same over TLS, if it is offered.
    https: Option<SocketAddr>,
    /// Where the admin listener is.
    pub(crate) admin: SocketAddr,
    /// Where the operators' API is, if there is one.
    pub(crate) api: Option<SocketAddr>,
    /// What is started.
    program: PathBuf,
    child: Option<Child>,
    /// The process that has followed the one that was started here.
    follower: Option<u32>,
    env: Vec<(String, String)>,
    _reserved: Option<[Reserved; 2]>,
}

impl Node {
    /// Starts it, again after [`Self::kill`] or [`Self::exit_status`], and waits until it serves.
    pub(crate) async fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let said_before = self.folder.read_log("stdout").len();
        let mut command = command(&self.program, &["run", "--config"]);
        command.arg(self.folder.path()).envs(self.env.iter().cloned());
        command.stdout(self.folder.log("stdout")).stderr(self.folder.log("stderr"));
        let mut child = command.spawn().unwrap();
        let addresses = until("the node serves", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the node has ended with {status}: {}", self.folder.read_log("stderr"));
            }
            let said = self.folder.read_log("stdout").split_off(said_before);
            // The last line that is said of addresses.
            let admin = address_after("admin on http://", &said)?;
            let http = address_after("listening on http://", &said)?;
            Some((http, address_after("listening on https://", &said), admin, address_after("API on http://", &said)))
        });
        (self.http, self.https, self.admin, self.api) = addresses.await;
        self.child = Some(child);
    }

    /// `kill -9`, to every process that it has.
    pub(crate) fn kill(&mut self) {
        self.follower = None;
        for pid in self.processes() {
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        if let Some(mut child) = self.child.take() {
            // Killing fails only when it has ended by itself, and then there is nothing left to do.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// A command of the program that sees what the node sees.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = sluice(args);
        command.envs(self.env.iter().cloned());
        command
    }

    /// Has another program at the path that it was started by, or a script.
    pub(crate) fn puts_there(&self, script: Option<&str>) {
        let fresh = self.program.with_extension("new");
        match script {
            Some(script) => {
                fs::write(&fresh, format!("#!/bin/sh\n{script}\n")).unwrap();
                fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700)).unwrap();
            }
            None => symlink(SLUICE, &fresh).unwrap(),
        }
        fs::rename(fresh, &self.program).unwrap();
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.follower.unwrap_or_else(|| self.child.as_ref().unwrap().id())
    }

    /// All processes that run with its config folder.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let folder = self.folder.path().as_os_str().as_encoded_bytes();
        let runs_with_it = |pid: &u32| {
            let args = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut args = args.split(|&byte| byte == 0);
            args.any(|arg| arg == b"run") && args.any(|arg| arg == folder)
        };
        let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        all.filter(runs_with_it).collect()
    }

    /// Which process it says it is, and how its upgrades have fared.
    pub(crate) async fn process(&self) -> Value {
        self.admin("/process").await.json()
    }

    /// Has another process take its place, and waits until it has. Gives the one before, which serves its last clients.
    pub(crate) async fn upgrade(&mut self) -> Option<Child> {
        let (before, refused) = (self.pid(), self.process().await["upgrades_refused"].clone());
        self.signal("USR2");
        let after = until("another process is the node", async || {
            let process = self.process().await;
            let pid = u32::try_from(process["pid"].as_u64().unwrap()).unwrap();
            assert!(pid != before || process["upgrades_refused"] == refused, "{process}");
            (pid != before).then_some(pid)
        });
        self.follower = Some(after.await);
        self.child.take()
    }

    /// Asks for an upgrade, and waits until it is refused. Gives why.
    pub(crate) async fn upgrade_refused(&self) -> String {
        let refused = self.metrics().await.sum("upgrades_refused_total", &[]);
        self.signal("USR2");
        self.until_metrics("the upgrade is refused", |m| m.sum("upgrades_refused_total", &[]) > refused).await;
        let process = self.process().await;
        assert_eq!(process["pid"], self.pid());
        process["why"].as_str().unwrap().to_owned()
    }

    /// Memory of its process that is its own, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let field = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        field.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Has the config read again, and waits until it is taken.
    pub(crate) async fn reload(&self) {
        let taken = self.metrics().await.sum("config_reloads_total", &[]);
        self.signal("HUP");
        self.until_metrics("the config is taken", |m| m.sum("config_reloads_total", &[]) > taken).await;
    }

    /// Waits for the process to end by itself.
    pub(crate) async fn exit_status(&mut self) -> ExitStatus {
        let child = self.child.take().unwrap();
        ended(child).await
    }

    /// Waits until no process of it is left.
    pub(crate) async fn until_gone(&mut self) {
        until("every process ends", async || self.processes().is_empty().then_some(())).await;
        self.follower = None;
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// What it has said so far, on both streams, over all its lives.
    pub(crate) fn log(&self) -> String {
        self.folder.read_log("stdout") + &self.folder.read_log("stderr")
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.http).await
    }

    /// Where visitors are served over TLS.
    pub(crate) fn https(&self) -> SocketAddr {
        self.https.expect("the node is set up without `https`")
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &Request) -> Response {
        self.connect().await.ask(request).await
    }

    /// What the admin listener answers.
    pub(crate) async fn admin(&self, path: &str) -> Response {
        let request = Request::new("GET", path).host("localhost");
        Connection::open(self.admin).await.ask(&request).await
    }

    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::parse(self.admin("/metrics").await.text())
    }

    /// Waits until the metrics show something.
    pub(crate) async fn until_metrics(&self, what: &str, mut show: impl FnMut(&Metrics) -> bool) -> Metrics {
        let look = async || Some(self.metrics().await).filter(|metrics| show(metrics));
        until(what, look).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the node said:\n{}", last_lines(&self.log(), 40));
        }
    }
}

/// Waits for a process to end by itself.
pub(crate) async fn ended(mut child: Child) -> ExitStatus {
    until("the process ends", async || child.try_wait().unwrap()).await
}

/// Runs a command of the program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    sluice(args).output().unwrap()
}

pub(crate) fn sluice(args: &[&str]) -> Command {
    command(Path::new(SLUICE), args)
}

fn command(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    // Nothing of the machine's own settings may change what a test sees.
    command.args(args).env_clear().env("SLUICE_KEY", BASE64_STANDARD.encode([7; 32])).stdin(Stdio::null());
    command
}

fn address_after(words: &str, said: &str) -> Option<SocketAddr> {
    said.lines().find_map(|line| line.strip_prefix(words)?.parse().ok())
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
