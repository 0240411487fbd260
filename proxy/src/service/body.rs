//! What is left of a request's body when the answer is ours.

use http::header;
use pingora_core::protocols::http::ServerSession;

/// A body up to this long is read away so that the connection can go on; a longer one is not worth its bytes.
const DRAIN_BYTES_MAX: u64 = 256 << 10;

/// Reads a short body away, or gives the connection up. What was sent is never kept.
pub(super) async fn settle(session: &mut ServerSession) {
    if session.is_body_done() {
        return;
    }
    let headers = &session.req_header().headers;
    // Whoever waits for a "100 Continue" may or may not send the body after another answer, so where the next
    // request starts is in doubt.
    let in_doubt = headers.contains_key(header::EXPECT);
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let long = length.is_some_and(|length| length > DRAIN_BYTES_MAX);
    if in_doubt || long || session.drain_request_body().await.is_err() {
        session.set_keepalive(None);
    }
}
