//! One example of everything that a visitor may come to see, for whoever wants to look at all of it: the preview, the
//! folder of pages that `examples/render.rs` writes, tests.

use bytes::Bytes;
use sluice_admission::standing::{Reason, Standing, State, WaitRange};
use sluice_config::{ClosedAs, settings::Name};

use crate::page::{Board, Form, PageInput, Pages, Reader, Refusal, SentBy};

/// Something that a visitor may come to see.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Its name, for addresses and files.
    pub name: &'static str,
    /// What it is, in English.
    pub title: &'static str,
    shows: Shows,
}

/// What an example shows.
#[derive(Clone, Copy, Debug)]
enum Shows {
    /// The waiting page, of a queue that is called so while it is closed.
    Page(Standing, ClosedAs),
    /// The same, while the server does not answer.
    Offline,
    /// The same, in a browser that keeps no cookies.
    Cookies,
    /// The page of a form that was stopped, and whether it holds the form.
    Form {
        held: bool,
    },
    Board,
    Left,
    Refused(Refusal<'static>),
}

/// Whose pages they are, and where.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Who reads them.
    pub reader: Reader<'a>,
    /// The queue.
    pub queue: &'a Name,
    /// The operator's plain text.
    pub message: Option<&'a str>,
    /// The time at which it is, unix seconds.
    pub now_s: u64,
}

const WAITING: Standing = Standing {
    state: State::Waiting,
    number: Some(4711),
    ahead: Some(812),
    behind: Some(1290),
    wait: Some(WaitRange { low_s: 140, high_s: 230 }),
    progress: Some(0.42),
    poll_after_s: 8,
    reason: None,
    server_time_s: 0,
    enter_within_s: None,
    opens_at_s: None,
};
const HELD: Standing = Standing { state: State::Held, wait: None, ..WAITING };
const CALLED: Standing =
    Standing { state: State::Called, ahead: Some(0), wait: None, progress: Some(1.0), poll_after_s: 2, ..WAITING };
const OUTSIDE: Standing =
    Standing { state: State::Joining, number: None, ahead: None, behind: None, progress: None, wait: None, ..WAITING };
const CLOSED: Standing = Standing { state: State::Closed, reason: Some(Reason::Closed), poll_after_s: 30, ..OUTSIDE };

/// All of them.
pub const EXAMPLES: [Example; 28] = {
    const fn page(name: &'static str, title: &'static str, standing: Standing) -> Example {
        Example { name, title, shows: Shows::Page(standing, ClosedAs::Closed) }
    }
    const fn held(name: &'static str, title: &'static str, reason: Reason) -> Example {
        page(name, title, Standing { reason: Some(reason), ..HELD })
    }
    const fn closed(name: &'static str, title: &'static str, closed_as: ClosedAs) -> Example {
        Example { name, title, shows: Shows::Page(CLOSED, closed_as) }
    }
    const fn other(name: &'static str, title: &'static str, shows: Shows) -> Example {
        Example { name, title, shows }
    }
    const FAR: Standing = Standing {
        ahead: Some(1_048_576),
        progress: Some(0.01),
        wait: Some(WaitRange { low_s: 13_000, high_s: 19_000 }),
        ..WAITING
    };
    const NEAR: Standing =
        Standing { ahead: Some(3), progress: Some(0.97), wait: Some(WaitRange { low_s: 0, high_s: 40 }), ..WAITING };
    const NEXT: Standing = Standing { ahead: Some(0), progress: Some(0.99), ..NEAR };
    const SEATS: Standing = Standing { wait: None, reason: Some(Reason::SeatsTaken), ..WAITING };
    const RATE: Standing = Standing { wait: None, reason: Some(Reason::RateUsed), ..WAITING };
    const FULL: Standing = Standing { state: State::Full, reason: Some(Reason::LineFull), poll_after_s: 30, ..OUTSIDE };
    [
        page("joining", "Joining", Standing { poll_after_s: 1, ..OUTSIDE }),
        page("waiting", "Waiting", WAITING),
        page("far", "Waiting, far back", FAR),
        page("unknown", "Waiting, the speed is not known yet", Standing { wait: None, ..WAITING }),
        page("near", "Nearly there", NEAR),
        page("next", "Next", NEXT),
        page("called", "Called", CALLED),
        page("missed", "Turn missed", Standing { reason: Some(Reason::Lapsed), ..CALLED }),
        page("admitted", "Inside, in another tab", Standing { state: State::Admitted, ..CALLED }),
        page("seats-taken", "Waiting, every seat is taken", SEATS),
        page("rate-used", "Waiting, the minute is used up", RATE),
        held("held", "Held by the operator", Reason::Paused),
        held("store-away", "Held: the store is unavailable", Reason::StoreAway),
        held("recovering", "Held: the line is being rebuilt", Reason::Recovering),
        page("moved", "Moved to another device", Standing { reason: Some(Reason::Moved), ..OUTSIDE }),
        closed("not-open", "Not yet open", ClosedAs::NotOpen),
        closed("closed", "Closed", ClosedAs::Closed),
        closed("sold-out", "Sold out", ClosedAs::SoldOut),
        page("full", "The line is full", FULL),
        other("offline", "Offline", Shows::Offline),
        other("cookies", "Cookies blocked", Shows::Cookies),
        other("form-held", "A form that the page holds", Shows::Form { held: true }),
        other("form-before", "A form on the page before", Shows::Form { held: false }),
        other("board", "The board", Shows::Board),
        other("left", "Has left the line", Shows::Left),
        other("bad-request", "An address that is refused", Shows::Refused(Refusal::BadRequest("an encoded slash"))),
        other("unknown-site", "A host of no tenant", Shows::Refused(Refusal::UnknownSite)),
        other("unavailable", "The site does not answer", Shows::Refused(Refusal::Unavailable(502))),
    ]
};

