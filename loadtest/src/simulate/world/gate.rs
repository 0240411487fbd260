//! What a visitor's request gets. The same questions in the same order as in the proxy's gate; everything that is
//! worked out, positions, ranges and poll times, is worked out by the same code.

use sluice_admission::{
    estimate::{GRACE_MS, POLL_S_MIN, hold_ms},
    line::{Ask, Newcomer, Verdict},
    standing::{Reason, Standing, State as Told},
    token::Ticket,
    usher::pace::ASKS_OF_THE_NEXT,
};

use super::{TAB, World, index};
use crate::simulate::{
    agenda::What,
    core::Core,
    dice::Dice,
    node::{Answer, Question},
    visitor::{State, flag},
};

/// As in the gate.
const SLIP_OLD_MS: u64 = 3_000;

impl<C: Core> World<'_, C> {
    /// A first request: nothing is brought.
    pub(super) fn first_request(&mut self, now_ms: u64, who: u32) {
        let n = self.node_of(who);
        let look = self.nodes[n].look(&self.rules, now_ms);
        if look.stands() {
            let told = look.joining();
            if self.visitors[who as usize].is(flag::COOKIELESS) {
                self.facts.cookieless_sent_away += 1;
                self.forget(who, true);
            } else {
                self.wait_to_join(now_ms, who, &told);
            }
            return;
        }
        self.join(now_ms, who, n, true, true);
    }

    /// A poll, or with `enter` a navigation.
    pub(super) fn poll(&mut self, now_ms: u64, source: u32, enter: bool) {
        let who = source & !TAB;
        let visitor = &mut self.visitors[who as usize];
        match visitor.state {
            State::Joining => {}
            State::Waiting if source & TAB == 0 || !visitor.is(flag::ASLEEP) => {}
            State::Told if enter => {}
            _ => return,
        }
        self.facts.polls += 1;
        if source & TAB == 0 {
            visitor.clear(flag::ASLEEP);
            visitor.asked_ms = u32::try_from(now_ms).unwrap_or(u32::MAX);
        }
        let joining = visitor.state == State::Joining;
        let n = self.node_of(who);
        if joining {
            self.join(now_ms, source, n, enter, false);
            return;
        }
        let visitor = self.visitors[who as usize];
        let ticket = ticket(&visitor);
        let node = &mut self.nodes[n];
        if visitor.is_present() && !self.present.contains(visitor.number) {
            node.returning(who);
        }
        let standing = node.look(&self.rules, now_ms).in_line(&ticket);
        let hold_ms = hold_ms(standing.poll_after_s);
        if ticket.number > node.summary.head || !node.store_answers {
            node.seen(ticket.number, hold_ms);
            // A node that has not heard of the call yet shows the waiting page once more.
            self.visitors[who as usize].state = State::Waiting;
            self.wait(now_ms, source, &standing);
        } else {
            let visitor = &mut self.visitors[who as usize];
            (visitor.node, visitor.asks) = (u8::try_from(n).unwrap_or(0), 0);
            self.ask(now_ms, n, Ask { number: ticket.number, hold_ms, enter }, source);
        }
    }

    fn ask(&mut self, now_ms: u64, n: usize, ask: Ask, source: u32) {
        self.visitors[(source & !TAB) as usize].asks += 1;
        self.facts.asks += 1;
        self.put(now_ms, n, Question::Ask(ask), source);
    }

    /// The request of somebody who is next is still open: the node asks once more.
    pub(super) fn ask_again(&mut self, now_ms: u64, source: u32, enter: bool) {
        let visitor = self.visitors[(source & !TAB) as usize];
        if Self::is_waiting_for_something(&visitor) {
            let n = usize::from(visitor.node);
            let standing = self.nodes[n].look(&self.rules, now_ms).in_line(&ticket(&visitor));
            let hold_ms = hold_ms(standing.poll_after_s);
            self.ask(now_ms, n, Ask { number: u64::from(visitor.number), hold_ms, enter }, source);
        }
    }

    fn join(&mut self, now_ms: u64, source: u32, n: usize, enter: bool, walk_in: bool) {
        let node = &self.nodes[n];
        let hold_ms = hold_ms(node.speed.poll_s(node.summary.waiting));
        let who = source & !TAB;
        let id = Dice::of(self.scenario.seed, u64::from(who)).next();
        // Who came longer ago tells the line when that was.
        let came_ms = now_ms.saturating_sub(u64::from(self.visitors[who as usize].arrived_ms));
        let is_old = !walk_in && came_ms > SLIP_OLD_MS;
        let arrived_ms = if is_old { node.line_ms(now_ms).saturating_sub(came_ms) } else { 0 };
        self.put(now_ms, n, Question::Join(Newcomer { id, hold_ms, enter, walk_in, arrived_ms }), source);
    }

    fn put(&mut self, now_ms: u64, n: usize, question: Question, source: u32) {
        let node = &mut self.nodes[n];
        let planned_ms = node.wake_ms;
        if !node.ask(question, source, now_ms) {
            self.answers.push(Answer { who: source, question, verdict: None });
            self.hand_out_answers(now_ms);
        } else if node.wake_ms < planned_ms {
            self.agenda.plan(node.wake_ms, What::Wake, index(n));
        }
    }

    pub(super) fn hand_out_answers(&mut self, now_ms: u64) {
        let mut answers = std::mem::take(&mut self.answers);
        for answer in answers.drain(..) {
            match answer.question {
                Question::Join(newcomer) => self.joined(now_ms, answer, newcomer),
                Question::Ask(ask) => self.asked(now_ms, answer, ask),
            }
        }
        if self.answers.is_empty() {
            self.answers = answers;
        }
    }

    fn joined(&mut self, now_ms: u64, answer: Answer, newcomer: Newcomer) {
        let who = answer.who & !TAB;
        let n = self.node_of(who);
        let look = self.nodes[n].look(&self.rules, now_ms);
        match answer.verdict {
            Some((number, Verdict::Inside { .. })) => {
                self.take_number(now_ms, who, number);
                self.enter(now_ms, who);
            }
            Some((number, verdict @ (Verdict::Waiting | Verdict::Called { .. } | Verdict::Lapsed))) => {
                let ahead = look.summary.ahead_of(number);
                self.take_number(now_ms, who, number);
                let visitor = &mut self.visitors[who as usize];
                if visitor.state == State::Gone {
                    return;
                }
                (visitor.ahead_first, visitor.ahead_shown) = (small(ahead), small(ahead));
                let ticket = ticket(visitor);
                let mut standing = self.nodes[n].look(&self.rules, now_ms).in_line(&ticket);
                standing.poll_after_s = standing.poll_after_s.min(newcomer.hold_ms / 1_000).max(POLL_S_MIN);
                match verdict {
                    Verdict::Called { .. } | Verdict::Lapsed => self.told_to_enter(now_ms, who),
                    _ => self.wait(now_ms, answer.who, &standing),
                }
                self.open_second_tab(now_ms, who);
            }
            Some((_, Verdict::Refused | Verdict::Spent)) => {
                let told = match look.summary.reason {
                    Some(Reason::Closed) => look.joining(),
                    _ if newcomer.walk_in || look.summary.settling => look.joining(),
                    _ => look.full(),
                };
                self.not_joined(now_ms, answer, &told);
            }
            None => {
                let told = look.joining();
                self.not_joined(now_ms, answer, &told);
            }
        }
    }

    fn not_joined(&mut self, now_ms: u64, answer: Answer, told: &Standing) {
        let who = answer.who & !TAB;
        if self.visitors[who as usize].is(flag::COOKIELESS) {
            self.facts.cookieless_sent_away += 1;
            self.forget(who, answer.verdict.is_some());
        } else {
            self.facts.full += u64::from(told.state == Told::Full);
            self.wait_to_join(now_ms, answer.who, told);
        }
    }

    fn asked(&mut self, now_ms: u64, answer: Answer, ask: Ask) {
        let who = answer.who & !TAB;
        if !Self::is_waiting_for_something(&self.visitors[who as usize]) {
            return;
        }
        match answer.verdict {
            Some((_, Verdict::Called { .. } | Verdict::Lapsed)) => self.told_to_enter(now_ms, who),
            Some((_, Verdict::Inside { .. })) => self.enter(now_ms, who),
            Some((_, Verdict::Spent | Verdict::Refused)) => self.place_is_gone(now_ms, who),
            Some((_, Verdict::Waiting)) if self.is_asked_again(who) => {
                let what = if ask.enter { What::AskAgainToEnter } else { What::AskAgain };
                self.agenda.plan(now_ms + self.rules.tick_ms(), what, answer.who);
            }
            Some((_, Verdict::Waiting)) | None => {
                let visitor = &mut self.visitors[who as usize];
                visitor.state = State::Waiting;
                let ticket = ticket(visitor);
                let n = self.node_of(who);
                let mut standing = self.nodes[n].look(&self.rules, now_ms).in_line(&ticket);
                // The answer was made up before the line was asked.
                standing.poll_after_s = ask.hold_ms.saturating_sub(GRACE_MS) / 1_000;
                self.wait(now_ms, answer.who, &standing);
            }
        }
    }

    fn is_asked_again(&self, who: u32) -> bool {
        let visitor = &self.visitors[who as usize];
        let node = &self.nodes[usize::from(visitor.node)];
        u32::from(visitor.asks) < ASKS_OF_THE_NEXT && node.summary.reason.is_none()
    }

    /// Which node serves a visitor's next request.
    pub(super) fn node_of(&mut self, who: u32) -> usize {
        match self.nodes.len() {
            1 => 0,
            n if self.scenario.fleet.sticky => who as usize % n,
            n => usize::try_from(self.dice.below(n as u64)).unwrap_or(0),
        }
    }
}

fn ticket(visitor: &crate::simulate::visitor::Visitor) -> Ticket {
    Ticket {
        epoch: 1,
        lane: 0,
        number: u64::from(visitor.number),
        issued_at_ms: 0,
        ahead_first: u64::from(visitor.ahead_first),
        ahead_shown: u64::from(visitor.ahead_shown),
    }
}

pub(super) fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
