//! Redis servers for tests: from the system's `redis-server`, on free loopback ports, in temporary directories.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part")]

mod ports;

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, Value};
use sluice_config::{RedisNode, RedisSettings, RedisTopology, Secret};

pub use self::ports::Reserved;

/// How long a server may take to start, a cluster to form, a failover to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server must be silent to be taken for dead, where a test is about that. Everywhere else it is
/// [`PATIENCE`], or a busy machine would end the introduction of servers to each other, or bring a failover about.
const DEAD_AFTER: Duration = Duration::from_secs(1);

/// A `redis-server`, or a Sentinel; killed when dropped.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    reserved: Arc<Reserved>,
    /// Where it talks to the others of its cluster.
    bus: Option<Reserved>,
    password: Option<String>,
    child: Child,
    options: Vec<String>,
    env: Vec<(String, String)>,
    dir: tempfile::TempDir,
}

impl Server {
    /// A server without persistence.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with further lines of configuration.
    pub fn with(config: &[&str]) -> Self {
        Self::on(Arc::new(Reserved::new()), config)
    }

    /// A server on a port that is kept, which may have been that of another one.
    pub fn on(port: Arc<Reserved>, config: &[&str]) -> Self {
        Self::within(port, config, &[])
    }

    /// A server with these environment variables.
    pub fn with_env(env: &[(String, String)]) -> Self {
        Self::within(Arc::new(Reserved::new()), &[], env)
    }

    fn within(port: Arc<Reserved>, config: &[&str], env: &[(String, String)]) -> Self {
        let mut text = "save \"\"\nappendonly no\n".to_owned();
        // No waiting for further replicas; DEBUG DIGEST tells whether anything has changed.
        text.push_str("repl-diskless-sync-delay 0\nenable-debug-command yes\n");
        for line in config {
            text.push_str(line);
            text.push('\n');
        }
        let password = config.iter().find_map(|line| line.strip_prefix("requirepass ")).map(str::to_owned);
        Self::run(port, &text, password, &[], env)
    }

    fn sentinel(config: &str) -> Self {
        Self::run(Arc::new(Reserved::new()), config, None, &["--sentinel"], &[])
    }

