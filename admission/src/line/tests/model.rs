//! The naive model: a plain list of visitors, searched from end to end for everything.

mod control;

use std::collections::BTreeMap;

use sluice_config::Mode;

use super::super::{Batch, Line, Minute, Outcome, Override, Rules, Verdict, lane::presence, queue::seats::Claim};

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
    /// When the generation is over in which the visitor counts as present last.
    present_until_ms: u64,
    /// Last waiting generation in which the visitor was seen.
    seen: u64,
    /// Has lapsed once, and has not entered since.
    has_lapsed: bool,
    numbered_ms: u64,
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
    floor: u64,
    /// Every change that was made, by id.
    changes: Vec<(u64, Override)>,
    /// What happened in each minute; of histograms only how many there are.
    minutes: BTreeMap<u64, Tally>,
    /// The minute of this step.
    minute: u64,
    pub(super) came: Came,
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
}

impl Model {
    /// Of a line that begins at this time of its clock.
    pub(super) fn begin(now_ms: u64) -> Self {
        Self { last_ms: now_ms, ..Self::default() }
    }

    /// Follows a step of the real line and compares everything it did.
    pub(super) fn follow(&mut self, line: &Line, file: &Rules, batch: &Batch, outcome: &Outcome, real_ms: u64) {
        let now_ms = line.clock.now_ms;
        self.minute = now_ms / 60_000;
        self.control(batch, outcome);
        let rules = &self.rules_in_force(file, now_ms);
        // It rises at the end of a step.
        let floor = self.floor;
        self.silence(now_ms);
        self.forget(now_ms);
        self.lapse(rules, now_ms);
        self.marks(rules, batch, now_ms);
        let issued_before = self.visitors.keys().last().copied().unwrap_or(0);
        let known = self.arrivals(rules, batch, outcome, now_ms);

        // P1, P4: whoever was called is exactly the front of those who are present.
        let candidates: Vec<u64> = self.candidates(now_ms, floor);
        let called: Vec<u64> =
            candidates.iter().copied().filter(|&n| line.due.get(n).is_some() || line.inside.get(n).is_some()).collect();
        assert_eq!(called, candidates[..called.len()], "not the first present numbers were called");
        for &number in &called {
            let visitor = self.visitors.get_mut(&number).unwrap();
            let until_ms = visitor.present_until_ms.max(now_ms + rules.claim_within_ms);
            visitor.place = Place::Due { until_ms, claim: Claim::Open };
        }
        let stands = called.len() < candidates.len();
        let walked_in = self.walk_ins(rules, batch, outcome, now_ms, &known, stands);
        assert_eq!(called.len() as u64 + walked_in, u64::from(outcome.called));
        self.rate_and_seats(rules, u64::from(outcome.called), real_ms, now_ms);
        self.answers(rules, batch, outcome, now_ms, floor);
        self.counts(line, outcome, now_ms, line.lanes[0].heads.floor());

        // "No number twice", and P9: numbers are handed out one after the other, each once, and to nobody but those
        // who were told of it.
        let issued = self.visitors.keys().last().copied().unwrap_or(0);
        assert_eq!(line.lanes[0].issued, issued.max(issued_before));
        assert_eq!(self.visitors.len() as u64, issued, "a number was skipped");
        self.waiting = outcome.summary.waiting;
        self.last_ms = now_ms;
        self.tally(CALLED, outcome.called);
        self.floor(line.lanes[0].heads.floor(), now_ms);
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
        for (&number, visitor) in self.visitors.range(self.floor + 1..) {
            let told_ms = line.lanes[0].issues.at(number).unwrap();
            let (off_ms, age_ms) = (visitor.numbered_ms - told_ms, now_ms - told_ms);
            assert!(off_ms < 1_000 || off_ms * 64 <= age_ms, "{number}: {off_ms} of {age_ms}");
        }
    }

    /// P5: no number that was seen lately loses its right to be called.
    fn floor(&mut self, floor: u64, now_ms: u64) {
        assert!(floor >= self.floor);
        let passed = self.visitors.range(self.floor + 1..floor + 1);
        for (number, visitor) in passed {
            let is_seen = visitor.seen + presence::WAITING_GENERATIONS as u64 > self.half_minute(now_ms);
            assert!(visitor.place != Place::Waiting || !is_seen, "the floor passed {number}");
        }
        let left = self.visitors.range(self.floor + 1..floor + 1).filter(|v| v.1.place == Place::Waiting).count();
        self.tally(LEFT, u32::try_from(left).unwrap());
        self.floor = floor;
    }

    /// P1, P7: while the line is not asked claims do not run out, and who was present still is.
    fn silence(&mut self, now_ms: u64) {
        let gone_ms = now_ms - self.last_ms;
        let silent_ms = gone_ms.saturating_sub(if self.waiting > 0 { 2_000 } else { 10_000 });
        if silent_ms == 0 {
            return;
        }
        self.silent_ms += silent_ms;
        let half_minute = self.half_minute(now_ms);
        let hold_ms = (gone_ms * 2 + 2_000).min(66_000);
        let length_ms = if hold_ms <= 12_000 { 2_000 } else { 16_000 };
        let until_ms = ((now_ms + hold_ms) / length_ms + 1) * length_ms;
        for visitor in self.visitors.values_mut() {
            if let Place::Due { until_ms, .. } = &mut visitor.place {
                *until_ms += silent_ms;
            }
            let is_counted = visitor.seen + presence::WAITING_GENERATIONS as u64 > half_minute;
            if is_counted && visitor.present_until_ms > self.last_ms {
                visitor.present_until_ms = visitor.present_until_ms.max(until_ms);
            }
        }
    }

