//! What a fault has done to the sale, as one row of a table.

mod tests;

use std::{fmt, io::Write as _, ops::Range, time::Duration};

use tokio::time::Instant;

use crate::crowd::{judge::Judge, limits::Fullest};

/// The end of the sale, over which the line must move again as fast as it may.
const AT_THE_END: Duration = Duration::from_secs(6);

/// The heading of the table.
pub(super) const HEADING: &str = "\
| fault | let in wrongly | thrown out | places lost | gone back | overtaken | called in vain | longest stall | moves after \
| most called, of those allowed | at the end | slowest inside |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// Says a line of the table. Not `println!`: the rows of tests that pass are to be seen under `cargo test` too.
pub(super) fn tell(line: &str) {
    let _ = writeln!(std::io::stdout(), "\n{line}");
}

/// When what happened to the sale.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub(super) happened: Instant,
    /// In which no node could reach the store, if that was so: from when it was out of reach of all of them until just
    /// before one could reach it again.
    pub(super) away: Option<Range<Instant>>,
    /// It was over.
    pub(super) over: Instant,
    pub(super) closed: Instant,
}

/// One row. Both queues together, but for what is said of the line that stands.
#[derive(Debug)]
pub(super) struct Row {
    fault: &'static str,
    /// More than the rate and one burst allow in some stretch of time.
    beyond_rate: usize,
    /// More than the rate allows in some minute; they are among those above.
    beyond_minute: usize,
    /// More than there are seats.
    beyond_seats: usize,
    /// Who got in while no node could reach the store.
    while_away: usize,
    thrown_out: usize,
    lost: usize,
    given_twice: usize,
    fell_back: usize,
    overtaken: Vec<(u64, u64)>,
    /// What those saw who were overtaken first.
    examples: String,
    /// Told that they were called, and then to wait.
    taken_back: usize,
    /// Between two visitors of the shop, from the fault on.
    stall: Duration,
    /// From the end of the fault to the next visitor of the shop.
    moves_after: Option<Duration>,
    fullest: Fullest,
    per_second: f64,
    slowest_inside: Duration,
}

impl Row {
    pub(super) fn new(fault: &'static str, judges: [&Judge; 2], times: Times) -> Self {
        let [shop, club] = judges;
        let Times { happened, away, over, closed } = times;
        let sum = |count: &dyn Fn(&Judge) -> usize| judges.iter().map(|judge| count(judge)).sum();
        let fullest = judges.map(|judge| judge.limits.fullest(&judge.calls()));
        let beyond_minute = |judge: &Judge| {
            judge.limits.most_in_a_minute(&judge.calls()).saturating_sub(judge.limits.release_per_minute as usize)
        };
        let entries = shop.entries();
        let after = || entries.iter().copied().filter(|&at| at >= happened);
        let moments: Vec<_> = [happened].into_iter().chain(after()).chain([closed]).collect();
        let at_the_end = after().filter(|&at| at + AT_THE_END >= closed).count();
        let stories = || judges.iter().flat_map(|judge| &judge.stories);
        Self {
            fault,
            beyond_rate: fullest.iter().map(Fullest::too_many).sum(),
            beyond_minute: sum(&beyond_minute),
            beyond_seats: club.most_inside().saturating_sub(club.limits.seats as usize),
            while_away: away.map_or(0, |away| sum(&|judge| judge.let_in_within(&away))),
            thrown_out: sum(&|judge| judge.count(|story| story.thrown_out)),
            lost: sum(&|judge| judge.lost_places().len()),
            given_twice: sum(&|judge| judge.given_twice().len()),
            fell_back: sum(&|judge| judge.count(|story| story.fell_back > 0)),
            overtaken: judges.iter().flat_map(|judge| judge.overtaken()).collect(),
            examples: judges.iter().filter_map(|judge| judge.tell_of_overtaken(happened)).collect(),
            taken_back: sum(&|judge| judge.count(|story| story.taken_back > 0)),
            stall: moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default(),
            moves_after: after().find(|&at| at >= over).map(|at| at - over),
            fullest: fullest[0],
            per_second: at_the_end as f64 / AT_THE_END.as_secs_f64(),
            slowest_inside: stories().map(|story| story.slowest_inside).max().unwrap_or_default(),
        }
    }

    fn let_in_wrongly(&self) -> usize {
        self.beyond_rate + self.beyond_seats + self.while_away
    }

    /// Adds the row to the table, and fails if it is not as it was promised.
    pub(super) fn judge(&self) {
        tell(&self.to_string());
        let Self { beyond_rate, beyond_minute, beyond_seats, while_away, overtaken, .. } = self;
        let wrongly = format!(
            "{beyond_rate} beyond rate and burst, {beyond_minute} beyond the minute's rate, {beyond_seats} beyond the \
             seats, {while_away} while away"
        );
        assert_eq!(self.let_in_wrongly(), 0, "let in wrongly: {wrongly}; {self}");
        assert_eq!(self.thrown_out, 0, "thrown out; {self}");
        assert_eq!(self.lost + self.given_twice, 0, "{} lost, {} given twice; {self}", self.lost, self.given_twice);
        assert_eq!(self.fell_back, 0, "gone back; {self}");
        let (some, examples) = (&overtaken[..overtaken.len().min(5)], &self.examples);
        assert!(overtaken.is_empty(), "overtaken, such as {some:?}; {self}\n{examples}");
        assert!(self.moves_after.is_some() && self.per_second > 0.0, "the line stands still; {self}");
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let Fullest { called, allowed, within } = self.fullest;
        write!(
            f,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {called} of {allowed:.0} in {} | {:.1}/s | {} ms |",
            self.fault,
            self.let_in_wrongly(),
            self.thrown_out,
            self.lost + self.given_twice,
            self.fell_back,
            self.overtaken.len(),
            self.taken_back,
            seconds(self.stall),
            self.moves_after.map_or_else(|| "never".to_owned(), seconds),
            seconds(within),
            self.per_second,
            self.slowest_inside.as_millis(),
        )
    }
}
