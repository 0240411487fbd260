//! The gate of one queue: the policy's driver. Reads tokens from cookies, asks the line, hands tokens out.
//!
//! Knows header maps and no other HTTP. What is decided, and in which order, stands in [`sluice_admission::policy`].

mod counts;
#[cfg(test)]
mod tests;
mod tokens;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use sluice_admission::{
    policy::{self, Policy, Step},
    standing::Standing,
    store::LineId,
    token::QueueKeys,
    usher::{Mark, Usher, Word, now},
};
use sluice_config::{Queue, Tenant};

pub(crate) use self::counts::Counts;
use self::tokens::{Cookies, Jar};
use crate::request::initiator::Initiator;

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
    policy: Policy,
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
    /// The page says that it is hidden.
    pub(crate) hidden: bool,
    /// Tokens may be handed out in headers as well: the client is an app, no browser.
    pub(crate) app: bool,
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
        let policy = Policy::of(&queue);
        Self { queue, usher, counts, policy, keys, cookies, fresh_id: tokens::random_id }
    }

    /// The line of a queue.
    pub(crate) fn line_of(tenant: &sluice_config::Name, queue: &Queue) -> LineId {
        LineId { tenant: tenant.clone(), queue: queue.name.clone(), lane: 0 }
    }

    /// Decides about one request.
    pub(crate) async fn decide(&self, request: Request<'_>) -> Decision {
        let (jar, mut step) = {
            let (view, now) = (self.usher.view(), now());
            let jar = Jar::open(self, request, &view, now);
            let step = self.policy.decide(&jar, request.as_the_policy_sees_it(), &view.look(self.policy.mode, now));
            (jar, step)
        };
        loop {
            step = match step {
                Step::Done(decided) => return self.close(jar, &decided),
                Step::Ask { ask, told_ms, after_ms, asked } => {
                    if after_ms > 0 {
                        tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    }
                    let verdict = self.usher.ask(ask, told_ms).await;
                    asked.answered(&self.policy, verdict, &self.usher.view().look(self.policy.mode, now()))
                }
                Step::Join { newcomer, joining } => {
                    let answer = self.usher.join(newcomer).await;
                    joining.answered(&self.policy, answer, &self.usher.view().look(self.policy.mode, now()))
                }
            };
        }
    }

    /// Says good-bye for a visitor. With `keep_place`, a page that is being closed only says that nobody is
    /// looking for now.
    pub(crate) fn leave(&self, request: Request<'_>, keep_place: bool) -> Decision {
        let jar = Jar::open(self, request, &self.usher.view(), now());
        let decided = self.policy.leave(&jar, keep_place);
        self.close(jar, &decided)
    }

    /// The origin has ended a visit: the seat is free at once. Gives the cookies to be set.
    pub(crate) fn end_visit(&self, number: u64, secure: bool) -> Vec<(http::HeaderName, HeaderValue)> {
        self.end(number);
        self.cookies.forget_pass(secure)
    }

    /// Ends a visit: the seat is free, and the pass is void on every node as soon as it hears of it.
    pub(crate) fn end(&self, number: u64) {
        let epoch = self.usher.view().summary.epoch;
        self.usher.mark(Mark { epoch, word: Word::Ended(number) });
    }

    fn close(&self, jar: Jar<'_>, decided: &policy::Decided) -> Decision {
        for mark in decided.marks.iter() {
            self.usher.mark(mark);
        }
        let errand = jar.errand();
        let handed_out = jar.close(&decided.handed);
        let (parked, inside) = match decided.verdict {
            policy::Passage::Passes { inside } => (None, inside),
            policy::Passage::Parked(standing) => (Some(standing), None),
        };
        self.counts.count(errand, decided.counted, parked.is_some());
        Decision { parked, inside, handed_out }
    }
}

impl Request<'_> {
    fn as_the_policy_sees_it(&self) -> policy::Request {
        let embedded = self.initiator == Initiator::Embedded;
        policy::Request { errand: self.errand, embedded, hidden: self.hidden }
    }
}
