//! The line: numbers 1, 2, 3 …, who is present, who is called, who is inside.
//!
//! [`Line::sync`] is the one step that reads and writes it: pure, with the clock handed in. Four rules:
//!
//! 1. *Arrive*: take the next number.
//! 2. *Be there*: every poll marks the number as present for a while.
//! 3. *Call*: the first `k` numbers, in order, that are present and not yet called, with `k` the least of
//!    rate credit, room in the 60 s window and free seats.
//! 4. *Enter*: a called number takes its seat inside.
//!
//! Who has left is not present, so is skipped and costs nothing. Who comes back late is the lowest present
//! number, so is next. An empty line calls a newcomer in the step in which it takes its number.

mod arrive;
mod batch;
mod call;
mod check;
mod constants;
mod lane;
mod merge;
mod queue;
mod rules;
mod summary;
mod verdict;

#[cfg(test)]
pub(crate) mod tests;

use serde::{Deserialize, Serialize};

pub use self::{
    batch::{Ask, Batch, Known, KnownLane, Newcomer, Outcome, Seen, Verdict},
    lane::{
        blocks::Blocks,
        number::{LaneId, PerLane, number_of, place_of, slot_of},
        presence::HOLD_MS_MAX,
    },
    queue::{
        clock::Reading,
        control::{
            ACTOR_BYTES_MAX, BadChange, CHANGE_ID_MAX, Change, Changed, Control, Override, Revision, TEXT_BYTES_MAX,
        },
        lives::SKIP,
        minutes::{Histogram, MINUTES_KEPT, Minute},
    },
    rules::{CREDIT_PER_VISITOR, LaneRule, Rules},
    summary::{LaneSummary, Reason, Summary},
    verdict::{Lookup, Whereabouts},
};
pub(crate) use self::{
    constants::CONSTANTS,
    lane::number::PLACES,
    queue::{
        ended::ENDED_TOLD_MAX,
        rate::{SLOT_MS, SLOTS},
    },
};
use self::{
    lane::Lane,
    queue::{
        clock::Clock,
        control::Controlled,
        ended::Ended,
        hush::Hush,
        lives::Lives,
        minutes::Minutes,
        rate::Rate,
        seats::{Claim, Seats},
        settling::Settling,
        slips::Slips,
    },
};

/// More time than this between two steps while visitors wait: the line could not be asked, and calls wait for their
/// visitors. Ticks are 100 ms apart.
pub const SILENT_MS: u64 = 2_000;
/// The same while none wait: ushers look at such a line every 5 s.
pub const SILENT_IDLE_MS: u64 = 10_000;
/// A page that gets no answer asks again after no more than this: a minute, and time for the way.
const PAGE_BACK_MS_MAX: u32 = 66_000;

/// The state of one line: what its queue has once, and each lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    epoch: u64,
    clock: Clock,
    /// For how long the line could not be asked, in all.
    silent_ms: u64,
    rate: Rate,
    due: Seats<Claim>,
    inside: Seats<()>,
    /// Whose visit has ended, for as long as a pass lives.
    ended: Ended,
    slips: Slips,
    settling: Settling,
    hush: Hush,
    called_total: u64,
    /// When the last tick was; 0: never.
    ticked_ms: u64,
    lives: Lives,
    /// What an operator has set.
    controlled: Controlled,
    /// What happened in each of the last minutes.
    minutes: Minutes,
    /// By slot.
    lanes: PerLane<Lane>,
    /// The summary after the last step. What is counted over the whole line is as of the last tick.
    summary: Summary,
}

