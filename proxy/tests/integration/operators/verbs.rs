//! What is done once.

use serde_json::json;

use super::{Operator, scene};
use crate::support::until;

/// P8, and more: an ended visit is over on the node at once, pass and all.
#[tokio::test]
async fn an_ended_visit_has_to_queue_again() {
    let scene = scene().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.walk_in().await;
    assert!(visitor.open("/cart").await.is_from_origin());
    let pass = visitor.browser.token("pass").unwrap();
    let manager = Operator::new(&scene.node, "manager", &["shop"]);
    let end = async |number: u64| {
        manager.post(&format!("/v1/tenants/shop/queues/shop/sessions/{number}/end"), &json!({})).await.status
    };
    assert_eq!((end(0).await, end(77).await), (404, 404));
    assert_eq!(end(1).await, 200);
    until("the pass is void", async || {
        let copied = scene.visitor("copy").await.browser;
        copied.set_token("pass", &pass);
        let answer = scene.node.ask(&copied.poll()).await;
        (answer.json()["state"] != "admitted").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_line_is_reset_once_and_only_by_name() {
    let scene = scene().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.walk_in().await;
    let admin = Operator::new(&scene.node, "admin", &[]);
    let reset = async |confirm: &str, epoch: u64| {
        admin.post("/v1/tenants/shop/queues/shop/reset", &json!({ "confirm": confirm, "epoch": epoch })).await
    };
    let epoch = admin.get("/v1/tenants/shop/queues/shop/live").await.json()["data"]["epoch"].as_u64().unwrap();
    assert_eq!(reset("shop", epoch).await.status, 422);
    let done = reset("shop/shop", epoch).await;
    assert_eq!(done.json()["data"]["epoch"], epoch + 1);
    let again = reset("shop/shop", epoch).await;
    assert_eq!((again.status, again.json()["errors"][0]["code"].as_str()), (409, Some("other_epoch")));
}
