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
    out.extend_from_slice(b",\"enter_within_seconds\":");
    json::integer_or_null(out, standing.enter_within_s.map(u64::from));
    out.extend_from_slice(b",\"opens_at\":");
    json::integer_or_null(out, standing.opens_at_s);
    out.push(b'}');
}

/// The same for the script of a page, which takes what is missing for what is not known.
pub(crate) fn write_known(out: &mut Vec<u8>, queue: &str, standing: &Standing) {
    let mut whole = Vec::with_capacity(LEN_TYPICAL);
    write(&mut whole, queue, standing, None);
    let (mut rest, mut first) = (&whole[1..whole.len() - 1], true);
    out.push(b'{');
    while !rest.is_empty() {
        let member = &rest[..member_len(rest)];
        rest = rest.get(member.len() + 1..).unwrap_or_default();
        if !member.ends_with(b":null") {
            out.extend_from_slice(if first { b"" } else { b"," });
            out.extend_from_slice(member);
            first = false;
        }
    }
    out.push(b'}');
}

/// Bytes to the comma behind a member, or to the end. Names and words of ours have neither quotes nor commas in them.
fn member_len(members: &[u8]) -> usize {
    let mut depth = 0_u32;
    for (at, byte) in members.iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return at,
            _ => {}
        }
    }
    members.len()
}

#[cfg(test)]
mod tests;
