//! Where the policy goes on once the line has answered.

use std::time::Duration;

use super::{ASKS_OF_THE_NEXT, Counted, Decided, Marks, Passage, Policy, Step, Visit, Word, seen};
use crate::{
    estimate::POLL_S_MIN,
    line::{Ask, Newcomer, Verdict},
    standing::{self, Look, Reason, Standing},
    token::{Slip, Ticket},
    usher::Unanswered,
};

/// A visitor with a ticket who waits for the line's answer.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Asked {
    pub(super) visit: Visit,
    pub(super) ticket: Ticket,
    /// Where the visitor stood before the line was asked.
    pub(super) standing: Standing,
    pub(super) ask: Ask,
    /// When the visitor will be told to ask again, in ms; 0: whenever it can.
    pub(super) told_ms: u32,
    /// How often the line has been asked.
    pub(super) asks: u32,
}

/// A visitor without a number who waits for one.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Joining {
    pub(super) visit: Visit,
    pub(super) slip: Slip,
    pub(super) newcomer: Newcomer,
    /// When the visitor will ask again, as the line knows it, in seconds.
    pub(super) poll_s: u32,
}

impl Asked {
    /// Goes on with the line's answer.
    pub fn answered(self, policy: &Policy, verdict: Result<Verdict, Unanswered>, look: &Look<'_>) -> Step {
        let Self { visit, ticket, standing, ask, told_ms, asks } = self;
        match verdict {
            // Such a number is called with the next place, which is a tick or two away. A visitor who hears of it with
            // this answer need not come again for it.
            Ok(Verdict::Waiting) if asks < ASKS_OF_THE_NEXT && look.summary.reason.is_none() => {
                Step::Ask { ask, told_ms, after_ms: look.tick_ms, asked: Self { asks: asks + 1, ..self } }
            }
            Ok(Verdict::Waiting) => visit.waits(&ticket, standing, Marks::default()),
            Ok(Verdict::Called { until_ms }) => visit.parked(look.called(&standing, until_ms)),
            // Is called again when the page is loaded, which this answer asks for.
            Ok(Verdict::Lapsed) => visit.parked(standing::lapsed(&standing)),
            Ok(Verdict::Inside { since_ms, until_ms, .. }) => {
                let decided = policy.enters(visit, ticket.number, since_ms, until_ms, look);
                Step::Done(if visit.pass_lapsed { policy.goes_on(decided, look) } else { decided })
            }
            // The visit is over, or the place was given up long ago. The ticket has shown that cookies come
            // back, so the visitor joins anew with no further ado, always as the same newcomer.
            Ok(Verdict::Spent | Verdict::Refused) => {
                let mut visit = visit;
                visit.handed.ticket = Word::Clear;
                visit.handed.pass = Word::Clear;
                let slip = Slip { id: id_after(&ticket), issued_at_ms: visit.came_ms };
                policy.join(visit, slip, false, look)
            }
            // The question is lost, that its visitor was there is not.
            Err(Unanswered) => visit.waits(&ticket, look.in_line(&ticket), seen(&ticket, ask.hold_ms, told_ms)),
        }
    }
}

impl Joining {
    /// How long ago the slip was handed out that is to become a number.
    pub fn slip_age(&self, now_ms: u64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(self.slip.issued_at_ms))
    }

    /// Goes on with the number, and what may be done with it.
    pub fn answered(self, policy: &Policy, answer: Result<(u64, Verdict), Unanswered>, look: &Look<'_>) -> Step {
        let Self { visit, slip, newcomer, .. } = self;
        match answer {
            Ok((number, Verdict::Inside { since_ms, until_ms, provisional })) => {
                let mut decided = policy.enters(visit, number, since_ms, until_ms, look);
                // The pass is as short as the seat. With the ticket its visitor is first again, should both have lapsed.
                if provisional && matches!(decided.handed.pass, Word::Set(_)) {
                    decided.handed.ticket = Word::Set(new_ticket(number, look));
                }
                Step::Done(joined(decided))
            }
            Ok((number, verdict @ (Verdict::Waiting | Verdict::Called { .. } | Verdict::Lapsed))) => {
                Step::Done(joined(self.stands(number, verdict, look)))
            }
            // A slip whose number has been used up: its visit is over. The next one starts afresh.
            Ok((_, Verdict::Spent)) => {
                visit.with_slip(Slip { id: mix(slip.id), issued_at_ms: look.now_ms }).parked(look.joining())
            }
            Ok((_, Verdict::Refused)) => {
                // Who comes with a slip is refused by a closed queue or a full line; of a line that is full and
                // has all its seats taken the summary gives the seats as the reason.
                let refused = match look.summary.reason {
                    Some(Reason::Closed) => look.joining(),
                    _ if newcomer.walk_in || look.summary.settling => look.joining(),
                    _ => look.full(),
                };
                visit.with_slip(slip).parked(refused)
            }
            Err(Unanswered) => visit.with_slip(slip).parked(look.joining()),
        }
    }

    fn stands(self, number: u64, verdict: Verdict, look: &Look<'_>) -> Decided {
        let ticket = new_ticket(number, look);
        let mut visit = self.visit;
        visit.handed.ticket = Word::Set(ticket);
        visit.handed.slip = Word::Clear;
        let mut standing = look.in_line(&ticket);
        // The line counts on the visitor for this long, not longer.
        standing.poll_after_s = standing.poll_after_s.min(self.poll_s).max(POLL_S_MIN);
        let standing = match verdict {
            Verdict::Called { until_ms } => look.called(&standing, until_ms),
            Verdict::Lapsed => standing::lapsed(&standing),
            _ => standing,
        };
        visit.decided(Passage::Parked(standing))
    }
}

fn new_ticket(number: u64, look: &Look<'_>) -> Ticket {
    let ahead = look.summary.ahead_of(number);
    Ticket {
        epoch: look.summary.epoch,
        lane: 0,
        number,
        issued_at_ms: look.now_ms,
        ahead_first: ahead,
        ahead_shown: ahead,
    }
}

fn joined(decided: Decided) -> Decided {
    Decided { counted: Counted { joined: true, ..decided.counted }, ..decided }
}

/// The id under which the holder of a used-up ticket joins again: one for all retries.
fn id_after(ticket: &Ticket) -> u64 {
    let mixed = ticket.number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ticket.epoch.rotate_left(32);
    mix(mixed) ^ ticket.issued_at_ms
}

fn mix(x: u64) -> u64 {
    (x ^ (x >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}
