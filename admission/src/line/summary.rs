//! What a node needs to answer visitors by itself until the next step.

use serde::{Deserialize, Serialize};
use sluice_config::Mode;

use super::{Blocks, KnownLane, LaneId, Line, PerLane, Revision, Rules, lane::number::place_of};

/// A line that moves again sooner does not stand still for want of calls in this minute.
const RATE_USED_MS_MIN: u64 = 2_000;

/// The line after a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Rises when an operator resets the line.
    pub epoch: u64,
    /// Each lane by its slot.
    pub lanes: PerLane<LaneSummary>,
    /// Visitors who wait in all lanes together.
    pub waiting: u64,
    /// Called numbers that have not entered yet.
    pub due: u64,
    /// Numbers inside.
    pub inside: u64,
    /// Ended visits that the line had to forget before their passes expired, since it began.
    pub ended_dropped: u64,
    /// Somebody who is present had to be left waiting by the last step.
    pub standing: bool,
    /// Why nobody is called, when that is so.
    pub reason: Option<Reason>,
    /// What the queue did in this step.
    pub mode: Option<Mode>,
    /// The last change by an operator.
    pub revision: Revision,
    /// Calls in the last 60 s.
    pub called_last_minute: u64,
    /// Calls since the line began.
    pub called_total: u64,
    /// Calls in the last tenth of a second in which there were any: which one, and how many.
    pub last_calls: (u64, u32),
    /// Steps that the line has made.
    pub steps: u64,
    /// Rises when the line notices that its state had been lost.
    pub life: u64,
    /// When that was, on the line's clock. A pass that was minted before is told to the line when it is used.
    pub life_began_ms: u64,
    /// Until when no number is called, on the line's clock, so that all nodes can say what they know.
    pub quiet_until_ms: u64,
    /// Newcomers are written down, and get their numbers when all who came while a node was cut off are back.
    pub settling: bool,
    /// The line's clock.
    pub now_ms: u64,
    /// When the minute has room again, on the line's clock, if its calls are used up; else 0.
    pub rate_used_until_ms: u64,
}

/// One lane after a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneSummary {
    /// Which lane.
    pub lane: LaneId,
    /// The last number handed out.
    pub issued: u64,
    /// The highest number called.
    pub head: u64,
    /// The highest number that can no longer be called.
    pub floor: u64,
    /// Visitors in the lane: the late ones, and those above the head who were seen in the last 90 s.
    pub waiting: u64,
    /// Numbers that the head has passed and that are back at the door: they are next.
    pub late: u64,
    /// Since when somebody has been standing without a pause, on the line's clock; 0: nobody is.
    pub standing_since_ms: u64,
    /// Calls of numbers of this lane since the line began.
    pub called_total: u64,
    /// Waiting numbers above the head by block.
    pub blocks: Blocks,
    /// Late numbers by block, from the lowest of them on.
    pub late_blocks: Blocks,
    /// Ranges of numbers that were skipped, first and last, the lowest first; at most 16.
    pub gaps: Vec<(u64, u64)>,
}

/// A lane of which this node has not heard yet.
static UNHEARD_OF: LaneSummary = LaneSummary {
    lane: LaneId::UNKNOWN,
    issued: 0,
    head: 0,
    floor: 0,
    waiting: 0,
    late: 0,
    standing_since_ms: 0,
    called_total: 0,
    blocks: Blocks { start: 0, counts: Vec::new() },
    late_blocks: Blocks { start: 0, counts: Vec::new() },
    gaps: Vec::new(),
};

impl LaneSummary {
    /// The place in the lane of a number, without those that were skipped below it: what a page shows.
    pub fn shown_number(&self, number: u64) -> u64 {
        let below =
            |&(first, last): &(u64, u64)| if number > last { last - first + 1 } else { number.saturating_sub(first) };
        let place = place_of(number);
        place - self.gaps.iter().map(below).sum::<u64>().min(place.saturating_sub(1))
    }

    /// The same for a number that a visitor holds: it was handed out, and so were those before it, whether the line has heard
    /// of it yet or not.
    pub fn shown_ticket(&self, number: u64) -> u64 {
        let below = |&(first, last): &(u64, u64)| if number > last { last - first + 1 } else { 0 };
        let place = place_of(number);
        place - self.gaps.iter().map(below).sum::<u64>().min(place.saturating_sub(1))
    }

