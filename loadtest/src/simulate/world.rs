//! A run: visitors, nodes and the store, in virtual time. One thread, one event after another.

mod counts;
mod gate;
mod life;
mod truth;
mod weather;

use std::{collections::HashMap, sync::Arc, time::Duration};

use sluice_admission::{
    line::{LaneId, LaneRule, Rules, number_of},
    policy::Policy,
    session,
    usher::core::{Action, Event},
};
use sluice_config::{Mode, Name, limits::LANES_MAX};

use self::gate::{Pendings, small};
use super::{
    agenda::{Agenda, What},
    arrivals,
    core::Core,
    dice::{Dice, whole},
    node::{Flight, Node, Waiter, ms},
    scenario::{Fault, Lane, Scenario},
    store::Store,
    visitor::{State, Visitor},
};
use crate::simulate::verdict::{
    facts::{Facts, Sample},
    numbers::{Holders, Present},
};

/// Visitors come once the nodes have heard of the line, as with the real ones.
pub(super) const OPENS_MS: u64 = 1_000;
/// Samples of a run, at most twice as many.
const SAMPLES: u64 = 3_600;
/// Marks a visitor's second tab beside the visitor's place in the list.
const TAB: u32 = 1 << 31;
/// Attempts stand beside a node's number, the last bits of their count.
const NODE_BITS: u32 = 8;
const ATTEMPT_MASK: u64 = 0x00FF_FFFF;

pub(super) struct World<'a, C> {
    scenario: &'a Scenario,
    /// What the operator has written last.
    rules: Arc<Rules>,
    /// What each node goes by.
    rules_at: Vec<Arc<Rules>>,
    /// The names of the lanes, as the operator has written them last.
    lane_names: Vec<String>,
    policy: Policy,
    agenda: Agenda,
    store: Store<C>,
    nodes: Vec<Node>,
    visitors: Vec<Visitor>,
    /// Who has which number.
    by_number: Holders,
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
    pending: Pendings,
    /// Who has which slip.
    by_slip: HashMap<u64, u32>,
    facts: Facts,
    /// Every way between a visitor and a node takes so much longer for now.
    slow_ms: u64,
    /// Up to here it is known whom the head of each lane has passed, by slot.
    heads_noted: [u64; LANES_MAX],
    /// Until then no node answers.
    down_until_ms: u64,
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
        lanes: lane_rules(&q.lanes),
    }
}

/// Lanes as a queue's file has them; one is none.
pub(super) fn lane_rules(lanes: &[Lane]) -> Vec<LaneRule> {
    if lanes.len() < 2 {
        return Vec::new();
    }
    let rule = |(at, lane): (usize, &Lane)| LaneRule { lane: lane_id(at, &lane.name), weight: lane.weight };
    lanes.iter().enumerate().map(rule).collect()
}

/// The lane of a file at this place. The first one is the same under every name.
fn lane_id(at: usize, name: &str) -> LaneId {
    Name::new(name).filter(|_| at > 0).map_or(LaneId::FIRST, |name| LaneId::named(&name))
}

/// What the gates of a scenario go by.
fn policy(scenario: &Scenario) -> Policy {
    Policy {
        on_store_loss: None,
        session_idle: Duration::from_millis(scenario.queue.session_idle_ms),
        session_max: Duration::from_millis(scenario.queue.session_max_ms),
    }
}

