//! Being inside: who gets a pass, and when it is minted anew.

use std::time::Duration;

use super::{Brought, Counted, Decided, Errand, Handed, Marks, Passage, Policy, Visit, Word};
use crate::{
    session,
    standing::{self, Look, Standing},
    token::{Pass, Ticket},
    usher::{Mark, Word as Told},
};

impl Policy {
    /// A request that passes with all others. Who is inside stays inside, so that the line knows of them and the pass is
    /// good when the queue calls again.
    pub(super) fn with_all_others(&self, mut visit: Visit, brought: &impl Brought, look: &Look<'_>) -> Decided {
        let speaks = visit.is_errand(Errand::Enter) && !visit.request.embedded;
        match visit.pass(brought, look).filter(|_| speaks) {
            Some(pass) => {
                let counted = Counted { passed_freely: true, ..Counted::default() };
                Decided { counted, ..self.with_pass(visit, &pass, look) }
            }
            None => visit.passes_freely(),
        }
    }

    /// Whether a preflight is the origin's to answer, for all that it shows: so is the request that it is for. It takes
    /// nothing and changes nothing.
    pub fn lets_preflight(&self, brought: &impl Brought, look: &Look<'_>) -> bool {
        let is_inside = || brought.pass().is_some_and(|pass| !look.ended.contains(pass.number));
        self.is_open(look) || !look.stands() || is_inside()
    }

    /// A request with a valid pass.
    pub(super) fn with_pass(&self, mut visit: Visit, pass: &Pass, look: &Look<'_>) -> Decided {
        if visit.is_errand(Errand::Status) {
            return visit.decided(Passage::Parked(standing::admitted()));
        }
        let counted = Counted { admitted: true, ..Counted::default() };
        // Another site can neither keep a visit going nor bring about its end.
        if visit.request.embedded {
            return Decided { counted, ..visit.decided(Passage::Passes { inside: None }) };
        }
        let mut marks = Marks::default();
        let renewed = self.renewed(pass, look);
        if let Some(renewed) = renewed {
            visit.handed.pass = Word::Set(renewed);
            // One that was kept beside a provisional pass has done its work.
            visit.handed.ticket = Word::Clear;
            marks = Marks::of(Mark { epoch: pass.epoch, word: Told::Inside(pass.number) });
        }
        let inside = Some(renewed.unwrap_or(*pass));
        let renews = renewed.is_some();
        Decided { counted, marks, renews, ..visit.decided(Passage::Passes { inside }) }
    }

    /// The pass that has run out, if the line may hold a seat for its number. Only what the line says counts, so that
    /// nothing is asked of a store that does not answer.
    pub(super) fn worth_asking_about(&self, brought: &impl Brought, look: &Look<'_>) -> Option<Pass> {
        let is_worth_it = |pass: &Pass| look.summary.has_passed(pass.number) && !look.ended.contains(pass.number);
        brought.lapsed_pass().filter(|pass| look.store_answers && is_worth_it(pass))
    }

    /// The line still holds the seat of a pass that has run out: a stream has kept it. The visit goes on from now.
    pub(super) fn goes_on(&self, entered: Decided, look: &Look<'_>) -> Decided {
        let Word::Set(pass) = entered.handed.pass else { return entered };
        let Some(renewed) = self.renewed(&pass, look) else { return entered };
        let handed = Handed { pass: Word::Set(renewed), ..entered.handed };
        let marks = Marks::of(Mark { epoch: pass.epoch, word: Told::Inside(pass.number) });
        Decided { handed, marks, verdict: Passage::Passes { inside: Some(renewed) }, ..entered }
    }

