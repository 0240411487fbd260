//! The naive model: a plain list of visitors, searched from end to end for everything.

mod control;
mod counts;
mod hush;
mod lanes;
mod times;

use std::collections::BTreeMap;

use sluice_config::Mode;

use super::super::{
    Batch, LaneId, Line, Minute, Newcomer, Outcome, Override, Rules, Verdict, place_of, queue::seats::Claim, slot_of,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Waiting,
    Due {
        until_ms: u64,
        claim: Claim,
    },
    /// Called, heard of it, and did not come.
    Lapsed,
    Inside {
        since_ms: u64,
        until_ms: u64,
    },
    Spent,
}

#[derive(Clone, Debug)]
struct Visitor {
    place: Place,
    /// When the generation of the fine ring is over in which the visitor counts as present last, and that of the coarse one.
    near_until_ms: u64,
    far_until_ms: u64,
    /// Last waiting generation in which the visitor was seen.
    seen: u64,
    /// Has lapsed once, and has not entered since.
    has_lapsed: bool,
    numbered_ms: u64,
    /// Has been seen since the last hush began.
    is_heard: bool,
}

impl Visitor {
    fn present_until_ms(&self) -> u64 {
        self.near_until_ms.max(self.far_until_ms)
    }
}

/// What the model knows, by number, plus the real time of every call.
#[derive(Default)]
pub(super) struct Model {
    visitors: BTreeMap<u64, Visitor>,
    slips: BTreeMap<u64, (u64, u64)>,
    calls: Vec<(u64, u64)>,
    /// Who was counted as waiting after the last step: what decides whether a line is full.
    waiting: u64,
    /// The line's clock, and the floor, after the last step.
    last_ms: u64,
    /// For how long the line could not be asked, in all.
    silent_ms: u64,
    /// Of each lane, by slot: which it is, the last number, the floor, and what it has in hand against the others.
    lanes: Vec<Lane>,
    /// Every change that was made, by id.
    changes: Vec<(u64, Override)>,
    /// When the hush began that there is.
    hush_ms: Option<u64>,
    /// Most have come back.
    hush_is_over: bool,
    /// Whether the head waits for those who have not been heard of since.
    waits: bool,
    /// What happened in each minute; of histograms only how many there are.
    minutes: BTreeMap<u64, Tally>,
    /// The minute of this step.
    minute: u64,
    pub(super) came: Came,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    id: LaneId,
    issued: u64,
    floor: u64,
    in_hand: i64,
}

/// As [`Minute`]: arrived, numbered, called, entered, lapsed, left and ended.
type Tally = [u32; 7];
const ARRIVED: usize = 0;
const NUMBERED: usize = 1;
const CALLED: usize = 2;
const ENTERED: usize = 3;
const LAPSED: usize = 4;
const LEFT: usize = 5;
const ENDED: usize = 6;

/// How often newcomers met with what the histories are there to show.
#[derive(Default)]
pub(super) struct Came {
    /// Without a slip, while somebody stood: no number.
    pub(super) turned_away: u64,
    /// Without a slip, while nobody stood: called at once.
    pub(super) walked_in: u64,
    /// With a slip that was handed out before one that had come back already.
    pub(super) out_of_turn: u64,
    /// With a slip, to a line that was full or closed.
    pub(super) refused: u64,
    /// Changes by an operator that were made, and that were not since another one came first.
    pub(super) changed: u64,
    pub(super) conflicts: u64,
    /// Steps under rules that an operator has set.
    pub(super) overridden: u64,
    /// Hushes after which most were back, and after which they were not.
    pub(super) hushes: (u64, u64),
    /// Calls while more than one lane stood.
    pub(super) in_turn: u64,
    /// Numbers of lanes that were not in the file any more when they were called.
    pub(super) retired: u64,
}

impl Model {
    /// Of a line that begins at this time of its clock.
    pub(super) fn begin(now_ms: u64) -> Self {
        let mut model = Self { last_ms: now_ms, ..Self::default() };
        model.open_lane(LaneId::FIRST);
        model
    }

