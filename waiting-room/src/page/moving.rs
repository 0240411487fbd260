//! Pages of a place on its way to another device.

use askama::Template;
use bytes::Bytes;

use super::{Encoding, Pages, Reader, Sort, qr, written};
use crate::words::Said;

/// What the policy of these pages allows: one of them holds a form, after which the site may lead on to another host.
pub const SORT: Sort = Sort::HoldsForm;

/// `Referrer-Policy` of these pages, whose addresses carry a place: no page learns more of them than their host. Not
/// `no-referrer`, with which a browser keeps back the `Origin` of our own forms, too.
pub const REFERRER_POLICY: &str = "strict-origin";

impl Pages {
    /// A link to a visitor's place, with its code: a piece of a page, for the script to put in.
    pub fn link(&self, reader: Reader<'_>, link: &str, minutes: u64) -> Bytes {
        self.written_link(reader, link, minutes).into()
    }

    /// The same as a page, for browsers without the script.
    pub fn linked(&self, reader: Reader<'_>, link: &str, minutes: u64) -> Bytes {
        let link = self.written_link(reader, link, minutes);
        self.moving(reader, &self.words_for(reader).moving.offer, Way::Link(&link))
    }

    /// On the other device: whether the place with this number is to be taken along, by a form that goes to `action`.
    pub fn take(&self, reader: Reader<'_>, number: u64, action: &str) -> Bytes {
        let words = self.words_for(reader);
        let take = &words.moving.take;
        let text = take.text.replace("{number}", &words.number(number));
        self.moving(reader, &take.heading, Way::Take { text: &text, action, button: &take.button })
    }

    /// On the other device: the link is of no use any more.
    pub fn void(&self, reader: Reader<'_>) -> Bytes {
        let Said { heading, text } = &self.words_for(reader).moving.void;
        self.moving(reader, heading, Way::Text(text))
    }

    /// On the old device: the place has been taken along.
    pub fn gone(&self, reader: Reader<'_>) -> Bytes {
        let Said { heading, text } = &self.words_for(reader).states.moved;
        self.moving(reader, heading, Way::Text(text))
    }

    /// Neither now: the visitor is to try again.
    pub fn not_now(&self, reader: Reader<'_>) -> Bytes {
        let moving = &self.words_for(reader).moving;
        self.moving(reader, &moving.offer, Way::Text(&moving.failed))
    }

    fn written_link(&self, reader: Reader<'_>, link: &str, minutes: u64) -> String {
        let moving = &self.words_for(reader).moving;
        let text = moving.text.replace("{minutes}", &self.words_for(reader).number(minutes));
        // A link that is too long for a code is still a link.
        let code = qr::svg(link).unwrap_or_default();
        written(&Link { code: &code, text: &text, link, label: &moving.offer })
    }

    fn moving(&self, reader: Reader<'_>, heading: &str, way: Way<'_>) -> Bytes {
        self.speaking(reader).whole(&Moving { site: self.name(reader), heading, way }, reader.encoding)
    }
}

/// The encoding of [`Pages::link`], which shares nothing with other pages.
pub const LINK_ENCODING: Encoding = Encoding::Identity;

#[derive(Template)]
#[template(path = "link.html")]
struct Link<'a> {
    code: &'a str,
    text: &'a str,
    link: &'a str,
    label: &'a str,
}

#[derive(Template)]
#[template(path = "moving.html")]
struct Moving<'a> {
    site: &'a str,
    heading: &'a str,
    way: Way<'a>,
}

/// What one of these pages is for.
#[derive(Clone, Copy, Debug)]
enum Way<'a> {
    /// The link, as markup.
    Link(&'a str),
    Take {
        text: &'a str,
        action: &'a str,
        button: &'a str,
    },
    Text(&'a str),
}

#[cfg(test)]
mod tests;
