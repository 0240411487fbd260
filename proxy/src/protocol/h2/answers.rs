//! Answers on a stream: their heads, and those that are ours.

use std::{future::poll_fn, task::Poll};

use bytes::Bytes;
use h2::{SendStream, server::SendResponse};
use http::{HeaderValue, Method, Response, header, response::Parts};
use pingora_core::protocols::http::date::get_cached_date;
use pingora_http::ResponseHeader;
use tokio::time::timeout;

use super::{incoming::Incoming, piece::Piece};
use crate::{
    request::kind::Kind,
    service::{Passage, STREAM_WRITE_TIMEOUT, answer::Answer, with_form},
};

/// Why an answer of ours has not been written.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// The client has not taken it in time.
    NotTaken,
    Gone,
}

/// Begins an answer. `ended`: there is nothing behind the head.
///
/// # Errors
/// If the client is gone.
pub(super) fn begin(
    answer: &mut SendResponse<Piece>,
    mut head: ResponseHeader,
    ended: bool,
) -> Result<SendStream<Piece>, h2::Error> {
    if !head.headers.contains_key(header::DATE) {
        let _ = head.insert_header(header::DATE, date());
    }
    answer.send_response(Response::from_parts(Parts::from(head), ()), ended)
}

/// The time. It is another one for nearly every answer, so the table of the connection's fields does without.
fn date() -> HeaderValue {
    let mut date = get_cached_date();
    date.set_sensitive(true);
    date
}

/// Writes an answer of ours.
///
/// # Errors
/// If the client is gone, or takes too long.
pub(super) async fn write(request: &mut Incoming, passage: &mut Passage, answer: Answer) -> Result<(), Unwritten> {
    // The room that a form takes is its own until the answer has been written.
    let (answer, _room) = with_form(request, passage, answer).await;
    let Answer { mut head, body, .. } = answer;
    passage.dress(&mut head).map_err(|_| Unwritten::Gone)?;
    let bodiless = request.head.method == Method::HEAD || body.is_empty();
    // A gRPC client takes an answer of trailers for one only if nothing follows.
    if passage.kind == Kind::Grpc {
        head.remove_header(&header::CONTENT_LENGTH);
    }
    let mut out = begin(&mut request.answer, head, bodiless).map_err(|_| Unwritten::Gone)?;
    if bodiless {
        return Ok(());
    }
    match timeout(STREAM_WRITE_TIMEOUT, write_body(&mut out, body)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Gone)) => Err(Unwritten::Gone),
        Err(_) => Err(Unwritten::NotTaken),
    }
}

struct Gone;

/// `h2` copies frames below 256 bytes into its buffer, and writes that once. A longer one costs a write of its own, and a
/// status document is a little longer: the answers to polls that come together would cost a write each.
const FRAME_COPIED_BYTES_MAX: usize = 255;
/// A body that is longer than this is worth its write.
const BODY_SMALL_BYTES_MAX: usize = 1_024;

/// How long the next frame may be, of a body of which this much is left.
fn frame_bytes(left: usize) -> usize {
    if left > BODY_SMALL_BYTES_MAX { left } else { FRAME_COPIED_BYTES_MAX }
}

/// Writes a body as fast as the client makes room for it.
async fn write_body(out: &mut SendStream<Piece>, mut body: Bytes) -> Result<(), Gone> {
    while !body.is_empty() {
        out.reserve_capacity(body.len());
        let room = poll_fn(|cx| {
            loop {
                match out.capacity() {
                    0 => {}
                    room => return Poll::Ready(Some(room)),
                }
                match out.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let room = room.await.ok_or(Gone)?.min(frame_bytes(body.len()));
        let piece = body.split_to(room.min(body.len()));
        out.send_data(piece.into(), body.is_empty()).map_err(|_| Gone)?;
    }
    Ok(())
}
