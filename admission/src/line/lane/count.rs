//! What is counted over a whole lane at a tick.

use super::Lane;
use crate::line::{Blocks, LaneSummary, Rules};

impl Lane {
    /// Counts who is waiting, over the whole lane: one pass over the bitmaps. Above the head that is whoever was
    /// seen lately; of those the head has passed, only who is back at the door will be called. The floor rises, but not
    /// over a number that was seen lately and is not called. Returns how many have left for good.
    pub(in crate::line) fn count(&mut self, rules: &Rules, summary: &mut LaneSummary) -> u32 {
        let start = Blocks::start_for(self.head);
        let mut blocks = Blocks { start, counts: Vec::with_capacity(summary.blocks.counts.len()) };
        let mut late_blocks = Blocks::default();
        let (mut late, mut waiting, mut left) = (0, 0, 0);
        let passed = self.heads.passed(rules.return_within_ms);
        let mut lowest = passed.map(|_| None);
        for index in self.word_above_floor()..self.presence.len_words() {
            let first = self.base + index as u64 * 64;
            let at_most_head = match (self.head + 1).checked_sub(first) {
                None | Some(0) => 0,
                Some(n) if n >= 64 => u64::MAX,
                Some(n) => (1 << n) - 1,
            };
            if lowest == Some(None) {
                let word = self.waiting(index);
                lowest = Some((word != 0).then(|| first + u64::from(word.trailing_zeros())));
            }
            if at_most_head != 0 {
                let word = self.candidates(index) & at_most_head;
                if word != 0 {
                    if late == 0 {
                        late_blocks.start = Blocks::start_for(first + u64::from(word.trailing_zeros()));
                    }
                    late_blocks.add(first, word.count_ones());
                    late += u64::from(word.count_ones());
                }
            }
            if at_most_head != u64::MAX {
                let word = self.waiting(index);
                let count = (word & !at_most_head).count_ones();
                if count > 0 {
                    // Blocks are multiples of 64 long and aligned, so that a word never straddles two.
                    blocks.add(first, count);
                    waiting += u64::from(count);
                }
            }
        }
        if let Some(passed) = passed {
            let from = self.heads.floor();
            self.heads.settle(passed, lowest.flatten().map_or(u64::MAX, |lowest| lowest - 1));
            left = self.left(from);
        }
        summary.late = late;
        summary.waiting = waiting + late;
        summary.blocks = blocks;
        summary.late_blocks = late_blocks;
        left
    }

    /// Numbers that the floor has passed since it stood at `from`, but for those that were called or skipped.
    fn left(&self, from: u64) -> u32 {
        let (first, last) = (from + 1, self.heads.floor());
        if last < first {
            return 0;
        }
        let Some(offsets) = self.offset(first).zip(self.offset(last)) else { return 0 };
        let overlap = |gap: &(u64, u64)| (gap.1.min(last) + 1).saturating_sub(gap.0.max(first));
        let gone = self.called.count(offsets.0, offsets.1) + self.gaps.all().iter().map(overlap).sum::<u64>();
        u32::try_from((last - from).saturating_sub(gone)).unwrap_or(u32::MAX)
    }
}
