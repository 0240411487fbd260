//! The policy by itself: what was brought and how the line is seen go in, what is to be done comes out.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use super::*;
use crate::{
    estimate::Speedometer,
    line::{Blocks, HOLD_MS_MAX, LaneSummary, PerLane, Summary, Verdict, number_of},
    standing::Reason,
    usher::{Ended, Unanswered, Word as Told, tests::rules},
};

const NOW_MS: u64 = 1_700_000_000_000;
const IDLE_MS: u64 = 600_000;

static NONE_ENDED: LazyLock<Ended> = LazyLock::new(Ended::default);

#[derive(Default)]
struct Holds {
    pass: Option<Pass>,
    lapsed_pass: Option<Pass>,
    ticket: Option<Ticket>,
    slip: Option<Slip>,
}

impl Brought for Holds {
    fn pass(&self) -> Option<Pass> {
        self.pass
    }
    fn lapsed_pass(&self) -> Option<Pass> {
        self.lapsed_pass
    }
    fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }
    fn slip(&self) -> Option<Slip> {
        self.slip
    }
    fn fresh_id(&self) -> u64 {
        77
    }
}

fn policy() -> Policy {
    Policy {
        on_store_loss: None,
        session_idle: Duration::from_millis(IDLE_MS),
        session_max: Duration::from_secs(43_200),
    }
}

/// A line that stands: 40 called, 100 handed out.
fn summary() -> Summary {
    let blocks = Blocks { start: 0, counts: vec![60] };
    let lane = LaneSummary { head: 40, issued: 100, waiting: 60, blocks, ..LaneSummary::default() };
    let lanes = PerLane::one(lane);
    Summary { epoch: 1, lanes, waiting: 60, standing: true, now_ms: NOW_MS, ..Summary::default() }
}

fn look<'a>(summary: &'a Summary, speeds: &'a PerLane<crate::estimate::Speed>) -> Look<'a> {
    Look {
        summary,
        speeds,
        store_answers: true,
        now_ms: NOW_MS,
        mode: Mode::Auto,
        tick_ms: 100,
        grace_ms: 1_500,
        ended: &NONE_ENDED,
        answers_for_ms: 100_000,
        away_ms: 0,
        trickle: None,
    }
}

