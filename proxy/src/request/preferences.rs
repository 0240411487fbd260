//! Which form of an answer the client would rather have.

use http::{HeaderMap, HeaderName, header};
use sluice_waiting_room::page::Encoding;

use super::{kind::weight, list::members, scan::before};

/// How a client wants the pages that it gets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Preferences {
    pub(crate) encoding: Encoding,
}

impl Preferences {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { encoding: encoding(headers) }
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

/// The members of a list with their weights, in thousandths. Those whose weight cannot be read are left out.
fn weighted<'h>(headers: &'h HeaderMap, name: &'h HeaderName) -> impl Iterator<Item = (&'h [u8], u16)> {
    members(headers, name).filter_map(|member| {
        let value = before(b';', member);
        Some((value.trim_ascii_end(), weight(&member[value.len()..])?))
    })
}

#[cfg(test)]
mod tests;