    /// How many who wait in the lane will be called before `number`. Within a block the present ones are taken to
    /// be spread evenly, which is exact when nobody in it has left.
    pub fn ahead_of(&self, number: u64) -> u64 {
        if number <= self.head {
            self.late_blocks.before(number, 0, self.head)
        } else {
            self.late + self.blocks.before(number, self.head + 1, self.issued)
        }
    }

    /// Counts a number that was handed out after the last tick, so that those who come in the same rush each
    /// see those before them.
    pub(super) fn count_newcomer(&mut self, number: u64) {
        self.blocks.add(number, 1);
        self.waiting += 1;
    }
}

impl Summary {
    /// Since when somebody has been standing without a pause in some lane, on the line's clock; 0: nobody stands.
    pub fn standing_since_ms(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.standing_since_ms).filter(|&since_ms| since_ms > 0).min().unwrap_or(0)
    }

    /// What a node knows of the lanes that was told this.
    pub fn known_lanes(&self) -> PerLane<KnownLane> {
        self.lanes.map(|lane| KnownLane {
            lane: lane.lane,
            issued: lane.issued,
            head: lane.head,
            floor: lane.floor,
            gaps: lane.gaps.clone(),
        })
    }

    /// The lane of a number.
    pub fn lane_of(&self, number: u64) -> &LaneSummary {
        self.lanes.of(number).unwrap_or(&UNHEARD_OF)
    }

    /// In which slot newcomers to a lane are numbered: that of the first lane, until the line has the other one.
    pub fn slot_for(&self, lane: LaneId) -> usize {
        slot_for(self.lanes.iter().map(|lane| lane.lane), lane)
    }

    /// As [`LaneSummary::shown_number`].
    pub fn shown_number(&self, number: u64) -> u64 {
        self.lane_of(number).shown_number(number)
    }

    /// As [`LaneSummary::shown_ticket`].
    pub fn shown_ticket(&self, number: u64) -> u64 {
        self.lane_of(number).shown_ticket(number)
    }

    /// As [`LaneSummary::ahead_of`].
    pub fn ahead_of(&self, number: u64) -> u64 {
        self.lane_of(number).ahead_of(number)
    }

    /// Whether a number is at or below its lane's head: may have been called.
    pub fn has_passed(&self, number: u64) -> bool {
        number <= self.lane_of(number).head
    }

    /// One number of each lane, such as its head, as places in the lanes, added up.
    pub fn places(&self, of: impl Fn(&LaneSummary) -> u64) -> u64 {
        self.lanes.iter().map(|lane| place_of(of(lane))).sum()
    }

    /// Why nobody is called under these rules, when that is so.
    pub(crate) fn reason(&self, rules: &Rules) -> Option<Reason> {
        let healing = self.now_ms < self.quiet_until_ms;
        let full = self.waiting >= u64::from(rules.max_waiting);
        let seats_taken = rules.max_active.is_some_and(|max| self.due + self.inside >= u64::from(max));
        // A slow line stands still between two calls, and that is no reason to give.
        let pace_ms = 2 * 60_000 / u64::from(rules.release_per_minute.max(1));
        let rate_used = self.standing && self.rate_used_until_ms > self.now_ms + pace_ms.max(RATE_USED_MS_MIN);
        match rules.mode {
            Mode::Closed => Some(Reason::Closed),
            Mode::Hold => Some(Reason::Paused),
            _ if healing => Some(Reason::Recovering),
            _ if seats_taken => Some(Reason::SeatsTaken),
            _ if rate_used => Some(Reason::RateUsed),
            _ if full => Some(Reason::LineFull),
            _ => None,
        }
    }
}

/// In which of these slots newcomers to a lane are numbered.
pub(super) fn slot_for(mut lanes: impl Iterator<Item = LaneId>, lane: LaneId) -> usize {
    lanes.position(|at| at == lane).unwrap_or(0)
}

