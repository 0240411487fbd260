//! Problem documents: why a request that is no navigation was not carried out.
//!
//! `application/problem+json` as in RFC 9457. The type is a URN, so it names the problem without
//! pointing anywhere; the status document of the sender stands in the member `sluice`.

use sluice_admission::standing::{Standing, State};
use sluice_config::Language;

use crate::{
    json,
    page::Refusal,
    status,
    words::{self, Said},
};

/// Content type of problem documents.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Room for a document without a message, so that the buffer grows at most once.
const LEN_TYPICAL: usize = 640;

/// Appends the problem document of a request that may not pass yet.
///
/// `http_status` is the status it is answered with, 429 as a rule. Type and title depend on the
/// state alone.
pub fn write(out: &mut Vec<u8>, http_status: u16, queue: &str, standing: &Standing, message: Option<&str>) {
    let (title, detail) = said(standing.state);
    out.reserve(LEN_TYPICAL + message.map_or(0, str::len));
    open(out, standing.state.as_str(), title, http_status, detail);
    out.extend_from_slice(b",\"sluice\":");
    status::write(out, queue, standing, message);
    out.push(b'}');
}

/// Appends the problem document of a request that can be neither forwarded nor parked.
pub fn refused(out: &mut Vec<u8>, refusal: Refusal<'_>) {
    let (Said { heading: title, text }, reason) = refusal.said(words::of(Language::ENGLISH));
    let detail = text.replace("{reason}", reason.unwrap_or_default());
    let kind = match refusal {
        Refusal::BadRequest(_) => "bad_request",
        Refusal::UnknownSite => "unknown_site",
        Refusal::Unavailable(_) => "unavailable",
    };
    open(out, kind, title, refusal.status(), &detail);
    out.push(b'}');
}

/// The `grpc-message` of a call that may not pass yet, answered with `UNAVAILABLE`.
///
/// Free of every byte that header would have to percent-encode.
pub fn grpc_message(state: State) -> &'static str {
    said(state).1
}

/// Title and detail of the problem of a state, for developers, so in English.
const fn said(state: State) -> (&'static str, &'static str) {
    match state {
        State::Joining => (
            "Joining the line",
            "The request was not carried out. Its sender has no number in line yet: ask for the status document with \
             the cookies of this answer to get one.",
        ),
        State::Waiting => (
            "Waiting in line",
            "The request was not carried out. Its sender waits in line: ask for the status document until the state is \
             called, then send the request again.",
        ),
        State::Called => (
            "Called, not yet inside",
            "The request was not carried out. Its sender may enter now: send the request again.",
        ),
        State::Admitted => {
            ("Inside", "The request was not carried out, but its sender is inside: send the request again.")
        }
        State::Held => (
            "The line is on hold",
            "The request was not carried out. Nobody is being let in for the moment; the sender's place is kept. Go on \
             asking for the status document.",
        ),
        State::Closed => (
            "The line is closed",
            "The request was not carried out. Nobody is being let in and nobody can join the line.",
        ),
        State::Full => (
            "The line is full",
            "The request was not carried out. The line takes no more numbers for now: ask for the status document \
             again later.",
        ),
    }
}

/// A problem document without its closing brace.
fn open(out: &mut Vec<u8>, kind: &str, title: &str, http_status: u16, detail: &str) {
    out.extend_from_slice(b"{\"type\":\"urn:sluice:problem:");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"title\":");
    json::string(out, title);
    out.extend_from_slice(b",\"status\":");
    json::integer(out, http_status);
    out.extend_from_slice(b",\"detail\":");
    json::string(out, detail);
}

#[cfg(test)]
mod tests;
