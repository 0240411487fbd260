//! The gate of one queue: may this request pass, and if not, where does its visitor stand?
//!
//! Knows tokens and the line, and no HTTP beyond header maps. The order of questions is the whole policy:
//!
//! 1. a valid pass enters, with no question to anybody;
//! 2. what is loaded ahead of time, or embedded by another site, is left where it stands;
//! 3. a ticket at or below the head asks the line, one above it waits;
//! 4. a slip that came back takes a number;
//! 5. whoever brings nothing walks in if nobody stands in line, else gets a slip.

mod counts;
#[cfg(test)]
mod tests;
mod tokens;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use sluice_admission::{
    estimate::{self, POLL_S_MIN},
    line::{Ask, Newcomer, Verdict},
    standing::{self, Look, Reason, Standing, State},
    store::LineId,
    token::{Pass, QueueKeys, Slip, Ticket},
    usher::{Usher, View},
};
use sluice_config::{Mode, OnStoreLoss, Queue, Tenant};

pub(crate) use self::counts::Counts;
use self::tokens::{Cookies, Jar};
use crate::request::initiator::Initiator;

/// A slip that was handed out longer ago tells the line when that was.
const SLIP_OLD_MS: u64 = 3_000;
/// With `on_store_loss = "admit"` a store may be away for so long before everybody is let in: a lost connection is
/// no lost store.
const ADMIT_AFTER: Duration = Duration::from_secs(5);

/// The gate of one queue.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The queue's settings.
    pub(crate) queue: Arc<Queue>,
    /// The line behind it.
    pub(crate) usher: Arc<Usher>,
    /// What was decided, for metrics.
    pub(crate) counts: Arc<Counts>,
    keys: QueueKeys,
    cookies: Cookies,
    fresh_id: fn() -> u64,
}

/// What a request brings to the gate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// Whether the visitor's connection is TLS, which decides the cookies' names.
    pub(crate) secure: bool,
    /// What the visitor is after.
    pub(crate) errand: Errand,
    /// Who made the client send it.
    pub(crate) initiator: Initiator,
    /// Tokens may be handed out in headers as well: the client is an app, no browser.
    pub(crate) app: bool,
}

/// What a visitor is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// To get to the site.
    Enter,
    /// To know where they stand.
    Status,
    /// To load something ahead of time: never enters by itself, takes no number.
    Prefetch,
}

/// What the gate decided.
#[derive(Debug)]
pub(crate) struct Decision {
    /// Where the visitor stands; `None`: the request passes.
    pub(crate) parked: Option<Standing>,
    /// The number of a visitor who is inside, if the request speaks for the visitor.
    pub(crate) inside: Option<u64>,
    /// Cookies and token headers to be set, whatever the answer.
    pub(crate) handed_out: Vec<(http::HeaderName, HeaderValue)>,
}

impl Gate {
    pub(crate) fn new(
        tenant: &Tenant,
        queue: Arc<Queue>,
        usher: Arc<Usher>,
        keys: QueueKeys,
        counts: Arc<Counts>,
    ) -> Self {
        debug_assert_eq!(usher.line(), &Self::line_of(&tenant.name, &queue));
        let cookies = Cookies::new(queue.name.as_str(), tenant.same_site);
        Self { queue, usher, counts, keys, cookies, fresh_id: tokens::random_id }
    }

    /// The line of a queue.
    pub(crate) fn line_of(tenant: &sluice_config::Name, queue: &Queue) -> LineId {
        LineId { tenant: tenant.clone(), queue: queue.name.clone(), lane: 0 }
    }

    /// Decides about one request.
    pub(crate) async fn decide(&self, request: Request<'_>) -> Decision {
        let view = self.usher.view();
        if self.is_open(&view) {
            return self.pass_freely(request);
        }
        let mut jar = Jar::open(self, request, &view);
        if let Some(pass) = jar.pass() {
            return self.admit_pass(jar, pass);
        }
        if request.errand == Errand::Prefetch || jar.is_embedded() {
            return jar.close(Some(self.look(&view).waiting_unknown(State::Waiting)));
        }
        if let Some(ticket) = jar.ticket() {
            return self.with_ticket(jar, ticket, &view).await;
        }
        match jar.slip() {
            Some(slip) => self.join(jar, slip, false).await,
            None => self.with_nothing(jar, &view).await,
        }
    }

