//! A place on its way to another device.
//!
//! A visitor asks for a link, which is a [`Move`]: the ticket, sealed to the queue, good for ten minutes. The old device
//! keeps its ticket, and beside it the link that it has made. Whoever is first to say so has the place: the other device
//! by taking it, or the old one, when its visitor loads the page at the door or the link has run out. That word lies in
//! the store, under a name of the link's own, so that it is one for all nodes; the line is asked nothing, and does not
//! know. While a link is open, the old device's polls look for that word; nobody else's request costs more for it.
//!
//! What the store has lost it cannot know: then both may have the ticket, as with a cookie that was copied. One number is
//! one seat all the same.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | a link's life | [`LIFE_MS`] | it is void |
//! | words said in a second, of a queue at a node | [`WORDS_PER_SECOND`] | 503, try again |
//! | looks for words at once, of a queue at a node | [`LOOKS_MAX`] | the place stays where it is for now |
//! | how long a word is kept | [`KEEP`] | an old device that slept for longer has its place back |

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ring::rand::{SecureRandom as _, SystemRandom};
use sluice_admission::{
    policy::{self, Brought, Counted, Errand, Word},
    standing::Look,
    store::LineId,
    token::{Binding, Kind, Move, Pass, Slip, Ticket},
    usher::now,
};
use tokio::sync::Semaphore;

use super::{Decision, Gate, HandedOut, Request, tokens::Jar};
use crate::lines::Lines;

/// A link is good for so long, in ms.
const LIFE_MS: u64 = 600_000;
/// One that was made a moment ago is given again; a new one is made when less than this is left of it, in ms.
const LEFT_MS_MIN: u64 = 120_000;
/// Another device may have said its word at the last moment, at a node whose clock is late, in ms.
const LATE_MS: u64 = 10_000;
/// How long it is kept who has the place.
const KEEP: Duration = Duration::from_secs(6 * 3600);
/// Most words said in one second.
const WORDS_PER_SECOND: u64 = 10;
/// Most looks for words at once.
const LOOKS_MAX: usize = 64;
/// The word of the device that made the link.
const STAYED: &[u8] = b"stayed";
/// Another device names itself by as many digits.
const NAME_DIGITS: usize = 32;

/// What a queue needs to move places.
#[derive(Debug)]
pub(crate) struct Moves {
    lines: Arc<Lines>,
    looks: Semaphore,
    /// The second, and how many words were said in it.
    words: AtomicU64,
}

/// What becomes of a link that is asked for.
#[derive(Debug)]
pub(crate) enum Offer {
    /// There it is.
    Made {
        /// What it carries.
        token: String,
        /// For how long it is good.
        lasts: Duration,
    },
    /// An earlier one has been used: the place is on the other device.
    Gone,
    /// There is no place that could be moved.
    NoPlace,
    /// Not now.
    Busy,
}

/// What becomes of a link that is used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The place is here now.
    Here,
    /// The visitor is inside already, or has come back to the device that has the place.
    Already,
    /// It has been used, or has run out, or is none.
    Void,
    /// Not now.
    Busy,
}

/// What has become of a place of which a link was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is here, and may still be taken.
    Open,
    /// It is here, for good.
    Settled,
    /// It is on another device.
    Gone,
}

/// The store did not answer, or has been asked enough.
#[derive(Debug)]
struct Unknown;

impl Moves {
    pub(crate) fn new(lines: Arc<Lines>) -> Self {
        Self { lines, looks: Semaphore::new(LOOKS_MAX), words: AtomicU64::default() }
    }

    /// Who has the place; `None`: no device has said its word yet.
    async fn look(&self, line: &LineId, of: &Move) -> Result<Option<Vec<u8>>, Unknown> {
        let _place = self.looks.try_acquire().map_err(|_| Unknown)?;
        self.lines.shared(&name(line, of)).await.map_err(unknown)
    }

    /// Says the word of a device. Gives the one that counts.
    async fn say(&self, line: &LineId, of: &Move, word: &[u8], now_ms: u64) -> Result<Vec<u8>, Unknown> {
        let second = now_ms / 1_000;
        let counted = self.words.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |counted| {
            let said = if counted >> 16 == second { counted & 0xffff } else { 0 };
            (said < WORDS_PER_SECOND).then_some(second << 16 | (said + 1))
        });
        counted.map_err(|_| Unknown)?;
        self.lines.share(&name(line, of), word, KEEP).await.map_err(unknown)
    }
}

