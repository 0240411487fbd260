//! What nodes tell: what they know of the line, and whom they have seen.
//!
//! Nearly all of it merges: by maximum, by the later end of a seat, by bits that are set. So it may come late, twice or
//! in any order, and from nodes that know of each other's news or do not.

use sluice_config::limits::LANES_MAX;

use super::{
    Batch, Known, LaneId, Line, Rules,
    lane::Lane,
    queue::{lives, seats::Claim},
    slot_of,
};

impl Line {
    /// Merges what a node knows. False: its numbers are of an epoch that is over. `moved`: see [`lives::Lives::step`].
    pub(super) fn merge(&mut self, rules: &Rules, batch: &Batch, moved: bool) -> bool {
        let known = &batch.known;
        let mut issued = [0; LANES_MAX];
        issued.iter_mut().zip(self.lanes.iter()).for_each(|(issued, lane)| *issued = lane.issued);
        let current = known.epoch == 0 || known.epoch >= self.epoch;
        let mut lost = moved;
        if current && known.epoch > 0 {
            let steps_are_missing = self.lives.compare(known);
            lost |= steps_are_missing;
            self.merge_known(known, steps_are_missing);
        }
        // A number that was never handed out is proof of a state that was.
        if current {
            lost |= self.merge_tops(&batch.tops());
        }
        self.open_lanes(rules);
        if lost {
            self.lanes.iter_mut().for_each(Lane::skip);
            self.lives.begin(self.clock.now_ms);
            self.rate.drain(self.clock.now_ms);
        }
        for (lane, issued) in self.lanes.iter_mut().zip(issued) {
            if lane.issued != issued.max(lane.origin) {
                lane.issues.forget(lane.issued);
            }
            lane.follow();
        }
        if current && known.epoch > 0 {
            self.merge_seats(known);
        }
        if batch.away_since_ms > 0 {
            // A node that was cut off alone, while none waited, has kept none waiting.
            if self.summary.waiting > 0 || self.summary.standing || !batch.newcomers.is_empty() {
                self.settling.begin(batch.away_since_ms, self.clock.now_ms);
            }
            // If no other node could ask either, they have yet to say whom they saw meanwhile.
            if self.clock.now_ms >= self.ticked_ms + lives::HEAL_MS {
                self.lives.listen(self.clock.now_ms);
            }
        }
        current
    }

    /// `steps_are_missing`: the node remembers more of the line than there is. Then it also knows better which lane is in
    /// which slot.
    fn merge_known(&mut self, known: &Known, steps_are_missing: bool) {
        self.epoch = known.epoch;
        for (slot, lane) in known.lanes.iter().enumerate() {
            if slot >= self.lanes.len() {
                self.open_lane(LaneId::UNKNOWN, lane.head);
            }
            self.place_lane(slot, lane.lane, steps_are_missing);
            self.lanes[slot].merge(lane);
        }
        self.rate.merge(&known.calls);
        self.ended.learn(known.ended_ms.unwrap_or_default());
        for top in known.tops().into_iter().filter(|&top| top > 0) {
            let lane = self.lane_up_to(top);
            lane.issued = lane.issued.max(top);
        }
    }

    /// A node says which lane is in a slot. A lane is in one slot only: if the node knows better, where the lane was taken
    /// to be is the one that was taken to be here; else it stays where it is.
    fn place_lane(&mut self, slot: usize, id: LaneId, knows_better: bool) {
        let here = self.lanes[slot].id;
        if slot == 0 || matches!(id, LaneId::FIRST | LaneId::UNKNOWN) {
            return;
        }
        let other = self.lanes.iter_mut().enumerate().find(|(at, other)| *at != slot && other.id == id);
        match other {
            Some((_, other)) if knows_better => other.id = here,
            None if knows_better || here == LaneId::UNKNOWN => {}
            _ => return,
        }
        self.lanes[slot].id = id;
    }

    /// Visitors hold tokens for these numbers, the highest of each lane; 0: none. True: some were never handed out.
    fn merge_tops(&mut self, tops: &[u64; LANES_MAX]) -> bool {
        let mut lost = false;
        for &top in tops.iter().filter(|&&top| top > 0) {
            let lane = self.lane_up_to(top);
            lane.gaps.handed_out(top);
            if lane.issued < top {
                lane.issued = top;
                lost = true;
            }
        }
        lost
    }

    /// The lane of a number. If there is none, it was lost, and so were those before it that are not there.
    fn lane_up_to(&mut self, number: u64) -> &mut Lane {
        let slot = slot_of(number);
        while self.lanes.len() <= slot {
            self.open_lane(LaneId::UNKNOWN, 0);
        }
        &mut self.lanes[slot]
    }

