//! What operators did can be shown afterwards.

use std::process::Command;

use serde_json::json;

use super::{Operator, scene};

fn verify(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sluice")).args(["audit", "verify"]).args(args).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn a_reset_is_in_the_log_before_and_after_and_the_log_is_sound() {
    let scene = scene().await;
    let admin = Operator::new(&scene.node, "admin", &[]);
    let epoch = admin.get("/v1/tenants/shop/queues/shop/live").await.json()["data"]["epoch"].as_u64().unwrap();
    let body = json!({ "confirm": "shop/shop", "epoch": epoch, "reason": "a rehearsal" });
    let done = admin.post("/v1/tenants/shop/queues/shop/reset", &body).await.json();
    let log = admin.get("/v1/audit").await.json();
    let records = log["data"].as_array().unwrap();
    let said = |at: usize, name: &str| records[at][name].as_str().unwrap().to_owned();
    assert_eq!((records.len(), said(0, "outcome"), said(1, "outcome")), (2, "requested".into(), "done".into()));
    assert_eq!(
        (said(1, "actor"), said(1, "target"), said(1, "why")),
        ("person:ann".into(), "shop/shop".into(), "a rehearsal".into())
    );
    assert_eq!(said(1, "request"), done["metadata"]["requestId"].as_str().unwrap());
    let other = Operator::new(&scene.node, "manager", &["other"]);
    assert_eq!(other.get("/v1/audit").await.json()["data"], json!([]), "of a tenant that is not theirs");

    let file = scene.node.folder.path().join("state/audit.jsonl");
    let path = file.to_str().unwrap();
    let hash = said(1, "hash");
    let (sound, says) = verify(&[path, "--contains", &hash]);
    assert!(sound && says.contains(&format!("2 records, 1 to 2, hash {hash}")), "{says}");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("a rehearsal", "an accident")).unwrap();
    let (sound, says) = verify(&[path]);
    assert!(!sound && says.contains("line 1: record 1 is not what was written"), "{says}");
    std::fs::write(&file, text.lines().next().unwrap().to_owned() + "\n").unwrap();
    let (sound, says) = verify(&[path, "--contains", &hash]);
    assert!(!sound && says.contains("records are missing"), "{says}");
}