fn name(line: &LineId, of: &Move) -> String {
    format!("moved.{line}.{}.{}.{:x}", of.ticket.epoch, of.ticket.number, of.id)
}

fn unknown(error: sluice_admission::store::StoreError) -> Unknown {
    tracing::debug!(%error, "it is not known which device has a place");
    Unknown
}

impl Gate {
    /// What has become of the place of a visitor who has made a link.
    pub(super) async fn fate(&self, jar: &Jar<'_>) -> Fate {
        let Some(moves) = &self.moves else { return Fate::Settled };
        // Of another place, or of none, it says nothing.
        let Some((of, _)) = jar.ticket().and_then(|ticket| jar.moved_by(&ticket)) else { return Fate::Settled };
        let now_ms = self.line_ms();
        let is_over = now_ms >= of.expires_at_ms + LATE_MS;
        let enters = jar.errand() == Errand::Enter && self.usher.view().summary.has_passed(of.ticket.number);
        let line = self.usher.line();
        let owner = if is_over || enters {
            moves.say(line, &of, STAYED, now_ms).await.map(Some)
        } else {
            moves.look(line, &of).await
        };
        match owner {
            Ok(Some(word)) if word == STAYED => Fate::Settled,
            Ok(Some(_)) => Fate::Gone,
            // Nobody loses a place because something else is out of order.
            Ok(None) | Err(Unknown) => Fate::Open,
        }
    }

    /// The answer to a device whose place has been taken along.
    pub(super) fn gone(&self, jar: Jar<'_>) -> Decision {
        let (view, now) = (self.usher.view(), now());
        let standing = Look::of(&view, &self.rules, now).moved();
        self.counts.count(jar.errand(), Counted::default(), true);
        let handed_out = jar.stand_nowhere();
        Decision { parked: Some(standing), inside: None, can_wait: false, handed_out, slip: None }
    }

    /// Makes a link to the visitor's place, or gives the one that was made a moment ago. `slip`: what a page carries whose
    /// browser keeps no cookies; its number is taken now, if it has not been yet.
    pub(crate) async fn offer(&self, request: Request<'_>, slip: Option<&[u8]>) -> (Offer, HandedOut) {
        let mut jar = Jar::open(self, request, &self.usher.view(), now());
        if self.moves.is_none() {
            return (Offer::NoPlace, jar.into_handed_out());
        }
        if let Some(slip) = slip {
            return (self.offer_of_slip(slip).await, HandedOut::new());
        }
        let (Some(ticket), None) = (jar.ticket(), jar.pass()) else { return (Offer::NoPlace, jar.into_handed_out()) };
        let now_ms = self.line_ms();
        if let Some((of, token)) = jar.moved_by(&ticket) {
            let fate = self.fate(&jar).await;
            match (fate, str::from_utf8(token)) {
                (Fate::Gone, _) => return (Offer::Gone, jar.stand_nowhere()),
                (Fate::Open, Ok(token)) if of.expires_at_ms > now_ms + LEFT_MS_MIN => {
                    let lasts = Duration::from_millis(of.expires_at_ms - now_ms);
                    return (Offer::Made { token: token.to_owned(), lasts }, jar.into_handed_out());
                }
                // Two links of one place at once would be two words to look for.
                (Fate::Open, _) => match self.say_stayed(&of, now_ms).await {
                    Ok(true) => {}
                    Ok(false) => return (Offer::Gone, jar.stand_nowhere()),
                    Err(Unknown) => return (Offer::Busy, jar.into_handed_out()),
                },
                (Fate::Settled, _) => {}
            }
        }
        let offer = self.link(&ticket, now_ms);
        if let Offer::Made { token, .. } = &offer {
            jar.remember_move(token);
        }
        (offer, jar.into_handed_out())
    }

    /// The number of a link that can be used, as visitors see it.
    pub(crate) async fn offered(&self, token: &[u8]) -> Result<u64, Taken> {
        let (moves, of, _) = self.read(token)?;
        match moves.look(self.usher.line(), &of).await {
            Ok(Some(_)) => Err(Taken::Void),
            Ok(None) | Err(Unknown) => Ok(self.usher.view().summary.shown_ticket(of.ticket.number)),
        }
    }

