//! The visitor's turn: a moment before the page enters, the time that is left, and being called to it.

use std::time::Duration;

use sluice_admission::standing::{Reason, Standing, State};
use sluice_config::ClosedAs;

use crate::{
    CALLED, WAITING,
    bench::{
        browser::visit,
        site::{ADDRESS, Answer, INSIDE, Script},
        visit::{Visit, element},
    },
};

/// Called, with a minute left.
const A_MINUTE: Standing = Standing { enter_within_s: Some(60), poll_after_s: 120, ..CALLED };

/// A page that is left where it is when it enters.
fn called(standing: &Standing, then: &str) -> crate::bench::site::Site {
    Script::default().waiting_page(standing).no_page().polls([Answer::Standing(*standing)]).watched(then).serve()
}

#[test]
fn the_page_counts_down_before_it_enters() {
    let visit = Visit::to(&called(&A_MINUTE, ""), 15);
    let left = visit.changes(|shown| shown.left.clone());
    let expected = (0..=10).rev().map(|s| Some(format!("Seconds until you enter: {s}")));
    assert_eq!(left, expected.collect::<Vec<_>>());
    let first = visit.shown().next().unwrap();
    assert_eq!((first.enter.as_deref(), visit.last().pause.as_deref()), (Some("Enter now"), Some("Wait a moment")));
}

/// WCAG 2.2.1: the visitor can stop it with one press, sees the time that is left, and hears when it gets short.
#[test]
fn who_asks_the_page_to_wait_enters_by_hand_and_is_warned_in_time() {
    let then = r#"setTimeout(() => document.getElementById("pause").click(), 5500);"#;
    let site = called(&A_MINUTE, then);
    let visit = Visit::to(&site, 90);
    assert_eq!(site.navigations(), 1, "it does not enter by itself");
    let left = visit.changes(|shown| shown.left.clone().unwrap());
    let at = left.iter().position(|left| left.starts_with("Time left")).unwrap_or_else(|| panic!("{left:?}"));
    assert!(["Time left to enter 0:55", "Time left to enter 0:54"].contains(&left[at].as_str()), "{left:?}");
    assert!(left[..at].iter().all(|left| left.starts_with("Seconds until you enter: ")), "{left:?}");
    assert_eq!(left.last().map(String::as_str), Some("Time left to enter 0:00"));
    assert_eq!(visit.last().text.as_deref(), Some("Enter when you are ready, before your time is up."));
    assert_eq!(visit.last().pause, None);
    let warned: Vec<_> = visit.changes(|shown| shown.live.clone()).into_iter().flatten().collect();
    assert!(warned.contains(&"Time left to enter 0:20".to_owned()), "{warned:?}");
}

#[test]
fn a_turn_that_passes_while_the_page_waits_is_said_to_have_passed() {
    let then = r#"setTimeout(() => document.getElementById("pause").click(), 2000);"#;
    let called = Standing { enter_within_s: Some(20), poll_after_s: 10, ..CALLED };
    let lapsed = Standing { reason: Some(Reason::Lapsed), poll_after_s: 10, ..CALLED };
    let polls = [called, lapsed].map(Answer::Standing);
    let site = Script::default().waiting_page(&called).no_page().polls(polls).watched(then).serve();
    let visit = Visit::to(&site, 40);
    assert_eq!(visit.last().heading.as_deref(), Some("Your turn has passed"));
    assert_eq!((&visit.last().left, &visit.last().pause), (&None, &None));
}

#[test]
fn a_page_that_is_not_looked_at_enters_at_once() {
    let hidden = r#"Object.defineProperty(document, "hidden", { get: () => true });"#;
    let site = Script::default().waiting_page(&A_MINUTE).page(INSIDE).watched(hidden).serve();
    let dom = visit(&site.url(ADDRESS), Duration::from_secs(5));
    assert!(element(&dom, "inside").is_some(), "{dom}");
}

/// What the page does to be noticed, written down instead of done.
const ALARMS: &str = r#"
    const noteAlarm = (what) => window.noteInLog({ alarm: what });
    window.AudioContext = class {
        constructor() { this.currentTime = 0; noteAlarm("audio"); }
        createOscillator() { return { frequency: {}, connect() {}, start() { noteAlarm("tone"); }, stop() {} }; }
        close() { noteAlarm("silence"); }
    };
    navigator.vibrate = () => noteAlarm("buzz");
    window.Notification = class {
        constructor(title) { noteAlarm(title); }
        static requestPermission() { noteAlarm("asked"); }
    };
"#;

fn alarms(then: &str) -> (Vec<String>, Visit) {
    let then = format!("{ALARMS}{then}");
    let soon = Standing { poll_after_s: 8, ..WAITING };
    // The notes are of this page alone: it is left where it is.
    let site =
        Script::default().waiting_page(&soon).no_page().polls([Answer::Standing(A_MINUTE)]).watched(&then).serve();
    let visit = Visit::to(&site, 12);
    (visit.0.iter().filter_map(|entry| entry.alarm.clone()).collect(), visit)
}

const PRESS: &str = r#"document.querySelector("[aria-pressed]").click()"#;

#[test]
fn nobody_is_alarmed_who_has_not_asked_for_it() {
    assert_eq!(alarms("").0, [""; 0]);
    let twice = format!("setTimeout(() => {{ {PRESS}; {PRESS}; }}, 1000);");
    assert_eq!(alarms(&twice).0, ["audio", "tone", "asked", "silence"]);
}

#[test]
fn who_has_asked_for_it_is_called_by_sound_buzz_and_notification() {
    let (alarms, visit) = alarms(&format!("setTimeout(() => {PRESS}, 1000);"));
    let turn = "It's your turn – shop.example.com";
    assert_eq!(alarms, ["audio", "tone", "asked", "tone", "tone", "tone", "buzz", turn]);
    assert!(visit.last().along.is_some());
}

#[test]
fn the_tab_shows_the_place() {
    let icons = |standing: &Standing| {
        let site =
            Script::default().waiting_page(standing).no_page().polls([Answer::Standing(*standing)]).watched("").serve();
        Visit::to(&site, 2).last().icon.clone().unwrap()
    };
    let held = Standing { state: State::Full, ahead: None, ..WAITING };
    let (some, other) = (icons(&WAITING), icons(&Standing { ahead: Some(7), ..WAITING }));
    assert!(some.starts_with("data:image/png;base64,") && some != other && icons(&CALLED) != some);
    assert_eq!(icons(&held), "data:,");
}

#[test]
fn a_queue_that_is_not_open_yet_counts_down_to_it() {
    let opens = WAITING.server_time_s + 3_605;
    let closed = Standing {
        state: State::Closed,
        reason: Some(Reason::Closed),
        number: None,
        ahead: None,
        behind: None,
        wait: None,
        progress: None,
        poll_after_s: 30,
        opens_at_s: Some(opens),
        ..WAITING
    };
    let site =
        Script::default().closed_page(&closed, ClosedAs::NotOpen).polls([Answer::Standing(closed)]).watched("").serve();
    let visit = Visit::to(&site, 8);
    assert_eq!(visit.last().heading.as_deref(), Some("Not open yet"));
    let left = visit.changes(|shown| shown.left.clone().unwrap());
    let clocks: Vec<_> = left.iter().filter_map(|left| left.split(" · ").nth(1)).collect();
    assert!(clocks.windows(2).any(|pair| pair == ["1:00:00", "59:59"]), "{left:?}");
    assert!(left.iter().all(|left| left.starts_with("Opens ")), "{left:?}");
}
