//! The dashboard's pages.

use super::{Operator, ask, scene, token};
use crate::support::{Request, SOON, chromium::Chromium, until_within};

#[tokio::test]
async fn its_files_come_without_a_login_and_ask_for_nothing_elsewhere() {
    let scene = scene().await;
    let page = ask(&scene.node, Request::new("GET", "/")).await;
    assert_eq!(page.status, 200);
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for file in [
        "/dashboard.css",
        "/dashboard.js",
        "/dashboard-api.js",
        "/dashboard-parts.js",
        "/dashboard-change.js",
        "/dashboard-visitor.js",
    ] {
        let answer = ask(&scene.node, Request::new("GET", file)).await;
        assert_eq!(answer.status, 200, "{file}");
        let text = answer.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http://") && !text.contains("https://"), "{file} names another site");
    }
}

/// Its scripts run under its policy: with a token in the link it logs in by itself and follows the lines.
#[tokio::test]
async fn a_link_with_a_token_logs_in() {
    let scene = scene().await;
    let (api, link) = (scene.node.api.unwrap(), token(&scene.node, "manager", &[]));
    let _browser = Chromium::open(&format!("http://localhost:{}/#t={link}", api.port()), api);
    let admin = Operator::new(&scene.node, "admin", &[]);
    until_within(SOON * 3, "the browser has logged in", async || {
        let log = admin.get("/v1/audit").await.json();
        log["data"].as_array().unwrap().iter().any(|record| record["action"] == "login").then_some(())
    })
    .await;
}
