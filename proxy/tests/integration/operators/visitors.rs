//! Support finds a visitor by what the page shows.

use serde_json::{Value, json};

use super::{FAST, Operator, sluice};
use crate::support::{Scene, until};

async fn find(operator: &Operator<'_>, written: &str) -> (u16, Value) {
    let answer = operator.get(&format!("/v1/tenants/shop/queues/shop/visitors/{written}")).await;
    (answer.status, answer.json()["data"].clone())
}

#[tokio::test]
async fn a_visitor_is_found_by_number_and_code_in_every_state_and_is_not_disturbed() {
    let settings = format!("{FAST}\nmax_active = 1");
    let scene = Scene::set_up(|shop| shop.queue("shop", &settings), |setup| setup.api("")).await;
    let support = Operator::new(&scene.node, "manager", &["shop"]);
    let mut ann = scene.visitor("ann").await;
    ann.walk_in().await;
    assert!(ann.open("/cart").await.is_from_origin());
    let (_, inside) = until("the line has heard of the visit", async || {
        Some(find(&support, "1").await).filter(|(_, found)| found["state"] == "inside")
    })
    .await;
    assert!(inside["inside_since"].as_str().unwrap().ends_with('Z') && inside["ahead"] == json!(null), "{inside}");
    let mut bob = scene.visitor("bob").await;
    let shown = bob.join().await;
    let page = bob.poll().await;
    assert_eq!(page.state, "waiting");
    let number = shown.number.or(page.number).unwrap();
    let (status, waiting) = find(&support, &number.to_string()).await;
    assert_eq!((status, &waiting["state"], &waiting["ahead"]), (200, &json!("waiting"), &json!(0)), "{waiting}");
    assert_eq!((&waiting["present"], &waiting["seen_lately"]), (&json!(true), &json!(true)), "{waiting}");
    let code = waiting["code"].as_str().unwrap();
    assert_eq!(find(&support, &code.to_lowercase()).await.1["number"], number, "as it is read out");
    let wrong = code.replace(code.chars().next().unwrap(), "7").replace("7-", "8-");
    assert_eq!(find(&support, &wrong).await.0, 404, "{wrong}: a character was misheard");
    assert_eq!(find(&support, "999").await.0, 404);
    // The visit of the first is ended by its code, and the second is called.
    let code = inside["code"].as_str().unwrap();
    let ended = support.post(&format!("/v1/tenants/shop/queues/shop/sessions/{code}/end"), &json!({})).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    until("the next is called", async || (bob.poll().await.state == "called").then_some(())).await;
    let (_, called) = find(&support, &number.to_string()).await;
    assert_eq!((&called["state"], &called["heard"]), (&json!("called"), &json!(true)), "{called}");
    assert_eq!(find(&support, "1").await.1["state"], "ended");
    let printed = sluice(&["number", called["code"].as_str().unwrap()]).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap().trim(), number.to_string());
}
