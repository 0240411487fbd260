//! Every sentence a visitor can read, in each language.
//!
//! A language is a catalogue in `languages/`, read into one [`Words`]. The page's script gets those it needs as JSON, so
//! a page kept up to date by the script reads like one made by the server; a browser test holds the two together.

mod catalogue;
pub mod locale;

use serde::{Deserialize, Serialize};
use sluice_admission::standing::{Reason, Standing, State, WaitRange};
use sluice_config::{ClosedAs, Language};

pub use catalogue::{of, with};
use locale::Plural;

/// The words of one language.
///
/// `{…}` in a text is a place the code fills. Fields named like a state or a reason carry the name
/// it has in the status document, because the script looks them up by it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The language.
    #[serde(skip, default = "english")]
    pub language: Language,
    /// What the language calls itself.
    #[serde(skip_serializing)]
    pub name: String,
    /// Heading and text of each state, and of what needs other words than its state.
    pub states: States,
    /// Why a line stands still.
    pub reasons: Reasons,
    /// The place in line.
    pub place: Place,
    /// The expected wait.
    pub wait: Wait,
    /// Where the page of a form that was stopped differs.
    #[serde(skip_serializing)]
    pub form: Form,
    /// Labels and notes.
    #[serde(skip_serializing)]
    pub page: Page,
    /// A place on its way to another device.
    #[serde(skip_serializing, rename = "move")]
    pub moving: Moving,
    /// Whole short pages.
    #[serde(skip_serializing)]
    pub notices: Notices,
    /// The board.
    #[serde(skip_serializing)]
    pub board: Board,
}

fn english() -> Language {
    Language::ENGLISH
}

/// A heading and the sentence below it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// A few words.
    pub heading: String,
    /// A sentence or two.
    pub text: String,
}

/// A heading and a text for each face that the page can have.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named like the states and faces")]
pub struct States {
    pub joining: Said,
    pub waiting: Said,
    pub called: Said,
    pub admitted: Said,
    pub held: Said,
    pub closed: Said,
    pub full: Said,
    pub missed: Said,
    pub not_open: Said,
    pub sold_out: Said,
    pub cookies: Said,
    pub moved: Said,
}

/// One text for each reason. Who has lapsed reads it in heading and text.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named like the reasons")]
pub struct Reasons {
    pub paused: String,
    pub seats_taken: String,
    pub store_away: String,
    pub recovering: String,
    pub closed: String,
    pub line_full: String,
    pub rate_used: String,
}

/// The place in line. Labels follow a number that stands above them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// No visitor is ahead.
    pub next: String,
    /// Below the number of those ahead.
    pub ahead: Counted,
}

/// A text for each plural form of the language.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named like the forms")]
pub struct Counted {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub few: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub many: Option<String>,
    pub other: String,
}

/// The expected wait in words; see [`Words::wait_range`] for which is used when.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// At most a minute.
    pub minute: String,
    /// `{high}` minutes at most; two or more.
    pub minutes_up_to: String,
    /// `{range}` minutes: two numbers, or one of two or more.
    pub minutes: String,
    /// `{high}` hours at most; three or more.
    pub hours_up_to: String,
    /// `{range}` hours: two numbers, or one of three or more.
    pub hours: String,
    /// A day or more.
    pub day: String,
    /// The line moves, how fast is not known yet.
    pub unknown: String,
}

/// The page of a form that was stopped.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// What happened to the form.
    pub heading: String,
    /// Why.
    pub text: String,
    /// Another site sent it: `{site}`.
    pub sender: String,
    /// Another site sent it that does not say which.
    pub sender_unknown: String,
    /// What to consider before it is sent on.
    pub sender_warning: String,
    /// The page holds the form.
    pub held: FormWay,
    /// The browser may still hold it, on the page before this one.
    pub before: FormWay,
    /// Without JavaScript: how to be called. A link with the text [`Form::line`] follows.
    pub no_script: String,
    /// The link to the line.
    pub line: String,
}

/// How a form that was stopped is sent again.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FormWay {
    /// Where the form is now.
    pub kept: String,
    /// Instead of the text of waiting.
    pub waiting: String,
    /// Instead of the text of called and admitted.
    pub called: String,
    /// The button.
    pub button: String,
}

impl Form {
    pub(crate) fn way(&self, held: bool) -> &FormWay {
        if held { &self.held } else { &self.before }
    }
}

/// Labels and notes; the script shows and hides them and never changes them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the values say it")]
pub struct Page {
    pub wait_label: String,
    pub progress_label: String,
    pub message_label: String,
    pub number_label: String,
    pub code_label: String,
    pub behind_label: String,
    pub updated_label: String,
    pub opens_label: String,
    pub time_left_label: String,
    pub language_label: String,
    pub enter: String,
    /// Until the page enters by itself: `{seconds}`.
    pub entering: String,
    pub wait: String,
    pub ready: String,
    pub alert: String,
    pub alert_on: String,
    pub offline: String,
    /// `{seconds}` until the page reloads.
    pub no_script: String,
    pub keep: String,
    pub leave: String,
    pub leave_warning: String,
    pub leave_confirm: String,
}

/// A place on its way to another device.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Moving {
    /// What opens the offer.
    pub offer: String,
    /// What to do with link and code: `{minutes}` for which they are good.
    pub text: String,
    /// The button that makes them.
    pub button: String,
    /// They could not be made now.
    pub failed: String,
    /// For those whose browser keeps no cookies.
    pub cookies: String,
    /// On the other device.
    pub take: Take,
    /// On the other device, too late.
    pub void: Said,
}

