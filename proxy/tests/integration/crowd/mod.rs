//! A crowd at the door: 5,000 visitors within two seconds, many of whom walk away or come back late.
//!
//! 100 a second may be called and 500 may be inside, so the last of them waits for half a minute. What is promised is
//! judged from outside: by what the visitors were told, and by what reached the origin. The node's own metrics are
//! asked only for what cannot be seen otherwise: calls of visitors who have gone, and seats kept for them.

pub(crate) mod journey;
pub(crate) mod judge;
pub(crate) mod limits;
mod order;
pub(crate) mod plan;
mod rate;
mod seats;
pub(crate) mod watch;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use self::{
    journey::{Door, Story, journey},
    judge::Judge,
    limits::Limits,
    order::Outage,
    plan::Plan,
    watch::{Sample, Watch},
};
use crate::{
    servers::Server,
    support::{Fleet, Scene, Setup, Tenant, fleet},
};

const CROWD: usize = 5_000;
const ARRIVE_WITHIN: Duration = Duration::from_secs(2);
const LIMITS: Limits = Limits {
    release_per_minute: 6_000,
    burst: 10,
    seats: 500,
    // The shortest that a config may have: who idles inside gives the seat back while the test runs.
    session_idle: Duration::from_secs(5),
    // Longer than any pause that the visitors are told to make, so that who polls as told is never too late for a call.
    claim_within: Duration::from_secs(10),
    heard_within: Duration::ZERO,
};
/// A tick, on a busy machine.
const HEARD_WITHIN: Duration = Duration::from_millis(250);
/// The node is killed in the thick of it: seats taken, thousands in line.
const CALLS_BEFORE_KILL: u64 = 1_000;
/// Several times what the whole crowd takes.
const ALL_OVER_WITHIN: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_served_in_order_at_the_rate_and_within_the_seats() {
    let Scene { node, origin, .. } = shop(|setup| setup).await;
    let (stories, samples) = come_and_go(&[node.http], node.admin, async |_| {}).await;
    judge_everything(&Judge::new(LIMITS, stories, &origin.hits(), samples));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_is_moved_between_three_nodes_is_served_as_by_one() {
    let limits = Limits { heard_within: HEARD_WITHIN, ..LIMITS };
    let redis = Server::start();
    let furnish = |shop: Tenant| shop.queue("shop", &(limits.settings() + "on_store_loss = \"hold\""));
    let fleet = Fleet::start(&fleet::one(&redis), furnish, |_, setup| setup).await;
    let (stories, samples) = come_and_go(&fleet.http(), fleet.nodes[0].admin, async |_| {}).await;
    judge_everything(&Judge::new(limits, stories, &fleet.origin.hits(), samples));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_loses_nothing_when_the_node_is_killed() {
    let Scene { mut node, origin, .. } = shop(Setup::keeps_ports).await;
    let (http, admin) = (node.http, node.admin);
    let mut outage = None;
    let kill = async |watch: &Watch| {
        watch.until_calls(CALLS_BEFORE_KILL).await;
        let from = Instant::now();
        node.kill();
        node.start().await;
        outage = Some(Outage { from, until: Instant::now() });
    };
    let (stories, samples) = come_and_go(&[http], admin, kill).await;
    let judge = Judge { outage, ..Judge::new(LIMITS, stories, &origin.hits(), samples) };
    judge.tell();
    judge_what_no_fault_may_change(&judge);
}

async fn shop(prepare: impl FnOnce(Setup) -> Setup) -> Scene {
    Scene::set_up(|shop| shop.queue("shop", &LIMITS.settings()), prepare).await
}

fn judge_everything(judge: &Judge) {
    judge.tell();
    judge_what_no_fault_may_change(judge);
    judge.the_rate_was_used();
}

fn judge_what_no_fault_may_change(judge: &Judge) {
    judge.nobody_was_overtaken();
    judge.the_origin_saw_the_order();
    judge.places_were_kept();
    judge.no_position_rose();
    judge.everybody_who_stayed_got_in();
    judge.nobody_was_thrown_out();
    judge.the_rate_was_kept();
    judge.the_seats_were_kept();
}

/// Sends the whole crowd to any of some nodes, does something meanwhile, and hears everybody's story when all is over.
/// What `admin` tells is what all nodes know, a tick ago at most.
async fn come_and_go(
    nodes: &[SocketAddr],
    admin: SocketAddr,
    meanwhile: impl AsyncFnOnce(&Watch),
) -> (Vec<Story>, Vec<Sample>) {
    let watch = Watch::start(admin);
    let door = Arc::new(Door::shop(nodes, LIMITS));
    let mut journeys = JoinSet::new();
    for visitor in 0..CROWD {
        journeys.spawn(journey(Plan::of(visitor), door.clone()));
    }
    meanwhile(&watch).await;
    let stories = timeout(ALL_OVER_WITHIN, journeys.join_all()).await.expect("not all over in time");
    watch.stop().await;
    (stories, watch.samples())
}
