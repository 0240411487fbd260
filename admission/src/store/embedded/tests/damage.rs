//! Journals that are not what was written.

use std::{collections::HashSet, sync::atomic::AtomicU64};

use proptest::prelude::*;

use super::*;
use crate::{
    line::{Ask, KnownLane, PerLane, Verdict},
    usher::memory::Memory,
};

/// What was promised, by what visitors were told: numbers by slip, and calls by time.
#[derive(Default)]
struct Told {
    numbers: HashSet<u64>,
    slips: HashSet<u64>,
    calls: Vec<(u64, u32)>,
}

impl Told {
    fn of(&mut self, now_ms: u64, batch: &Batch, outcome: &Outcome) {
        for (newcomer, &(number, verdict)) in batch.newcomers.iter().zip(&outcome.newcomers) {
            if verdict != Verdict::Refused && self.slips.insert(newcomer.id) {
                assert!(self.numbers.insert(number), "number {number} was given twice");
            }
        }
        self.calls.push((now_ms, outcome.called));
    }

    fn most_in_a_minute(&self) -> u32 {
        let minute = |from: u64| self.calls.iter().filter(move |call| (from..from + 60_000).contains(&call.0));
        self.calls.iter().map(|&(from, _)| minute(from).map(|call| call.1).sum()).max().unwrap_or(0)
    }
}

/// A node with its line: what it is told, and what it remembers.
struct Node {
    clock: Arc<AtomicU64>,
    store: Arc<Embedded>,
    memory: Memory,
    summary: Summary,
    told: Told,
    next_id: u64,
}

impl Node {
    fn new(dir: &Path) -> Self {
        let clock = Arc::new(AtomicU64::new(START_MS));
        let store = opened(dir, &clock);
        let (memory, summary, told) = Default::default();
        Self { clock, store, memory, summary, told, next_id: 0 }
    }

    /// One step: so many newcomers come, everybody is there, and one enters.
    async fn step(&mut self, newcomers: u64) -> Result<(), StoreError> {
        let mut batch = join(self.next_id..self.next_id + newcomers);
        self.next_id += newcomers;
        batch.seen = self.told.numbers.iter().map(|&number| Seen { number, hold_ms: 20_000 }).collect();
        batch.asks.extend(self.told.numbers.iter().min().map(|&number| Ask { number, hold_ms: 4_000, enter: true }));
        let now_ms = self.clock.load(Ordering::SeqCst);
        self.memory.stamp(&mut batch, &self.summary, now_ms);
        let outcome = self.store.sync(&line("a"), &rules(), &batch).await?;
        self.told.of(now_ms, &batch, &outcome);
        self.memory.learn(&rules(), &batch, &outcome);
        self.summary = outcome.summary;
        Ok(())
    }

    /// Ends, and begins again over what has become of its files.
    fn begin_again(self, dir: &Path, damage: impl FnOnce(&Path), remembers: bool) -> Self {
        let Self { clock, store, memory, summary, told, next_id } = self;
        drop(store);
        damage(&dir.join("shop.a.1.journal"));
        let memory = if remembers { Memory::recall(memory.all(&summary)) } else { Memory::default() };
        Self { store: opened(dir, &clock), clock, memory, summary: Summary::default(), told, next_id }
    }
}

fn opened(dir: &Path, clock: &Arc<AtomicU64>) -> Arc<Embedded> {
    let clock = clock.clone();
    Arc::new(Embedded::with_clock(dir, move || clock.load(Ordering::SeqCst)).unwrap())
}

/// How a journal is damaged; places are parts of its length.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip { place: f64, bit: u8 },
    Cut { place: f64 },
    Repeat { record: f64 },
    Remove { record: f64 },
    Zeros { place: f64, bytes: usize },
}

impl Damage {
    fn to(self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        let len = bytes.len();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let at = |place: f64| ((len as f64 * place) as usize).min(len - 1);
        let record = |bytes: &[u8], place: f64| {
            let (mut from, mut next) = (0, 0);
            while let frame::Frame::Whole { next: end, .. } = frame::at(bytes, next) {
                (from, next) = (next, end);
                if next > at(place) {
                    break;
                }
            }
            from..next
        };
        match self {
            Self::Flip { place, bit } => bytes[at(place)] ^= 1 << bit,
            Self::Cut { place } => bytes.truncate(at(place)),
            Self::Repeat { record: place } => {
                let range = record(&bytes, place);
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, again);
            }
            Self::Remove { record: place } => {
                let range = record(&bytes, place);
                bytes.drain(range);
            }
            Self::Zeros { place, bytes: count } => {
                let from = at(place);
                bytes[from..(from + count).min(len)].fill(0);
            }
        }
        fs::write(file, bytes).unwrap();
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = 0.0..1.0f64;
    prop_oneof![
        4 => (place.clone(), 0..8u8).prop_map(|(place, bit)| Damage::Flip { place, bit }),
        2 => place.clone().prop_map(|place| Damage::Cut { place }),
        1 => place.clone().prop_map(|record| Damage::Repeat { record }),
        1 => place.clone().prop_map(|record| Damage::Remove { record }),
        1 => (place, 1..500usize).prop_map(|(place, bytes)| Damage::Zeros { place, bytes }),
    ]
}

