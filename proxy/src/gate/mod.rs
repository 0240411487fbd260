//! The gate of one queue: the policy's driver. Reads tokens from cookies, asks the line, hands tokens out.
//!
//! Knows header maps and no other HTTP. What is decided, and in which order, stands in [`sluice_admission::policy`].

mod counts;
mod insiders;
pub(crate) mod lane;
mod moves;
#[cfg(test)]
mod tests;
mod tokens;

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use sluice_admission::{
    line::Rules,
    policy::{self, Policy, Step},
    session,
    standing::{Look, Reason, Standing, State},
    store::LineId,
    token::{Pass, QueueKeys},
    usher::{Mark, Unanswered, Usher, Word, now},
};
use sluice_config::{Queue, Tenant};

pub(crate) use self::tokens::SLUICE_PASS;
pub(crate) use self::{
    counts::Counts,
    insiders::Insiders,
    moves::{Moves, Offer, Taken},
};
use self::{
    moves::Fate,
    tokens::{Cookies, Jar},
};
use crate::{limits::Price, request::kind::initiator::Initiator, sinks::tally::Tally};

pub(crate) use sluice_admission::policy::Errand;

/// The gate of one queue.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The queue's settings.
    pub(crate) queue: Arc<Queue>,
    /// The line behind it.
    pub(crate) usher: Arc<Usher>,
    /// What was decided, for metrics.
    pub(crate) counts: Arc<Counts>,
    /// The rules of its file.
    rules: Rules,
    policy: Policy,
    keys: QueueKeys,
    cookies: Cookies,
    fresh_id: fn() -> u64,
    /// Places on their way to other devices; `None`: nothing is kept of them.
    moves: Option<Moves>,
    /// Requests that each rule of the queue has decided about.
    met: Box<[Tally]>,
    /// Slips that were too young for what their clients have had.
    delayed: Tally,
}

/// What a request brings to the gate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// Who has sent it.
    pub(crate) recipient: Recipient,
    /// What the visitor is after.
    pub(crate) errand: Errand,
    /// Who made the client send it.
    pub(crate) initiator: Initiator,
    /// The page says that it is hidden.
    pub(crate) hidden: bool,
    /// The lane of this queue that is named for its visitor.
    pub(crate) lane: lane::Named<'a>,
}

/// What the gate decided.
#[derive(Debug)]
pub(crate) struct Decision {
    /// Where the visitor stands; `None`: the request passes.
    pub(crate) parked: Option<Standing>,
    /// The pass of a visitor who is inside, if the request speaks for the visitor.
    pub(crate) inside: Option<Pass>,
    /// What is handed out keeps a visit going and can wait for another answer.
    pub(crate) can_wait: bool,
    /// Cookies and token headers to be set, whatever the answer.
    pub(crate) handed_out: HandedOut,
    /// The slip among them.
    pub(crate) slip: Option<String>,
}

/// Fields that hand tokens out, or take them back.
pub(crate) type HandedOut = Vec<(HeaderName, HeaderValue)>;

/// Who is handed tokens, as far as that decides their form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient {
    /// Whether the visitor's connection is TLS, which decides the cookies' names.
    pub(crate) secure: bool,
    /// Tokens may be handed out in headers as well: the client is an app, no browser.
    pub(crate) app: bool,
    /// Which of the tenant's [domains](Tenant::cookie_domains) the host shares its cookies under.
    pub(crate) domain: Option<usize>,
}

/// What stands before a queue's paths: its gate in a node that serves, its settings where a request is only explained.
pub(crate) trait Guard {
    /// The queue's settings.
    fn queue(&self) -> &Queue;
}

impl Guard for Gate {
    fn queue(&self) -> &Queue {
        &self.queue
    }
}

