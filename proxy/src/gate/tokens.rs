//! The tokens of one request: what it brought, what it is handed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ring::rand::{SecureRandom, SystemRandom};
use sluice_admission::{
    policy::{Brought, Errand, Handed, Word},
    token::{Binding, Kind, Move, Pass, Refused, Slip, Ticket},
    usher::View,
};
use sluice_config::{SameSite, Tenant};

use super::{Counts, Gate, HandedOut, Recipient, Request};
use crate::request::{
    cookies::{self, Candidates, CookieName, Keep, Scope, Token},
    kind::initiator::Initiator,
};

/// Ticket, or slip, of an app without cookies; both ways.
const SLUICE_TICKET: HeaderName = HeaderName::from_static("sluice-ticket");
/// Pass of an app without cookies; both ways.
pub(crate) const SLUICE_PASS: HeaderName = HeaderName::from_static("sluice-pass");
/// How long a browser keeps slips and tickets: longer than any line.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// A queue's cookies: their names, and how browsers are to treat them.
#[derive(Debug)]
pub(super) struct Cookies {
    slip: CookieName,
    ticket: CookieName,
    pass: CookieName,
    moves: CookieName,
    same_site: SameSite,
    /// The names whose hosts share them.
    domains: Box<[String]>,
}

impl Cookies {
    pub(super) fn new(queue: &str, tenant: &Tenant) -> Self {
        let name = |token| CookieName::new(token, queue);
        let (same_site, domains) = (tenant.cookies.same_site, tenant.cookie_domains().into());
        let [slip, ticket, pass, moves] = [Token::Slip, Token::Ticket, Token::Pass, Token::Move].map(name);
        Self { slip, ticket, pass, moves, same_site, domains }
    }

    /// Makes the browser forget a pass, under each name that it may have come by.
    pub(super) fn forget_pass(&self, recipient: Recipient) -> HandedOut {
        let mut scopes = recipient.scopes().to_vec();
        scopes.dedup();
        // Of a domain that this host does not share in, none can be cleared.
        scopes.retain(|&scope| scope != Scope::Domain || recipient.domain.is_some());
        let cookies = scopes.into_iter().filter_map(|scope| self.clear(Kind::Pass, scope, recipient));
        cookies.map(|cookie| (header::SET_COOKIE, cookie)).collect()
    }

    /// Slips, tickets, passes and moves, in this order.
    fn find<'h>(&'h self, headers: &'h HeaderMap, scope: Scope) -> [Candidates<'h>; Kind::ALL.len()] {
        cookies::find(headers, Kind::ALL.map(|kind| self.name(kind).as_str(scope)))
    }

    fn set(&self, kind: Kind, token: &str, scope: Scope, to: Recipient, max_age: Duration) -> Option<HeaderValue> {
        let domain = to.domain.filter(|_| scope != Scope::Host).and_then(|nth| self.domains.get(nth));
        let keep = Keep { scope, domain: domain.map(String::as_str), same_site: self.same_site, max_age };
        cookies::set_cookie(self.name(kind), token, keep)
    }

    /// Hands a token out, to an app in a header as well.
    fn hand_out(&self, kind: Kind, token: &str, keep: Duration, recipient: Recipient, handed_out: &mut HandedOut) {
        let cookie = self.set(kind, token, recipient.scope(), recipient, keep);
        handed_out.extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        if recipient.app {
            let name = if kind == Kind::Pass { SLUICE_PASS } else { SLUICE_TICKET };
            handed_out.extend(HeaderValue::try_from(token).ok().map(|mut token| {
                // One of a kind: no table of fields, here or in the client, is to keep it.
                token.set_sensitive(true);
                (name, token)
            }));
        }
    }

    fn clear(&self, kind: Kind, scope: Scope, to: Recipient) -> Option<HeaderValue> {
        self.set(kind, "", scope, to, Duration::ZERO)
    }

    fn name(&self, kind: Kind) -> &CookieName {
        match kind {
            Kind::Slip => &self.slip,
            Kind::Ticket => &self.ticket,
            Kind::Pass => &self.pass,
            Kind::Move => &self.moves,
        }
    }
}

impl Recipient {
    /// Where its cookies go, and are looked for first.
    fn scope(self) -> Scope {
        self.scopes()[0]
    }

    /// All scopes that its cookies may be of, in the order in which they are looked for: its own, then those of a time
    /// before the site moved to HTTPS, or before its hosts shared cookies or ceased to.
    fn scopes(self) -> [Scope; 3] {
        match (self.secure, self.domain) {
            (false, _) => [Scope::Plain; 3],
            (true, None) => [Scope::Host, Scope::Domain, Scope::Plain],
            (true, Some(_)) => [Scope::Domain, Scope::Host, Scope::Plain],
        }
    }
}

