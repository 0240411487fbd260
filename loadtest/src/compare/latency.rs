//! Latency at a fixed rate: every request has its time, and is late from then on, whoever is to blame.
//!
//! The rate is that at which Sluice, with the generator and the origin beside it, takes half of this machine's CPU, and the
//! same for all. Who may have felt that the machine itself stood still is set aside, at every server.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread::{available_parallelism, sleep},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rustix::{param::clock_ticks_per_second, thread::set_current_timer_slack};
use serde::Serialize;

use super::{
    Load, in_turn,
    peers::Peer,
    work::{Expect, Job, Work},
};
use crate::{
    Failed,
    bench::median,
    kit::{
        console::complain,
        drive::{ANSWER_BYTES_MAX, answer_length},
        stalls::{Meter, Stalls, TIMER_SLACK_NS},
    },
};

/// What is measured.
const INSIDE: Job = Job::plain(Work::Admitted);
/// Trials that find the rate, after a first one.
const TRIALS: usize = 5;
const FIRST_TRIAL_RATE: f64 = 4_000.0;
const PANICKED: &str = "a connection's thread panicked";
/// How long one round is: short, so that servers that are compared are measured close to each other in time.
const ROUND: Duration = Duration::from_secs(1);
/// So many rounds for each one of CPU.
const ROUNDS_EACH: usize = 3;
/// A request that takes longer than this is an error.
const LONGEST: Duration = Duration::from_secs(10);
/// Until all connections stand.
const LEAD: Duration = Duration::from_millis(200);
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    /// Requests a second.
    pub(super) rate: f64,
    /// Whether that is half of what Sluice can do, or was asked for.
    pub(super) half_load: bool,
    pub(super) rounds: usize,
    /// Why stalls of the machine itself could not be told apart, if so.
    pub(super) stalls_unknown: Option<String>,
    pub(super) servers: Vec<Quantiles>,
}

/// Medians over all rounds, in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Quantiles {
    pub(super) name: &'static str,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// p99 minus that of bare pingora in the same round.
    pub(super) added_p99_us: f64,
    /// How late the generator sent, p99: its own part in the above.
    pub(super) sent_late_p99_us: f64,
    /// The share of all requests that is not counted above, since the machine itself stood still.
    pub(super) set_aside: f64,
    /// Of which rounds more than half would have been set aside, so that they count whole.
    pub(super) rounds_disturbed: Vec<usize>,
    /// p99 of each round.
    pub(super) rounds_p99_us: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    p50_us: f64,
    p99_us: f64,
    late_us: f64,
    asked: u64,
    set_aside: u64,
    /// More than half would have been set aside, so nobody was.
    disturbed: bool,
}

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Requests a second.
    rate: f64,
    connections: usize,
    lasts: Duration,
    /// Whether stalls of the machine itself are looked for.
    looks_for_stalls: bool,
}

pub(super) async fn measure(peers: &mut [Peer], load: Load, rate: Option<f64>) -> Result<Latency, Failed> {
    let half_load = rate.is_none();
    let rate = match (rate, peers.first_mut()) {
        (Some(rate), _) => rate,
        (None, Some(sluice)) => half_of_what_it_can(sluice, load).await?,
        (None, None) => return Err("nobody is there to be measured".into()),
    };
    let stalls_unknown = Meter::start().map(Meter::end).err().map(|error| error.to_string());
    let pace = Pace { rate, connections: load.connections, lasts: ROUND, looks_for_stalls: stalls_unknown.is_none() };
    let all_rounds = load.rounds * ROUNDS_EACH;
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); peers.len()];
    for number in 0..=all_rounds {
        complain(format_args!("latency at {rate:.0}/s: round {number} of {all_rounds}"));
        for at in in_turn(number, peers.len()) {
            let (peer, rounds) = (&mut peers[at], &mut rounds[at]);
            let (measured, _) = round(peer, pace).await.map_err(|error| format!("{}: {error}", peer.name))?;
            if number > 0 {
                rounds.push(measured);
            }
        }
    }
    let bare: Vec<f64> = rounds.get(1).into_iter().flatten().map(|round| round.p99_us).collect();
    let servers = peers.iter().zip(&rounds).map(|(peer, rounds)| quantiles(peer.name, rounds, &bare)).collect();
    Ok(Latency { rate, half_load, rounds: all_rounds, stalls_unknown, servers })
}

