//! What can be shown afterwards to those who were not there: reports and checkpoints, signed.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{FAST, Operator, scene, set_override, sluice, token};
use crate::support::{Node, Scene, until};

const REPORT: &str = "/v1/tenants/shop/queues/shop/report";

fn run(args: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = sluice(args).output().unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

fn put(node: &Node, name: &str, text: &str) -> String {
    node.folder.write(name, text);
    node.folder.path().join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_standstill_its_reason_and_who_ordered_it_are_in_the_report() {
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), |setup| setup.api("")).await;
    set_override(&scene.node, &json!({ "mode": "hold", "reason": "till" })).await;
    let mut ann = scene.visitor("ann").await;
    ann.join().await;
    let begun = Instant::now();
    until("it has stood for long enough to count", async || {
        ann.poll().await;
        (begun.elapsed() > Duration::from_millis(3_500)).then_some(())
    })
    .await;
    set_override(&scene.node, &json!({ "mode": null })).await;
    ann.until_state("called").await;
    assert!(ann.open("/").await.is_from_origin());
    let viewer = Operator::new(&scene.node, "viewer", &["shop"]);
    let data = until("the standstill is written", async || {
        let data = viewer.get(REPORT).await.json()["data"].clone();
        (data["report"]["standstills"] != json!([])).then_some(data)
    })
    .await;
    let report = &data["report"];
    let still = &report["standstills"][0];
    assert_eq!((&still["reason"], &still["waiting"]), (&json!("paused"), &json!(1)), "{report}");
    assert!((2.0..20.0).contains(&still["seconds"].as_f64().unwrap()), "{report}");
    let changes: Vec<_> = report["changes"].as_array().unwrap().iter().map(|c| c["why"].as_str()).collect();
    assert_eq!(changes, [Some("till"), Some("till"), None, None], "each as it was asked for, and as it was done");
    assert_eq!(report["rate"]["exceeded_minutes"], 0);
    until("it has been counted", async || {
        let totals = viewer.get(REPORT).await.json()["data"]["report"]["totals"].clone();
        (totals["called"] == 1 && totals["entered"] == 1).then_some(())
    })
    .await;
    for (query, status) in [("?from=2100-01-01T00:00:00Z", 422), ("?from=x", 422), ("?from=2001-01-01T00:00:00Z", 422)]
    {
        assert_eq!(viewer.get(&format!("{REPORT}{query}")).await.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_report_is_known_to_be_what_was_signed_without_the_node() {
    let scene = scene().await;
    let config = scene.node.folder.path().to_str().unwrap().to_owned();
    let url = format!("http://{}", scene.node.api.unwrap());
    let file = scene.node.folder.path().join("report").to_str().unwrap().to_owned();
    let bearer = put(&scene.node, "token", &token(&scene.node, "viewer", &[]));
    let (done, said) = run(&["report", "get", "--url", &url, "--token-file", &bearer, "--out", &file, "shop/shop"]);
    assert!(done && said.contains("signed by"), "{said}");
    let (_, key) = run(&["report", "key", "--config", &config]);
    let (sound, said) = run(&["report", "verify", &file, "--key", key.trim()]);
    assert!(sound && said.contains("shop/shop") && said.contains("as it was signed"), "{said}");
    assert!(run(&["report", "verify", &file, "--config", &config]).0);
    let text = std::fs::read_to_string(&file).unwrap();
    let altered = put(&scene.node, "altered", &text.replacen("\"called\": 0", "\"called\": 1", 1));
    let (sound, said) = run(&["report", "verify", &altered, "--key", key.trim()]);
    assert!(!sound && said.contains("not what was signed"), "{said}");
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let (sound, said) = run(&["report", "verify", &file, "--key", other]);
    assert!(!sound && said.contains("another key"), "{said}");
    assert!(!run(&["report", "verify", &file]).0, "whose signature it has to be is not guessed");
}

#[tokio::test]
async fn a_checkpoint_shows_that_no_record_up_to_it_is_missing() {
    let scene = scene().await;
    for rate in [10, 20, 30] {
        set_override(&scene.node, &json!({ "release_per_minute": rate })).await;
    }
    let auditor = Operator::new(&scene.node, "auditor", &[]);
    let checkpoint = auditor.get("/v1/audit/checkpoint").await.json()["data"].as_str().unwrap().to_owned();
    let point = put(&scene.node, "checkpoint", &checkpoint);
    set_override(&scene.node, &json!({ "release_per_minute": 40 })).await;
    let config = scene.node.folder.path().to_str().unwrap().to_owned();
    let log = scene.node.folder.path().join("state/audit.jsonl");
    let verify = |file: &Path, point: &str| {
        run(&["audit", "verify", file.to_str().unwrap(), "--checkpoint", point, "--config", &config])
    };
    let (sound, said) = verify(&log, &point);
    assert!(sound && said.contains("8 records, 1 to 8") && said.contains("matches the checkpoint of 6"), "{said}");
    let text = std::fs::read_to_string(&log).unwrap();
    let short = scene.node.folder.path().join("short.jsonl");
    std::fs::write(&short, text.lines().take(5).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let (sound, said) = verify(&short, &point);
    assert!(!sound && said.contains("records are missing"), "{said}");
    let forged = put(&scene.node, "forged", &checkpoint.replacen("\"seq\":6", "\"seq\":5", 1));
    let (sound, said) = verify(&log, &forged);
    assert!(!sound && said.contains("not what was signed"), "{said}");
}

/// The script of the manual, and ours, find the same.
#[tokio::test]
async fn ten_lines_of_python_agree_on_the_chain() {
    let scene = scene().await;
    for rate in [10, 20] {
        set_override(&scene.node, &json!({ "release_per_minute": rate, "reason": "Zwölf" })).await;
    }
    let manual = include_str!("../../../README.md");
    let script = manual.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(script.lines().count() <= 10, "{script}");
    let python = |file: &Path| {
        let output = Command::new("python3").arg("-c").arg(script).arg(file).output().expect("python3 is installed");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned())
    };
    let log = scene.node.folder.path().join("state/audit.jsonl");
    let head: Value = Operator::new(&scene.node, "auditor", &[]).get("/v1/audit/head").await.json();
    assert_eq!(python(&log), (true, head["data"]["hash"].as_str().unwrap().to_owned()));
    let text = std::fs::read_to_string(&log).unwrap();
    for (at, line) in text.lines().enumerate() {
        let altered = scene.node.folder.path().join("altered.jsonl");
        let changed = line.replacen("person:ann", "person:bob", 1);
        std::fs::write(&altered, text.replacen(line, &changed, 1)).unwrap();
        let (sound, said) = python(&altered);
        assert!(!sound && said.contains(&format!("line {}", at + 1)), "{said}");
        let (sound, said) = run(&["audit", "verify", altered.to_str().unwrap()]);
        assert!(!sound && said.contains(&format!("line {}", at + 1)), "{said}");
    }
}
