//! The waiting page in a real browser: what visitors see, and what the server sees of them.
//!
//! Needs Chromium, and fails without it: see `browser.rs`.

#![allow(clippy::unwrap_used, reason = "a test that panics has told its tale")]

mod browser;
mod site;
mod visit;

use std::time::Duration;

use browser::{visit, visit_without_javascript};
use site::{ADDRESS, Answer, INSIDE, Policy, READER, Script};
use sluice_admission::standing::{Reason, Standing, State, WaitRange};
use sluice_config::{ClosedAs, Language, settings::Name};
use sluice_waiting_room::page::{Form, PageInput, Pages, Reader, SentBy};
use sluice_waiting_room::words::locale;
use visit::{Visit, element, gaps};

const WAITING: Standing = Standing {
    state: State::Waiting,
    number: Some(4711),
    ahead: Some(812),
    behind: Some(90),
    wait: Some(WaitRange { low_s: 130, high_s: 230 }),
    progress: Some(0.4),
    poll_after_s: 8,
    reason: None,
    server_time_s: 1_763_712_000,
};
const JOINING: Standing =
    Standing { state: State::Joining, number: None, ahead: None, behind: None, wait: None, progress: None, ..WAITING };
const CALLED: Standing = Standing { state: State::Called, ahead: Some(0), wait: None, ..WAITING };
const BROKEN: Answer = Answer::Http("503 Service Unavailable", "content-type: text/plain", "no");

fn ahead(n: u64, progress: f32) -> Answer {
    Answer::Standing(Standing { ahead: Some(n), progress: Some(progress), ..WAITING })
}

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
    assert_eq!(site.requests(), [&address, poll, poll, &address]);
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
    // The first is left with its first poll, which a busy machine may make late.
    assert!(lived_ms[0] < 4900 && lived_ms[1] >= 4900 && lived_ms[2] >= 4900, "{lived_ms:?}");
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
fn a_form_that_was_stopped_tells_when_to_send_it_again_and_never_does_by_itself() {
    let then = r#"setTimeout(() => document.getElementById("back").click(), 30000);"#;
    let site =
        Script::default().form_page(&WAITING).polls([ahead(500, 0.5), Answer::Standing(CALLED)]).watched(then).serve();
    let visit = Visit::to(&site, 31);
    let titles = visit.changes(|shown| shown.title.clone());
    assert_eq!(
        titles,
        [
            "812 people ahead of you – shop.example.com",
            "500 people ahead of you – shop.example.com",
            "It's your turn – shop.example.com",
        ]
    );
    let called = visit.last();
    assert_eq!(called.heading.as_deref(), Some("It's your turn"));
    assert_eq!(called.text.as_deref(), Some("Go back now and send it again."));
    assert_eq!(called.back.as_deref(), Some("Go back"));
    assert_eq!(visit.changes(|shown| shown.back.is_some()), [false, true]);
    assert_eq!(visit.0.iter().filter_map(|entry| entry.went_back).count(), 1);
    assert_eq!(site.navigations(), 1, "it never loads the address by itself");
    assert!(site.requests().iter().all(|request| request.starts_with("GET ")));
    assert!(visit.poll_times_s().len() >= 3, "the place is kept while the visitor reads");
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

fn a_form() -> [(String, String); 4] {
    let field = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    [("submit", "x"), ("PaRes", "a+b/c=\r\n\"<'&"), ("ü", "€"), ("action", "https://evil.example/")].map(field)
}

#[test]
fn a_form_that_the_page_holds_is_sent_as_it_came_and_the_site_may_lead_on_to_another_one() {
    let shop = Script::default().page(INSIDE).serve();
    let then = r##"addEventListener("load", () => document.querySelector("#send button").click());"##;
    let site = Script::default()
        .form_page_with(&CALLED, Some(&a_form()))
        .polls([Answer::Standing(CALLED)])
        .watched(then)
        .leads_on_to(shop.url(ADDRESS))
        .serve();
    let dom = visit(&site.url(ADDRESS), Duration::from_secs(20));
    assert!(element(&dom, "inside").is_some(), "{dom}");
    let sent = "submit=x&PaRes=a%2Bb%2Fc%3D%0D%0A%22%3C%27%26&%C3%BC=%E2%82%AC&action=https%3A%2F%2Fevil.example%2F";
    let posts: Vec<_> = site.requests().into_iter().filter(|request| request.starts_with("POST")).collect();
    assert_eq!(posts, [format!("POST {ADDRESS} {sent}")]);
}

#[test]
fn a_form_that_the_page_holds_is_never_sent_by_itself() {
    let site = Script::default()
        .form_page_with(&WAITING, Some(&a_form()))
        .polls([Answer::Standing(CALLED)])
        .watched("")
        .serve();
    let visit = Visit::to(&site, 60);
    assert_eq!(visit.last().text.as_deref(), Some("Send it now."));
    assert!(site.requests().iter().all(|request| request.starts_with("GET ")));
    assert_eq!(site.navigations(), 1);
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

/// What the server writes by itself is what the browser's data of CLDR say, wherever it has any.
#[test]
fn plural_forms_and_digits_are_those_of_cldr() {
    const NUMBERS: [u64; 31] = [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        10,
        11,
        12,
        14,
        15,
        19,
        20,
        21,
        22,
        24,
        25,
        100,
        101,
        102,
        103,
        110,
        111,
        121,
        1234,
        12_345,
        1_000_000,
        123_456_789,
    ];
    let ask = format!(
        "<!doctype html><meta charset=utf-8><pre id=\"said\"></pre><script>
        const said = [];
        for (const tag of {tags:?}) {{
          const known = Intl.NumberFormat.supportedLocalesOf(tag).length > 0;
          const rules = new Intl.PluralRules(tag), format = new Intl.NumberFormat(tag);
          for (const n of {NUMBERS:?}) {{
            said.push(tag + \" \" + n + \" \" + rules.select(n) + \" \" + (known ? format.format(n) : \"?\"));
          }}
          said.push(tag + \" \" + rules.resolvedOptions().pluralCategories.slice().sort().join());
        }}
        document.getElementById(\"said\").textContent = said.join(\"\\n\");
        </script>",
        tags = Language::all().map(Language::tag).collect::<Vec<_>>(),
    );
    let site = Script::default().file("/cldr", Policy::Left, ask).serve();
    let dom = visit(&site.url("/cldr"), Duration::from_secs(5));
    let said = element(&dom, "said").unwrap().replace("&nbsp;", "\u{a0}");
    let mut known = 0;
    let mut lines = said.lines();
    for language in Language::all() {
        for n in NUMBERS {
            let line = lines.next().unwrap();
            let digits = if line.ends_with('?') { "?".to_owned() } else { locale::number(language, n) };
            known += u32::from(digits != "?");
            assert_eq!(line, format!("{language} {n} {} {digits}", locale::plural(language, n).name()));
        }
        let mut forms: Vec<_> = locale::plurals(language).iter().map(|form| form.name()).collect();
        forms.sort_unstable();
        assert_eq!(lines.next().unwrap(), format!("{language} {}", forms.join(",")));
    }
    assert!(known > 40 * 31, "the browser knows most of them");
}

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
