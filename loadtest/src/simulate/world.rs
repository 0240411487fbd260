//! A run: visitors, nodes and the store, in virtual time. One thread, one event after another.

mod gate;
mod life;
mod truth;

use std::time::Duration;

use sluice_admission::{line::Rules, policy::Policy};
use sluice_config::Mode;

use self::gate::Pendings;
use super::{
    agenda::{Agenda, What},
    arrivals,
    core::Core,
    dice::{Dice, whole},
    facts::{Facts, Sample},
    node::{Answer, Node, ms},
    present::Present,
    scenario::{Fault, Scenario},
    store::Store,
    visitor::{State, Visitor},
};
use sluice_admission::{session, usher::pace::ATTEMPT_MAX};

/// Visitors come once the nodes have heard of the line, as with the real ones.
pub(super) const OPENS_MS: u64 = 1_000;
/// Samples of a run, at most twice as many.
const SAMPLES: u64 = 3_600;
/// Marks a visitor's second tab beside the visitor's place in the list.
const TAB: u32 = 1 << 31;
/// Attempts stand beside a node's number.
const NODE_BITS: u32 = 8;

pub(super) struct World<'a, C> {
    scenario: &'a Scenario,
    rules: Rules,
    policy: Policy,
    agenda: Agenda,
    store: Store<C>,
    nodes: Vec<Node>,
    visitors: Vec<Visitor>,
    /// Who has which number; `u32::MAX`: nobody.
    by_number: Vec<u32>,
    /// Places of cookieless clients that were sent away.
    free: Vec<u32>,
    arrivals: Vec<std::vec::IntoIter<u64>>,
    present: Present,
    /// Visitors from whom something is still to come before they are in, or gone.
    active: u64,
    coming: usize,
    /// Visitors who enter, or do something inside.
    inside: u64,
    dice: Dice,
    /// Answers of nodes that have not reached the policy.
    answers: Vec<(usize, Answer)>,
    pending: Pendings,
    facts: Facts,
    sample_every_ms: u64,
}

/// What the queue of a scenario says, in the line's units.
pub(super) fn rules(scenario: &Scenario) -> Rules {
    let q = &scenario.queue;
    let idle = std::time::Duration::from_millis(q.session_idle_ms);
    Rules {
        release_per_minute: q.release_per_minute,
        burst: q.burst.unwrap_or(q.release_per_minute / 6).max(1),
        max_active: q.max_active,
        max_waiting: q.max_waiting,
        mode: Mode::Auto,
        claim_within_ms: q.claim_within_ms,
        return_within_ms: q.return_within_ms,
        seat_ms: ms(session::seat_life(idle)),
    }
}

/// What the gates of a scenario go by.
fn policy(scenario: &Scenario, rules: &Rules) -> Policy {
    Policy {
        mode: rules.mode,
        on_store_loss: None,
        session_idle: Duration::from_millis(scenario.queue.session_idle_ms),
        session_max: Duration::from_millis(scenario.queue.session_max_ms),
        tick_ms: rules.tick_ms(),
    }
}

impl<'a, C: Core> World<'a, C> {
    pub(super) fn new(scenario: &'a Scenario, traces: &[Vec<u64>]) -> Self {
        let rules = rules(scenario);
        let fleet = &scenario.fleet;
        let nodes = (0..fleet.nodes).map(|n| {
            // From so much slow to so much fast.
            let spread = f64::from(n) / f64::from(fleet.nodes.saturating_sub(1).max(1)) * 2.0 - 1.0;
            let drift_ppm = i64::from(fleet.clock_drift_ppm);
            let share = whole((spread + 1.0) * 500.0);
            Node::new(&rules, drift_ppm * (i64::try_from(share).unwrap_or(0) - 500) / 500)
        });
        let nodes: Vec<_> = nodes.collect();
        let arrivals: Vec<_> = scenario
            .crowds
            .iter()
            .enumerate()
            .map(|(i, crowd)| arrivals::of(crowd, traces.get(i), Dice::of(scenario.seed, i as u64)).into_iter())
            .collect();
        let all = arrivals.iter().map(ExactSizeIterator::len).sum();
        Self {
            policy: policy(scenario, &rules),
            scenario,
            rules,
            agenda: Agenda::new(),
            store: Store::new(fleet.store),
            nodes,
            visitors: Vec::with_capacity(all),
            by_number: Vec::with_capacity(all + 1),
            free: Vec::new(),
            coming: all,
            arrivals,
            present: Present::default(),
            active: 0,
            inside: 0,
            dice: Dice::new(scenario.seed),
            answers: Vec::new(),
            pending: Pendings::default(),
            facts: Facts::default(),
            sample_every_ms: (scenario.lasts_ms_max / SAMPLES / 1_000 * 1_000).max(1_000),
        }
    }

