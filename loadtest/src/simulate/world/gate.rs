//! What a visitor's request gets: drives the policy that the proxy drives, with the line of this run.

use sluice_admission::{
    line::LaneId,
    policy::{Brought, Decided, Errand, Passage, Request, Step, Word},
    standing::{Standing, State as Told},
    token::{Pass, Slip, Ticket},
    usher::{
        Mark, Word as Says,
        core::{Answer, Event, Question},
    },
};

use super::{TAB, World, index};
use crate::simulate::{
    agenda::What,
    core::Core,
    dice::Dice,
    node::{GoesOn, Waiter},
    verdict::numbers::long,
    visitor::{NEVER, State, Visitor, flag},
};

/// The tokens that a visitor holds.
struct Held {
    pass: Option<Pass>,
    ticket: Option<Ticket>,
    slip: Option<Slip>,
    fresh_id: u64,
}

impl Brought for Held {
    fn pass(&self) -> Option<Pass> {
        self.pass
    }

    /// Nothing but requests keeps seats here.
    fn lapsed_pass(&self) -> Option<Pass> {
        None
    }

    fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    fn slip(&self) -> Option<Slip> {
        self.slip
    }

    fn fresh_id(&self) -> u64 {
        self.fresh_id
    }
}

/// A question that a node puts later.
#[derive(Debug)]
pub(super) struct Pending {
    node: usize,
    question: Question<Waiter>,
}

