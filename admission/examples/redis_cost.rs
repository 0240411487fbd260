//! What a line in Redis costs: server time and memory, measured by the server itself.
//!
//! `./x cost`
//!
//! Starts a `redis-server` of its own on a free loopback port. Server time is that of the EVALSHA calls in
//! `INFO commandstats`; memory is the sum of `MEMORY USAGE` over the line's keys.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/redis/servers.rs"]
mod servers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use servers::Server;
use sluice_admission::{
    line::{Batch, Known, LaneId, Newcomer, Outcome, Rules, Seen},
    store::{LineId, Redis, Store},
    usher::{Mark, Usher, Word},
};
use sluice_config::{Mode, Name};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

const WAITING: u64 = 1_000_000;
const TICK_MS: u64 = 100;
/// Far back, visitors poll so far apart.
const POLL_MS: u64 = 20_000;
const HOLD_MS: u32 = 22_000;

struct Bench {
    server: Server,
    store: Redis,
    wall_ms: Arc<AtomicU64>,
    rules: Rules,
    ids: u64,
    known: Known,
}

/// What the server spent on EVALSHA since the last look.
struct Spent {
    calls: f64,
    usec: f64,
    p99_usec: String,
}

impl Spent {
    fn per_call(&self) -> f64 {
        self.usec / self.calls
    }
}

impl Bench {
    fn new() -> Self {
        let server = Server::start();
        let wall_ms = Arc::new(AtomicU64::new(1_700_000_000_000));
        let clock = wall_ms.clone();
        let store = Redis::with_clock(&server.settings(), move || clock.load(Ordering::SeqCst));
        let rules = rules(6_000, 100);
        Self { server, store, wall_ms, rules, ids: 0, known: Known::default() }
    }

    async fn step(&mut self, line: &LineId, ms: u64, batch: Batch) -> Outcome {
        let wall_ms = self.wall_ms.fetch_add(ms, Ordering::SeqCst) + ms;
        let known = Known { clock_ms: Some(wall_ms), ..self.known.clone() };
        let outcome = self.store.sync(line, &self.rules, &Batch { known, ..batch }).await.unwrap();
        let s = &outcome.summary;
        let (epoch, steps, life) = (s.epoch, s.steps, s.life);
        self.known = Known { epoch, lanes: s.known_lanes(), steps, life, ..Known::default() };
        outcome
    }

    async fn join(&mut self, line: &LineId, ms: u64, count: u64) -> Outcome {
        let first = self.ids;
        self.ids += count;
        let id = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let newcomer = |n| Newcomer {
            id: id(n),
            hold_ms: HOLD_MS,
            enter: false,
            walk_in: false,
            lane: LaneId::FIRST,
            arrived_ms: 0,
        };
        let newcomers = (first..self.ids).map(newcomer).collect();
        self.step(line, ms, Batch { newcomers, ..Batch::default() }).await
    }

    /// Forgets what was spent before.
    fn begin(&self) {
        self.server.command::<()>(&["CONFIG", "RESETSTAT"]);
    }

    fn spent(&self) -> Spent {
        let stats = self.server.info("cmdstat_evalsha").unwrap();
        let stat = |name: &str| -> f64 {
            let field = stats.split(',').find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
            field.unwrap().parse().unwrap()
        };
        let percentiles = self.server.info("latency_percentiles_usec_evalsha").unwrap();
        let p99_usec = percentiles.split(',').find_map(|f| f.strip_prefix("p99=")).unwrap().to_owned();
        Spent { calls: stat("calls"), usec: stat("usec"), p99_usec }
    }

    /// Of the line, and of the slips of its last newcomers.
    fn memory(&self, line: &LineId) -> (u64, u64) {
        let keys: Vec<String> = self.server.command(&["KEYS", &format!("sluice:{{{line}}}:*")]);
        let (slips, rest) = keys.into_iter().partition::<Vec<_>, _>(|key| key.contains(":slips"));
        (self.usage(&rest), self.usage(&slips))
    }

    fn usage(&self, keys: &[String]) -> u64 {
        keys.iter().map(|key| self.server.command::<u64>(&["MEMORY", "USAGE", key, "SAMPLES", "0"])).sum()
    }
}