    /// Takes a place along to the device that asks, which names itself: the same one may ask again.
    pub(crate) async fn take_along(&self, request: Request<'_>, token: &[u8], device: &[u8]) -> (Taken, HandedOut) {
        let jar = Jar::open(self, request, &self.usher.view(), now());
        let (moves, of, now_ms) = match self.read(token) {
            Ok(read) => read,
            Err(taken) => return (taken, jar.into_handed_out()),
        };
        let has_it = jar.ticket().is_some_and(|ticket| ticket.number == of.ticket.number);
        if has_it || jar.pass().is_some() {
            return (Taken::Already, jar.into_handed_out());
        }
        if device.len() != NAME_DIGITS || !device.iter().all(u8::is_ascii_hexdigit) {
            return (Taken::Void, jar.into_handed_out());
        }
        match moves.say(self.usher.line(), &of, device, now_ms).await {
            Ok(word) if word == device => (Taken::Here, jar.stand_at(&of.ticket)),
            Ok(_) => (Taken::Void, jar.into_handed_out()),
            Err(Unknown) => (Taken::Busy, jar.into_handed_out()),
        }
    }

    /// What a device calls itself when it takes a place: random, so that no other takes it in its name.
    pub(crate) fn device_name() -> String {
        let mut bytes = [0; NAME_DIGITS / 2];
        // Fails only if the system has no randomness at all, at start.
        let _ = SystemRandom::new().fill(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a link that has not run out.
    fn read(&self, token: &[u8]) -> Result<(&Moves, Move, u64), Taken> {
        let Some(moves) = &self.moves else { return Err(Taken::Void) };
        let (now_ms, epoch) = {
            let (view, now) = (self.usher.view(), now());
            (view.line_ms(now), view.summary.epoch)
        };
        if epoch == 0 {
            return Err(Taken::Busy);
        }
        let read = self.keys.verify_move(token, epoch, now_ms, Binding::NONE);
        let of = read.map_err(|refused| {
            self.counts.refuse(Kind::Move, refused);
            Taken::Void
        })?;
        Ok((moves, of, now_ms))
    }

    async fn say_stayed(&self, of: &Move, now_ms: u64) -> Result<bool, Unknown> {
        let moves = self.moves.as_ref().ok_or(Unknown)?;
        Ok(moves.say(self.usher.line(), of, STAYED, now_ms).await? == STAYED)
    }

    async fn offer_of_slip(&self, slip: &[u8]) -> Offer {
        let slip = match self.keys.verify_slip(slip, Binding::NONE) {
            Ok(slip) => slip,
            Err(refused) => {
                self.counts.refuse(Kind::Slip, refused);
                return Offer::NoPlace;
            }
        };
        let request = policy::Request { errand: Errand::Status, embedded: false, hidden: false, lane: None };
        let step = {
            let (view, now) = (self.usher.view(), now());
            self.policy.decide(&OnlySlip(slip), request, &Look::of(&view, &self.rules, now))
        };
        let decided = self.go_on(step, None).await;
        for mark in decided.marks.iter() {
            self.usher.mark(mark);
        }
        self.counts.count(Errand::Status, decided.counted, true);
        match decided.handed.ticket {
            Word::Set(ticket) => self.link(&ticket, self.line_ms()),
            _ => Offer::NoPlace,
        }
    }

    fn link(&self, ticket: &Ticket, now_ms: u64) -> Offer {
        // Forty bits tell the links of one number apart, and keep the code that is scanned small.
        let id = (self.fresh_id)() & 0xff_ffff_ffff;
        let of = Move { ticket: *ticket, id, expires_at_ms: now_ms + LIFE_MS };
        Offer::Made { token: self.keys.sign_move(&of, Binding::NONE), lasts: Duration::from_millis(LIFE_MS) }
    }

    fn line_ms(&self) -> u64 {
        self.usher.view().line_ms(now())
    }
}

/// A visitor whose page carries a slip, as the browser keeps no cookies.
struct OnlySlip(Slip);

impl Brought for OnlySlip {
    fn pass(&self) -> Option<Pass> {
        None
    }
    fn lapsed_pass(&self) -> Option<Pass> {
        None
    }
    fn ticket(&self) -> Option<Ticket> {
        None
    }
    fn slip(&self) -> Option<Slip> {
        Some(self.0)
    }
    fn fresh_id(&self) -> u64 {
        self.0.id
    }
}
