//! Clients that write as fast as the server takes it, connection after connection, for a while.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout_at},
};

use crate::{
    Failed,
    client::Target,
    floods::{
        kinds::cookieless::Cookieless,
        raw::{End, Raw},
        scene::Clients,
    },
};

/// Clients that flood at the same time.
const CLIENTS: usize = 8;
/// For so long.
pub(super) const LASTS: Duration = Duration::from_secs(15);
/// Who was cut comes again after this: a flood of frames is to be seen, not one of handshakes.
pub(super) const COMES_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Frames, or pairs of them, that are written at once.
const BATCH: u64 = 64;
/// As many on one connection, and no more.
const UNITS_MAX: u64 = 100_000;
/// How long a server may take to end a connection that has done all it wanted to do.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// What is poured.
#[derive(Clone, Copy)]
pub(in crate::floods) struct Stream {
    /// What is written before.
    pub(in crate::floods) opens: fn(&mut Vec<u8>),
    /// Appends the so-many-th frame, or the few that belong together.
    pub(in crate::floods) unit: fn(u64, &mut Vec<u8>),
}

/// What became of a flood.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::floods) struct Became {
    pub(in crate::floods) connections: u64,
    /// Connections that could not be made.
    pub(in crate::floods) refused: u64,
    /// How they ended, and how many did so.
    pub(in crate::floods) ended: BTreeMap<String, u64>,
    /// Units that were written on each until it ended.
    pub(in crate::floods) units: Vec<u64>,
    /// How long each lasted, in milliseconds.
    pub(in crate::floods) lasted_ms: Vec<f64>,
    /// Streams that the server reset.
    pub(in crate::floods) resets: u64,
    /// Of those who hold on: how long after all of them stood the server had closed them, in seconds.
    pub(in crate::floods) cut_after_s: Option<f64>,
    /// Answers by their status, where these are read.
    pub(in crate::floods) answers: BTreeMap<u16, u64>,
    /// Of requests without cookies.
    pub(in crate::floods) cookieless: Option<Cookieless>,
}

impl Became {
    pub(in crate::floods) fn end(&mut self, end: End) {
        let name = match end {
            End::GoAway(code) => code,
            End::Closed => "closed".to_owned(),
            End::Open => "left open".to_owned(),
        };
        *self.ended.entry(name).or_default() += 1;
    }

    pub(super) fn answered(&mut self, status: u16) {
        *self.answers.entry(status).or_default() += 1;
    }

    /// And what became of others: those who hold on were cut when the last of all was.
    pub(super) fn add(&mut self, other: Self) {
        self.cut_after_s = match self.connections {
            0 => other.cut_after_s,
            _ => self.cut_after_s.zip(other.cut_after_s).map(|(one, other)| one.max(other)),
        };
        self.connections += other.connections;
        self.refused += other.refused;
        for (name, count) in other.ended {
            *self.ended.entry(name).or_default() += count;
        }
        self.units.extend(other.units);
        self.lasted_ms.extend(other.lasted_ms);
        self.resets += other.resets;
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
    }
}

pub(in crate::floods) async fn pour(clients: Clients, stream: Stream) -> Result<Became, Failed> {
    let until = Instant::now() + LASTS;
    let mut pouring = JoinSet::new();
    for _ in 0..CLIENTS {
        pouring.spawn(again_and_again(clients.flooded.clone(), stream, until));
    }
    let mut all = Became::default();
    while let Some(became) = pouring.join_next().await {
        all.add(became?);
    }
    if all.connections == 0 {
        return Err("no connection could be made".into());
    }
    Ok(all)
}

async fn again_and_again(to: Target, stream: Stream, until: Instant) -> Became {
    let mut became = Became::default();
    while Instant::now() < until {
        let Ok(raw) = Raw::open(&to, &[], true).await else {
            became.refused += 1;
            sleep(COMES_AGAIN_AFTER).await;
            continue;
        };
        became.connections += 1;
        once(raw, stream, until, &mut became).await;
        sleep(COMES_AGAIN_AFTER).await;
    }
    became
}

async fn once(mut raw: Raw, stream: Stream, until: Instant, became: &mut Became) {
    let begin = Instant::now();
    let mut bytes = Vec::new();
    (stream.opens)(&mut bytes);
    let mut units = 0;
    while units < UNITS_MAX && !raw.has_ended() {
        for unit in units..units + BATCH {
            (stream.unit)(unit, &mut bytes);
        }
        match timeout_at(until.into(), raw.write(&bytes)).await {
            Ok(Ok(())) => units += BATCH,
            // The server takes no more: it has closed, or does not read.
            Ok(Err(_)) | Err(_) => break,
        }
        bytes.clear();
    }
    let lasted = begin.elapsed();
    became.resets += raw.resets();
    became.units.push(units);
    became.lasted_ms.push(lasted.as_secs_f64() * 1e3);
    became.end(raw.end(ENDS_WITHIN).await);
}