    /// Runs until everybody is in or gone, or time is up. `tell` is told now and then how much is done, 0 to 1.
    pub(super) fn run(mut self, mut tell: impl FnMut(f64)) -> Facts {
        for node in 0..self.nodes.len() {
            self.agenda.plan(0, What::Wake, index(node));
        }
        for crowd in 0..self.arrivals.len() {
            self.plan_arrival(crowd);
        }
        for (i, fault) in self.scenario.faults.iter().enumerate() {
            self.agenda.plan(OPENS_MS + fault.at_ms(), What::Fault, index(i));
            if let Fault::Restored { at_ms, age_ms } = fault {
                self.agenda.plan(OPENS_MS + at_ms - age_ms, What::Copy, index(i));
            }
        }
        self.agenda.plan(OPENS_MS, What::Sample, 0);
        let all = self.coming.max(1) as f64;
        while let Some((now_ms, event)) = self.agenda.next() {
            if now_ms >= OPENS_MS + self.scenario.lasts_ms_max || (self.coming == 0 && self.active == 0) {
                break;
            }
            if event.what == What::Sample {
                let time = now_ms as f64 / self.scenario.lasts_ms_max as f64;
                let people = 1.0 - (self.coming as f64 + self.active as f64) / all;
                tell(time.max(people).clamp(0.0, 1.0));
            }
            self.happen(now_ms, event.what, event.who);
        }
        tell(1.0);
        self.note_sample(self.agenda.now_ms());
        self.facts.end(self.visitors, self.by_number)
    }

    fn happen(&mut self, now_ms: u64, what: What, who: u32) {
        match what {
            What::Arrival => self.arrive(now_ms, who),
            What::Poll => self.poll(now_ms, who, false),
            What::TabPoll => self.poll(now_ms, who | TAB, false),
            What::Navigation => self.poll(now_ms, who, true),
            What::AskAgain => self.ask_again(now_ms, who),
            What::Leave => self.leave(now_ms, who),
            What::Sleep => self.sleep(now_ms, who),
            What::Renewal => self.renew(now_ms, who),
            What::VisitEnd => self.end_visit(now_ms, who),
            What::CallEnd => self.call_ends(now_ms, who),
            What::SeatEnd => self.seat_ends(who),
            What::Wake => self.wake(now_ms, who as usize),
            What::AtStore => self.at_store(now_ms, who),
            What::Reply => self.reply(now_ms, who),
            What::Timeout => self.timeout(now_ms, who),
            What::Fault => {
                if let Some(fault) = self.scenario.faults.get(who as usize) {
                    self.store.suffer(who, fault, now_ms);
                }
            }
            What::Copy => self.store.copy(who),
            What::Sample => self.sample(now_ms),
        }
    }

    // Nodes and the store.

    fn wake(&mut self, now_ms: u64, n: usize) {
        let mut refused = Vec::new();
        let node = &mut self.nodes[n];
        // A wake-up that was planned before something earlier turned up.
        if node.wake_ms > now_ms {
            return;
        }
        if node.round.is_none() {
            node.gather(&self.rules, now_ms, &mut refused);
        }
        if node.round.is_some() {
            node.send(now_ms);
            let message = index(n) | (node.attempt << NODE_BITS);
            let there_ms = self.way_to_store();
            if there_ms == 0 {
                self.at_store(now_ms, message);
            } else {
                self.agenda.plan(now_ms + there_ms, What::AtStore, message);
            }
        } else {
            self.agenda.plan(node.wake_ms, What::Wake, index(n));
        }
        self.answers.extend(refused.into_iter().map(|answer| (n, answer)));
        self.hand_out_answers(now_ms);
    }