/// One round, and the CPU that the server, the generator and the origin took for it.
async fn round(peer: &mut Peer, pace: Pace) -> Result<(Round, Duration), Failed> {
    let requests = peer.prepare(INSIDE).await?;
    let task = peer.tasks.get(&INSIDE).ok_or("nothing to do")?;
    let (to, expect) = (task.server.addr, task.expect.clone());
    let before = task.server.cpu()? + own_cpu()?;
    let round = tokio::task::spawn_blocking(move || paced(to, &requests, &expect, pace)).await??;
    Ok((round, task.server.cpu()? + own_cpu()? - before))
}

/// The rate at which Sluice, generator and origin together take half of all cores' time. Paced requests cost more than
/// those of a closed loop, in which everybody finds several at a time; so the cost is measured paced, and the rate of the
/// first trial, which is low, is put right by the others.
async fn half_of_what_it_can(sluice: &mut Peer, load: Load) -> Result<f64, Failed> {
    let half = available_parallelism()?.get() as f64 / 2.0;
    let mut rate = FIRST_TRIAL_RATE;
    let mut rates = Vec::new();
    for trial in 0..=TRIALS {
        let pace = Pace { rate, connections: load.connections, lasts: ROUND, looks_for_stalls: false };
        let (round, used) = round(sluice, pace).await?;
        rate = half / (used.as_secs_f64() / round.asked as f64);
        if trial > 0 {
            rates.push(rate);
        }
    }
    Ok((median(rates) / 100.0).round() * 100.0)
}

/// CPU of this process, threads that have ended included: generator and origin.
fn own_cpu() -> Result<Duration, Failed> {
    let ticks = used_ticks(&std::fs::read_to_string("/proc/self/stat")?).ok_or("a strange /proc/self/stat")?;
    Ok(Duration::from_secs(1) * ticks / u32::try_from(clock_ticks_per_second())?)
}

/// `utime` and `stime` of proc(5).
fn used_ticks(stat: &str) -> Option<u32> {
    // The name before them is in brackets and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut ticks = after_name.split_whitespace().skip(11).map(str::parse::<u32>);
    Some(ticks.next()?.ok()? + ticks.next()?.ok()?)
}

fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let tcp = TcpStream::connect(to)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(LONGEST))?;
    Ok(tcp)
}

fn quantiles(name: &'static str, rounds: &[Round], bare: &[f64]) -> Quantiles {
    let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let sum = |value: fn(&Round) -> u64| rounds.iter().map(value).sum::<u64>() as f64;
    Quantiles {
        name,
        p50_us: of(|round| round.p50_us),
        p99_us: of(|round| round.p99_us),
        added_p99_us: median(rounds.iter().zip(bare).map(|(round, bare)| round.p99_us - bare).collect()),
        sent_late_p99_us: of(|round| round.late_us),
        set_aside: sum(|round| round.set_aside) / sum(|round| round.asked),
        rounds_disturbed: rounds.iter().enumerate().filter(|(_, round)| round.disturbed).map(|(at, _)| at).collect(),
        rounds_p99_us: rounds.iter().map(|round| round.p99_us).collect(),
    }
}

/// One round. A thread for each connection, since timers of an event loop are good to a millisecond only.
fn paced(to: SocketAddr, requests: &[Arc<[u8]>], expect: &Expect, pace: Pace) -> Result<Round, Failed> {
    let meter = if pace.looks_for_stalls { Some(Meter::start()?) } else { None };
    let start = Instant::now() + LEAD;
    let end = start + pace.lasts;
    let mut asked = Vec::new();
    let mut late = new_histogram()?;
    std::thread::scope(|scope| {
        let lanes: Vec<_> = requests
            .iter()
            .cycle()
            .take(pace.connections)
            .enumerate()
            .map(|(first, request)| {
                let gap = Duration::from_secs_f64(pace.connections as f64 / pace.rate);
                let begin = start + gap.mul_f64(first as f64 / pace.connections as f64);
                scope.spawn(move || lane(to, request, expect, begin, gap, end))
            })
            .collect();
        for lane in lanes {
            let (waits, sent_late) = lane.join().map_err(|_| PANICKED)??;
            asked.extend(waits);
            late.add(sent_late)?;
        }
        Ok::<_, Failed>(())
    })?;
    let stalls = meter.map(Meter::end).unwrap_or_default();
    let mut counted = waits(&asked, &stalls)?;
    let disturbed = counted.len() * 2 < asked.len() as u64;
    if disturbed {
        counted = waits(&asked, &Stalls::default())?;
    }
    let us = |ns: u64| ns as f64 / 1e3;
    Ok(Round {
        disturbed,
        asked: asked.len() as u64,
        set_aside: asked.len() as u64 - counted.len(),
        p50_us: us(counted.value_at_quantile(0.5)),
        p99_us: us(counted.value_at_quantile(0.99)),
        late_us: us(late.value_at_quantile(0.99)),
    })
}

