//! The tokens of one request: what it brought, what it is handed.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ring::rand::{SecureRandom, SystemRandom};
use sluice_admission::{
    session,
    token::{Binding, Kind, Pass, Refused, Slip, Ticket},
    usher::View,
};
use sluice_config::SameSite;

use super::{Counts, Decision, Errand, Gate, Request, Standing};
use crate::request::{
    cookies::{self, Candidates, CookieName, Keep, Token},
    initiator::Initiator,
};

/// Ticket, or slip, of an app without cookies; both ways.
const SLUICE_TICKET: HeaderName = HeaderName::from_static("sluice-ticket");
/// Pass of an app without cookies; both ways.
const SLUICE_PASS: HeaderName = HeaderName::from_static("sluice-pass");
/// How long a browser keeps slips and tickets: longer than any line.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// A queue's cookies: their names, and how browsers are to treat them.
#[derive(Debug)]
pub(super) struct Cookies {
    slip: CookieName,
    ticket: CookieName,
    pass: CookieName,
    same_site: SameSite,
}

impl Cookies {
    pub(super) fn new(queue: &str, same_site: SameSite) -> Self {
        let name = |token| CookieName::new(token, queue);
        Self { slip: name(Token::Slip), ticket: name(Token::Ticket), pass: name(Token::Pass), same_site }
    }

    /// Makes the browser forget a pass, under each name that it may have come by.
    pub(super) fn forget_pass(&self, secure: bool) -> Vec<(HeaderName, HeaderValue)> {
        let names = if secure { &[true, false][..] } else { &[false] };
        let cookies = names.iter().filter_map(|&prefixed| self.clear(Kind::Pass, prefixed));
        cookies.map(|cookie| (header::SET_COOKIE, cookie)).collect()
    }

    /// Slips, tickets and passes, in this order.
    fn find<'h>(&self, headers: &'h HeaderMap, secure: bool) -> [Candidates<'h>; 3] {
        cookies::find(headers, Kind::ALL.map(|kind| self.name(kind).as_str(secure)))
    }

    fn set(&self, kind: Kind, token: &str, secure: bool, max_age: Duration) -> Option<HeaderValue> {
        cookies::set_cookie(self.name(kind), token, Keep { secure, same_site: self.same_site, max_age })
    }

    fn clear(&self, kind: Kind, secure: bool) -> Option<HeaderValue> {
        self.set(kind, "", secure, Duration::ZERO)
    }

    fn name(&self, kind: Kind) -> &CookieName {
        match kind {
            Kind::Slip => &self.slip,
            Kind::Ticket => &self.ticket,
            Kind::Pass => &self.pass,
        }
    }
}

/// What one request brought, and what it will be handed.
pub(super) struct Jar<'a> {
    pub(super) request: Request<'a>,
    gate: &'a Gate,
    counts: &'a Arc<Counts>,
    /// `None`: the line has not been heard of since this node began. Whoever is inside must not suffer for it.
    epoch: Option<u64>,
    /// When the line began its present life; what was minted before it may not know of.
    life_began_ms: u64,
    /// The line's clock when the request came.
    pub(super) now_ms: u64,
    slips: Candidates<'a>,
    tickets: Candidates<'a>,
    passes: Candidates<'a>,
    /// The cookies are those of plain HTTP, and the visitor has come over HTTPS: they are to be handed out anew.
    carried_over: bool,
    handed_out: Vec<(HeaderName, HeaderValue)>,
}

impl<'a> Jar<'a> {
    /// The tokens that a request brings.
    ///
    /// Over HTTPS those under the prefixed names count. Where there is none, those of plain HTTP do, so that a visitor
    /// keeps the place when a site moves to HTTPS. A page on a sibling domain can plant such a cookie; but a token is
    /// signed, so all it can give a visitor who has no place yet is a place of its own, once.
    pub(super) fn open(gate: &'a Gate, request: Request<'a>, view: &View) -> Self {
        let cookies = &gate.cookies;
        let mut brought = cookies.find(request.headers, request.secure);
        let mut handed_out = Vec::new();
        let speaks_for_the_visitor = request.initiator != Initiator::Embedded;
        let carried_over = request.secure && speaks_for_the_visitor && brought.iter().all(Candidates::is_empty);
        if carried_over {
            brought = cookies.find(request.headers, false);
            let kinds = Kind::ALL.into_iter().zip(&brought).filter(|(_, candidates)| !candidates.is_empty());
            handed_out.extend(kinds.filter_map(|(kind, _)| Some((header::SET_COOKIE, cookies.clear(kind, false)?))));
        }
        let [slips, tickets, passes] = brought;
        let (epoch, now_ms) = (Some(view.summary.epoch).filter(|&epoch| epoch > 0), view.now_ms());
        let (counts, life_began_ms) = (&gate.counts, view.summary.life_began_ms);
        Self { request, gate, counts, epoch, life_began_ms, now_ms, slips, tickets, passes, carried_over, handed_out }
    }

