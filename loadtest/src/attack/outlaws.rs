//! Those who try to get in without having been called, and those who never keep a cookie. They come while a line
//! stands: then nothing that they hold is worth anything.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{
    clock::{SECOND_US, Us},
    limits::Limits,
    origin::{HOME, OTHER, Who},
    plan::address,
    wire::{Client, is_from_origin},
};
use crate::{
    attack::people::{
        browser::{Browser, Errand, OTHER_QUEUE, QUEUE},
        visitor::Door,
    },
    simulate::whole,
};

/// A line of so many seconds' worth of calls certainly stands: some of those who were told to wait have been called since,
/// and will hear of it with their next poll.
const LINE_S: f64 = 6.0;
/// And no fewer than so many.
const LINE_MIN: u64 = 50;
/// How much longer than a pass can be valid an expired one has not been used: whole seconds are cut off. And as much longer
/// as the slowest answer took: so late may the line have heard of its last use, from which on it keeps the seat; and a
/// visitor with a seat gets in with a pass that has run out.
const EXPIRED_FOR_US: Us = 3 * SECOND_US;

/// What an outlaw brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trick {
    /// Nothing, every time: no cookie is ever kept.
    Cookieless,
    /// A pass of its own making, signed with nothing.
    Unsigned,
    /// A pass of its own making, with a signature of its own making.
    Forged,
    /// Somebody's true pass, with another number in it.
    Altered,
    /// Somebody's true pass, after its time.
    Expired,
    /// A true ticket in place of a pass.
    Ticket,
    /// A true pass for another queue.
    OtherQueue,
}

impl Trick {
    const ALL: [Self; 7] =
        [Self::Cookieless, Self::Unsigned, Self::Forged, Self::Altered, Self::Expired, Self::Ticket, Self::OtherQueue];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cookieless => "no cookies",
            Self::Unsigned => "unsigned",
            Self::Forged => "forged",
            Self::Altered => "altered",
            Self::Expired => "expired",
            Self::Ticket => "a ticket as pass",
            Self::OtherQueue => "of another queue",
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried {
    /// How often each trick was tried and answered.
    pub(crate) tried: BTreeMap<Trick, u64>,
    /// Of those, how often the answer was the site's own page.
    pub(crate) let_in: BTreeMap<Trick, u64>,
    /// How often somebody without cookies was given a number.
    pub(crate) numbers_for_nothing: u64,
}

/// Outlaws at a steady pace, all tricks in turn, until the door is closed.
pub(crate) async fn try_everything(door: Arc<Door>, limits: Limits, per_second: u32) -> Tried {
    let mut tried = Tried::default();
    let gap_us = SECOND_US / u64::from(per_second.max(1));
    let line = LINE_MIN + u64::from(limits.burst) + whole(limits.per_second() * LINE_S);
    let mut due_us = door.clock.now_us();
    for who in 0_u32.. {
        due_us += gap_us;
        if door.rest_until(due_us).await.is_none() {
            break;
        }
        if door.ledger.waiting.load(Relaxed) < line {
            continue;
        }
        let trick = Trick::ALL[who as usize % Trick::ALL.len()];
        let mut outlaw = Outlaw {
            browser: Browser::new(Who::Outlaw(who).name(), door.net.is_secure()),
            client: Client::new(door.net.clone(), address(who, 128), false, false),
            node: who as usize % door.net.nodes.len().max(1),
            door: &door,
        };
        let Some(let_in) = outlaw.tries(trick, &limits).await else { continue };
        *tried.tried.entry(trick).or_default() += 1;
        if let_in {
            *tried.let_in.entry(trick).or_default() += 1;
        }
        // A pass that has run out names the number that its visitor had: that one is asked about, and no other is given.
        if trick != Trick::Expired {
            tried.numbers_for_nothing += u64::from(outlaw.browser.token("ticket", QUEUE).is_some());
        }
    }
    tried
}

struct Outlaw<'a> {
    browser: Browser,
    client: Client,
    node: usize,
    door: &'a Door,
}

impl Outlaw<'_> {
    /// Whether it got in; `None`: it had nothing to try it with, or there was no answer.
    async fn tries(&mut self, trick: Trick, limits: &Limits) -> Option<bool> {
        if trick != Trick::Cookieless {
            let pass = self.prepare(trick, limits).await?;
            self.browser.pretend(pass);
        }
        self.asks(HOME).await
    }

    /// Asks for a page; whether the origin has answered.
    async fn asks(&mut self, page: &'static str) -> Option<bool> {
        let request = self.browser.request(Errand::Page(page))?;
        match self.client.ask(self.node, &request).await {
            Ok(answer) if is_from_origin(&answer) || answer.status == 503 => {
                self.browser.take_in(&answer);
                Some(is_from_origin(&answer))
            }
            Ok(answer) => self.mishap(format!("status {} to an outlaw", answer.status)),
            Err(trouble) => self.mishap(format!("outlaw: {trouble}")),
        }
    }

    fn mishap(&self, kind: String) -> Option<bool> {
        self.door.ledger.mishap(self.door.clock.now_us(), kind);
        None
    }

    async fn prepare(&mut self, trick: Trick, limits: &Limits) -> Option<String> {
        match trick {
            Trick::Cookieless => None,
            Trick::Unsigned => Some(made_up("none", "")),
            Trick::Forged => Some(made_up("HS256", &"A".repeat(43))),
            Trick::Altered => {
                let (_, pass) = self.door.ledger.spare().passes.last().cloned()?;
                altered(&pass)
            }
            Trick::Expired => {
                let slowest_us = self.door.ledger.slowest_us();
                let mut spare = self.door.ledger.spare();
                // A pass lives for `session_idle` and an eighth of it after it was minted, so after its last use.
                let life_us = limits.session_idle_us() * 9 / 8 + EXPIRED_FOR_US + slowest_us;
                let &(used_us, _) = spare.passes.first()?;
                (used_us + life_us <= self.door.clock.now_us()).then(|| spare.passes.remove(0).1)
            }
            Trick::Ticket => self.door.ledger.spare().tickets.pop(),
            Trick::OtherQueue => {
                self.asks(OTHER).await.filter(|&in_there| in_there)?;
                self.browser.token("pass", OTHER_QUEUE).map(str::to_owned)
            }
        }
    }
}

/// A token as it might look.
fn made_up(algorithm: &str, signature: &str) -> String {
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let header = encode(format!("{{\"alg\":\"{algorithm}\",\"typ\":\"JWT\"}}"));
    let claims = encode(format!("{{\"q\":\"{QUEUE}\",\"n\":1,\"e\":1,\"exp\":4102444800}}"));
    format!("{header}.{claims}.{signature}")
}

/// The same token with another digit in its number.
fn altered(token: &str) -> Option<String> {
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let (before, number) = text.split_once("\"n\":")?;
    let changed = if number.starts_with('1') { '2' } else { '1' };
    let claims = BASE64_URL_SAFE_NO_PAD.encode(format!("{before}\"n\":{changed}{}", number.get(1..)?));
    Some(format!("{header}.{claims}.{signature}"))
}
