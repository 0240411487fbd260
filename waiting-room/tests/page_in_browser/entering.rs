//! How the page takes its visitor in, and when it does not.

use std::time::Duration;

use sluice_admission::standing::{Reason, Standing, State};

use crate::{
    CALLED, WAITING, ahead,
    bench::{
        browser::{visit, visit_without_javascript},
        site::{ADDRESS, Answer, INSIDE, Script},
        visit::{Visit, element},
    },
};

#[test]
fn enters_by_itself_when_called_and_keeps_the_address() {
    let site = Script::default()
        .waiting_page(&WAITING)
        .page(INSIDE)
        .polls([ahead(500, 0.5), Answer::Standing(CALLED)])
        .serve();
    let dom = visit(&site.url(ADDRESS), Duration::from_secs(40));
    assert_eq!(element(&dom, "inside").as_deref(), Some("Welcome"), "{dom}");
    // Nothing else: no icon, no asset, no further poll.
    let poll = "GET /.sluice/status?queue=shop";
    let address = format!("GET {ADDRESS}");
    assert_eq!(
        site.requests(),
        [&address, poll, poll, poll, &address],
        "the last poll while it gives its visitor a moment"
    );
}

#[test]
fn enters_when_another_tab_got_in_and_when_the_queue_is_gone() {
    let admitted = Answer::Standing(Standing { state: State::Admitted, ..CALLED });
    for answer in [admitted, Answer::Http("404 Not Found", "content-type: text/plain", "")] {
        let site = Script::default().waiting_page(&WAITING).page(INSIDE).polls([answer]).serve();
        let dom = visit(&site.url(ADDRESS), Duration::from_secs(20));
        assert!(element(&dom, "inside").is_some(), "{dom}");
    }
}

/// A tab that nobody looks at enters at once: this one, which still counts, goes in with it.
#[test]
fn enters_when_another_tab_gets_in_while_it_counts_down() {
    let polls = [Standing { poll_after_s: 2, ..CALLED }, Standing { state: State::Admitted, ..CALLED }];
    let site = Script::default().waiting_page(&WAITING).page(INSIDE).polls(polls.map(Answer::Standing)).serve();
    let dom = visit(&site.url(ADDRESS), Duration::from_secs(30));
    assert!(element(&dom, "inside").is_some(), "{dom}");
    assert_eq!(site.navigations(), 2);
}

/// A status that says "called" and a door that says "wait": a page every five seconds at most.
#[test]
fn a_door_that_disagrees_is_not_hammered() {
    let inside = "<!doctype html><title>Inside</title><pre id=\"lived\"></pre>";
    let then = r#"addEventListener("DOMContentLoaded", () => {
        const at = document.getElementById("lived");
        if (at) at.textContent = sessionStorage.getItem("lived");
    });"#;
    let site = Script::default()
        .waiting_page(&CALLED)
        .waiting_page(&CALLED)
        .waiting_page(&CALLED)
        .page(inside)
        .polls([Answer::Standing(CALLED)])
        .watched(then)
        .serve();
    let dom = visit(&site.url(ADDRESS), Duration::from_secs(60));
    let lived_ms: Vec<u64> = serde_json::from_str(&element(&dom, "lived").unwrap()).unwrap();
    assert_eq!(lived_ms.len(), 3);
    assert!(lived_ms.iter().all(|&lived_ms| lived_ms >= 4900), "{lived_ms:?}");
}

/// What was asked for may be a download, which leaves the page where it is.
#[test]
fn what_replaces_no_page_is_loaded_once() {
    let site = Script::default()
        .waiting_page(&WAITING)
        .no_page()
        .polls([Answer::Standing(Standing { poll_after_s: 2, ..CALLED })])
        .watched("")
        .serve();
    let visit = Visit::to(&site, 60);
    assert_eq!(site.navigations(), 2);
    assert!(visit.poll_times_s().len() > 20);
    assert!(visit.last().enter.is_some(), "the visitor can still do it by hand");
}

#[test]
fn without_javascript_the_page_reloads_until_the_visitor_is_inside() {
    let site = Script::default().waiting_page(&WAITING).waiting_page(&WAITING).page(INSIDE).serve();
    let dom = visit_without_javascript(&site.url(ADDRESS), Duration::from_secs(20));
    assert!(element(&dom, "inside").is_some(), "{dom}");
    let address = format!("GET {ADDRESS}");
    assert_eq!(site.requests(), [address.as_str(); 3]);
}

/// A visitor who was called, did not enter, and is called again only by a page load.
#[test]
fn who_has_lapsed_reads_so_and_the_page_loads_once_at_most_with_a_form_never() {
    let lapsed = Answer::Standing(Standing { reason: Some(Reason::Lapsed), ..CALLED });
    let says = ("Your turn has passed", "Load this page again to be called once more.");
    let read = |visit: &Visit| (visit.last().heading.clone().unwrap(), visit.last().text.clone().unwrap());
    let says = (says.0.to_owned(), says.1.to_owned());
    let site = Script::default().form_page(&WAITING).polls([lapsed.clone(), lapsed.clone()]).watched("").serve();
    let visit = Visit::to(&site, 60);
    assert_eq!(read(&visit), says);
    assert_eq!(site.navigations(), 1);
    // What replaces no page: the visitor has to see it.
    let site = Script::default().waiting_page(&WAITING).no_page().polls([lapsed]).watched("").serve();
    let visit = Visit::to(&site, 60);
    assert_eq!(read(&visit), says);
    assert_eq!(site.navigations(), 2);
}
