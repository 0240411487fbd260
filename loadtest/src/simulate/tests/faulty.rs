//! Lines that are broken on purpose: the real one, with its inputs or its outputs bent.

use std::collections::{BTreeMap, BTreeSet};

use sluice_admission::line::{
    Batch, HOLD_MS_MAX, Known, LaneId, LaneRule, Line, Minute, Newcomer, Outcome, Reading, Rules, Seen, Verdict,
    slot_of,
};

use crate::simulate::{core::Core, store::START_MS};

/// Makes a faulty line out of the real one.
macro_rules! faulty {
    ($(#[$doc:meta])* $name:ident, $state:ty, $sync:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(super) struct $name {
            line: Line,
            state: $state,
        }

        impl Core for $name {
            fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self {
                Self { line: Line::new(rules, reading, known), state: Default::default() }
            }

            fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome {
                let sync: fn(&mut Line, &mut $state, &Rules, Reading, Batch) -> Outcome = $sync;
                sync(&mut self.line, &mut self.state, rules, reading, batch.clone())
            }

            fn counts(&self, since_minute: u64) -> Vec<Minute> {
                self.line.counts(since_minute)
            }
        }
    };
}

fn seen(number: u64) -> Seen {
    Seen { number, hold_ms: HOLD_MS_MAX }
}

faulty!(
    /// Calls absent numbers: whoever ever took a number counts as there.
    CallsAbsentNumbers,
    u64,
    |line, issued, rules, reading, mut batch| {
        let head = batch.known.lanes[0].head;
        batch.seen.extend((head + 1..=*issued).map(seen));
        let outcome = line.sync(rules, reading, &batch);
        *issued = outcome.summary.lanes[0].issued;
        outcome
    }
);

faulty!(
    /// Lets newcomers overtake: those who come while a place is free get it before all who stand in line.
    LetsNewcomersOvertake,
    (u64, BTreeSet<u64>),
    |line, (issued, hidden), rules, reading, mut batch| {
        batch.seen.extend(std::mem::take(hidden).into_iter().map(seen));
        if !batch.newcomers.is_empty() {
            // For this one step everybody else is taken to be away.
            let standing = batch.known.lanes[0].head + 1..=*issued;
            hidden.extend(standing.clone().filter(|n| batch.seen.iter().any(|s| s.number == *n)));
            batch.seen.clear();
            batch.away.extend(standing);
        }
        let outcome = line.sync(rules, reading, &batch);
        *issued = outcome.summary.lanes[0].issued;
        outcome
    }
);

faulty!(
    /// Banks credit while idle: what was not called for in quiet minutes may be called later, on top of the rate.
    BanksCreditWhileIdle,
    (u64, u32),
    |line, (last_ms, banked), rules, reading, batch| {
        let gone_ms = reading.wall_ms - std::mem::replace(last_ms, reading.wall_ms).max(reading.wall_ms - 10_000);
        let earned = u64::from(rules.release_per_minute) * gone_ms / 60_000;
        let lent = Rules {
            release_per_minute: rules.release_per_minute + *banked,
            burst: rules.burst + *banked,
            ..rules.clone()
        };
        let outcome = line.sync(&lent, reading, &batch);
        if outcome.summary.standing || outcome.called > 0 {
            *banked = banked.saturating_sub(outcome.called);
        } else {
            *banked += u32::try_from(earned).unwrap();
        }
        outcome
    }
);

faulty!(
    /// Forgets seats: whoever is inside is not heard of again, and the seat is given away during the visit.
    ForgetsSeats,
    (),
    |line, (), rules, reading, batch| line.sync(rules, reading, &Batch { inside: Vec::new(), ..batch })
);

faulty!(
    /// Counts a late return twice: who comes back to a number that was passed over stands in line once more.
    CountsALateReturnTwice,
    BTreeMap<u64, u64>,
    |line, twice, rules, reading, mut batch| {
        let asked = batch.newcomers.len();
        let late = batch.asks.iter().map(|ask| ask.number).filter(|n| !twice.contains_key(n));
        let late: Vec<u64> = late.collect();
        batch.newcomers.extend(late.iter().map(|&number| Newcomer {
            id: u64::MAX - number,
            hold_ms: HOLD_MS_MAX,
            enter: false,
            walk_in: false,
            lane: LaneId::FIRST,
            arrived_ms: 0,
        }));
        batch.seen.extend(twice.values().filter(|&&n| n > 0).map(|&n| seen(n)));
        let mut outcome = line.sync(rules, reading, &batch);
        for (number, (second, _)) in late.into_iter().zip(outcome.newcomers.split_off(asked)) {
            // Whoever was called at once was not late.
            let at = batch.asks.iter().position(|ask| ask.number == number).unwrap();
            let is_late = outcome.asks[at] == Verdict::Waiting;
            twice.insert(number, if is_late { second } else { 0 });
        }
        outcome
    }
);

