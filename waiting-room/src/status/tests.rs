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
        r#""reason":null,"message":null,"server_time":1763712000,"code":"4K7-S"}"#
    );
    assert_eq!(written("shop", &WAITING, None), expected);
}

#[test]
fn what_is_not_known_is_null() {
    let expected = concat!(
        r#"{"queue":"shop","state":"joining","number":null,"ahead":null,"behind":null,"#,
        r#""wait_seconds":null,"progress":null,"poll_after_seconds":2,"#,
        r#""reason":null,"message":null,"server_time":0,"code":null}"#
    );
    let joining = Standing { poll_after_s: 2, server_time_s: 0, ..standing(State::Joining) };
    assert_eq!(written("shop", &joining, None), expected);
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
    ) -> Standing {
        let wait = wait.map(|(a, b)| WaitRange { low_s: a.min(b), high_s: a.max(b) });
        Standing { state, number, ahead, behind, wait, progress, poll_after_s, reason, server_time_s }
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
        }));
    }
}