    /// Who is not counted as waiting is not at the door.
    fn forget(&mut self, now_ms: u64) {
        let half_minute = self.half_minute(now_ms);
        let is_over = |v: &&mut Visitor| v.seen + presence::WAITING_GENERATIONS as u64 <= half_minute;
        self.visitors.values_mut().filter(is_over).for_each(|visitor| visitor.present_until_ms = 0);
    }

    /// Which half minute it is, without the time for which the line could not be asked.
    fn half_minute(&self, now_ms: u64) -> u64 {
        (now_ms - self.silent_ms) / presence::WAITING_MS
    }

    /// Numbers that hold a valid pass.
    pub(super) fn inside(&self) -> Vec<u64> {
        let has_pass =
            |v: &Visitor| matches!(v.place, Place::Inside { .. } | Place::Due { claim: Claim::Provisional, .. });
        self.visitors.iter().filter(|(_, v)| has_pass(v)).map(|(&n, _)| n).collect()
    }

    pub(super) fn issued(&self) -> u64 {
        self.visitors.len() as u64
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
            visitor.present_until_ms = 0;
            visitor.seen = 0;
        }
    }

    fn reclaim(&mut self, number: u64) {
        let visitor = self.visitors.get_mut(&number).unwrap();
        if visitor.place == Place::Lapsed {
            visitor.place = Place::Waiting;
        }
    }

    fn see(&mut self, number: u64, now_ms: u64, hold_ms: u32) {
        let half_minute = self.half_minute(now_ms);
        let visitor = self.visitors.get_mut(&number).unwrap();
        let until_ms = now_ms + u64::from(hold_ms.min(presence::HOLD_MS_MAX));
        let length_ms = if hold_ms <= 12_000 { 2_000 } else { 16_000 };
        visitor.present_until_ms = visitor.present_until_ms.max((until_ms / length_ms + 1) * length_ms);
        visitor.seen = half_minute;
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
                self.admit(newcomer.id, number, now_ms);
                self.see(number, now_ms, newcomer.hold_ms);
                self.came.out_of_turn += u64::from(latest > Some(newcomer.id));
                latest = latest.max(Some(newcomer.id));
                false
            }
        });
        known.collect()
    }

    fn admit(&mut self, id: u64, number: u64, now_ms: u64) {
        assert_eq!(number, self.visitors.len() as u64 + 1, "numbers are not handed out in order of arrival");
        let (place, numbered_ms) = (Place::Waiting, now_ms);
        self.visitors.insert(number, Visitor { place, present_until_ms: 0, seen: 0, has_lapsed: false, numbered_ms });
        self.tally(ARRIVED, 1);
        self.tally(NUMBERED, 1);
        self.slips.insert(id, (number, now_ms));
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
            self.admit(newcomer.id, number, now_ms);
            let (claim, for_ms) = if newcomer.enter {
                (Claim::Provisional, rules.seat_ms.min(30_000))
            } else {
                (Claim::Open, rules.claim_within_ms)
            };
            self.visitors.get_mut(&number).unwrap().place = Place::Due { until_ms: now_ms + for_ms, claim };
            walked_in += 1;
        }
        self.came.walked_in += walked_in;
        walked_in
    }

    fn candidates(&self, now_ms: u64, floor: u64) -> Vec<u64> {
        let present = |v: &Visitor| v.place == Place::Waiting && v.present_until_ms > now_ms && v.seen > 0;
        self.visitors.iter().filter(|&(&n, v)| n > floor && present(v)).map(|(&n, _)| n).collect()
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

    fn answers(&mut self, rules: &Rules, batch: &Batch, outcome: &Outcome, now_ms: u64, floor: u64) {
        let newcomers = batch.newcomers.iter().zip(&outcome.newcomers).filter(|(_, a)| a.0 != 0);
        let newcomers = newcomers.map(|(n, &(number, verdict))| (number, n.enter, !n.walk_in, verdict));
        let asks = batch.asks.iter().zip(&outcome.asks).map(|(a, &verdict)| (a.number, a.enter, true, verdict));
        for (number, enter, is_back, verdict) in newcomers.chain(asks) {
            let visitor = self.visitors.get_mut(&number).unwrap();
            let was_inside = matches!(visitor.place, Place::Inside { .. });
            match visitor.place {
                Place::Due { claim: Claim::Provisional, until_ms } if is_back => {
                    let since_ms = (until_ms - rules.seat_ms.min(30_000)).min(now_ms);
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
                    let since_ms = (until_ms - rules.seat_ms.min(30_000)).min(now_ms);
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

    fn counts(&self, line: &Line, outcome: &Outcome, now_ms: u64, floor: u64) {
        let summary = &outcome.summary;
        let count = |f: &dyn Fn(&Visitor) -> bool| self.visitors.values().filter(|v| f(v)).count() as u64;
        assert_eq!(summary.due, count(&|v| matches!(v.place, Place::Due { .. })));
        assert_eq!(summary.inside, count(&|v| matches!(v.place, Place::Inside { .. })));
        if line.ticked_ms == now_ms {
            let oldest = (self.half_minute(now_ms) + 1).saturating_sub(presence::WAITING_GENERATIONS as u64).max(1);
            let waiting = |v: &Visitor| v.place == Place::Waiting && v.seen >= oldest;
            let ahead =
                self.visitors.iter().filter(|&(&n, v)| n > summary.lanes[0].head && n > floor && waiting(v)).count()
                    as u64;
            let late =
                self.candidates(now_ms, floor).into_iter().filter(|&n| n <= summary.lanes[0].head).count() as u64;
            assert_eq!((summary.waiting, summary.lanes[0].late), (ahead + late, late));
            let counted: u64 = summary.lanes[0].blocks.counts.iter().map(|&c| u64::from(c)).sum();
            assert_eq!(summary.lanes[0].late + counted, summary.waiting);
        }
    }
}
