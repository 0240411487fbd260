//! The summary of a step, and what is counted over the whole line at a tick.

use super::{Blocks, Line, Rules};

impl Line {
    pub(super) fn summarise(&mut self, rules: &Rules, tick: bool, called: u32) {
        let now_ms = self.clock.now_ms;
        if tick {
            self.count(rules);
            self.ticked_ms = now_ms;
            if !self.summary.standing {
                self.summary.standing_since_ms = 0;
                self.summary.called_standing = 0;
            } else if self.summary.standing_since_ms == 0 {
                self.summary.standing_since_ms = now_ms;
                self.summary.called_standing = 0;
            } else {
                self.summary.called_standing += u64::from(called);
            }
            self.summary.called_last_minute = self.rate.in_window();
            self.summary.rate_used_until_ms = self.rate.used_until_ms(rules, self.clock.slack_ms);
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
        summary.issued = self.issued;
        summary.head = self.head;
        summary.floor = self.heads.floor();
        summary.due = self.due.len() as u64;
        summary.inside = self.inside.len() as u64;
        summary.ended_dropped = self.ended.dropped();
        if summary.gaps != self.gaps.all() {
            summary.gaps = self.gaps.all().to_vec();
        }
        summary.mode = Some(rules.mode);
        summary.revision = self.controlled.revision();
        summary.reason = summary.reason(rules);
    }

    /// Counts who is waiting, over the whole line: one pass over the bitmaps. Above the head that is whoever was
    /// seen lately; of those the head has passed, only who is back at the door will be called. The floor rises, but not
    /// over a number that was seen lately and is not called.
    fn count(&mut self, rules: &Rules) {
        let start = Blocks::start_for(self.head);
        let mut blocks = Blocks { start, counts: Vec::with_capacity(self.summary.blocks.counts.len()) };
        let mut late_blocks = Blocks::default();
        let (mut late, mut waiting) = (0, 0);
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
            self.count_left(from);
        }
        self.summary.late = late;
        self.summary.waiting = waiting + late;
        self.summary.blocks = blocks;
        self.summary.late_blocks = late_blocks;
    }

    /// Uncalled numbers above the floor that count as waiting, in one word.
    fn waiting(&self, index: usize) -> u64 {
        self.presence.waiting_word(index) & !self.called.word(index) & self.above_floor(index)
    }
}