/// Three nodes on one server, in real time, each with its usher and its own connection.
struct Fleet {
    server: Server,
    ushers: Vec<Arc<Usher>>,
}

impl Fleet {
    async fn start() -> Self {
        let server = Server::start();
        let rules = rules(600, 10);
        let node = |_| {
            let store = Arc::new(Redis::new(&server.settings()));
            Usher::start(line("fleet"), rules.clone(), store, 0)
        };
        let ushers: Vec<_> = (0..3).map(node).collect();
        for usher in &ushers {
            usher.heard().await;
        }
        Self { server, ushers }
    }

    /// Newcomers at this rate, evenly over the nodes. Gives how many were numbered.
    async fn newcomers(&self, per_second: u64, seconds: u64) -> u64 {
        let mut every = interval(Duration::from_millis(1));
        every.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut joining = JoinSet::new();
        for id in 0..per_second * seconds {
            if id % (per_second / 1_000) == 0 {
                every.tick().await;
            }
            let usher = self.ushers[(id % 3) as usize].clone();
            let id = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let newcomer =
                Newcomer { id, hold_ms: HOLD_MS, enter: false, walk_in: false, lane: LaneId::FIRST, arrived_ms: 0 };
            joining.spawn(async move { usher.join(newcomer).await.is_ok_and(|(number, _)| number > 0) });
        }
        joining.join_all().await.into_iter().map(u64::from).sum()
    }

    fn commands(&self) -> u64 {
        let stats = self.server.info("cmdstat_evalsha").unwrap();
        stats.split(',').find_map(|f| f.strip_prefix("calls=")).unwrap().parse().unwrap()
    }
}

async fn fleet() {
    const PER_SECOND: u64 = 10_000;
    println!("\nthree nodes on one server, in real time");
    let fleet = Fleet::start().await;
    let before = fleet.commands();
    let numbered = fleet.newcomers(PER_SECOND, 5).await;
    let commands = fleet.commands() - before;
    println!("  {numbered} newcomers in 5 s: {commands} commands, {:.4} each", commands as f64 / numbered as f64);
    // As many seconds without anything, with polls and with passes that are minted anew: what differs is what those
    // cost. A request of a visitor inside tells the usher nothing but the last, once in an eighth of `session_idle`.
    const MARKS: u64 = 100_000;
    for (what, is_polls) in
        [("marks, nobody asking", None), ("polls far back", Some(true)), ("passes minted anew", Some(false))]
    {
        let before = fleet.commands();
        let mut every = interval(Duration::from_millis(1));
        for ms in 0..5_000 {
            every.tick().await;
            for mark in 0..MARKS / 5_000 {
                let usher = &fleet.ushers[(mark % 3) as usize];
                match is_polls {
                    Some(true) => {
                        let number = numbered - (ms * (MARKS / 5_000) + mark) % (numbered / 2);
                        usher.mark(Mark {
                            epoch: 0,
                            word: Word::Seen { seen: Seen { number, hold_ms: HOLD_MS }, told_ms: 0 },
                        });
                    }
                    // Among those who have been called.
                    Some(false) => usher.mark(Mark { epoch: 0, word: Word::Inside(mark % 10 + 1) }),
                    None => {}
                }
            }
        }
        let marks = if is_polls.is_some() { MARKS } else { 0 };
        println!("  5 s with {marks} {what}: {} commands", fleet.commands() - before);
    }
}

fn rules(release_per_minute: u32, burst: u32) -> Rules {
    Rules {
        release_per_minute,
        burst,
        max_active: None,
        max_waiting: 10_000_000,
        mode: Mode::Auto,
        claim_within_ms: 60_000,
        return_within_ms: 600_000,
        seat_ms: 60_000,
        lanes: Vec::new(),
    }
}

fn line(queue: &str) -> LineId {
    LineId { tenant: Name::new("shop").unwrap(), queue: Name::new(queue).unwrap() }
}

