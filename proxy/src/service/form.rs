//! A form that may not pass goes back to its visitor, in the page that says so.
//!
//! Nothing of it stays here: it is read, written into the answer, and forgotten with it. It is read only if it is short,
//! says how long it is, comes within a time, and the tenant has room for it. Otherwise the page asks the visitor to go
//! back to it, and the body is treated like any other behind an answer of ours.

use std::time::Duration;

use http::header;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::BodySource;
use crate::{limits::FormRoom, request::form, service::answer::Answer};

/// A form must be there within this. It has been sent by then, or the client is slow on purpose.
const WITHIN: Duration = Duration::from_secs(5);
/// What a form takes beside its own length: fields, and the page around them.
const AROUND_BYTES: usize = 64 << 10;
/// What a byte of a form takes at most: as it came, as it was meant, and five escaped.
const PER_BYTE: usize = 7;

/// Finishes an answer about a form. What comes beside it is to be kept until the answer has been written.
pub(super) async fn hand_back<S: BodySource>(
    source: &mut S,
    room: Option<&FormRoom>,
    answer: Answer,
) -> (Answer, Option<OwnedSemaphorePermit>) {
    if answer.form.is_none() {
        return (answer, None);
    }
    match read(source, room).await {
        Some((fields, taken)) => (answer.with_form(Some(&fields)), Some(taken)),
        None => (answer.with_form(None), None),
    }
}

type Fields = Vec<(String, String)>;

async fn read<S: BodySource>(source: &mut S, room: Option<&FormRoom>) -> Option<(Fields, OwnedSemaphorePermit)> {
    let headers = source.headers();
    // Whoever expects "100 Continue" has not sent it, and is not asked to.
    if !form::is_readable(headers) || headers.contains_key(header::EXPECT) {
        return None;
    }
    let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<usize>().ok()?;
    if length > form::BYTES_MAX {
        return None;
    }
    let cost = u32::try_from(length * PER_BYTE + AROUND_BYTES).ok()?;
    let taken = room?.take(cost)?;
    let mut body = Vec::with_capacity(length);
    let whole = async {
        while body.len() < length
            && let Some(piece) = source.next_piece().await
        {
            body.extend_from_slice(&piece);
        }
        (body.len() == length).then_some(())
    };
    let Ok(whole) = timeout(WITHIN, whole).await else {
        // What has not come by now is not worth another wait behind the answer.
        source.expect_no_more();
        return None;
    };
    whole?;
    Some((form::read(&body)?, taken))
}
