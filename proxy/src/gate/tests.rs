//! The gate before a real line, on a paused clock: who gets in, who is told what, and who costs the line a question.
#![allow(clippy::unwrap_used)]

mod carried_over;
mod elsewhere;
mod inside;
mod lanes;
mod modes;
mod moving;
mod shared;
mod trickle;
mod waiting;

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::header;
use prometheus::IntCounter;
use sluice_admission::usher::View;
use sluice_admission::{
    line::{Batch, Change, Lookup, Minute, Outcome, Override, Summary},
    store::{Embedded, Store, StoreError},
    token::Keyring,
};
use sluice_config::{HostPattern, Keys, Mode, Name, OnStoreLoss, Origin, Secret};
use tokio::time::{Instant, sleep};

use super::*;

const START_MS: u64 = 1_700_000_000_000;
/// Longer than the usher takes to bring anything to the line.
const SETTLES_WITHIN: Duration = Duration::from_millis(1_200);

/// The embedded store behind a switch, with a record of what it was told and asked.
struct Watched {
    inner: Embedded,
    away: AtomicBool,
    silent: AtomicBool,
    batches: Mutex<Vec<Batch>>,
}

impl Store for Watched {
    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        if self.silent.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Away("switched off".into()));
        }
        self.batches.lock().unwrap().push(batch.clone());
        self.inner.sync(line, rules, batch).await
    }

    async fn counts(&self, line: &LineId, since_minute: u64) -> Result<Vec<Minute>, StoreError> {
        self.inner.counts(line, since_minute).await
    }

    async fn find(&self, line: &LineId, number: u64) -> Result<Option<Lookup>, StoreError> {
        self.inner.find(line, number).await
    }
}

/// A gate, and the line behind it.
struct World {
    gate: Gate,
    store: Arc<Watched>,
    tokens_refused: IntCounter,
    _dir: tempfile::TempDir,
}

/// One a second, and no more than one at once.
fn queue() -> Queue {
    Queue {
        burst: NonZeroU32::MIN,
        max_waiting: NonZeroU32::new(100).unwrap(),
        claim_within: Duration::from_secs(60),
        return_within: Duration::from_secs(600),
        ..Queue::new(Name::new("sale").unwrap(), NonZeroU32::new(60).unwrap())
    }
}

fn tenant() -> Tenant {
    Tenant::new(Name::new("shop").unwrap(), Origin::new(Vec::new()))
}

fn gate(queue: Queue, usher: Arc<Usher>, counts: Arc<Counts>) -> Gate {
    let secrets = [("test".to_owned(), Secret::new([7; 32]))].into();
    let keyring = Keyring::new(&Keys { current: "test".into(), secrets }).unwrap();
    let tenant = tenant();
    let keys = keyring.mint_keys(&tenant.name, &queue.name);
    Gate::new(&tenant, Arc::new(queue), usher, keys, counts)
}