async fn live(steps: &[(u64, u64)], damage: Damage, remembers: bool) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::new(dir.path());
    for &(ms, newcomers) in steps {
        node.clock.fetch_add(ms, Ordering::SeqCst);
        node.step(newcomers).await.unwrap();
    }
    let mut node = node.begin_again(dir.path(), |file| damage.to(file), remembers);
    for second in 0..140 {
        node.clock.fetch_add(1_000, Ordering::SeqCst);
        if let Err(error) = node.step(u64::from(second % 7 == 0)).await {
            prop_assert!(!remembers, "refused though the node remembers: {}", error);
            prop_assert!(error.to_string().contains("put a copy of the file back"), "{}", error);
            return Ok(());
        }
    }
    let most = node.told.most_in_a_minute();
    prop_assert!(most <= rules().release_per_minute, "{} in a minute", most);
    prop_assert!(most > rules().release_per_minute / 2 || node.told.numbers.len() < 60, "the line stands: {}", most);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_journal_gives_no_number_twice_and_calls_no_burst_again(
        steps in prop::collection::vec((0..4_000u64, 0..40u64), 2..40),
        damage in damage(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live(&steps, damage, true))?;
    }

    /// But for a cut: without a keepsake a file that is only shorter cannot be told from one that was so from the start.
    #[test]
    fn a_damaged_journal_speaks_for_itself_where_the_node_remembers_nothing(
        steps in prop::collection::vec((0..4_000u64, 0..40u64), 2..40),
        place in 0.0..1.0f64,
        bit in 0..8u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live(&steps, Damage::Flip { place, bit }, false))?;
    }
}

#[tokio::test]
async fn a_damaged_journal_is_set_aside_and_its_line_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::new(dir.path());
    for _ in 0..10 {
        node.step(3).await.unwrap();
    }
    let mut node = node.begin_again(dir.path(), |file| Damage::Flip { place: 0.7, bit: 3 }.to(file), true);
    node.step(1).await.unwrap();
    assert_eq!(node.summary.life, 1);
    assert!(node.summary.lanes[0].issued > 30 + crate::line::SKIP, "{}", node.summary.lanes[0].issued);
    assert_eq!(journals(dir.path()), ["shop.a.2.journal"]);
    assert!(dir.path().join("shop.a.1.damaged").exists());
    let checkup = node.store.doctor(&[line("a")]);
    assert_eq!(checkup.findings.len(), 1, "{checkup:?}");
    assert!(checkup.findings[0].to_string().contains("shop.a.1.damaged"), "{checkup:?}");
    // Once is enough.
    let steps = node.summary.steps;
    let mut node = node.begin_again(dir.path(), |_| {}, true);
    node.step(1).await.unwrap();
    assert_eq!((node.summary.life, node.summary.steps), (1, steps + 1));
}

#[tokio::test]
async fn a_line_of_which_nothing_can_be_read_is_begun_by_what_the_node_remembers_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::new(dir.path());
    node.step(20).await.unwrap();
    let mut node = node.begin_again(dir.path(), |file| fs::write(file, [7; 5_000]).unwrap(), false);
    for _ in 0..2 {
        let error = node.step(1).await.unwrap_err().to_string();
        assert!(error.contains("shop.a.1.journal is damaged at byte 0"), "{error}");
    }
    assert_eq!(journals(dir.path()), ["shop.a.1.journal"], "left alone");
    let known = Known {
        epoch: 1,
        lanes: PerLane::one(KnownLane { issued: 20, head: 10, ..KnownLane::default() }),
        steps: 1,
        ..Known::default()
    };
    let batch = Batch { known, ..join(100..101) };
    let outcome = node.store.sync(&line("a"), &rules(), &batch).await.unwrap();
    assert!(outcome.newcomers[0].0 > 20 + crate::line::SKIP);
    assert_eq!((outcome.called, outcome.summary.lanes[0].head), (0, 10));
    assert!(dir.path().join("shop.a.1.damaged").exists());
}

#[tokio::test]
async fn looking_at_a_damaged_line_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::new(dir.path());
    node.step(20).await.unwrap();
    node.step(20).await.unwrap();
    assert_eq!(node.store.status(&line("a")).await.unwrap().unwrap().lanes[0].issued, 40);
    let node = node.begin_again(dir.path(), |file| Damage::Flip { place: 0.9, bit: 0 }.to(file), false);
    let error = node.store.status(&line("a")).await.unwrap_err().to_string();
    assert!(error.contains("`sluice run` sets it aside"), "{error}");
    assert_eq!(journals(dir.path()), ["shop.a.1.journal"]);
}
