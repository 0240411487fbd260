//! A run as it should be, made by hand, and the same with one thing wrong: the judge must find that, and nothing else.

use std::collections::BTreeMap;

use sluice_admission::line::number_of;

use super::*;
use crate::attack::{people::story::Wait, report::broken};

const CROWD: u64 = 900;
const BURST: u64 = 10;
const POLL_US: Us = 2 * SECOND_US;
const TRIP_US: Us = 5_000;
const VISIT_US: Us = 2 * SECOND_US;

const LIMITS: Limits = Limits {
    release_per_minute: 600,
    burst: 10,
    seats: 100,
    weights: None,
    session_idle_s: 10,
    claim_within_s: 30,
    heard_within_us: 250_000,
};

const ORDER: &str = "order: nobody present is overtaken";
const ORDER_AT_ORIGIN: &str = "order: the origin saw it";
const RATE: &str = "rate: in no 60 s more calls than allowed";
const BURST_KEPT: &str = "burst: in no time more than it and the rate allow";
const SEATS: &str = "seats: never more than there are";
const NO_WASTE: &str = "no waste: the rate reaches the origin while people stand";
const FIRST_SHOWN: &str = "truth: the first shown wait holds";
const EVERY_SHOWN: &str = "truth: every shown wait holds";
const POSITION: &str = "truth: the position never rises";
const PLACE: &str = "forgiveness: nobody loses a place";
const CALL_KEPT: &str = "a call is kept, and a visit is not cut short";
const GETS_IN: &str = "everybody who stays gets in";
const PASS: &str = "nobody reaches the origin without a pass";
const FOR_NOTHING: &str = "nothing for nothing: no cookie, no number";
const ERRORS: &str = "no error without an explanation";

/// When a number is called: a burst first, then at five sixths and more of the rate for a minute, as the window has it.
fn called_us(number: u64) -> Us {
    let milli = |after: u64, per_minute: u64| after * 60_000_000 / per_minute;
    match number {
        0..=BURST => SECOND_US,
        11..=600 => SECOND_US + milli(number - BURST, 590),
        _ => SECOND_US + milli(590, 590) + milli(number - 600, 600),
    }
}

/// What a visitor with this number tells who is called at some time; and what the origin saw of it.
fn visitor(number: u64, called_us: Us) -> (Story, Vec<Hit>) {
    let who = u32::try_from(number).expect("a small number");
    let mut story = Story { who, stays: true, steady: true, numbers: vec![number], ..Story::default() };
    // They come in the order of their numbers, and ask at different times.
    let mut asked_us = number * 1_000;
    story.called_after_us = asked_us;
    while asked_us < called_us {
        let answered_us = asked_us + TRIP_US;
        let left_s = u32::try_from((called_us - asked_us) / SECOND_US).expect("a small number");
        let shown_s = Some((left_s.saturating_sub(2), left_s + 4));
        story.waits.push(Wait { asked_us, answered_us, held: false, told_s: 2, shown_s });
        story.called_after_us = asked_us;
        // Once sooner than told, so that not all of them ask at the same moments.
        let sooner_us = if story.waits.len() == 1 { number * 737_000 % POLL_US } else { 0 };
        asked_us = answered_us + POLL_US - sooner_us;
    }
    let called_by_us = asked_us + TRIP_US;
    let entry_us = called_by_us + TRIP_US;
    story.called_by_us = Some(called_by_us);
    story.entered_us = Some(entry_us + TRIP_US);
    story.ended = true;
    let hit = |at_us, page| Hit { at_us, who: Who::Visitor(who), page };
    let hits = vec![
        hit(entry_us, Page::Home),
        hit(entry_us + VISIT_US / 2, Page::Inside),
        hit(entry_us + VISIT_US, Page::End),
    ];
    (story, hits)
}

/// A run in which everybody is called at these times.
fn run(called_us: impl Fn(u64) -> Us) -> Evidence {
    let (stories, hits): (Vec<_>, Vec<_>) = (1..=CROWD).map(|number| visitor(number, called_us(number))).unzip();
    let tried = Tried { tried: BTreeMap::from([(Trick::Cookieless, 50)]), ..Tried::default() };
    let (mishaps, excused) = (Vec::new(), Vec::new());
    let in_force = InForce::always(LIMITS);
    Evidence { limits: LIMITS, in_force, stories, hits: hits.concat(), tried, mishaps, excused }
}

