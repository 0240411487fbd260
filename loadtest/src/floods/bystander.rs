//! Visitors of another site of the same node, who do nothing but what visitors do: what they feel.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Request;
use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::scene::Scene;
use crate::{
    Failed,
    attack::{
        origin::HOME,
        people::browser::{Browser, Errand},
    },
    client::{Connection, Protocol, Target, Trouble},
    kit::stalls::Meter,
};

/// Visitors who keep their connection, and who open one for each request; half of each speaks HTTP/2.
const KEEP: usize = 12;
const COME_ANEW: usize = 4;
/// Each asks so often: 400 requests a second.
const EVERY: Duration = Duration::from_millis(40);
/// No answer within this is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Who is inside already, and asks for pages.
pub(super) struct Bystanders {
    visitors: Vec<Visitor>,
}

#[derive(Clone)]
struct Visitor {
    to: Target,
    request: Request<()>,
    keeps: bool,
}

/// What they felt.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Felt {
    /// On connections that were kept, and on new ones, the handshake included.
    pub(super) kept: Latency,
    pub(super) anew: Latency,
    /// Requests without the right answer, and what came of the first one.
    pub(super) failed: u64,
    pub(super) first_failure: Option<String>,
}

/// In milliseconds, from when a request was due to when its answer was whole.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Latency {
    pub(super) count: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) most_ms: f64,
}

impl Felt {
    /// The worse of two times.
    pub(super) fn worse(&self, other: &Self) -> Self {
        let worse = |one: Latency, other: Latency| if one.p99_ms > other.p99_ms { one } else { other };
        Self {
            kept: worse(self.kept, other.kept),
            anew: worse(self.anew, other.anew),
            failed: self.failed + other.failed,
            first_failure: self.first_failure.clone().or_else(|| other.first_failure.clone()),
        }
    }
}

/// A request that was answered.
#[derive(Clone, Copy)]
struct Asked {
    due: Instant,
    wait: Duration,
    kept: bool,
}

impl Bystanders {
    pub(super) async fn prepare(scene: &Scene) -> Result<Self, Failed> {
        let targets = [scene.beside(Protocol::Http1Tls)?, scene.beside(Protocol::Http2Tls)?];
        let mut visitors = Vec::new();
        for number in 0..KEEP + COME_ANEW {
            let to = targets[number % 2].clone();
            let mut browser = Browser::new(format!("v{number}"), true);
            let page = |browser: &Browser| browser.request(Errand::Page(HOME)).ok_or("a request that is none");
            let answer = ask(&to, &page(&browser)?).await?;
            if answer != 200 {
                return Err(format!("a bystander got {answer}").into());
            }
            // The pass that comes with the first page is good for half a minute; the one that it is exchanged for lasts.
            let mut connection = Connection::open(&to.way, to.addr, None).await?;
            for _ in 0..2 {
                let request = connection.ready(&page(&browser)?)?;
                browser.take_in(&connection.send(request).await?);
            }
            visitors.push(Visitor { to, request: page(&browser)?, keeps: number < KEEP });
        }
        Ok(Self { visitors })
    }

    /// What they feel until this is over, and what came of it. Who may have felt that the machine itself stood still is
    /// left out, where stalls can be seen.
    pub(super) async fn during<T>(&self, what: impl Future<Output = T>) -> Result<(T, Felt), Failed> {
        let meter = Meter::start().ok();
        let over = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let mut asking = JoinSet::new();
        for (number, visitor) in self.visitors.iter().enumerate() {
            let first = start + EVERY.mul_f64(number as f64 / self.visitors.len() as f64);
            asking.spawn(asks(visitor.clone(), first, over.clone()));
        }
        let came = what.await;
        over.store(true, Relaxed);
        let mut all = Vec::new();
        let mut felt = Felt::default();
        while let Some(done) = asking.join_next().await {
            let (asked, failures) = done?;
            all.extend(asked);
            felt.failed += failures.len() as u64;
            felt.first_failure = felt.first_failure.or_else(|| failures.first().map(ToString::to_string));
        }
        if let Some(stalls) = meter.map(Meter::end) {
            all.retain(|asked| !stalls.touch(asked.due.into(), (asked.due + asked.wait).into()));
        }
        let waits = |kept| all.iter().filter(|asked| asked.kept == kept).map(|asked| asked.wait).collect();
        felt.kept = Latency::of(waits(true));
        felt.anew = Latency::of(waits(false));
        Ok((came, felt))
    }
}

/// Asks at its times, however late the answers are, until it is over.
async fn asks(visitor: Visitor, first: Instant, over: Arc<AtomicBool>) -> (Vec<Asked>, Vec<String>) {
    let (mut asked, mut failures) = (Vec::new(), Vec::new());
    let mut connection = None;
    let mut due = first;
    while !over.load(Relaxed) {
        sleep_until(due).await;
        let answer = timeout(ANSWER_WITHIN, ask_on(&visitor, &mut connection)).await;
        let wait = due.elapsed();
        match answer {
            Ok(Ok(200)) => asked.push(Asked { due, wait, kept: visitor.keeps }),
            Ok(Ok(status)) => failures.push(format!("status {status}")),
            Ok(Err(ref trouble)) => failures.push(trouble.to_string()),
            Err(_) => failures.push(Trouble::Silence(ANSWER_WITHIN.as_secs()).to_string()),
        }
        if !visitor.keeps || answer.is_err() {
            connection = None;
        }
        due += EVERY;
    }
    (asked, failures)
}

async fn ask_on(visitor: &Visitor, kept: &mut Option<Connection>) -> Result<u16, Trouble> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(&visitor.to.way, visitor.to.addr, None).await?,
    };
    let request = connection.ready(&visitor.request)?;
    let answer = connection.send(request).await?;
    *kept = Some(connection);
    Ok(answer.status)
}

async fn ask(to: &Target, request: &Request<()>) -> Result<u16, Trouble> {
    let mut connection = Connection::open(&to.way, to.addr, None).await?;
    let request = connection.ready(request)?;
    Ok(connection.send(request).await?.status)
}

impl Latency {
    fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        let ms = |wait: Option<&Duration>| wait.map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3);
        let at = |hundredths: usize| ms(waits.get((waits.len() * hundredths / 100).min(waits.len().saturating_sub(1))));
        Self { count: waits.len(), p50_ms: at(50), p99_ms: at(99), most_ms: ms(waits.last()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_who_waited() {
        let latency = Latency::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!((latency.count, latency.p50_ms, latency.p99_ms, latency.most_ms), (200, 101.0, 199.0, 200.0));
        assert!(Latency::of(Vec::new()).p99_ms.is_nan());
    }
}
