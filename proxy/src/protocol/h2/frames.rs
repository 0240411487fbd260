//! What a client sends on an HTTP/2 connection, frame by frame: a budget for frames that ask for nothing.
//!
//! PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, CONTINUATION and empty DATA cost a client next to nothing and its
//! server some work each, and none of them is bounded by the number of streams. So each takes something from the
//! connection's budget. The budget comes back with time, and with what the client takes: who downloads sends a
//! WINDOW_UPDATE for every few kilobytes. Honest clients stay far above zero; below, the connection ends with
//! ENHANCE_YOUR_CALM, counted by the frame that was too much.

pub(super) mod block;
pub(super) mod split;

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use h2::Reason;
use tokio::time::Instant;

use self::split::{Head, Part, Splitter, block_of, flag, kind, length_of, stream_of};
use super::rest::Heard;

/// What a connection may spend at once.
const BUDGET: u32 = 2_000;
/// What comes back in a second.
const PER_SECOND: u32 = 200;
/// What a frame costs.
const COST: u32 = 1;
/// What a reset costs: a request has been begun and thrown away. A page with a hundred pictures that is left is half
/// of the budget.
const COST_RESET: u32 = 10;
/// Bytes sent to the client for which one frame comes back.
const BYTES_PER_FRAME: usize = 1_024;

/// The longest payload that is taken (4.2).
pub(super) const FRAME_BYTES_MAX: u32 = 16 << 10;

/// The frames that a budget can be used up by, and those that break a rule which the framing does not look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Frame {
    EmptyData = 1,
    Priority,
    Reset,
    Settings,
    Ping,
    WindowUpdate,
    Continuation,
    Other,
    /// The first frame, and it is not SETTINGS (RFC 9113, 3.4).
    BeforeSettings,
    /// Trailers with a pseudo-field (8.1).
    PseudoInTrailers,
}

impl Frame {
    const ALL: [Self; 10] = [
        Self::EmptyData,
        Self::Priority,
        Self::Reset,
        Self::Settings,
        Self::Ping,
        Self::WindowUpdate,
        Self::Continuation,
        Self::Other,
        Self::BeforeSettings,
        Self::PseudoInTrailers,
    ];

    /// The frame that a head announces; `None`: one that asks for something.
    fn of(head: &Head) -> Option<Self> {
        let is_empty = head[..3] == [0; 3];
        Some(match head[3] {
            kind::DATA if is_empty && head[4] & flag::END_STREAM == 0 => Self::EmptyData,
            kind::DATA | kind::HEADERS => return None,
            kind::PRIORITY => Self::Priority,
            kind::RST_STREAM => Self::Reset,
            kind::SETTINGS => Self::Settings,
            kind::PING => Self::Ping,
            kind::WINDOW_UPDATE => Self::WindowUpdate,
            kind::CONTINUATION => Self::Continuation,
            _ => Self::Other,
        })
    }

    fn cost(self) -> u32 {
        if self == Self::Reset { COST_RESET } else { COST }
    }

    /// A short fixed name: a metric label.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::EmptyData => "empty_data",
            Self::Priority => "priority",
            Self::Reset => "resets",
            Self::Settings => "settings",
            Self::Ping => "pings",
            Self::WindowUpdate => "window_updates",
            Self::Continuation => "continuations",
            Self::Other => "unknown_frames",
            Self::BeforeSettings => "before_settings",
            Self::PseudoInTrailers => "pseudo_in_trailers",
        }
    }

    /// What the client is told.
    pub(super) const fn code(self) -> Reason {
        match self {
            Self::BeforeSettings | Self::PseudoInTrailers => Reason::PROTOCOL_ERROR,
            _ => Reason::ENHANCE_YOUR_CALM,
        }
    }
}

/// What a connection may still spend, and what has been heard on it.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    since: Instant,
    /// Bytes sent that no frame has come back for yet.
    sent_bytes: usize,
    splitter: Splitter,
    head: Head,
    /// A frame has come already.
    begun: bool,
    /// The last stream that was begun.
    last_stream: u32,
    /// What has come of the trailers that are coming in.
    trailers: Option<Vec<u8>>,
    heard: Heard,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: BUDGET,
            since: Instant::now(),
            sent_bytes: 0,
            splitter: Splitter::of_client(),
            head: Head::default(),
            begun: false,
            last_stream: 0,
            trailers: None,
            heard: Heard::default(),
        }
    }
}

