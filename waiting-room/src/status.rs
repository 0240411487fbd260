//! The status document: where one visitor stands, as JSON.
//!
//! Its shape is an interface that apps rely on; the crate's README describes every member. Members
//! are only ever added, at the end.

use sluice_admission::standing::Standing;

use crate::{code, json};

/// Content type of the status document.
pub const CONTENT_TYPE: &str = "application/json";

/// Room for a document without a message, so that the buffer grows at most once.
const LEN_TYPICAL: usize = 340;

/// Appends the status document of one visitor to `out`.
///
/// `queue` is the queue's name, `message` the operator's plain text. Every member is always there;
/// what is not known is `null`. A poll costs this and a signature check, so it allocates nothing
/// but the buffer.
pub fn write(out: &mut Vec<u8>, queue: &str, standing: &Standing, message: Option<&str>) {
    out.reserve(LEN_TYPICAL + message.map_or(0, str::len));
    out.extend_from_slice(b"{\"queue\":");
    json::string(out, queue);
    out.extend_from_slice(b",\"state\":");
    json::string(out, standing.state.as_str());
    out.extend_from_slice(b",\"number\":");
    json::integer_or_null(out, standing.number);
    out.extend_from_slice(b",\"ahead\":");
    json::integer_or_null(out, standing.ahead);
    out.extend_from_slice(b",\"behind\":");
    json::integer_or_null(out, standing.behind);
    out.extend_from_slice(b",\"wait_seconds\":");
    match standing.wait {
        Some(wait) => {
            out.extend_from_slice(b"{\"low\":");
            json::integer(out, wait.low_s);
            out.extend_from_slice(b",\"high\":");
            json::integer(out, wait.high_s);
            out.push(b'}');
        }
        None => json::null(out),
    }
    out.extend_from_slice(b",\"progress\":");
    json::share_or_null(out, standing.progress);
    out.extend_from_slice(b",\"poll_after_seconds\":");
    json::integer(out, standing.poll_after_s);
    out.extend_from_slice(b",\"reason\":");
    json::string_or_null(out, standing.reason.map(|reason| reason.as_str()));
    out.extend_from_slice(b",\"message\":");
    json::string_or_null(out, message);
    out.extend_from_slice(b",\"server_time\":");
    json::integer(out, standing.server_time_s);
    out.extend_from_slice(b",\"code\":");
    match standing.number {
        Some(number) => json::string(out, code::of(number).as_str()),
        None => json::null(out),
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests;
