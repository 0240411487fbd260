//! When the page asks where its visitor stands, and what it does without an answer.

use sluice_admission::standing::Standing;

use crate::{
    BROKEN, WAITING, ahead,
    bench::{
        site::{Answer, Script},
        visit::{Visit, gaps},
    },
};

#[test]
fn polls_as_told_give_or_take_a_tenth() {
    let polls = [8, 8, 20, 3, 3].map(|poll_after_s| Answer::Standing(Standing { poll_after_s, ..WAITING }));
    let site = Script::default().waiting_page(&WAITING).polls(polls).watched("").serve();
    let times = Visit::to(&site, 60).poll_times_s();
    for (gap, told) in gaps(&times).into_iter().zip([8.0, 8.0, 20.0, 3.0, 3.0]) {
        assert!((told * 0.9 - 0.1..told * 1.1 + 0.1).contains(&gap), "{gap} s when told {told} s");
    }
    assert!(times.len() >= 7, "{times:?}");
}

#[test]
fn backs_off_and_keeps_what_it_shows_while_the_server_fails() {
    let polls = [
        Answer::Standing(Standing { ahead: Some(700), poll_after_s: 4, ..WAITING }),
        BROKEN,
        Answer::Nothing,
        Answer::Http("200 OK", "content-type: text/html", "<p>not a status"),
        Answer::Http("429 Too Many Requests", "retry-after: 1", ""),
        BROKEN,
        BROKEN,
        BROKEN,
        Answer::Standing(Standing { ahead: Some(600), poll_after_s: 4, ..WAITING }),
    ];
    let site = Script::default().waiting_page(&WAITING).polls(polls).watched("").serve();
    let visit = Visit::to(&site, 400);
    let gaps = gaps(&visit.poll_times_s());
    let backoffs = [4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0];
    for (gap, most) in gaps[1..].iter().zip(backoffs) {
        assert!((most / 2.0 - 0.1..=most + 0.1).contains(gap), "{gap} s, between half and all of {most} s");
    }
    assert!((3.5..=4.5).contains(&gaps[9]), "back to the usual pace: {gaps:?}");
    let ahead = visit.changes(|shown| shown.ahead.clone().unwrap());
    assert_eq!(ahead, ["812", "700", "600"]);
    assert_eq!(visit.changes(|shown| shown.offline.is_some()), [false, true, false]);
}

#[test]
fn waits_for_as_long_as_an_overloaded_server_asks() {
    let busy = Answer::Http("503 Service Unavailable", "retry-after: 40", "");
    let site = Script::default().waiting_page(&WAITING).polls([busy]).watched("").serve();
    let gaps = gaps(&Visit::to(&site, 100).poll_times_s());
    assert!(gaps[0] >= 39.9, "{gaps:?}");
}

#[test]
fn an_absurd_delay_neither_floods_nor_stops() {
    for (delay, seconds) in [("null", 30), ("0", 30), ("-5", 30), ("\"soon\"", 30), ("1e12", 700)] {
        let body = format!(r#"{{"queue":"shop","state":"waiting","number":4711,"poll_after_seconds":{delay}}}"#);
        let answer = Answer::Http("200 OK", "content-type: application/json", body.leak());
        let site = Script::default().waiting_page(&WAITING).polls([answer]).watched("").serve();
        let polls = Visit::to(&site, seconds).poll_times_s();
        assert!(polls.len() >= 2, "{delay}: stopped");
        assert!(gaps(&polls).iter().all(|gap| *gap >= 0.9), "{delay}: {polls:?}");
    }
}

#[test]
fn polls_at_once_when_the_visitor_comes_back_and_never_twice_at_a_time() {
    // Hidden changes are no reason to poll; each way of coming back is, however often it is told.
    let then = r#"
        let hidden = false;
        Object.defineProperty(document, "hidden", { get: () => hidden });
        const changed = (to) => { hidden = to; document.dispatchEvent(new Event("visibilitychange")); };
        const shown = () => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
        setTimeout(() => changed(true), 10000);
        setTimeout(() => { changed(false); shown(); changed(true); changed(false); }, 20000);
        setTimeout(() => dispatchEvent(new Event("online")), 30000);
        setTimeout(() => { shown(); shown(); }, 40000);
        window.answersAfterMs = 3000;
        setTimeout(() => { changed(false); shown(); }, 41000);
        setTimeout(() => { changed(false); shown(); }, 42000);
    "#;
    let far = Standing { poll_after_s: 60, ..WAITING };
    let site = Script::default().waiting_page(&far).polls([Answer::Standing(far)]).watched(then).serve();
    let visit = Visit::to(&site, 50);
    let polls: Vec<f64> = visit.poll_times_s().iter().map(|at| at.round()).collect();
    assert_eq!(polls, [20.0, 30.0, 40.0]);
    assert!(visit.0.iter().filter_map(|entry| entry.polls_in_flight).all(|n| n == 1));
}

#[test]
fn flipping_between_tabs_does_not_flood() {
    let then = r#"for (let at = 20000; at < 25000; at += 100) {
        setTimeout(() => document.dispatchEvent(new Event("visibilitychange")), at);
    }"#;
    let far = Standing { poll_after_s: 60, ..WAITING };
    let site = Script::default().waiting_page(&far).polls([Answer::Standing(far)]).watched(then).serve();
    let polls = Visit::to(&site, 30).poll_times_s();
    assert!(gaps(&polls).iter().all(|gap| *gap >= 0.95), "{polls:?}");
    assert!((4..=7).contains(&polls.len()), "{polls:?}");
}

#[test]
fn a_poll_that_slept_along_with_the_device_is_asked_again() {
    let then = r#"
        window.answersAfterMs = 14000;
        setTimeout(() => document.dispatchEvent(new Event("visibilitychange")), 18000);
    "#;
    let site = Script::default().waiting_page(&WAITING).polls([ahead(700, 0.5)]).watched(then).serve();
    let visit = Visit::to(&site, 25);
    let polls = visit.poll_times_s();
    assert_eq!(polls.len(), 2, "{polls:?}");
    assert!((17.9..18.5).contains(&polls[1]), "{polls:?}");
    assert!(visit.0.iter().filter_map(|entry| entry.polls_in_flight).all(|n| n == 1));
    assert_eq!(visit.last().offline, None);
}

#[test]
fn a_poll_without_an_answer_is_given_up() {
    let site = Script::default()
        .waiting_page(&WAITING)
        .polls([ahead(700, 0.5)])
        .watched("window.answersAfterMs = 1000000;")
        .serve();
    let gaps = gaps(&Visit::to(&site, 60).poll_times_s());
    assert!((15.0..=23.5).contains(&gaps[0]), "15 s and then half to all of 8 s: {gaps:?}");
}