fn sound() -> Evidence {
    run(called_us)
}

#[track_caller]
fn finds(evidence: &Evidence, wrong: &[&str]) {
    let promises = Figures::of(evidence).judge(&evidence.limits);
    let found = broken(&promises);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), wrong, "{found:#?}");
}

#[test]
fn a_run_as_it_should_be_is_not_complained_of() {
    let evidence = sound();
    finds(&evidence, &[]);
    let figures = Figures::of(&evidence);
    assert_eq!(figures.entered, usize::try_from(CROWD).expect("a small number"));
    assert!(figures.rate_used.is_some_and(|used| used > 0.99), "{:?}", figures.rate_used);
    // It must come near enough to the bounds that a judge who sees little does not pass for one who sees nothing.
    assert!(figures.most_called_in_60_s > 540, "{}", figures.most_called_in_60_s);
}

const WEIGHTS: &str = "lanes: both are called by their weights while both stand";

/// The sound run in two lanes: so many of four are called in the second one.
fn in_lanes(second: u64) -> Evidence {
    let mut evidence = sound();
    evidence.limits.weights = Some([1, 3]);
    let mut issued = [0; 2];
    for (at, story) in evidence.stories.iter_mut().enumerate() {
        let lane = usize::from(at as u64 % 4 < second);
        issued[lane] += 1;
        story.numbers = vec![number_of(lane, issued[lane])];
    }
    evidence
}

#[test]
fn lanes_that_are_called_by_their_weights_are_not_complained_of_and_others_are_found() {
    finds(&in_lanes(3), &[]);
    finds(&in_lanes(2), &[WEIGHTS]);
    // One after the other, as if the first had no end.
    let mut evidence = sound();
    evidence.limits.weights = Some([1, 3]);
    let half = evidence.stories.len() / 2;
    for (at, story) in evidence.stories.iter_mut().enumerate() {
        let lane = usize::from(at >= half);
        story.numbers = vec![number_of(lane, (at - lane * half) as u64 + 1)];
    }
    finds(&evidence, &[WEIGHTS]);
    // Who is called later than somebody of another lane is not overtaken, and who is in the same one is.
    let mut evidence = in_lanes(3);
    let number = |evidence: &Evidence, at: usize| evidence.stories[at].numbers.clone();
    let (early, late) = (number(&evidence, 200), number(&evidence, 600));
    (evidence.stories[200].numbers, evidence.stories[600].numbers) = (late, early);
    finds(&evidence, &[ORDER, ORDER_AT_ORIGIN]);
}

#[test]
fn a_rate_that_is_doubled_is_found() {
    let twice = |number| SECOND_US + (called_us(number) - SECOND_US) / 2;
    finds(&run(twice), &[BURST_KEPT, RATE]);
}

#[test]
fn a_rate_that_is_a_tenth_too_high_is_found() {
    let faster = |number| SECOND_US + (called_us(number) - SECOND_US) * 10 / 11;
    let evidence = run(faster);
    let promises = Figures::of(&evidence).judge(&LIMITS);
    assert!(broken(&promises).contains_key(BURST_KEPT), "{promises:#?}");
}

#[test]
fn too_many_at_once_are_found() {
    // A hundred at once, after nobody was called for as long.
    let at_once = |number| if number > 800 { called_us(900) } else { called_us(number) };
    let evidence = run(at_once);
    let promises = Figures::of(&evidence).judge(&LIMITS);
    assert!(broken(&promises).contains_key(BURST_KEPT), "{promises:#?}");
}

#[test]
fn two_who_are_called_in_each_others_place_are_found() {
    let swapped = |number| {
        called_us(if number == 200 {
            260
        } else if number == 260 {
            200
        } else {
            number
        })
    };
    let evidence = run(swapped);
    let figures = Figures::of(&evidence);
    // Everybody between them was passed over by the higher one, but for those who learned of their call by then.
    assert!(figures.overtaken.iter().any(|&(number, _)| number == 200), "{:?}", figures.overtaken);
    assert!(figures.overtaken.iter().all(|&(number, by)| number == 200 || by == 260), "{:?}", figures.overtaken);
    let promises = figures.judge(&LIMITS);
    assert!(broken(&promises).keys().all(|name| [ORDER, ORDER_AT_ORIGIN].contains(name)), "{promises:#?}");
    assert!(broken(&promises).contains_key(ORDER));
}

