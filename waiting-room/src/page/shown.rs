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

pub(super) fn time_of_day(unix_s: u64) -> String {
    let day_s = unix_s % 86_400;
    format!("{:02}:{:02}:{:02} UTC", day_s / 3600, day_s / 60 % 60, day_s % 60)
}