impl Guard for Queue {
    fn queue(&self) -> &Queue {
        self
    }
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
        let cookies = Cookies::new(queue.name.as_str(), tenant);
        let (rules, policy) = (Rules::of(&queue), Policy::of(&queue));
        let met = queue.rules.iter().map(|_| Tally::default()).collect();
        Self {
            rules,
            queue,
            usher,
            counts,
            policy,
            keys,
            cookies,
            fresh_id: tokens::random_id,
            moves: None,
            met,
            delayed: Tally::default(),
        }
    }

    /// The same, and a place can be moved to another device.
    pub(crate) fn with_moves(self, moves: Moves) -> Self {
        Self { moves: Some(moves), ..self }
    }

    /// The line of a queue.
    pub(crate) fn line_of(tenant: &sluice_config::Name, queue: &Queue) -> LineId {
        LineId { tenant: tenant.clone(), queue: queue.name.clone() }
    }

    /// A rule of the queue has decided about a request.
    pub(crate) fn met_rule(&self, nth: usize) {
        if let Some(count) = self.met.get(nth) {
            count.inc();
        }
    }

    /// How often a number was put off since the config was taken, because of how many its client had had.
    pub(crate) fn delayed(&self) -> u64 {
        u64::try_from(self.delayed.sum()).unwrap_or(0)
    }

    /// How many requests each rule of the queue has decided about since the config was taken.
    pub(crate) fn rules_met(&self) -> impl Iterator<Item = (&str, u64)> {
        let counts = self.met.iter().map(|count| u64::try_from(count.sum()).unwrap_or(0));
        self.queue.rules.iter().map(|rule| rule.name.as_str()).zip(counts)
    }

    /// The message to those who wait, that of an operator or of the file.
    pub(crate) fn message(&self) -> Option<Cow<'_, str>> {
        let set = self.usher.view().message(now()).map(|message| Cow::Owned(message.to_owned()));
        set.or_else(|| self.queue.message.as_deref().map(Cow::Borrowed))
    }

    /// Decides about one request. With a price, a slip may have to be of some age before it becomes a number.
    pub(crate) async fn decide_at(&self, request: Request<'_>, price: Option<Price>) -> Decision {
        let mut jar = Jar::open(self, request, &self.usher.view(), now());
        // Hardly any visitor has made a link.
        if jar.brings_move() {
            match Box::pin(self.fate(&jar)).await {
                Fate::Open => {}
                Fate::Settled => jar.forget_move(),
                Fate::Gone => return self.gone(jar),
            }
        }
        let step = {
            let (view, now) = (self.usher.view(), now());
            self.policy.decide(&jar, request.as_the_policy_sees_it(self), &Look::of(&view, &self.rules, now))
        };
        let decided = self.go_on(step, price).await;
        self.close(jar, &decided)
    }

    /// Asks the line what there is to ask, until the request is decided.
    async fn go_on(&self, mut step: Step, price: Option<Price>) -> policy::Decided {
        loop {
            step = match step {
                Step::Done(decided) => return decided,
                Step::Ask { ask, told_ms, after_ms, asked } => {
                    if after_ms > 0 {
                        tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    }
                    let verdict = self.usher.ask(ask, told_ms).await;
                    asked.answered(&self.policy, verdict, &Look::of(&self.usher.view(), &self.rules, now()))
                }
                Step::Join { newcomer, joining } => {
                    let price = price.as_ref().filter(|_| !newcomer.walk_in);
                    let is_young =
                        price.is_some_and(|price| joining.slip_age(self.usher.view().line_ms(now())) < price.delay());
                    let answer = if is_young {
                        self.delayed.inc();
                        Err(Unanswered)
                    } else {
                        self.usher.join(newcomer).await
                    };
                    if let (Ok(_), Some(price)) = (&answer, price) {
                        price.paid();
                    }
                    joining.answered(&self.policy, answer, &Look::of(&self.usher.view(), &self.rules, now()))
                }
            };
        }
    }

    /// Whether a preflight is the origin's to answer: no line stands, or it comes with a pass. Nothing is counted.
    pub(crate) fn lets_preflight(&self, request: Request<'_>) -> bool {
        let (view, now) = (self.usher.view(), now());
        let jar = Jar::open(self, request, &view, now);
        self.policy.lets_preflight(&jar, &Look::of(&view, &self.rules, now))
    }

    /// Sees a visitor inside who asks for something else of the site. The line is asked nothing.
    pub(crate) fn pass_by(&self, request: Request<'_>) -> Decision {
        let (view, now) = (self.usher.view(), now());
        let jar = Jar::open(self, request, &view, now);
        let look = Look::of(&view, &self.rules, now);
        let decided = self.policy.pass_by(&jar, request.as_the_policy_sees_it(self), &look);
        self.close(jar, &decided)
    }

    /// Sees a visitor inside by what moves on a stream, of whom the line has heard `silent` ago. False: that does not
    /// keep the visit any more.
    pub(crate) fn seen_on_a_stream(&self, pass: &Pass, silent: Duration) -> bool {
        let mark = self.policy.seen_on_a_stream(pass, silent, &Look::of(&self.usher.view(), &self.rules, now()));
        if let Some(mark) = mark {
            self.usher.mark(mark);
        }
        mark.is_some()
    }

    /// After so long the line is to hear of a visitor again who is inside.
    pub(crate) fn seen_every(&self) -> Duration {
        session::renew_after(self.policy.session_idle)
    }

    /// The origin wants a visit to go on from now. Gives the cookies to be set.
    pub(crate) fn renew_visit(&self, pass: &Pass, recipient: Recipient) -> HandedOut {
        let (view, now) = (self.usher.view(), now());
        let Some((renewed, mark)) = self.policy.renew(pass, &Look::of(&view, &self.rules, now)) else {
            return HandedOut::new();
        };
        self.usher.mark(mark);
        let mut handed_out = HandedOut::new();
        self.hand_out_pass(&renewed, recipient, view.line_ms(now), &mut handed_out);
        handed_out
    }

    /// Says good-bye for a visitor. With `keep_place`, a page that is being closed only says that nobody is
    /// looking for now.
    pub(crate) fn leave(&self, request: Request<'_>, keep_place: bool) -> Decision {
        let mut jar = Jar::open(self, request, &self.usher.view(), now());
        let decided = self.policy.leave(&jar, keep_place);
        if !keep_place {
            jar.forget_move();
        }
        self.close(jar, &decided)
    }

    /// The origin has ended a visit: the seat is free at once. Gives the cookies to be set.
    pub(crate) fn end_visit(&self, number: u64, recipient: Recipient) -> HandedOut {
        self.end(number);
        self.cookies.forget_pass(recipient)
    }

    /// Ends a visit: the seat is free, and the pass is void on every node as soon as it hears of it.
    pub(crate) fn end(&self, number: u64) {
        let epoch = self.usher.view().summary.epoch;
        self.usher.mark(Mark { epoch, word: Word::Ended(number) });
    }

    /// The same, and when the queue opens, if it is closed until then.
    fn with_opening(&self, standing: Standing) -> Standing {
        let is_closed = standing.reason == Some(Reason::Closed) || standing.state == State::Closed;
        Standing { opens_at_s: self.queue.opens_at_s.filter(|_| is_closed), ..standing }
    }

    fn close(&self, jar: Jar<'_>, decided: &policy::Decided) -> Decision {
        for mark in decided.marks.iter() {
            self.usher.mark(mark);
        }
        let errand = jar.errand();
        let can_wait = decided.renews && !jar.is_carried_over();
        let (handed_out, slip) = jar.close(&decided.handed);
        let (parked, inside) = match decided.verdict {
            policy::Passage::Passes { inside } => (None, inside),
            policy::Passage::Parked(standing) => (Some(self.with_opening(standing)), None),
        };
        self.counts.count(errand, decided.counted, parked.is_some());
        Decision { parked, inside, can_wait, handed_out, slip }
    }
}

impl Request<'_> {
    fn as_the_policy_sees_it(&self, gate: &Gate) -> policy::Request {
        let embedded = self.initiator == Initiator::Embedded;
        let lane = self.lane.lane(&gate.queue).map(|(lane, _)| lane);
        policy::Request { errand: self.errand, embedded, hidden: self.hidden, lane }
    }
}