/// Whether a place is to be taken along to this device.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// The question.
    pub heading: String,
    /// What it means for the place with this `{number}`.
    pub text: String,
    /// The button that does it.
    pub button: String,
}

/// Whole short pages.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Notices {
    /// After leaving the line.
    pub left: Said,
    /// The link back into the line.
    pub rejoin: String,
    /// No tenant answers for the host.
    pub unknown_site: Said,
    /// The site itself does not answer.
    pub unavailable: Said,
    /// The request cannot be read one way only. `{reason}` says why.
    pub bad_request: Said,
}

/// The public board of a queue.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Above the number that is being called.
    pub calling: String,
    /// Above how many wait.
    pub waiting: String,
}

/// What the page looks like: the state, or what needs other words than its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// As the state is.
    Of(State),
    /// Called, and the turn has passed.
    Missed,
    /// Closed until it opens.
    NotOpen,
    /// Closed because nothing is left.
    SoldOut,
    /// The place is on another device.
    Moved,
}

impl Face {
    /// The face of a standing in a queue that is called so when it is closed.
    pub fn of(standing: &Standing, closed_as: ClosedAs) -> Self {
        match (standing.state, standing.reason, closed_as) {
            (State::Called, Some(Reason::Lapsed), _) => Self::Missed,
            (_, Some(Reason::Moved), _) => Self::Moved,
            (State::Closed, _, ClosedAs::NotOpen) | (State::Joining, Some(Reason::Closed), ClosedAs::NotOpen) => {
                Self::NotOpen
            }
            (State::Closed, _, ClosedAs::SoldOut) | (State::Joining, Some(Reason::Closed), ClosedAs::SoldOut) => {
                Self::SoldOut
            }
            (State::Joining, Some(Reason::Closed), ClosedAs::Closed) => Self::Of(State::Closed),
            (state, ..) => Self::Of(state),
        }
    }

    /// Whether its heading says that the queue is closed, and why.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Of(State::Closed) | Self::NotOpen | Self::SoldOut)
    }

    /// Its name: a key of the words, and a hook for the style.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Of(state) => state.as_str(),
            Self::Missed => "missed",
            Self::NotOpen => "not_open",
            Self::SoldOut => "sold_out",
            Self::Moved => "moved",
        }
    }
}

impl Words {
    /// Heading and text of a face.
    pub fn said(&self, face: Face) -> &Said {
        let states = &self.states;
        match face {
            Face::Of(State::Joining) => &states.joining,
            Face::Of(State::Waiting) => &states.waiting,
            Face::Of(State::Called) => &states.called,
            Face::Of(State::Admitted) => &states.admitted,
            Face::Of(State::Held) => &states.held,
            Face::Of(State::Closed) => &states.closed,
            Face::Of(State::Full) => &states.full,
            Face::Missed => &states.missed,
            Face::NotOpen => &states.not_open,
            Face::SoldOut => &states.sold_out,
            Face::Moved => &states.moved,
        }
    }

    /// Why the line stands still; none for what the heading says already.
    pub fn reason(&self, reason: Reason) -> Option<&str> {
        let reasons = &self.reasons;
        Some(match reason {
            Reason::Paused => &reasons.paused,
            Reason::SeatsTaken => &reasons.seats_taken,
            Reason::StoreAway => &reasons.store_away,
            Reason::Recovering => &reasons.recovering,
            Reason::Closed => &reasons.closed,
            Reason::LineFull => &reasons.line_full,
            Reason::RateUsed => &reasons.rate_used,
            Reason::Lapsed | Reason::Moved => return None,
        })
    }

    /// What stands below the number of those ahead.
    pub fn ahead(&self, n: u64) -> &str {
        let place = &self.place;
        let form = match locale::plural(self.language, n) {
            _ if n == 0 => return &place.next,
            Plural::Zero => &place.ahead.zero,
            Plural::One => &place.ahead.one,
            Plural::Two => &place.ahead.two,
            Plural::Few => &place.ahead.few,
            Plural::Many => &place.ahead.many,
            Plural::Other => &None,
        };
        form.as_ref().unwrap_or(&place.ahead.other)
    }

    /// A whole number as the language writes it.
    pub fn number(&self, n: u64) -> String {
        locale::number(self.language, n)
    }

    /// A wait in plain words, never narrower than the range itself.
    ///
    /// Minutes up to two hours, in fives from twenty on; hours up to a day. The low end is rounded
    /// down and the high end up, so that the words hold whenever the range does.
    pub fn wait_range(&self, range: WaitRange) -> String {
        const HOUR_S: u32 = 3600;
        let words = &self.wait;
        let (low_s, high_s) = (range.low_s.min(range.high_s), range.high_s);
        if low_s >= 24 * HOUR_S {
            return words.day.clone();
        }
        if high_s > 2 * HOUR_S {
            return self.between(&words.hours_up_to, &words.hours, low_s / HOUR_S, high_s.div_ceil(HOUR_S));
        }
        let low = match low_s / 60 {
            minutes @ ..20 => minutes,
            minutes => minutes / 5 * 5,
        };
        let high = match high_s.div_ceil(60) {
            minutes @ ..=20 => minutes,
            minutes => minutes.next_multiple_of(5),
        };
        if high <= 1 { words.minute.clone() } else { self.between(&words.minutes_up_to, &words.minutes, low, high) }
    }

    fn between(&self, up_to: &str, about: &str, low: u32, high: u32) -> String {
        let high_shown = self.number(high.into());
        match low {
            0 => up_to.replace("{high}", &high_shown),
            _ if low == high => about.replace("{range}", &high_shown),
            _ => about.replace("{range}", &format!("{}–{high_shown}", self.number(low.into()))),
        }
    }
}

#[cfg(test)]
mod tests;
