//! The pages visitors see: one self-contained HTML document each, nothing to fetch beside it.
//!
//! [`Pages`] are those of one tenant, in every language: the waiting page, the answer to a form that may not pass, and
//! short notices. All of them are sent with [`CONTENT_TYPE`],
//! [`REFERRER_POLICY`] and the policy of their [`Sort`], which allows exactly the style and the
//! script they carry.
//!
//! The waiting page works without JavaScript by reloading itself. With JavaScript it polls the
//! status document, keeps itself up to date and enters when called; `templates/page.js` says how.

mod assets;
mod face;
pub mod moving;
mod packed;
mod qr;
mod shown;

use std::sync::{LazyLock, OnceLock};

use askama::Template;
use bytes::Bytes;
use serde_json::json;
use sluice_admission::standing::{Standing, State};
use sluice_config::{
    ClosedAs, Language,
    settings::{Link, Name, Page as Settings},
};

use crate::{
    status,
    words::{self, Said, Words, locale},
};
use assets::ASSETS;
pub use packed::Encoding;
use packed::{Packed, Tail};
use shown::Shown;

/// Content type of every page.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// `Referrer-Policy` of every page: nobody else learns where a visitor waits. Not `no-referrer`, with
/// which a browser keeps back the `Origin` of our own forms, too.
pub const REFERRER_POLICY: &str = "same-origin";

/// Who reads a page.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The host the visitor asked for, shown so that they know they are in the right place.
    pub site: &'a str,
    /// The language the visitor reads; `None`: the tenant's.
    pub language: Option<Language>,
    /// How the page travels.
    pub encoding: Encoding,
}

/// What a page tells one visitor.
#[derive(Clone, Copy, Debug)]
pub struct PageInput<'a> {
    /// Who reads it.
    pub reader: Reader<'a>,
    /// The queue they wait in.
    pub queue: &'a Name,
    /// What the queue is called when it is closed.
    pub closed_as: ClosedAs,
    /// Where they stand.
    pub standing: &'a Standing,
    /// The operator's plain text.
    pub message: Option<&'a str>,
    /// The slip that the visitor is handed with the page: with it they can take their place to a browser that keeps
    /// cookies, if this one does not.
    pub slip: Option<&'a str>,
}

/// What a board shows: of a whole lane, of no visitor.
#[derive(Clone, Copy, Debug)]
pub struct Board<'a> {
    /// The highest number called, as visitors see it; 0: none yet.
    pub calling: u64,
    /// Visitors in the lane.
    pub waiting: u64,
    /// Where a newcomer would stand.
    pub newcomer: &'a Standing,
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
    /// Shows how far the line is.
    Board,
}

/// Why there is neither a page of the site nor a line for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The request can be read in more than one way. The reason completes "The request was
    /// refused: …", in plain words.
    BadRequest(&'a str),
    /// No tenant answers for the host.
    UnknownSite,
    /// The site itself does not answer, or not in time, or has no room. The status that says which: 502, 504 or 503.
    Unavailable(u16),
}

/// The pages of one tenant, in every language. What all visitors share of them is made when it is first asked for.
#[derive(Debug)]
pub struct Pages {
    settings: Settings,
    /// The tenant's own.
    style: String,
    /// By [`Sort`].
    policies: [String; 3],
    speaking: [OnceLock<Speaking>; Language::COUNT],
}

/// The pages of one tenant in one language.
#[derive(Debug)]
struct Speaking {
    /// The tenant's own, if it has put texts in the place of ours.
    words: Option<Box<Words>>,
    language: Language,
    head: Packed,
    /// Of pages without and with a form.
    tails: [Tail; 2],
}

impl Pages {
    /// The pages of a tenant with these settings.
    pub fn new(settings: Settings) -> Self {
        let style = face::style(&settings);
        let policies = [Sort::Shows, Sort::HoldsForm, Sort::Board].map(|sort| assets::policy(&style, sort));
        let speaking = [const { OnceLock::new() }; Language::COUNT];
        Self { settings, style, policies, speaking }
    }