impl Budget {
    /// Looks at what has come, however it is cut.
    ///
    /// # Errors
    /// The frame that was too much.
    pub(super) fn spend(&mut self, mut bytes: &[u8]) -> Result<(), Frame> {
        while let Some(part) = self.splitter.next(&mut bytes) {
            match part {
                Part::Payload { piece, ends } => {
                    self.heard.payload(piece);
                    if let Some(trailers) = &mut self.trailers {
                        trailers.extend_from_slice(piece);
                        if ends {
                            self.look_at_trailers()?;
                        }
                    }
                }
                Part::Head(head) => {
                    self.head = head;
                    let frame = Frame::of(&head);
                    if !std::mem::replace(&mut self.begun, true) && frame != Some(Frame::Settings) {
                        return Err(Frame::BeforeSettings);
                    }
                    if let Some(frame) = frame {
                        self.pay(frame)?;
                    }
                    self.heard.head(&head);
                    self.expect_trailers();
                }
            }
        }
        Ok(())
    }

    /// What has been heard on the connection; `None` in the middle of a frame.
    pub(super) fn heard(&self) -> Option<&Heard> {
        self.splitter.is_between_frames().then_some(&self.heard)
    }

    /// How often the client has confirmed our settings.
    pub(super) fn acks(&self) -> u32 {
        self.heard.acks
    }

    /// The last stream that was begun.
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// A head on a stream that has one already is its trailers. What is longer than a frame may be is none.
    fn expect_trailers(&mut self) {
        let stream = stream_of(&self.head);
        if self.head[3] == kind::HEADERS && stream > self.last_stream {
            self.last_stream = stream;
        } else if self.head[3] == kind::HEADERS && (1..=FRAME_BYTES_MAX).contains(&length_of(&self.head)) {
            self.trailers = Some(Vec::new());
        }
    }

    fn look_at_trailers(&mut self) -> Result<(), Frame> {
        let frame = self.trailers.take().unwrap_or_default();
        let block = block_of(self.head[4], &frame);
        if block::names_pseudo_field(block) { Err(Frame::PseudoInTrailers) } else { Ok(()) }
    }

    /// So much has been sent to the client.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.sent_bytes += bytes;
        let frames = u32::try_from(self.sent_bytes / BYTES_PER_FRAME).unwrap_or(BUDGET);
        self.sent_bytes %= BYTES_PER_FRAME;
        self.left = self.left.saturating_add(frames).min(BUDGET);
    }

    fn pay(&mut self, frame: Frame) -> Result<(), Frame> {
        let back =
            u32::try_from(self.since.elapsed().as_millis()).unwrap_or(u32::MAX).saturating_mul(PER_SECOND) / 1_000;
        if back > 0 {
            self.left = self.left.saturating_add(back).min(BUDGET);
            self.since += Duration::from_millis(u64::from(back) * 1_000 / u64::from(PER_SECOND));
        }
        self.left = self.left.checked_sub(frame.cost()).ok_or(frame)?;
        Ok(())
    }
}

/// The frame that was too much, once there was one.
#[derive(Debug, Default)]
pub(super) struct Excess(AtomicU8);