impl Line {
    /// What is told of the line after a step; `tick`: what is counted over all of it is counted anew.
    pub(super) fn summarise(&mut self, rules: &Rules, tick: bool) {
        let now_ms = self.clock.now_ms;
        if tick {
            self.count(rules);
            self.ticked_ms = now_ms;
            self.summary.called_last_minute = self.rate.in_window();
            self.summary.rate_used_until_ms = self.rate.used_until_ms(rules, self.clock.slack_ms);
        }
        for (lane, summary) in self.lanes.iter().zip(self.summary.lanes.iter_mut()) {
            lane.summarise(summary);
        }
        let summary = &mut self.summary;
        (summary.steps, summary.life) = (self.lives.steps(), self.lives.life());
        summary.life_began_ms = self.lives.began_ms();
        summary.quiet_until_ms = self.lives.quiet_until_ms();
        summary.settling = self.settling.is_on(now_ms);
        summary.last_calls = self.rate.last();
        summary.now_ms = now_ms;
        summary.called_total = self.called_total;
        summary.epoch = self.epoch;
        summary.waiting = summary.lanes.iter().map(|lane| lane.waiting).sum();
        summary.due = self.due.len() as u64;
        summary.inside = self.inside.len() as u64;
        summary.ended_dropped = self.ended.dropped();
        summary.mode = Some(rules.mode);
        summary.revision = self.controlled.revision();
        summary.reason = summary.reason(rules);
    }

    /// Counts who waits in each lane, and raises the floors.
    fn count(&mut self, rules: &Rules) {
        for (lane, summary) in self.lanes.iter_mut().zip(self.summary.lanes.iter_mut()) {
            self.minutes.now.left += lane.count(rules, summary);
        }
    }
}

/// Why a line stands still, or its visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The operator holds the line.
    Paused,
    /// Every seat is taken; the next visitor is called when another leaves.
    SeatsTaken,
    /// The store is unavailable; places are kept.
    StoreAway,
    /// The store came back with gaps; the line is being rebuilt before anybody is called.
    Recovering,
    /// The operator closed the queue.
    Closed,
    /// The line is at its bound.
    LineFull,
    /// As many were called in the last minute as may be, as after the rate was lowered.
    RateUsed,
    /// The visitor was called and did not enter. Is called again once the page is loaded, not while it only asks.
    Lapsed,
    /// The visitor's place is on another device now.
    Moved,
}

impl Reason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 9] = [
        Self::Paused,
        Self::SeatsTaken,
        Self::StoreAway,
        Self::Recovering,
        Self::Closed,
        Self::LineFull,
        Self::RateUsed,
        Self::Lapsed,
        Self::Moved,
    ];

    /// The name in the status document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::SeatsTaken => "seats_taken",
            Self::StoreAway => "store_away",
            Self::Recovering => "recovering",
            Self::Closed => "closed",
            Self::LineFull => "line_full",
            Self::RateUsed => "rate_used",
            Self::Lapsed => "lapsed",
            Self::Moved => "moved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::number_of;

    #[test]
    fn a_place_is_shown_without_the_lane_and_without_what_was_skipped() {
        let first = LaneSummary { gaps: vec![(11, 20)], ..LaneSummary::default() };
        let mut lanes = PerLane::one(first);
        let gaps = vec![(number_of(1, 5), number_of(1, 104))];
        lanes.push(LaneSummary { gaps, ..LaneSummary::default() });
        let summary = Summary { lanes, ..Summary::default() };
        let shown = [10, 21, number_of(1, 4), number_of(1, 105), number_of(2, 7)].map(|n| summary.shown_number(n));
        assert_eq!(shown, [10, 11, 4, 5, 7]);
    }

    #[test]
    fn two_tickets_of_skipped_numbers_are_not_shown_as_one() {
        let lane = LaneSummary { gaps: vec![(4, 20), (31, 40)], ..LaneSummary::default() };
        let summary = Summary { lanes: PerLane::one(lane), ..Summary::default() };
        assert_eq!([3, 4, 5, 20, 21, 31].map(|number| summary.shown_ticket(number)), [3, 4, 5, 20, 4, 14]);
        assert_eq!([4, 20].map(|head| summary.shown_number(head)), [4, 4], "a head in a gap goes by none");
    }
}
