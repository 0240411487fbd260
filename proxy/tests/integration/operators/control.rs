//! What operators set while the line runs.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Operator, ask, scene, token};
use crate::{
    servers::Server,
    support::{
        Connection, Fleet, Request, Response, SOON, fleet,
        scene::{FAST, Scene},
        until,
    },
};

const QUEUE: &str = "/v1/tenants/shop/queues/shop";

async fn tag(operator: &Operator<'_>) -> String {
    operator.get(QUEUE).await.header("ETag").unwrap().to_owned()
}

async fn patch(operator: &Operator<'_>, tag: &str, body: &Value) -> Response {
    let request = Request::new("PATCH", &format!("{QUEUE}/override")).header("If-Match", tag);
    operator.ask(request.body("application/json", body.to_string())).await
}

/// Sets something, whatever is set now.
async fn set(operator: &Operator<'_>, body: &Value) -> Value {
    let answer = patch(operator, &tag(operator).await, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_held_line_says_so_with_the_operators_words_and_goes_on_where_it_was() {
    let scene = scene().await;
    let manager = Operator::new(&scene.node, "manager", &["shop"]);
    let held = set(&manager, &json!({ "mode": "hold", "message": "Back at ten", "for": "1h", "reason": "till" })).await;
    let data = &held["data"];
    assert_eq!((&data["file"]["mode"], &data["effective"]["mode"]), (&json!("auto"), &json!("hold")));
    assert_eq!((&data["override"]["actor"], &data["undo"]), (&json!("person:ann"), &json!(true)));
    let mut visitor = scene.visitor("bob").await;
    let status = visitor.join().await;
    let page = visitor.open("/").await;
    assert_eq!((status.state.as_str(), page.status), ("held", 503));
    assert!(page.text().contains("Back at ten"), "{}", page.text());
    let undo = Request::new("POST", &format!("{QUEUE}/override/undo")).header("If-Match", tag(&manager).await);
    let undone = manager.ask(undo.body("application/json", "{}")).await.json();
    assert_eq!((&undone["data"]["effective"]["mode"], &undone["data"]["override"]), (&json!("auto"), &json!(null)));
    until("the visitor is called", async || (visitor.poll().await.state == "called").then_some(())).await;
    assert!(visitor.open("/").await.is_from_origin());
}

/// As many successes as revisions: no change is lost, and none is made twice.
#[tokio::test]
async fn of_changes_that_race_one_is_made() {
    let scene = scene().await;
    let bearers: Vec<_> = (0..4).map(|_| token(&scene.node, "manager", &[])).collect();
    let first = tag(&Operator { node: &scene.node, bearer: bearers[0].clone() }).await;
    let (mut made, mut tags) = (0, vec![first]);
    for round in 0..5_u32 {
        let seen = tags.last().unwrap().clone();
        let all = bearers.iter().enumerate().map(|(at, bearer)| {
            let rate = 100 + 10 * round + u32::try_from(at).unwrap();
            let request = Request::new("PATCH", &format!("{QUEUE}/override"))
                .header("If-Match", &*seen)
                .header("Authorization", format!("Bearer {bearer}"))
                .body("application/json", json!({ "release_per_minute": rate }).to_string());
            let node = &scene.node;
            async move {
                until("the API has time", async || {
                    Some(ask(node, request.clone()).await).filter(|answer| answer.status != 429)
                })
                .await
            }
        });
        let answers = futures_util::future::join_all(all).await;
        let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert!(good.len() == 1 && bad.iter().all(|answer| answer.status == 412), "{answers:?}");
        let now = good[0].header("ETag").unwrap();
        assert!(bad.iter().all(|answer| answer.json()["data"]["queue"] == "shop"), "they see how it is");
        tags.push(now.to_owned());
        made += 1;
    }
    assert!(tags.last().unwrap().starts_with(&format!("\"{made}.")), "{tags:?}");
}

#[tokio::test]
async fn a_change_is_refused_that_is_out_of_bounds_or_made_blindly() {
    let scene = scene().await;
    let manager = Operator::new(&scene.node, "manager", &[]);
    let admin = Operator::new(&scene.node, "admin", &[]);
    let seen = tag(&manager).await;
    for (body, status, pointer) in [
        (json!({ "release_per_minute": 0 }), 422, "/release_per_minute"),
        (json!({ "release_per_minute": 2_000_000 }), 422, "/release_per_minute"),
        (json!({ "mode": "fast" }), 422, "/mode"),
        (json!({ "mode": "open" }), 403, "/mode"),
        (json!({ "for": "8d" }), 422, "/for"),
        (json!({ "for": "forever" }), 403, "/for"),
        (json!({ "message": " " }), 422, ""),
        (json!({ "message": "x".repeat(501) }), 422, ""),
        (json!({ "release": 5 }), 422, ""),
    ] {
        let answer = patch(&manager, &seen, &body).await;
        let at = answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, &*at), (status, pointer), "{body}");
    }
    let blind = Request::new("PATCH", &format!("{QUEUE}/override")).body("application/json", "{}");
    assert_eq!(admin.ask(blind).await.status, 428);
    assert_eq!(patch(&manager, "*", &json!({ "mode": "hold" })).await.status, 412);
    assert_eq!(patch(&admin, "*", &json!({ "mode": "open", "for": "forever" })).await.status, 200);
    assert_eq!(tag(&manager).await.split('.').next(), Some("\"1"), "nothing else was changed");
}

