//! Visitors who come all the time: as many as are called, and some more or fewer so that the line stays as long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, task::JoinSet, time::timeout};

use crate::{
    Failed,
    attack::{
        clock::{SECOND_US, Us},
        people::story::Story,
        people::visitor::{Door, journey},
        plan::{Plan, Shares},
    },
    simulate::{Dice, whole},
};

/// How far ahead arrivals are planned.
const AHEAD_US: Us = SECOND_US / 5;
/// How long it takes to make up for a line that is too long or too short, in seconds.
const MENDS_S: f64 = 20.0;
/// However short the line is, so many times the rate come at most.
const RUSH: f64 = 3.0;
/// How long everybody who is in line or inside at the end may take.
const DRAINS_WITHIN: Duration = Duration::from_secs(240);

/// A stream of visitors.
pub(super) struct Stream {
    shared: Arc<Shared>,
    door: Arc<Door>,
    flowing: JoinHandle<Result<JoinSet<Story>, Failed>>,
}

#[derive(Default)]
struct Shared {
    /// Thousandths of visitors called a second.
    per_second_milli: AtomicU64,
    line: AtomicU64,
    dry: AtomicBool,
    stories: std::sync::Mutex<Vec<Story>>,
}

impl Shared {
    fn hear(&self, story: Story) {
        self.stories.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(story);
    }
}

impl Stream {
    /// Nobody comes before [`Self::keep`].
    pub(super) fn start(door: Arc<Door>, shares: Shares, seed: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let flowing = tokio::spawn(flow(shared.clone(), door.clone(), shares, seed));
        Self { shared, door, flowing }
    }

    /// Keeps so many in line, of whom so many are called a second.
    pub(super) fn keep(&self, per_second: f64, line: u64) {
        self.shared.line.store(line, Relaxed);
        self.shared.per_second_milli.store(whole(per_second * 1e3), Relaxed);
    }

    /// From now on nobody comes.
    pub(super) fn dry_up(&self) {
        self.shared.dry.store(true, Relaxed);
    }

    /// Waits for everybody to be through; what they have to tell.
    pub(super) async fn stories(self) -> Result<Vec<Story>, Failed> {
        let mut left = self.flowing.await??;
        let through = async {
            while let Some(story) = left.join_next().await {
                self.shared.hear(story?);
            }
            Ok::<_, Failed>(())
        };
        if let Ok(through) = timeout(DRAINS_WITHIN, through).await {
            through?;
        }
        self.door.close();
        while let Some(story) = left.join_next().await {
            self.shared.hear(story?);
        }
        let mut stories = self.shared.stories.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(std::mem::take(&mut stories))
    }
}

async fn flow(shared: Arc<Shared>, door: Arc<Door>, shares: Shares, seed: u64) -> Result<JoinSet<Story>, Failed> {
    let mut dice = Dice::of(seed, u64::MAX);
    let mut journeys = JoinSet::new();
    let mut planned_us = door.clock.now_us();
    let (mut who, mut owed) = (0, 0.0);
    while !shared.dry.load(Relaxed) {
        let per_second = shared.per_second_milli.load(Relaxed) as f64 / 1e3;
        let missing = shared.line.load(Relaxed) as f64 - door.ledger.waiting.load(Relaxed) as f64;
        let come_per_second = (per_second / (1.0 - shares.no_shows) + missing / MENDS_S).clamp(0.0, per_second * RUSH);
        owed += come_per_second * AHEAD_US as f64 / SECOND_US as f64;
        while owed >= 1.0 {
            owed -= 1.0;
            let due_us = planned_us + AHEAD_US + dice.below(AHEAD_US);
            let plan = Plan::new(who, due_us, &shares, Dice::of(seed, who.into()));
            journeys.spawn(journey(plan, door.clone()));
            who += 1;
        }
        while let Some(story) = journeys.try_join_next() {
            shared.hear(story?);
        }
        planned_us += AHEAD_US;
        if door.rest_until(planned_us).await.is_none() {
            break;
        }
    }
    Ok(journeys)
}
