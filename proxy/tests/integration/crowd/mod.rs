//! A crowd at the door: 5,000 visitors within two seconds, many of whom walk away or come back late.
//!
//! 100 a second may be called and 500 may be inside, so the last of them waits for half a minute. What is promised is
//! judged from outside: by what the visitors were told, and by what reached the origin. The node's own metrics are
//! asked only for what cannot be seen otherwise: calls of visitors who have gone, and seats kept for them.

mod journey;
mod judge;
mod order;
mod plan;
mod rate;
mod seats;
mod watch;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use self::{
    journey::{Story, journey},
    judge::Judge,
    order::Outage,
    plan::Plan,
    watch::Watch,
};
use crate::support::{Scene, Setup, pool::Pool};

const CROWD: usize = 5_000;
const ARRIVE_WITHIN: Duration = Duration::from_secs(2);
const RELEASE_PER_MINUTE: u32 = 6_000;
const BURST: u32 = 10;
const SEATS: u32 = 500;
/// The shortest that a config may have: who idles inside gives the seat back while the test runs.
const SESSION_IDLE: Duration = Duration::from_secs(5);
/// Longer than any pause that the visitors are told to make, so that who polls as told is never too late for a call.
const CLAIM_WITHIN: Duration = Duration::from_secs(10);
/// The node is killed in the thick of it: seats taken, thousands in line.
const CALLS_BEFORE_KILL: u64 = 1_000;
/// Several times what the whole crowd takes.
const ALL_OVER_WITHIN: Duration = Duration::from_secs(150);
/// Requests under way at once; each of them has a connection that is kept.
const CONNECTIONS: usize = 256;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_served_in_order_at_the_rate_and_within_the_seats() {
    let Scene { node, origin } = shop(|setup| setup).await;
    let (stories, watch) = come_and_go(node.http, node.admin, async |_| {}).await;
    let judge = Judge::new(stories, origin.hits(), watch);
    judge.tell();
    judge.nobody_was_overtaken();
    judge.the_origin_saw_the_order();
    judge.places_were_kept();
    judge.everybody_who_stayed_got_in();
    judge.nobody_was_thrown_out();
    judge.the_rate_was_kept();
    judge.the_seats_were_kept();
    judge.the_rate_was_used();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_loses_nothing_when_the_node_is_killed() {
    let Scene { mut node, origin } = shop(Setup::keeps_ports).await;
    let (http, admin) = (node.http, node.admin);
    let mut outage = None;
    let kill = async |watch: &Watch| {
        watch.until_calls(CALLS_BEFORE_KILL).await;
        let from = Instant::now();
        node.kill();
        node.start().await;
        outage = Some(Outage { from, until: Instant::now() });
    };
    let (stories, watch) = come_and_go(http, admin, kill).await;
    let judge = Judge { outage, ..Judge::new(stories, origin.hits(), watch) };
    judge.tell();
    judge.nobody_was_overtaken();
    judge.the_origin_saw_the_order();
    judge.places_were_kept();
    judge.everybody_who_stayed_got_in();
    judge.nobody_was_thrown_out();
    judge.the_rate_was_kept();
    judge.the_seats_were_kept();
}

async fn shop(prepare: impl FnOnce(Setup) -> Setup) -> Scene {
    let (idle, claim) = (SESSION_IDLE.as_secs(), CLAIM_WITHIN.as_secs());
    let settings = format!(
        "release_per_minute = {RELEASE_PER_MINUTE}\nburst = {BURST}\nmax_active = {SEATS}\n\
         session_idle = \"{idle}s\"\nclaim_within = \"{claim}s\""
    );
    Scene::set_up(|shop| shop.queue("shop", &settings), prepare).await
}

/// Sends the whole crowd, does something meanwhile, and hears everybody's story when all is over.
async fn come_and_go(http: SocketAddr, admin: SocketAddr, meanwhile: impl AsyncFnOnce(&Watch)) -> (Vec<Story>, Watch) {
    let watch = Watch::start(admin);
    let pool = Arc::new(Pool::new(http, CONNECTIONS));
    let start = Instant::now();
    let mut journeys = JoinSet::new();
    for visitor in 0..CROWD {
        journeys.spawn(journey(Plan::of(visitor), pool.clone(), start));
    }
    meanwhile(&watch).await;
    let stories = timeout(ALL_OVER_WITHIN, journeys.join_all()).await.expect("not all over in time");
    watch.stop().await;
    (stories, watch)
}
