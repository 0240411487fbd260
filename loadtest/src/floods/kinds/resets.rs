//! Streams that end before their time, by the client's will or by the server's duty.

use crate::{
    Failed,
    floods::{
        kinds::{
            frames::{Frames as _, kind},
            pour::{Became, Stream, pour},
        },
        scene::{Clients, FLOODED},
    },
};

/// The so-many-th stream of a client.
fn stream(number: u64) -> u32 {
    u32::try_from(number * 2 + 1).unwrap_or(u32::MAX)
}

/// Asks and takes it back: the server has begun its work, the client's number of streams never grows.
pub(in crate::floods) async fn rapid(clients: Clients) -> Result<Became, Failed> {
    let unit = |number, bytes: &mut Vec<u8>| {
        bytes.whole_request(stream(number), FLOODED);
        bytes.reset(stream(number));
    };
    pour(clients, Stream { opens: |_| {}, unit }).await
}

/// Asks, and makes a mistake on the stream, so that the server has to take it back.
pub(in crate::floods) async fn made_you(clients: Clients) -> Result<Became, Failed> {
    let unit = |number, bytes: &mut Vec<u8>| {
        bytes.open_request(stream(number), FLOODED);
        bytes.window_update(stream(number), 0);
    };
    pour(clients, Stream { opens: |_| {}, unit }).await
}

/// The same by a body after the end of the request.
pub(in crate::floods) async fn data_after_end(clients: Clients) -> Result<Became, Failed> {
    let unit = |number, bytes: &mut Vec<u8>| {
        bytes.whole_request(stream(number), FLOODED);
        bytes.frame(kind::DATA, 0, stream(number), b"x");
    };
    pour(clients, Stream { opens: |_| {}, unit }).await
}