    /// Follows a step of the real line and compares everything it did.
    pub(super) fn follow(&mut self, line: &Line, file: &Rules, batch: &Batch, outcome: &Outcome, real_ms: u64) {
        let now_ms = line.clock.now_ms;
        self.minute = now_ms / 60_000;
        self.control(batch, outcome);
        let rules = &self.rules_in_force(file, now_ms);
        self.open_lanes(rules);
        // It rises at the end of a step.
        let floors = self.lanes.iter().map(|lane| lane.floor).collect::<Vec<_>>();
        self.silence(now_ms);
        self.forget(now_ms);
        self.hush(batch, now_ms);
        self.lapse(rules, now_ms);
        self.marks(rules, batch, now_ms);
        let known = self.arrivals(rules, batch, outcome, now_ms);

        // P1, P4: whoever was called is exactly the front of those in the lane who are present.
        let candidates = (0..self.lanes.len()).map(|slot| self.candidates(now_ms, slot)).collect::<Vec<_>>();
        let is_called = |n: u64| line.due.get(n).is_some() || line.inside.get(n).is_some();
        let mut calls = Vec::new();
        for (slot, candidates) in candidates.iter().enumerate() {
            let called: Vec<u64> = candidates.iter().copied().filter(|&n| is_called(n)).collect();
            assert_eq!(called, candidates[..called.len()], "not the first present numbers of lane {slot} were called");
            for &number in &called {
                let visitor = self.visitors.get_mut(&number).unwrap();
                assert!(visitor.is_heard || !self.waits, "{number} was called, and the head should wait for it");
                let until_ms = visitor.present_until_ms().max(now_ms + rules.claim_within_ms);
                visitor.place = Place::Due { until_ms, claim: Claim::Open };
            }
            calls.push(called.len());
        }
        if line.ticked_ms == now_ms {
            self.turns(rules, &candidates.iter().map(Vec::len).collect::<Vec<_>>(), &calls);
        }
        let called = calls.iter().sum::<usize>();
        let stands = called < candidates.iter().map(Vec::len).sum();
        let walked_in = self.walk_ins(rules, batch, outcome, now_ms, &known, stands);
        assert_eq!(called as u64 + walked_in, u64::from(outcome.called));
        self.rate_and_seats(rules, u64::from(outcome.called), real_ms, now_ms);
        self.answers(rules, batch, outcome, now_ms);
        self.counts(line, outcome, now_ms);

        // "No number twice", and P9: numbers are handed out one after the other, each once, and to nobody but those
        // who were told of it.
        assert_eq!(line.lanes.iter().map(|lane| lane.issued).collect::<Vec<_>>(), self.issued());
        let issued = self.issued().into_iter().map(place_of).sum::<u64>();
        assert_eq!(self.visitors.len() as u64, issued, "a number was skipped");
        self.waiting = outcome.summary.waiting;
        self.last_ms = now_ms;
        self.tally(CALLED, outcome.called);
        for (slot, before) in floors.into_iter().enumerate() {
            self.floor(slot, before, line.lanes[slot].heads.floor(), now_ms);
        }
        self.minutes(line, now_ms);
    }

    fn tally(&mut self, what: usize, count: u32) {
        self.minutes.entry(self.minute).or_default()[what] += count;
    }

    /// Every minute that is kept says what happened in it.
    fn minutes(&mut self, line: &Line, now_ms: u64) {
        let kept = self.minutes.iter().filter(|(minute, tally)| **minute + 120 >= now_ms / 60_000 && **tally != [0; 7]);
        let expected: Vec<_> = kept.map(|(&minute, &tally)| (minute, tally)).collect();
        let tally = |m: &Minute| [m.arrived, m.numbered, m.called, m.entered, m.lapsed, m.left, m.ended];
        let counts = line.counts(0);
        assert_eq!(counts.iter().map(|m| (m.minute, tally(m))).collect::<Vec<_>>(), expected);
        for minute in &counts {
            assert_eq!((minute.waits.total(), minute.visits.total()), (minute.called.into(), minute.ended.into()));
        }
        // When each number was handed out is known to a second, or a 64th of the time since.
        let floor = |number| self.lanes[slot_of(number)].floor;
        for (&number, visitor) in self.visitors.iter().filter(|&(&number, _)| number > floor(number)) {
            let told_ms = line.lanes[slot_of(number)].issues.at(number).unwrap();
            let (off_ms, age_ms) = (visitor.numbered_ms - told_ms, now_ms - told_ms);
            assert!(off_ms < 1_000 || off_ms * 64 <= age_ms, "{number}: {off_ms} of {age_ms}");
        }
    }

