//! What is known of a request when it is over.

use std::{
    net::IpAddr,
    time::{Instant, SystemTime},
};

use http::{HeaderMap, Method, StatusCode, Version, header};
use sluice_config::Name;

use crate::request::{kind::Kind, path::unescaped};

const TARGET_BYTES_MAX: usize = 1_024;
const HOST_BYTES_MAX: usize = 255;
const METHOD_BYTES_MAX: usize = 24;
const USER_AGENT_BYTES_MAX: usize = 200;

/// What targets of ours have in them, and those that lead to one.
const OURS: &[u8] = b".sluice";

/// What a line may say. It holds no field of the request but the user agent.
#[derive(Debug)]
pub(crate) struct Record {
    pub(super) came: SystemTime,
    begun: Instant,
    pub(super) took_ms: u128,
    pub(crate) request_id: Option<Box<str>>,
    pub(crate) trace_id: Option<Box<str>>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) tenant: Option<Name>,
    pub(crate) host: Box<str>,
    pub(super) method: Box<str>,
    pub(super) path: Box<[u8]>,
    pub(super) query: Option<Box<[u8]>>,
    pub(super) version: Option<Version>,
    pub(crate) is_tls: bool,
    pub(crate) kind: Option<Kind>,
    pub(crate) queue: Option<Name>,
    pub(crate) rule: Option<Box<str>>,
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<StatusCode>,
    pub(crate) bytes: u64,
    pub(super) user_agent: Option<Box<[u8]>>,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Forwarded,
    Parked,
    Answered,
    Refused,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Parked => "parked",
            Self::Answered => "answered",
            Self::Refused => "refused",
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            came: SystemTime::now(),
            begun: Instant::now(),
            took_ms: 0,
            request_id: None,
            trace_id: None,
            client: None,
            tenant: None,
            host: Box::default(),
            method: Box::default(),
            path: Box::default(),
            query: None,
            version: None,
            is_tls: false,
            kind: None,
            queue: None,
            rule: None,
            // Until more is known of it.
            outcome: Outcome::Refused,
            status: None,
            bytes: 0,
            user_agent: None,
        }
    }
}

impl Record {
    /// What a request's head says.
    pub(crate) fn read(&mut self, method: &Method, target: &[u8], version: Version, headers: &HeaderMap) {
        self.method = cut(method.as_str(), METHOD_BYTES_MAX).into();
        let (path, query) = match memchr::memchr(b'?', target) {
            Some(at) => (&target[..at], Some(&target[at + 1..])),
            None => (target, None),
        };
        self.path = cut_bytes(path, TARGET_BYTES_MAX).into();
        // A link that moves a place and a page without cookies carry their tokens there.
        self.query = query.filter(|_| !names_us(target)).map(|query| cut_bytes(query, TARGET_BYTES_MAX).into());
        self.version = Some(version);
        let user_agent = headers.get(header::USER_AGENT);
        self.user_agent = user_agent.map(|agent| cut_bytes(agent.as_bytes(), USER_AGENT_BYTES_MAX).into());
    }

    /// The host asked for.
    pub(crate) fn host(&mut self, host: &str) {
        self.host = cut(host, HOST_BYTES_MAX).into();
    }

    /// It is over.
    pub(crate) fn over(&mut self) {
        self.took_ms = self.begun.elapsed().as_millis();
    }
}

/// Whether a target is one of ours or holds one, such as that of a page which leads back to it, however it is spelt.
fn names_us(target: &[u8]) -> bool {
    let mut met = OURS.iter();
    for byte in unescaped(target).map(|byte| byte.to_ascii_lowercase()) {
        // The first byte comes once in the name, so it alone can begin it anew.
        if met.as_slice().first() != Some(&byte) {
            met = OURS.iter();
        }
        if met.as_slice().first() == Some(&byte) {
            met.next();
        }
        if met.as_slice().is_empty() {
            return true;
        }
    }
    false
}

/// Hosts and methods are ASCII.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..bytes_max).unwrap_or(text)
}

fn cut_bytes(text: &[u8], bytes_max: usize) -> &[u8] {
    &text[..text.len().min(bytes_max)]
}
