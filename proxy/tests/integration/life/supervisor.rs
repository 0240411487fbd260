//! A node under a service manager.

use std::{
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{Connection, Origin, Request, Scene, Setup, Tenant, node, scene::FAST, until};

/// The service manager of a node, as far as the node speaks to it.
pub(super) struct Manager {
    socket: UnixDatagram,
    _folder: TempDir,
    heard: Vec<String>,
}

impl Manager {
    /// One that hears of a node with this set-up, which is to say every tenth of a second that it is alive.
    fn of(setup: Setup) -> (Setup, Self) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let setup = setup.env("NOTIFY_SOCKET", path.to_str().unwrap()).env("WATCHDOG_USEC", "100000");
        (setup.server("drain_timeout = \"1s\""), Self { socket, _folder: folder, heard: Vec::new() })
    }

    /// One with a node that serves a shop.
    pub(super) async fn with_a_node() -> (Scene, Self) {
        let mut manager = None;
        let prepare = |setup: Setup| {
            let (setup, of) = Self::of(setup);
            manager = Some(of);
            setup
        };
        let scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
        (scene, manager.unwrap())
    }

    /// Waits until a line has been heard so often, from now on. Everything that was heard meanwhile.
    pub(super) fn hears(&mut self, line: &str, times: usize) -> Vec<String> {
        self.heard.clear();
        while self.heard.iter().flat_map(|text| text.lines()).filter(|heard| *heard == line).count() < times {
            let mut text = [0; 256];
            let bytes =
                self.socket.recv(&mut text).unwrap_or_else(|error| panic!("{line}: {error}, after {:?}", self.heard));
            self.heard.push(String::from_utf8_lossy(&text[..bytes]).into_owned());
        }
        self.heard.clone()
    }
}

#[tokio::test]
async fn it_is_notified_when_the_node_serves_that_it_lives_and_that_it_ends() {
    let (mut scene, mut manager) = Manager::with_a_node().await;
    manager.hears("READY=1", 1);
    assert_eq!(scene.ask(&Request::navigation("/")).await.status, 200);
    manager.hears("WATCHDOG=1", 3);
    scene.node.signal("TERM");
    manager.hears("STOPPING=1", 1);
    assert!(scene.node.exit_status().await.success());
}

/// Ends the process that has been handed the listener.
struct Handed(Child);

impl Drop for Handed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a node with this listener as its first descriptor behind the usual ones, as service managers do.
fn start(folder: &node::ConfigFolder, listener: &TcpListener) -> Handed {
    let inherited = OwnedFd::from(listener.try_clone().unwrap());
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" run --config \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_sluice")]).arg(folder.path());
    command.env("SLUICE_KEY", "c2x1aWNlIHNsdWljZSBzbHVpY2Ugc2x1aWNlIHNsdWk=").stdin(Stdio::from(inherited));
    Handed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[tokio::test]
async fn clients_who_come_while_the_node_is_started_again_wait_and_are_served() {
    let origin = Origin::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let folder = node::ConfigFolder::new();
    folder.write("sluice.toml", &node::server_file(addr, "127.0.0.1:0".parse().unwrap(), "drain_timeout = \"0s\""));
    folder.write_tenant(&Tenant::shop(origin.addr()).queue("shop", FAST));
    let mut early = Connection::open(addr).await;
    early.send(Request::navigation("/").bytes()).await;
    for _ in 0..2 {
        let node = start(&folder, &listener);
        assert_eq!(early.response("GET").await.status, 200);
        drop(node);
        // No node is there, and nobody is refused.
        early = Connection::open(addr).await;
        early.send(Request::navigation("/").bytes()).await;
    }
    let _node = start(&folder, &listener);
    let answer = until("the last one is served", async || early.response_if_any("GET").await).await;
    assert_eq!(answer.status, 200);
}
