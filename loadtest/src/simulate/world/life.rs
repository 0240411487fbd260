//! What visitors do with what they are told.

use std::time::Duration;

use sluice_admission::{estimate::GRACE_MS_MAX, session, standing::Standing, token::Pass};

use super::{OPENS_MS, TAB, World, gate::small, index};
use crate::simulate::{
    agenda::What,
    core::Core,
    dice::{Dice, whole},
    node::ms,
    scenario::Kind,
    visitor::{NEVER, State, Visitor, flag},
};

/// What a browser leaves of a hidden tab's timers.
const HIDDEN_EVERY_MS: u64 = 60_000;
/// One of so many shown ranges is noted.
const RANGES_NOTED: u64 = 16;

/// After so long a browser that has entered asks for something more.
const SECOND_REQUEST_MS: u64 = 2_000;

impl<C: Core> World<'_, C> {
    pub(super) fn plan_arrival(&mut self, crowd: usize) {
        if let Some(&at_ms) = self.arrivals[crowd].as_slice().first() {
            self.agenda.plan(OPENS_MS + at_ms, What::Arrival, index(crowd));
        }
    }

    /// All who come at this moment.
    pub(super) fn arrive(&mut self, now_ms: u64, crowd: u32) {
        let c = crowd as usize;
        while self.arrivals[c].as_slice().first().is_some_and(|&at_ms| OPENS_MS + at_ms <= now_ms) {
            self.arrivals[c].next();
            self.coming -= 1;
            let place = self.visitors.len() as u64;
            let mut dice = Dice::of(self.scenario.seed ^ 0x5EED, place);
            let settings = &self.scenario.crowds[c];
            let visitor = Visitor::plan(settings, u8::try_from(c).unwrap_or(u8::MAX), now_ms, &mut dice);
            let visitor = Visitor { state: State::Joining, asked_ms: small(now_ms), ..visitor };
            let cookieless = settings.kind == Kind::Cookieless;
            let who = match self.free.pop().filter(|_| cookieless) {
                Some(who) => {
                    self.visitors[who as usize] = visitor;
                    who
                }
                None => {
                    self.visitors.push(visitor);
                    index(self.visitors.len() - 1)
                }
            };
            self.active += u64::from(!visitor.is(flag::PARKED));
            self.facts.came += u64::from(!cookieless);
            self.facts.cookieless += u64::from(cookieless);
            self.first_request(now_ms, who);
        }
        self.plan_arrival(c);
    }

    /// A cookieless client is sent away. If the line cannot have heard of it, its place in the list is free.
    pub(super) fn forget(&mut self, who: u32, unheard: bool) {
        self.visitors[who as usize].state = State::Outside;
        self.active -= 1;
        if unheard {
            self.free.push(who);
        }
    }

    pub(super) fn wait_to_join(&mut self, now_ms: u64, source: u32, told: &Standing) {
        if self.visitors[(source & !TAB) as usize].state == State::Joining {
            self.plan_next(now_ms, source, told.poll_after_s);
        }
    }

    pub(super) fn wait(&mut self, now_ms: u64, source: u32, standing: &Standing) {
        let visitor = &mut self.visitors[(source & !TAB) as usize];
        if visitor.state == State::Gone {
            return;
        }
        if let Some(ahead) = standing.ahead {
            let ahead = small(ahead);
            self.facts.rises += u64::from(ahead > visitor.ahead_shown);
            visitor.ahead_shown = visitor.ahead_shown.min(ahead);
        }
        if let Some(range) = standing.wait {
            if visitor.shown_ms == NEVER {
                (visitor.shown_ms, visitor.shown_s) = (small(now_ms), (range.low_s, range.high_s));
            }
            if self.dice.below(RANGES_NOTED) == 0 {
                self.facts.note_range(now_ms, source & !TAB, range);
            }
        }
        self.plan_next(now_ms, source, standing.poll_after_s);
    }

    /// Plans the next thing that a visitor does who was told to ask again after so long.
    pub(super) fn plan_next(&mut self, now_ms: u64, source: u32, told_s: u32) {
        let who = source & !TAB;
        let network_ms = self.way_to_visitor() + self.way_to_visitor();
        let visitor = &mut self.visitors[who as usize];
        // The page takes a tenth off or puts it on, by chance.
        let mut pause_ms = whole(f64::from(told_s) * 1e3 * (0.9 + self.dice.unit() / 5.0));
        if visitor.is(flag::HIDDEN) && visitor.state == State::Waiting {
            pause_ms = pause_ms.max(HIDDEN_EVERY_MS);
        }
        let next_ms = now_ms + network_ms + pause_ms;
        // No node counts on a visitor for longer than the longest grace.
        if network_ms > u64::from(GRACE_MS_MAX) && source & TAB == 0 {
            self.present.remove(visitor.number);
        }
        if source & TAB != 0 {
            self.agenda.plan(next_ms, What::TabPoll, who);
            return;
        }
        let next = [
            (u64::from(visitor.leaves_ms), What::Leave),
            (u64::from(visitor.sleeps_ms), What::Sleep),
            (u64::from(visitor.reload_ms), What::Navigation),
            (next_ms, What::Poll),
        ];
        let Some(&(at_ms, what)) = next.iter().min_by_key(|n| n.0) else { return };
        if what == What::Navigation {
            let every_ms = self.scenario.crowds[usize::from(visitor.crowd)].reload_every_ms;
            visitor.reload_ms = small(at_ms.max(now_ms) + 1_000 + self.dice.after_ms(every_ms));
        }
        self.agenda.plan(at_ms, what, who);
    }

    pub(super) fn open_second_tab(&mut self, now_ms: u64, who: u32) {
        if self.visitors[who as usize].is(flag::SECOND_TAB) {
            let pause_ms = 1_000 + self.dice.below(9_000);
            self.agenda.plan(now_ms + pause_ms, What::TabPoll, who);
        }
    }

    pub(super) fn leave(&mut self, now_ms: u64, who: u32) {
        let visitor = &mut self.visitors[who as usize];
        if !Self::is_waiting_for_something(visitor) {
            return;
        }
        self.present.remove(visitor.number);
        visitor.state = State::Gone;
        visitor.leaves_ms = small(now_ms);
        self.active -= u64::from(!visitor.is(flag::PARKED));
        if visitor.is(flag::SAYS_GOODBYE) && visitor.number > 0 {
            self.say_goodbye(now_ms, who);
        }
    }

    /// A visitor's phone falls asleep; it asks when it wakes up.
    pub(super) fn sleep(&mut self, now_ms: u64, who: u32) {
        if !self.falls_asleep(who) {
            return;
        }
        let visitor = &self.visitors[who as usize];
        let wakes_ms = now_ms + u64::from(visitor.sleeps_for_ms);
        let leaves_ms = u64::from(visitor.leaves_ms);
        let (at_ms, what) = if leaves_ms < wakes_ms { (leaves_ms, What::Leave) } else { (wakes_ms, What::Poll) };
        self.agenda.plan(at_ms, what, who);
    }

    /// False: there is nothing that it waits for.
    pub(super) fn falls_asleep(&mut self, who: u32) -> bool {
        let return_within_ms = self.rules.return_within_ms;
        let visitor = &mut self.visitors[who as usize];
        visitor.sleeps_ms = NEVER;
        if !Self::is_waiting_for_something(visitor) {
            return false;
        }
        visitor.set(flag::ASLEEP | flag::UNSTEADY);
        if u64::from(visitor.sleeps_for_ms) >= return_within_ms {
            visitor.set(flag::TOO_LATE);
        }
        self.present.remove(visitor.number);
        true
    }

    /// The page says that it is the visitor's turn: it loads the address once more.
    pub(super) fn told_to_enter(&mut self, now_ms: u64, who: u32) {
        let network_ms = self.way_to_visitor() + self.way_to_visitor();
        let visitor = &mut self.visitors[who as usize];
        if !matches!(visitor.state, State::Joining | State::Waiting) {
            return;
        }
        visitor.state = State::Told;
        if visitor.is(flag::DECLINES) {
            self.active -= u64::from(!visitor.is(flag::PARKED));
            return;
        }
        let (at_ms, leaves_ms) = (now_ms + network_ms, u64::from(visitor.leaves_ms));
        let (at_ms, what) = if leaves_ms < at_ms { (leaves_ms, What::Leave) } else { (at_ms, What::Navigation) };
        self.agenda.plan(at_ms, what, who);
    }

    pub(super) fn enter(&mut self, now_ms: u64, n: usize, who: u32, pass: &Pass) {
        let bears = self.scenario.origin.bears.map_or(f64::INFINITY, f64::from);
        let stretch = (self.inside as f64 / bears).max(1.0);
        let visitor = self.visitors[who as usize];
        // Inside already, by another tab; or somebody who walked in and went while the answer was on its way.
        if !Self::is_waiting_for_something(&visitor) {
            return;
        }
        let settings = &self.scenario.crowds[usize::from(visitor.crowd)];
        let stay_ms = whole(self.dice.after_ms(settings.inside_ms) as f64 * stretch).max(1);
        let (every_ms, session_max_ms) = (self.renewal_ms(visitor.crowd), self.scenario.queue.session_max_ms);
        let visitor = &mut self.visitors[who as usize];
        visitor.state = State::Inside;
        visitor.entered_ms = small(now_ms);
        // One request is all that a cookieless client makes: the next one is another visitor's.
        let stay_ms = if visitor.is(flag::COOKIELESS) { 1 } else { stay_ms.min(session_max_ms) };
        visitor.visit_end_ms = small(now_ms + stay_ms);
        self.active -= u64::from(!visitor.is(flag::PARKED));
        self.inside += 1;
        self.facts.entered();
        self.seat(who);
        self.extend_seat(now_ms, n, who, pass);
        self.agenda.plan(now_ms + stay_ms, What::VisitEnd, who);
        // Who walked in asks at once for what belongs to the first page, which shows that the pass is kept.
        let walked_in = u64::from(self.visitors[who as usize].joined_ms) == now_ms;
        let first_ms = if walked_in { every_ms.min(SECOND_REQUEST_MS) } else { every_ms };
        if first_ms < stay_ms {
            self.agenda.plan(now_ms + first_ms, What::Renewal, who);
        }
    }

    /// The queue lets everybody pass: nothing is known of the visit from then on.
    pub(super) fn pass_freely(&mut self, now_ms: u64, who: u32) {
        let visitor = &mut self.visitors[who as usize];
        if !Self::is_waiting_for_something(visitor) {
            return;
        }
        self.present.remove(visitor.number);
        visitor.state = State::Done;
        visitor.entered_ms = small(now_ms);
        self.active -= u64::from(!visitor.is(flag::PARKED));
        self.facts.entered();
    }

    pub(super) fn renew(&mut self, now_ms: u64, who: u32) {
        let visitor = self.visitors[who as usize];
        if visitor.state != State::Inside {
            return;
        }
        self.request_inside(now_ms, who);
        let next_ms = now_ms + self.renewal_ms(visitor.crowd);
        if next_ms < u64::from(visitor.visit_end_ms) {
            self.agenda.plan(next_ms, What::Renewal, who);
        }
    }

    pub(super) fn end_visit(&mut self, now_ms: u64, who: u32) {
        let visitor = &mut self.visitors[who as usize];
        if visitor.state != State::Inside {
            return;
        }
        visitor.state = State::Done;
        self.inside -= 1;
        let visitor = *visitor;
        if visitor.is(flag::ENDS) && !visitor.is(flag::COOKIELESS) {
            self.say_it_ended(now_ms, who);
            self.seat_ends(who);
        } else {
            self.agenda.plan(u64::from(visitor.seat_ms).max(now_ms), What::SeatEnd, who);
        }
    }

    /// How far apart the requests are for which a pass is minted anew.
    fn renewal_ms(&self, crowd: u8) -> u64 {
        let idle = Duration::from_millis(self.scenario.queue.session_idle_ms);
        let every_ms = self.scenario.crowds[usize::from(crowd)].request_every_ms;
        ms(session::renew_after(idle)).div_ceil(every_ms).max(1) * every_ms
    }
}