/// The visitors who poll in one tick: evenly over the line, each once in [`POLL_MS`].
fn polls(tick: u64, issued: u64) -> Batch {
    let every = POLL_MS / TICK_MS;
    let seen = (1..=issued).filter(|n| n.wrapping_mul(0x9E37_79B9) % every == tick % every);
    Batch { seen: seen.map(|number| Seen { number, hold_ms: HOLD_MS }).collect(), ..Batch::default() }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("numbers handed out, by newcomers in a batch");
    println!("  batch   EVALSHA per newcomer   server µs per newcomer   numbers per server second");
    for size in [1, 10, 100, 1_000, 10_000] {
        let mut bench = Bench::new();
        let hold = Rules { mode: Mode::Hold, ..bench.rules.clone() };
        bench.rules = hold;
        let line = line("batches");
        let total = (size * 200).clamp(2_000, 1_000_000);
        // The first makes the line.
        bench.join(&line, 10, 1).await;
        bench.begin();
        for _ in 0..total / size {
            bench.join(&line, 2, size).await;
        }
        let spent = bench.spent();
        let n = total as f64;
        println!("  {size:>5}   {:>20.4}   {:>22.2}   {:>25.0}", spent.calls / n, spent.usec / n, n / spent.usec * 1e6);
    }

    let mut bench = Bench::new();
    let idle = line("idle");
    bench.begin();
    for _ in 0..2_000 {
        bench.step(&idle, 750, Batch::default()).await;
    }
    println!("\na line in which nothing happens: {:.0} µs of server time a step", bench.spent().per_call());

    let mut bench = Bench::new();
    let line = line("million");
    let began = Instant::now();
    bench.begin();
    for _ in 0..WAITING / 10_000 {
        bench.join(&line, 10, 10_000).await;
    }
    let spent = bench.spent();
    println!("\na million newcomers, 10,000 in a batch, calling meanwhile");
    println!(
        "  {:.2} µs of server time each, {:.1} s in all",
        spent.usec / WAITING as f64,
        began.elapsed().as_secs_f64()
    );
    println!("  memory of the slips: {:.1} MB", bench.memory(&line).1 as f64 / 1e6);

    // Until every generation is in use.
    let mut tick = 0;
    for _ in 0..150_000 / TICK_MS {
        tick += 1;
        bench.step(&line, TICK_MS, polls(tick, WAITING)).await;
    }
    println!("\na million waiting, calling 100 a second");
    let mut memory = 0;
    for (what, marks) in [("nothing else", false), ("5,000 polls", true)] {
        bench.begin();
        let mut outcome = None;
        for _ in 0..200 {
            tick += 1;
            let batch = if marks { polls(tick, WAITING) } else { Batch::default() };
            outcome = Some(bench.step(&line, TICK_MS, batch).await);
            if marks {
                memory = memory.max(bench.memory(&line).0);
            }
        }
        let summary = outcome.unwrap().summary;
        let spent = bench.spent();
        println!(
            "  tick with {what}: {:.0} µs of server time (99 %: {} µs); {} wait",
            spent.per_call(),
            spent.p99_usec,
            summary.waiting
        );
        if !marks {
            // Bring back those who have not polled meanwhile.
            for _ in 0..POLL_MS / TICK_MS {
                tick += 1;
                bench.step(&line, TICK_MS, polls(tick, WAITING)).await;
            }
        }
    }
    println!("  memory of the line at most: {:.2} MB", memory as f64 / 1e6);
    let due: u64 = bench.server.command(&["ZCARD", &format!("sluice:{{{line}}}:due")]);
    println!("  of which {due} are called and have not entered, the most there can be at this rate");

    println!("\nmarks, with a million waiting");
    for (what, step) in [("200,000 at once, evenly spread", 5), ("2,000 at once, evenly spread", 500)] {
        bench.begin();
        let mut marks = 0;
        for round in 0..20 {
            let seen: Vec<_> = (1..=WAITING).filter(|n| n % step == round).collect();
            marks += seen.len();
            let seen = seen.into_iter().map(|number| Seen { number, hold_ms: HOLD_MS }).collect();
            bench.step(&line, 1, Batch { seen, ..Batch::default() }).await;
        }
        let spent = bench.spent();
        println!(
            "  {what}: {:.0} µs of server time a step, {:.2} million marks a second",
            spent.usec / 20.0,
            marks as f64 / spent.usec
        );
    }
    fleet().await;
}
