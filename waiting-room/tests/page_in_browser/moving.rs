//! The place is taken along to another device.

use sluice_admission::standing::{Reason, Standing};

use crate::{
    JOINING, WAITING,
    bench::{
        site::{Answer, Script},
        visit::Visit,
    },
};

const MOVE: &str = "/.sluice/move?queue=shop";
const PRESS: &str = r##"setTimeout(() => document.querySelector("#along button").click(), 1000);"##;

#[test]
fn link_and_code_come_into_the_page_which_goes_on_asking() {
    let piece = "<div class=\"code\"></div><p>Scan it.</p>";
    let site = Script::default()
        .waiting_page(&WAITING)
        .polls([Answer::Standing(WAITING)])
        .post(MOVE, "200 OK", piece)
        .watched(PRESS)
        .serve();
    let visit = Visit::to(&site, 20);
    assert!(visit.last().along.as_ref().unwrap().contains("Scan it."), "{:?}", visit.last());
    assert!(visit.poll_times_s().len() >= 2 && site.navigations() == 1);
}

#[test]
fn what_cannot_be_made_is_said_and_may_be_tried_again() {
    let site = Script::default()
        .waiting_page(&WAITING)
        .polls([Answer::Standing(WAITING)])
        .post(MOVE, "503 Service Unavailable", "busy")
        .watched(PRESS)
        .serve();
    let last = Visit::to(&site, 5).last().along.clone().unwrap();
    assert!(last.contains("That did not work."), "{last}");
}

/// To ask again would be to join anew.
#[test]
fn a_page_whose_place_has_moved_says_so_and_asks_no_more() {
    let moved = Standing { reason: Some(Reason::Moved), ..JOINING };
    let wakes = r#"
        setTimeout(() => dispatchEvent(new Event("online")), 60000);
        setTimeout(() => document.dispatchEvent(new Event("visibilitychange")), 61000);
    "#;
    let site = Script::default().waiting_page(&WAITING).polls([Answer::Standing(moved)]).watched(wakes).serve();
    let visit = Visit::to(&site, 120);
    assert_eq!(visit.last().heading.as_deref(), Some("Your place has moved"));
    assert_eq!((visit.poll_times_s().len(), site.navigations()), (1, 1));
}

#[test]
fn who_keeps_no_cookies_is_offered_to_go_on_elsewhere() {
    let offered = r##"setInterval(() => {
        const carry = document.getElementById("carry");
        if (!carry.hidden) carry.querySelector("button").click();
    }, 500);"##;
    let site = Script::default()
        .page_with_slip(&JOINING, "a.b.c")
        .polls([Answer::Standing(Standing { poll_after_s: 1, ..JOINING })])
        .leads_on_to("/nowhere".into())
        .watched(offered)
        .serve();
    Visit::try_to(&site, 20);
    let posts: Vec<_> = site.requests().into_iter().filter(|request| request.starts_with("POST")).collect();
    assert!(posts.first().is_some_and(|post| post == "POST /.sluice/move?queue=shop&s=a.b.c"), "{:?}", site.requests());
}
