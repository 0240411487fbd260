//! Sales made by hand, of one visitor each: what the table says of them.

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::{
    crowd::{
        journey::Story,
        limits::Limits,
        plan::{Patience, Plan, Visit},
    },
    support::{dice::Dice, origin::Hit},
};

const SECOND: Duration = Duration::from_secs(1);
const LIMITS: Limits = Limits {
    release_per_minute: 60,
    burst: 10,
    seats: 10,
    session_idle: Duration::from_secs(30),
    claim_within: Duration::from_secs(10),
    heard_within: Duration::ZERO,
};

/// The store is unavailable from the third second to the sixth; a visitor asks at these seconds, and reaches the origin at
/// this one.
fn sale(asks: &[u32], enters: u32) -> Row {
    let start = Instant::now();
    let at = |second: u32| start + SECOND * second;
    let plan = Plan {
        visitor: 7,
        arrives: Duration::ZERO,
        patience: Patience::Stays,
        requests_inside: |_| 0,
        visit: Visit::Ends,
        dice: Dice(7),
    };
    let asked = asks.iter().map(|&second| at(second)).collect();
    let mut story = Story::new(plan);
    (story.asked, story.called_by, story.entered) = (asked, Some(at(enters)), Some(at(enters)));
    let headers = HeaderMap::from_iter([("x-visitor".parse().unwrap(), HeaderValue::from_static("7"))]);
    let (method, target) = ("GET".to_owned(), "/".to_owned());
    let hit = Hit { at: at(enters), method, target, headers, body: Default::default() };
    let shop = Judge::new(LIMITS, vec![story], &[hit], Vec::new());
    let club = Judge::new(LIMITS, Vec::new(), &[], Vec::new());
    let times = Times { happened: at(2), away: Some(at(3)..at(6)), over: at(7), closed: at(20) };
    Row::new("none", [&shop, &club], times)
}

#[test]
fn a_visitor_who_asks_and_gets_in_while_the_store_is_away_is_let_in_wrongly() {
    assert_eq!(sale(&[1, 4], 5).let_in_wrongly(), 1);
    // A request that was given up, and made again.
    assert_eq!(sale(&[2, 4], 4).let_in_wrongly(), 1);
}

#[test]
fn a_request_that_was_under_way_when_the_store_went_is_no_fault_however_late_it_arrives() {
    assert_eq!(sale(&[2], 5).let_in_wrongly(), 0);
    assert_eq!(sale(&[1, 2, 7], 5).let_in_wrongly(), 0, "what it asks for later has not let it in");
}

#[test]
fn whoever_is_let_in_as_soon_as_a_node_can_reach_the_store_is_no_fault_though_others_cannot_yet() {
    assert_eq!(sale(&[4, 6], 6).let_in_wrongly(), 0);
}

#[test]
fn a_row_has_a_cell_for_every_heading() {
    let row = sale(&[1], 1).to_string();
    let lines: Vec<_> = HEADING.lines().chain(row.lines()).collect();
    let cells: Vec<_> = lines.iter().map(|line| line.matches('|').count()).collect();
    assert_eq!(cells, [cells[0]; 3], "{lines:?}");
    // For whoever puts the table together.
    tell(HEADING);
}