#[test]
fn who_comes_to_the_origin_long_after_a_higher_number_is_found() {
    let mut evidence = sound();
    // By what it was told nobody can say when it was called; but it was there, and it came 20 s after those behind it.
    let (mut story, hits) = visitor(500, called_us(700));
    for wait in story.waits.iter_mut().filter(|wait| wait.asked_us >= called_us(500)) {
        wait.held = true;
    }
    evidence.stories[499] = story;
    evidence.hits.retain(|hit| hit.who != Who::Visitor(500));
    evidence.hits.extend(hits);
    finds(&evidence, &[ORDER_AT_ORIGIN]);
    // A line that could not be asked meanwhile explains that; so do its own slow answers.
    evidence.excused.push((called_us(500), called_us(690)));
    finds(&evidence, &[]);
    evidence.excused.clear();
    evidence.stories[499].late_us = 20 * SECOND_US;
    finds(&evidence, &[]);
}

#[test]
fn who_comes_back_late_was_not_overtaken() {
    let mut evidence = sound();
    // Silent between two polls for 30 s, while others were called; let in as soon as it is back.
    let (mut story, hits) = visitor(300, called_us(600));
    story.waits.retain(|wait| !(called_us(200)..called_us(595)).contains(&wait.asked_us));
    evidence.stories[299] = story;
    evidence.hits.retain(|hit| hit.who != Who::Visitor(300));
    evidence.hits.extend(hits);
    // Its shown wait did not hold; everybody else's did.
    finds(&evidence, &[]);
}

#[test]
fn one_more_inside_than_there_are_seats_is_found() {
    let mut evidence = sound();
    let most = u32::try_from(Figures::of(&evidence).crowded.inside).expect("a small number");
    evidence.in_force = InForce::always(Limits { seats: most, ..LIMITS });
    // Seats that are almost all taken are not free: the use of the rate is not judged then.
    finds(&evidence, &[]);
    evidence.in_force = InForce::always(Limits { seats: most - 1, ..LIMITS });
    finds(&evidence, &[SEATS]);
}

/// When the limits are changed, and the first 600 have just been called: it is answered 50 ms later.
const CHANGED_US: Us = 61 * SECOND_US;

/// A run in which the limits are changed, and the numbers above 600 are called from `next_us` later on, `each_us` apart.
fn changed(to: Limits, next_us: Us, each_us: Us) -> Evidence {
    let later = |number: u64| CHANGED_US + next_us + (number - 600) * each_us;
    let mut evidence = run(|number| if number > 600 { later(number) } else { called_us(number) });
    evidence.in_force.change(to, CHANGED_US, CHANGED_US + 50_000);
    evidence
}

#[test]
fn a_rate_that_is_lowered_and_not_kept_is_found() {
    let to = Limits { release_per_minute: 480, ..LIMITS };
    // The calls of the higher rate count: a fifth of them must be a minute old before anybody else is called.
    finds(&changed(to, 11_500_000, 125_000), &[]);
    // As if nothing had been changed; and as if the minute began anew with the change.
    finds(&changed(to, 0, 100_000), &[BURST_KEPT, RATE]);
    finds(&changed(to, 0, 125_000), &[BURST_KEPT, RATE]);
    // Nobody is called for much longer than that.
    finds(&changed(to, 20_000_000, 125_000), &[NO_WASTE]);
}

#[test]
fn a_rate_that_is_raised_is_to_be_used() {
    let to = Limits { release_per_minute: 720, ..LIMITS };
    finds(&changed(to, 0, 83_400), &[]);
    finds(&changed(to, 0, 100_000), &[NO_WASTE]);
    // It does not count before it may be in force.
    let mut evidence = run(|number| SECOND_US + (called_us(number) - SECOND_US) * 10 / 12);
    evidence.in_force.change(to, 80 * SECOND_US, 80 * SECOND_US + 50_000);
    assert!(broken(&Figures::of(&evidence).judge(&LIMITS)).contains_key(RATE));
}

