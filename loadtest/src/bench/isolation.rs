//! Does a flood in one queue delay newcomers to another, on the same node and the same Redis?
//!
//! The same newcomers come to a quiet queue in turn with and without a flood: newcomers with slips at the door of another
//! tenant's queue that is full. Each of them is a question to its line, over and over. A third kind of round tells how
//! much of the difference is the machine: as many requests, answered without asking any line.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Options, median,
    sluice::{cookie, get},
};
use crate::{
    Failed,
    kit::{
        console::say,
        drive::Connection,
        origin,
        process::{Server, free_addr, sibling},
    },
};

/// How long one round is, in seconds.
const ROUND_S: usize = 4;
const ROUND: Duration = Duration::from_secs(ROUND_S as u64);
/// Newcomers to the quiet queue, a second.
const NEWCOMERS: usize = 250;
/// Requests of the flood, a second.
const FLOOD: usize = 1_000;
/// How many stand in the flooded queue when it is full.
const FULL: usize = 2_000;
/// Slips of those who find it full and ask again.
const TURNED_AWAY: usize = 4_000;
/// Each newcomer waits for the answer before that connection's next one comes.
const CONNECTIONS: usize = 50;
/// What P8 allows.
const BAR: f64 = 1.2;

pub(super) async fn run(options: &Options) -> Result<(), Failed> {
    let origin = origin::start().await?;
    let (_redis, store) = redis()?;
    let dir = tempfile::tempdir()?;
    let node = node(dir.path(), origin, store)?;
    let to = node.addr;
    // One who is called makes a line of all who come after.
    Connection::open(to).await?.ask(&get(&host(FLOODED), "/", "")).await?;
    Connection::open(to).await?.ask(&get(&host(QUIET), "/", "")).await?;
    let mut taken = Vec::new();
    for slip in slips(to, FLOODED, FULL).await? {
        taken.push(get(&host(FLOODED), &status(FLOODED), &slip));
    }
    ask_all(to, taken).await?;
    let refused: Arc<[Vec<u8>]> =
        slips(to, FLOODED, TURNED_AWAY).await?.iter().map(|slip| get(&host(FLOODED), &status(FLOODED), slip)).collect();
    let local: Arc<[Vec<u8>]> = Arc::new([get(&host(FLOODED), &status(FLOODED), "")]);

    say(format_args!(
        "\nNewcomers to one queue, {NEWCOMERS}/s, while {FLOOD}/s come to another that is full; one node, one Redis\n"
    ));
    say(format_args!("{:<44} {:>8} {:>8} {:>8}", "milliseconds until the number is there", "p50", "p99", "most"));
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=options.rounds {
        // Another one is first each time; the first round of all warms up.
        for arm in (0..3).map(|arm| (arm + round) % 3) {
            let flood = [None, Some(&local), Some(&refused)][arm];
            let measured = self::round(to, flood).await?;
            if round > 0 {
                rounds[arm].push(measured);
            }
        }
    }
    for (name, rounds) in ["alone", "beside requests answered locally", "beside the flood"].iter().zip(&rounds) {
        let mut all: Vec<_> = rounds.concat();
        all.sort_unstable();
        say(format_args!("{name:<44} {:>8.2} {:>8.2} {:>8.2}", at(&all, 0.5), at(&all, 0.99), at(&all, 1.0)));
    }
    let [alone, beside, flooded] = rounds.map(|rounds| rounds.iter().map(|round| at(round, 0.99)).collect::<Vec<_>>());
    let ratio = |over: &[f64], under: &[f64]| median(over.iter().zip(under).map(|(o, u)| o / u).collect());
    let (to_alone, to_beside) = (ratio(&flooded, &alone), ratio(&flooded, &beside));
    say(format_args!("\np99 beside the flood, median of {} paired rounds (bar: below {BAR})", options.rounds));
    say(format_args!("{:<44} {to_alone:>8.3}", "to that of newcomers alone"));
    say(format_args!("{:<44} {to_beside:>8.3}", "to that beside requests answered locally"));
    Ok(())
}

const QUIET: &str = "quiet";
const FLOODED: &str = "flooded";

/// A Redis of our own, without persistence: what it writes to disk would be measured too.
fn redis() -> Result<(Server, SocketAddr), Failed> {
    let addr = free_addr()?;
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &addr.port().to_string()]);
    let server = Server::start(command, addr).map_err(|error| format!("redis-server: {error}"))?;
    Ok((server, addr))
}

fn node(dir: &Path, origin: SocketAddr, store: SocketAddr) -> Result<Server, Failed> {
    std::fs::create_dir(dir.join("tenants"))?;
    std::fs::write(
        dir.join("sluice.toml"),
        format!(
            "[server]\nhttp = [\"127.0.0.1:0\"]\nadmin = false\nthreads = 2\n\n[store]\nurl = \"redis://{store}\"\n\n\
             [keys]\ncurrent = \"bench\"\nsecrets = {{ bench = {{ env = \"SLUICE_BENCH_KEY\" }} }}\n"
        ),
    )?;
    for (name, most) in [(QUIET, 1_000_000), (FLOODED, FULL)] {
        std::fs::write(
            dir.join(format!("tenants/{name}.toml")),
            format!(
                "name = \"{name}\"\nhosts = [\"{}\"]\n\n[origin]\nservers = [\"{origin}\"]\n\n[[queue]]\nname = \
                 \"{name}\"\nrelease_per_minute = 1\nmax_waiting = {most}\non_store_loss = \"hold\"\n",
                host(name)
            ),
        )?;
    }
    let mut command = Command::new(sibling("sluice")?);
    command.arg("run").arg("--config").arg(dir);
    // A key for this run only: measuring needs no secret.
    command.env("SLUICE_BENCH_KEY", BASE64_STANDARD.encode([7; 32])).env("RUST_LOG", "error");
    Server::start_and_listen(command)
}