impl Gate {
    /// Signs a pass and hands it out. The browser keeps it to the hard end of the visit: once it has run out, it still
    /// names the number, whose seat a stream may have kept.
    pub(super) fn hand_out_pass(&self, pass: &Pass, to: Recipient, now_ms: u64, handed_out: &mut HandedOut) {
        let token = self.keys.sign_pass(pass, Binding::NONE);
        let keep = Duration::from_millis(pass.ends_at_ms.saturating_sub(now_ms));
        self.cookies.hand_out(Kind::Pass, &token, keep, to, handed_out);
    }
}

/// What one request brought, and what it will be handed.
pub(super) struct Jar<'a> {
    request: Request<'a>,
    gate: &'a Gate,
    counts: &'a Arc<Counts>,
    /// `None`: the line has not been heard of since this node began. Whoever is inside must not suffer for it.
    epoch: Option<u64>,
    /// The line's clock when the request came.
    now_ms: u64,
    slips: Candidates<'a>,
    tickets: Candidates<'a>,
    passes: Candidates<'a>,
    moves: Candidates<'a>,
    /// The cookies are of another scope than the host's own: they are to be handed out anew.
    carried_over: bool,
    handed_out: HandedOut,
    /// The slip among it.
    slip: Option<String>,
}

impl<'a> Jar<'a> {
    /// The tokens that a request brings.
    ///
    /// Those of the host's own scope count. Where there is none, those of another do, so that a visitor keeps the place
    /// when a site moves to HTTPS, or its hosts begin to share cookies. A page on a sibling domain can plant such a cookie; but a token is
    /// signed, so all it can give a visitor who has no place yet is a place of its own, once.
    pub(super) fn open(gate: &'a Gate, request: Request<'a>, view: &View, now: Instant) -> Self {
        let cookies = &gate.cookies;
        let to = request.recipient;
        let mut brought = cookies.find(request.headers, to.scope());
        let mut handed_out = Vec::new();
        let speaks_for_the_visitor = request.initiator != Initiator::Embedded;
        let brings_none = brought.iter().all(Candidates::is_empty);
        let carried_over = to.secure && speaks_for_the_visitor && brings_none && cookies::any_of_ours(request.headers);
        if carried_over {
            let others = to.scopes().into_iter().skip(1).map(|scope| (scope, cookies.find(request.headers, scope)));
            if let Some((scope, found)) = { others }.find(|(_, found)| !found.iter().all(Candidates::is_empty)) {
                brought = found;
                let kinds = Kind::ALL.into_iter().zip(&brought).filter(|(_, candidates)| !candidates.is_empty());
                let cleared = kinds.filter_map(|(kind, _)| Some((header::SET_COOKIE, cookies.clear(kind, scope, to)?)));
                handed_out.extend(cleared);
            }
        }
        let [slips, tickets, passes, moves] = brought;
        let (epoch, now_ms) = (Some(view.summary.epoch).filter(|&epoch| epoch > 0), view.line_ms(now));
        let counts = &gate.counts;
        Self {
            request,
            gate,
            counts,
            epoch,
            now_ms,
            slips,
            tickets,
            passes,
            moves,
            carried_over,
            handed_out,
            slip: None,
        }
    }

    /// What the visitor is after.
    pub(super) fn errand(&self) -> Errand {
        self.request.errand
    }

    /// Whether what was brought is handed out anew, whatever is decided.
    pub(super) fn is_carried_over(&self) -> bool {
        self.carried_over
    }

    fn verify_pass(&self, token: &[u8]) -> Result<Pass, Refused> {
        self.gate.keys.verify_pass(token, self.epoch, self.now_ms, Binding::NONE)
    }

