//! For how long nothing may move between a client and an origin, and who is to blame then.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{Client, Failure, Route};

/// What an exchange is given time for.
#[derive(Clone, Copy)]
pub(super) struct Limits<'r> {
    read: Duration,
    write: Duration,
    body: Duration,
    /// Hears of bytes that have moved.
    on_moved: &'r (dyn Fn(Instant) + Sync),
}

impl<'r> Limits<'r> {
    pub(super) fn of(route: &Route<'r>) -> Self {
        let (read, write) = (route.origin.settings.read_timeout, route.origin.settings.write_timeout);
        Self { read, write, body: route.body_silence_max, on_moved: route.on_moved }
    }
}

/// Whom a direction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    Client,
    Origin,
    /// It is over.
    ForNothing,
}

/// One direction of an exchange.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) waits: Waits,
    /// Something has moved since it was last asked about.
    pub(super) moved: bool,
    since: Instant,
}

impl Way {
    /// It cannot go on. Its time begins when it waits for somebody else than before.
    pub(super) fn wait<T>(&mut self, waits: Waits) -> Poll<T> {
        if self.waits != waits {
            self.waits = waits;
            self.moved = true;
        }
        Poll::Pending
    }
}

/// Both directions of one exchange, and how long each may stand still.
pub(super) struct Patience<'r> {
    limits: Limits<'r>,
    /// The request's way to the origin.
    pub(super) up: Way,
    /// The answer's way to the client.
    pub(super) down: Way,
    /// The body comes once the origin has said something, so until then its time does not run.
    pub(super) expects: bool,
    /// Both sides talk at the same time, and one may listen to the other for long: what moves either way counts for both.
    pub(super) is_dialogue: bool,
}

impl<'r> Patience<'r> {
    pub(super) fn new(limits: Limits<'r>, expects: bool) -> Self {
        let since = Instant::now();
        let way = |waits| Way { waits, moved: false, since };
        Self { limits, up: way(Waits::Client), down: way(Waits::Origin), expects, is_dialogue: false }
    }

    /// Neither side has anything to move: ready when that has lasted for too long.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl Client,
        mut timer: Pin<&mut Sleep>,
    ) -> Poll<Failure> {
        let mut now = Instant::now();
        let any_moved = self.up.moved || self.down.moved;
        if any_moved {
            (self.limits.on_moved)(now);
        }
        for way in [&mut self.up, &mut self.down] {
            if std::mem::take(&mut way.moved) || (any_moved && self.is_dialogue) {
                way.since = now;
            }
        }
        loop {
            let Some((until, late)) = self.first_limit(client) else { return Poll::Pending };
            if now >= until && !(late == Late::Client && client.is_given_more_time()) {
                return Poll::Ready(late.failure());
            }
            // One that goes off early costs less than one that is set anew with every byte.
            if timer.deadline() > until || timer.is_elapsed() {
                timer.as_mut().reset(until);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            now = Instant::now();
        }
    }

    /// What ends first, if nothing moves.
    fn first_limit(&self, client: &impl Client) -> Option<(Instant, Late)> {
        let up = match self.up.waits {
            Waits::Origin => Some((self.up.since + self.limits.write, Late::Origin)),
            Waits::Client if self.is_dialogue => None,
            Waits::Client if !self.expects => Some((self.up.since + self.limits.body, Late::Body)),
            Waits::Client | Waits::ForNothing => None,
        };
        let is_origins_turn = self.up.waits == Waits::ForNothing || self.expects || self.is_dialogue;
        let down = match self.down.waits {
            Waits::Origin if is_origins_turn => Some((self.down.since + self.limits.read, Late::Origin)),
            Waits::Client => client.late().map(|late| (late, Late::Client)),
            _ => None,
        };
        up.into_iter().chain(down).min_by_key(|(until, _)| *until)
    }
}

/// Who has let the time go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    Origin,
    Body,
    Client,
}

impl Late {
    fn failure(self) -> Failure {
        match self {
            Self::Origin => Failure::Silent,
            Self::Body => Failure::BodySilent,
            Self::Client => Failure::NotTaken,
        }
    }
}