    /// Says good-bye for a visitor. With `keep_place`, a page that is being closed only says that nobody is
    /// looking for now.
    pub(crate) fn leave(&self, request: Request<'_>, keep_place: bool) -> Decision {
        let view = self.usher.view();
        let mut jar = Jar::open(self, request, &view);
        if let Some(ticket) = jar.ticket() {
            self.usher.away(ticket.number);
        }
        if !keep_place {
            if let Some(pass) = jar.pass() {
                self.usher.ended(pass.number);
            }
            jar.clear_all();
        }
        jar.close(None)
    }

    /// The origin has ended a visit: the seat is free at once. Gives the cookies to be set.
    pub(crate) fn end_visit(&self, number: u64, secure: bool) -> Vec<(http::HeaderName, HeaderValue)> {
        self.usher.ended(number);
        self.cookies.forget_pass(secure)
    }

    /// Whether everybody passes: the queue only watches, or has been drained.
    fn is_open(&self, view: &View) -> bool {
        if self.queue.on_store_loss == Some(OnStoreLoss::Admit) && view.away_for() >= ADMIT_AFTER {
            return true;
        }
        match self.queue.mode {
            Mode::Open => true,
            Mode::Drain => view.store_answers && view.summary.waiting == 0 && !view.summary.standing,
            Mode::Auto | Mode::Hold | Mode::Closed => false,
        }
    }

