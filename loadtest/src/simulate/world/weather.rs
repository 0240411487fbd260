//! What happens to a run beside its store: operators, networks, phones, restarts.

use std::sync::Arc;

use sluice_admission::line::Rules;
use sluice_config::Mode;

use super::{World, gate::small, index};
use crate::simulate::{
    agenda::What,
    core::Core,
    dice::{Dice, whole},
    scenario::Fault,
    visitor::State,
};

/// Longest way of a message between a visitor and a node, in ms.
const WAY_MS_MAX: f64 = 2_500.0;
/// A page that gets no answer asks again after twice as long each time, up to this.
const BACKOFF_MS_MAX: u64 = 60_000;

impl<C: Core> World<'_, C> {
    /// A fault begins.
    pub(super) fn suffer(&mut self, now_ms: u64, which: u32) {
        let Some(fault) = self.scenario.faults.get(which as usize) else { return };
        if fault.is_a_surprise() {
            self.facts.surprises.push(small(now_ms));
        }
        if fault.loses_counts() && self.facts.counts_lost_ms.is_none() {
            self.count_no_more();
            self.facts.counts_lost_ms = Some(now_ms);
        }
        self.store.suffer(which, fault, now_ms);
        if let Some(lasts_ms) = fault.lasts_ms() {
            self.agenda.plan(now_ms + lasts_ms, What::FaultEnd, which);
            if fault.stops_calls() {
                self.facts.stops.push((small(now_ms), small(now_ms + lasts_ms)));
            }
        }
        match *fault {
            Fault::Held { .. } => self.obey(|rules| rules.mode = Mode::Hold),
            Fault::Rate { release_per_minute, .. } => self.obey(|rules| {
                rules.release_per_minute = release_per_minute;
                rules.burst = (release_per_minute / 6).max(1);
            }),
            Fault::Lanes { ref lanes, over_ms, .. } => {
                self.lane_names = lanes.iter().map(|lane| lane.name.clone()).collect();
                Arc::make_mut(&mut self.rules).lanes = super::lane_rules(lanes);
                let last = (self.nodes.len() as u64).saturating_sub(1).max(1);
                for n in 0..self.nodes.len() {
                    self.agenda.plan(now_ms + over_ms * n as u64 / last, What::Reload, index(n));
                }
            }
            Fault::SlowNetwork { adds_ms, .. } => self.slow_ms = adds_ms / 2,
            Fault::MassSleep { lasts_ms, share, .. } => self.fall_asleep(now_ms, lasts_ms, share),
            Fault::Restart { lasts_ms, .. } => {
                self.down_until_ms = now_ms + lasts_ms;
                self.nodes.iter_mut().for_each(|node| node.restart(now_ms));
                for n in 0..self.nodes.len() {
                    self.agenda.plan(now_ms + lasts_ms, What::Wake, index(n));
                }
            }
            Fault::Away { .. } | Fault::Wiped { .. } | Fault::Restored { .. } | Fault::ClockStep { .. } => {}
        }
    }

    /// A fault that lasts is over.
    pub(super) fn recover(&mut self, which: u32) {
        match self.scenario.faults.get(which as usize) {
            Some(Fault::Held { .. }) => self.obey(|rules| rules.mode = Mode::Auto),
            Some(Fault::SlowNetwork { .. }) => self.slow_ms = 0,
            _ => {}
        }
    }

    /// The operator changes the settings; they hold from each node's next step on.
    fn obey(&mut self, change: impl Fn(&mut Rules)) {
        let all = std::iter::once(&mut self.rules).chain(&mut self.rules_at);
        all.for_each(|rules| change(Arc::make_mut(rules)));
    }

    /// Phones are put away: this share of those who wait, all at once.
    fn fall_asleep(&mut self, now_ms: u64, lasts_ms: u64, share: f64) {
        for who in 0..self.visitors.len() {
            let visitor = &mut self.visitors[who];
            let chosen = Dice::of(self.scenario.seed ^ 0x51EE9, who as u64).unit() < share;
            if chosen && visitor.state == State::Waiting {
                visitor.sleeps_for_ms = small(lasts_ms);
                visitor.asleep_until_ms = small(now_ms + lasts_ms);
                // What it was to do next is put off until it wakes up.
                self.falls_asleep(index(who));
            }
        }
    }

    /// Whether a request finds its node down; the page asks again later.
    pub(super) fn finds_nobody(&mut self, now_ms: u64, source: u32) -> bool {
        if now_ms >= self.down_until_ms {
            return false;
        }
        let visitor = &mut self.visitors[(source & !super::TAB) as usize];
        visitor.failures = (visitor.failures + 1).min(10);
        let most_ms = (4_000_u64 << (visitor.failures - 1)).min(BACKOFF_MS_MAX);
        let pause_ms = whole(most_ms as f64 * (0.5 + self.dice.unit() / 2.0));
        let inside = visitor.state == State::Inside;
        let what = match visitor.state {
            State::Told => What::Navigation,
            _ if source & super::TAB != 0 => What::TabPoll,
            _ => What::Poll,
        };
        if !inside {
            self.agenda.plan(now_ms + pause_ms, what, source & !super::TAB);
        }
        true
    }

    /// How long a message takes between a visitor and a node.
    pub(super) fn way_to_visitor(&mut self) -> u64 {
        let fleet = &self.scenario.fleet;
        let way_ms = if fleet.to_visitor_spread == 0.0 {
            super::way(fleet.to_visitor_ms, 20, &mut self.dice)
        } else {
            // Log-normal, as round trips in mobile networks are.
            let normal = (-2.0 * (1.0 - self.dice.unit()).max(1e-12).ln()).sqrt()
                * (std::f64::consts::TAU * self.dice.unit()).cos();
            whole((fleet.to_visitor_ms as f64 * (fleet.to_visitor_spread * normal).exp()).min(WAY_MS_MAX))
        };
        way_ms + self.slow_ms
    }
}
