//! The policy of a queue's gate: may this request pass, and if not, where does its visitor stand?
//!
//! A state machine without I/O, clock or randomness of its own. A driver hands in what the visitor brought and how
//! the node sees the line, gets a [`Step`], does what it says, and hands the line's answer to the continuation. The
//! proxy drives it with cookies and a real line, the crowd simulator in virtual time: what is simulated is what runs.
//!
//! The order of questions is the whole policy:
//!
//! 1. a valid pass enters, with no question to anybody, unless its visit has ended: then it is as good as none;
//! 2. what is loaded ahead of time, or embedded by another site, is left where it stands;
//! 3. a ticket at or below the head asks the line, one above it waits; a pass that has run out asks like a ticket, since
//!    a stream may have kept the seat meanwhile;
//! 4. a slip that came back takes a number;
//! 5. who brings nothing walks in if no line stands, else gets a slip.

mod answered;
mod passes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sluice_config::{Mode, OnStoreLoss, Queue};

pub use self::answered::{Asked, Joining};
use crate::{
    estimate::{self, HIDDEN_HOLD_MS},
    line::{Ask, LaneId, Newcomer, Seen},
    standing::{self, Look, Standing, State},
    token::{Pass, Slip, Ticket},
    usher::{Mark, Word as Told},
};

/// A slip that was handed out longer ago tells the line when that was.
const SLIP_OLD_MS: u64 = 3_000;
/// With `on_store_loss = "admit"` the store is unavailable for this long before everybody is let in: a lost connection is
/// no lost store.
pub const ADMIT_AFTER_MS: u64 = 5_000;
/// How often the line is asked, a tick apart, on behalf of one visitor who stands first: has been passed over, and is
/// called with the next place.
pub const ASKS_OF_THE_NEXT: u32 = 5;
/// A line in which no visitor has been waiting for this long is empty: all who wait have asked by then, hidden or not.
pub const DRAINED_AFTER_MS: u64 = HIDDEN_HOLD_MS as u64;
/// Most marks that one decision leaves.
const MARKS_MAX: usize = 2;

/// What a visitor is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To get to the site.
    Enter,
    /// To know where they stand.
    Status,
    /// To load something ahead of time: never enters by itself, takes no number.
    Prefetch,
}

/// What a request is about, as far as the policy cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the visitor is after.
    pub errand: Errand,
    /// Another site has loaded something of this one, unseen: it neither enters nor keeps a visit going.
    pub embedded: bool,
    /// The page says that it is hidden: its timers fire once a minute, whenever it should.
    pub hidden: bool,
    /// In which lane its visitor takes a number, who has none yet; `None`: it does not say, so that the slip does, or it is
    /// the first.
    pub lane: Option<LaneId>,
}

/// The tokens that a request brings, verified. Each is asked for only when it decides, since to verify costs.
pub trait Brought {
    /// The first valid pass.
    fn pass(&self) -> Option<Pass>;
    /// The first pass that has run out, of a visit that has not reached its hard end: the seat may still be held.
    fn lapsed_pass(&self) -> Option<Pass>;
    /// The first valid ticket.
    fn ticket(&self) -> Option<Ticket>;
    /// The first valid slip.
    fn slip(&self) -> Option<Slip>;
    /// The random id of a slip that is handed out for the first time.
    fn fresh_id(&self) -> u64;
}

/// What is to be done next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// The request is decided.
    Done(Decided),
    /// The line is to be asked; the answer goes to [`Asked::answered`].
    Ask {
        /// The question.
        ask: Ask,
        /// When the visitor will be told to ask again, in ms; 0: whenever it can.
        told_ms: u32,
        /// How long to wait before it is put, in ms; mostly 0.
        after_ms: u64,
        /// Where to go on.
        asked: Asked,
    },
    /// A number is to be taken; the answer goes to [`Joining::answered`].
    Join {
        /// Who takes it.
        newcomer: Newcomer,
        /// Where to go on.
        joining: Joining,
    },
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    /// Whether it passes.
    pub verdict: Passage,
    /// What the answer says of each token.
    pub handed: Handed,
    /// What the line should hear, whatever becomes of the request.
    pub marks: Marks,
    /// What there is to count.
    pub counted: Counted,
    /// The pass that is handed out is minted anew in the place of one that is still good: another answer will do.
    pub renews: bool,
}

