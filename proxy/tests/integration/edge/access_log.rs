//! The access log, and the names that requests have on their way.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Protocol, Request, Scene, Setup, client::on_every_protocol, scene::FAST, until};

const LOG: &str = "[access_log]\nto = \"access.log\"\nclients = \"full\"";

async fn scene(protocol: Protocol, queue: &str) -> Scene {
    let prepare = |setup: Setup| setup.section(LOG).server("traceparent = \"make\"");
    Scene::speaking(protocol, |shop| shop.queue("shop", queue), prepare).await
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    // The last line may be on its way.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

async fn lines_of(scene: &Scene, count: usize) -> Vec<Value> {
    let file = scene.node.folder.path().join("access.log");
    until("the lines are there", async || Some(lines(&file)).filter(|lines| lines.len() >= count)).await
}

async fn a_line_for_each_request_and_no_secret_in_it(protocol: Protocol) {
    let scene = scene(protocol, FAST).await;
    let mut client = scene.client().await;
    let secret = Request::navigation("/bytes/1000?card=secret-number").header("Authorization", "Bearer secret-bearer");
    let entered = client.ask(&secret.header("Cookie", "session=secret-session")).await;
    assert_eq!(entered.status, 200);
    let pass = entered.token("pass").unwrap().to_owned();
    scene.change(&format!("{FAST}\nmode = \"hold\"")).await;
    assert_eq!(client.ask(&Request::navigation("/wait")).await.status, 503);
    let inside = Request::navigation("/in").header("Sluice-Pass", pass.clone());
    assert_eq!(client.ask(&inside).await.status, 200);
    assert_eq!(client.ask(&Request::unknown_queue()).await.status, 404);
    assert_eq!(client.ask(&Request::navigation("/a/../b")).await.status, 400);

    let lines = lines_of(&scene, 4).await;
    let file = fs::read_to_string(scene.node.folder.path().join("access.log")).unwrap();
    assert!(!file.contains("secret") && !file.contains(&pass), "{file}");
    let line = |path: &str| lines.iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("{path}: {file}"));
    let entered = line("/bytes/1000");
    for (field, expected) in [
        ("client", "127.0.0.1"),
        ("tenant", "shop"),
        ("host", crate::support::HOST),
        ("method", "GET"),
        ("kind", "navigation"),
        ("queue", "shop"),
        ("outcome", "forwarded"),
        ("protocol", if protocol == Protocol::Http2 { "HTTP/2" } else { "HTTP/1.1" }),
    ] {
        assert_eq!(entered[field], expected, "{entered}");
    }
    assert_eq!((&entered["status"], &entered["bytes"]), (&200.into(), &1000.into()), "{entered}");
    assert_eq!(entered["tls"], protocol != Protocol::Http1);
    assert_eq!((&line("/wait")["outcome"], &line("/wait")["status"]), (&"parked".into(), &503.into()));
    assert_eq!((&line("/in")["outcome"], &line("/in")["status"]), (&"forwarded".into(), &200.into()));
    assert_eq!(line("/a/../b")["host"], crate::support::HOST);
    assert_eq!((&line("/a/../b")["outcome"], &line("/a/../b")["status"]), (&"refused".into(), &400.into()));
    assert!(lines.iter().all(|line| line["path"] != "/.sluice/status"), "polls have no lines: {file}");
    let ids: Vec<_> = scene.origin.hits().iter().map(|hit| hit.header("x-request-id").unwrap().to_owned()).collect();
    assert_eq!((entered["request_id"].as_str(), line("/in")["request_id"].as_str()), (Some(&*ids[0]), Some(&*ids[1])));
    let trace = scene.origin.hits()[0].header("traceparent").unwrap().to_owned();
    assert_eq!(entered["trace_id"].as_str(), trace.split('-').nth(1));
}

on_every_protocol!(a_line_for_each_request_and_no_secret_in_it);

#[tokio::test]
async fn a_file_that_is_moved_away_is_opened_anew_on_sighup() {
    let scene = scene(Protocol::Http1, FAST).await;
    assert_eq!(scene.ask(&Request::navigation("/one")).await.status, 200);
    lines_of(&scene, 1).await;
    let (file, moved) = ["access.log", "access.log.1"].map(|name| scene.node.folder.path().join(name)).into();
    fs::rename(&file, &moved).unwrap();
    scene.node.reload().await;
    assert_eq!(scene.ask(&Request::navigation("/two")).await.status, 200);
    let after = lines_of(&scene, 1).await;
    assert_eq!((&lines(&moved)[0]["path"], &after[0]["path"]), (&"/one".into(), &"/two".into()));
    let metrics = scene.node.metrics().await;
    assert_eq!(metrics.sum("access_log_lines_lost_total", &[]), 0.0);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_costs_lines_and_nothing_else() {
    let prepare = |setup: Setup| setup.section("[access_log]\nto = \"/dev/full\"\npolls = true");
    let mut scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
    let mut client = scene.client().await;
    for _ in 0..50 {
        assert_eq!(client.ask(&Request::navigation("/")).await.status, 200);
        assert_eq!(client.ask(&Request::fetch("GET", "/.sluice/status?queue=shop")).await.status, 200);
    }
    scene.node.until_metrics("all are counted", |m| m.sum("access_log_lines_lost_total", &[]) == 100.0).await;
    assert!(scene.node.log().contains("access log not written"));
    scene.node.signal("TERM");
    assert!(scene.node.exit_status().await.success());
}

#[tokio::test]
async fn an_id_is_kept_from_a_trusted_proxy_alone_and_given_back_on_our_own_answers() {
    let id = |name: &str, value: &str| Request::navigation("/").header(name, value);
    for trusted in [true, false] {
        let line = if trusted { "trusted_proxies = [\"127.0.0.0/8\"]" } else { "" };
        let scene = Scene::set_up(|shop| shop.queue("shop", FAST), |setup: Setup| setup.server(line)).await;
        assert!(scene.ask(&id("X-Request-Id", "from-the-proxy")).await.is_from_origin());
        let kept = scene.origin.last_hit().header("x-request-id") == Some("from-the-proxy");
        assert_eq!(kept, trusted);
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(scene.ask(&id("Traceparent", trace)).await.is_from_origin());
        assert_eq!(scene.origin.last_hit().header("traceparent"), Some(trace));
        scene.change(&format!("{FAST}\nmode = \"hold\"")).await;
        let parked = scene.ask(&id("X-Request-Id", "from-the-proxy")).await;
        assert_eq!((parked.status, parked.header("x-request-id") == Some("from-the-proxy")), (503, trusted));
    }
}
