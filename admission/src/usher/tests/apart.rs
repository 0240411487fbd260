//! Two ushers over one store: whatever becomes of the one line, the answers of the other come as soon.
//!
//! On a paused clock: what is measured is who waits for whom, not how fast the machine is.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::*;
use crate::{
    line::Lookup,
    usher::{POLLS_PUT_MAX, QUESTIONS_MAX},
};

/// A step is made 2 ms after the last one at the latest once somebody asks; the rest is the timer's grain.
const ANSWERED_WITHIN: Duration = Duration::from_millis(5);

/// What is the matter with line A.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Nothing,
    /// As many questions and marks as are ever kept, and then more.
    Flood,
    /// The store takes its steps and never answers.
    Silence,
    FloodInSilence,
    /// Its steps end in a panic.
    Panic,
}

/// The embedded store, but for what it does to line A.
struct Shared {
    inner: Embedded,
    a: LineId,
    trouble: Trouble,
}

impl Store for Shared {
    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        match self.trouble {
            Trouble::Silence | Trouble::FloodInSilence if *line == self.a => std::future::pending().await,
            Trouble::Panic if *line == self.a => panic!("a step of line A, on purpose"),
            _ => self.inner.sync(line, rules, batch).await,
        }
    }

    async fn counts(&self, line: &LineId, since_minute: u64) -> Result<Vec<Minute>, StoreError> {
        self.inner.counts(line, since_minute).await
    }

    async fn find(&self, line: &LineId, number: u64) -> Result<Option<Lookup>, StoreError> {
        self.inner.find(line, number).await
    }
}

type Joining<'a> = Pin<Box<dyn Future<Output = Result<(u64, Verdict), Unanswered>> + Send + 'a>>;

/// Puts more questions and marks than are kept, all in one instant. Gives those who got no answer in it.
fn flood(usher: &Usher) -> Vec<Joining<'_>> {
    for number in 0..=POLLS_PUT_MAX as u64 {
        usher.mark(seen(number % 1_000 + 1, 4_000));
    }
    assert!(usher.counts().marks_dropped.load(Ordering::Relaxed) > 0);
    let joins = (0..=QUESTIONS_MAX as u64).map(|id| Box::pin(usher.join(slip(id))) as Joining<'_>);
    let waiting: Vec<_> = joins
        .filter_map(|mut join| match join.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Some(join),
            Poll::Ready(refused) => {
                assert_eq!(refused, Err(Unanswered));
                None
            }
        })
        .collect();
    assert_eq!(waiting.len(), QUESTIONS_MAX);
    waiting
}

/// Some seconds of line B beside a line A in trouble: what B was answered, without times.
async fn answers_to_b(trouble: Trouble) -> Vec<(u64, bool)> {
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let clock = move || 1_700_000_000_000 + u64::try_from(start.elapsed().as_millis()).unwrap();
    let name = |n| Name::new(n).unwrap();
    let [a, b] = ["shop", "club"].map(|tenant| LineId { tenant: name(tenant), queue: name("sale") });
    let inner = Embedded::with_clock(dir.path(), clock).unwrap();
    let store = Arc::new(Shared { inner, a: a.clone(), trouble });
    let a = Usher::start(a, rules(), store.clone(), 1_700_000_000_000);
    let b = Usher::start(b, rules(), store, 1_700_000_000_000);
    b.join(slip(0)).await.unwrap();

    let mut answers = Vec::new();
    let mut asked_of_a = Vec::new();
    for second in 1..=10 {
        if matches!(trouble, Trouble::Flood | Trouble::FloodInSilence) && second % 4 == 1 {
            // Those of the last flood have been answered, or let go.
            asked_of_a.clear();
            asked_of_a = flood(&a);
        }
        for number in 1..=second {
            b.mark(seen(number, 4_000));
        }
        let asked = Instant::now();
        let (number, verdict) = b.join(slip(second)).await.unwrap();
        answers.push((number, matches!(verdict, Verdict::Called { .. })));
        assert!(asked.elapsed() <= ANSWERED_WITHIN, "{:?} to join beside {trouble:?}", asked.elapsed());
        let asked = Instant::now();
        let verdict = b.ask(Ask { number: second, hold_ms: 4_000, enter: false }, 0).await.unwrap();
        answers.push((second, matches!(verdict, Verdict::Called { .. })));
        assert!(asked.elapsed() <= ANSWERED_WITHIN, "{:?} to ask beside {trouble:?}", asked.elapsed());
        sleep(Duration::from_millis(1_007)).await;
    }
    assert_eq!(b.counts().steps_failed.load(Ordering::Relaxed), 0);
    let failed = a.counts().steps_failed.load(Ordering::Relaxed);
    // After a panic the usher begins anew, and tries again.
    assert_eq!(failed > 0, matches!(trouble, Trouble::Silence | Trouble::FloodInSilence | Trouble::Panic));
    answers
}

#[tokio::test(start_paused = true)]
async fn a_line_in_trouble_delays_no_other() {
    let undisturbed = answers_to_b(Trouble::Nothing).await;
    assert!(undisturbed.iter().any(|answer| answer.1) && undisturbed.iter().any(|answer| !answer.1));
    for trouble in [Trouble::Flood, Trouble::Silence, Trouble::FloodInSilence, Trouble::Panic] {
        assert_eq!(answers_to_b(trouble).await, undisturbed, "beside {trouble:?}");
    }
}
