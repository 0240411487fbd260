//! The visits that a request belongs to: what moves on its connection keeps their seats, and the origin may end or
//! renew them.
//!
//! A visitor inside has a seat in the queue that covers the path, and perhaps in others of the tenant. Each request to
//! the tenant is presence in all of them, so that who pays through `/api` stays inside on `/checkout`. So are bytes that
//! move: of a download, an upload, an event stream, a WebSocket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use pingora_http::ResponseHeader;
use sluice_admission::token::Pass;
use tokio::time::Instant;

use crate::gate::{Gate, HandedOut, Recipient};

/// The visits of one request. Mostly one, or none: a stream that lasts has no more room than for these.
#[derive(Debug)]
pub(super) struct Visits {
    each: Vec<Visit>,
    begun: Instant,
}

/// A visit in one queue.
#[derive(Debug)]
struct Visit {
    gate: Arc<Gate>,
    pass: Pass,
    /// The queue covers the path of the request.
    covers_path: bool,
    /// When the line last heard of the visitor, in ms since the request began; [`OVER`]: what moves keeps nothing.
    heard_ms: AtomicU64,
}

/// No more marks.
const OVER: u64 = u64::MAX;

impl Visits {
    pub(super) fn none() -> Self {
        Self { each: Vec::new(), begun: Instant::now() }
    }

    /// Takes them out.
    pub(super) fn take(&mut self) -> Self {
        Self { each: std::mem::take(&mut self.each), begun: self.begun }
    }

    /// A visitor is inside.
    pub(super) fn add(&mut self, gate: Arc<Gate>, pass: Pass, covers_path: bool) {
        self.each.reserve_exact(1);
        self.each.push(Visit { gate, pass, covers_path, heard_ms: AtomicU64::new(0) });
    }

    /// The visitor's number, if inside.
    pub(super) fn number(&self) -> Option<u64> {
        self.each.first().map(|visit| visit.pass.number)
    }

    /// Something has moved on the request's connections. At most once in an eighth of `session_idle` the line hears of
    /// it.
    pub(super) fn moved(&self, now: Instant) {
        if self.each.is_empty() {
            return;
        }
        let now_ms = u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(OVER);
        for visit in &self.each {
            visit.moved(now_ms);
        }
    }

    /// Does what the origin says of the visit in its answer, and gives what the visitor is handed for it.
    ///
    /// On a path of a queue it is the visit there, elsewhere every visit of the tenant that the request belongs to: a
    /// log-out that no queue covers ends them all.
    pub(super) fn obey(&self, word: Word, recipient: Recipient) -> HandedOut {
        let is_on_its_path = self.each.iter().any(|visit| visit.covers_path);
        let meant = self.each.iter().filter(|visit| visit.covers_path == is_on_its_path);
        let obeyed = meant.map(|visit| match word {
            Word::End => {
                visit.heard_ms.store(OVER, Ordering::Relaxed);
                visit.gate.end_visit(visit.pass.number, recipient)
            }
            Word::Renew => visit.gate.renew_visit(&visit.pass, recipient),
        });
        obeyed.flatten().collect()
    }
}

impl Visit {
    fn moved(&self, now_ms: u64) {
        let silent = Duration::from_millis(now_ms.saturating_sub(self.heard_ms.load(Ordering::Relaxed)));
        if silent < self.gate.seen_every() {
            return;
        }
        let goes_on = self.gate.seen_on_a_stream(&self.pass, silent);
        self.heard_ms.store(if goes_on { now_ms } else { OVER }, Ordering::Relaxed);
    }
}

/// What an origin may say of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It is over: an order is placed, somebody has logged out.
    End,
    /// Its idle time begins anew with this answer, whatever the answer is.
    Renew,
}

/// Takes the origin's word off its answer.
pub(super) fn take_word(response: &mut ResponseHeader) -> Option<Word> {
    static SLUICE_SESSION: HeaderName = HeaderName::from_static("sluice-session");
    let said = response.remove_header(&SLUICE_SESSION)?;
    let is = |word: &str| said.as_bytes().eq_ignore_ascii_case(word.as_bytes());
    match () {
        () if is("end") => Some(Word::End),
        () if is("renew") => Some(Word::Renew),
        () => {
            unknown_word(&said);
            None
        }
    }
}

fn unknown_word(said: &HeaderValue) {
    tracing::debug!(?said, "an origin's Sluice-Session is neither `end` nor `renew`");
}
