//! What is left of a request's body when the answer is ours.

use bytes::Bytes;
use http::{HeaderMap, header};
use pingora_core::protocols::http::v1::server::HttpSession;

use super::BodySource;

/// A body up to this long is read away so that the connection can go on; a longer one is not worth its bytes.
const DRAIN_BYTES_MAX: u64 = 256 << 10;

/// Says of a request on HTTP/1 what becomes of a body that has not been read: a short one is read away behind the answer,
/// with any other the connection ends. The answer waits for neither.
pub(super) fn settle(session: &mut HttpSession) {
    if session.is_body_done() {
        return;
    }
    let headers = &session.req_header().headers;
    // Whoever waits for a "100 Continue" may or may not send the body after another answer, so where the next
    // request starts is in doubt.
    let in_doubt = headers.contains_key(header::EXPECT);
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let long = length.is_some_and(|length| length > DRAIN_BYTES_MAX);
    if in_doubt || long {
        session.set_server_keepalive(None);
    } else {
        session.set_close_on_response_before_downstream_finish(false);
    }
}

impl BodySource for HttpSession {
    fn headers(&self) -> &HeaderMap {
        &self.req_header().headers
    }

    async fn next_piece(&mut self) -> Option<Bytes> {
        self.read_body_bytes().await.ok()?
    }

    fn expect_no_more(&mut self) {
        self.set_server_keepalive(None);
    }
}
