//! What was good and is void: at every node, within a second, and for good.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::{FAST, Operator, ask, scene, sluice, token};
use crate::{
    servers::Server,
    support::{Fleet, Node, Request, Scene, fleet, until},
};

async fn fleet(server: &Server, admin: &str) -> Fleet {
    let queue = format!("{FAST}\non_store_loss = \"hold\"");
    let store = fleet::one(server);
    Fleet::start(&store, |shop| shop.queue("shop", &queue), |_, setup| setup.api(admin)).await
}

async fn status(node: &Node, bearer: &str) -> u16 {
    let request = Request::new("GET", "/v1/me").header("Authorization", format!("Bearer {bearer}"));
    until("the API has time", async || Some(ask(node, request.clone()).await.status).filter(|status| *status != 429))
        .await
}

async fn login(node: &Node, token: &str) -> (u16, String) {
    let body = json!({ "token": token }).to_string();
    let login = Request::new("POST", "/login").header("Sec-Fetch-Site", "same-origin").body("application/json", body);
    let answer = ask(node, login).await;
    let cookie = answer.header("Set-Cookie").unwrap_or_default().split(';').next().unwrap().to_owned();
    (answer.status, cookie)
}

async fn session_status(node: &Node, cookie: &str) -> u16 {
    ask(node, Request::new("GET", "/v1/me").header("Cookie", cookie)).await.status
}

#[tokio::test]
async fn a_revoked_key_is_void_at_every_node_within_a_second_and_after_a_restart() {
    let server = Server::start();
    let made = sluice(&["admin", "key", "ci"]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let key = made.lines().find_map(|line| line.strip_prefix("#   ")).unwrap().to_owned();
    let mut fleet = fleet(&server, &made[made.find("[[admin.key]]").unwrap()..]).await;
    for node in &fleet.nodes {
        assert_eq!(status(node, &key).await, 200);
    }
    let admin = Operator::new(&fleet.nodes[0], "admin", &[]);
    let keys = admin.get("/v1/keys").await.json();
    assert_eq!((&keys["data"][0]["id"], &keys["data"][0]["revoked"]), (&json!("ci"), &json!(false)));
    assert_eq!(admin.ask(Request::new("DELETE", "/v1/keys/other")).await.status, 404);
    let begun = Instant::now();
    assert_eq!(admin.ask(Request::new("DELETE", "/v1/keys/ci")).await.status, 200);
    assert_eq!(status(&fleet.nodes[0], &key).await, 401);
    for node in &fleet.nodes[1..] {
        until("it is void there too", async || (status(node, &key).await == 401).then_some(())).await;
    }
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    assert_eq!(admin.get("/v1/keys").await.json()["data"][0]["revoked"], true);
    // Neither a restart nor the loss of the store makes it good again.
    let _: redis::Value = server.command(&["FLUSHALL"]);
    fleet.nodes[1].kill();
    fleet.nodes[1].start().await;
    assert_eq!(status(&fleet.nodes[1], &key).await, 401);
}

#[tokio::test]
async fn a_token_gives_one_session_at_one_node_and_is_no_bearer_then() {
    let server = Server::start();
    let fleet = fleet(&server, "").await;
    fleet.until_whole().await;
    let token = token(&fleet.nodes[0], "manager", &[]);
    let all = fleet.nodes.iter().map(|node| login(node, &token));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.0 == 200).count(), 1, "{answers:?}");
    let session = &answers.iter().find(|answer| answer.0 == 200).unwrap().1;
    for node in &fleet.nodes {
        assert_eq!(session_status(node, session).await, 200, "a session is good at every node");
        until("the token is used up there too", async || (status(node, &token).await == 401).then_some(())).await;
    }
}

#[tokio::test]
async fn who_logs_out_everywhere_is_out_everywhere_and_may_come_back() {
    let scene = scene().await;
    let node = &scene.node;
    let [first, second] = [token(node, "manager", &[]), token(node, "manager", &[])];
    let sessions = [login(node, &first).await.1, login(node, &second).await.1];
    let bearer = token(node, "viewer", &[]);
    let out = Request::new("POST", "/logout").header("Cookie", &*sessions[0]).header("Sec-Fetch-Site", "same-origin");
    assert_eq!(ask(node, out.body("application/json", "{}")).await.status, 200);
    assert_eq!(session_status(node, &sessions[0]).await, 401, "a copy of the cookie is of no use");
    assert_eq!((session_status(node, &sessions[1]).await, status(node, &bearer).await), (200, 200));
    let everywhere = Request::new("DELETE", "/v1/sessions").header("Authorization", format!("Bearer {bearer}"));
    assert_eq!(ask(node, everywhere).await.status, 200);
    assert_eq!((session_status(node, &sessions[1]).await, status(node, &bearer).await), (401, 401));
    // A token is made in the millisecond in which it is printed, so this one is later.
    assert_eq!(status(node, &token(node, "viewer", &[])).await, 200);
}

#[tokio::test]
async fn an_admin_logs_a_person_out_and_it_is_in_the_log() {
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), |setup| setup.api("")).await;
    let anns = token(&scene.node, "manager", &[]);
    let admin = Operator { node: &scene.node, bearer: named(&scene.node, "zoe") };
    assert_eq!(admin.ask(Request::new("DELETE", "/v1/people/ann")).await.status, 200);
    assert_eq!(status(&scene.node, &anns).await, 401);
    let log = admin.get("/v1/audit").await.json();
    assert_eq!((&log["data"][1]["action"], &log["data"][1]["detail"]), (&json!("person.logout"), &json!(null)));
    assert_eq!(log["data"][0]["detail"]["id"], "person:ann");
}

fn named(node: &Node, name: &str) -> String {
    let mut command = sluice(&["admin", "token", "--name", name, "--config"]);
    let output = command.arg(node.folder.path()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
