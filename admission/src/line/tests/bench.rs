//! One line and a clock.

use super::super::{Ask, Batch, Known, LaneId, Line, Newcomer, Outcome, Reading, Rules, Seen, Verdict};

pub(super) struct Bench {
    pub(super) line: Line,
    pub(super) rules: Rules,
    pub(super) now_ms: u64,
    ids: u64,
}

impl Bench {
    pub(super) fn new(rules: Rules) -> Self {
        let now_ms = 1_700_000_000_000;
        let line = Line::new(&rules, Reading { wall_ms: now_ms, slack_ms: 0, run: 0 }, &Known::default());
        Self { line, rules, now_ms, ids: 0 }
    }

    /// A step some time later; the line is asked all along.
    pub(super) fn after(&mut self, ms: u64, batch: Batch) -> Outcome {
        let until_ms = self.now_ms + ms;
        while self.now_ms + 1_000 < until_ms {
            self.after_silence(1_000, Batch::default());
        }
        self.after_silence(until_ms - self.now_ms, batch)
    }

    /// The same, and the line cannot be asked before.
    pub(super) fn after_silence(&mut self, ms: u64, batch: Batch) -> Outcome {
        self.now_ms += ms;
        self.line.sync(&self.rules, Reading { wall_ms: self.now_ms, slack_ms: 0, run: 0 }, &batch)
    }

    pub(super) fn join(&mut self, count: u64) -> Outcome {
        let first = self.ids;
        self.ids += count;
        let newcomers = (first..self.ids).map(|id| Newcomer {
            id,
            hold_ms: 4_000,
            enter: false,
            walk_in: false,
            lane: LaneId::FIRST,
            arrived_ms: 0,
        });
        let newcomers = newcomers.collect();
        self.after(0, Batch { newcomers, ..Batch::default() })
    }

    /// Ids of newcomers who have not come before.
    pub(super) fn fresh_ids(&mut self, count: u64) -> std::ops::Range<u64> {
        self.ids += count;
        self.ids - count..self.ids
    }

    /// The next to join have joined before.
    pub(super) fn rejoin(&mut self) {
        self.ids = 0;
    }

    pub(super) fn walk_in(&mut self) -> Outcome {
        self.ids += 1;
        let walk_in =
            Newcomer { id: self.ids, hold_ms: 4_000, enter: true, walk_in: true, lane: LaneId::FIRST, arrived_ms: 0 };
        self.after(0, Batch { newcomers: vec![walk_in], ..Batch::default() })
    }

    pub(super) fn see(&mut self, ms: u64, numbers: impl IntoIterator<Item = u64>) -> Outcome {
        let seen = numbers.into_iter().map(|number| Seen { number, hold_ms: 4_000 }).collect();
        self.after(ms, Batch { seen, ..Batch::default() })
    }

    /// Lets time pass while the line is asked all along.
    pub(super) fn pass(&mut self, seconds: u64) {
        self.after(seconds * 1_000, Batch::default());
    }

    pub(super) fn ask(&mut self, number: u64, enter: bool) -> Verdict {
        let asks = vec![Ask { number, hold_ms: 4_000, enter }];
        self.after(0, Batch { asks, ..Batch::default() }).asks[0]
    }
}