    fn run(
        reserved: Arc<Reserved>,
        config: &str,
        password: Option<String>,
        options: &[&str],
        env: &[(String, String)],
    ) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), reserved.port());
        let (folder, log) = (dir.path().display(), dir.path().join("log").display().to_string());
        let config = format!("port {port}\nbind 127.0.0.1\n{config}dir {folder}\nlogfile {log}\n");
        fs::write(dir.path().join("redis.conf"), config).unwrap();
        let options: Vec<_> = options.iter().map(ToString::to_string).collect();
        let (child, env) = (spawn(dir.path(), &options, env), env.to_vec());
        let mut server = Self { port, reserved, bus: None, password, child, options, env, dir };
        server.wait_until_up();
        server
    }

    /// Its port, for another one when it has ended.
    pub fn reserved(&self) -> Arc<Reserved> {
        self.reserved.clone()
    }

    fn wait_until_up(&mut self) {
        // One that lets nobody in without a name answers as well.
        let up = |answer: redis::RedisResult<Value>| answer.map_or_else(|e| e.code() == Some("NOAUTH"), |_| true);
        wait_until("redis-server answers", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "redis-server has ended with {ended:?}: {}", self.log());
            up(self.try_command(&["PING"]))
        });
    }

    /// What it has said so far.
    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after [`Self::kill`], with what is in its directory.
    pub fn restart(&mut self) {
        self.child = spawn(self.dir.path(), &self.options, &self.env);
        self.wait_until_up();
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn node(&self) -> RedisNode {
        RedisNode { host: "127.0.0.1".to_owned(), port: self.port }
    }

    /// Runs a command as an administrator.
    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).unwrap_or_else(|e| panic!("{words:?}: {e}"))
    }

    pub fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let password = self.password.as_ref().map(|p| format!(":{p}@")).unwrap_or_default();
        let client = redis::Client::open(format!("redis://{password}127.0.0.1:{}", self.port))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query(&mut connection)
    }

    /// One field of `INFO`.
    pub fn info(&self, field: &str) -> Option<String> {
        let info: String = self.command(&["INFO", "everything"]);
        info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))
    }

    /// Whether it says that it is a primary. One that is just becoming it drops its connections.
    pub fn is_primary(&self) -> bool {
        self.try_command::<String>(&["INFO", "replication"]).is_ok_and(|info| info.contains("role:master"))
    }

    /// Stops the process without killing it, as a frozen machine would; [`Self::thaw`] lets it go on.
    pub fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    pub fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    /// How a store connects to this server.
    pub fn settings(&self) -> RedisSettings {
        settings(RedisTopology::Single, vec![self.node()])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(dir: &Path, options: &[String], env: &[(String, String)]) -> Child {
    let mut command = Command::new("redis-server");
    command.arg(dir.join("redis.conf")).args(options).envs(env.iter().cloned()).stdout(Stdio::null());
    command.spawn().unwrap_or_else(|e| match e.kind() {
        ErrorKind::NotFound => {
            panic!("redis-server is not installed. These tests need it in PATH (Debian: apt install redis-server)")
        }
        _ => panic!("redis-server does not start: {e}"),
    })
}

/// A cluster of three primaries, and their replicas if there are any.
pub struct Cluster {
    pub primaries: Vec<Server>,
    pub replicas: Vec<Server>,
}

impl Cluster {
    pub fn start() -> Self {
        Self::with_replicas(0)
    }

    /// With so many replicas (at most three), one for each of the first primaries, which take over soon.
    pub fn with_replicas(replicas: usize) -> Self {
        let primaries: Vec<_> = (0..3).map(|_| cluster_server()).collect();
        for (server, slots) in primaries.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")]) {
            server.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1]);
        }
        let cluster = Self { primaries, replicas: (0..replicas).map(|_| cluster_server()).collect() };
        for (epoch, server) in cluster.servers().enumerate() {
            server.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(epoch + 1).to_string()]);
        }
        for server in cluster.servers().skip(1) {
            let (port, bus) = (server.port.to_string(), bus_port(server));
            cluster.primaries[0].command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let known = cluster.servers().count().to_string();
        for server in cluster.servers() {
            wait_until("all know each other", || cluster_info(server, "cluster_known_nodes") == known);
        }
        for (replica, primary) in cluster.replicas.iter().zip(&cluster.primaries) {
            let id: String = primary.command(&["CLUSTER", "MYID"]);
            wait_until("the replica follows", || replica.try_command::<()>(&["CLUSTER", "REPLICATE", &id]).is_ok());
        }
        cluster.wait_until_ok();
        if replicas > 0 {
            let dead_after = DEAD_AFTER.as_millis().to_string();
            for server in cluster.servers() {
                server.command::<()>(&["CONFIG", "SET", "cluster-node-timeout", &dead_after]);
            }
        }
        cluster
    }

    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.primaries.iter().chain(&self.replicas)
    }

    pub fn wait_until_ok(&self) {
        for server in self.servers() {
            wait_until("the cluster is whole", || cluster_info(server, "cluster_state") == "ok");
        }
        for replica in &self.replicas {
            wait_until("the replica is in step", || replica.info("master_link_status").as_deref() == Some("up"));
        }
    }

    /// Which slot a line's keys are in.
    pub fn slot(&self, tag: &str) -> u16 {
        self.primaries[0].command(&["CLUSTER", "KEYSLOT", &format!("{{{tag}}}")])
    }

    /// The primary that a slot was given at the start.
    pub fn first_owner(&self, slot: u16) -> usize {
        usize::from(slot.saturating_sub(1) / 5_461)
    }

    /// Moves a slot from one primary to another, key by key, and calls `between` before each.
    pub async fn move_slot(&self, slot: u16, from: usize, to: usize, mut between: impl AsyncFnMut()) {
        let id = |server: &Server| server.command::<String>(&["CLUSTER", "MYID"]);
        let (slot, from, to) = (slot.to_string(), &self.primaries[from], &self.primaries[to]);
        to.command::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        from.command::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        let port = to.port.to_string();
        for key in from.command::<Vec<String>>(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]) {
            between().await;
            from.command::<()>(&["MIGRATE", "127.0.0.1", &port, &key, "0", "1000"]);
        }
        // The new owner first: for whoever asks the old one afterwards there is somebody to be sent to.
        for server in [to, from].into_iter().chain(&self.primaries) {
            server.command::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
        }
    }

    pub fn settings(&self) -> RedisSettings {
        settings(RedisTopology::Cluster, self.primaries.iter().map(Server::node).collect())
    }
}