/// Whether a request passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Passage {
    /// It goes to the origin. With the pass of a visitor who is inside, if the request speaks for the visitor.
    Passes {
        /// The pass, as it will be from now on.
        inside: Option<Pass>,
    },
    /// It is answered here, with where the visitor stands.
    Parked(Standing),
}

/// What an answer says of one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Word<T> {
    /// Nothing: it stays as it is.
    #[default]
    Keep,
    /// It is handed out.
    Set(T),
    /// It is taken back, if it was brought.
    Clear,
}

impl<T> Word<T> {
    /// Whether it is said at all.
    pub fn is_said(&self) -> bool {
        !matches!(self, Self::Keep)
    }
}

/// What an answer says of each token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// Of the slip.
    pub slip: Word<Slip>,
    /// Of the ticket.
    pub ticket: Word<Ticket>,
    /// Of the pass.
    pub pass: Word<Pass>,
}

/// What the line should hear. At most two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks([Option<Mark>; MARKS_MAX]);

impl Marks {
    fn of(mark: Mark) -> Self {
        Self([Some(mark), None])
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Mark> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// What there is to count, each at most once for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// It came with a valid pass.
    pub admitted: bool,
    /// It was let through as the queue is open, drained or lost.
    pub passed_freely: bool,
    /// Its visitor went in.
    pub entered: bool,
    /// Its visitor went in by time alone.
    pub trickled: bool,
    /// Its visitor took a number.
    pub joined: bool,
    /// It came with a pass whose visit has ended.
    pub pass_ended: bool,
}

/// What the policy must know of its queue.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What the queue does when the store is lost.
    pub on_store_loss: Option<OnStoreLoss>,
    /// How long a visit lasts without a request.
    pub session_idle: Duration,
    /// How long a visit lasts at most.
    pub session_max: Duration,
}

/// What is kept of a request while its visitor waits for the line's answer.
#[derive(Clone, Copy, Debug)]
struct Visit {
    request: Request,
    /// The line's clock when it came.
    came_ms: u64,
    handed: Handed,
    /// It came with a pass whose visit has ended.
    pass_ended: bool,
    /// It came with a pass that has run out, and the line is asked whether the seat is still held.
    pass_lapsed: bool,
}

impl Policy {
    /// The policy of a queue.
    pub fn of(queue: &Queue) -> Self {
        Self { on_store_loss: queue.on_store_loss, session_idle: queue.session_idle, session_max: queue.session_max }
    }

    /// Begins to decide about a request.
    pub fn decide(&self, brought: &impl Brought, request: Request, look: &Look<'_>) -> Step {
        let mut visit = Visit::begin(request, look);
        if self.is_open(look) {
            return Step::Done(self.with_all_others(visit, brought, look));
        }
        if let Some(pass) = visit.pass(brought, look) {
            return Step::Done(self.with_pass(visit, &pass, look));
        }
        if request.errand == Errand::Prefetch || request.embedded {
            return visit.parked(look.waiting_unknown(State::Waiting));
        }
        if let Some(ticket) = brought.ticket() {
            return self.with_ticket(visit, &ticket, look);
        }
        if let Some(pass) = self.worth_asking_about(brought, look) {
            visit.pass_lapsed = true;
            return self.with_ticket(visit, &ticket_of(&pass), look);
        }
        match brought.slip() {
            Some(slip) => self.join(visit, slip, false, look),
            None => self.with_nothing(visit, brought.fresh_id(), look),
        }
    }

    /// A request to a path of the site that this queue does not cover. It passes; a visitor who is inside is seen there,
    /// so that the visit goes on, and the line is asked nothing.
    pub fn pass_by(&self, brought: &impl Brought, request: Request, look: &Look<'_>) -> Decided {
        let mut visit = Visit::begin(request, look);
        let decided = match visit.pass(brought, look) {
            Some(pass) => self.with_pass(visit, &pass, look),
            None => visit.decided(Passage::Passes { inside: None }),
        };
        Decided { counted: Counted { pass_ended: visit.pass_ended, ..Counted::default() }, ..decided }
    }