/// How long they waited whom no stall touched.
fn waits(asked: &[Asked], stalls: &Stalls) -> Result<Histogram<u64>, Failed> {
    let mut waits = new_histogram()?;
    for asked in asked.iter().filter(|asked| !stalls.touch(asked.due, asked.due + asked.wait)) {
        waits.record(nanoseconds(asked.wait)).map_err(|_| "a request took longer than ten seconds")?;
    }
    Ok(waits)
}

fn new_histogram() -> Result<Histogram<u64>, Failed> {
    Ok(Histogram::new_with_bounds(1_000, nanoseconds(LONGEST), 3)?)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
struct Asked {
    due: Instant,
    /// From when it was due until its answer was there.
    wait: Duration,
}

/// What one connection measured: its requests, and how late each was sent if nothing was before it.
fn lane(
    to: SocketAddr,
    request: &[u8],
    expect: &Expect,
    begin: Instant,
    gap: Duration,
    end: Instant,
) -> Result<(Vec<Asked>, Histogram<u64>), Failed> {
    set_current_timer_slack(Some(TIMER_SLACK_NS))?;
    let mut tcp = connect(to)?;
    let mut asked = Vec::new();
    let mut late = new_histogram()?;
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    let mut due = begin;
    while due < end {
        let now = Instant::now();
        if now < due {
            sleep(due - now);
            late.record(nanoseconds(due.elapsed()))?;
        }
        let answer = ask(&mut tcp, &mut buffer, request)?;
        let wait = due.elapsed();
        expect.check(answer)?;
        asked.push(Asked { due, wait });
        due += gap;
    }
    Ok((asked, late))
}

fn ask<'a>(tcp: &mut TcpStream, buffer: &'a mut [u8], request: &[u8]) -> Result<&'a [u8], Failed> {
    tcp.write_all(request)?;
    let mut filled = 0;
    loop {
        match tcp.read(&mut buffer[filled..])? {
            0 => return Err("the connection was closed, or the answer is too long".into()),
            read => filled += read,
        }
        if answer_length(&buffer[..filled]).is_some_and(|length| filled >= length) {
            return Ok(&buffer[..filled]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpListener;

    use super::*;

    /// Answers everything; nothing at all for this long at first.
    fn server_that_stalls(stall: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            let mut buffer = [0; 1_024];
            let mut stall = stall;
            while tcp.read(&mut buffer).is_ok_and(|read| read > 0) {
                sleep(std::mem::take(&mut stall));
                tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
            }
        });
        addr
    }

    fn pace(lasts_ms: u64) -> Pace {
        let lasts = Duration::from_millis(lasts_ms);
        Pace { rate: 1_000.0, connections: 1, lasts, looks_for_stalls: false }
    }

    #[test]
    fn a_stall_is_felt_by_everybody_who_would_have_come_meanwhile() {
        let stall = Duration::from_millis(200);
        let to = server_that_stalls(stall);
        let request: Arc<[u8]> = b"GET / HTTP/1.1\r\n\r\n".to_vec().into();
        let round = paced(to, &[request], &Expect::new(200, "hi"), pace(300)).unwrap();
        // Two thirds came during the stall, though one request alone was under way.
        assert!(round.p50_us > 20_000.0, "{round:?}");
        assert!(round.p99_us > 150_000.0, "{round:?}");
    }

    #[test]
    fn another_answer_is_an_error() {
        let to = server_that_stalls(Duration::ZERO);
        let request: Arc<[u8]> = b"GET / HTTP/1.1\r\n\r\n".to_vec().into();
        let expect = Expect::new(503, "hi");
        assert!(paced(to, &[request], &expect, pace(10)).is_err());
    }

    #[test]
    fn what_is_added_is_of_the_same_round() {
        let round =
            |p99_us| Round { p50_us: 1.0, p99_us, late_us: 0.0, asked: 4, set_aside: 1, disturbed: p99_us > 500.0 };
        let quantiles = quantiles("it", &[round(150.0), round(900.0), round(120.0)], &[100.0, 850.0, 100.0]);
        assert!((quantiles.p99_us - 150.0).abs() < 1e-9);
        assert!((quantiles.added_p99_us - 50.0).abs() < 1e-9);
        assert!((quantiles.set_aside - 0.25).abs() < 1e-9);
        assert_eq!(quantiles.rounds_disturbed, [1]);
    }
}
