//! What the page shows and says.

use std::time::Duration;

use sluice_admission::standing::{Reason, Standing, State, WaitRange};
use sluice_config::{ClosedAs, Language, settings::Name};
use sluice_waiting_room::page::{Board, Form, PageInput, Pages, Reader, SentBy};

use crate::{
    CALLED, JOINING, WAITING, ahead,
    bench::{
        browser::visit,
        site::{ADDRESS, Answer, Policy, READER, Script},
        visit::{Visit, element},
    },
};

#[test]
fn the_position_never_rises_and_progress_never_falls() {
    let answers = [ahead(100, 0.5), ahead(120, 0.45), ahead(90, 0.6), ahead(95, 0.55), ahead(1, 0.9), ahead(0, 0.99)];
    let site = Script::default().waiting_page(&WAITING).polls(answers).watched("").serve();
    let visit = Visit::to(&site, 60);
    let shown = visit.changes(|shown| shown.ahead.clone().unwrap_or_default());
    assert_eq!(shown, ["812", "100", "90", "1", ""]);
    assert_eq!(visit.changes(|shown| shown.progress), [0.4, 0.5, 0.6, 0.9, 0.99]);
    assert_eq!(
        visit.changes(|shown| shown.title.clone()),
        [
            "812 people ahead of you – shop.example.com",
            "100 people ahead of you – shop.example.com",
            "90 people ahead of you – shop.example.com",
            "1 person ahead of you – shop.example.com",
            "You are next – shop.example.com",
        ]
    );
}

/// An operator's reset hands out new numbers: an old position would be a lie.
#[test]
fn another_number_is_another_place() {
    let other = Standing { number: Some(9), ahead: Some(900), progress: Some(0.1), ..WAITING };
    let site = Script::default().waiting_page(&WAITING).polls([Answer::Standing(other)]).watched("").serve();
    let visit = Visit::to(&site, 20);
    assert_eq!(visit.changes(|shown| shown.ahead.clone()), [Some("812".to_owned()), Some("900".to_owned())]);
    assert_eq!(visit.last().progress, 0.1);
}

#[test]
fn every_page_reads_the_same_before_and_after_the_script() {
    let outside = JOINING;
    let mut standings: Vec<Standing> = vec![
        JOINING,
        WAITING,
        CALLED,
        Standing { state: State::Admitted, ..CALLED },
        Standing { state: State::Held, wait: None, ..WAITING },
        Standing { state: State::Closed, ..WAITING },
        Standing { state: State::Closed, ..outside },
        Standing { state: State::Full, ..outside },
        Standing { ahead: Some(0), ..WAITING },
        Standing { ahead: Some(1), behind: Some(0), ..WAITING },
        Standing { ahead: Some(1_234_567), behind: Some(12_345), number: Some(100_000), ..WAITING },
        Standing { ahead: None, behind: None, wait: None, progress: None, ..WAITING },
    ];
    standings.extend(Reason::ALL.map(|reason| Standing { reason: Some(reason), wait: None, ..WAITING }));
    const MINUTE: u32 = 60;
    const HOUR: u32 = 60 * MINUTE;
    standings.extend(
        [
            (0, 0),
            (5, MINUTE),
            (59, 61),
            (3 * MINUTE, 3 * MINUTE),
            (19 * MINUTE, 20 * MINUTE),
            (22 * MINUTE, 20 * MINUTE + 1),
            (22 * MINUTE, 31 * MINUTE),
            (61 * MINUTE, 2 * HOUR),
            (59 * MINUTE, 2 * HOUR + 1),
            (HOUR, 3 * HOUR),
            (3 * HOUR, 3 * HOUR),
            (24 * HOUR, 25 * HOUR),
        ]
        .map(|(low_s, high_s)| Standing { wait: Some(WaitRange { low_s, high_s }), ..WAITING }),
    );

    let queue = Name::new("shop").unwrap();
    let mut script = Script::default().file("/compare", Policy::Left, include_bytes!("compare.html"));
    let mut pages = 0;
    for standing in &standings {
        let message = Some("First line.\nSecond line, <b>plain</b>.");
        // English, and a language in which both plural forms and digits differ.
        let language = Language::of(["en", "fa", "pl", "ar"][pages % 4]);
        let input = PageInput {
            reader: Reader { language, ..READER },
            queue: &queue,
            closed_as: ClosedAs::SoldOut,
            standing,
            message,
            slip: None,
        };
        let fields = [("order".to_owned(), "4711".to_owned())];
        let form = |fields| {
            let form = Form { fields, sent_by: &SentBy::SomeSite, line_path: ADDRESS };
            Pages::of_no_tenant().form_unsent(&input, &form)
        };
        for page in [Pages::of_no_tenant().waiting(&input), form(None), form(Some(&fields))] {
            script = script.file(format!("/rendered/{pages}"), Policy::Sent, page);
            pages += 1;
        }
    }
    let dom = visit(&script.serve().url("/compare"), Duration::from_secs(600));
    assert_eq!(element(&dom, "report").as_deref(), Some(""), "{dom}");
    assert!(dom.contains(&format!("<title>compared {pages}</title>")));
}