    fn at_store(&mut self, now_ms: u64, message: u32) {
        let (n, attempt) = self.addressee(message);
        if self.nodes[n].attempt != attempt {
            return;
        }
        if !self.store.answers(now_ms) {
            self.agenda.plan(now_ms + ms(ATTEMPT_MAX), What::Timeout, message);
            return;
        }
        let Some(round) = self.nodes[n].round.take() else { return };
        let outcome = self.store.step(&self.rules, now_ms, &round.batch);
        self.after_step(now_ms, &round, &outcome);
        self.nodes[n].round = Some(round);
        self.nodes[n].reply = Some(outcome);
        let back_ms = self.way_to_store();
        if back_ms == 0 {
            self.reply(now_ms, message);
        } else {
            self.agenda.plan(now_ms + back_ms, What::Reply, message);
        }
    }

    fn reply(&mut self, now_ms: u64, message: u32) {
        let (n, attempt) = self.addressee(message);
        let node = &mut self.nodes[n];
        if node.attempt != attempt {
            return;
        }
        if !self.store.answers(now_ms) {
            // The answer is lost on its way.
            self.agenda.plan(now_ms + ms(ATTEMPT_MAX), What::Timeout, message);
            return;
        }
        if let Some(outcome) = node.reply.take() {
            let mut answers = Vec::new();
            node.answered(&self.rules, now_ms, &outcome, &mut answers);
            self.agenda.plan(node.wake_ms, What::Wake, index(n));
            self.answers.extend(answers.into_iter().map(|answer| (n, answer)));
            self.hand_out_answers(now_ms);
        }
    }

    fn timeout(&mut self, now_ms: u64, message: u32) {
        let (n, attempt) = self.addressee(message);
        let node = &mut self.nodes[n];
        if node.attempt == attempt && node.round.is_some() {
            self.facts.attempts_failed += 1;
            let mut answers = Vec::new();
            node.failed(now_ms, &mut answers);
            self.agenda.plan(node.wake_ms, What::Wake, index(n));
            self.answers.extend(answers.into_iter().map(|answer| (n, answer)));
            self.hand_out_answers(now_ms);
        }
    }

    fn addressee(&self, message: u32) -> (usize, u32) {
        ((message & ((1 << NODE_BITS) - 1)) as usize, message >> NODE_BITS)
    }

    fn way_to_store(&mut self) -> u64 {
        way(self.scenario.fleet.to_store_ms, 5, &mut self.dice)
    }

    fn way_to_visitor(&mut self) -> u64 {
        way(self.scenario.fleet.to_visitor_ms, 20, &mut self.dice)
    }

    fn sample(&mut self, now_ms: u64) {
        self.note_sample(now_ms);
        self.agenda.plan(now_ms + self.sample_every_ms, What::Sample, 0);
    }

    fn note_sample(&mut self, now_ms: u64) {
        let line = self.nodes.iter().map(|n| &n.summary).max_by_key(|s| s.steps);
        let (waiting, seats) = line.map_or((0, 0), |s| (s.waiting, s.due + s.inside));
        self.facts.sample(Sample {
            at_ms: now_ms.saturating_sub(OPENS_MS),
            waiting,
            present: self.present.len(),
            seats,
            inside: self.inside,
            ..Sample::default()
        });
    }

    fn is_waiting_for_something(visitor: &Visitor) -> bool {
        matches!(visitor.state, State::Joining | State::Waiting | State::Told)
    }
}

/// How long a message takes: half the median at least, the rest by chance, never more than `most` times the median.
fn way(median_ms: u64, most: u64, dice: &mut Dice) -> u64 {
    if median_ms == 0 {
        return 0;
    }
    (median_ms / 2 + dice.after_ms(median_ms * 72 / 100)).clamp(1, median_ms * most)
}

fn index(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}