    /// Numbers that hold a valid pass.
    pub(super) fn inside(&self) -> Vec<u64> {
        let has_pass =
            |v: &Visitor| matches!(v.place, Place::Inside { .. } | Place::Due { claim: Claim::Provisional, .. });
        self.visitors.iter().filter(|(_, v)| has_pass(v)).map(|(&n, _)| n).collect()
    }

    /// The last number of each lane.
    pub(super) fn issued(&self) -> Vec<u64> {
        self.lanes.iter().map(|lane| lane.issued).collect()
    }

    /// Every number there is.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.visitors.keys().copied().collect()
    }

    fn lapse(&mut self, rules: &Rules, now_ms: u64) {
        let is_over = |v: &&Visitor| match v.place {
            Place::Inside { until_ms, .. } => until_ms.min(now_ms + rules.seat_ms) <= now_ms,
            _ => false,
        };
        let is_unused = |v: &&Visitor| matches!(v.place, Place::Due { until_ms, .. } if until_ms <= now_ms);
        let (ended, lapsed) =
            (self.visitors.values().filter(is_over).count(), self.visitors.values().filter(is_unused).count());
        self.tally(ENDED, u32::try_from(ended).unwrap());
        self.tally(LAPSED, u32::try_from(lapsed).unwrap());
        for visitor in self.visitors.values_mut() {
            if let Place::Inside { until_ms, .. } = &mut visitor.place {
                *until_ms = (*until_ms).min(now_ms + rules.seat_ms);
            }
            match visitor.place {
                Place::Due { until_ms, claim: Claim::Notified } if until_ms <= now_ms => {
                    visitor.place = if visitor.has_lapsed { Place::Spent } else { Place::Lapsed };
                    visitor.has_lapsed = !visitor.has_lapsed;
                }
                Place::Due { until_ms, .. } if until_ms <= now_ms => visitor.place = Place::Waiting,
                Place::Inside { until_ms, .. } if until_ms <= now_ms => visitor.place = Place::Spent,
                _ => {}
            }
        }
    }

    fn marks(&mut self, rules: &Rules, batch: &Batch, now_ms: u64) {
        for number in &batch.inside {
            let visitor = self.visitors.get_mut(number).unwrap();
            if let Place::Inside { until_ms, .. } = &mut visitor.place {
                *until_ms = (*until_ms).max(now_ms + rules.seat_ms);
            } else {
                // The seat is provisional, or lapsed in this very step: who holds a pass is inside all the same.
                visitor.has_lapsed = false;
                visitor.place = Place::Inside { since_ms: now_ms, until_ms: now_ms + rules.seat_ms };
                self.tally(ENTERED, 1);
            }
        }
        for number in &batch.ended {
            let visitor = self.visitors.get_mut(number).unwrap();
            let was_inside = matches!(visitor.place, Place::Inside { .. });
            visitor.place = Place::Spent;
            visitor.has_lapsed = false;
            self.tally(ENDED, u32::from(was_inside));
        }
        let seen = batch.seen.iter().map(|s| (s.number, s.hold_ms));
        for (number, hold_ms) in seen.chain(batch.asks.iter().map(|a| (a.number, a.hold_ms))) {
            self.see(number, now_ms, hold_ms);
        }
        for ask in batch.asks.iter().filter(|ask| ask.enter) {
            self.reclaim(ask.number);
        }
        for number in &batch.away {
            let visitor = self.visitors.get_mut(number).unwrap();
            (visitor.near_until_ms, visitor.far_until_ms, visitor.seen) = (0, 0, 0);
        }
    }

    fn reclaim(&mut self, number: u64) {
        let visitor = self.visitors.get_mut(&number).unwrap();
        if visitor.place == Place::Lapsed {
            visitor.place = Place::Waiting;
        }
    }

    /// P9: a slip that comes back takes the next number, in the order in which slips come back, unless the line is
    /// full or closed. Tells which newcomers had a number already.
    fn arrivals(&mut self, rules: &Rules, batch: &Batch, outcome: &Outcome, now_ms: u64) -> Vec<bool> {
        let mut room = match rules.mode {
            Mode::Closed => 0,
            _ => u64::from(rules.max_waiting).saturating_sub(self.waiting),
        };
        let mut latest = self.slips.keys().next_back().copied();
        let newcomers = batch.newcomers.iter().zip(&outcome.newcomers);
        let known = newcomers.map(|(newcomer, &(number, verdict))| match self.slips.get(&newcomer.id) {
            // Remembered for at least ten minutes: the same number again.
            Some(&(known, at_ms)) if number == known || at_ms + 600_000 > now_ms => {
                assert_eq!(number, known, "a slip got a second number");
                self.see(number, now_ms, newcomer.hold_ms);
                if newcomer.enter && !newcomer.walk_in {
                    self.reclaim(number);
                }
                true
            }
            _ if newcomer.walk_in => false,
            _ if room == 0 => {
                assert_eq!((number, verdict), (0, Verdict::Refused), "a number from a line that is full or closed");
                self.came.refused += 1;
                false
            }
            _ => {
                room -= 1;
                self.admit(newcomer, number, now_ms);
                self.see(number, now_ms, newcomer.hold_ms);
                self.came.out_of_turn += u64::from(latest > Some(newcomer.id));
                latest = latest.max(Some(newcomer.id));
                false
            }
        });
        known.collect()
    }

    fn admit(&mut self, newcomer: &Newcomer, number: u64, now_ms: u64) {
        let slot = self.lanes.iter().position(|lane| lane.id == newcomer.lane).unwrap_or(0);
        self.lanes[slot].issued += 1;
        assert_eq!(number, self.lanes[slot].issued, "numbers are not handed out in order of arrival");
        let (place, numbered_ms) = (Place::Waiting, now_ms);
        let (near_until_ms, far_until_ms, seen, has_lapsed, is_heard) = (0, 0, 0, false, false);
        let visitor = Visitor { place, near_until_ms, far_until_ms, seen, has_lapsed, numbered_ms, is_heard };
        self.visitors.insert(number, visitor);
        self.tally(ARRIVED, 1);
        self.tally(NUMBERED, 1);
        self.slips.insert(newcomer.id, (number, now_ms));
    }

    /// P1, P9: while anybody who is present is left standing, or the queue is closed, whoever brings no slip takes no
    /// number.
    fn walk_ins(
        &mut self,
        rules: &Rules,
        batch: &Batch,
        outcome: &Outcome,
        now_ms: u64,
        known: &[bool],
        stands: bool,
    ) -> u64 {
        let mut walked_in = 0;
        let answers = batch.newcomers.iter().zip(&outcome.newcomers).zip(known);
        for ((newcomer, &(number, verdict)), _) in answers.filter(|((n, _), known)| n.walk_in && !**known) {
            if number == 0 {
                assert_eq!(verdict, Verdict::Refused, "no number, and not refused");
                self.came.turned_away += u64::from(stands);
                continue;
            }
            assert!(!stands, "a walk-in took a number while a line stands");
            assert_ne!(rules.mode, Mode::Closed, "a walk-in took a number of a closed queue");
            self.admit(newcomer, number, now_ms);
            let (claim, for_ms) = if newcomer.enter {
                (Claim::Provisional, (rules.seat_ms / 2).min(30_000))
            } else {
                (Claim::Open, rules.claim_within_ms)
            };
            self.visitors.get_mut(&number).unwrap().place = Place::Due { until_ms: now_ms + for_ms, claim };
            walked_in += 1;
        }
        self.came.walked_in += walked_in;
        walked_in
    }

    fn candidates(&self, now_ms: u64, slot: usize) -> Vec<u64> {
        let floor = self.lanes[slot].floor;
        let present = |v: &Visitor| v.place == Place::Waiting && v.present_until_ms() > now_ms && v.seen > 0;
        let is_here = |&(&n, v): &(&u64, &Visitor)| slot_of(n) == slot && n > floor && present(v);
        self.visitors.iter().filter(is_here).map(|(&n, _)| n).collect()
    }

    /// P2 in real time, P3.
    fn rate_and_seats(&mut self, rules: &Rules, called: u64, real_ms: u64, now_ms: u64) {
        if called == 0 {
            return;
        }
        assert!(called <= u64::from(rules.burst), "{called} called at once");
        self.calls.push((real_ms, called));
        let window: u64 = self.calls.iter().filter(|c| c.0 + 60_000 > real_ms).map(|c| c.1).sum();
        assert!(window <= u64::from(rules.release_per_minute), "{window} called within 60 s");
        let seats = self.visitors.values().filter(|v| match v.place {
            Place::Due { until_ms, .. } | Place::Inside { until_ms, .. } => until_ms > now_ms,
            _ => false,
        });
        let seats = seats.count();
        assert!(rules.max_active.is_none_or(|max| seats <= max as usize), "{seats} seats held");
    }

    fn answers(&mut self, rules: &Rules, batch: &Batch, outcome: &Outcome, now_ms: u64) {
        let newcomers = batch.newcomers.iter().zip(&outcome.newcomers).filter(|(_, a)| a.0 != 0);
        let newcomers = newcomers.map(|(n, &(number, verdict))| (number, n.enter, !n.walk_in, verdict));
        let asks = batch.asks.iter().zip(&outcome.asks).map(|(a, &verdict)| (a.number, a.enter, true, verdict));
        for (number, enter, is_back, verdict) in newcomers.chain(asks) {
            let floor = self.lanes[slot_of(number)].floor;
            let visitor = self.visitors.get_mut(&number).unwrap();
            let was_inside = matches!(visitor.place, Place::Inside { .. });
            match visitor.place {
                Place::Due { claim: Claim::Provisional, until_ms } if is_back => {
                    let since_ms = (until_ms - (rules.seat_ms / 2).min(30_000)).min(now_ms);
                    visitor.place = Place::Inside { since_ms, until_ms: now_ms + rules.seat_ms };
                }
                Place::Due { claim: Claim::Open | Claim::Notified, .. } if enter => {
                    visitor.has_lapsed = false;
                    visitor.place = Place::Inside { since_ms: now_ms, until_ms: now_ms + rules.seat_ms };
                }
                Place::Due { claim: Claim::Open, until_ms } => {
                    visitor.place = Place::Due { claim: Claim::Notified, until_ms };
                }
                _ => {}
            }
            let expected = match visitor.place {
                Place::Waiting if number > floor => Verdict::Waiting,
                Place::Lapsed if number > floor => Verdict::Lapsed,
                Place::Due { until_ms, claim: Claim::Provisional } => {
                    let since_ms = (until_ms - (rules.seat_ms / 2).min(30_000)).min(now_ms);
                    Verdict::Inside { since_ms, until_ms, provisional: true }
                }
                Place::Due { until_ms, .. } => Verdict::Called { until_ms },
                Place::Inside { since_ms, until_ms } => Verdict::Inside { since_ms, until_ms, provisional: false },
                Place::Waiting | Place::Lapsed | Place::Spent => Verdict::Spent,
            };
            assert_eq!(verdict, expected, "number {number}");
            let is_inside = matches!(visitor.place, Place::Inside { .. });
            self.tally(ENTERED, u32::from(is_inside && !was_inside));
        }
    }
}
