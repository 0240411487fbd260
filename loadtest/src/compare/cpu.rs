//! CPU per request: the same load on each server in turn, round after round, so that whatever else the machine does
//! meets all of them.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::task::JoinSet;

use super::{
    Load, in_turn,
    peers::Peer,
    work::{Expect, Job},
};
use crate::{
    Failed,
    bench::median,
    client::Target,
    kit::{console::complain, drive::Connection},
};

/// What a kind of work costs everybody.
#[derive(Debug, Serialize)]
pub(super) struct Costs {
    #[serde(flatten)]
    pub(super) job: Job,
    pub(super) servers: Vec<Cost>,
}

/// What it costs one: medians of all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) name: &'static str,
    /// CPU of its processes per request.
    pub(super) us: f64,
    /// CPU of its Redis per request, if it uses one.
    pub(super) redis_us: Option<f64>,
    /// To bare pingora in the same round; without Redis.
    pub(super) to_bare: f64,
    /// Each round, as it was measured.
    pub(super) rounds_us: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    us: f64,
    redis_us: Option<f64>,
}

pub(super) async fn measure(job: Job, peers: &mut [Peer], load: Load) -> Result<Costs, Failed> {
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); peers.len()];
    // The first round warms up.
    for number in 0..=load.rounds {
        complain(format_args!("{}: round {number} of {}", job.title(), load.rounds));
        for at in in_turn(number, peers.len()) {
            let (peer, rounds) = (&mut peers[at], &mut rounds[at]);
            let measured = round(job, peer, load).await?;
            if number > 0 {
                rounds.push(measured);
            }
        }
    }
    let bare: Vec<f64> = rounds.get(1).into_iter().flatten().map(|round| round.us).collect();
    let servers = peers.iter().zip(&rounds).map(|(peer, rounds)| cost(peer.name, rounds, &bare)).collect();
    Ok(Costs { job, servers })
}

fn cost(name: &'static str, rounds: &[Round], bare: &[f64]) -> Cost {
    let redis: Vec<f64> = rounds.iter().filter_map(|round| round.redis_us).collect();
    Cost {
        name,
        us: median(rounds.iter().map(|round| round.us).collect()),
        redis_us: (!redis.is_empty()).then(|| median(redis)),
        to_bare: median(rounds.iter().zip(bare).map(|(round, bare)| round.us / bare).collect()),
        rounds_us: rounds.iter().map(|round| round.us).collect(),
    }
}

async fn round(job: Job, peer: &mut Peer, load: Load) -> Result<Round, Failed> {
    let requests = peer.prepare(job).await?;
    let task = peer.tasks.get(&job).ok_or("nothing to do")?;
    let used = || -> Result<(Duration, Option<Duration>), Failed> {
        Ok((task.server.cpu()?, peer.redis.as_ref().map(|redis| redis.cpu()).transpose()?))
    };
    let before = used()?;
    pour(&task.to, &requests, &task.expect, load)
        .await
        .map_err(|error| format!("{}, {}: {error}", peer.name, job.title()))?;
    let after = used()?;
    let each_us = |time: Duration| time.as_secs_f64() * 1e6 / load.requests as f64;
    let redis_us = after.1.zip(before.1).map(|(after, before)| each_us(after - before));
    Ok(Round { us: each_us(after.0 - before.0), redis_us })
}

/// All requests as fast as they are answered, over kept connections; each visitor has one, or a stream of a few.
async fn pour(to: &Target, requests: &[Arc<[u8]>], expect: &Expect, load: Load) -> Result<(), Failed> {
    let mut workers = JoinSet::new();
    let lanes = Connection::lanes(to, load.connections).await?;
    for (at, (mut connection, request)) in lanes.into_iter().zip(requests.iter().cycle()).enumerate() {
        let (request, expect) = (request.clone(), expect.clone());
        // Together exactly as many as the CPU is divided by.
        let count = load.requests / load.connections + usize::from(at < load.requests % load.connections);
        workers.spawn(async move {
            for _ in 0..count {
                expect.check(connection.ask(&request).await?)?;
            }
            Ok::<_, Failed>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let round = |us| Round { us, redis_us: Some(us / 10.0) };
        // The machine was slow in the second round: both were.
        let cost = cost("it", &[round(10.0), round(30.0), round(12.0)], &[10.0, 20.0, 10.0]);
        assert!((cost.us - 12.0).abs() < 1e-9);
        assert!((cost.redis_us.unwrap() - 1.2).abs() < 1e-9);
        assert!((cost.to_bare - 1.2).abs() < 1e-9);
    }
}
