//! A node that is killed or ended comes back as if nothing had been.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::support::{Connection, Node, Scene, Setup, scene::FAST, until_within};

async fn shop(settings: &str) -> Scene {
    Scene::set_up(|shop| shop.queue("shop", settings), Setup::keeps_ports).await
}

/// Ends a node in some way and starts it again.
async fn again(node: &mut Node, kill: bool) {
    if kill {
        node.kill();
    } else {
        node.signal("TERM");
        node.exit_status().await;
    }
    node.start().await;
}

#[tokio::test]
async fn places_and_passes_outlive_the_node() {
    let settings = format!("{FAST}\nmax_active = 2");
    let mut scene =
        Scene::set_up(|shop| shop.queue("shop", &settings), |s| s.keeps_ports().server("drain_timeout = \"1s\"")).await;
    let mut inside = [scene.visitor("a").await, scene.visitor("b").await];
    for visitor in &mut inside {
        visitor.walk_in().await;
    }
    let mut waits = [scene.visitor("c").await, scene.visitor("d").await];
    for visitor in &mut waits {
        visitor.join().await;
    }
    for kill in [true, false] {
        again(&mut scene.node, kill).await;
        for visitor in &mut inside {
            visitor.reconnect(&scene.node).await;
            visitor.walk_in().await;
        }
        for (visitor, number) in waits.iter_mut().zip([3, 4]) {
            visitor.reconnect(&scene.node).await;
            let status = visitor.poll().await;
            assert_eq!((status.number, status.state.as_str()), (Some(number), "waiting"));
        }
    }
    let metrics = scene.node.metrics().await;
    assert_eq!((metrics.line("issued_number", "shop"), metrics.line("inside_visitors", "shop")), (4.0, 2.0));
    let [inside, _] = &mut inside;
    inside.leave().await;
    waits[0].until_state("called").await;
    assert_eq!(waits[1].poll().await.state, "waiting");
}

#[tokio::test]
async fn a_number_whose_answer_died_with_the_node_is_given_to_its_slip_again() {
    let mut scene = shop(&format!("{FAST}\nmax_active = 1")).await;
    scene.visitor("inside").await.walk_in().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.open("/").await;
    let mut lost = Connection::open(scene.node.http).await;
    lost.send(visitor.browser.poll().bytes()).await;
    scene.node.until_metrics("the number is taken", |m| m.line("issued_number", "shop") == 2.0).await;
    again(&mut scene.node, true).await;
    visitor.reconnect(&scene.node).await;
    assert_eq!(visitor.poll().await.number, Some(2));
}

#[tokio::test]
async fn two_nodes_do_not_share_a_state_folder() {
    let scene = shop(FAST).await;
    let path = scene.node.folder.path().to_str().unwrap();
    let second = crate::support::node::run(&["run", "--config", path]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another sluice") || said.contains("in use"), "{said}");
    scene.visitor("ann").await.walk_in().await;
}

/// A minute of the clock, since the window of the rate is one: everything that needs a minute is in this test.
#[tokio::test]
async fn a_minute_has_no_more_calls_than_the_rate_not_even_across_a_kill() {
    const RATE: usize = 20;
    const MINUTE: Duration = Duration::from_secs(60);
    // A bucket that holds a whole minute: a node that forgot the minute before would let in twice as many.
    let mut scene = shop(&format!("release_per_minute = {RATE}\nburst = {RATE}")).await;
    let first_call = Instant::now();
    for visitor in 0..RATE {
        scene.visitor(&visitor.to_string()).await.walk_in().await;
    }
    let mut here = scene.visitor("here").await;
    here.join().await;
    let mut hidden = scene.visitor("hidden").await;
    hidden.join().await;
    again(&mut scene.node, true).await;
    here.reconnect(&scene.node).await;

    let called = until_within(MINUTE + Duration::from_secs(10), "the next call", async || {
        here.polls_as_told().await.may_enter().then(Instant::now)
    })
    .await;
    assert!(called - first_call >= MINUTE, "called {:?} after {RATE} others", called - first_call);
    here.walk_in().await;
    // A tab in the background asks once a minute at best.
    sleep_until(first_call + MINUTE + Duration::from_secs(2)).await;
    hidden.reconnect(&scene.node).await;
    assert_eq!(hidden.poll().await.number, Some(RATE as u64 + 2), "the place is kept for a hidden tab");
    hidden.until_state("called").await;
    let times: Vec<_> = scene.origin.hits().iter().map(|hit| hit.at).collect();
    for window in times.windows(RATE + 1) {
        assert!(window[RATE] - window[0] >= MINUTE, "{} came within {:?}", RATE + 1, window[RATE] - window[0]);
    }
}
