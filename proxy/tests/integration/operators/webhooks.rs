//! Webhooks, as their receivers see them.

mod receiver;

use serde_json::{Value, json};

use self::receiver::{Answer, Receiver, SECRET};
use super::{FAST, Operator, second, set_override};
use crate::{
    servers::Server,
    support::{Fleet, Node, Request, Scene, Tenant, fleet, node::Setup, until_within},
};

/// An attempt of a node that has died is another's after this.
const CLAIM_ENDS: std::time::Duration = std::time::Duration::from_secs(60);
const HOOKS: &str = "/v1/tenants/shop/webhooks";

fn hook(name: &str, url: &str, more: &str) -> String {
    format!("[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret = {{ env = \"HOOK\" }}\n{more}\n")
}

fn local(receiver: &Receiver) -> String {
    hook("chat", &format!("http://{}/hook?a=b", receiver.addr), "loopback = true")
}

fn api(setup: Setup) -> Setup {
    setup.api("").env("HOOK", SECRET)
}

async fn scene(hooks: &str) -> Scene {
    Scene::set_up(|shop| shop.queue("shop", FAST).section(hooks), api).await
}

/// The deliveries of `chat`, the newest first, once they are as wanted.
async fn deliveries(node: &Node, what: &str, holds: impl Fn(&Vec<Value>) -> bool) -> Vec<Value> {
    let manager = Operator::new(node, "manager", &["shop"]);
    until_within(CLAIM_ENDS, what, async || {
        let all = manager.get(&format!("{HOOKS}/chat/deliveries")).await.json()["data"].as_array().unwrap().clone();
        Some(all).filter(&holds)
    })
    .await
}

async fn post(node: &Node, path: &str) -> (u16, Value) {
    let answer = Operator::new(node, "manager", &["shop"]).post(&format!("{HOOKS}/{path}"), &json!({})).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_change_by_an_operator_is_told_signed_and_once() {
    let receiver = Receiver::start().await;
    let scene = scene(&local(&receiver)).await;
    set_override(&scene.node, &json!({ "mode": "hold", "reason": "till is down" })).await;
    let told = receiver.next().await;
    assert_eq!((&*told.method, &*told.target), ("POST", "/hook?a=b"));
    told.verify();
    let body: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["queue"]), (&json!("queue.override_set"), &json!("shop")));
    assert_eq!((&body["data"]["actor"], &body["data"]["reason"]), (&json!("person:ann"), &json!("till is down")));
    assert_eq!(body["data"]["set"]["mode"], "hold");
    let all = deliveries(&scene.node, "it is delivered", |all| all.len() == 1 && all[0]["state"] == "delivered").await;
    assert_eq!((&all[0]["id"], &all[0]["attempts"][0]["status"]), (&json!(told.id()), &json!(204)));
    // A restart finds nothing new.
    let mut scene = scene;
    scene.node.kill();
    scene.node.start().await;
    let (status, trial) = post(&scene.node, "chat/test").await;
    assert_eq!(status, 200);
    assert_eq!(receiver.next().await.id(), trial["data"].as_str().unwrap(), "the trial is the next that is told");
}

