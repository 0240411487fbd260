//! A judge that never finds anything proves nothing: each of these faults must be found, by the promise that it breaks,
//! and the line without a fault must be found good.

use super::{
    CROWD, broken_promises,
    faulty::{
        BanksCreditWhileIdle, CallsAbsentNumbers, CallsTheParkedForEver, CountsALateReturnTwice, CountsAVisitTooMany,
        ForgetsHiddenPages, ForgetsSeats, IgnoresWeights, LetsNewcomersOvertake, LosesTheShareOfAnEmptyLane,
        StarvesALane, WastesTheRate,
    },
    run_on, scenario,
};
use crate::simulate::core::Core;
use sluice_admission::line::Line;

fn breaks<C: Core>(promise: &str) {
    finds::<C>(CROWD, promise);
}

fn finds<C: Core>(crowd: &str, promise: &str) {
    let report = run_on::<C>(&scenario(crowd));
    assert!(broken_promises(&report).iter().any(|p| p.name.starts_with(promise)), "not found:\n{}", report.to_text());
}

#[test]
fn the_line_itself_keeps_every_promise() {
    let report = run_on::<Line>(&scenario(CROWD));
    assert!(report.held, "{}", report.to_text());
}

#[test]
fn a_line_that_calls_absent_numbers_is_found() {
    breaks::<CallsAbsentNumbers>("no waste: calls reach somebody");
}

#[test]
fn a_line_that_lets_newcomers_overtake_is_found() {
    breaks::<LetsNewcomersOvertake>("order");
}

#[test]
fn a_line_that_banks_credit_while_idle_is_found() {
    breaks::<BanksCreditWhileIdle>("rate");
}

#[test]
fn a_line_that_forgets_seats_is_found() {
    // A site for which seats are short, and a crowd that stays in line.
    let crowd = CROWD.replace("max_active = 1600", "max_active = 800").replace("no_shows = 0.3", "no_shows = 0.0");
    let report = run_on::<Line>(&scenario(&crowd));
    assert!(report.held && report.figures.most_seats == 800, "{}", report.to_text());
    finds::<ForgetsSeats>(&crowd, "seats");
}

#[test]
fn a_line_that_counts_a_late_return_twice_is_found() {
    breaks::<CountsALateReturnTwice>("no waste: calls reach somebody");
}

#[test]
fn a_line_that_wastes_the_rate_is_found() {
    // A site with seats for all, so that the rate decides.
    let crowd = CROWD.replace("max_active = 1600\n", "");
    let report = run_on::<Line>(&scenario(&crowd));
    assert!(report.held && report.figures.rate_used.is_some(), "{}", report.to_text());
    finds::<WastesTheRate>(&crowd, "no waste: the rate is used");
}

#[test]
fn a_line_that_forgets_hidden_pages_is_found() {
    finds::<ForgetsHiddenPages>(include_str!("../../../scenarios/hidden-6.toml"), "forgiveness: a hidden page");
}

#[test]
fn a_line_that_calls_the_parked_for_ever_is_found() {
    finds::<CallsTheParkedForEver>(include_str!("../../../scenarios/parked.toml"), "no waste: a ticket that never");
}

#[test]
fn a_line_that_counts_a_visit_too_many_is_found() {
    let report = run_on::<CountsAVisitTooMany>(&scenario(CROWD));
    let broken: Vec<_> = broken_promises(&report).iter().map(|promise| promise.name).collect();
    assert_eq!(broken, ["analytics: every count is what happened"], "{}", report.to_text());
}

const WEIGHTS: &str = include_str!("../../../scenarios/lanes/weights.toml");

#[test]
fn a_line_that_ignores_weights_is_found() {
    finds::<IgnoresWeights>(WEIGHTS, "lanes: each is called by its weight");
}

#[test]
fn a_line_that_loses_the_share_of_an_empty_lane_is_found() {
    let crowd = include_str!("../../../scenarios/lanes/empty.toml");
    finds::<LosesTheShareOfAnEmptyLane>(crowd, "lanes: what one cannot use goes to the others");
}

#[test]
fn a_line_that_starves_a_lane_is_found() {
    finds::<StarvesALane>(WEIGHTS, "lanes: none that stands goes without a call");
}