#[test]
fn says_when_cookies_do_not_come_back() {
    let site = Script::default().waiting_page(&JOINING).polls([Answer::Standing(JOINING)]).watched("").serve();
    let visit = Visit::to(&site, 60);
    let told = visit.0.iter().position(|entry| entry.shown.as_ref().is_some_and(|shown| shown.cookies.is_some()));
    let polls_before = visit.0[..told.unwrap()].iter().filter(|entry| entry.polls_in_flight.is_some()).count();
    assert_eq!(polls_before, 3);
    assert_eq!(site.navigations(), 1);
}

#[test]
fn says_at_once_when_the_browser_takes_no_cookies() {
    let then = r#"Object.defineProperty(navigator, "cookieEnabled", { get: () => false });"#;
    let site = Script::default().waiting_page(&JOINING).polls([Answer::Standing(JOINING)]).watched(then).serve();
    assert!(Visit::to(&site, 1).last().cookies.is_some());
}

/// While the store is unavailable no visitor gets a number, cookies or not.
#[test]
fn does_not_blame_cookies_for_a_store_that_is_away() {
    let away = Standing { reason: Some(Reason::StoreAway), ..JOINING };
    let site = Script::default().waiting_page(&away).polls([Answer::Standing(away)]).watched("").serve();
    let visit = Visit::to(&site, 60);
    assert!(visit.poll_times_s().len() > 4);
    assert!(visit.shown().all(|shown| shown.cookies.is_none() && shown.reason.is_some()));
}

#[test]
fn a_screen_reader_hears_changes_of_state_at_once_and_the_rest_now_and_then() {
    let quick = Standing { poll_after_s: 2, ..WAITING };
    let mut polls: Vec<Answer> =
        (0..40).map(|n| Answer::Standing(Standing { ahead: Some(800 - n), ..quick })).collect();
    polls.push(Answer::Standing(Standing {
        state: State::Held,
        ahead: Some(700),
        wait: None,
        reason: Some(Reason::Paused),
        ..quick
    }));
    let site = Script::default().waiting_page(&quick).polls(polls).watched("").serve();
    let visit = Visit::to(&site, 95);
    let mut spoken: Vec<(u64, String)> = Vec::new();
    for entry in &visit.0 {
        let Some(live) = entry.shown.as_ref().and_then(|shown| shown.live.clone()) else { continue };
        if !live.is_empty() && spoken.last().is_none_or(|(_, last)| *last != live) {
            spoken.push((entry.at_ms / 1000, live));
        }
    }
    let (changes, regular): (Vec<_>, Vec<_>) = spoken.iter().partition(|(_, text)| text.contains("on hold"));
    assert_eq!(changes.len(), 1, "{spoken:?}");
    assert!(changes[0].1.contains("The site has paused the line."), "{spoken:?}");
    assert_eq!(regular.len(), 2, "{spoken:?}");
    assert!(regular[0].0 >= 30 && regular[1].0 >= regular[0].0 + 30, "{spoken:?}");
    assert!(regular[0].1.starts_with("You are in line. 7"), "{spoken:?}");
    assert!(regular[0].1.ends_with(" people ahead of you. about 2–4 minutes"), "{spoken:?}");
}

#[test]
fn a_standing_line_says_why_and_moves_on() {
    let full = Standing { wait: None, reason: Some(Reason::SeatsTaken), ..WAITING };
    let site =
        Script::default().waiting_page(&WAITING).polls([Answer::Standing(full), ahead(800, 0.41)]).watched("").serve();
    let visit = Visit::to(&site, 30);
    assert_eq!(visit.changes(|shown| shown.reason.is_some()), [false, true, false]);
    assert_eq!(visit.changes(|shown| shown.wait.is_some()), [true, false, true]);
}

/// No person reloads a board on a wall, and a moment without an answer must not end it.
#[test]
fn the_board_takes_what_it_shows_anew_and_outlives_an_error() {
    let board = |calling| Pages::of_no_tenant().board(READER, &Board { calling, waiting: 7, newcomer: &JOINING });
    let site = Script::default().page(board(11)).page("<p>Bad gateway").page(board(12)).serve();
    let dom = visit(&site.url(ADDRESS), Duration::from_secs(18));
    assert!(dom.contains("<p class=\"huge\">12</p>"), "{dom}");
    assert!(site.navigations() >= 3, "{:?}", site.requests());
}
