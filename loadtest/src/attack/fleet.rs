//! What is attacked: Sluice nodes with their store, in processes of their own, and configs as an operator writes them.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustix::process::Signal;

use super::{clock::Clock, ledger::Mishap, limits::Limits, origin::OTHER};
use crate::{
    Failed,
    attack::people::browser::{HOST, OTHER_QUEUE, QUEUE},
    client::Site,
    kit::process::{Server, free_addr, sibling},
};

/// The variable that holds the nodes' master secret.
const KEY_ENV: &str = "SLUICE_ATTACK_KEY";

/// Where the lines live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Where {
    /// In the one node.
    Embedded,
    /// In a Redis that all nodes share.
    Redis,
}

/// Nodes, their store, and the folder in which all of them keep what they have. Everything ends with this.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) nodes: Vec<Node>,
    pub(crate) store: Option<Store>,
    /// Visitors come over TLS.
    secure: bool,
    /// Nodes have the operators' API.
    operated: bool,
    dir: tempfile::TempDir,
}

/// A node in a process of its own.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) server: Server,
    /// Where its metrics are.
    pub(crate) admin: SocketAddr,
    /// Where its operators' API is, if it has one.
    pub(crate) api: Option<SocketAddr>,
    /// Where it speaks TLS, if it does.
    secure: Option<SocketAddr>,
    pub(crate) folder: PathBuf,
}

/// A Redis of our own, without persistence: when it is started again it is empty.
#[derive(Debug)]
pub(crate) struct Store {
    server: Option<Server>,
    addr: SocketAddr,
    dir: PathBuf,
}

impl Fleet {
    /// Starts so many nodes before an origin; with a site that has a certificate they are reached over TLS. `operated`: with
    /// the operators' API.
    pub(crate) fn start(
        nodes: usize,
        lines: Where,
        limits: &Limits,
        origin: SocketAddr,
        site: Option<&Site>,
        operated: bool,
    ) -> Result<Self, Failed> {
        if nodes > 1 && lines == Where::Embedded {
            return Err("an embedded line has one node: --nodes 1, or --store redis".into());
        }
        let dir = tempfile::Builder::new().prefix("sluice-attack-").tempdir()?;
        let store = match lines {
            Where::Embedded => None,
            Where::Redis => Some(Store::start(dir.path())?),
        };
        let secure = site.is_some();
        let mut fleet = Self { nodes: Vec::new(), store, secure, operated, dir };
        for number in 0..nodes {
            let node = fleet.start_node(number, limits, origin, site)?;
            fleet.nodes.push(node);
        }
        Ok(fleet)
    }

    /// Where visitors come to.
    pub(crate) fn addrs(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.secure.unwrap_or(node.server.addr)).collect()
    }

    /// Writes the tenant's file anew for every node and has it read.
    pub(crate) fn reload(&self, limits: &Limits, more: &str, origin: SocketAddr) -> Result<(), Failed> {
        for node in &self.nodes {
            fs::write(node.folder.join("tenants/shop.toml"), self.tenant(limits, more, origin))?;
            node.server.signal(Signal::HUP)?;
        }
        Ok(())
    }

    /// A token for an operator of this name, with which every node is asked.
    pub(crate) fn token(&self, name: &str) -> Result<String, Failed> {
        let node = self.nodes.first().ok_or("no node")?;
        let mut command = Command::new(sibling("sluice")?);
        command.args(["admin", "token", "--role", "manager", "--for", "24h", "--name", name, "--config"]);
        let output = command.arg(&node.folder).env(KEY_ENV, secret()).output()?;
        if !output.status.success() {
            return Err(format!("sluice admin token: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Nodes that have ended, and what nodes complained of.
    pub(crate) fn ended(&mut self, clock: Clock) -> Vec<Mishap> {
        let mut mishaps = Vec::new();
        for (number, node) in self.nodes.iter_mut().enumerate() {
            if let Some(status) = node.server.ended() {
                mishaps.push(Mishap { at_us: clock.now_us(), kind: format!("node {number} has ended: {status}") });
            }
        }
        mishaps
    }

    fn start_node(
        &self,
        number: usize,
        limits: &Limits,
        origin: SocketAddr,
        site: Option<&Site>,
    ) -> Result<Node, Failed> {
        let folder = self.dir.path().join(format!("node-{number}"));
        fs::create_dir_all(folder.join("tenants"))?;
        let admin = free_addr()?;
        let api = self.operated.then(free_addr).transpose()?;
        let secure = site.map(|_| free_addr()).transpose()?;
        if let Some(site) = site {
            site.write(&folder)?;
        }
        let https = secure.map(|addr| format!("https = [\"{addr}\"]\n")).unwrap_or_default();
        let store = self.store.as_ref().map(|store| format!("[store]\nurl = \"redis://{}\"\n\n", store.addr));
        let operators = api.map(|addr| format!("[admin]\nlisten = \"{addr}\"\n\n"));
        fs::write(
            folder.join("sluice.toml"),
            format!(
                "[server]\nhttp = [\"127.0.0.1:0\"]\n{https}admin = \"{admin}\"\n\n{}{}[keys]\ncurrent = \
                 \"attack\"\nsecrets = {{ attack = {{ env = \"{KEY_ENV}\" }} }}\n",
                store.unwrap_or_default(),
                operators.unwrap_or_default()
            ),
        )?;
        fs::write(folder.join("tenants/shop.toml"), self.tenant(limits, "", origin))?;
        let mut command = Command::new(sibling("sluice")?);
        command.arg("run").arg("--config").arg(&folder);
        command.stderr(File::create(folder.join("stderr.log"))?);
        command.env(KEY_ENV, secret()).env("RUST_LOG", "error");
        let mut server = Server::start_and_listen(command)?;
        if let Some(addr) = secure {
            server.listens(addr)?;
        }
        Ok(Node { server, admin, api, secure, folder })
    }

    /// The tenant's file: the queue that is stormed, and another one whose passes anybody can have.
    fn tenant(&self, limits: &Limits, more: &str, origin: SocketAddr) -> String {
        let loss = if self.store.is_some() { "on_store_loss = \"hold\"\n" } else { "" };
        let tls = if self.secure { Site::TENANT } else { "" };
        format!(
            "name = \"shop\"\nhosts = [\"{HOST}\"]\n\n[origin]\nservers = [\"{origin}\"]\n\n{tls}[[queue]]\nname = \
             \"{QUEUE}\"\npaths = [\"/\"]\n{}{loss}{more}\n{}\n[[queue]]\nname = \"{OTHER_QUEUE}\"\npaths = \
             [\"{OTHER}\"]\nrelease_per_minute = 60000\n{loss}",
            limits.settings(),
            limits.lanes()
        )
    }
}

/// A master secret for this run only: an attack needs none that is secret.
fn secret() -> String {
    BASE64_STANDARD.encode([7; 32])
}

impl Store {
    fn start(dir: &Path) -> Result<Self, Failed> {
        let mut store = Self { server: None, addr: free_addr()?, dir: dir.to_owned() };
        store.begin()?;
        Ok(store)
    }

    /// Starts it, at the same address each time.
    pub(crate) fn begin(&mut self) -> Result<(), Failed> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--port", &self.addr.port().to_string()]).arg("--dir").arg(&self.dir);
        let server = Server::start(command, self.addr).map_err(|error| format!("redis-server: {error}"))?;
        self.server = Some(server);
        Ok(())
    }

    /// Ends it, with all it holds.
    pub(crate) fn end(&mut self) {
        self.server = None;
    }

    pub(crate) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }
}