fn cluster_server() -> Server {
    let bus = Reserved::new();
    let port = format!("cluster-port {}", bus.port());
    let timeout = format!("cluster-node-timeout {}", PATIENCE.as_millis());
    let mut server = Server::with(&["cluster-enabled yes", &timeout, &port]);
    server.bus = Some(bus);
    server
}

fn bus_port(server: &Server) -> String {
    server.bus.as_ref().unwrap().port().to_string()
}

fn cluster_info(server: &Server, field: &str) -> String {
    let info: String = server.command(&["CLUSTER", "INFO"]);
    info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned)).unwrap_or_default()
}

/// A primary, a replica of it, and three Sentinels that watch them.
pub struct Sentinels {
    pub primary: Server,
    pub replica: Server,
    pub sentinels: Vec<Server>,
}

impl Sentinels {
    pub fn start() -> Self {
        let primary = Server::start();
        let replica = Server::with(&[&format!("replicaof 127.0.0.1 {}", primary.port)]);
        wait_until("the replica is in step", || replica.info("master_link_status").as_deref() == Some("up"));
        let watch = format!(
            "sentinel monitor lines 127.0.0.1 {} 2\nsentinel down-after-milliseconds lines {}\n\
             sentinel failover-timeout lines 3000\n",
            primary.port,
            PATIENCE.as_millis(),
        );
        let sentinels: Vec<_> = (0..3).map(|_| Server::sentinel(&watch)).collect();
        for sentinel in &sentinels {
            wait_until("the Sentinels know each other", || {
                let facts: Vec<String> = sentinel.command(&["SENTINEL", "MASTER", "lines"]);
                let fact = |name: &str| facts.chunks(2).find(|f| f[0] == name).map(|f| f[1].clone());
                fact("num-other-sentinels").as_deref() == Some("2") && fact("num-slaves").as_deref() == Some("1")
            });
        }
        Self { primary, replica, sentinels }
    }

    /// From now on a primary is taken for dead that has been silent for so long.
    pub fn dead_after(&self, silence: Duration) {
        let silence = silence.as_millis().to_string();
        for sentinel in &self.sentinels {
            sentinel.command::<()>(&["SENTINEL", "SET", "lines", "down-after-milliseconds", &silence]);
        }
    }

    pub fn settings(&self) -> RedisSettings {
        let nodes = self.sentinels.iter().map(Server::node).collect();
        settings(RedisTopology::Sentinel { master: "lines".to_owned() }, nodes)
    }
}

/// Settings with short limits, for servers on this machine.
pub fn settings(topology: RedisTopology, nodes: Vec<RedisNode>) -> RedisSettings {
    RedisSettings { response_timeout: Duration::from_secs(2), ..RedisSettings::new(topology, nodes) }
}

/// Settings that log in.
pub fn logged_in(settings: RedisSettings, username: Option<&str>, password: &str) -> RedisSettings {
    RedisSettings { username: username.map(str::to_owned), password: Some(Secret::new(password)), ..settings }
}

/// Waits for something that takes an unknown, short time outside of this process.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs());
        sleep(Duration::from_millis(10));
    }
}

fn signal(pid: u32, name: &str) {
    let killed = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(killed.is_ok_and(|status| status.success()), "kill -{name}");
}
