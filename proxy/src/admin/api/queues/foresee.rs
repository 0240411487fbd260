//! What a change would do, in numbers and in words.

use serde::Serialize;
use sluice_admission::line::{Rules, Summary};
use sluice_config::Mode;
use utoipa::ToSchema;

/// What a change would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Foreseen {
    /// For about how long no visitor is called, in seconds, since the last minute's calls are beyond the new rate.
    pub(crate) stands_still_seconds: u32,
    /// How many visitors have to leave before the next is called.
    pub(crate) seats_over: u64,
    /// How long the last in line waits, by the rate alone, in seconds; `null`: the line does not move.
    pub(crate) wait_of_last_seconds: Change<Option<u64>>,
    /// The same in words.
    pub(crate) words: String,
}

/// Before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Change<T> {
    pub(crate) before: T,
    pub(crate) after: T,
}

/// What the line does when these rules take the place of those.
pub(crate) fn foresee(before: &Rules, after: &Rules, line: &Summary) -> Foreseen {
    let taken = line.due + line.inside;
    let seats_over = after.max_active.map_or(0, |seats| (taken + 1).saturating_sub(u64::from(seats)));
    let stands_still_seconds = if moves(after.mode) { stands_still(after.release_per_minute, line) } else { 0 };
    let wait_of_last_seconds = Change { before: wait_of_last(before, line), after: wait_of_last(after, line) };
    let words = words(before, after, line, stands_still_seconds, seats_over, &wait_of_last_seconds);
    Foreseen { stands_still_seconds, seats_over, wait_of_last_seconds, words }
}

fn moves(mode: Mode) -> bool {
    matches!(mode, Mode::Auto | Mode::Drain)
}

/// P2: no more than the new rate in any 60 s, so it waits until enough of the last minute's calls are a minute old. They
/// are taken to be spread evenly over it.
fn stands_still(rate: u32, line: &Summary) -> u32 {
    let called = line.called_last_minute;
    match called.saturating_sub(u64::from(rate)) {
        0 => 0,
        beyond => u32::try_from((60 * beyond).div_ceil(called)).unwrap_or(60),
    }
}

fn wait_of_last(rules: &Rules, line: &Summary) -> Option<u64> {
    moves(rules.mode).then(|| (60 * line.waiting).div_ceil(u64::from(rules.release_per_minute.max(1))))
}

fn words(
    before: &Rules,
    after: &Rules,
    line: &Summary,
    stands_still_seconds: u32,
    seats_over: u64,
    wait: &Change<Option<u64>>,
) -> String {
    let mut words = Vec::new();
    match after.mode {
        mode if mode == before.mode => {}
        Mode::Hold => {
            words.push("No visitor is called until this ends. Places are kept, and the page says so.".to_owned())
        }
        Mode::Closed => words.push("No visitor joins and none is called. Those inside go on.".to_owned()),
        Mode::Open => words
            .push(format!("EVERYBODY is let in at once, without a line: {} who wait, and all who come.", line.waiting)),
        Mode::Drain => words.push("The line is emptied at its rate; then everybody is let in.".to_owned()),
        Mode::Auto => words.push("The line moves.".to_owned()),
    }
    if stands_still_seconds > 0 {
        let rate = after.release_per_minute;
        words.push(format!(
            "No visitor is called for about {stands_still_seconds} s, since {} were called in the last minute; then {rate} \
             a minute.",
            line.called_last_minute
        ));
    } else if after.release_per_minute != before.release_per_minute && moves(after.mode) {
        words.push(format!("{} a minute from the next step on.", after.release_per_minute));
    }
    if after.max_active != before.max_active && seats_over > 0 {
        words.push(format!("No visitor is called until {seats_over} have left: every seat is taken."));
    }
    if let (Some(was), Some(is)) = (wait.before, wait.after)
        && was != is
    {
        words.push(format!("The last in line waits about {} instead of {}.", span(is), span(was)));
    }
    if line.waiting >= u64::from(after.max_waiting) && after.max_waiting < before.max_waiting {
        words.push("Newcomers are turned away until the line is shorter.".to_owned());
    }
    if words.is_empty() { "Nothing changes for those who wait.".to_owned() } else { words.join(" ") }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::api::queues::change::rules;

    fn line(called_last_minute: u64, waiting: u64) -> Summary {
        Summary { called_last_minute, waiting, due: 40, inside: 60, ..Summary::default() }
    }

    #[test]
    fn half_the_rate_stands_still_for_half_a_minute() {
        let foreseen = foresee(&rules(600), &rules(300), &line(600, 6_000));
        assert_eq!(foreseen.stands_still_seconds, 30);
        assert_eq!(foreseen.wait_of_last_seconds, Change { before: Some(600), after: Some(1_200) });
        assert_eq!(
            foreseen.words,
            "No visitor is called for about 30 s, since 600 were called in the last minute; then 300 a minute. The last in \
             line waits about 20 min instead of 10 min."
        );
        assert_eq!(foresee(&rules(600), &rules(300), &line(100, 0)).stands_still_seconds, 0, "there is room");
    }

    #[test]
    fn seats_below_those_taken_say_how_many_have_to_leave() {
        let after = Rules { max_active: Some(80), ..rules(600) };
        let foreseen = foresee(&rules(600), &after, &line(10, 50));
        assert_eq!(foreseen.seats_over, 21);
        assert!(foreseen.words.contains("until 21 have left"), "{}", foreseen.words);
    }

    #[test]
    fn a_held_line_has_no_wait_and_open_shouts() {
        let hold = Rules { mode: Mode::Hold, ..rules(600) };
        let foreseen = foresee(&rules(600), &hold, &line(600, 50));
        assert_eq!((foreseen.wait_of_last_seconds.after, foreseen.stands_still_seconds), (None, 0));
        let open = Rules { mode: Mode::Open, ..rules(600) };
        assert!(foresee(&rules(600), &open, &line(0, 50)).words.starts_with("EVERYBODY"));
        assert_eq!(foresee(&hold, &hold, &line(0, 0)).words, "Nothing changes for those who wait.");
    }
}
