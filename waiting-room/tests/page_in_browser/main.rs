//! The waiting page in a real browser: what visitors see, and what the server sees of them.
//!
//! Needs Chromium, and fails without it: see `browser.rs`.

#![allow(clippy::unwrap_used, reason = "a test that panics has told its tale")]

mod bench;
mod entering;
mod forms;
mod languages;
mod layout;
mod moving;
mod polling;
mod showing;
mod turn;

use bench::site::Answer;
use sluice_admission::standing::{Standing, State, WaitRange};

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
    enter_within_s: None,
    opens_at_s: None,
};
const JOINING: Standing =
    Standing { state: State::Joining, number: None, ahead: None, behind: None, wait: None, progress: None, ..WAITING };
const CALLED: Standing = Standing { state: State::Called, ahead: Some(0), wait: None, ..WAITING };
const BROKEN: Answer = Answer::Http("503 Service Unavailable", "content-type: text/plain", "no");

fn ahead(n: u64, progress: f32) -> Answer {
    Answer::Standing(Standing { ahead: Some(n), progress: Some(progress), ..WAITING })
}
