//! Fields without end, and fields that unfold.

use crate::{
    Failed,
    floods::{
        kinds::{
            frames::{END_HEADERS, END_STREAM, Frames as _, field, kind, request, text},
            pour::{Became, Stream, pour},
        },
        scene::{Clients, FLOODED},
    },
};

/// Length of a field in each CONTINUATION frame, in bytes.
const FIELD_BYTES: usize = 1_000;
/// Length of a field that enters the dynamic table, in bytes: just within the table of 4,096.
const KEPT_BYTES: usize = 3_900;
/// How often it is pointed at, with a byte each.
const POINTED_AT: usize = 12_000;

/// A request whose fields never end.
pub(in crate::floods) async fn continuation(clients: Clients) -> Result<Became, Failed> {
    let opens = |bytes: &mut Vec<u8>| bytes.frame(kind::HEADERS, END_STREAM, 1, &request(0x82, FLOODED));
    let unit = |_, bytes: &mut Vec<u8>| {
        let mut block = Vec::with_capacity(FIELD_BYTES + 16);
        field(&mut block, "x-more", &"m".repeat(FIELD_BYTES));
        bytes.frame(kind::CONTINUATION, 0, 1, &block);
    };
    pour(clients, Stream { opens, unit }).await
}

/// Requests of 16 kB that unfold to 47 MB: a field that the table keeps, and thousands of references to it.
pub(in crate::floods) async fn unfold(clients: Clients) -> Result<Became, Failed> {
    let unit = |number: u64, bytes: &mut Vec<u8>| {
        let mut block = request(0x82, FLOODED);
        // Enters the table, where it becomes the first after the static ones.
        block.push(0x40);
        text(&mut block, "x-kept");
        text(&mut block, &"k".repeat(KEPT_BYTES));
        block.extend(std::iter::repeat_n(0x80 | 62, POINTED_AT));
        let stream = u32::try_from(number * 2 + 1).unwrap_or(u32::MAX);
        bytes.frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block);
    };
    pour(clients, Stream { opens: |_| {}, unit }).await
}