/// Does with a look at a line that stands what the test says.
fn seen<T>(of: impl FnOnce(&Look<'_>) -> T) -> T {
    let summary = summary();
    let speed = PerLane::one(Speedometer::default().observe(&rules(), &summary));
    of(&look(&summary, &speed))
}

fn asks(errand: Errand) -> Request {
    Request { errand, embedded: false, hidden: false, lane: None }
}

fn ticket(number: u64) -> Ticket {
    Ticket { epoch: 1, number, issued_at_ms: NOW_MS - 60_000, ahead_first: 90, ahead_shown: 50 }
}

fn done(step: Step) -> Decided {
    let Step::Done(decided) = step else { panic!("{step:?}") };
    decided
}

#[test]
fn a_ticket_above_the_head_leaves_a_mark_and_asks_nobody() {
    let holds = Holds { ticket: Some(ticket(80)), ..Holds::default() };
    let decided = seen(|look| done(policy().decide(&holds, asks(Errand::Status), look)));
    assert!(matches!(
        decided.marks.iter().collect::<Vec<_>>()[..],
        [Mark { epoch: 1, word: Told::Seen { seen: Seen { number: 80, .. }, .. } }]
    ));
    // Fewer are ahead than were shown: the ticket says so from now on.
    assert!(matches!(decided.handed.ticket, Word::Set(Ticket { number: 80, ahead_shown: 39, .. })));
}

#[test]
fn a_ticket_of_a_lane_that_the_line_does_not_have_yet_goes_on_showing_what_was_shown() {
    let number = number_of(3, 7);
    let holds = Holds { ticket: Some(ticket(number)), ..Holds::default() };
    let decided = seen(|look| done(policy().decide(&holds, asks(Errand::Status), look)));
    let Passage::Parked(standing) = decided.verdict else { panic!("{decided:?}") };
    assert_eq!((standing.number, standing.ahead), (Some(7), Some(50)));
    // With the mark the line will have it.
    let word = decided.marks.iter().next().unwrap().word;
    assert!(matches!(word, Told::Seen { seen: Seen { number: marked, .. }, .. } if marked == number));
}

#[test]
fn a_slip_says_the_lane_unless_the_request_does() {
    let [members, press] = ["members", "press"].map(|name| LaneId::named(&sluice_config::Name::new(name).unwrap()));
    let slip = Slip { id: 5, issued_at_ms: NOW_MS, lane: members };
    let holds = Holds { slip: Some(slip), ..Holds::default() };
    seen(|look| {
        for (says, lane) in [(None, members), (Some(press), press)] {
            let request = Request { lane: says, ..asks(Errand::Status) };
            let step = policy().decide(&holds, request, look);
            let Step::Join { newcomer, joining } = step else { panic!("{step:?}") };
            assert_eq!(newcomer.lane, lane);
            // The number was lost on the way: the slip that is handed out again says the same.
            let decided = done(joining.answered(&policy(), Err(Unanswered), look));
            assert!(matches!(decided.handed.slip, Word::Set(Slip { id: 5, lane: kept, .. }) if kept == lane));
        }
    });
}

#[test]
fn who_has_been_passed_over_is_asked_for_five_times_a_tick_apart() {
    let (policy, holds) = (policy(), Holds { ticket: Some(ticket(30)), ..Holds::default() });
    seen(|look| {
        let mut step = policy.decide(&holds, asks(Errand::Status), look);
        let mut pauses = Vec::new();
        while let Step::Ask { after_ms, asked, .. } = step {
            pauses.push(after_ms);
            step = asked.answered(&policy, Ok(Verdict::Waiting), look);
        }
        assert_eq!(pauses, [0, 100, 100, 100, 100]);
        assert!(matches!(done(step).verdict, Passage::Parked(Standing { state: State::Waiting, .. })));
        // A line that stands still has no next place.
        let Step::Ask { asked, .. } = policy.decide(&holds, asks(Errand::Status), look) else { panic!() };
        let held = Summary { reason: Some(Reason::Paused), ..look.summary.clone() };
        done(asked.answered(&policy, Ok(Verdict::Waiting), &Look { summary: &held, ..*look }));
    });
}

#[test]
fn who_has_lapsed_may_enter_and_is_told_that_the_turn_has_passed() {
    let (policy, holds) = (policy(), Holds { ticket: Some(ticket(30)), ..Holds::default() });
    seen(|look| {
        for (verdict, reason) in [(Verdict::Called { until_ms: NOW_MS }, None), (Verdict::Lapsed, Some(Reason::Lapsed))]
        {
            let Step::Ask { asked, .. } = policy.decide(&holds, asks(Errand::Status), look) else { panic!() };
            let Passage::Parked(standing) = done(asked.answered(&policy, Ok(verdict), look)).verdict else { panic!() };
            assert_eq!((standing.state, standing.reason), (State::Called, reason));
        }
    });
}

#[test]
fn a_question_that_is_lost_leaves_the_mark_of_who_asked() {
    let (policy, holds) = (policy(), Holds { ticket: Some(ticket(30)), ..Holds::default() });
    seen(|look| {
        let Step::Ask { asked, .. } = policy.decide(&holds, asks(Errand::Enter), look) else { panic!() };
        let decided = done(asked.answered(&policy, Err(Unanswered), look));
        assert!(matches!(
            decided.marks.iter().next(),
            Some(Mark { word: Told::Seen { seen: Seen { number: 30, .. }, .. }, .. })
        ));
    });
}

#[test]
fn a_spent_ticket_joins_anew_under_one_id_and_is_replaced() {
    let (policy, holds) = (policy(), Holds { ticket: Some(ticket(30)), ..Holds::default() });
    seen(|look| {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let Step::Ask { asked, .. } = policy.decide(&holds, asks(Errand::Enter), look) else { panic!() };
            let step = asked.answered(&policy, Ok(Verdict::Spent), look);
            let Step::Join { newcomer, joining } = step else { panic!("{step:?}") };
            ids.push(newcomer.id);
            let decided = done(joining.answered(&policy, Ok((101, Verdict::Waiting)), look));
            assert!(matches!(decided.handed.ticket, Word::Set(Ticket { number: 101, .. })));
            assert!(decided.counted.joined && !decided.counted.entered);
        }
        assert_eq!(ids[0], ids[1]);
    });
}

#[test]
fn a_slip_of_a_visit_that_is_over_is_replaced_by_one_and_the_same_slip() {
    let policy = policy();
    let holds =
        Holds { slip: Some(Slip { id: 5, issued_at_ms: NOW_MS - 10_000, lane: LaneId::FIRST }), ..Holds::default() };
    seen(|look| {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let step = policy.decide(&holds, asks(Errand::Status), look);
            let Step::Join { newcomer, joining } = step else { panic!("{step:?}") };
            assert_eq!((newcomer.arrived_ms, newcomer.walk_in), (NOW_MS - 10_000, false));
            let Word::Set(slip) = done(joining.answered(&policy, Ok((9, Verdict::Spent)), look)).handed.slip else {
                panic!()
            };
            ids.push(slip.id);
        }
        assert!(ids[0] == ids[1] && ids[0] != 5, "{ids:?}");
    });
}

