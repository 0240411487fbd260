//! The usher's mind by itself, over a real line, in time that the test makes up.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    line::{Batch, LaneId, Line, Newcomer, Reading, Seen},
    usher::{
        marks::{Mark, Marked, Word},
        pace::IDLE_EVERY,
    },
};

const START_MS: u64 = 1_700_000_000_000;

/// A core, the line behind it, and what it last wanted.
struct World {
    core: Core<&'static str>,
    line: Line,
    rules: Arc<Rules>,
    start: Instant,
    now: Instant,
    sent: Option<(u64, Arc<Batch>)>,
    answers: Vec<(&'static str, Answer)>,
    batches: Vec<Arc<Batch>>,
}

impl World {
    fn new() -> Self {
        let rules = Arc::new(crate::usher::tests::rules());
        let now = Instant::now();
        let reading = Reading { wall_ms: START_MS, slack_ms: 0, run: 1 };
        let line = Line::new(&rules, reading, &Default::default());
        let core = Core::new(Memory::default(), START_MS, now, false);
        let (sent, answers, batches) = (None, Vec::new(), Vec::new());
        let mut world = Self { core, line, rules, start: now, now, sent, answers, batches };
        world.happens(Event::Wake);
        world.line_answers();
        world
    }

    fn happens(&mut self, event: Event<&'static str>) {
        let mut actions = Vec::new();
        self.core.handle(self.now, event, &self.rules, &mut actions);
        for action in actions {
            match action {
                Action::Send { attempt, batch, .. } => {
                    self.batches.push(batch.clone());
                    self.sent = Some((attempt, batch));
                }
                Action::Answer(who, answer) => self.answers.push((who, answer)),
                _ => {}
            }
        }
    }

    /// The line hears the batch on its way, and the answer comes back.
    fn line_answers(&mut self) {
        let (attempt, batch) = self.sent.take().unwrap();
        let wall_ms = START_MS + u64::try_from((self.now - self.start).as_millis()).unwrap();
        let outcome = self.line.sync(&self.rules, Reading { wall_ms, slack_ms: 0, run: 1 }, &batch);
        self.happens(Event::Answered { attempt, outcome: Box::new(outcome) });
    }

    /// Time goes by until the core wants to be woken.
    fn wakes(&mut self) {
        self.now = self.now.max(self.core.wake_at());
        self.happens(Event::Wake);
    }

    /// The store is silent for so long.
    fn is_silent_for(&mut self, silence: Duration) {
        let until = self.now + silence;
        while self.core.wake_at() < until {
            self.wakes();
        }
        self.now = until;
    }

    fn says(&mut self, word: Word) {
        let mark = Mark { epoch: 1, word };
        self.happens(Event::Mark(Marked { mark, at: self.now }));
    }

    fn joins(&mut self, who: &'static str, id: u64) {
        let newcomer =
            Newcomer { id, hold_ms: 4_000, enter: false, walk_in: false, lane: LaneId::FIRST, arrived_ms: 0 };
        self.happens(Event::Question(Question::Join(newcomer, who)));
    }

