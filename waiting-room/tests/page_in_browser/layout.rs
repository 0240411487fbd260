//! What moves on the page: nothing. What does not fit: nothing.

mod fits;
mod pseudo;

use sluice_admission::standing::{Reason, Standing, State};

use crate::{
    BROKEN, CALLED, JOINING, WAITING, ahead,
    bench::{
        site::{Answer, Script},
        visit::Visit,
    },
};

/// From joining to one's turn, through a pause and a lost connection: what comes and goes has room of its own.
#[test]
fn nothing_on_the_page_moves_whatever_happens() {
    let held = Standing { state: State::Held, wait: None, reason: Some(Reason::Paused), ..WAITING };
    let next = Standing { ahead: Some(0), behind: Some(1_000), poll_after_s: 3, ..WAITING };
    let polls = [
        Answer::Standing(Standing { ahead: Some(1_000), ..WAITING }),
        ahead(999, 0.4),
        Answer::Standing(held),
        BROKEN,
        BROKEN,
        Answer::Standing(next),
        Answer::Standing(Standing { state: State::Closed, reason: Some(Reason::Closed), ..WAITING }),
        Answer::Standing(Standing { state: State::Full, reason: Some(Reason::LineFull), ..WAITING }),
        Answer::Standing(CALLED),
    ];
    for first in [JOINING, WAITING] {
        let site = Script::default().waiting_page(&first).no_page().polls(polls.clone()).watched("").serve();
        let visit = Visit::to(&site, 120);
        assert!(visit.changes(|shown| shown.heading.clone()).len() >= 5, "the visitor has seen all of it");
        let (shifted, what) = visit.shifted();
        assert!(shifted < 0.001, "{shifted}: {what:?}");
    }
}

/// The measure above finds what moves.
#[test]
fn a_page_that_moves_is_found() {
    let then = r#"setInterval(() => {
        const bar = document.createElement("p");
        bar.style.height = "50px";
        document.body.prepend(bar);
    }, 2000);"#;
    let site = Script::default().waiting_page(&WAITING).polls([ahead(800, 0.4)]).watched(then).serve();
    assert!(Visit::to(&site, 20).shifted().0 > 0.01);
}