fn host(tenant: &str) -> String {
    format!("{tenant}.example.com")
}

fn status(queue: &str) -> String {
    format!("/.sluice/status?queue={queue}")
}

/// One round: how long each newcomer waited, in microseconds, sorted.
async fn round(to: SocketAddr, flood: Option<&Arc<[Vec<u8>]>>) -> Result<Vec<u32>, Failed> {
    let slips = slips(to, QUIET, NEWCOMERS * ROUND_S).await?;
    let over = Arc::new(AtomicBool::new(false));
    let flooding = flood.map(|requests| tokio::spawn(pour(to, requests.clone(), over.clone())));
    let newcomers = slips.iter().map(|slip| get(&host(QUIET), &status(QUIET), slip)).collect();
    let mut waits = paced(to, newcomers).await?;
    over.store(true, Ordering::Relaxed);
    if let Some(flooding) = flooding {
        let poured = flooding.await??;
        let wanted = FLOOD * ROUND_S;
        if poured < wanted / 10 * 9 {
            return Err(format!("only {poured} of {wanted} requests of the flood were answered in time").into());
        }
    }
    waits.sort_unstable();
    Ok(waits)
}

/// Requests at a steady pace over all connections, each timed from when it should have been sent.
async fn paced(to: SocketAddr, requests: Vec<Vec<u8>>) -> Result<Vec<u32>, Failed> {
    let gap = ROUND.div_f64(requests.len() as f64);
    let requests = Arc::new(requests);
    let start = Instant::now() + Duration::from_millis(100);
    let mut connections = JoinSet::new();
    for first in 0..CONNECTIONS {
        let requests = requests.clone();
        connections.spawn(async move {
            let mut connection = Connection::open(to).await?;
            let mut waits = Vec::new();
            for (at, request) in requests.iter().enumerate().skip(first).step_by(CONNECTIONS) {
                let due = start + gap.mul_f64(at as f64);
                sleep_until(due).await;
                let answer = connection.ask(request).await?;
                if !answer.starts_with(b"HTTP/1.1 200") || cookie(answer, "sluice_ticket_quiet").is_none() {
                    return Err("a newcomer got no number".into());
                }
                waits.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok::<_, Failed>(waits)
        });
    }
    let mut all = Vec::new();
    while let Some(waits) = connections.join_next().await {
        all.extend(waits??);
    }
    Ok(all)
}

/// Requests at a steady pace, the same ones over and over, until it is over. How many were answered.
async fn pour(to: SocketAddr, requests: Arc<[Vec<u8>]>, over: Arc<AtomicBool>) -> Result<usize, Failed> {
    let answered = Arc::new(AtomicUsize::new(0));
    let gap = Duration::from_secs_f64(CONNECTIONS as f64 / FLOOD as f64);
    let mut connections = JoinSet::new();
    for first in 0..CONNECTIONS {
        let (requests, over, answered) = (requests.clone(), over.clone(), answered.clone());
        connections.spawn(async move {
            let mut connection = Connection::open(to).await?;
            let start = Instant::now() + gap.mul_f64(first as f64 / CONNECTIONS as f64);
            let mut at = first;
            for turn in 0.. {
                sleep_until(start + gap * turn).await;
                if over.load(Ordering::Relaxed) {
                    break;
                }
                connection.ask(&requests[at % requests.len()]).await?;
                answered.fetch_add(1, Ordering::Relaxed);
                at += CONNECTIONS;
            }
            Ok::<_, Failed>(())
        });
    }
    while let Some(done) = connections.join_next().await {
        done??;
    }
    Ok(answered.load(Ordering::Relaxed))
}

/// Slips of clients who have just come.
async fn slips(to: SocketAddr, queue: &str, count: usize) -> Result<Vec<String>, Failed> {
    let mut connection = Connection::open(to).await?;
    let mut slips = Vec::with_capacity(count);
    for _ in 0..count {
        let answer = connection.ask(&get(&host(queue), &status(queue), "")).await?;
        slips.push(cookie(answer, &format!("sluice_slip_{queue}")).ok_or("no slip was given")?);
    }
    Ok(slips)
}

/// Asks one after the other.
async fn ask_all(to: SocketAddr, requests: Vec<Vec<u8>>) -> Result<(), Failed> {
    let mut connection = Connection::open(to).await?;
    for request in requests {
        connection.ask(&request).await?;
    }
    Ok(())
}

/// A quantile, in milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
fn at(sorted: &[u32], quantile: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * quantile).round() as usize).map_or(f64::NAN, |&us| f64::from(us) / 1e3)
}
