//! Frames that cost a client nothing: what has to be acknowledged, what means nothing, and bodies without a body.

use crate::{
    Failed,
    floods::{
        kinds::{
            frames::{Frames as _, INITIAL_WINDOW_SIZE, kind},
            pour::{Became, Stream, pour},
        },
        scene::{Clients, FLOODED},
    },
};

pub(in crate::floods) async fn settings(clients: Clients) -> Result<Became, Failed> {
    // Another value each time, so that there is something to do.
    let unit = |number: u64, bytes: &mut Vec<u8>| {
        let window = u32::try_from(65_535 + number % 2).unwrap_or(u32::MAX);
        bytes.settings(&[(INITIAL_WINDOW_SIZE, window)]);
    };
    pour(clients, Stream { opens: |_| {}, unit }).await
}

pub(in crate::floods) async fn ping(clients: Clients) -> Result<Became, Failed> {
    pour(clients, Stream { opens: |_| {}, unit: |_, bytes| bytes.frame(kind::PING, 0, 0, b"floods..") }).await
}

/// On streams that are not open, which is allowed.
pub(in crate::floods) async fn priority(clients: Clients) -> Result<Became, Failed> {
    let unit = |number: u64, bytes: &mut Vec<u8>| {
        let stream = u32::try_from(number * 2 + 1).unwrap_or(u32::MAX);
        bytes.frame(kind::PRIORITY, 0, stream, &[0, 0, 0, 0, 15]);
    };
    pour(clients, Stream { opens: |_| {}, unit }).await
}

pub(in crate::floods) async fn empty_data(clients: Clients) -> Result<Became, Failed> {
    data(clients, |_, bytes| bytes.frame(kind::DATA, 0, 1, b"")).await
}

pub(in crate::floods) async fn tiny_data(clients: Clients) -> Result<Became, Failed> {
    data(clients, |_, bytes| bytes.frame(kind::DATA, 0, 1, b"x")).await
}

async fn data(clients: Clients, unit: fn(u64, &mut Vec<u8>)) -> Result<Became, Failed> {
    pour(clients, Stream { opens: |bytes| bytes.open_request(1, FLOODED), unit }).await
}
