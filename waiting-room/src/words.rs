//! Every sentence a visitor or an app developer can read, in one place.
//!
//! A language is one [`Words`] value; [`ENGLISH`] is the only one so far. The page's script gets
//! those it needs as JSON, so a page kept up to date by the script reads like one made by the
//! server; a browser test holds the two together.

mod english;

use serde::Serialize;
use sluice_admission::standing::{Reason, State, WaitRange};

pub use english::ENGLISH;

/// The words of one language.
///
/// `{…}` in a text is a place the code fills. Fields named like a state or a reason carry the name
/// it has in the status document, because the script looks them up by it.
#[derive(Debug, Serialize)]
pub struct Words {
    /// BCP 47 tag, for the `lang` attribute.
    #[serde(skip)]
    pub lang: &'static str,
    /// Between groups of three digits.
    pub thousands: &'static str,
    /// Heading and text of each state.
    pub states: States,
    /// Why a line stands still.
    pub reasons: Reasons,
    /// The place in line.
    pub place: Place,
    /// The expected wait.
    pub wait: Wait,
    /// Where the page of a form that was stopped differs.
    #[serde(skip)]
    pub form: Form,
    /// Labels and notes.
    #[serde(skip)]
    pub page: Page,
    /// Whole short pages.
    #[serde(skip)]
    pub notices: Notices,
    /// Title and detail of the problem document of each state, for developers.
    #[serde(skip)]
    pub problems: States,
}

/// A heading and the sentence below it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Said {
    /// A few words.
    pub heading: &'static str,
    /// A sentence or two.
    pub text: &'static str,
}

/// A heading and a text for each state.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "named like the states")]
pub struct States {
    pub joining: Said,
    pub waiting: Said,
    pub called: Said,
    pub admitted: Said,
    pub held: Said,
    pub closed: Said,
    pub full: Said,
}

/// One text for each reason.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "named like the reasons")]
pub struct Reasons {
    pub paused: &'static str,
    pub seats_taken: &'static str,
    pub store_away: &'static str,
    pub recovering: &'static str,
    pub closed: &'static str,
    pub line_full: &'static str,
    pub rate_used: &'static str,
    pub lapsed: &'static str,
}

/// The place in line. Labels follow a number that stands above them.
#[derive(Debug, Serialize)]
pub struct Place {
    /// Nobody is ahead.
    pub next: &'static str,
    /// Below the number 1.
    pub one_ahead: &'static str,
    /// Below any other number.
    pub many_ahead: &'static str,
    /// In the window's title; `{n}` people are ahead.
    pub title: &'static str,
}

/// The expected wait in words; see [`Words::wait_range`] for which is used when.
#[derive(Debug, Serialize)]
pub struct Wait {
    /// At most a minute.
    pub minute: &'static str,
    /// `{high}` minutes at most.
    pub minutes_up_to: &'static str,
    /// `{high}` minutes.
    pub minutes: &'static str,
    /// `{low}` to `{high}` minutes.
    pub minutes_between: &'static str,
    /// `{high}` hours at most.
    pub hours_up_to: &'static str,
    /// `{high}` hours.
    pub hours: &'static str,
    /// `{low}` to `{high}` hours.
    pub hours_between: &'static str,
    /// A day or more.
    pub day: &'static str,
    /// The line moves, how fast is not known yet.
    pub unknown: &'static str,
}

/// The page of a form that was stopped.
#[derive(Debug)]
pub struct Form {
    /// What happened to the form.
    pub said: Said,
    /// Another site sent it: `{site}`.
    pub sent_by: &'static str,
    /// Another site sent it that does not say which.
    pub sent_by_some_site: &'static str,
    /// The page holds the form.
    pub held: FormWay,
    /// The browser may still hold it, on the page before this one.
    pub before: FormWay,
    /// The link to the line.
    pub line: &'static str,
}

/// How a form that was stopped is sent again.
#[derive(Debug)]
pub struct FormWay {
    /// Where the form is now.
    pub kept: &'static str,
    /// Instead of the text of waiting.
    pub waiting: &'static str,
    /// Instead of the text of called and admitted.
    pub called: &'static str,
    /// The button.
    pub button: &'static str,
    /// Without JavaScript: how to be called. A link with the text [`Form::line`] follows.
    pub no_script: &'static str,
}