impl Excess {
    pub(super) fn set(&self, frame: Frame) {
        self.0.store(frame as u8, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    pub(super) fn get(&self) -> Option<Frame> {
        let set = self.0.load(Ordering::Relaxed);
        Frame::ALL.into_iter().find(|&frame| frame as u8 == set)
    }
}

/// A metric label for a connection that the framing has given up because of what its client did; `None`: the client is
/// simply gone.
pub(super) fn blame(error: &h2::Error) -> Option<&'static str> {
    if !error.is_library() {
        return None;
    }
    Some(match error.reason()? {
        Reason::ENHANCE_YOUR_CALM => "too_much",
        Reason::FLOW_CONTROL_ERROR => "flow_control",
        Reason::FRAME_SIZE_ERROR => "frame_size",
        Reason::COMPRESSION_ERROR => "compression",
        Reason::NO_ERROR => return None,
        _ => "protocol",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{
        split::{
            HEAD_BYTES, PREFACE,
            flag::{END_STREAM, PADDED, PRIORITY},
        },
        *,
    };

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        // As a header block: fields that the connection's own table knows.
        bytes.resize(HEAD_BYTES + payload, 0xbe);
        bytes
    }

    /// A connection that has begun, with all that it may spend.
    fn begun() -> Budget {
        let mut budget = Budget::default();
        budget.spend(PREFACE).unwrap();
        budget.spend(&frame(4, 0, 0)).unwrap();
        budget.left = BUDGET;
        budget
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_begins_with_settings() {
        for (kind, begins) in [(4, Ok(())), (6, Err(Frame::BeforeSettings)), (1, Err(Frame::BeforeSettings))] {
            let mut budget = Budget::default();
            budget.spend(PREFACE).unwrap();
            assert_eq!(budget.spend(&frame(kind, 0, 8)), begins, "kind {kind}");
        }
        assert_eq!(Frame::BeforeSettings.code(), Reason::PROTOCOL_ERROR);
    }

    /// How many of a frame are taken at once.
    fn taken(kind: u8, flags: u8, payload: usize) -> usize {
        let mut budget = begun();
        (0..).find(|_| budget.spend(&frame(kind, flags, payload)).is_err()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_ask_for_nothing_are_bounded_each_by_its_cost() {
        for (kind, payload, max) in
            [(2, 5, 2_000), (3, 4, 200), (4, 6, 2_000), (6, 8, 2_000), (8, 4, 2_000), (9, 10, 2_000)]
        {
            assert_eq!(taken(kind, 0, payload), max, "kind {kind}");
        }
        assert_eq!(taken(0, 0, 0), 2_000, "empty DATA");
        assert_eq!(taken(0x42, 0, 7), 2_000, "a kind that nobody knows");
    }

    #[tokio::test(start_paused = true)]
    async fn trailers_name_no_pseudo_field_however_they_are_framed_and_cut() {
        let framed = |flags, stream: u8, payload: &[u8]| {
            let mut bytes = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind::HEADERS, flags, 0, 0, 0, stream];
            bytes.extend_from_slice(payload);
            bytes
        };
        let request = framed(4, 1, b"\x82");
        for (wrong, trailers) in [
            (true, framed(5, 1, b"\x82")),
            (true, framed(5 | PADDED, 1, b"\x02\x82\0\0")),
            (true, framed(5 | PRIORITY, 1, b"\0\0\0\0\x07\x82")),
            (true, framed(5 | PADDED | PRIORITY, 1, b"\x01\0\0\0\0\x07\x82\0")),
            (false, framed(5 | PADDED, 1, b"\x01\x8f\x82")),
            (false, framed(5, 1, b"\x00\x01a\x01b")),
            (false, framed(5, 1, b"")),
            (false, framed(5, 3, b"\x82")),
        ] {
            let all = [&request[..], &trailers, &frame(0, END_STREAM, 0x82)].concat();
            for step in 1..12 {
                let mut budget = begun();
                let seen = all.chunks(step).try_for_each(|piece| budget.spend(piece));
                assert_eq!(seen.is_err(), wrong, "{}, reads of {step}", trailers.escape_ascii());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_and_bodies_cost_nothing() {
        let mut budget = begun();
        for _ in 0..10_000 {
            budget.spend(&frame(1, 4, 40)).unwrap();
            budget.spend(&frame(0, 0, 100)).unwrap();
            budget.spend(&frame(0, END_STREAM, 0)).unwrap();
        }
        assert_eq!(budget.left, BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_comes_back_with_time_and_never_to_more_than_it_was() {
        let mut budget = begun();
        (0..BUDGET).for_each(|_| budget.spend(&frame(4, 0, 0)).unwrap());
        assert_eq!(budget.spend(&frame(4, 0, 0)), Err(Frame::Settings));
        tokio::time::advance(Duration::from_millis(50)).await;
        (0..10).for_each(|_| budget.spend(&frame(4, 0, 0)).unwrap());
        assert_eq!(budget.spend(&frame(4, 0, 0)), Err(Frame::Settings));
        tokio::time::advance(Duration::from_secs(3_600)).await;
        (0..BUDGET).for_each(|_| budget.spend(&frame(4, 0, 0)).unwrap());
        assert!(budget.spend(&frame(4, 0, 0)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_download_pays_for_its_window_updates() {
        let mut budget = begun();
        for _ in 0..100_000 {
            // One for the stream and one for the connection, as the busiest clients do for each frame of 16 kB.
            budget.earn(16_384);
            budget.spend(&frame(8, 0, 4)).unwrap();
            budget.spend(&frame(8, 0, 4)).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_reads_end_makes_no_difference() {
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(4, 0, 6));
        for round in 0..300 {
            bytes.extend(frame(6, 0, 8));
            bytes.extend(frame(1, 4, round));
        }
        for step in 1..40 {
            let mut budget = Budget::default();
            bytes.chunks(step).for_each(|piece| budget.spend(piece).unwrap());
            assert_eq!(budget.left, BUDGET - 301, "reads of {step}");
        }
    }
}