faulty!(
    /// Wastes the rate: calls two in a hundred fewer than it may.
    WastesTheRate,
    (),
    |line, (), rules, reading, batch| {
        let release_per_minute = rules.release_per_minute * 98 / 100;
        line.sync(&Rules { release_per_minute, ..rules.clone() }, reading, &batch)
    }
);

faulty!(
    /// Ignores weights: each lane is called as often as the others.
    IgnoresWeights,
    (),
    |line, (), rules, reading, batch| {
        let even = |lane: &LaneRule| LaneRule { weight: 1, ..*lane };
        line.sync(&Rules { lanes: rules.lanes.iter().map(even).collect(), ..rules.clone() }, reading, &batch)
    }
);

faulty!(
    /// Keeps the share of a lane that has nobody to call, as if it had to be there for whoever comes.
    LosesTheShareOfAnEmptyLane,
    f64,
    |line, in_use, rules, reading, batch| {
        let part = if *in_use > 0.0 { *in_use } else { 1.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than it was")]
        let release_per_minute = (f64::from(rules.release_per_minute) * part) as u32;
        let outcome = line.sync(&Rules { release_per_minute, ..rules.clone() }, reading, &batch);
        let lanes = outcome.summary.lanes.iter().filter(|lane| lane.standing_since_ms > 0);
        let standing: u32 = lanes.map(|lane| rules.weight(lane.lane)).sum();
        *in_use = f64::from(standing) / f64::from(rules.lanes.iter().map(|lane| lane.weight).sum::<u32>().max(1));
        outcome
    }
);

faulty!(
    /// Starves a lane: none of the second one is called while anybody stands in the first.
    StarvesALane,
    bool,
    |line, first_stands, rules, reading, mut batch| {
        if *first_stands {
            let second = |number: u64| slot_of(number) == 1;
            let away = batch.seen.extract_if(.., |seen| second(seen.number)).map(|seen| seen.number);
            batch.away.extend(away);
        }
        let outcome = line.sync(rules, reading, &batch);
        *first_stands = outcome.summary.lanes[0].standing_since_ms > 0;
        outcome
    }
);

faulty!(
    /// Forgets hidden pages: none counts as present for longer than a page that is looked at.
    ForgetsHiddenPages,
    (),
    |line, (), rules, reading, mut batch| {
        batch.seen.iter_mut().for_each(|seen| seen.hold_ms = seen.hold_ms.min(4_000));
        batch.asks.iter_mut().for_each(|ask| ask.hold_ms = ask.hold_ms.min(4_000));
        line.sync(rules, reading, &batch)
    }
);

faulty!(
    /// Calls a ticket that never enters again and again, as often as it asks after the call has lapsed.
    CallsTheParkedForEver,
    (),
    |line, (), rules, reading, batch| {
        let mut outcome = line.sync(rules, reading, &batch);
        let until_ms = outcome.summary.now_ms + rules.claim_within_ms;
        let asks = batch.asks.iter().zip(&outcome.asks);
        let lapsed: Vec<_> = asks.filter(|asked| *asked.1 == Verdict::Lapsed).map(|asked| asked.0.number).collect();
        outcome.called += u32::try_from(lapsed.len()).unwrap();
        outcome.due.extend(lapsed.into_iter().map(|number| (number, until_ms)));
        outcome
    }
);

/// Counts a visit too many, in one minute.
#[derive(Clone)]
pub(super) struct CountsAVisitTooMany(Line);

impl Core for CountsAVisitTooMany {
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self {
        Self(Line::new(rules, reading, known))
    }

    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        self.0.sync(rules, reading, batch)
    }

    fn counts(&self, since_minute: u64) -> Vec<Minute> {
        let mut minutes = self.0.counts(since_minute);
        let third = minutes.iter_mut().filter(|minute| minute.minute == START_MS / 60_000 + 3);
        third.for_each(|minute| minute.entered += 1);
        minutes
    }
}