impl World {
    /// A line in which nobody has been yet.
    async fn new(queue: Queue) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let clock = move || START_MS + u64::try_from(start.elapsed().as_millis()).unwrap();
        let inner = Embedded::with_clock(dir.path(), clock).unwrap();
        let [away, silent] = [AtomicBool::new(false), AtomicBool::new(false)];
        let store = Arc::new(Watched { inner, away, silent, batches: Mutex::default() });
        let line = Gate::line_of(&Name::new("shop").unwrap(), &queue);
        let usher = Usher::start(line, Rules::of(&queue), store.clone(), START_MS);
        usher.heard().await;
        let tokens_refused = IntCounter::new("refused", "refused").unwrap();
        let counts = Counts::new(|_, _| tokens_refused.clone());
        Self { gate: gate(queue, usher, Arc::new(counts)), store, tokens_refused, _dir: dir }
    }

    /// A line with one visitor inside, and so many with a number behind.
    async fn with_a_line_of(waiting: usize, queue: Queue) -> (Self, Visitor, Vec<Visitor>) {
        let world = Self::new(queue).await;
        let first = Visitor::inside(&world, 1).await;
        let mut line = Vec::new();
        for number in 2..2 + waiting as u64 {
            let mut visitor = Visitor::default();
            // One request for the slip, one for the number.
            visitor.enters(&world).await.unwrap_err();
            assert_eq!(visitor.enters(&world).await.unwrap_err().number, Some(number));
            line.push(visitor);
        }
        (world, first, line)
    }

    /// A reload that changes the mode.
    async fn in_mode(self, mode: Mode) -> Self {
        let queue = Queue { mode, ..Queue::clone(&self.gate.queue) };
        self.gate.usher.set_rules(Rules::of(&queue));
        sleep(SETTLES_WITHIN).await;
        Self { gate: gate(queue, self.gate.usher.clone(), self.gate.counts.clone()), ..self }
    }

    async fn store_goes_away(&self) {
        self.store.away.store(true, Ordering::SeqCst);
        self.until(|view| !view.store_answers).await;
    }

    async fn store_comes_back(&self) {
        self.store.away.store(false, Ordering::SeqCst);
        self.until(|view| view.store_answers).await;
    }

    async fn until(&self, holds: impl Fn(&View) -> bool) {
        let start = Instant::now();
        while !holds(&self.gate.usher.view()) {
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", self.gate.usher.view());
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn summary(&self) -> Summary {
        self.gate.usher.view().summary.clone()
    }

    /// How many questions the line was asked so far.
    fn questions(&self) -> usize {
        self.store.batches.lock().unwrap().iter().map(|batch| batch.newcomers.len() + batch.asks.len()).sum()
    }

    /// Numbers that the line was told of, by what it was told.
    fn told(&self, of: impl Fn(&Batch) -> Vec<u64>) -> Vec<u64> {
        self.store.batches.lock().unwrap().iter().flat_map(of).collect()
    }

    /// Whatever happens meanwhile asks the line nothing, and takes none of the clock.
    async fn asks_nobody<T>(&self, what: impl Future<Output = T>) -> T {
        let (questions, issued) = (self.questions(), self.summary().lanes[0].issued);
        let start = Instant::now();
        let result = what.await;
        assert_eq!(start.elapsed(), Duration::ZERO, "waited for something");
        sleep(SETTLES_WITHIN).await;
        assert_eq!((self.questions(), self.summary().lanes[0].issued), (questions, issued), "the line was asked");
        result
    }
}

/// A browser: it keeps the cookies that it is given.
#[derive(Clone, Debug, Default, PartialEq)]
struct Visitor {
    cookies: BTreeMap<String, String>,
    secure: bool,
    domain: Option<usize>,
    hidden: bool,
    /// What a trusted proxy says.
    lane: Option<&'static str>,
}

impl Visitor {
    fn headers(&self) -> HeaderMap {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = HeaderMap::new();
        if !pairs.is_empty() {
            headers.insert(header::COOKIE, HeaderValue::try_from(pairs.join("; ")).unwrap());
        }
        headers
    }

    fn take_in(&mut self, decision: &Decision) {
        for (name, value) in &decision.handed_out {
            assert_eq!(name, header::SET_COOKIE);
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            match pair.split_once('=').unwrap() {
                (name, "") => drop(self.cookies.remove(name)),
                (name, value) => drop(self.cookies.insert(name.into(), value.into())),
            }
        }
    }

    fn recipient(&self) -> Recipient {
        Recipient { secure: self.secure, app: false, domain: self.domain }
    }

    async fn asks(&mut self, world: &World, errand: Errand) -> Decision {
        self.made_to_ask(world, errand, Initiator::Own).await
    }

    async fn made_to_ask(&mut self, world: &World, errand: Errand, initiator: Initiator) -> Decision {
        let headers = self.headers();
        let request = Request {
            headers: &headers,
            recipient: self.recipient(),
            errand,
            initiator,
            hidden: self.hidden,
            lane: lane::Named { by_proxy: self.lane.map(str::as_bytes), by_rule: None },
        };
        let decision = world.gate.decide_at(request, None).await;
        self.take_in(&decision);
        decision
    }

    /// A visitor who walks in, and whose pass has come back: the seat is kept for a visit.
    async fn inside(world: &World, number: u64) -> Self {
        let mut visitor = Self::default();
        assert_eq!(visitor.enters(world).await, Ok(number));
        assert_eq!(visitor.enters(world).await, Ok(number));
        visitor
    }

    /// A page load: the number inside, or where the visitor stands.
    async fn enters(&mut self, world: &World) -> Result<u64, Standing> {
        let decision = self.asks(world, Errand::Enter).await;
        decision.parked.map_or_else(|| Ok(decision.inside.unwrap().number), Err)
    }

    async fn polls(&mut self, world: &World) -> Standing {
        self.asks(world, Errand::Status).await.parked.unwrap()
    }

    fn leaves(&mut self, world: &World, keep_place: bool) {
        let headers = self.headers();
        let (errand, initiator) = (Errand::Status, Initiator::Own);
        let request = Request {
            headers: &headers,
            recipient: self.recipient(),
            errand,
            initiator,
            hidden: self.hidden,
            lane: lane::Named { by_proxy: self.lane.map(str::as_bytes), by_rule: None },
        };
        let decision = world.gate.leave(request, keep_place);
        assert_eq!(decision.parked, None);
        self.take_in(&decision);
    }

    /// Which tokens the visitor holds.
    fn holds(&self) -> Vec<&str> {
        self.cookies.keys().map(|name| name.strip_prefix("sluice_").unwrap().strip_suffix("_sale").unwrap()).collect()
    }
}