    /// Opens a lane in the next slot; `head` as in [`Lane::first_summary`].
    pub(super) fn open_lane(&mut self, id: LaneId, head: u64) {
        let lane = Lane::new(self.lanes.len(), id);
        self.summary.lanes.push(lane.first_summary(head));
        self.lanes.push(lane);
    }

    /// Lanes of the file that are not there yet get a slot. If none is left, it is one of a lane that is not in the file
    /// any more and in which nobody waits; if there is none of these either, newcomers go to the first lane meanwhile.
    fn open_lanes(&mut self, rules: &Rules) {
        for rule in &rules.lanes {
            if self.lanes.iter().any(|lane| lane.id == rule.lane) {
                continue;
            }
            let is_free = |slot: usize| {
                let is_named = rules.lanes.iter().any(|rule| rule.lane == self.lanes[slot].id);
                slot > 0 && !is_named && self.summary.lanes[slot].waiting == 0
            };
            // One of which nothing but numbers is known comes first: it was lost, and is most likely this one.
            let mut slots = 1..self.lanes.len();
            let unknown = slots.find(|&slot| self.lanes[slot].id == LaneId::UNKNOWN);
            if let Some(slot) = unknown {
                self.lanes[slot].id = rule.lane;
            } else if self.lanes.len() < LANES_MAX {
                self.open_lane(rule.lane, 0);
            } else if let Some(slot) = (1..LANES_MAX).find(|&slot| is_free(slot)) {
                self.lanes[slot].id = rule.lane;
            }
        }
    }

    /// Seats that a node knows of, that have not lapsed and whose visits have not ended.
    fn known_seats<'a>(&'a self, seats: &'a [(u64, u64)]) -> impl Iterator<Item = (u64, u64)> + 'a {
        let now_ms = self.clock.now_ms;
        seats.iter().copied().filter(move |&(number, until_ms)| until_ms > now_ms && !self.ended.contains(number))
    }

    fn merge_seats(&mut self, known: &Known) {
        let now_ms = self.clock.now_ms;
        for (number, until_ms) in self.known_seats(&known.inside).collect::<Vec<_>>() {
            self.take_in(number, now_ms, until_ms);
        }
        for (number, until_ms) in self.known_seats(&known.due).collect::<Vec<_>>() {
            if self.inside.get(number).is_none() && self.due.get(number).is_none() {
                self.set_called(number);
                self.due.hold(number, now_ms, until_ms, Claim::Open);
            }
        }
    }

    pub(super) fn mark(&mut self, rules: &Rules, batch: &Batch) {
        let now_ms = self.clock.now_ms;
        self.book_admitted(rules, batch);
        for &number in &batch.inside {
            // A node may have seen inside who has left through another one since.
            if self.ended.contains(number) {
                continue;
            }
            self.enter(number, now_ms, now_ms + rules.seat_ms);
        }
        // After the line above: whoever is seen inside and then says good-bye, in one batch, has gone.
        self.book_ended(&batch.ended);
        for seen in &batch.seen {
            self.see(seen.number, seen.hold_ms);
        }
        for ask in &batch.asks {
            self.see(ask.number, ask.hold_ms);
            if ask.enter {
                self.reclaim(ask.number);
            }
        }
        for &number in &batch.away {
            if let Some(lane) = self.lane_mut(number) {
                lane.unsee(number);
            }
        }
    }

    /// Visits that have ended give up their seats, and their passes are void.
    fn book_ended(&mut self, ended: &[u64]) {
        for &number in ended {
            let uncounted = !self.is_gone(number);
            if let Some(seat) = self.inside.free(number) {
                self.count_visit(seat.since_ms, self.clock.now_ms);
            }
            self.due.free(number);
            self.set_spent(number);
            self.ended.add(number, self.clock.now_ms, uncounted);
        }
    }

    /// Settles up with a node that let visitors in by itself: whoever had not been called yet is called now, once,
    /// however often it is told.
    fn book_admitted(&mut self, rules: &Rules, batch: &Batch) {
        let now_ms = self.clock.now_ms;
        let mut called = 0;
        for &number in &batch.admitted {
            let is_called = !self.is_gone(number) || self.ended.count(number);
            called += u32::from(is_called);
            if let Some(lane) = self.lane_mut(number).filter(|_| is_called) {
                lane.called_total += 1;
            }
            // The visit counts as a call even if it is over by now, as another node may have said; but it has no seat.
            if !self.ended.contains(number) {
                self.enter(number, now_ms, now_ms + rules.seat_ms);
            } else {
                self.due.free(number);
                self.set_spent(number);
            }
        }
        self.book(called);
    }

    /// Marks a number as present.
    pub(super) fn see(&mut self, number: u64, hold_ms: u32) {
        let (asked_ms, now_ms) = (self.asked_ms(), self.clock.now_ms);
        if let Some(lane) = self.lane_mut(number) {
            lane.see(number, asked_ms, now_ms, hold_ms);
        }
    }
}