    /// The pages of a host that no tenant answers for.
    pub fn of_no_tenant() -> &'static Self {
        static PAGES: LazyLock<Pages> = LazyLock::new(|| Pages::new(Settings::default()));
        &PAGES
    }

    /// The waiting page, the answer to a navigation (`GET`) that may not pass yet.
    pub fn waiting(&self, input: &PageInput<'_>) -> Bytes {
        self.waiting_room(input, None)
    }

    /// The answer to an HTML form that may not pass yet. It keeps the place in line and says when the form
    /// can be sent, from here if the page holds it, else by going back. It never sends it by itself, and
    /// does not say what has or has not come about elsewhere: the form may be the way back from a payment.
    ///
    /// A form of another site that is sent on from here comes from the site itself, as far as the site can
    /// tell. That takes a visitor who presses a button below the name of the site that it came from, and
    /// nothing less.
    pub fn form_unsent(&self, input: &PageInput<'_>, form: &Form<'_>) -> Bytes {
        self.waiting_room(input, Some(form))
    }

    /// The public board of a queue.
    pub fn board(&self, reader: Reader<'_>, board: &Board<'_>) -> Bytes {
        let speaking = self.speaking(reader);
        let words = speaking.words();
        let Board { calling, waiting, newcomer } = *board;
        let wait = newcomer.wait.map_or_else(|| words.wait.unknown.clone(), |range| words.wait_range(range));
        let page = BoardPage {
            words,
            site: self.name(reader),
            calling: if calling == 0 { "–".to_owned() } else { words.number(calling) },
            waiting: words.number(waiting),
            wait,
            reason: newcomer.reason.and_then(|reason| words.reason(reason)),
            time: shown::time_of_day(newcomer.server_time_s),
        };
        speaking.whole(&page, reader.encoding)
    }

    /// The answer to leaving the line. `line_path` is where it can be joined again.
    pub fn left(&self, reader: Reader<'_>, line_path: &str) -> Bytes {
        let speaking = self.speaking(reader);
        let notices = &speaking.words().notices;
        let Said { heading, text } = &notices.left;
        let link = Some((line_path, notices.rejoin.as_str()));
        speaking.whole(&Notice { site: self.name(reader), heading, text, reason: None, link }, reader.encoding)
    }

    /// The answer to a navigation that can be neither forwarded nor parked.
    pub fn refused(&self, reader: Reader<'_>, refusal: Refusal<'_>) -> Bytes {
        let speaking = self.speaking(reader);
        let (Said { heading, text }, reason) = refusal.said(speaking.words());
        let (text, rest) = text.split_once("{reason}").unwrap_or((text, ""));
        let reason = reason.map(|reason| (reason, rest));
        speaking.whole(&Notice { site: self.name(reader), heading, text, reason, link: None }, reader.encoding)
    }

    /// The value of the `Content-Security-Policy` header of the pages of a sort.
    pub fn content_security_policy(&self, sort: Sort) -> &str {
        &self.policies[sort as usize]
    }

    /// What the site is called.
    fn name<'a>(&'a self, reader: Reader<'a>) -> &'a str {
        self.settings.look.name.as_deref().unwrap_or(reader.site)
    }

    fn words_for(&self, reader: Reader<'_>) -> &Words {
        self.speaking(reader).words()
    }

    fn speaking(&self, reader: Reader<'_>) -> &Speaking {
        let language = reader.language.unwrap_or(self.settings.language);
        self.speaking[language.index()].get_or_init(|| {
            let words = self.settings.texts.get(&language).map(|texts| Box::new(words::with(language, texts)));
            let head =
                Packed::new(written(&Head::new(words.as_deref().unwrap_or_else(|| words::of(language)), &self.style)));
            let tail = |is_form| {
                let words = words.as_deref().unwrap_or_else(|| words::of(language));
                Tail::new(written(&End { words, links: &self.settings.look.links, is_form }))
            };
            let tails = [false, true].map(tail);
            Speaking { words, language, head, tails }
        })
    }

    fn waiting_room(&self, input: &PageInput<'_>, form: Option<&Form<'_>>) -> Bytes {
        let PageInput { reader, queue, closed_as, standing, message, slip } = *input;
        let speaking = self.speaking(reader);
        let words = speaking.words();
        let mut status = Vec::new();
        status::write_known(&mut status, queue.as_str(), standing);
        let page = WaitingRoom {
            words,
            site: self.name(reader),
            queue,
            closed_as: closed_as.as_str(),
            message,
            shown: Shown::new(words, self.name(reader), input, form),
            form,
            slip: slip.filter(|_| form.is_none() && standing.state == State::Joining),
            reload_s: match standing.state {
                State::Called => shown::ENTER_AFTER_S,
                _ => standing.poll_after_s.clamp(*RELOAD_S.start(), *RELOAD_S.end()),
            },
            status: String::from_utf8_lossy(&status).into_owned(),
        };
        let tail = &speaking.tails[usize::from(form.is_some())];
        speaking.head.followed_by(close_up(&written(&page)).as_bytes(), Some(tail), reader.encoding)
    }
}

