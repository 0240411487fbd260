//! A node: the usher that the proxy runs, driven in virtual time. Only sockets and tasks are missing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sluice_admission::{
    line::{Batch, Outcome, Rules},
    policy::{Asked, Joining},
    standing::Look,
    usher::{
        Mark, View,
        core::{Action, Core as Usher, Event},
        marks::Marked,
        memory::Memory,
    },
};

use super::store::START_MS;

/// Where an answer goes: to a visitor, and where the policy goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) source: u32,
    pub(super) goes_on: GoesOn,
}

/// Where the policy goes on once the line has answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum GoesOn {
    Asked(Asked),
    Joining(Joining),
}

/// A batch on its way to the store or, with the answer, back.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) attempt: u64,
    pub(super) rules: Arc<Rules>,
    pub(super) batch: Arc<Batch>,
    pub(super) reply: Option<Box<Outcome>>,
}

#[derive(Debug)]
pub(super) struct Node {
    usher: Usher<Waiter>,
    shared: bool,
    /// What this node's clock was at the start of the run, and how fast it is.
    origin: Instant,
    drift_ppm: i64,
    pub(super) flight: Option<Flight>,
    /// Visitors back from an absence: of whom the next batch tells, and the one on its way.
    returning: Vec<u32>,
    returning_sent: Vec<u32>,
    /// When this node is planned to wake.
    pub(super) wakes_ms: u64,
}

impl Node {
    /// `shared`: there are other nodes.
    pub(super) fn new(drift_ppm: i64, shared: bool) -> Self {
        let origin = Instant::now();
        Self {
            usher: Usher::new(Memory::default(), START_MS, origin, shared),
            shared,
            origin,
            drift_ppm,
            flight: None,
            returning: Vec::new(),
            returning_sent: Vec::new(),
            wakes_ms: u64::MAX,
        }
    }

    /// This node's own clock. Only differences count, so that it starts at whatever the real clock shows is no matter.
    fn local(&self, now_ms: u64) -> Instant {
        let drift_us = i64::try_from(now_ms).unwrap_or(0) * self.drift_ppm / 1_000;
        self.origin + Duration::from_micros((now_ms * 1_000).saturating_add_signed(drift_us))
    }

    /// When this node's clock shows that moment, at the earliest.
    fn shows(&self, at: Instant) -> u64 {
        let us = u64::try_from(at.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX / 2);
        let drift_us = i64::try_from(us / 1_000).unwrap_or(0) * self.drift_ppm / 1_000;
        let mut now_ms = (us.saturating_add_signed(-drift_us) / 1_000).saturating_sub(1);
        while self.local(now_ms) < at {
            now_ms += 1;
        }
        now_ms
    }

    /// Ends, and begins anew with nothing remembered.
    pub(super) fn restart(&mut self, now_ms: u64) {
        self.usher = Usher::new(Memory::default(), START_MS + now_ms, self.local(now_ms), self.shared);
        self.flight = None;
        self.wakes_ms = 0;
    }

    pub(super) fn view(&self) -> &View {
        self.usher.view()
    }

    /// The line's clock, as this node reckons it.
    pub(super) fn line_ms(&self, now_ms: u64) -> u64 {
        self.view().line_ms(self.local(now_ms))
    }

    pub(super) fn look(&self, rules: &Rules, now_ms: u64) -> Look<'_> {
        Look::of(self.view(), rules, self.local(now_ms))
    }

    pub(super) fn returning(&mut self, who: u32) {
        self.returning.push(who);
    }

    /// Who is present again with the step that is made now.
    pub(super) fn take_returning(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.returning_sent)
    }

    pub(super) fn sends(&mut self, flight: Flight) {
        self.returning_sent.append(&mut self.returning);
        self.flight = Some(flight);
    }

    pub(super) fn mark(&mut self, now_ms: u64, mark: Mark, rules: &Arc<Rules>) {
        let at = self.local(now_ms);
        self.usher.handle(at, Event::Mark(Marked { mark, at }), rules, &mut Vec::new());
    }

    /// Tells the usher what has happened. Gives what it wants done.
    pub(super) fn happens(&mut self, now_ms: u64, event: Event<Waiter>, rules: &Arc<Rules>) -> Vec<Action<Waiter>> {
        let mut actions = Vec::new();
        self.usher.handle(self.local(now_ms), event, rules, &mut actions);
        actions
    }

    /// When the usher wants to be woken.
    pub(super) fn wake_ms(&self, now_ms: u64) -> u64 {
        self.shows(self.usher.wake_at()).max(now_ms)
    }
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