    /// The pass of a visit that the origin wants to go on: as if it were used for the first time in an eighth of its
    /// life. `None`: the visit has reached its hard end.
    pub fn renew(&self, pass: &Pass, look: &Look<'_>) -> Option<(Pass, Mark)> {
        let expires_at_ms = (look.now_ms + self.pass_life_ms()).min(pass.ends_at_ms);
        let is_over = look.now_ms >= pass.ends_at_ms || look.ended.contains(pass.number);
        let mark = Mark { epoch: pass.epoch, word: Told::Inside(pass.number) };
        (!is_over).then(|| (Pass { expires_at_ms: expires_at_ms.max(pass.expires_at_ms), ..*pass }, mark))
    }

    /// What the line hears of a visitor of whom it has heard `silent` ago, and who is seen inside by what moves on a
    /// stream. `None`: the visit is over, or its seat may have been given away meanwhile.
    pub fn seen_on_a_stream(&self, pass: &Pass, silent: Duration, look: &Look<'_>) -> Option<Mark> {
        let is_over = look.now_ms >= pass.ends_at_ms || look.ended.contains(pass.number);
        let other_line = look.summary.epoch > 0 && look.summary.epoch != pass.epoch;
        let gone = is_over || other_line || silent >= session::pass_life(self.session_idle);
        (!gone).then_some(Mark { epoch: pass.epoch, word: Told::Inside(pass.number) })
    }

    /// The pass minted anew, once it has been used for an eighth of its life, or if the line was lost since: it learns
    /// from those inside who is.
    fn renewed(&self, pass: &Pass, look: &Look<'_>) -> Option<Pass> {
        let life_ms = self.pass_life_ms();
        let minted_ms = pass.expires_at_ms.saturating_sub(life_ms);
        let renew_after_ms = ms(session::renew_after(self.session_idle));
        let due = minted_ms + renew_after_ms <= look.now_ms || minted_ms < look.summary.life_began_ms;
        (due && pass.expires_at_ms < pass.ends_at_ms)
            .then(|| Pass { expires_at_ms: (look.now_ms + life_ms).min(pass.ends_at_ms), ..*pass })
    }

    /// Lets a visitor in whom the line could not be asked about; it hears of it when it answers again.
    pub(super) fn let_in(&self, visit: Visit, ticket: &Ticket, standing: &Standing, look: &Look<'_>) -> Decided {
        if visit.is_errand(Errand::Status) {
            return visit.decided(Passage::Parked(standing::called(standing, None)));
        }
        let until_ms = visit.came_ms + ms(session::seat_life(self.session_idle));
        let decided = self.enters(visit, ticket.number, visit.came_ms, until_ms, look);
        let counted = Counted { trickled: true, ..decided.counted };
        Decided {
            marks: Marks::of(Mark { epoch: ticket.epoch, word: Told::Admitted(ticket.number) }),
            counted,
            ..decided
        }
    }

    /// A visitor with a seat. The pass is made from the seat alone, so a claim that is repeated gets the same one.
    pub(super) fn enters(
        &self,
        mut visit: Visit,
        number: u64,
        since_ms: u64,
        until_ms: u64,
        look: &Look<'_>,
    ) -> Decided {
        if visit.is_errand(Errand::Status) {
            return visit.decided(Passage::Parked(standing::admitted()));
        }
        let minted_ms = until_ms.saturating_sub(ms(session::seat_life(self.session_idle)));
        let ends_at_ms = since_ms + ms(self.session_max);
        let pass = Pass {
            epoch: look.summary.epoch,
            number,
            issued_at_ms: since_ms,
            expires_at_ms: (minted_ms + self.pass_life_ms()).min(ends_at_ms),
            ends_at_ms,
        };
        visit.handed.pass = Word::Set(pass);
        visit.handed.ticket = Word::Clear;
        visit.handed.slip = Word::Clear;
        // A claim that is repeated after a lost answer finds the seat taken before it was asked: it counts once.
        let entered = since_ms >= visit.came_ms;
        let decided = visit.decided(Passage::Passes { inside: Some(pass) });
        Decided { counted: Counted { entered, ..decided.counted }, ..decided }
    }

    fn pass_life_ms(&self) -> u64 {
        ms(session::pass_life(self.session_idle))
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 1)
}
