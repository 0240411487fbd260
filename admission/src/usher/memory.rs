//! What this node remembers of a line for the day on which the line is lost: who holds a seat, the calls of the last
//! minute, and who is there waiting. Sent along once the line says that it has begun a new life.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::line::{Batch, Control, Known, Outcome, Rules, SLOT_MS, SLOTS, Seen, Summary, Verdict, place_of};

/// Most seats remembered; beyond, those that lapse first are forgotten.
const SEATS_MAX: usize = 1_000_000;
/// Calls are remembered for so many tenths of a second more than a line counts them whose clock is exact.
const SLOTS_SLACK_MAX: u64 = 10;
/// Who counts as present equally long, to within so much, is remembered together; as in the line.
const PRESENT_MS: u64 = 2_000;
/// Most of them remembered; nobody else is, until some have lapsed.
const PRESENT_MAX: usize = 2_000_000;
/// Most of them that a line is told, those nearest to the heads of their lanes: nobody behind will be called before they ask again.
const PRESENT_TOLD_MAX: usize = 100_000;
/// Lapsed seats are looked for when so many have come since the last look, or as many as there were.
const SWEEP_EVERY_MIN: usize = 1_024;

/// What one node remembers.
#[derive(Debug, Default)]
pub struct Memory {
    epoch: u64,
    /// Until when.
    inside: HashMap<u64, u64>,
    due: HashMap<u64, u64>,
    /// Visits that have ended: other nodes may remember them as going on.
    ended: HashMap<u64, u64>,
    calls: BTreeMap<u64, u32>,
    /// Numbers seen waiting, by the time until which they count as present, in [`PRESENT_MS`]. Those of which the
    /// line has heard more since are among them.
    present: BTreeMap<u64, Vec<u64>>,
    /// Numbers that the head has passed and that are not called, and until when they count as present.
    late: HashMap<u64, u64>,
    /// What an operator has set, the latest that this node knows of.
    control: Arc<Control>,
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
            control: known.control.as_deref().cloned().unwrap_or_default().into(),
            epoch: known.epoch,
            inside: inside.into_iter().collect(),
            due: due.into_iter().collect(),
            calls: calls.into_iter().collect(),
            told_life: known.life,
            before: Some(known),
            ..Self::default()
        }
    }

    /// Whether a line in this life has not been told yet.
    pub fn is_news_to(&self, life: u64) -> bool {
        life != self.told_life
    }

    /// What an operator has set.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Whether a loss of the line would be felt here.
    pub fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.due.is_empty() && self.calls.is_empty() && self.present.is_empty()
    }

    /// Stamps a batch with what a node knows that was last told `summary` and reckons the line's clock to be at
    /// `clock_ms`. A line in a new life hears everything.
    pub fn stamp(&self, batch: &mut Batch, summary: &Summary, clock_ms: u64) {
        batch.known = self.known(summary, clock_ms);
        if summary.epoch > 0 && self.is_news_to(summary.life) {
            batch.ended.extend(self.tell_ended(clock_ms));
            batch.seen.extend(self.tell_present(summary, clock_ms));
        }
    }

    /// What a step is told by a node that was last told `summary` and reckons the line's clock to be at `clock_ms`.
    fn known(&self, summary: &Summary, clock_ms: u64) -> Known {
        if summary.epoch == 0 {
            return self.before.clone().unwrap_or_default();
        }
        let mut known = counters(summary);
        known.clock_ms = Some(clock_ms);
        known.revision = self.control.revision;
        if self.control.revision > summary.revision {
            known.control = Some(Box::new(Control::clone(&self.control)));
        }
        if self.is_news_to(summary.life) {
            self.tell(&mut known);
        }
        known
    }

    /// All that this node knows, having last been told `summary`.
    pub fn all(&self, summary: &Summary) -> Known {
        let mut known = counters(summary);
        known.revision = self.control.revision;
        known.control = Some(Box::new(Control::clone(&self.control)));
        self.tell(&mut known);
        known
    }

    /// Calls of the last minute by tenth of a second of the line's clock, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = (u64, u32)> + Clone {
        self.calls.iter().map(|(&slot, &count)| (slot, count))
    }

    /// All of it, for a line that has lost it.
    fn tell(&self, known: &mut Known) {
        let now_ms = known.clock_ms.unwrap_or_default();
        let seats = |seats: &HashMap<u64, u64>| {
            let kept = seats.iter().filter(|&(_, &until_ms)| until_ms > now_ms);
            let mut seats: Vec<_> = kept.map(|(&number, &until_ms)| (number, until_ms)).collect();
            seats.sort_unstable();
            seats
        };
        known.inside = seats(&self.inside);
        known.due = seats(&self.due);
        known.calls = self.calls().collect();
    }

    /// Visits that have ended, for a line that is told by others that they go on.
    fn tell_ended(&self, now_ms: u64) -> impl Iterator<Item = u64> {
        self.ended.iter().filter(move |&(_, &until_ms)| until_ms > now_ms).map(|(&number, _)| number)
    }

    /// Who is there, for a line that has lost it and was last known like this.
    fn tell_present(&self, summary: &Summary, now_ms: u64) -> Vec<Seen> {
        let mut present = Vec::new();
        for (&at, numbers) in &self.present {
            let hold_ms = ((at + 1) * PRESENT_MS - 1).saturating_sub(now_ms);
            let Some(hold_ms) = u32::try_from(hold_ms).ok().filter(|&ms| ms > 0) else { continue };
            // Whoever the head has passed was called, as far as this node knows, or is late.
            let waits = |&&number: &&u64| !summary.has_passed(number) || self.late.contains_key(&number);
            present.extend(numbers.iter().filter(waits).map(|&number| Seen { number, hold_ms }));
        }
        if present.len() > PRESENT_TOLD_MAX {
            // How far back each stands in its lane.
            let head = |number| place_of(summary.lane_of(number).head);
            let back = |seen: &Seen| (place_of(seen.number).saturating_sub(head(seen.number)), seen.number);
            present.select_nth_unstable_by_key(PRESENT_TOLD_MAX, back);
            present.truncate(PRESENT_TOLD_MAX);
        }
        present
    }

    /// Learns from a step that was answered.
    pub fn learn(&mut self, rules: &Rules, batch: &Batch, outcome: &Outcome) {
        let summary = &outcome.summary;
        self.before = None;
        if let Some(control) = outcome.control.as_deref().filter(|news| news.revision > self.control.revision) {
            self.control = Arc::new(control.clone());
        }
        if summary.epoch != self.epoch {
            // The calls still count: a reset is no way round the rate.
            self.inside.clear();
            self.due.clear();
            self.ended.clear();
            self.present.clear();
            self.late.clear();
            self.epoch = summary.epoch;
        }
        if self.is_empty() {
            self.told_life = summary.life;
        } else if self.is_news_to(batch.known.life) {
            // This very batch has told it, see `tell`; who is there is in it once more.
            self.told_life = batch.known.life;
            self.present.clear();
        }
        let (slot, count) = summary.last_calls;
        if count > 0 {
            let calls = self.calls.entry(slot).or_default();
            *calls = count.max(*calls);
        }
        let oldest = (summary.now_ms / SLOT_MS).saturating_sub(SLOTS + SLOTS_SLACK_MAX);
        self.calls = self.calls.split_off(&oldest);

        self.learn_present(batch, outcome);
        // First: whoever was called in this step may have entered in it as well.
        self.due.extend(outcome.due.iter().copied());
        for &number in batch.inside.iter().chain(&batch.admitted) {
            self.sit(number, summary.now_ms + rules.seat_ms);
        }
        for number in &batch.ended {
            self.inside.remove(number);
            self.due.remove(number);
            self.ended.entry(*number).or_insert(summary.now_ms + rules.seat_ms);
        }
        let joined = outcome.newcomers.iter().copied();
        let asked = batch.asks.iter().map(|ask| ask.number).zip(outcome.asks.iter().copied());
        for (number, verdict) in joined.chain(asked) {
            if verdict != Verdict::Waiting {
                self.late.remove(&number);
            }
            match verdict {
                Verdict::Inside { until_ms, .. } => self.sit(number, until_ms),
                Verdict::Called { until_ms } => {
                    self.due.insert(number, until_ms);
                }
                Verdict::Waiting | Verdict::Lapsed | Verdict::Spent | Verdict::Refused => {
                    self.due.remove(&number);
                }
            }
        }
        self.sweep(summary.now_ms);
    }

    fn learn_present(&mut self, batch: &Batch, outcome: &Outcome) {
        let (now_ms, summary) = (outcome.summary.now_ms, &outcome.summary);
        self.present = self.present.split_off(&(now_ms / PRESENT_MS));
        let mut room = PRESENT_MAX.saturating_sub(self.present.values().map(Vec::len).sum());
        let mut note = |number, hold_ms| {
            if room > 0 {
                room -= 1;
                self.present.entry((now_ms + u64::from(hold_ms)) / PRESENT_MS).or_default().push(number);
            }
        };
        for (newcomer, &(number, verdict)) in batch.newcomers.iter().zip(&outcome.newcomers) {
            if verdict == Verdict::Waiting {
                note(number, newcomer.hold_ms);
            }
        }
        for (ask, &verdict) in batch.asks.iter().zip(&outcome.asks) {
            if verdict == Verdict::Waiting {
                note(ask.number, ask.hold_ms);
                if summary.has_passed(ask.number) {
                    self.late.insert(ask.number, now_ms + u64::from(ask.hold_ms));
                }
            }
        }
        for seen in &batch.seen {
            note(seen.number, seen.hold_ms);
        }
    }

    fn sit(&mut self, number: u64, until_ms: u64) {
        self.due.remove(&number);
        let until = self.inside.entry(number).or_default();
        *until = until_ms.max(*until);
    }

    fn sweep(&mut self, now_ms: u64) {
        let len = self.len();
        if len < self.swept_len.saturating_mul(2).max(SWEEP_EVERY_MIN) {
            return;
        }
        self.inside.retain(|_, until_ms| *until_ms > now_ms);
        self.due.retain(|_, until_ms| *until_ms > now_ms);
        self.late.retain(|_, until_ms| *until_ms > now_ms);
        self.ended.retain(|_, until_ms| *until_ms > now_ms);
        if self.inside.len() > SEATS_MAX {
            let mut untils: Vec<u64> = self.inside.values().copied().collect();
            let (_, &mut least, _) = untils.select_nth_unstable(self.inside.len() - SEATS_MAX);
            self.inside.retain(|_, until_ms| *until_ms >= least);
        }
        self.swept_len = self.len();
    }

    fn len(&self) -> usize {
        self.inside.len() + self.due.len() + self.late.len() + self.ended.len()
    }
}

fn counters(summary: &Summary) -> Known {
    Known {
        epoch: summary.epoch,
        lanes: summary.known_lanes(),
        steps: summary.steps,
        life: summary.life,
        ..Known::default()
    }
}

pub(crate) mod ended;
pub(crate) mod keepsake;
