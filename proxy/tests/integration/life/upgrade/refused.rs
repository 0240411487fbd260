//! Upgrades that do not come about: the process that runs goes on as if nothing had been.

use crate::support::{Connection, Request, Scene, Setup, Visitor, scene::FAST, until};

/// One seat, a visitor on it and another one in line, on a node whose program may be another one.
async fn shop() -> (Scene, [Visitor; 2]) {
    let prepare = |setup: Setup| setup.behind_a_link().server("drain_timeout = \"2s\"");
    let scene = Scene::set_up(|shop| shop.queue("shop", &format!("{FAST}\nmax_active = 1")), prepare).await;
    let mut visitors = [scene.visitor("inside").await, scene.visitor("waits").await];
    visitors[0].walk_in().await;
    assert_eq!(visitors[1].join().await.number, Some(2));
    (scene, visitors)
}

#[tokio::test]
async fn a_new_process_that_cannot_serve_leaves_everything_as_it_was() {
    let (mut scene, [mut inside, mut waits]) = shop().await;
    let pid = scene.node.pid();
    let good = scene.node.folder.read("sluice.toml");
    for (script, config, why) in [
        (Some("exit 7"), None, "the new process has ended: exit status: 7"),
        (Some("kill -KILL $$"), None, "the new process has ended: signal: 9"),
        (Some("echo nonsense >&0; exec cat >/dev/null"), None, "does not understand"),
        (None, Some("[server]\nhttp = []\n"), "the new process has failed"),
        (None, Some("[keys]\ncurrent = \"lost\"\n"), "sluice.toml:"),
    ] {
        scene.node.puts_there(script);
        scene.node.folder.write("sluice.toml", config.unwrap_or(&good));
        let said = scene.node.upgrade_refused().await;
        assert!(said.contains(why), "{said}");
        assert!(scene.node.log().contains("upgrade refused; this process goes on: "), "{}", scene.node.log());
        assert_eq!(scene.node.processes(), [pid], "the new process is gone");
        assert_eq!(waits.poll().await.number, Some(2));
        inside.walk_in().await;
        assert!(scene.visitor("newcomer").await.join().await.number.is_some(), "the line goes on");
    }
    // What was wrong is put right.
    scene.node.puts_there(None);
    scene.node.folder.write("sluice.toml", &good);
    scene.node.upgrade().await;
    waits.reconnect(&scene.node).await;
    assert_eq!(waits.poll().await.number, Some(2));
    assert_eq!(scene.visitor("last").await.join().await.number, Some(8));
}

#[tokio::test]
async fn the_line_is_taken_back_from_a_new_process_that_fails_with_it() {
    let (scene, [_, mut waits]) = shop().await;
    // All is well up to the moment at which it has the state directory, where a folder is in the way of the audit log.
    let with_api = scene.node.folder.read("sluice.toml") + "[admin]\nlisten = \"127.0.0.1:0\"\n";
    scene.node.folder.write("sluice.toml", &with_api);
    std::fs::create_dir(scene.node.folder.state().join("audit.jsonl")).unwrap();
    let said = scene.node.upgrade_refused().await;
    assert!(said.contains("audit log"), "{said}");
    assert_eq!(waits.poll().await.number, Some(2));
    assert_eq!(scene.visitor("next").await.join().await.number, Some(3));
}

#[tokio::test]
async fn a_node_that_is_asked_to_end_during_an_upgrade_ends_with_its_new_process() {
    let (mut scene, _) = shop().await;
    let mark = scene.node.folder.path().join("started");
    scene.node.puts_there(Some(&format!(": >{}; exec cat", mark.display())));
    scene.node.signal("USR2");
    until("the new process is there", async || mark.exists().then_some(())).await;
    assert_eq!(scene.ask(&Request::navigation("/")).await.status, 503, "the one that runs serves");
    scene.node.signal("TERM");
    assert_eq!(scene.node.exit_status().await.code(), Some(0));
    assert_eq!(scene.node.processes(), [0; 0]);
    assert!(Connection::try_open(scene.node.http).await.is_err());
}

#[tokio::test]
async fn there_is_a_bound_on_processes_that_serve_their_last_clients() {
    let prepare = |setup: Setup| setup.server("drain_timeout = \"10m\"");
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
    let mut last_clients = Vec::new();
    for _ in 0..2 {
        let mut client = scene.node.connect().await;
        assert!(client.is_usable().await);
        last_clients.push(client);
        scene.node.upgrade().await;
    }
    let said = scene.node.upgrade_refused().await;
    assert!(said.contains("2 older processes still serve"), "{said}");
    assert_eq!(scene.node.processes().len(), 3);
    drop(last_clients);
    until("they end", async || (scene.node.processes().len() == 1).then_some(())).await;
    scene.node.upgrade().await;
}
