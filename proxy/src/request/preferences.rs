//! Which form of a page the client would rather have.

use http::{HeaderMap, HeaderName, header};
use sluice_config::Language;
use sluice_waiting_room::page::{Encoding, Reader};

use super::{cookies, kind::weight};
use crate::request::syntax::{list::members, scan::before};

/// How a client wants the pages that it gets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Preferences {
    pub(crate) encoding: Encoding,
    /// `None`: none of those that there are.
    pub(crate) language: Option<Language>,
}

impl Preferences {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { encoding: encoding(headers), language: chosen(headers).or_else(|| asked_for(headers)) }
    }

    /// The reader of a page of this site.
    pub(crate) fn read(self, site: &str) -> Reader<'_> {
        Reader { site, language: self.language, encoding: self.encoding }
    }
}

/// The encoding that the client takes with the greatest weight; of several, the smallest (RFC 9110, 12.5.3). Who does
/// not say, or takes none of ours, gets the bytes as they are.
fn encoding(headers: &HeaderMap) -> Encoding {
    let mut any = 0;
    let mut weights = [None; Encoding::ALL.len()];
    for (name, weight) in weighted(headers, &header::ACCEPT_ENCODING) {
        if name == b"*" {
            any = weight;
        }
        for (encoding, known) in Encoding::ALL.iter().zip(&mut weights) {
            if name.eq_ignore_ascii_case(encoding.name().unwrap_or("identity").as_bytes()) {
                *known = Some(weight);
            }
        }
    }
    let mut best = (Encoding::Identity, 0);
    for (encoding, weight) in Encoding::ALL.into_iter().zip(weights) {
        let weight = weight.unwrap_or(any);
        if weight > best.1 {
            best = (encoding, weight);
        }
    }
    best.0
}

/// What the visitor has chosen on a page of ours. A planted one changes a language, and nothing else.
fn chosen(headers: &HeaderMap) -> Option<Language> {
    let [candidates] = cookies::find(headers, [cookies::LANGUAGE]);
    candidates.iter().find_map(|tag| Language::of(str::from_utf8(tag).ok()?))
}

/// The language with the greatest weight among those that there are; of several, the first (RFC 9110, 12.5.4).
fn asked_for(headers: &HeaderMap) -> Option<Language> {
    let mut best = (None, 0);
    for (range, weight) in weighted(headers, &header::ACCEPT_LANGUAGE) {
        if weight > best.1
            && let Some(language) = str::from_utf8(range).ok().and_then(Language::matching)
        {
            best = (Some(language), weight);
        }
    }
    best.0
}

/// The members of a list with their weights, in thousandths. Those whose weight cannot be read are left out.
fn weighted<'h>(headers: &'h HeaderMap, name: &'h HeaderName) -> impl Iterator<Item = (&'h [u8], u16)> {
    members(headers, name).filter_map(|member| {
        let value = before(b';', member);
        Some((value.trim_ascii_end(), weight(&member[value.len()..])?))
    })
}

#[cfg(test)]
mod tests;