#[tokio::test]
async fn what_a_change_would_do_is_said_and_nothing_is_changed() {
    let scene = scene().await;
    let viewer = Operator::new(&scene.node, "viewer", &[]);
    let seen = tag(&viewer).await;
    let answer = viewer.post(&format!("{QUEUE}/override/preview"), &json!({ "mode": "hold" })).await.json();
    assert!(answer["data"]["words"].as_str().unwrap().contains("No visitor is called"), "{answer}");
    assert_eq!(tag(&viewer).await, seen);
}

#[tokio::test]
async fn what_is_set_ends_by_itself_and_outlives_a_restart() {
    let mut scene = scene().await;
    let rate = async |scene: &Scene| {
        let viewer = Operator::new(&scene.node, "viewer", &[]);
        viewer.get(QUEUE).await.json()["data"]["effective"]["release_per_minute"].as_u64().unwrap()
    };
    set(&Operator::new(&scene.node, "manager", &[]), &json!({ "release_per_minute": 77 })).await;
    scene.node.kill();
    scene.node.start().await;
    assert_eq!(rate(&scene).await, 77);
    set(&Operator::new(&scene.node, "manager", &[]), &json!({ "for": "1s" })).await;
    until("it has ended", async || (rate(&scene).await == 6_000).then_some(())).await;
}

/// Rate, burst and seats of one change, all of them or none; and what is in force has been asked for on record.
#[tokio::test]
async fn a_change_whose_node_is_killed_in_its_midst_is_made_or_not_and_never_half() {
    let mut scene = scene().await;
    let bearer = token(&scene.node, "manager", &[]);
    let log = scene.node.folder.path().join("state/audit.jsonl");
    let records = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let limits = |of: &Value| json!([of["release_per_minute"], of["burst"], of["max_active"]]);
    let viewed = Operator { node: &scene.node, bearer: bearer.clone() }.get(QUEUE).await.json();
    let (mut in_force, mut made) = (limits(&viewed["data"]["effective"]), 0);
    for round in 1..=12_u64 {
        let operator = Operator { node: &scene.node, bearer: bearer.clone() };
        let body = json!({ "release_per_minute": 1_000 + round, "burst": 100 + round, "max_active": 10 + round });
        let api = scene.node.api.unwrap();
        let change = Request::new("PATCH", &format!("{QUEUE}/override"))
            .host(&format!("localhost:{}", api.port()))
            .header("If-Match", tag(&operator).await)
            .header("Authorization", format!("Bearer {bearer}"))
            .body("application/json", body.to_string());
        let recorded = records();
        let mut connection = Connection::open(api).await;
        connection.send(change.bytes()).await;
        // As soon as it is sent; once it is on record that it is asked for; once it is answered.
        let moment = round % 3;
        if moment == 1 {
            let begun = Instant::now();
            while records() == recorded && begun.elapsed() < SOON {
                tokio::task::yield_now().await;
            }
        }
        let answered = moment == 2 && connection.response("PATCH").await.status == 200;
        scene.node.kill();
        scene.node.start().await;
        let operator = Operator { node: &scene.node, bearer: bearer.clone() };
        let now = limits(&operator.get(QUEUE).await.json()["data"]["effective"]);
        let is_made = now == limits(&body);
        assert!(is_made || now == in_force, "round {round}: {now}, neither {body} nor {in_force}");
        assert!(is_made || !answered, "round {round}: it was answered as made");
        assert!(!is_made || records() > recorded, "round {round}: it was made without a record");
        made += u64::from(is_made);
        in_force = now;
    }
    assert!(made >= 4, "each that was answered: {made}");
}

/// A change through one node holds at every other within a second, in a line where no visitor asks.
#[tokio::test]
async fn every_node_goes_by_a_change_within_a_second() {
    let server = Server::start();
    let queue = format!("{FAST}\non_store_loss = \"hold\"");
    let fleet = Fleet::start(&fleet::one(&server), |shop| shop.queue("shop", &queue), |_, setup| setup.api("")).await;
    fleet.until_whole().await;
    let bearer = token(&fleet.nodes[0], "manager", &[]);
    let operators = fleet.nodes.each_ref().map(|node| Operator { node, bearer: bearer.clone() });
    let mut slowest = Duration::ZERO;
    for change in 0..10_u64 {
        let rate = 1_000 + change;
        let at = usize::try_from(change % 3).unwrap();
        set(&operators[at], &json!({ "release_per_minute": rate })).await;
        let begun = Instant::now();
        for node in &fleet.nodes {
            until("the node goes by it", async || {
                let text = node.metrics().await;
                (text.line("release_per_minute_visitors", "shop") == rate as f64).then_some(())
            })
            .await;
        }
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_millis(1_500), "the slowest of ten took {slowest:?}");
}