impl Form {
    pub(crate) fn way(&self, held: bool) -> &FormWay {
        if held { &self.held } else { &self.before }
    }
}

/// Labels and notes; the script shows and hides them and never changes them.
#[derive(Debug)]
#[expect(missing_docs, reason = "the values say it")]
pub struct Page {
    pub wait_label: &'static str,
    pub progress_label: &'static str,
    pub message_label: &'static str,
    pub number_label: &'static str,
    pub behind_label: &'static str,
    pub updated_label: &'static str,
    pub enter: &'static str,
    pub offline: &'static str,
    pub cookies: &'static str,
    /// `{seconds}` until the page reloads.
    pub no_script: &'static str,
    pub keep: &'static str,
    pub leave: &'static str,
    pub leave_warning: &'static str,
    pub leave_confirm: &'static str,
}

/// Whole short pages.
#[derive(Debug)]
pub struct Notices {
    /// After leaving the line.
    pub left: Said,
    /// The link back into the line.
    pub rejoin: &'static str,
    /// No tenant answers for the host.
    pub unknown_site: Said,
    /// The request cannot be read one way only. `{reason}` says why.
    pub bad_request: Said,
}

impl Words {
    /// Heading and text of a state.
    pub fn state(&self, state: State) -> Said {
        self.states.of(state)
    }

    /// Why the line stands still.
    pub fn reason(&self, reason: Reason) -> &'static str {
        match reason {
            Reason::Paused => self.reasons.paused,
            Reason::SeatsTaken => self.reasons.seats_taken,
            Reason::StoreAway => self.reasons.store_away,
            Reason::Recovering => self.reasons.recovering,
            Reason::Closed => self.reasons.closed,
            Reason::LineFull => self.reasons.line_full,
            Reason::RateUsed => self.reasons.rate_used,
            Reason::Lapsed => self.reasons.lapsed,
        }
    }

    /// Title and detail of the problem document of a state.
    pub fn problem(&self, state: State) -> Said {
        self.problems.of(state)
    }

    /// A whole number with its digits in groups of three.
    pub fn number(&self, n: u64) -> String {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(n);
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                grouped.push_str(self.thousands);
            }
            grouped.push(digit);
        }
        grouped
    }

    /// A wait in plain words, never narrower than the range itself.
    ///
    /// Minutes up to two hours, in fives from twenty on; hours up to a day. The low end is rounded
    /// down and the high end up, so that the words hold whenever the range does.
    pub fn wait_range(&self, range: WaitRange) -> String {
        const HOUR_S: u32 = 3600;
        let words = &self.wait;
        let fill = |text: &str, low: u32, high: u32| {
            text.replace("{low}", &low.to_string()).replace("{high}", &high.to_string())
        };
        let (low_s, high_s) = (range.low_s.min(range.high_s), range.high_s);
        if low_s >= 24 * HOUR_S {
            return words.day.to_owned();
        }
        if high_s > 2 * HOUR_S {
            let (low, high) = (low_s / HOUR_S, high_s.div_ceil(HOUR_S));
            return match low {
                0 => fill(words.hours_up_to, low, high),
                _ if low == high => fill(words.hours, low, high),
                _ => fill(words.hours_between, low, high),
            };
        }
        let low = match low_s / 60 {
            minutes @ ..20 => minutes,
            minutes => minutes / 5 * 5,
        };
        let high = match high_s.div_ceil(60) {
            minutes @ ..=20 => minutes,
            minutes => minutes.next_multiple_of(5),
        };
        match low {
            _ if high <= 1 => words.minute.to_owned(),
            0 => fill(words.minutes_up_to, low, high),
            _ if low == high => fill(words.minutes, low, high),
            _ => fill(words.minutes_between, low, high),
        }
    }
}

impl States {
    fn of(&self, state: State) -> Said {
        match state {
            State::Joining => self.joining,
            State::Waiting => self.waiting,
            State::Called => self.called,
            State::Admitted => self.admitted,
            State::Held => self.held,
            State::Closed => self.closed,
            State::Full => self.full,
        }
    }
}

#[cfg(test)]
mod tests;
