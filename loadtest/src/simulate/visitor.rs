//! A visitor: what they mean to do, where they stand, and what has become of them.

use sluice_admission::line::LaneId;

use super::{
    dice::Dice,
    scenario::{Crowd, Kind},
};

/// Never, in the 32 bits that a visitor's times have (ms since the start of the run; seven days fit).
pub(super) const NEVER: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Has not come yet.
    #[default]
    Outside,
    /// Has a slip, no number.
    Joining,
    /// Stands in line. Whether called or not is not known to them.
    Waiting,
    /// Has been told to enter.
    Told,
    Inside,
    /// The visit is over.
    Done,
    /// Went without having entered.
    Gone,
}

/// Properties and events in a visitor's life.
pub(super) mod flag {
    /// Asks once a minute.
    pub(in super::super) const HIDDEN: u16 = 1;
    pub(in super::super) const SECOND_TAB: u16 = 1 << 1;
    pub(in super::super) const RELOADS: u16 = 1 << 2;
    /// Will not enter when called.
    pub(in super::super) const DECLINES: u16 = 1 << 3;
    pub(in super::super) const SAYS_GOODBYE: u16 = 1 << 4;
    /// The visit ends with an answer that says so.
    pub(in super::super) const ENDS: u16 = 1 << 5;
    /// Sends no cookie back.
    pub(in super::super) const COOKIELESS: u16 = 1 << 6;
    /// The phone sleeps.
    pub(in super::super) const ASLEEP: u16 = 1 << 7;
    /// Has not always asked as told, so what becomes of the wait is their own doing.
    pub(in super::super) const UNSTEADY: u16 = 1 << 8;
    /// Was called while another number was called that came later, and this one present.
    pub(in super::super) const OVERTAKEN: u16 = 1 << 9;
    /// Called, seat kept.
    pub(in super::super) const DUE: u16 = 1 << 10;
    /// The call was made in a time in which all of the rate should have been used.
    pub(in super::super) const IN_DEMAND: u16 = 1 << 11;
    /// Holds a seat by their own account.
    pub(in super::super) const SEATED: u16 = 1 << 12;
    /// Away for longer than places are kept.
    pub(in super::super) const TOO_LATE: u16 = 1 << 13;
    /// The place was lost.
    pub(in super::super) const LOST: u16 = 1 << 14;
    /// The page does not enter, and asks on.
    pub(in super::super) const PARKED: u16 = 1 << 15;
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Visitor {
    pub(super) state: State,
    pub(super) crowd: u8,
    pub(super) flags: u16,
    /// The number, [short](crate::simulate::verdict::numbers); of a visitor who has not heard of it yet as well.
    pub(super) number: u32,
    /// The id of the slip; 0: none.
    pub(super) slip: u64,
    /// The lane that the slip names.
    pub(super) lane: LaneId,
    pub(super) arrived_ms: u32,
    /// When patience is at an end.
    pub(super) leaves_ms: u32,
    pub(super) sleeps_ms: u32,
    pub(super) sleeps_for_ms: u32,
    pub(super) joined_ms: u32,
    pub(super) called_ms: u32,
    pub(super) entered_ms: u32,
    pub(super) ahead_first: u32,
    pub(super) ahead_shown: u32,
    /// Until when the call holds.
    pub(super) due_ms: u32,
    pub(super) visit_end_ms: u32,
    /// Until when the pass is valid.
    pub(super) seat_ms: u32,
    /// When a wait was first shown, and which: low and high, in seconds.
    pub(super) shown_ms: u32,
    pub(super) shown_s: (u32, u32),
    /// When the visitor last asked.
    pub(super) asked_ms: u32,
    /// Asleep until then, whatever was planned.
    pub(super) asleep_until_ms: u32,
    /// Requests in a row without an answer.
    pub(super) failures: u8,
    /// When the head went past, if that was before the call.
    pub(super) passed_ms: u32,
    /// When the page will be reloaded.
    pub(super) reload_ms: u32,
}

impl Visitor {
    pub(super) fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u16) {
        self.flags |= flag;
    }

    pub(super) fn clear(&mut self, flag: u16) {
        self.flags &= !flag;
    }

    /// Stands in line and does as told.
    pub(super) fn is_present(&self) -> bool {
        self.state == State::Waiting && !self.is(flag::ASLEEP | flag::HIDDEN | flag::DUE | flag::PARKED)
    }

    /// Somebody of a crowd, who comes at a time.
    pub(super) fn plan(crowd: &Crowd, which: u8, arrives_ms: u64, dice: &mut Dice) -> Self {
        let at = |ms: u64| u32::try_from(arrives_ms.saturating_add(ms)).unwrap_or(NEVER - 1);
        let mut visitor = Self {
            crowd: which,
            arrived_ms: at(0),
            leaves_ms: NEVER,
            sleeps_ms: NEVER,
            called_ms: NEVER,
            entered_ms: NEVER,
            joined_ms: NEVER,
            shown_ms: NEVER,
            reload_ms: NEVER,
            ahead_shown: NEVER,
            passed_ms: NEVER,
            ..Self::default()
        };
        // Every die is cast for everybody, so that to change one property leaves the others as they were.
        let [no_show, goodbye, asleep, hidden, tab, reloads, ends, enters, parked] = [
            crowd.no_shows,
            crowd.goodbye,
            crowd.asleep,
            crowd.hidden,
            crowd.second_tab,
            crowd.reloaders,
            crowd.ends,
            crowd.enters,
            crowd.parked,
        ]
        .map(|share| dice.unit() < share);
        let [no_show_after, patience, asleep_after, asleep_for, reload_after] = [
            crowd.no_show_after_ms,
            crowd.patience_ms.unwrap_or(1_000),
            crowd.asleep_after_ms,
            crowd.asleep_for_ms,
            crowd.reload_every_ms,
        ]
        .map(|mean_ms| dice.after_ms(mean_ms));
        if no_show {
            visitor.leaves_ms = at(no_show_after);
        } else if crowd.patience_ms.is_some() {
            visitor.leaves_ms = at(patience);
        }
        if asleep {
            visitor.sleeps_ms = at(asleep_after);
            visitor.sleeps_for_ms = u32::try_from(asleep_for).unwrap_or(NEVER);
        }
        if reloads {
            visitor.reload_ms = at(reload_after);
        }
        let flags = [
            (goodbye, flag::SAYS_GOODBYE),
            (hidden, flag::HIDDEN | flag::UNSTEADY),
            (tab, flag::SECOND_TAB),
            (reloads, flag::RELOADS),
            (ends, flag::ENDS),
            (!enters, flag::DECLINES),
            (parked, flag::PARKED | flag::UNSTEADY),
            (crowd.kind == Kind::Cookieless, flag::COOKIELESS),
        ];
        for (_, flag) in flags.into_iter().filter(|f| f.0) {
            visitor.set(flag);
        }
        visitor
    }
}
