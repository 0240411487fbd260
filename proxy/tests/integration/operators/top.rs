//! `sluice top`, as a terminal and as a script see it.

use std::{net::TcpListener, process::Output};

use serde_json::{Value, json};

use super::{scene, set_override, sluice, token};
use crate::support::Node;

fn top(url: &str, token: Option<&str>, args: &[&str]) -> Output {
    let mut command = sluice(&["top", "--url", url]);
    command.args(args).envs(token.map(|token| ("SLUICE_TOKEN", token))).output().unwrap()
}

fn url(node: &Node) -> String {
    format!("http://{}", node.api.unwrap())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[tokio::test]
async fn it_shows_each_queue_once_for_people_and_for_scripts() {
    let scene = scene().await;
    set_override(&scene.node, &json!({ "mode": "hold" })).await;
    scene.visitor("ann").await.join().await;
    let token = token(&scene.node, "viewer", &[]);
    let shown = top(&url(&scene.node), Some(&token), &["--once"]);
    let text = said(&shown);
    assert!(shown.status.success() && !text.contains('\x1b'), "{text}");
    let row: Vec<_> = text.lines().find(|line| line.starts_with("shop/shop")).unwrap().split_whitespace().collect();
    assert_eq!((row[1], &row[row.len() - 3..]), ("hold", &["by", "ann", "paused"][..]), "{text}");
    assert!(text.lines().any(|line| line.starts_with("other/main")), "{text}");
    let file = scene.node.folder.path().join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let args = ["--once", "--json", "--tenant", "shop", "--token-file", file.to_str().unwrap()];
    let json = top(&url(&scene.node), None, &args);
    let queues: Value = serde_json::from_str(&said(&json)).unwrap();
    assert_eq!((queues.as_array().unwrap().len(), &queues[0]["effective"]["mode"]), (1, &json!("hold")));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_a_sentence() {
    let scene = scene().await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = url(&scene.node);
    for (url, token, says) in [
        (&*api, None, "who asks? Put a key"),
        (&*api, Some("x.y.z"), "it is not known who asks, or no longer; send"),
        (&*format!("http://{closed}"), Some("x"), "cannot connect"),
        (&*format!("http://{}", scene.node.http), Some("x"), "is this the address of [admin]?"),
        ("ftp://a", Some("x"), "write http://HOST:PORT"),
    ] {
        let output = top(url, token, &["--once"]);
        assert!(!output.status.success() && said(&output).contains(says), "{says}: {}", said(&output));
        assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
    }
}