    /// Says good-bye for a visitor. With `keep_place`, a page that is being closed only says that it is not looked at
    /// for now.
    pub fn leave(&self, brought: &impl Brought, keep_place: bool) -> Decided {
        let away = brought.ticket().map(|ticket| Mark { epoch: ticket.epoch, word: Told::Away(ticket.number) });
        let mut decided = Decided {
            verdict: Passage::Passes { inside: None },
            handed: Handed::default(),
            marks: Marks([away, None]),
            counted: Counted::default(),
            renews: false,
        };
        if !keep_place {
            decided.marks.0[1] = brought.pass().map(|pass| Mark { epoch: pass.epoch, word: Told::Ended(pass.number) });
            decided.handed = Handed { slip: Word::Clear, ticket: Word::Clear, pass: Word::Clear };
        }
        decided
    }

    /// Whether everybody passes: the queue only watches, or has been drained, or its store is lost.
    fn is_open(&self, look: &Look<'_>) -> bool {
        if self.on_store_loss == Some(OnStoreLoss::Admit) && look.away_ms >= ADMIT_AFTER_MS {
            return true;
        }
        match look.mode {
            Mode::Open => true,
            Mode::Drain => self.is_drained(look),
            Mode::Auto | Mode::Hold | Mode::Closed => false,
        }
    }

    /// Whether the line is known to be empty: it has answered for so long that all who wait have asked since, and has
    /// not been lost in between.
    fn is_drained(&self, look: &Look<'_>) -> bool {
        let summary = look.summary;
        let heard = look.answers_for_ms >= DRAINED_AFTER_MS && look.is_complete();
        heard && summary.waiting == 0 && !summary.standing && !summary.settling
    }

    fn with_ticket(&self, visit: Visit, ticket: &Ticket, look: &Look<'_>) -> Step {
        let standing = look.in_line(ticket);
        let (told_ms, hold_ms) = self.presence(&visit, ticket, &standing, look);
        if self.trickles(look) && look.trickles_to(ticket.number) {
            return Step::Done(self.let_in(visit, ticket, &standing, look));
        }
        // Above the head no number has been called: no need to ask.
        if !look.summary.has_passed(ticket.number) || !look.store_answers {
            return visit.waits(ticket, standing, seen(ticket, hold_ms, told_ms));
        }
        let enter = visit.request.errand == Errand::Enter;
        let ask = Ask { number: ticket.number, hold_ms, enter };
        Step::Ask {
            ask,
            told_ms,
            after_ms: 0,
            asked: Asked { visit, ticket: *ticket, standing, ask, told_ms, asks: 1 },
        }
    }

    /// When a visitor with a ticket will ask again (0: whenever it can), and for how long it counts as present.
    ///
    /// A hidden page asks once a minute, whenever it should. Once the head has passed it, it is held until it asks
    /// again, and is called with the next place. In a slow line that place may be long in coming, and there may be
    /// others who come back: there it is held before as well, and called in its turn. A fast line would waste more
    /// calls on pages that were closed than it saves seconds. A page that is being loaded cannot say yet whether it is
    /// hidden: once the head has passed it, it is held like one that is.
    fn presence(&self, visit: &Visit, ticket: &Ticket, standing: &Standing, look: &Look<'_>) -> (u32, u32) {
        let hold_ms = estimate::hold_ms(standing.poll_after_s, look.grace_ms);
        let has_passed = look.summary.has_passed(ticket.number);
        match visit.request.hidden {
            true if has_passed || look.speed_of(ticket.number).is_slow() => (0, HIDDEN_HOLD_MS),
            true => (0, hold_ms),
            false if has_passed && visit.request.errand == Errand::Enter => {
                (standing.poll_after_s * 1_000, HIDDEN_HOLD_MS)
            }
            false => (standing.poll_after_s * 1_000, hold_ms),
        }
    }

    /// Whether the head goes on by time, as the store does not answer.
    fn trickles(&self, look: &Look<'_>) -> bool {
        let calls = matches!(look.mode, Mode::Auto | Mode::Drain);
        !look.store_answers && calls && self.on_store_loss == Some(OnStoreLoss::Trickle)
    }

