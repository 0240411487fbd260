//! Which numbers were skipped: those that a lost state may have handed out. A page shows numbers without them, and a
//! head that goes on by time steps over them.

use serde::{Deserialize, Serialize};

/// Most gaps kept; beyond, the two oldest are taken for one.
pub(in crate::line) const GAPS_MAX: usize = 16;

/// First and last number of each gap, the lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Gaps(Vec<(u64, u64)>);

impl Gaps {
    pub(in crate::line) fn all(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// `count` numbers from `first` on are skipped, above all gaps there are.
    pub(in crate::line) fn skip(&mut self, first: u64, count: u64) {
        self.0.push((first, first + count - 1));
        self.bound();
    }

    /// A number turns out to have been handed out; so were those before it.
    pub(in crate::line) fn handed_out(&mut self, number: u64) {
        if let Some(gap) = self.0.iter_mut().find(|gap| (gap.0..=gap.1).contains(&number)) {
            gap.0 = number + 1;
        }
        self.0.retain(|gap| gap.0 <= gap.1);
    }

    /// A node knows that numbers up to this one were issued. The last of a gap was by the skip alone: a node that
    /// heard of the line right after it says so, and no number in the gap is known to be handed out for that.
    pub(in crate::line) fn issued(&mut self, number: u64) {
        if self.0.iter().all(|gap| gap.1 != number) {
            self.handed_out(number);
        }
    }

    /// A node remembers gaps of a state that was lost: those below all that are known here.
    pub(in crate::line) fn merge(&mut self, known: &[(u64, u64)]) {
        let lowest = self.0.first().map_or(u64::MAX, |gap| gap.0);
        let older = known.iter().copied().filter(|gap| gap.0 <= gap.1 && gap.1 < lowest);
        self.0.splice(0..0, older);
        self.bound();
    }

    /// Two gaps that are taken for one end where the later one did, so that later numbers are shown as before.
    fn bound(&mut self) {
        while self.0.len() > GAPS_MAX {
            let (oldest, next) = (self.0.remove(0), self.0[0]);
            self.0[0] = (next.0 - (oldest.1 - oldest.0 + 1), next.1);
        }
    }
}
