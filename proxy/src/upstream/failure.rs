//! Why a request could not be forwarded to its end, and who is to blame.

use std::io;

use super::{answer::BrokenHead, body::Malformed, origin::TlsFailure};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the origin cannot be reached: {0}")]
    NotConnected(#[source] io::Error),
    #[error("the origin did not accept a connection in time")]
    ConnectTimedOut,
    #[error("the origin did not finish the TLS handshake in time")]
    HandshakeTimedOut,
    #[error("no TLS with the origin: {0}")]
    Tls(#[from] TlsFailure),
    /// All servers have as much to do as they may have.
    #[error("the origin has no room: each server has `in_flight_max` requests under way")]
    Busy,
    /// It neither answers nor takes what there is for it.
    #[error("the origin is silent")]
    Silent,
    #[error(transparent)]
    Head(#[from] BrokenHead),
    #[error("the answer's body is broken: {0}")]
    Body(#[from] Malformed),
    #[error("the origin closed before its answer was whole")]
    Closed,
    #[error("the connection to the origin broke: {0}")]
    Broken(#[source] io::Error),
    #[error("the client is gone: {0}")]
    ClientGone(#[source] io::Error),
    /// It takes too little of what there is for it.
    #[error("the client does not take its answer")]
    NotTaken,
    #[error("nothing came of the request's body for too long")]
    BodySilent,
    /// A WebSocket has a connection of its own.
    #[error("a WebSocket cannot go to an origin with `http2 = true`: give its paths a `[[route]]` with another origin")]
    NoWebSocket,
    #[error("the request's body is longer than it may be")]
    BodyTooLong,
    #[error("the request cannot be forwarded: {0}")]
    Request(&'static str),
}

impl Failure {
    /// The status that the client gets, if it has got none; `None`: nothing can be said to it.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::ClientGone(_) | Self::NotTaken => None,
            Self::Request(_) => Some(400),
            Self::BodySilent => Some(408),
            Self::BodyTooLong => Some(413),
            Self::Busy => Some(503),
            Self::ConnectTimedOut | Self::HandshakeTimedOut | Self::Silent => Some(504),
            Self::NotConnected(_)
            | Self::Tls(_)
            | Self::Head(_)
            | Self::Body(_)
            | Self::Closed
            | Self::Broken(_)
            | Self::NoWebSocket => Some(502),
        }
    }

    /// What the origin is to blame for, as a metric label.
    pub(crate) fn of_origin(&self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("busy"),
            Self::NoWebSocket => Some("no_websocket"),
            failure => failure.of_server().map(Cause::word),
        }
    }

    /// What one of its servers is to blame for.
    pub(super) fn of_server(&self) -> Option<Cause> {
        match self {
            Self::ConnectTimedOut | Self::HandshakeTimedOut | Self::Silent => Some(Cause::Timeout),
            Self::Tls(_) => Some(Cause::Tls),
            Self::NotConnected(_) => Some(Cause::Connect),
            Self::Head(_) | Self::Body(_) | Self::Closed | Self::Broken(_) => Some(Cause::BrokenAnswer),
            Self::Busy
            | Self::ClientGone(_)
            | Self::NotTaken
            | Self::BodySilent
            | Self::NoWebSocket
            | Self::BodyTooLong
            | Self::Request(_) => None,
        }
    }
}

/// How a server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Connect,
    Timeout,
    Tls,
    BrokenAnswer,
}

impl Cause {
    pub(super) const ALL: [Self; 4] = [Self::Connect, Self::Timeout, Self::Tls, Self::BrokenAnswer];

    /// A metric label.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::BrokenAnswer => "broken_answer",
        }
    }
}