#[test]
fn a_pass_is_minted_anew_after_an_eighth_of_its_life_and_never_beyond_the_visits_end() {
    let policy = policy();
    let pass = |expires_at_ms, ends_at_ms| Holds {
        pass: Some(Pass { epoch: 1, number: 7, issued_at_ms: NOW_MS - 900_000, expires_at_ms, ends_at_ms }),
        ..Holds::default()
    };
    let renewed = |holds: &Holds| seen(|look| done(policy.decide(holds, asks(Errand::Enter), look)));
    let fresh = renewed(&pass(NOW_MS + IDLE_MS + 1, u64::MAX));
    assert_eq!((fresh.handed.pass, fresh.marks.iter().count()), (Word::Keep, 0));
    let used = renewed(&pass(NOW_MS + IDLE_MS, u64::MAX));
    let Word::Set(anew) = used.handed.pass else { panic!() };
    assert_eq!(anew.expires_at_ms, NOW_MS + IDLE_MS * 9 / 8);
    assert!(used.marks.iter().eq([Mark { epoch: 1, word: Told::Inside(7) }]));
    let last = renewed(&pass(NOW_MS + 1_000, NOW_MS + 5_000));
    assert!(matches!(last.handed.pass, Word::Set(Pass { expires_at_ms, .. }) if expires_at_ms == NOW_MS + 5_000));
}

#[test]
fn a_pass_of_a_visit_that_has_ended_is_as_good_as_none_and_is_taken_back() {
    let policy = policy();
    // Old enough to be minted anew.
    let pass = Pass {
        epoch: 1,
        number: 7,
        issued_at_ms: NOW_MS - 900_000,
        expires_at_ms: NOW_MS + 1_000,
        ends_at_ms: u64::MAX,
    };
    let holds = Holds { pass: Some(pass), ..Holds::default() };
    let mut ended = Ended::default();
    ended.add(7, NOW_MS, IDLE_MS);
    seen(|look| {
        assert!(done(policy.decide(&holds, asks(Errand::Enter), look)).counted.admitted, "the visit goes on");
        let look = Look { ended: &ended, ..*look };
        for errand in [Errand::Enter, Errand::Status, Errand::Prefetch] {
            let decided = done(policy.decide(&holds, asks(errand), &look));
            assert!(matches!(decided.verdict, Passage::Parked(_)), "{errand:?}: {decided:?}");
            assert_eq!((decided.handed.pass, decided.marks.iter().count()), (Word::Clear, 0), "{errand:?}");
            assert!(decided.counted.pass_ended && !decided.counted.admitted, "{errand:?}");
        }
        // Its visitor goes on as one without a pass: with the ticket, or by joining anew.
        let waits = Holds { ticket: Some(ticket(80)), ..Holds { pass: Some(pass), ..Holds::default() } };
        let decided = done(policy.decide(&waits, asks(Errand::Status), &look));
        assert!(matches!(decided.verdict, Passage::Parked(Standing { number: Some(80), .. })));
        let empty = Summary { waiting: 0, standing: false, ..look.summary.clone() };
        let step = policy.decide(&holds, asks(Errand::Enter), &Look { summary: &empty, ..look });
        let Step::Join { joining, .. } = step else { panic!("{step:?}") };
        let inside = Verdict::Inside { since_ms: NOW_MS, until_ms: NOW_MS + IDLE_MS, provisional: false };
        let decided = done(joining.answered(&policy, Ok((101, inside)), &look));
        assert!(matches!(decided.handed.pass, Word::Set(Pass { number: 101, .. })));
        assert!(decided.counted.pass_ended && decided.counted.entered);
        // A queue that lets everybody pass takes it back as well.
        let open = Look { mode: Mode::Open, ..look };
        let decided = done(policy.decide(&holds, asks(Errand::Enter), &open));
        assert_eq!((decided.verdict, decided.handed.pass), (Passage::Passes { inside: None }, Word::Clear));
    });
}

#[test]
fn a_pass_decides_before_anything_else_is_even_verified() {
    struct OnlyAPass(Pass);
    impl Brought for OnlyAPass {
        fn pass(&self) -> Option<Pass> {
            Some(self.0)
        }
        fn lapsed_pass(&self) -> Option<Pass> {
            panic!("a pass that has run out was asked for")
        }
        fn ticket(&self) -> Option<Ticket> {
            panic!("a ticket was asked for")
        }
        fn slip(&self) -> Option<Slip> {
            panic!("a slip was asked for")
        }
        fn fresh_id(&self) -> u64 {
            panic!("an id was asked for")
        }
    }
    let ends_at_ms = NOW_MS + 1_000_000;
    let pass = Pass { epoch: 1, number: 7, issued_at_ms: NOW_MS, expires_at_ms: ends_at_ms, ends_at_ms };
    let decided = seen(|look| done(policy().decide(&OnlyAPass(pass), asks(Errand::Enter), look)));
    assert_eq!(decided.verdict, Passage::Passes { inside: Some(pass) });
}

