//! `/.sluice/move`: a place is taken along to another device.
//!
//! | request | does |
//! |---|---|
//! | `POST`, with the ticket's cookie | gives a link and its code |
//! | `POST …&s=SLIP` | the same, for a page whose browser keeps no cookies |
//! | `GET …&t=TOKEN` | asks on the other device; changes nothing |
//! | `POST …&t=TOKEN&d=DEVICE` | takes the place, and leads on to the queue |
//!
//! What changes a place is done by pages of this very site alone, so no other can make a visitor take a place, or give one
//! up. A script gets a piece of a page, a browser without it a page.

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, Method};
use sluice_waiting_room::page::Reader;

use super::{Passage, judge::page_wanted, query::Query};
use crate::{
    gate::{Gate, HandedOut, Offer, Request, Taken},
    request::{kind::initiator::Initiator, preferences::Preferences, syntax::strict::Facts},
    routing::Site,
    service::answer::{self, Answer},
};

/// Answers a request to the endpoint.
pub(super) async fn answer(
    (site, gate): (&Site, &Gate),
    method: &Method,
    headers: &HeaderMap,
    facts: &Facts<'_>,
    (query, request): (&Query<'_>, Request<'_>),
    passage: &mut Passage,
) -> Result<Answer, Foreign> {
    let page = page_wanted(passage.kind, headers);
    let wants = page.unwrap_or_else(|| Preferences::of(headers));
    let reader = wants.read(&facts.host);
    let pages = &site.pages;
    let moving = |code, body| answer::moving(code, body, pages, wants);
    let line = gate.queue.paths.first().map_or("/", String::as_str);
    if *method != Method::POST {
        let token = query.token.unwrap_or_default();
        return Ok(match gate.offered(token).await {
            Ok(number) => moving(200, pages.take(reader, number, &take_action(gate, token))),
            Err(Taken::Busy) => not_now(moving(503, pages.not_now(reader))),
            Err(_) => moving(410, pages.void(reader)),
        });
    }
    if request.initiator != Initiator::Own {
        return Err(Foreign);
    }
    if let Some(token) = query.token {
        let (taken, handed_out) = gate.take_along(request, token, query.device.unwrap_or_default()).await;
        passage.handed_out = handed_out;
        return Ok(match taken {
            Taken::Here | Taken::Already => answer::see_other(line),
            Taken::Void => moving(410, pages.void(reader)),
            Taken::Busy => not_now(moving(503, pages.not_now(reader))),
        });
    }
    let (offer, handed_out): (Offer, HandedOut) = gate.offer(request, query.slip).await;
    passage.handed_out = handed_out;
    Ok(match (offer, page) {
        (Offer::Made { token, lasts }, page) => {
            let (link, minutes) = (link(gate, facts, passage.recipient.secure, &token), minutes(lasts));
            match page {
                Some(_) => moving(200, pages.linked(reader, &link, minutes)),
                None => {
                    let plain = Reader { encoding: sluice_waiting_room::page::moving::LINK_ENCODING, ..reader };
                    answer::piece(pages.link(plain, &link, minutes))
                }
            }
        }
        (Offer::Gone, _) => moving(410, pages.gone(reader)),
        (Offer::NoPlace, Some(_)) => answer::see_other(line),
        (Offer::NoPlace, None) => answer::plain(409, "There is no place in line that could be moved.\n"),
        (Offer::Busy, _) => not_now(moving(503, pages.not_now(reader))),
    })
}

/// A page of another site, or of nobody known, asks for what this site's own pages alone may ask for.
#[derive(Debug)]
pub(super) struct Foreign;

fn not_now(mut answer: Answer) -> Answer {
    answer::try_again_soon(&mut answer);
    answer
}

/// Whole minutes, rather too few.
fn minutes(lasts: Duration) -> u64 {
    (lasts.as_secs() / 60).max(1)
}

/// Where the other device asks.
fn link(gate: &Gate, facts: &Facts<'_>, secure: bool, token: &str) -> String {
    let scheme = if secure { "https" } else { "http" };
    let mut link = format!("{scheme}://{}", facts.host);
    if let Some(port) = facts.port {
        // Writing to a string does not fail.
        let _ = write!(link, ":{port}");
    }
    link + &format!("/.sluice/move?queue={}&t={token}", gate.queue.name)
}

/// Where the form goes that takes the place. The token has been read, so it is of harmless letters.
fn take_action(gate: &Gate, token: &[u8]) -> String {
    let token = String::from_utf8_lossy(token);
    format!("/.sluice/move?queue={}&t={token}&d={}", gate.queue.name, Gate::device_name())
}
