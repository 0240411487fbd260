//! A node under a service manager.

use std::{
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{Connection, Origin, Request, Scene, Setup, Tenant, node, scene::FAST, until};

#[tokio::test]
async fn it_is_told_when_the_node_serves_that_it_lives_and_that_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let prepare = |setup: Setup| {
        let setup = setup.env("NOTIFY_SOCKET", socket.to_str().unwrap()).env("WATCHDOG_USEC", "100000");
        setup.server("drain_timeout = \"1s\"")
    };
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
    let mut heard: Vec<String> = Vec::new();
    let mut until_heard = |word: &str, times: usize| {
        while heard.iter().filter(|text| text.contains(word)).count() < times {
            let mut text = [0; 256];
            let bytes = manager.recv(&mut text).unwrap_or_else(|error| panic!("{word}: {error}, after {heard:?}"));
            heard.push(String::from_utf8_lossy(&text[..bytes]).into_owned());
        }
    };
    until_heard("READY=1", 1);
    assert_eq!(scene.ask(&Request::navigation("/")).await.status, 200);
    until_heard("WATCHDOG=1", 3);
    scene.node.signal("TERM");
    until_heard("STOPPING=1", 1);
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
