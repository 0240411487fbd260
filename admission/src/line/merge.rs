//! What nodes tell: what they know of the line, and whom they have seen.
//!
//! Nearly all of it merges: by maximum, by the later end of a seat, by bits that are set. So it may come late, twice or
//! in any order, and from nodes that know of each other's news or do not.

use super::{Batch, Known, Line, Rules, lives, seats::Claim};

impl Line {
    /// Merges what a node knows. False: its numbers are of an epoch that is over. `moved`: see [`Lives::step`].
    pub(super) fn merge(&mut self, batch: &Batch, moved: bool) -> bool {
        let known = &batch.known;
        let issued = self.issued;
        let current = known.epoch == 0 || known.epoch >= self.epoch;
        let mut lost = moved;
        if current && known.epoch > 0 {
            lost |= self.lives.compare(known);
            self.merge_known(known);
        }
        // A number that was never handed out is proof of a state that was.
        if current {
            self.gaps.handed_out(batch.top());
        }
        if current && self.issued < batch.top() {
            self.issued = batch.top();
            lost = true;
        }
        if lost {
            self.gaps.skip(self.issued + 1, lives::SKIP);
            self.issued += lives::SKIP;
            self.lives.begin(self.clock.now_ms);
            self.rate.drain(self.clock.now_ms);
        }
        if self.issued != issued {
            self.issues.forget(self.issued);
        }
        // The base follows before any number is marked: a line that is healed begins at its floor, however high the
        // numbers are by now.
        if self.issued.saturating_sub(self.base) > lives::REACH_MAX {
            self.heads.raise_floor(self.issued - lives::REACH_KEPT);
            self.head = self.head.max(self.heads.floor());
        }
        self.rebase();
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

    fn merge_known(&mut self, known: &Known) {
        self.epoch = known.epoch;
        self.heads.raise_floor(known.floor);
        self.head = self.head.max(known.head).max(self.heads.floor());
        // Whatever was called or passed over was issued, even if this node has not heard so.
        self.gaps.merge(&known.gaps);
        let mut issued = self.issued.max(known.issued).max(self.head);
        self.rate.merge(&known.calls);
        self.ended.learn(known.ended_ms.unwrap_or_default());
        for number in self.known_seats(&known.inside).chain(self.known_seats(&known.due)).map(|seat| seat.0) {
            issued = issued.max(number);
        }
        self.gaps.issued(known.issued);
        self.issued = issued;
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
            if let Some(offset) = self.offset(number) {
                self.presence.forget(offset);
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
            called += u32::from(!self.is_gone(number) || self.ended.count(number));
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

    /// Marks a number as present. Bits of numbers that are called, or at or below the floor, mean nothing and
    /// are masked where they are read, so they need not be told apart here.
    pub(super) fn see(&mut self, number: u64, hold_ms: u32) {
        let asked_ms = self.asked_ms();
        if let Some(offset) = self.offset(number) {
            self.presence.mark(offset, asked_ms, self.clock.now_ms, hold_ms);
        }
    }
}
