use proptest::{option, prelude::*, sample::select};
use serde_json::{Value, json};
use sluice_admission::standing::{Reason, State, WaitRange};

use super::*;
use crate::samples::{STATES, WAITING, standing};

fn written(queue: &str, standing: &Standing, message: Option<&str>) -> String {
    let mut out = Vec::new();
    write(&mut out, queue, standing, message);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_documented_example_byte_for_byte() {
    let expected = concat!(
        r#"{"queue":"shop","state":"waiting","number":4711,"ahead":812,"behind":90,"#,
        r#""wait_seconds":{"low":70,"high":110},"progress":0.42,"poll_after_seconds":8,"#,
        r#""reason":null,"message":null,"server_time":1763712000,"code":"4K7-S","enter_within_seconds":null,"opens_at":null}"#
    );
    assert_eq!(written("shop", &WAITING, None), expected);
}

#[test]
fn what_is_not_known_is_null() {
    let expected = concat!(
        r#"{"queue":"shop","state":"joining","number":null,"ahead":null,"behind":null,"#,
        r#""wait_seconds":null,"progress":null,"poll_after_seconds":2,"#,
        r#""reason":null,"message":null,"server_time":0,"code":null,"enter_within_seconds":null,"opens_at":null}"#
    );
    let joining = Standing { poll_after_s: 2, server_time_s: 0, ..standing(State::Joining) };
    assert_eq!(written("shop", &joining, None), expected);
}

/// A poll is what most answers are: it stays small, with every member as long as it gets in a line of millions.
#[test]
fn a_document_without_a_message_is_at_most_350_bytes() {
    let longest = Standing {
        number: Some(10_000_000),
        ahead: Some(10_000_000),
        behind: Some(10_000_000),
        wait: Some(WaitRange { low_s: 86_400, high_s: 172_800 }),
        progress: Some(0.999),
        poll_after_s: 600,
        reason: Some(Reason::SeatsTaken),
        enter_within_s: Some(3_600),
        opens_at_s: Some(1_763_712_000),
        ..WAITING
    };
    let document = written("a-queue-with-a-longer-name", &longest, None);
    assert!(document.len() <= 350, "{} bytes", document.len());
}

#[test]
fn the_document_in_a_page_has_what_is_known_and_no_more() {
    for standing in STATES.map(standing).into_iter().chain([Standing { opens_at_s: Some(1), ..WAITING }]) {
        let mut out = Vec::new();
        write_known(&mut out, "shop", &standing);
        let mut whole: Value = serde_json::from_str(&written("shop", &standing, None)).unwrap();
        whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), whole);
    }
}

#[test]
fn appends_to_what_is_there() {
    let mut out = b"before".to_vec();
    write(&mut out, "shop", &WAITING, None);
    assert!(out.starts_with(b"before{"));
}

prop_compose! {
    fn standings()(
        state in select(&STATES[..]),
        number in option::of(any::<u64>()),
        ahead in option::of(any::<u64>()),
        behind in option::of(any::<u64>()),
        wait in option::of(any::<(u32, u32)>()),
        progress in option::of(0.0_f32..=1.0),
        poll_after_s in 1_u32..,
        reason in option::of(select(&Reason::ALL[..])),
        server_time_s in any::<u64>(),
        enter_within_s in option::of(any::<u32>()),
        opens_at_s in option::of(any::<u64>()),
    ) -> Standing {
        let wait = wait.map(|(a, b)| WaitRange { low_s: a.min(b), high_s: a.max(b) });
        Standing {
            state, number, ahead, behind, wait, progress, poll_after_s, reason, server_time_s, enter_within_s, opens_at_s,
        }
    }
}

proptest! {
    #[test]
    fn always_json_that_says_what_was_given(
        standing in standings(),
        queue in any::<String>(),
        message in option::of(any::<String>()),
    ) {
        let text = written(&queue, &standing, message.as_deref());
        let mut read: Value = serde_json::from_str(&text).unwrap();
        let progress = read["progress"].take();
        prop_assert_eq!(progress.is_null(), standing.progress.is_none());
        if let (Some(shown), Some(given)) = (progress.as_f64(), standing.progress) {
            prop_assert!((shown - f64::from(given)).abs() < 0.000_501);
        }
        prop_assert_eq!(read, json!({
            "queue": queue,
            "state": standing.state.as_str(),
            "number": standing.number,
            "ahead": standing.ahead,
            "behind": standing.behind,
            "wait_seconds": standing.wait.map(|wait| json!({"low": wait.low_s, "high": wait.high_s})),
            "progress": null,
            "poll_after_seconds": standing.poll_after_s,
            "reason": standing.reason.map(Reason::as_str),
            "message": message,
            "server_time": standing.server_time_s,
            "code": standing.number.map(|number| code::of(number).to_string()),
            "enter_within_seconds": standing.enter_within_s,
            "opens_at": standing.opens_at_s,
        }));
    }
}