    /// Whether another site has loaded something of this one, unseen.
    pub(super) fn is_embedded(&self) -> bool {
        self.request.initiator == Initiator::Embedded
    }

    /// The first valid pass.
    pub(super) fn pass(&mut self) -> Option<Pass> {
        self.first(Kind::Pass, self.passes, &SLUICE_PASS, |token| self.verify_pass(token))
    }

    /// The first valid ticket.
    pub(super) fn ticket(&mut self) -> Option<Ticket> {
        self.first(Kind::Ticket, self.tickets, &SLUICE_TICKET, |token| self.verify_ticket(token))
    }

    /// The first valid slip. Apps carry it in the ticket's header.
    pub(super) fn slip(&mut self) -> Option<Slip> {
        self.first(Kind::Slip, self.slips, &SLUICE_TICKET, |token| self.verify_slip(token))
    }

    fn verify_pass(&self, token: &[u8]) -> Result<Pass, Refused> {
        self.gate.keys.verify_pass(token, self.epoch, self.now_ms, Binding::NONE)
    }

    fn verify_ticket(&self, token: &[u8]) -> Result<Ticket, Refused> {
        self.gate.keys.verify_ticket(token, self.epoch, Binding::NONE)
    }

    fn verify_slip(&self, token: &[u8]) -> Result<Slip, Refused> {
        self.gate.keys.verify_slip(token, Binding::NONE)
    }

    fn first<T>(
        &self,
        kind: Kind,
        cookies: Candidates<'a>,
        header: &HeaderName,
        verify: impl Fn(&[u8]) -> Result<T, Refused>,
    ) -> Option<T> {
        let mut refused = None;
        for token in cookies.iter().filter(|t| !t.is_empty()) {
            match verify(token) {
                Ok(claims) => return Some(claims),
                Err(reason) => refused = Some(reason),
            }
        }
        if let Some(token) = self.request.headers.get(header).filter(|t| !t.is_empty()) {
            match verify(token.as_bytes()) {
                Ok(claims) => return Some(claims),
                // A slip in the ticket's header is no broken ticket, and the other way round.
                Err(Refused::Header) => {}
                Err(reason) => refused = Some(reason),
            }
        }
        if let Some(reason) = refused {
            self.counts.refuse(kind, reason);
        }
        None
    }

    pub(super) fn hand_out_slip(&mut self, slip: &Slip) {
        let token = self.gate.keys.sign_slip(slip, Binding::NONE);
        self.set(Kind::Slip, &token, KEEP);
    }

    pub(super) fn hand_out_ticket(&mut self, ticket: &Ticket) {
        self.sign_ticket(ticket);
        self.clear_if_brought(Kind::Slip);
    }

    fn sign_ticket(&mut self, ticket: &Ticket) {
        let token = self.gate.keys.sign_ticket(ticket, Binding::NONE);
        self.set(Kind::Ticket, &token, KEEP);
    }

    /// The pass of a seat. Made from the seat alone, so a claim that is repeated gets the same one.
    pub(super) fn hand_out_pass(&mut self, epoch: u64, number: u64, since_ms: u64, until_ms: u64) {
        let queue = &self.gate.queue;
        let minted_ms = until_ms.saturating_sub(seat_ms(queue));
        self.sign_pass(&Pass {
            epoch,
            lane: 0,
            number,
            issued_at_ms: since_ms,
            expires_at_ms: minted_ms + ms(session::pass_life(queue.session_idle)),
            ends_at_ms: since_ms + ms(queue.session_max),
        });
        self.clear_if_brought(Kind::Ticket);
        self.clear_if_brought(Kind::Slip);
    }

    /// Mints a pass anew, and tells the line, once it has been used for an eighth of its life, or if the line was
    /// lost since: it learns from those inside who is.
    pub(super) fn renew_pass(&mut self, pass: &Pass) {
        let now_ms = self.now_ms;
        let idle = self.gate.queue.session_idle;
        let life_ms = ms(session::pass_life(idle));
        let minted_ms = pass.expires_at_ms.saturating_sub(life_ms);
        let due = minted_ms + ms(session::renew_after(idle)) <= now_ms || minted_ms < self.life_began_ms;
        if due && pass.expires_at_ms < pass.ends_at_ms {
            self.gate.usher.inside(pass.number);
            self.sign_pass(&Pass { expires_at_ms: now_ms + life_ms, ..*pass });
        }
    }