#[test]
fn seats_that_are_taken_back_are_not_given_anew() {
    let to = Limits { seats: 12, ..LIMITS };
    // Those who are inside stay. Nobody else is called until there is room.
    finds(&changed(to, 5_000_000, 250_000), &[]);
    finds(&changed(to, 0, 100_000), &[SEATS]);
}

#[test]
fn a_wait_in_which_the_limits_are_changed_cannot_be_foreseen() {
    let to = Limits { release_per_minute: 480, ..LIMITS };
    let mut evidence = changed(to, 11_500_000, 125_000);
    let is_before = |wait: &&mut Wait| wait.answered_us < CHANGED_US;
    let waits = evidence.stories[600..].iter_mut().flat_map(|story| &mut story.waits);
    waits.filter(is_before).for_each(|wait| wait.shown_s = Some((0, 0)));
    finds(&evidence, &[]);
    let waits = evidence.stories[600..].iter_mut().flat_map(|story| &mut story.waits);
    waits.for_each(|wait| wait.shown_s = Some((0, 0)));
    assert!(broken(&Figures::of(&evidence).judge(&LIMITS)).contains_key(EVERY_SHOWN));
}

#[test]
fn whoever_gets_in_without_a_pass_is_found() {
    for who in [Who::Outlaw(3), Who::Stranger] {
        let mut evidence = sound();
        evidence.hits.push(Hit { at_us: called_us(400), who, page: Page::Home });
        finds(&evidence, &[PASS]);
    }
    let mut evidence = sound();
    // At the other queue's door anybody may be.
    evidence.hits.push(Hit { at_us: called_us(400), who: Who::Outlaw(3), page: Page::Other });
    finds(&evidence, &[]);
}

#[test]
fn whoever_the_origin_saw_and_no_answer_let_in_is_found() {
    let mut evidence = sound();
    (evidence.stories[499].entered_us, evidence.stories[499].stays) = (None, false);
    evidence.stories[499].called_by_us = None;
    finds(&evidence, &[PASS]);
}

#[test]
fn places_that_are_lost_are_found() {
    let mut evidence = sound();
    evidence.stories[499].lost = true;
    finds(&evidence, &[PLACE]);
    let mut evidence = sound();
    evidence.stories[499].numbers.push(901);
    finds(&evidence, &[PLACE]);
    let mut evidence = sound();
    evidence.stories[499].numbers = vec![499];
    finds(&evidence, &[PLACE]);
}

#[test]
fn calls_that_come_to_nothing_are_found() {
    let mut evidence = sound();
    evidence.stories[499].entered_us = None;
    evidence.hits.retain(|hit| hit.who != Who::Visitor(500));
    finds(&evidence, &[CALL_KEPT, GETS_IN]);
    let mut evidence = sound();
    evidence.stories[499].refused_inside = Some(9 * SECOND_US);
    finds(&evidence, &[CALL_KEPT]);
    // A visit may be over when nothing was asked for so long.
    evidence.stories[499].refused_inside = Some(10 * SECOND_US);
    finds(&evidence, &[]);
}

#[test]
fn a_rate_that_is_not_used_is_found() {
    let slower = |number| SECOND_US + (called_us(number) - SECOND_US) * 100 / 97;
    finds(&run(slower), &[NO_WASTE]);
}

#[test]
fn shown_waits_that_do_not_hold_are_found() {
    let mut evidence = sound();
    let longer = evidence.stories.iter_mut().filter(|story| story.who.is_multiple_of(4));
    longer.flat_map(|story| &mut story.waits).for_each(|wait| wait.shown_s = Some((0, 0)));
    finds(&evidence, &[EVERY_SHOWN, FIRST_SHOWN]);
    let mut evidence = sound();
    evidence.stories[499].fell_back = 1;
    finds(&evidence, &[POSITION]);
}

#[test]
fn a_number_for_nothing_and_an_error_without_reason_are_found() {
    let mut evidence = sound();
    evidence.tried.numbers_for_nothing = 1;
    finds(&evidence, &[FOR_NOTHING]);
    let mut evidence = sound();
    evidence.mishaps.push(Mishap { at_us: 30 * SECOND_US, kind: "poll: no answer".to_owned() });
    finds(&evidence, &[ERRORS]);
    evidence.excused.push((29 * SECOND_US, 31 * SECOND_US));
    finds(&evidence, &[]);
}
