//! What the page shows of a standing.
//!
//! `show` in `templates/page.js` makes the same choices in the browser; a browser test compares
//! the two, element by element.

use sluice_admission::standing::{Reason, State};

use super::{Form, PageInput};
use crate::{
    code, json,
    words::{Face, Words},
};

/// The texts of one page. What is `None` is hidden.
#[derive(Debug)]
pub(super) struct Shown<'w> {
    /// The name of the face.
    pub(super) face: &'static str,
    pub(super) title: String,
    pub(super) heading: &'w str,
    pub(super) text: &'w str,
    /// How many are ahead, with a label; no number for the first in line.
    pub(super) ahead: Option<(Option<String>, &'w str)>,
    pub(super) wait: Option<String>,
    /// Until the page enters by itself, or when the queue opens: a label, and a value.
    pub(super) left: Option<(String, String)>,
    /// 0 to 1.
    pub(super) progress: Option<String>,
    pub(super) reason: Option<&'w str>,
    pub(super) number: Option<String>,
    pub(super) code: Option<code::Code>,
    pub(super) behind: Option<String>,
    /// The visitor has a place and waits for it to come up.
    pub(super) in_line: bool,
    /// The visitor may enter, and this page can take them in.
    pub(super) enter: bool,
    /// The visitor may go back to the form and send it again.
    pub(super) back: bool,
    /// Time of day, UTC: without the script nobody knows the visitor's time zone.
    pub(super) updated: String,
}

impl<'w> Shown<'w> {
    pub(super) fn new(words: &'w Words, site: &str, input: &PageInput<'_>, form: Option<&Form<'_>>) -> Self {
        let standing = input.standing;
        let state = standing.state;
        let face = Face::of(standing, input.closed_as);
        let said = words.said(face);
        let in_line = matches!(state, State::Waiting | State::Held);
        let may_enter = matches!(state, State::Called | State::Admitted);
        let ahead = standing.ahead.filter(|_| in_line);
        let wait = match standing.wait {
            Some(range) => Some(words.wait_range(range)),
            None => standing.reason.is_none().then(|| words.wait.unknown.clone()),
        };
        let form_said = form.map(|form| words.form.way(form.fields.is_some()));
        let left = match (face, standing.opens_at_s) {
            (Face::Of(State::Called), _) if form.is_none() => {
                Some((words.page.entering.replace("{seconds}", &words.number(ENTER_AFTER_S.into())), String::new()))
            }
            (Face::NotOpen, Some(at_s)) => Some((words.page.opens_label.clone(), moment(at_s))),
            _ => None,
        };
        Self {
            face: face.as_str(),
            title: match ahead {
                Some(0) => words.place.next.clone(),
                Some(n) => format!("{} {}", words.number(n), words.ahead(n)),
                None => said.heading.clone(),
            } + " – "
                + site,
            heading: &said.heading,
            text: match (face, form_said) {
                (Face::Of(State::Waiting), Some(form)) => &form.waiting,
                (Face::Of(State::Called | State::Admitted), Some(form)) => &form.called,
                _ => &said.text,
            },
            ahead: ahead.map(|n| ((n > 0).then(|| words.number(n)), words.ahead(n))),
            wait: wait.filter(|_| state == State::Waiting),
            left,
            progress: share(standing.progress.filter(|_| in_line)),
            // What the heading says already is no news.
            reason: standing
                .reason
                .filter(|reason| *reason != Reason::Closed || !face.is_closed())
                .and_then(|reason| words.reason(reason)),
            number: standing.number.map(|n| words.number(n)),
            code: standing.number.map(code::of),
            behind: standing.behind.filter(|_| in_line).map(|n| words.number(n)),
            in_line,
            enter: may_enter && form.is_none(),
            back: may_enter && form.is_some_and(|form| form.fields.is_none()),
            updated: time_of_day(standing.server_time_s),
        }
    }
}

impl Shown<'_> {
    /// No visitor is ahead.
    pub(super) fn is_next(&self) -> bool {
        matches!(self.ahead, Some((None, _)))
    }
}

/// As the status document writes it, so that the script does not move the bar on its first answer.
fn share(progress: Option<f32>) -> Option<String> {
    progress.filter(|share| share.is_finite())?;
    let mut out = Vec::new();
    json::share_or_null(&mut out, progress);
    String::from_utf8(out).ok()
}

/// After so many seconds a page enters that is looked at, unless its visitor asks it to wait; `ENTER_AFTER_S` of the
/// script. Without the script the page loads itself again then, as it says.
pub(super) const ENTER_AFTER_S: u32 = 10;

/// Day and time of day, UTC.
fn moment(unix_s: u64) -> String {
    let (year, month, day) = date(unix_s / 86_400);
    format!("{year}-{month:02}-{day:02} {}", time_of_day(unix_s))
}

/// Year, month and day so many days after the first of January 1970, by the rule of leap years alone.
fn date(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days.min(LAST_DAY));
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, left + 1)
}

/// The end of the year 9999.
const LAST_DAY: u64 = 2_932_896;

pub(super) fn time_of_day(unix_s: u64) -> String {
    let day_s = unix_s % 86_400;
    format!("{:02}:{:02}:{:02} UTC", day_s / 3600, day_s / 60 % 60, day_s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_788, (2026, 12, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
            (2_932_896, (9999, 12, 31)),
            (u64::MAX, (9999, 12, 31)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
        assert_eq!(moment(1_796_115_600), "2026-12-01 09:00:00 UTC");
    }
}