    fn seen(number: u64, hold_ms: u32) -> Word {
        Word::Seen { seen: Seen { number, hold_ms }, told_ms: 0 }
    }
}

#[test]
fn who_asks_is_answered_with_the_step() {
    let mut world = World::new();
    world.joins("anna", 1);
    world.joins("ben", 2);
    world.wakes();
    world.line_answers();
    let numbers: Vec<_> = world.answers.iter().map(|(who, answer)| (*who, answer.unwrap().0)).collect();
    assert_eq!(numbers, [("anna", 1), ("ben", 2)]);
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up_and_the_next_one_is_given_twice_the_time() {
    let mut world = World::new();
    world.joins("anna", 1);
    world.wakes();
    let sent = world.now;
    world.wakes();
    assert_eq!(world.now - sent, ATTEMPT_MAX);
    assert_eq!(world.answers, [("anna", Err(Unanswered))]);
    assert!(!world.core.view().store_answers);
    world.wakes();
    let sent = world.now;
    world.wakes();
    assert_eq!(world.now - sent, ATTEMPT_MAX * 2);
}

#[test]
fn while_the_line_does_not_answer_who_asks_is_let_go_at_once() {
    let mut world = World::new();
    world.is_silent_for(Duration::from_secs(60));
    world.joins("anna", 1);
    assert_eq!(world.answers, [("anna", Err(Unanswered))]);
}

#[test]
fn an_answer_that_comes_too_late_is_as_good_as_none() {
    let mut world = World::new();
    world.joins("anna", 1);
    world.wakes();
    let (first, batch) = world.sent.clone().unwrap();
    world.wakes();
    world.wakes();
    let outcome = world.line.sync(&world.rules, Reading { wall_ms: START_MS, slack_ms: 0, run: 1 }, &batch);
    world.happens(Event::Answered { attempt: first, outcome: Box::new(outcome) });
    assert!(!world.core.view().store_answers);
    world.line_answers();
    assert!(world.core.view().store_answers);
    assert_eq!(world.core.view().summary.lanes[0].issued, 1, "the batch was sent twice, and counts once");
}

#[test]
fn another_attempt_tells_of_those_who_came_meanwhile() {
    let mut world = World::new();
    world.joins("anna", 1);
    world.wakes();
    world.says(World::seen(7, 20_000));
    world.wakes();
    world.wakes();
    assert_eq!(world.sent.as_ref().unwrap().1.seen.iter().map(|seen| seen.number).collect::<Vec<_>>(), [7]);
}

/// P2, P3: twenty thousand ask every eight seconds while the line is unavailable for eight minutes.
#[test]
fn a_long_outage_loses_no_visit_and_keeps_each_poll_once() {
    let mut world = World::new();
    world.is_silent_for(Duration::from_secs(10));
    for _ in 0..60 {
        for number in 1_001..=21_000 {
            world.says(World::seen(number, 9_500));
        }
        world.is_silent_for(Duration::from_secs(8));
    }
    (1..=50).for_each(|number| world.says(Word::Admitted(number)));
    (51..=70).for_each(|number| world.says(Word::Ended(number)));
    while world.core.wake_at() <= world.now || world.sent.is_none() {
        world.wakes();
    }
    world.wakes();
    world.wakes();
    let (_, batch) = world.sent.clone().unwrap();
    assert_eq!((batch.admitted.len(), batch.ended.len()), (50, 20));
    assert!(batch.seen.len() <= 20_000, "{} polls", batch.seen.len());
    assert_eq!(world.core.take_marks_dropped(), 0);
}

#[test]
fn polls_beyond_what_a_batch_bears_never_hold_up_what_must_not_be_lost() {
    let mut world = World::new();
    for number in 1..=super::super::pace::MARKS_PER_ROUND as u64 + 10 {
        world.says(World::seen(number, 20_000));
    }
    world.says(Word::Ended(3));
    // Those who serve visitors learn of it first.
    world.wakes();
    world.wakes();
    let (_, batch) = world.sent.clone().unwrap();
    assert_eq!((batch.seen.len(), &batch.ended[..]), (super::super::pace::MARKS_PER_ROUND, &[3][..]));
}

/// A visit that has ended here is published at once, and not only when the line has answered.
#[test]
fn what_a_node_ends_itself_it_knows_at_once() {
    let mut world = World::new();
    world.is_silent_for(Duration::from_secs(10));
    let before = world.now;
    world.says(Word::Ended(3));
    assert!(!world.core.view().ended.contains(3), "many share one look");
    world.wakes();
    assert!(world.core.view().ended.contains(3) && world.now == before);
    assert!(!world.core.view().store_answers, "the line has not heard of it");
    let old = Mark { epoch: 9, word: Word::Ended(4) };
    world.happens(Event::Mark(Marked { mark: old, at: world.now }));
    world.wakes();
    assert!(!world.core.view().ended.contains(4), "of another epoch: someone else");
}

#[test]
fn a_node_asks_for_the_ends_it_has_not_heard_of_and_knows_them_all_soon() {
    let mut world = World::new();
    // Through another node, which has heard of none.
    let ended = (1..=2_500).collect();
    let reading = Reading { wall_ms: START_MS, slack_ms: 0, run: 1 };
    world.line.sync(&world.rules.clone(), reading, &Batch { ended, ..Batch::default() });
    let start = world.now;
    for _ in 0..3 {
        while world.sent.is_none() {
            world.wakes();
        }
        world.line_answers();
    }
    assert!((1..=2_500).all(|number| world.core.view().ended.contains(number)));
    let took = world.now - start;
    assert!(took <= IDLE_EVERY + Duration::from_millis(100), "{took:?}: the first step is that of an idle line");
    // It says how far it knows them, so that it does not hear them again.
    let told: Vec<_> = world.batches.iter().rev().take(2).map(|batch| batch.known.ended_ms).collect();
    assert!(told[0] > told[1] && told[1] > Some(0), "{told:?}");
}

#[test]
fn a_mark_says_how_long_is_left_and_is_dropped_when_it_is_worth_nothing() {
    let mut world = World::new();
    world.says(World::seen(1, 4_000));
    world.says(World::seen(2, 20_000));
    world.now += Duration::from_secs(6);
    world.happens(Event::Wake);
    assert_eq!(world.sent.as_ref().unwrap().1.seen, [Seen { number: 2, hold_ms: 15_000 }]);
}

#[test]
fn the_latest_word_of_a_number_counts() {
    let mut world = World::new();
    world.says(World::seen(1, 20_000));
    world.says(Word::Away(1));
    world.says(Word::Away(2));
    world.says(World::seen(2, 20_000));
    world.wakes();
    let (_, batch) = world.sent.clone().unwrap();
    assert_eq!((&batch.away[..], batch.seen.len()), (&[1][..], 1));
}

#[test]
fn a_mark_of_another_epoch_is_of_someone_else() {
    let mut world = World::new();
    let old = Mark { epoch: 9, word: Word::Inside(1) };
    world.happens(Event::Mark(Marked { mark: old, at: world.now }));
    world.says(Word::Inside(2));
    world.wakes();
    assert_eq!(world.sent.as_ref().unwrap().1.inside, [2]);
}