impl<C: Core> World<'_, C> {
    /// A first request: nothing is brought.
    pub(super) fn first_request(&mut self, now_ms: u64, who: u32) {
        self.request(now_ms, who, Errand::Enter);
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
        if u64::from(visitor.asleep_until_ms) > now_ms {
            let until_ms = u64::from(visitor.asleep_until_ms);
            self.agenda.plan(until_ms, if source & TAB == 0 { What::Poll } else { What::TabPoll }, who);
            return;
        }
        self.facts.polls += 1;
        if source & TAB == 0 {
            visitor.clear(flag::ASLEEP);
            visitor.asked_ms = small(now_ms);
        }
        self.request(now_ms, source, if enter { Errand::Enter } else { Errand::Status });
    }

    /// A request of somebody inside.
    pub(super) fn request_inside(&mut self, now_ms: u64, who: u32) {
        self.request(now_ms, who, Errand::Enter);
    }

    fn request(&mut self, now_ms: u64, source: u32, errand: Errand) {
        if self.finds_nobody(now_ms, source) {
            return;
        }
        let who = source & !TAB;
        self.visitors[who as usize].failures = 0;
        let n = self.node_of(who);
        let visitor = self.visitors[who as usize];
        let held = self.held(now_ms, n, who, &visitor);
        if visitor.is_present() && held.ticket.is_some() && !self.present.contains(visitor.number) {
            self.nodes[n].returning(who);
        }
        let hidden = errand == Errand::Status && source & TAB == 0 && visitor.is(flag::HIDDEN);
        // What names the lane sees the page only, not its polls.
        let lane = if errand == Errand::Enter { self.lane_named(visitor.crowd) } else { None };
        let request = Request { errand, embedded: false, hidden, lane };
        let step = self.policy.decide(&held, request, &self.nodes[n].look(&self.rules_at[n], now_ms));
        self.follow(now_ms, n, source, step);
    }

    /// The lane of a crowd, if the queue has it.
    fn lane_named(&self, crowd: u8) -> Option<LaneId> {
        let name = self.scenario.crowds[usize::from(crowd)].lane.as_ref()?;
        let at = self.lane_names.iter().position(|lane| lane == name)?;
        Some(super::lane_id(at, name))
    }

    /// What the visitor's browser sends along.
    fn held(&self, now_ms: u64, n: usize, who: u32, visitor: &Visitor) -> Held {
        let fresh_id = Dice::of(self.scenario.seed, u64::from(who)).next();
        let line_ms = self.nodes[n].line_ms(now_ms);
        // What happened then, and what will, on the line's clock.
        let at = |ms: u32| (line_ms + u64::from(ms)).saturating_sub(now_ms);
        let inside = visitor.state == State::Inside;
        let joined = visitor.joined_ms != NEVER && !inside;
        Held {
            pass: inside.then(|| Pass {
                epoch: 1,
                number: long(visitor.number),
                issued_at_ms: at(visitor.entered_ms),
                expires_at_ms: at(visitor.seat_ms),
                ends_at_ms: at(visitor.entered_ms) + self.scenario.queue.session_max_ms,
            }),
            ticket: joined.then(|| Ticket {
                epoch: 1,
                number: long(visitor.number),
                issued_at_ms: u64::from(visitor.joined_ms),
                ahead_first: u64::from(visitor.ahead_first),
                ahead_shown: u64::from(visitor.ahead_shown),
            }),
            slip: (visitor.slip != 0).then(|| Slip {
                id: visitor.slip,
                issued_at_ms: at(visitor.arrived_ms),
                lane: visitor.lane,
            }),
            fresh_id,
        }
    }

    /// Does what the policy says, until it is done or the line has to answer.
    fn follow(&mut self, now_ms: u64, n: usize, source: u32, step: Step) {
        match step {
            Step::Done(decided) => self.decided(now_ms, n, source, &decided),
            Step::Ask { ask, told_ms, after_ms, asked } => {
                self.facts.asks += 1;
                let question = Question::Ask { ask, told_ms, waiter: Waiter { source, goes_on: GoesOn::Asked(asked) } };
                if after_ms == 0 {
                    self.drive(now_ms, n, Event::Question(question));
                } else {
                    let place = self.pending.put(Pending { node: n, question });
                    self.agenda.plan(now_ms + after_ms, What::AskAgain, place);
                }
            }
            Step::Join { newcomer, joining } => {
                self.by_slip.insert(newcomer.id, source);
                let question = Question::Join(newcomer, Waiter { source, goes_on: GoesOn::Joining(joining) });
                self.drive(now_ms, n, Event::Question(question));
            }
        }
    }

    /// The request of somebody who is next is still open: the node asks once more.
    pub(super) fn ask_again(&mut self, now_ms: u64, place: u32) {
        if let Some(Pending { node, question }) = self.pending.take(place) {
            self.drive(now_ms, node, Event::Question(question));
        }
    }

    /// A visitor's question is answered.
    pub(super) fn answered(&mut self, now_ms: u64, n: usize, Waiter { source, goes_on }: Waiter, answer: Answer) {
        let look = self.nodes[n].look(&self.rules_at[n], now_ms);
        let step = match goes_on {
            GoesOn::Asked(asked) => asked.answered(&self.policy, answer.map(|(_, verdict)| verdict), &look),
            GoesOn::Joining(joining) => joining.answered(&self.policy, answer, &look),
        };
        self.follow(now_ms, n, source, step);
    }

    /// The answer reaches the visitor: what it says of tokens first, then where they stand.
    fn decided(&mut self, now_ms: u64, n: usize, source: u32, decided: &Decided) {
        let who = source & !TAB;
        for mark in decided.marks.iter() {
            self.nodes[n].mark(now_ms, mark, &self.rules_at[n]);
        }
        if matches!(decided.verdict, Passage::Passes { .. }) && self.visitors[who as usize].state == State::Inside {
            if let Word::Set(pass) = decided.handed.pass {
                self.extend_seat(now_ms, n, who, &pass);
            }
            return;
        }
        if self.visitors[who as usize].is(flag::COOKIELESS) && matches!(decided.verdict, Passage::Parked(_)) {
            self.facts.cookieless_sent_away += 1;
            // A question without an answer may have reached the line all the same.
            let unheard = self.nodes[n].view().store_answers;
            self.forget(who, unheard);
            return;
        }
        if let Word::Set(slip) = decided.handed.slip {
            let visitor = &mut self.visitors[who as usize];
            (visitor.slip, visitor.lane) = (slip.id, slip.lane);
        }
        if let Word::Set(ticket) = decided.handed.ticket {
            self.take_ticket(now_ms, who, &ticket);
        }
        match (decided.verdict, decided.handed.pass) {
            (Passage::Passes { inside: Some(_) }, Word::Set(pass)) => {
                self.take_number(now_ms, who, pass.number);
                self.enter(now_ms, n, who, &pass);
            }
            (Passage::Passes { .. }, _) => self.pass_freely(now_ms, who),
            (Passage::Parked(standing), _) => self.parked(now_ms, source, &standing),
        }
        if decided.counted.joined {
            self.open_second_tab(now_ms, who);
        }
    }

    fn parked(&mut self, now_ms: u64, source: u32, standing: &Standing) {
        let who = source & !TAB;
        match standing.state {
            // Another tab has entered: the page loads the address once more.
            Told::Called if self.visitors[who as usize].is(flag::PARKED) => {
                self.plan_next(now_ms, source, standing.poll_after_s);
            }
            Told::Called | Told::Admitted => self.told_to_enter(now_ms, who),
            Told::Joining | Told::Full => {
                self.facts.full += u64::from(standing.state == Told::Full);
                self.wait_to_join(now_ms, source, standing);
            }
            Told::Closed if standing.number.is_none() => self.wait_to_join(now_ms, source, standing),
            Told::Waiting | Told::Held | Told::Closed => {
                let visitor = &mut self.visitors[who as usize];
                // A node that has not heard of the call yet shows the waiting page once more.
                if visitor.state == State::Told {
                    visitor.state = State::Waiting;
                }
                self.wait(now_ms, source, standing);
            }
        }
    }

    /// A ticket is handed out: with a number, or with what was shown.
    fn take_ticket(&mut self, now_ms: u64, who: u32, ticket: &Ticket) {
        self.take_number(now_ms, who, ticket.number);
        let visitor = &mut self.visitors[who as usize];
        visitor.ahead_first = small(ticket.ahead_first);
        // Checked where it is shown, in `wait`.
        if visitor.ahead_shown == NEVER {
            visitor.ahead_shown = small(ticket.ahead_shown);
        }
    }

    /// Says good-bye for a visitor who waits.
    pub(super) fn say_goodbye(&mut self, now_ms: u64, who: u32) {
        self.say(now_ms, who, Says::Away);
    }

    /// The origin ends a visit.
    pub(super) fn say_it_ended(&mut self, now_ms: u64, who: u32) {
        self.say(now_ms, who, Says::Ended);
    }

    fn say(&mut self, now_ms: u64, who: u32, word: fn(u64) -> Says) {
        let n = self.node_of(who);
        let number = long(self.visitors[who as usize].number);
        self.nodes[n].mark(now_ms, Mark { epoch: 1, word: word(number) }, &self.rules_at[n]);
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

/// Requests that wait for a node to ask once more, in places that are used again.
#[derive(Debug, Default)]
pub(super) struct Pendings {
    places: Vec<Option<Pending>>,
    free: Vec<u32>,
}

impl Pendings {
    fn put(&mut self, pending: Pending) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = Some(pending);
                place
            }
            None => {
                self.places.push(Some(pending));
                index(self.places.len() - 1)
            }
        }
    }

    fn take(&mut self, place: u32) -> Option<Pending> {
        let pending = self.places.get_mut(place as usize)?.take();
        self.free.extend(pending.is_some().then_some(place));
        pending
    }
}

pub(super) fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