impl<'a, C: Core> World<'a, C> {
    pub(super) fn new(scenario: &'a Scenario, traces: &[Vec<u64>]) -> Self {
        let rules = Arc::new(rules(scenario));
        let fleet = &scenario.fleet;
        let nodes = (0..fleet.nodes).map(|n| {
            // From so much slow to so much fast.
            let spread = f64::from(n) / f64::from(fleet.nodes.saturating_sub(1).max(1)) * 2.0 - 1.0;
            let drift_ppm = i64::from(fleet.clock_drift_ppm);
            let share = whole((spread + 1.0) * 500.0);
            let drift_ppm = drift_ppm * (i64::try_from(share).unwrap_or(0) - 500) / 500;
            Node::new(drift_ppm, fleet.nodes > 1)
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
            policy: policy(scenario),
            scenario,
            rules_at: vec![rules.clone(); nodes.len()],
            rules,
            lane_names: scenario.queue.lanes.iter().map(|lane| lane.name.clone()).collect(),
            agenda: Agenda::new(),
            store: Store::new(fleet.store),
            nodes,
            visitors: Vec::with_capacity(all),
            by_number: Holders::default(),
            free: Vec::new(),
            coming: all,
            arrivals,
            present: Present::default(),
            active: 0,
            inside: 0,
            dice: Dice::new(scenario.seed),
            pending: Pendings::default(),
            by_slip: HashMap::new(),
            facts: Facts::default(),
            slow_ms: 0,
            heads_noted: std::array::from_fn(|slot| number_of(slot, 0)),
            down_until_ms: 0,
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
        // Whoever comes to another lane is called in between.
        if self.scenario.queue.lanes.len() > 1 {
            let waves = self.scenario.crowds.iter().map(|crowd| crowd.from_ms).filter(|&from_ms| from_ms > 0);
            self.facts.surprises.extend(waves.map(|from_ms| small(OPENS_MS + from_ms)));
        }
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
        self.count_no_more();
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
            What::Fault => self.suffer(now_ms, who),
            What::FaultEnd => self.recover(who),
            What::Copy => self.store.copy(who),
            What::Reload => self.rules_at[who as usize] = self.rules.clone(),
            What::Sample => self.sample(now_ms),
        }
    }

    // Nodes and the store.

    fn wake(&mut self, now_ms: u64, n: usize) {
        // A wake-up that was planned before something earlier turned up is none.
        if self.nodes[n].wakes_ms <= now_ms && now_ms >= self.down_until_ms {
            self.nodes[n].wakes_ms = u64::MAX;
            self.drive(now_ms, n, Event::Wake);
        }
    }

    /// Tells a node's usher what has happened, and does what it says.
    fn drive(&mut self, now_ms: u64, n: usize, event: Event<Waiter>) {
        let actions = self.nodes[n].happens(now_ms, event, &self.rules_at[n]);
        let mut sent = None;
        for action in actions {
            match action {
                Action::Send { attempt, rules, batch } => {
                    self.nodes[n].sends(Flight { attempt, rules, batch, reply: None });
                    sent = Some(index(n) | (small(attempt & ATTEMPT_MASK) << NODE_BITS));
                }
                Action::Answer(waiter, answer) => self.answered(now_ms, n, waiter, answer),
                Action::Failed { .. } => {
                    self.nodes[n].flight = None;
                    self.facts.attempts_failed += 1;
                }
                Action::Publish(_) | Action::Called(_) | Action::Changed(..) | Action::Back { .. } => {}
            }
        }
        if let Some(message) = sent {
            match self.way_to_store() {
                0 => self.at_store(now_ms, message),
                there_ms => self.agenda.plan(now_ms + there_ms, What::AtStore, message),
            }
        }
        let wake_ms = self.nodes[n].wake_ms(now_ms);
        if wake_ms < self.nodes[n].wakes_ms {
            self.nodes[n].wakes_ms = wake_ms;
            self.agenda.plan(wake_ms, What::Wake, index(n));
        }
    }

    fn at_store(&mut self, now_ms: u64, message: u32) {
        // An attempt that the store does not hear is given up by the usher in time.
        let n = self.addressee(message);
        let Some(mut flight) = self.nodes[n].flight.take_if(|f| is_of(f, message)) else { return };
        if self.store.answers(now_ms) {
            let outcome = self.store.step(&flight.rules, now_ms, &flight.batch);
            let returning = self.nodes[n].take_returning();
            self.after_step(now_ms, &flight, &returning, &outcome);
            flight.reply = Some(Box::new(outcome));
        }
        let answered = flight.reply.is_some();
        self.nodes[n].flight = Some(flight);
        if answered {
            match self.way_to_store() {
                0 => self.reply(now_ms, message),
                back_ms => self.agenda.plan(now_ms + back_ms, What::Reply, message),
            }
        }
    }

    fn reply(&mut self, now_ms: u64, message: u32) {
        let n = self.addressee(message);
        // Or else the answer is lost on its way.
        if !self.store.answers(now_ms) {
            return;
        }
        let Some(flight) = self.nodes[n].flight.take_if(|f| is_of(f, message)) else { return };
        if let Flight { attempt, reply: Some(outcome), .. } = flight {
            self.drive(now_ms, n, Event::Answered { attempt, outcome });
        }
    }

    fn addressee(&self, message: u32) -> usize {
        (message & ((1 << NODE_BITS) - 1)) as usize
    }

    fn way_to_store(&mut self) -> u64 {
        way(self.scenario.fleet.to_store_ms, 5, &mut self.dice)
    }

    fn sample(&mut self, now_ms: u64) {
        self.note_sample(now_ms);
        self.agenda.plan(now_ms + self.sample_every_ms, What::Sample, 0);
    }

    fn note_sample(&mut self, now_ms: u64) {
        let line = self.nodes.iter().map(|n| &n.view().summary).max_by_key(|s| s.steps);
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

/// Whether a message is about this attempt.
fn is_of(flight: &Flight, message: u32) -> bool {
    small(flight.attempt & ATTEMPT_MASK) == message >> NODE_BITS
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