    fn with_nothing(&self, visit: Visit, id: u64, look: &Look<'_>) -> Step {
        let slip = Slip { id, issued_at_ms: look.now_ms, lane: visit.request.lane.unwrap_or_default() };
        // While a line stands, or no number may be called, a client that has shown no cookie costs the
        // line nothing at all.
        if look.stands() || visit.request.errand != Errand::Enter {
            return visit.with_slip(slip).parked(look.joining(slip.lane));
        }
        self.join(visit, slip, true, look)
    }

    /// Takes a number.
    fn join(&self, visit: Visit, slip: Slip, walk_in: bool, look: &Look<'_>) -> Step {
        let lane = visit.request.lane.unwrap_or(slip.lane);
        let slip = Slip { lane, ..slip };
        let slot = look.summary.slot_for(lane);
        let poll_s = look.speeds[slot].poll_s(look.summary.lanes[slot].waiting);
        let hold_ms = estimate::hold_ms(poll_s, look.grace_ms);
        let enter = visit.request.errand == Errand::Enter;
        // Most come back with their slip at once, and to say when they came would only cost the line.
        let is_old = slip.issued_at_ms + SLIP_OLD_MS < look.now_ms;
        let arrived_ms = if is_old { slip.issued_at_ms } else { 0 };
        let newcomer = Newcomer { id: slip.id, hold_ms, enter, walk_in, lane, arrived_ms };
        Step::Join { newcomer, joining: Joining { visit, slip, newcomer, poll_s } }
    }
}

/// A visitor with a ticket was here.
fn seen(ticket: &Ticket, hold_ms: u32, told_ms: u32) -> Marks {
    let word = Told::Seen { seen: Seen { number: ticket.number, hold_ms }, told_ms };
    Marks::of(Mark { epoch: ticket.epoch, word })
}

/// The ticket that a visitor had before the pass. What it said of the wait is over.
fn ticket_of(pass: &Pass) -> Ticket {
    Ticket { epoch: pass.epoch, number: pass.number, issued_at_ms: pass.issued_at_ms, ahead_first: 0, ahead_shown: 0 }
}

impl Visit {
    fn begin(request: Request, look: &Look<'_>) -> Self {
        let handed = Handed::default();
        Self { request, came_ms: look.now_ms, handed, pass_ended: false, pass_lapsed: false }
    }

    fn is_errand(&self, errand: Errand) -> bool {
        self.request.errand == errand
    }

    /// The pass that was brought. That of a visit that has ended neither passes nor is minted anew, and is taken back.
    fn pass(&mut self, brought: &impl Brought, look: &Look<'_>) -> Option<Pass> {
        let pass = brought.pass()?;
        self.pass_ended = look.ended.contains(pass.number);
        if self.pass_ended {
            self.handed.pass = Word::Clear;
        }
        (!self.pass_ended).then_some(pass)
    }

    fn decided(self, verdict: Passage) -> Decided {
        let counted = Counted { pass_ended: self.pass_ended, ..Counted::default() };
        Decided { verdict, handed: self.handed, marks: Marks::default(), counted, renews: false }
    }

    fn parked(self, standing: Standing) -> Step {
        Step::Done(self.decided(Passage::Parked(standing)))
    }

    fn passes_freely(self) -> Decided {
        let verdict = match self.request.errand {
            Errand::Status => Passage::Parked(standing::admitted()),
            Errand::Enter | Errand::Prefetch => Passage::Passes { inside: None },
        };
        let decided = self.decided(verdict);
        Decided { counted: Counted { passed_freely: true, ..decided.counted }, ..decided }
    }

    /// Stands in line; the ticket says what was shown.
    fn waits(mut self, ticket: &Ticket, standing: Standing, marks: Marks) -> Step {
        if let Some(ahead_shown) = standing.ahead.filter(|&ahead| ahead < ticket.ahead_shown) {
            self.handed.ticket = Word::Set(Ticket { ahead_shown, ..*ticket });
        }
        Step::Done(Decided { marks, ..self.decided(Passage::Parked(standing)) })
    }

    fn with_slip(mut self, slip: Slip) -> Self {
        self.handed.slip = Word::Set(slip);
        self
    }
}
