//! The pages visitors see: one self-contained HTML document each, nothing to fetch beside it.
//!
//! [`render`] makes the waiting page, [`form_kept`] the answer to a form that may not pass,
//! [`left`] and [`refused`] short notices. All of them are sent with [`CONTENT_TYPE`] and
//! [`content_security_policy`], which allows exactly the style and the script they carry.
//!
//! The waiting page works without JavaScript by reloading itself. With JavaScript it polls the
//! status document, keeps itself up to date and enters when called; `templates/page.js` says how.

mod assets;
mod shown;

use askama::Template;
use bytes::Bytes;
use sluice_admission::standing::Standing;
use sluice_config::settings::Name;

use crate::{
    status,
    words::{ENGLISH, Said, Words},
};
use assets::ASSETS;
use shown::Shown;

/// Content type of every page.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// What a page tells one visitor.
#[derive(Clone, Copy, Debug)]
pub struct PageInput<'a> {
    /// The host the visitor asked for, shown so that they know they are in the right place.
    pub site: &'a str,
    /// The queue they wait in.
    pub queue: &'a Name,
    /// Where they stand.
    pub standing: &'a Standing,
    /// The operator's plain text.
    pub message: Option<&'a str>,
}

/// Why there is neither a page of the site nor a line for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The request can be read in more than one way. The reason completes "The request was
    /// refused: …", in plain words.
    BadRequest(&'a str),
    /// No tenant answers for the host.
    UnknownSite,
}

/// The waiting page, the answer to a navigation (`GET`) that may not pass yet.
pub fn render(input: &PageInput<'_>) -> Bytes {
    waiting_room(input, None)
}

/// The answer to an HTML form that may not pass yet: it says that nothing was sent, keeps the place
/// in line, and tells the visitor when to go back and send it again. It never sends it by itself.
///
/// `line_path` is a path in the same queue that answers a `GET`: without JavaScript the visitor
/// waits there, in a second tab.
pub fn form_kept(input: &PageInput<'_>, line_path: &str) -> Bytes {
    waiting_room(input, Some(line_path))
}

/// The answer to leaving the line. `line_path` is where it can be joined again.
pub fn left(site: &str, line_path: &str) -> Bytes {
    let words = &ENGLISH;
    let Said { heading, text } = words.notices.left;
    notice(Notice { words, site, heading, text, link: Some((line_path, words.notices.rejoin)) })
}

/// The answer to a navigation that can be neither forwarded nor parked.
pub fn refused(site: &str, refusal: Refusal<'_>) -> Bytes {
    let words = &ENGLISH;
    let (heading, text) = refusal.said(words);
    notice(Notice { words, site, heading, text: &text, link: None })
}

/// The value of the `Content-Security-Policy` header of every page: the same for all of them and
/// for the life of the process.
pub fn content_security_policy() -> &'static str {
    &ASSETS.content_security_policy
}

impl Refusal<'_> {
    /// The status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::UnknownSite => 421,
        }
    }

    /// Heading and text, for the notice and the problem document alike.
    pub(crate) fn said(self, words: &Words) -> (&'static str, String) {
        match self {
            Self::BadRequest(reason) => {
                let Said { heading, text } = words.notices.bad_request;
                (heading, text.replace("{reason}", reason))
            }
            Self::UnknownSite => {
                let Said { heading, text } = words.notices.unknown_site;
                (heading, text.to_owned())
            }
        }
    }
}

/// Pages are a little shorter than this, so that a page is one allocation.
const LEN_TYPICAL: usize = 14 * 1024;

/// A page that reloads faster costs more than its news are worth; one that reloads slower than once
/// a minute may be taken for a visitor who has left.
const RELOAD_S: std::ops::RangeInclusive<u32> = 2..=60;

#[derive(Template)]
#[template(path = "page.html")]
struct WaitingRoom<'a> {
    words: &'static Words,
    site: &'a str,
    queue: &'a Name,
    message: Option<&'a str>,
    shown: Shown,
    /// Where to wait in a second tab, on the kept-form page.
    line_path: Option<&'a str>,
    reload_s: u32,
    /// The script's first status document; the message it finds on the page.
    status: String,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    words: &'static Words,
    site: &'a str,
    heading: &'a str,
    text: &'a str,
    link: Option<(&'a str, &'a str)>,
}

fn waiting_room(input: &PageInput<'_>, line_path: Option<&str>) -> Bytes {
    let PageInput { site, queue, standing, message } = *input;
    let words = &ENGLISH;
    let mut status = Vec::new();
    status::write(&mut status, queue.as_str(), standing, None);
    written(&WaitingRoom {
        words,
        site,
        queue,
        message,
        shown: Shown::new(words, site, standing, line_path.is_some()),
        line_path,
        reload_s: standing.poll_after_s.clamp(*RELOAD_S.start(), *RELOAD_S.end()),
        status: String::from_utf8_lossy(&status).into_owned(),
    })
}

fn notice(notice: Notice<'_>) -> Bytes {
    written(&notice)
}

fn written(page: &impl Template) -> Bytes {
    let mut out = String::with_capacity(LEN_TYPICAL);
    // Templates fail only when their writer or a value's `Display` does; neither a `String` nor
    // the strings and integers in these templates ever do.
    page.render_into(&mut out).expect("a template of strings and integers is written to a string");
    Bytes::from(out)
}

#[cfg(test)]
mod tests;