#[tokio::test]
async fn what_fails_hangs_or_redirects_is_tried_again_with_the_same_id() {
    let receiver = Receiver::start().await;
    let elsewhere = Receiver::start().await;
    receiver.answers([
        Answer::Status(500),
        Answer::Redirect(format!("http://{}/", elsewhere.addr)),
        Answer::Status(200),
    ]);
    let scene = scene(&local(&receiver)).await;
    let (_, trial) = post(&scene.node, "chat/test").await;
    let first = receiver.next().await;
    let all = deliveries(&scene.node, "it has failed", |all| all[0]["attempts"][0]["status"] == 500).await;
    assert!(all[0]["next"].is_string() && all[0]["state"] == "pending", "{all:?}");
    let second = receiver.next().await;
    assert_eq!((first.id(), second.id()), (trial["data"].as_str().unwrap(), first.id()));
    assert_ne!(first.header("webhook-timestamp"), second.header("webhook-timestamp"), "each attempt is signed anew");
    second.verify();
    let all = deliveries(&scene.node, "the redirect", |all| all[0]["attempts"].as_array().unwrap().len() == 2).await;
    assert!(all[0]["attempts"][1]["error"].as_str().unwrap().contains("redirects are not followed"), "{all:?}");
    // The third pause is five minutes: the operator sends it again.
    let path = format!("chat/deliveries/{}/replay", first.id());
    assert_eq!(post(&scene.node, &path).await.0, 200);
    assert_eq!(receiver.next().await.id(), first.id());
    deliveries(&scene.node, "it is delivered", |all| all[0]["state"] == "delivered").await;
    assert_eq!(elsewhere.count(), 0);
    assert_eq!(post(&scene.node, "chat/deliveries/evt_none/replay").await.0, 404);
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_no_other_and_one_that_wants_no_more_is_left_alone() {
    let [hangs, gone] = [Receiver::start().await, Receiver::start().await];
    hangs.answers([Answer::Never]);
    gone.answers([Answer::Status(410)]);
    let hooks = hook("slow", &format!("http://{}/", hangs.addr), "loopback = true") + &local(&gone);
    let scene = scene(&hooks).await;
    assert_eq!(post(&scene.node, "slow/test").await.0, 200);
    hangs.next().await;
    set_override(&scene.node, &json!({ "message": "one" })).await;
    gone.next().await;
    deliveries(&scene.node, "it is given up", |all| all[0]["state"] == "given_up").await;
    let manager = Operator::new(&scene.node, "manager", &["shop"]);
    let off = async || {
        let list = manager.get(HOOKS).await.json();
        list["data"].as_array().unwrap().iter().find(|hook| hook["name"] == "chat").unwrap()["off"].clone()
    };
    assert_eq!(off().await, true);
    set_override(&scene.node, &json!({ "message": "two" })).await;
    // The other one is told of both changes, at the same look at the line.
    for _ in 0..2 {
        hangs.next().await;
    }
    assert_eq!(post(&scene.node, "chat/on").await.0, 200);
    assert_eq!(off().await, false);
    let (_, trial) = post(&scene.node, "chat/test").await;
    assert_eq!(gone.next().await.id(), trial["data"].as_str().unwrap(), "nothing was told meanwhile");
}

/// A name is looked up, and what it stands for checked, before anything is connected to.
#[tokio::test]
async fn no_private_address_is_reached_by_a_name() {
    let receiver = Receiver::start().await;
    let port = receiver.addr.port();
    let private = hook("chat", &format!("https://localhost:{port}/"), "");
    let scene = scene(&private).await;
    post(&scene.node, "chat/test").await;
    let all =
        deliveries(&scene.node, "it has failed", |all| all.len() == 1 && all[0]["attempts"][0]["error"].is_string())
            .await;
    let why = all[0]["attempts"][0]["error"].as_str().unwrap();
    assert!(why.contains("no address that the whole internet can reach"), "{why}");
    for url in [
        "https://127.0.0.1",
        "https://[::ffff:127.0.0.1]",
        "https://0.0.0.0",
        "https://169.254.169.254",
        "http://example.com",
    ] {
        let text = format!("{url}:{port}/");
        scene
            .node
            .folder
            .write_tenant(&Tenant::shop(scene.origin.addr()).queue("shop", FAST).section(&hook("chat", &text, "")));
        let refused = scene.node.metrics().await.sum("config_reloads_refused_total", &[]);
        scene.node.signal("HUP");
        scene.node.until_metrics(&text, |m| m.sum("config_reloads_refused_total", &[]) > refused).await;
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn what_was_to_be_told_is_told_after_the_node_has_died() {
    let receiver = Receiver::start().await;
    receiver.answers([Answer::Never]);
    let mut scene = scene(&local(&receiver)).await;
    set_override(&scene.node, &json!({ "message": "soon" })).await;
    let first = receiver.next().await;
    scene.node.kill();
    scene.node.start().await;
    let again = receiver.next().await;
    assert_eq!((first.id(), &first.body), (again.id(), &again.body));
}

async fn three(server: &Server, receiver: &Receiver) -> Fleet {
    let queue = format!("{FAST}\non_store_loss = \"hold\"");
    let store = fleet::one(server);
    let hooks = local(receiver);
    let fleet = Fleet::start(&store, |shop| shop.queue("shop", &queue).section(&hooks), |_, setup| api(setup)).await;
    fleet.until_whole().await;
    fleet
}

#[tokio::test]
async fn of_a_fleet_one_node_tells_and_all_know() {
    let server = Server::start();
    let receiver = Receiver::start().await;
    let fleet = three(&server, &receiver).await;
    set_override(&fleet.nodes[1], &json!({ "message": "one" })).await;
    let told = receiver.next().await;
    for node in &fleet.nodes {
        let all = deliveries(node, "all know", |all| all.len() == 1 && all[0]["state"] == "delivered").await;
        assert_eq!(all[0]["id"], told.id());
    }
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn another_node_tells_when_the_one_that_was_about_to_is_killed() {
    let server = Server::start();
    let receiver = Receiver::start().await;
    receiver.answers([Answer::Never]);
    let mut fleet = three(&server, &receiver).await;
    set_override(&fleet.nodes[0], &json!({ "message": "one" })).await;
    let first = receiver.next().await;
    // Whoever has claimed the attempt is at it, and its connection shows which of them it is.
    let sender = receiver.sender(&first, &fleet.nodes);
    fleet.nodes[sender].kill();
    let again = receiver.next_within(CLAIM_ENDS).await;
    assert_eq!(again.id(), first.id());
    again.verify();
}

#[tokio::test]
async fn a_webhook_of_another_tenant_is_not_there() {
    let receiver = Receiver::start().await;
    let hooks = local(&receiver);
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST).section(&hooks), |setup| api(second(setup))).await;
    let other = Operator::new(&scene.node, "manager", &["other"]);
    assert_eq!(other.get(HOOKS).await.status, 404);
    assert_eq!(
        other.ask(Request::new("POST", &format!("{HOOKS}/chat/test")).body("application/json", "{}")).await.status,
        404
    );
    let viewer = Operator::new(&scene.node, "viewer", &["shop"]);
    assert_eq!(viewer.get(HOOKS).await.status, 403);
    assert_eq!(receiver.count(), 0);
}
