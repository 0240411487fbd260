//! A sale on three nodes: a line of thousands, visitors inside, and a small club whose few seats are all taken.
//!
//! The two queues show different things. The shop's rate is what limits it: a line that forgot its last minute would
//! call another burst at once. The club's seats are what limits it: a line that forgot who is inside would let in as
//! many again.

use std::{ops::Range, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::row::{Row, Times};
use crate::{
    crowd::{
        journey::{Door, Story, journey},
        judge::Judge,
        limits::Limits,
        plan::{Patience, Plan, Visit},
    },
    support::{Fleet, Setup, dice::Dice, until_within},
};

/// Who comes to the shop, and to the club.
const SHOPPERS: usize = 2_700;
const MEMBERS: usize = 120;
const ARRIVE_WITHIN: Duration = Duration::from_secs(3);
/// So many must stand in line when something happens.
const LINE_MIN: f64 = 2_000.0;
/// The first so many stay inside for as long as the sale lasts.
const RESIDENTS: u64 = 60;
/// A tick of a line this slow, and the way there and back, on a busy machine.
const HEARD_WITHIN: Duration = Duration::from_millis(750);
/// How long the line is watched before something happens, and after it is over.
const BEFORE: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_secs(12);
/// How long it may take until everybody has come.
const OPEN_WITHIN: Duration = Duration::from_secs(40);
/// A member of the club is told apart from a shopper by a number that no shopper has.
const MEMBER: usize = 100_000;

const SHOP: Limits = Limits {
    release_per_minute: 600,
    burst: 200,
    seats: 5_000,
    session_idle: Duration::from_secs(30),
    claim_within: Duration::from_secs(10),
    heard_within: HEARD_WITHIN,
};
const CLUB: Limits = Limits { release_per_minute: 6_000, burst: 100, seats: 30, ..SHOP };

/// A sale under way.
#[derive(Debug)]
pub(super) struct Sale {
    pub(super) fleet: Fleet,
    shop: Crowd,
    club: Crowd,
    happened: Instant,
    away: Option<Range<Instant>>,
}

#[derive(Debug)]
struct Crowd {
    door: Arc<Door>,
    journeys: JoinSet<Story>,
}

impl Sale {
    /// Three nodes with a `[store]` of these lines, and a line that has stood for a while.
    pub(super) async fn open(store: &str) -> Self {
        Self::open_with(store, |_, setup| setup).await
    }

    /// As [`Self::open`], with nodes as `prepare` makes them.
    pub(super) async fn open_with(store: &str, prepare: impl Fn(usize, Setup) -> Setup) -> Self {
        let [shop, club] = [SHOP, CLUB].map(|limits| limits.settings() + "on_store_loss = \"hold\"\n");
        let club = club + "paths = [\"/club\", \"/end-club\"]";
        let fleet = Fleet::start(store, |site| site.queue("shop", &shop).queue("club", &club), prepare).await;
        let nodes = fleet.http();
        let shop = Crowd::come(Door::shop(&nodes, SHOP), SHOPPERS, shopper);
        let club = Crowd::come(Door::new("club", ["/club", "/club/bar", "/end-club"], &nodes, CLUB), MEMBERS, member);
        let mut sale = Self { fleet, shop, club, happened: Instant::now(), away: None };
        sale.stands().await;
        sale
    }

    async fn stands(&mut self) {
        let burst = f64::from(SHOP.burst);
        until_within(OPEN_WITHIN, "a line stands", async || {
            let metrics = self.fleet.nodes[0].metrics().await;
            let stands = metrics.line("waiting_visitors", "shop") >= LINE_MIN
                && metrics.line("called_last_minute_visitors", "shop") > burst
                && metrics.line("inside_visitors", "club") >= f64::from(CLUB.seats);
            stands.then_some(())
        })
        .await;
        self.wait(BEFORE).await;
    }

    /// What is to happen to the sale happens now.
    pub(super) fn now(&mut self) {
        self.happened = Instant::now();
    }

    /// No node can reach the store while this lasts, so nobody may be let in who asks meanwhile.
    pub(super) async fn without_store(&mut self, lasts: Duration) {
        let gone = Instant::now();
        self.wait(lasts).await;
        self.away = Some(gone..Instant::now());
    }

    /// Lets the crowd do as it is told for a while.
    pub(super) async fn wait(&self, time: Duration) {
        sleep_until(Instant::now() + time).await;
    }

    /// What happened is over, and the store is there again for every node: watches for a while, then closes and tells.
    pub(super) async fn over(self, fault: &'static str) -> Row {
        let over = Instant::now();
        self.fleet.until_whole().await;
        self.wait(AFTER).await;
        let closed = Instant::now();
        self.tell().await;
        let (hits, stories) = (self.fleet.origin.hits(), [self.shop.stop().await, self.club.stop().await]);
        let [shop, club] = stories;
        let shop = Judge::new(SHOP, shop, &hits, Vec::new());
        let club = Judge::new(CLUB, club, &hits, Vec::new());
        Row::new(fault, [&shop, &club], Times { happened: self.happened, away: self.away, over, closed })
    }
}

impl Sale {
    /// What each node knows of the line, for whoever looks for what went wrong.
    async fn tell(&self) {
        const GAUGES: [&str; 6] = ["waiting", "due", "inside", "called_last_minute", "issued", "head"];
        for (at, node) in self.fleet.nodes.iter().enumerate() {
            let metrics = node.metrics().await;
            for queue in ["shop", "club"] {
                let gauge = |name: &str| {
                    let unit = if matches!(name, "issued" | "head") { "number" } else { "visitors" };
                    format!("{name} {}", metrics.line(&format!("{name}_{unit}"), queue))
                };
                eprintln!("node {at}, {queue}: {}", GAUGES.map(gauge).join(", "));
            }
        }
    }
}

impl Crowd {
    fn come(door: Door, visitors: usize, plan: fn(usize) -> Plan) -> Self {
        let (door, mut journeys) = (Arc::new(door), JoinSet::new());
        for visitor in 0..visitors {
            journeys.spawn(journey(plan(visitor), door.clone()));
        }
        Self { door, journeys }
    }

    async fn stop(self) -> Vec<Story> {
        self.door.close();
        timeout(OPEN_WITHIN, self.journeys.join_all()).await.expect("not all stopped in time")
    }
}

fn shopper(visitor: usize) -> Plan {
    let requests_inside = |number| if number <= RESIDENTS { usize::MAX } else { 3 };
    plan(visitor, visitor as f64 / SHOPPERS as f64, requests_inside)
}

fn member(visitor: usize) -> Plan {
    // One leaves every second or so, and the next may come.
    let requests_inside = |number: u64| usize::try_from(10 + number * 7 % 30).unwrap();
    plan(MEMBER + visitor, visitor as f64 / MEMBERS as f64, requests_inside)
}

fn plan(visitor: usize, share: f64, requests_inside: fn(u64) -> usize) -> Plan {
    let arrives = ARRIVE_WITHIN.mul_f64(share);
    let dice = Dice(visitor as u64);
    Plan { visitor, arrives, patience: Patience::Stays, requests_inside, visit: Visit::Ends, dice }
}