/// A ticket of a page that is hidden.
fn hidden(number: u64) -> (Holds, Request) {
    (Holds { ticket: Some(ticket(number)), ..Holds::default() }, Request { hidden: true, ..asks(Errand::Status) })
}

#[test]
fn a_hidden_page_that_the_head_has_passed_is_held_until_it_can_ask_again() {
    let (holds, request) = hidden(30);
    seen(|look| {
        let Step::Ask { ask, told_ms, .. } = policy().decide(&holds, request, look) else { panic!() };
        assert_eq!((ask.hold_ms, told_ms), (HIDDEN_HOLD_MS.min(HOLD_MS_MAX), 0));
        let Step::Ask { ask, told_ms, .. } = policy().decide(&holds, asks(Errand::Status), look) else { panic!() };
        assert!(ask.hold_ms < 20_000 && told_ms >= 2_000, "{ask:?} {told_ms}");
    });
}

#[test]
fn a_page_that_is_loaded_after_the_head_has_passed_is_held_like_a_hidden_one() {
    let holds = Holds { ticket: Some(ticket(30)), ..Holds::default() };
    seen(|look| {
        let Step::Ask { ask, told_ms, .. } = policy().decide(&holds, asks(Errand::Enter), look) else { panic!() };
        assert_eq!(ask.hold_ms, HIDDEN_HOLD_MS);
        assert!(told_ms >= 2_000, "it asks again as told if it is looked at: {told_ms}");
    });
}

#[test]
fn a_hidden_page_behind_the_head_is_held_like_others_and_measures_no_network() {
    let (holds, request) = hidden(80);
    let decided = seen(|look| done(policy().decide(&holds, request, look)));
    let word = decided.marks.iter().next().unwrap().word;
    assert!(matches!(word, Told::Seen { seen: Seen { hold_ms, .. }, told_ms: 0 } if hold_ms < 28_000), "{word:?}");
}

/// P7: who is inside when the store is lost is inside when it is back, and the line knows.
#[test]
fn whoever_is_inside_stays_inside_while_everybody_passes() {
    let ends_at_ms = NOW_MS + 40_000_000;
    let pass = Pass { epoch: 1, number: 7, issued_at_ms: 0, expires_at_ms: NOW_MS + 1_000, ends_at_ms };
    let holds = Holds { pass: Some(pass), ..Holds::default() };
    let admits = Policy { on_store_loss: Some(OnStoreLoss::Admit), ..policy() };
    seen(|look| {
        let open = Look { mode: Mode::Open, ..*look };
        let lost = Look { store_answers: false, away_ms: ADMIT_AFTER_MS, answers_for_ms: 0, ..*look };
        for (policy, look) in [(&policy(), &open), (&admits, &lost)] {
            let decided = done(policy.decide(&holds, asks(Errand::Enter), look));
            assert!(matches!(decided.handed.pass, Word::Set(anew) if anew.expires_at_ms > NOW_MS + 600_000));
            assert!(decided.marks.iter().eq([Mark { epoch: 1, word: Told::Inside(7) }]));
            assert!(decided.counted.passed_freely && !decided.counted.admitted);
            let none = done(policy.decide(&Holds::default(), asks(Errand::Enter), look));
            assert_eq!((none.verdict, none.handed), (Passage::Passes { inside: None }, Handed::default()));
        }
    });
}

#[test]
fn a_drained_queue_opens_when_the_line_is_known_to_be_empty_and_not_before() {
    let (empty, rules) = (Summary { epoch: 1, now_ms: NOW_MS, ..Summary::default() }, rules());
    let speed = PerLane::one(Speedometer::default().observe(&rules, &empty));
    let opens = |summary: &Summary, answers_for_ms| {
        let look = Look { answers_for_ms, mode: Mode::Drain, ..look(summary, &speed) };
        policy().is_open(&look)
    };
    assert!(opens(&empty, DRAINED_AFTER_MS));
    assert!(!opens(&empty, DRAINED_AFTER_MS - 1), "whoever waits may not have asked yet");
    let wiped = Summary { life: 1, life_began_ms: NOW_MS - 5_000, ..empty.clone() };
    assert!(!opens(&wiped, DRAINED_AFTER_MS), "the line has just been lost");
    assert!(!opens(&Summary { epoch: 0, ..empty.clone() }, DRAINED_AFTER_MS));
    assert!(!opens(&Summary { settling: true, ..empty }, DRAINED_AFTER_MS));
}