    fn sign_pass(&mut self, pass: &Pass) {
        let pass = Pass { expires_at_ms: pass.expires_at_ms.min(pass.ends_at_ms), ..*pass };
        let token = self.gate.keys.sign_pass(&pass, Binding::NONE);
        let left = Duration::from_millis(pass.expires_at_ms.saturating_sub(self.now_ms));
        self.set(Kind::Pass, &token, left);
    }

    pub(super) fn clear_ticket(&mut self) {
        self.clear_if_brought(Kind::Ticket);
        self.tickets = Candidates::default();
    }

    pub(super) fn clear_all(&mut self) {
        for kind in Kind::ALL {
            self.clear_if_brought(kind);
        }
    }

    /// The request is parked, or (with `None`) answered in some other way.
    pub(super) fn close(mut self, parked: Option<Standing>) -> Decision {
        self.carry_over();
        match self.request.errand {
            Errand::Status => self.counts.polls.inc(),
            Errand::Enter | Errand::Prefetch if parked.is_some() => self.counts.parked.inc(),
            _ => {}
        }
        Decision { parked, inside: None, handed_out: self.handed_out }
    }

    /// The request passes.
    pub(super) fn close_inside(mut self, number: u64) -> Decision {
        self.carry_over();
        Decision { parked: None, inside: Some(number), handed_out: self.handed_out }
    }

    /// Hands out what came over plain HTTP once and is still good, unless this answer has its own word on it.
    fn carry_over(&mut self) {
        if !self.carried_over {
            return;
        }
        if let Some(slip) = self.carried(Kind::Slip, self.slips, Self::verify_slip) {
            self.hand_out_slip(&slip);
        }
        if let Some(ticket) = self.carried(Kind::Ticket, self.tickets, Self::verify_ticket) {
            self.sign_ticket(&ticket);
        }
        if let Some(pass) = self.carried(Kind::Pass, self.passes, Self::verify_pass) {
            self.sign_pass(&pass);
        }
    }

    fn carried<T>(
        &self,
        kind: Kind,
        cookies: Candidates<'a>,
        verify: fn(&Self, &[u8]) -> Result<T, Refused>,
    ) -> Option<T> {
        if self.has_a_word_on(kind) {
            return None;
        }
        cookies.iter().find_map(|token| verify(self, token).ok())
    }

    /// Whether this answer hands a token out or takes it back.
    fn has_a_word_on(&self, kind: Kind) -> bool {
        let name = self.gate.cookies.name(kind).as_str(self.request.secure).as_bytes();
        self.handed_out
            .iter()
            .any(|(_, value)| value.as_bytes().strip_prefix(name).is_some_and(|v| v.starts_with(b"=")))
    }

    fn set(&mut self, kind: Kind, token: &str, keep: Duration) {
        let cookie = self.gate.cookies.set(kind, token, self.request.secure, keep);
        // A later word on a cookie replaces an earlier one.
        self.handed_out.extend(cookie.map(|c| (header::SET_COOKIE, c)));
        if self.request.app {
            let name = if kind == Kind::Pass { SLUICE_PASS } else { SLUICE_TICKET };
            self.handed_out.extend(HeaderValue::try_from(token).ok().map(|t| (name, t)));
        }
    }

    fn clear_if_brought(&mut self, kind: Kind) {
        let brought = match kind {
            Kind::Slip => self.slips,
            Kind::Ticket => self.tickets,
            Kind::Pass => self.passes,
        };
        if !brought.is_empty() {
            let cookie = self.gate.cookies.clear(kind, self.request.secure);
            self.handed_out.extend(cookie.map(|c| (header::SET_COOKIE, c)));
        }
    }
}

/// How long a seat is held after it was last heard of.
pub(super) fn seat_ms(queue: &sluice_config::Queue) -> u64 {
    ms(session::seat_life(queue.session_idle))
}

/// The id of a slip.
pub(super) fn random_id() -> u64 {
    let mut bytes = [0; 8];
    // Fails only if the system has no randomness at all, at start.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// The id under which the holder of a used-up ticket joins again: one for all retries.
pub(super) fn id_after(ticket: &Ticket) -> u64 {
    let mixed = ticket.number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ticket.epoch.rotate_left(32);
    (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ ticket.issued_at_ms
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 1)
}
