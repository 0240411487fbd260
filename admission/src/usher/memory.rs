//! What this node remembers of a line for the day on which the line is lost: who holds a seat, and the calls of
//! the last minute. Sent along once the line says that it has begun a new life.

use std::collections::{BTreeMap, HashMap};

use crate::line::{Batch, Known, Outcome, Rules, SLOT_MS, SLOTS, Summary, Verdict};

/// Most seats remembered; beyond, those that lapse first are forgotten.
const SEATS_MAX: usize = 1_000_000;
/// Calls are remembered for so many tenths of a second more than a line counts them whose clock is exact.
const SLOTS_SLACK_MAX: u64 = 10;
/// Lapsed seats are looked for when so many have come since the last look, or as many as there were.
const SWEEP_EVERY_MIN: usize = 1_024;

/// What one node remembers.
#[derive(Debug, Default)]
pub struct Memory {
    epoch: u64,
    /// Until when.
    inside: HashMap<u64, u64>,
    due: HashMap<u64, u64>,
    calls: BTreeMap<u64, u32>,
    /// The life of the line that has been told all this.
    told_life: u64,
    /// What this node knew when it last ended, until the line has answered.
    before: Option<Known>,
    swept_len: usize,
}

impl Memory {
    /// What was remembered before this node ended. Who has a seat is told only to a line that has lost it: another
    /// node may have freed it meanwhile.
    pub fn recall(mut known: Known) -> Self {
        let (inside, due, calls) =
            (std::mem::take(&mut known.inside), std::mem::take(&mut known.due), std::mem::take(&mut known.calls));
        // Time has gone by, and nobody knows how much.
        known.clock_ms = None;
        Self {
            epoch: known.epoch,
            inside: inside.into_iter().collect(),
            due: due.into_iter().collect(),
            calls: calls.into_iter().collect(),
            told_life: known.life,
            before: Some(known),
            swept_len: 0,
        }
    }

    /// Whether a line in this life has not been told yet.
    pub fn is_news_to(&self, life: u64) -> bool {
        life != self.told_life
    }

    /// Whether a loss of the line would be felt here.
    pub fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.due.is_empty() && self.calls.is_empty()
    }

    /// What a step is told by a node that was last told `summary` and reckons the line's clock to be at `clock_ms`.
    pub fn known(&self, summary: &Summary, clock_ms: u64) -> Known {
        if summary.epoch == 0 {
            return self.before.clone().unwrap_or_default();
        }
        let mut known = counters(summary);
        known.clock_ms = Some(clock_ms);
        if self.is_news_to(summary.life) {
            self.tell(&mut known);
        }
        known
    }

    /// All that this node knows, having last been told `summary`.
    pub fn all(&self, summary: &Summary) -> Known {
        let mut known = counters(summary);
        self.tell(&mut known);
        known
    }

    /// Calls of the last minute by tenth of a second of the line's clock, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = (u64, u32)> + Clone {
        self.calls.iter().map(|(&slot, &count)| (slot, count))
    }

    /// All of it, for a line that has lost it.
    fn tell(&self, known: &mut Known) {
        let seats = |seats: &HashMap<u64, u64>| {
            let mut seats: Vec<_> = seats.iter().map(|(&number, &until_ms)| (number, until_ms)).collect();
            seats.sort_unstable();
            seats
        };
        known.inside = seats(&self.inside);
        known.due = seats(&self.due);
        known.calls = self.calls().collect();
    }

    /// Learns from a step that was answered.
    pub fn learn(&mut self, rules: &Rules, batch: &Batch, outcome: &Outcome) {
        let summary = &outcome.summary;
        self.before = None;
        if summary.epoch != self.epoch {
            // The calls still count: a reset is no way round the rate.
            self.inside.clear();
            self.due.clear();
            self.epoch = summary.epoch;
        }
        if self.is_empty() {
            self.told_life = summary.life;
        } else if self.is_news_to(batch.known.life) {
            // This very batch has told it, see `tell`.
            self.told_life = batch.known.life;
        }
        let (slot, count) = summary.last_calls;
        if count > 0 {
            let calls = self.calls.entry(slot).or_default();
            *calls = count.max(*calls);
        }
        let oldest = (summary.now_ms / SLOT_MS).saturating_sub(SLOTS + SLOTS_SLACK_MAX);
        self.calls = self.calls.split_off(&oldest);

        for &number in batch.inside.iter().chain(&batch.admitted) {
            self.sit(number, summary.now_ms + rules.seat_ms);
        }
        for number in &batch.ended {
            self.inside.remove(number);
            self.due.remove(number);
        }
        let joined = outcome.newcomers.iter().copied();
        let asked = batch.asks.iter().map(|ask| ask.number).zip(outcome.asks.iter().copied());
        for (number, verdict) in joined.chain(asked) {
            match verdict {
                Verdict::Inside { until_ms, .. } => self.sit(number, until_ms),
                Verdict::Called { until_ms } => {
                    self.due.insert(number, until_ms);
                }
                Verdict::Waiting | Verdict::Spent | Verdict::Refused => {
                    self.due.remove(&number);
                }
            }
        }
        self.sweep(summary.now_ms);
    }

    fn sit(&mut self, number: u64, until_ms: u64) {
        self.due.remove(&number);
        let until = self.inside.entry(number).or_default();
        *until = until_ms.max(*until);
    }

    fn sweep(&mut self, now_ms: u64) {
        let len = self.inside.len() + self.due.len();
        if len < self.swept_len.saturating_mul(2).max(SWEEP_EVERY_MIN) {
            return;
        }
        self.inside.retain(|_, until_ms| *until_ms > now_ms);
        self.due.retain(|_, until_ms| *until_ms > now_ms);
        if self.inside.len() > SEATS_MAX {
            let mut untils: Vec<u64> = self.inside.values().copied().collect();
            let (_, &mut least, _) = untils.select_nth_unstable(self.inside.len() - SEATS_MAX);
            self.inside.retain(|_, until_ms| *until_ms >= least);
        }
        self.swept_len = self.inside.len() + self.due.len();
    }
}

fn counters(summary: &Summary) -> Known {
    Known {
        epoch: summary.epoch,
        issued: summary.issued,
        head: summary.head,
        floor: summary.floor,
        steps: summary.steps,
        life: summary.life,
        ..Known::default()
    }
}