    fn look<'a>(&self, view: &'a View) -> Look<'a> {
        view.look(self.queue.mode)
    }

    fn pass_freely(&self, request: Request<'_>) -> Decision {
        let parked = (request.errand == Errand::Status).then(standing::admitted);
        self.counts.passed_freely.inc();
        Decision { parked, inside: None, handed_out: Vec::new() }
    }

    fn admit_pass(&self, mut jar: Jar<'_>, pass: Pass) -> Decision {
        if jar.request.errand == Errand::Status {
            return jar.close(Some(standing::admitted()));
        }
        self.counts.admitted.inc();
        // Another site can neither keep a visit going nor bring about its end.
        if jar.is_embedded() {
            return jar.close(None);
        }
        jar.renew_pass(&pass);
        jar.close_inside(pass.number)
    }

    async fn with_ticket(&self, mut jar: Jar<'_>, ticket: Ticket, view: &View) -> Decision {
        let standing = self.look(view).in_line(&ticket);
        let hold_ms = estimate::hold_ms(standing.poll_after_s);
        if self.trickles(view) && view.trickles_to(ticket.number) {
            return self.let_in(jar, &ticket, &standing);
        }
        // Above the head nobody has been called: no need to ask.
        if ticket.number > view.summary.head || !view.store_answers {
            self.usher.seen(ticket.number, hold_ms);
            return self.wait(jar, &ticket, standing);
        }
        let enter = jar.request.errand == Errand::Enter;
        match self.usher.ask_next(Ask { number: ticket.number, hold_ms, enter }).await {
            Ok(Verdict::Waiting) => self.wait(jar, &ticket, standing),
            // Who has lapsed is called again when the page is loaded, which this answer asks for.
            Ok(Verdict::Called { .. } | Verdict::Lapsed) => jar.close(Some(standing::called(&standing))),
            Ok(Verdict::Inside { since_ms, until_ms, .. }) => self.enter(jar, ticket.number, since_ms, until_ms),
            // The visit is over, or the place was given up long ago. The ticket has shown that cookies come
            // back, so the visitor joins anew with no further ado, always as the same newcomer.
            Ok(Verdict::Spent | Verdict::Refused) => {
                jar.clear_ticket();
                let slip = Slip { id: tokens::id_after(&ticket), issued_at_ms: jar.now_ms };
                self.join(jar, slip, false).await
            }
            Err(_) => {
                // The question is lost, that its visitor was there is not.
                self.usher.seen(ticket.number, hold_ms);
                self.wait(jar, &ticket, self.look(&self.usher.view()).in_line(&ticket))
            }
        }
    }

    /// Whether the head goes on by time, as the store does not answer.
    fn trickles(&self, view: &View) -> bool {
        let calls = matches!(self.queue.mode, Mode::Auto | Mode::Drain);
        !view.store_answers && calls && self.queue.on_store_loss == Some(OnStoreLoss::Trickle)
    }

    /// Lets a visitor in whom the line could not be asked about; it is told when it answers again.
    fn let_in(&self, jar: Jar<'_>, ticket: &Ticket, standing: &Standing) -> Decision {
        if jar.request.errand == Errand::Status {
            return jar.close(Some(standing::called(standing)));
        }
        self.usher.admitted(ticket.number);
        self.counts.trickled.inc();
        let until_ms = jar.now_ms + tokens::seat_ms(&self.queue);
        let since_ms = jar.now_ms;
        self.enter(jar, ticket.number, since_ms, until_ms)
    }

    async fn with_nothing(&self, mut jar: Jar<'_>, view: &View) -> Decision {
        let id = (self.fresh_id)();
        // While somebody stands in line, or nobody may be called, a client that has shown no cookie costs the
        // line nothing at all.
        let look = self.look(view);
        if look.stands() || jar.request.errand != Errand::Enter {
            jar.hand_out_slip(&Slip { id, issued_at_ms: view.now_ms() });
            return jar.close(Some(look.joining()));
        }
        let slip = Slip { id, issued_at_ms: jar.now_ms };
        self.join(jar, slip, true).await
    }

    /// Takes a number, and enters with it if it is called at once.
    async fn join(&self, mut jar: Jar<'_>, slip: Slip, walk_in: bool) -> Decision {
        let (hold_ms, now_ms) = {
            let view = self.usher.view();
            (estimate::hold_ms(view.speed.poll_s(view.summary.waiting)), view.now_ms())
        };
        let enter = jar.request.errand == Errand::Enter;
        // Most come back with their slip at once, and to say when they came would only cost the line.
        let is_old = slip.issued_at_ms + SLIP_OLD_MS < now_ms;
        let arrived_ms = if is_old { slip.issued_at_ms } else { 0 };
        let newcomer = Newcomer { id: slip.id, hold_ms, enter, walk_in, arrived_ms };
        let answer = self.usher.join(newcomer).await;
        let view = self.usher.view();
        match answer {
            Ok((number, Verdict::Inside { since_ms, until_ms, .. })) => {
                self.counts.joined.inc();
                self.enter(jar, number, since_ms, until_ms)
            }
            Ok((number, verdict @ (Verdict::Waiting | Verdict::Called { .. } | Verdict::Lapsed))) => {
                self.counts.joined.inc();
                let ahead = view.summary.ahead_of(number);
                let ticket = Ticket {
                    epoch: view.summary.epoch,
                    lane: 0,
                    number,
                    issued_at_ms: view.now_ms(),
                    ahead_first: ahead,
                    ahead_shown: ahead,
                };
                jar.hand_out_ticket(&ticket);
                let mut standing = self.look(&view).in_line(&ticket);
                // The line was told to count on the visitor for so long, not longer.
                standing.poll_after_s = standing.poll_after_s.min(hold_ms / 1_000).max(POLL_S_MIN);
                match verdict {
                    Verdict::Called { .. } | Verdict::Lapsed => jar.close(Some(standing::called(&standing))),
                    _ => jar.close(Some(standing)),
                }
            }
            // A slip whose number has been used up: its visit is over. The next one starts afresh.
            Ok((_, Verdict::Spent)) => {
                jar.hand_out_slip(&Slip { id: (self.fresh_id)(), issued_at_ms: now_ms });
                jar.close(Some(self.look(&view).joining()))
            }
            Ok((_, Verdict::Refused)) => {
                jar.hand_out_slip(&slip);
                // Who comes with a slip is refused by a closed queue or a full line; of a line that is full and
                // has all its seats taken the summary gives the seats as the reason.
                let refused = match view.summary.reason {
                    Some(Reason::Closed) => self.look(&view).joining(),
                    _ if walk_in || view.summary.settling => self.look(&view).joining(),
                    _ => self.look(&view).full(),
                };
                jar.close(Some(refused))
            }
            Err(_) => {
                jar.hand_out_slip(&slip);
                jar.close(Some(self.look(&view).joining()))
            }
        }
    }

    fn enter(&self, mut jar: Jar<'_>, number: u64, since_ms: u64, until_ms: u64) -> Decision {
        if jar.request.errand == Errand::Status {
            return jar.close(Some(standing::admitted()));
        }
        // A claim that is repeated after a lost answer finds the seat taken before it was asked: it counts once.
        if since_ms >= jar.now_ms {
            self.counts.entered.inc();
        }
        let epoch = self.usher.view().summary.epoch;
        jar.hand_out_pass(epoch, number, since_ms, until_ms);
        jar.close_inside(number)
    }

    fn wait(&self, mut jar: Jar<'_>, ticket: &Ticket, standing: Standing) -> Decision {
        if let Some(ahead) = standing.ahead.filter(|&ahead| ahead < ticket.ahead_shown) {
            jar.hand_out_ticket(&Ticket { ahead_shown: ahead, ..*ticket });
        }
        jar.close(Some(standing))
    }
}