impl Speaking {
    fn words(&self) -> &Words {
        self.words.as_deref().unwrap_or_else(|| words::of(self.language))
    }

    fn whole(&self, own: &impl Template, encoding: Encoding) -> Bytes {
        self.head.followed_by(written(own).as_bytes(), None, encoding)
    }
}

impl<'a> Refusal<'a> {
    /// The status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::UnknownSite => 421,
            Self::Unavailable(status) => status,
        }
    }

    /// Heading and text, for the notice and the problem document alike, and what stands in the text for `{reason}`.
    pub(crate) fn said(self, words: &Words) -> (&Said, Option<&'a str>) {
        let notices = &words.notices;
        match self {
            Self::BadRequest(reason) => (&notices.bad_request, Some(reason)),
            Self::UnknownSite => (&notices.unknown_site, None),
            Self::Unavailable(_) => (&notices.unavailable, None),
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
struct Head<'a> {
    lang: &'static str,
    dir: &'static str,
    /// The tenant's own.
    style: &'a str,
    /// What the script says, as JSON that may stand inside `<script type=application/json>`.
    words: String,
}

impl<'a> Head<'a> {
    fn new(words: &Words, style: &'a str) -> Self {
        let mut said = json!(words);
        // Browsers know what each of them is called.
        said["languages"] = json!(Language::all().map(Language::tag).collect::<Vec<_>>().join(" "));
        let (page, moving) = (&words.page, &words.moving);
        // What the script alone says: here it is compressed.
        said["page"] = json!({
            "offline": page.offline,
            "keep": page.keep,
            "opens": page.opens_label,
            "left": page.time_left_label,
            "entering": page.entering,
            "wait": page.wait,
            "ready": page.ready,
            "chime": page.alert,
            "chime_on": page.alert_on,
            "failed": moving.failed,
        });
        Self {
            lang: words.language.tag(),
            dir: if locale::is_right_to_left(words.language) { "rtl" } else { "ltr" },
            style,
            words: said.to_string().replace('<', "\\u003c"),
        }
    }
}

#[derive(Template)]
#[template(path = "page.html")]
struct WaitingRoom<'a> {
    words: &'a Words,
    site: &'a str,
    queue: &'a Name,
    closed_as: &'static str,
    message: Option<&'a str>,
    shown: Shown<'a>,
    form: Option<&'a Form<'a>>,
    /// What may be carried to another browser.
    slip: Option<&'a str>,
    reload_s: u32,
    /// The script's first status document; the message it finds on the page.
    status: String,
}

/// What the waiting page ends with.
#[derive(Template)]
#[template(path = "tail.html")]
struct End<'a> {
    words: &'a Words,
    links: &'a [Link],
    is_form: bool,
}

impl WaitingRoom<'_> {
    /// What the visitor should know of whoever sent the form.
    fn sender(&self) -> Option<String> {
        let said = &self.words.form;
        match self.form?.sent_by {
            SentBy::ThisSite => None,
            SentBy::Site(host) => Some(said.sender.replace("{site}", host)),
            SentBy::SomeSite => Some(said.sender_unknown.clone()),
        }
    }
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage<'a> {
    words: &'a Words,
    site: &'a str,
    calling: String,
    waiting: String,
    wait: String,
    reason: Option<&'a str>,
    time: String,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    site: &'a str,
    heading: &'a str,
    text: &'a str,
    /// In English whatever the language is, and how the text goes on.
    reason: Option<(&'a str, &'a str)>,
    link: Option<(&'a str, &'a str)>,
}

/// A page without the line breaks between its tags. What others have written has no tags, and keeps its own.
fn close_up(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find(">\n<") {
        out.push_str(&rest[..=at]);
        rest = &rest[at + 2..];
    }
    out + rest
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