impl Example {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        EXAMPLES.iter().find(|example| example.name == name)
    }

    /// The page.
    pub fn page(&self, pages: &Pages, scene: &Scene<'_>) -> Bytes {
        let &Scene { reader, queue, message, .. } = scene;
        let handed = |standing: Standing, closed_as, slip| {
            let standing = at(standing, scene.now_s);
            pages.waiting(&PageInput { reader, queue, closed_as, standing: &standing, message, slip })
        };
        let waiting = |standing, closed_as| handed(standing, closed_as, None);
        match self.shows {
            Shows::Page(standing, closed_as) => waiting(standing, closed_as),
            Shows::Offline => waiting(Standing { poll_after_s: 1, ..WAITING }, ClosedAs::Closed),
            // With the way to a browser that keeps them.
            Shows::Cookies => handed(Standing { poll_after_s: 1, ..OUTSIDE }, ClosedAs::Closed, Some("slip")),
            Shows::Form { held } => {
                let standing = at(WAITING, scene.now_s);
                let fields = [("order".to_owned(), "4711".to_owned())];
                let sent_by = if held { SentBy::Site("pay.example.net".into()) } else { SentBy::ThisSite };
                let form = Form { fields: held.then_some(&fields[..]), sent_by: &sent_by, line_path: "/" };
                let closed_as = ClosedAs::Closed;
                pages.form_unsent(
                    &PageInput { reader, queue, closed_as, standing: &standing, message, slip: None },
                    &form,
                )
            }
            Shows::Board => {
                let newcomer = at(Standing { wait: WAITING.wait, ..OUTSIDE }, scene.now_s);
                pages.board(reader, &Board { calling: 3898, waiting: 2103, newcomer: &newcomer })
            }
            Shows::Left => pages.left(reader, "/"),
            Shows::Refused(refusal) => pages.refused(reader, refusal),
        }
    }

    /// What a poll of the page is answered; `None`: nothing, as the server does not answer, or as the page does not ask.
    pub fn standing(&self, now_s: u64) -> Option<Standing> {
        match self.shows {
            Shows::Page(standing, _) => Some(at(standing, now_s)),
            Shows::Cookies => Some(at(Standing { poll_after_s: 1, ..OUTSIDE }, now_s)),
            Shows::Form { .. } => Some(at(WAITING, now_s)),
            Shows::Offline | Shows::Board | Shows::Left | Shows::Refused(_) => None,
        }
    }
}

fn at(standing: Standing, now_s: u64) -> Standing {
    // Called a moment ago; or to open in a while.
    let enter_within_s = (standing.state == State::Called && standing.reason.is_none()).then_some(120);
    let opens_at_s = (standing.state == State::Closed).then_some(now_s + 5_400);
    Standing { server_time_s: now_s, enter_within_s, opens_at_s, ..standing }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sluice_config::Language;

    use super::*;
    use crate::page::Encoding;

    #[test]
    fn every_example_is_a_page_of_its_own_and_every_face_is_among_them() {
        let queue = Name::new("shop").unwrap();
        let reader = Reader { site: "shop.example.com", language: None, encoding: Encoding::Identity };
        let scene = Scene { reader, queue: &queue, message: None, now_s: 1_763_712_000 };
        let (mut names, mut pages, mut faces) = (HashSet::new(), HashSet::new(), HashSet::new());
        for example in &EXAMPLES {
            let page = String::from_utf8(example.page(Pages::of_no_tenant(), &scene).into()).unwrap();
            assert!(names.insert(example.name) && Example::named(example.name).is_some(), "{}", example.name);
            if let Some((_, rest)) = page.split_once("data-state=\"") {
                faces.insert(rest.split('"').next().unwrap().to_owned());
            }
            assert!(pages.insert(page), "{} looks like another", example.name);
        }
        let states = serde_json::to_value(&crate::words::of(Language::ENGLISH).states).unwrap();
        for face in states.as_object().unwrap().keys().filter(|face| *face != "cookies") {
            assert!(faces.contains(face), "no example of {face}");
        }
    }
}
