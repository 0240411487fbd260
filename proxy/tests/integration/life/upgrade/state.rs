//! What is handed over beside the clients, and what an upgrade takes of a config that a reload does not.

use std::process::Command;

use crate::{
    life::supervisor::Manager,
    support::{Connection, Request, Scene, Setup, node::ended, scene::FAST, until},
};

/// As an operator has it upgraded, with a file in which the ports stand that the system has chosen.
#[tokio::test]
async fn the_command_waits_for_the_verdict() {
    let prepare = |setup: Setup| setup.keeps_ports().server("drain_timeout = \"1s\"");
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
    let folder = scene.node.folder.path().to_str().unwrap().to_owned();
    let upgrade = async || {
        let mut command = scene.node.command(&["upgrade", "--config", &folder]);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let before = scene.node.pid();
    let done = upgrade().await;
    assert!(done.status.success(), "{done:?}");
    let pid = scene.node.process().await["pid"].as_u64().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.starts_with(&format!("process {pid}, version ")) && said.contains(&before.to_string()), "{said}");
    // Keys are read when a process starts.
    let good = scene.node.folder.read("sluice.toml");
    scene.node.folder.write("sluice.toml", &good.replace("SLUICE_KEY", "LOST_KEY"));
    let refused = upgrade().await;
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("process {pid} goes on")) && said.contains("LOST_KEY"), "{said}");
    scene.node.kill();
}

#[tokio::test]
async fn an_upgrade_takes_what_a_reload_does_not() {
    let prepare = |setup: Setup| setup.server("connections_max = 1000\ndrain_timeout = \"1s\"");
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = scene.node.folder.read("sluice.toml").replace("connections_max = 1000", "connections_max = 2000");
    let text = text.replace("http = [", &format!("http = [\"{other}\", "));
    scene.node.folder.write("sluice.toml", &text);
    scene.node.reload().await;
    assert!(scene.node.log().contains("restart the node, or upgrade it, to apply it"), "{}", scene.node.log());
    assert_eq!(scene.node.metrics().await.sum("connections_max", &[]), 1_000.0);
    let before = scene.node.upgrade().await.unwrap();
    assert_eq!(scene.node.metrics().await.sum("connections_max", &[]), 2_000.0);
    for address in [other, scene.node.http] {
        let answer = Connection::open(address).await.ask(&Request::navigation("/")).await;
        assert!(answer.is_from_origin(), "{answer:?}");
    }
    assert_eq!(ended(before).await.code(), Some(0));
    // The new process hears what it is told.
    scene.change("release_per_minute = 60").await;
    scene.node.signal("TERM");
    scene.node.until_gone().await;
}

#[tokio::test]
async fn the_service_manager_hears_which_process_is_the_node() {
    let (mut scene, mut manager) = Manager::with_a_node().await;
    manager.hears("READY=1", 1);
    let before = scene.node.upgrade().await.unwrap();
    // In this order: what another process than the node says is not listened to.
    manager.hears(&format!("MAINPID={}", scene.node.pid()), 1);
    manager.hears("READY=1", 1);
    assert!(ended(before).await.success());
    let heard = manager.hears("WATCHDOG=1", 1);
    assert!(!heard.iter().any(|text| text.contains("STOPPING")), "the node does not end: {heard:?}");
    scene.node.signal("TERM");
    manager.hears("STOPPING=1", 1);
    scene.node.until_gone().await;
}

/// Some client of it never asks anything more. A visitor waits for the seat of another one, who leaves after the queue was held.
#[tokio::test]
async fn an_older_process_goes_by_the_config_in_force_and_ends_when_it_is_asked_to() {
    let prepare = |setup: Setup| setup.server("drain_timeout = \"60s\"");
    let seat = format!("{FAST}\nmax_active = 1");
    let mut scene = Scene::set_up(|shop| shop.queue("shop", &seat), prepare).await;
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    let mut silent = scene.node.connect().await;
    assert_eq!(silent.ask(&Request::navigation("/")).await.status, 503);

    let mut older = scene.node.upgrade().await.unwrap();
    scene.change(&format!("{seat}\nmode = \"hold\"")).await;
    until("both processes have taken the config", async || {
        (scene.node.log().matches("config reloaded").count() >= 2).then_some(())
    })
    .await;
    inside.reconnect(&scene.node).await;
    inside.leave().await;
    waits.reconnect(&scene.node).await;
    scene.node.until_metrics("the seat is free", |metrics| metrics.line("inside_visitors", "shop") == 0.0).await;
    for _ in 0..100 {
        assert_eq!(waits.poll().await.state, "held");
    }
    assert!(older.try_wait().unwrap().is_none(), "it still has a client");

    let asked = Command::new("kill").args(["-TERM", &older.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert!(ended(older).await.success(), "long before its drain timeout");
    drop(silent);
    assert_eq!(waits.poll().await.state, "held");
}

#[tokio::test]
async fn the_command_says_so_when_the_node_ends_instead() {
    let prepare = |setup: Setup| setup.keeps_ports().server("drain_timeout = \"3s\"");
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
    let mut upload = scene.node.connect().await;
    upload.send(b"POST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 10\r\n\r\n1").await;
    scene.node.signal("TERM");
    until("it is on its way out", async || (scene.node.admin("/health/ready").await.status == 503).then_some(())).await;
    let folder = scene.node.folder.path().to_str().unwrap().to_owned();
    let mut command = scene.node.command(&["upgrade", "--config", &folder]);
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("has ended, and none follows it"), "{said}");
    scene.node.until_gone().await;
}