    /// A pass that has run out. That it has was counted when a good one was looked for.
    fn verify_lapsed(&self, token: &[u8]) -> Option<Pass> {
        let pass = self.gate.keys.verify_pass(token, self.epoch, 0, Binding::NONE).ok()?;
        (pass.expires_at_ms <= self.now_ms && self.now_ms < pass.ends_at_ms).then_some(pass)
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

    /// Whether the visitor has made a link for another device.
    pub(super) fn brings_move(&self) -> bool {
        !self.moves.is_empty() && self.request.initiator != Initiator::Embedded && self.errand() != Errand::Prefetch
    }

    /// The link that the visitor has made for the number of this ticket, run out or not, and as it was signed.
    pub(super) fn moved_by(&self, ticket: &Ticket) -> Option<(Move, &'a [u8])> {
        let verify = |token| self.gate.keys.verify_move(token, self.epoch, 0, Binding::NONE).ok();
        let of_this = |of: &Move| (of.ticket.epoch, of.ticket.number) == (ticket.epoch, ticket.number);
        self.moves.iter().find_map(|token| verify(token).filter(of_this).map(|of| (of, token)))
    }

    /// Takes a link back, or says that there is none any more.
    pub(super) fn forget_move(&mut self) {
        self.clear_if_brought(Kind::Move);
    }

    /// Hands out what says that a link has been made.
    pub(super) fn remember_move(&mut self, token: &str) {
        self.set(Kind::Move, token, KEEP);
    }

    /// The visitor stands where this ticket says from now on, whatever was brought.
    pub(super) fn stand_at(mut self, ticket: &Ticket) -> HandedOut {
        self.sign_ticket(ticket);
        [Kind::Slip, Kind::Pass, Kind::Move].into_iter().for_each(|kind| self.clear_if_brought(kind));
        self.handed_out
    }

    /// The visitor stands nowhere any more.
    pub(super) fn stand_nowhere(mut self) -> HandedOut {
        Kind::ALL.into_iter().for_each(|kind| self.clear_if_brought(kind));
        self.handed_out
    }

    /// What is handed out whatever is decided.
    pub(super) fn into_handed_out(self) -> HandedOut {
        self.handed_out
    }

    /// Says of each token what was decided, and gives the cookies and headers that say so, and the slip among them.
    pub(super) fn close(mut self, handed: &Handed) -> (HandedOut, Option<String>) {
        match &handed.slip {
            Word::Set(slip) => self.sign_slip(slip),
            Word::Clear => self.clear_if_brought(Kind::Slip),
            Word::Keep => {}
        }
        match &handed.ticket {
            Word::Set(ticket) => self.sign_ticket(ticket),
            Word::Clear => self.clear_if_brought(Kind::Ticket),
            Word::Keep => {}
        }
        match &handed.pass {
            Word::Set(pass) => self.sign_pass(pass),
            Word::Clear => self.clear_if_brought(Kind::Pass),
            Word::Keep => {}
        }
        if self.carried_over {
            self.carry_over(handed);
        }
        (self.handed_out, self.slip)
    }

    fn sign_slip(&mut self, slip: &Slip) {
        let token = self.gate.keys.sign_slip(slip, Binding::NONE);
        self.set(Kind::Slip, &token, KEEP);
        self.slip = Some(token);
    }

    fn sign_ticket(&mut self, ticket: &Ticket) {
        let token = self.gate.keys.sign_ticket(ticket, Binding::NONE);
        self.set(Kind::Ticket, &token, KEEP);
    }

    fn sign_pass(&mut self, pass: &Pass) {
        self.gate.hand_out_pass(pass, self.request.recipient, self.now_ms, &mut self.handed_out);
    }

    /// Hands out what came over plain HTTP once and is still good, unless this answer has its own word on it.
    fn carry_over(&mut self, handed: &Handed) {
        if let Some(slip) = self.carried(handed.slip.is_said(), self.slips, Self::verify_slip) {
            self.sign_slip(&slip);
        }
        if let Some(ticket) = self.carried(handed.ticket.is_said(), self.tickets, Self::verify_ticket) {
            self.sign_ticket(&ticket);
        }
        if let Some(pass) = self.carried(handed.pass.is_said(), self.passes, Self::verify_pass) {
            self.sign_pass(&pass);
        }
    }

    fn carried<T>(
        &self,
        is_said: bool,
        cookies: Candidates<'a>,
        verify: fn(&Self, &[u8]) -> Result<T, Refused>,
    ) -> Option<T> {
        if is_said {
            return None;
        }
        cookies.iter().find_map(|token| verify(self, token).ok())
    }

    fn set(&mut self, kind: Kind, token: &str, keep: Duration) {
        self.gate.cookies.hand_out(kind, token, keep, self.request.recipient, &mut self.handed_out);
    }

    fn clear_if_brought(&mut self, kind: Kind) {
        let brought = match kind {
            Kind::Slip => self.slips,
            Kind::Ticket => self.tickets,
            Kind::Pass => self.passes,
            Kind::Move => self.moves,
        };
        if !brought.is_empty() {
            let cookie = self.gate.cookies.clear(kind, self.request.recipient.scope(), self.request.recipient);
            self.handed_out.extend(cookie.map(|c| (header::SET_COOKIE, c)));
        }
    }
}

impl Brought for Jar<'_> {
    fn pass(&self) -> Option<Pass> {
        self.first(Kind::Pass, self.passes, &SLUICE_PASS, |token| self.verify_pass(token))
    }

    fn lapsed_pass(&self) -> Option<Pass> {
        let in_header = self.request.headers.get(SLUICE_PASS).map(HeaderValue::as_bytes);
        self.passes.iter().chain(in_header).find_map(|token| self.verify_lapsed(token))
    }

    fn ticket(&self) -> Option<Ticket> {
        self.first(Kind::Ticket, self.tickets, &SLUICE_TICKET, |token| self.verify_ticket(token))
    }

    /// Apps carry it in the ticket's header.
    fn slip(&self) -> Option<Slip> {
        self.first(Kind::Slip, self.slips, &SLUICE_TICKET, |token| self.verify_slip(token))
    }

    fn fresh_id(&self) -> u64 {
        (self.gate.fresh_id)()
    }
}

/// The id of a slip.
pub(super) fn random_id() -> u64 {
    let mut bytes = [0; 8];
    // Fails only if the system has no randomness at all, at start.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