impl Line {
    /// A line that nobody has stood in; `known` is what the first node to ask remembers of an earlier one.
    pub fn new(rules: &Rules, reading: Reading, known: &Known) -> Self {
        let clock = Clock::start(reading, known.clock_ms);
        let first = Lane::new(0, LaneId::FIRST);
        let told = first.first_summary(known.lanes[0].head);
        let mut line = Self {
            epoch: known.epoch.max(1),
            silent_ms: 0,
            rate: Rate::full(rules, clock.now_ms),
            due: Seats::default(),
            inside: Seats::default(),
            ended: Ended::default(),
            slips: Slips::default(),
            settling: Settling::default(),
            hush: Hush::default(),
            called_total: 0,
            ticked_ms: 0,
            lives: Lives::default(),
            controlled: Controlled::default(),
            minutes: Minutes::begin(clock.now_ms),
            lanes: PerLane::one(first),
            summary: Summary { lanes: PerLane::one(told), ..Summary::default() },
            clock,
        };
        for lane in known.lanes.iter().skip(1) {
            line.open_lane(LaneId::UNKNOWN, lane.head);
        }
        line
    }

    /// One step: takes in a batch, calls who may be called, answers. The rules are those of the queue's file; what an
    /// operator has set takes their place.
    pub fn sync(&mut self, file: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        let before_ms = self.clock.now_ms;
        self.clock.advance(reading, batch.known.clock_ms);
        let moved = self.lives.step(reading.run);
        self.notice_silence(self.clock.now_ms - before_ms, batch.away_since_ms > 0);
        let now_ms = self.clock.now_ms;
        if self.minutes.turn(now_ms) {
            self.lanes.iter_mut().for_each(|lane| lane.issues.thin(lane.heads.floor(), now_ms));
        }
        self.controlled.learn(&batch.known);
        let changes = batch.changes.iter().map(|change| self.controlled.change(change, now_ms)).collect();
        let rules = &self.controlled.rules(file, now_ms);
        self.expire(rules);
        let current = self.merge(rules, batch, moved);
        if batch.hush {
            self.begin_hush();
        }
        if current {
            self.mark(rules, batch);
        }
        self.settle();
        let mut newcomers = self.arrive(rules, batch);

        // The first step in a tick does the calling. While no line stands, every step does: an empty
        // line must not keep a newcomer waiting for the next tick. A node that was cut off may be so still, and hear
        // nothing of whom it calls.
        let tick_due = !self.summary.standing || now_ms >= self.ticked_ms + rules.tick_ms() * 4 / 5;
        let tick = tick_due && batch.away_since_ms == 0;
        let (mut called, mut due) = (0, Vec::new());
        if tick {
            let mut places = self.places(rules);
            called = self.call(rules, &mut places, &mut due);
            called += self.walk_in(rules, batch, &mut newcomers, &mut places);
            self.book(called);
        }
        let may_call = self.may_call(rules);
        for lane in self.lanes.iter_mut() {
            lane.note_head(rules.return_within_ms, may_call);
            lane.rebase();
        }

        for (newcomer, answer) in batch.newcomers.iter().zip(&mut newcomers) {
            if answer.0 != 0 {
                answer.1 = self.verdict(rules, answer.0, newcomer.enter, !newcomer.walk_in);
            }
        }
        let asks = batch
            .asks
            .iter()
            .map(|a| if current { self.verdict(rules, a.number, a.enter, true) } else { Verdict::Spent });
        let asks = asks.collect();
        self.summarise(rules, tick);
        self.check(rules, called);
        let ended = batch.known.ended_ms.map(|told_ms| self.ended.after(told_ms).collect()).unwrap_or_default();
        let control = self.controlled.news(batch.known.revision);
        Outcome { newcomers, asks, called, due, ended, changes, control, summary: self.summary.clone() }
    }

    /// A new epoch: every number, ticket and pass of the old one is void. The rate's window stays, so that a
    /// reset is no way round it, and so does what an operator has set.
    pub fn reset(&mut self, file: &Rules) {
        let fresh = Self::new(file, Reading { wall_ms: 0, slack_ms: 0, run: 0 }, &Known::default());
        let old = std::mem::replace(self, fresh);
        self.epoch = old.epoch + 1;
        self.clock = old.clock;
        self.silent_ms = old.silent_ms;
        self.rate = old.rate;
        self.lives = old.lives;
        self.controlled = old.controlled;
        self.minutes = old.minutes;
        // A number of the new epoch means the same lane as one of the old.
        for lane in old.lanes.iter().skip(1) {
            self.open_lane(lane.id, lane.origin);
        }
        self.summarise(&self.controlled.rules(file, self.clock.now_ms), true);
    }

