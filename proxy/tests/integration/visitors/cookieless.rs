//! Nothing for nothing: who never sends a cookie back costs the line nothing.

use tokio::{task::JoinSet, time::Instant};

use crate::support::{Request, Scene};

const REQUESTS: usize = 10_000;
const CLIENTS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_without_a_cookie_take_no_number_and_no_step() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    let start = Instant::now();
    let before = scene.node.metrics().await;

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let mut connection = scene.node.connect().await;
        clients.spawn(async move {
            for at in 0..REQUESTS / CLIENTS {
                let request = match (client + at) % 4 {
                    0 => Request::fetch("GET", "/.sluice/status?queue=shop"),
                    1 => Request::app("POST", "/api/cart"),
                    _ => Request::navigation("/"),
                };
                let response = connection.ask(&request).await;
                assert!(!response.is_from_origin() && response.header_values("set-cookie").count() == 1);
            }
        });
    }
    clients.join_all().await;

    let after = scene.node.metrics().await;
    let took = start.elapsed();
    let grown = |name: &str| after.line(name, "shop") - before.line(name, "shop");
    assert_eq!(grown("issued_number"), 0.0);
    assert_eq!(grown("waiting_visitors"), 0.0);
    // The line ticks ten times a second, whoever asks.
    let (steps, ticks) = (grown("steps_total"), took.as_secs_f64() / 0.08 + 5.0);
    eprintln!("{REQUESTS} requests in {took:?}: {steps} steps of the line");
    assert!(steps <= ticks, "{steps} steps in {took:?}");
    assert_eq!(waits.poll().await.ahead, Some(0));
}
