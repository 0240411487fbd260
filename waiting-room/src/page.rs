//! The pages visitors see: one self-contained HTML document each, nothing to fetch beside it.
//!
//! [`render`] makes the waiting page, [`form_unsent`] the answer to a form that may not pass,
//! [`left`] and [`refused`] short notices. All of them are sent with [`CONTENT_TYPE`],
//! [`REFERRER_POLICY`] and the policy of their [`Sort`], which allows exactly the style and the
//! script they carry.
//!
//! The waiting page works without JavaScript by reloading itself. With JavaScript it polls the
//! status document, keeps itself up to date and enters when called; `templates/page.js` says how.

mod assets;
mod packed;
mod shown;

use std::sync::LazyLock;

use askama::Template;
use bytes::Bytes;
use sluice_admission::standing::Standing;
use sluice_config::settings::Name;

use crate::{
    status,
    words::{ENGLISH, Said, Words},
};
use assets::ASSETS;
pub use packed::Encoding;
use packed::Packed;
use shown::Shown;

/// Content type of every page.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// `Referrer-Policy` of every page: nobody else learns where a visitor waits. Not `no-referrer`, with
/// which a browser keeps back the `Origin` of our own forms, too.
pub const REFERRER_POLICY: &str = "same-origin";

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

/// A form that was stopped on its way to the site.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// What it holds, if the page can send it again: names and values in the order in which they came.
    pub fields: Option<&'a [(String, String)]>,
    /// Whose page it was filled in on.
    pub sent_by: &'a SentBy,
    /// A path in the same queue that answers a `GET`: where the visitor waits in a second tab, without
    /// JavaScript.
    pub line_path: &'a str,
}

/// Whose page a form was sent from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentBy {
    /// The site that it was sent to.
    ThisSite,
    /// Another one, by its host.
    Site(String),
    /// Another one that does not say which.
    SomeSite,
}

/// What a page may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Shows where the visitor stands.
    Shows,
    /// Holds a form, and may send it.
    HoldsForm,
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
pub fn render(input: &PageInput<'_>, encoding: Encoding) -> Bytes {
    waiting_room(input, None, encoding)
}

/// The answer to an HTML form that may not pass yet. It keeps the place in line and says when the form
/// can be sent, from here if the page holds it, else by going back. It never sends it by itself, and
/// does not say what has or has not come about elsewhere: the form may be the way back from a payment.
///
/// A form of another site that is sent on from here comes from the site itself, as far as the site can
/// tell. That takes a visitor who presses a button below the name of the site that it came from, and
/// nothing less.
pub fn form_unsent(input: &PageInput<'_>, form: &Form<'_>, encoding: Encoding) -> Bytes {
    waiting_room(input, Some(form), encoding)
}

/// The answer to leaving the line. `line_path` is where it can be joined again.
pub fn left(site: &str, line_path: &str, encoding: Encoding) -> Bytes {
    let words = &ENGLISH;
    let Said { heading, text } = words.notices.left;
    whole(&Notice { site, heading, text, link: Some((line_path, words.notices.rejoin)) }, encoding)
}

/// The answer to a navigation that can be neither forwarded nor parked.
pub fn refused(site: &str, refusal: Refusal<'_>, encoding: Encoding) -> Bytes {
    let words = &ENGLISH;
    let (heading, text) = refusal.said(words);
    whole(&Notice { site, heading, text: &text, link: None }, encoding)
}

/// The value of the `Content-Security-Policy` header: the same for every page of a sort and for the life
/// of the process.
pub fn content_security_policy(sort: Sort) -> &'static str {
    match sort {
        Sort::Shows => &ASSETS.policy,
        Sort::HoldsForm => &ASSETS.policy_with_form,
    }
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

/// A visitor's part of a page is a little shorter than this, so that it is one allocation.
const OWN_BYTES_TYPICAL: usize = 4 * 1024;

/// A page that reloads faster costs more than its news are worth; one that reloads slower than once
/// a minute may be taken for a visitor who has left.
const RELOAD_S: std::ops::RangeInclusive<u32> = 2..=60;

/// What all pages begin with.
#[derive(Template)]
#[template(path = "head.html")]
struct Head {
    words: &'static Words,
}

#[derive(Template)]
#[template(path = "page.html")]
struct WaitingRoom<'a> {
    words: &'static Words,
    site: &'a str,
    queue: &'a Name,
    message: Option<&'a str>,
    shown: Shown,
    form: Option<&'a Form<'a>>,
    reload_s: u32,
    /// The script's first status document; the message it finds on the page.
    status: String,
}

impl WaitingRoom<'_> {
    /// What the visitor should know of whoever sent the form.
    fn sender(&self) -> Option<String> {
        let said = &self.words.form;
        match self.form?.sent_by {
            SentBy::ThisSite => None,
            SentBy::Site(host) => Some(said.sent_by.replace("{site}", host)),
            SentBy::SomeSite => Some(said.sent_by_some_site.to_owned()),
        }
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    site: &'a str,
    heading: &'a str,
    text: &'a str,
    link: Option<(&'a str, &'a str)>,
}

fn waiting_room(input: &PageInput<'_>, form: Option<&Form<'_>>, encoding: Encoding) -> Bytes {
    let PageInput { site, queue, standing, message } = *input;
    let words = &ENGLISH;
    let mut status = Vec::new();
    status::write(&mut status, queue.as_str(), standing, None);
    let page = WaitingRoom {
        words,
        site,
        queue,
        message,
        shown: Shown::new(words, site, standing, form),
        form,
        reload_s: standing.poll_after_s.clamp(*RELOAD_S.start(), *RELOAD_S.end()),
        status: String::from_utf8_lossy(&status).into_owned(),
    };
    whole(&page, encoding)
}

fn whole(own: &impl Template, encoding: Encoding) -> Bytes {
    static HEAD: LazyLock<Packed> = LazyLock::new(|| Packed::new(written(&Head { words: &ENGLISH })));
    HEAD.followed_by(written(own).as_bytes(), encoding)
}

fn written(part: &impl Template) -> String {
    let mut out = String::with_capacity(OWN_BYTES_TYPICAL);
    // Templates fail only when their writer or a value's `Display` does; neither a `String` nor
    // the strings and integers in these templates ever do.
    part.render_into(&mut out).expect("a template of strings and integers is written to a string");
    out
}

#[cfg(test)]
mod tests;