    /// The line as of its last step.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What a node would know after an outcome of this line.
    pub fn known(&self) -> Known {
        Known {
            epoch: self.epoch,
            lanes: self.lanes.map(Lane::known),
            clock_ms: Some(self.clock.now_ms),
            steps: self.lives.steps(),
            life: self.lives.life(),
            ended_ms: None,
            revision: self.controlled.revision(),
            control: self.controlled.news(Revision::default()),
            calls: self.rate.calls().collect(),
            due: self.due().collect(),
            inside: self.inside.iter().collect(),
        }
    }

    /// Numbers that are called and have not entered yet, and until when their seats are kept (ms on the line's clock),
    /// the next to lapse first.
    pub fn due(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.due.iter()
    }

    /// Between two steps more time may have gone by than while visitors are there to ask: the line could not be asked.
    /// Then what runs out by time stands still. Claims wait until their visitors can hear of the call; and who was
    /// present still is, until the page asks again, or those who ask first would overtake all others. A node that was
    /// there itself, and only cut off from its store, knows whom it saw meanwhile.
    fn notice_silence(&mut self, gone_ms: u64, node_was_there: bool) {
        let silent_ms = gone_ms.saturating_sub(if self.summary.waiting > 0 { SILENT_MS } else { SILENT_IDLE_MS });
        // What stands still runs in between, or it would stand for ever in a line that is asked a little too seldom.
        self.lanes.iter_mut().for_each(|lane| lane.heads.run(gone_ms - silent_ms));
        if silent_ms == 0 {
            return;
        }
        self.silent_ms += silent_ms;
        self.due.postpone(silent_ms);
        self.hush.postpone(silent_ms);
        // A page that gets no answer asks again after twice as long each time, and no later than that.
        let back_ms = u32::try_from(gone_ms * 2 + SILENT_MS).unwrap_or(u32::MAX).min(PAGE_BACK_MS_MAX);
        if !node_was_there {
            let (asked_ms, now_ms) = (self.asked_ms(), self.clock.now_ms);
            self.lanes.iter_mut().for_each(|lane| lane.presence.carry(asked_ms, now_ms, back_ms));
        }
    }

    /// The line's clock without the time for which it could not be asked: how long ago a visitor was seen is counted on
    /// it.
    fn asked_ms(&self) -> u64 {
        self.clock.now_ms - self.silent_ms
    }

    fn expire(&mut self, rules: &Rules) {
        let now_ms = self.clock.now_ms;
        let asked_ms = self.asked_ms();
        self.lanes.iter_mut().for_each(|lane| lane.presence.expire(asked_ms, now_ms));
        self.follow_hush();
        self.slips.expire(now_ms);
        self.inside.cut(now_ms + rules.seat_ms);
        while let Some((_, seat)) = self.inside.pop_lapsed(now_ms) {
            self.count_visit(seat.since_ms, seat.until_ms.saturating_sub(rules.seat_ms));
        }
        self.ended.expire(now_ms, rules.seat_ms);
        while let Some((number, seat)) = self.due.pop_lapsed(now_ms) {
            self.minutes.now.lapsed += 1;
            if let Some(lane) = self.lane_mut(number) {
                lane.lapse(number, seat.of);
            }
        }
    }

    /// Counts calls that were made.
    fn book(&mut self, called: u32) {
        self.rate.book(called, self.clock.now_ms);
        self.called_total += u64::from(called);
        self.minutes.now.called += called;
    }

    /// The lane of a number, if there is one.
    fn lane(&self, number: u64) -> Option<&Lane> {
        self.lanes.of(number)
    }

    /// As [`Self::lane`].
    fn lane_mut(&mut self, number: u64) -> Option<&mut Lane> {
        self.lanes.get_mut(slot_of(number))
    }

    /// The slot of the lane that a newcomer is for: the first, while there is no room for it.
    fn slot_for(&self, lane: LaneId) -> usize {
        summary::slot_for(self.lanes.iter().map(|lane| lane.id), lane)
    }
}
