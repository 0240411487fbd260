//! What visitors see while they wait, and what programs read in their place.
//!
//! Everything here is a pure function from a [`Standing`](sluice_admission::standing::Standing) to
//! bytes: no clock, no I/O, no HTTP. The proxy decides *which* document a request gets and sends it
//! with the status, the cookies and the cache headers; this crate decides what the document says.
//!
//! | module | document | for |
//! |---|---|---|
//! | [`page`] | the waiting page, the page of a form that was stopped, and short notices (HTML) | people |
//! | [`status`] | where one visitor stands (JSON) | the page's own script, apps |
//! | [`problem`] | why a request was not carried out (RFC 9457), the gRPC message | programs |
//! | [`code`] | the short code of a number | the telephone |
//! | [`showcase`] | one example of each page | whoever wants to look at them |
//! | [`words`] | every sentence in all of the above | translators |
//!
//! ```
//! use sluice_admission::standing::{Standing, State, WaitRange};
//!
//! let standing = Standing {
//!     state: State::Waiting,
//!     number: Some(4711),
//!     ahead: Some(812),
//!     behind: Some(90),
//!     wait: Some(WaitRange { low_s: 70, high_s: 110 }),
//!     progress: Some(0.42),
//!     poll_after_s: 8,
//!     reason: None,
//!     server_time_s: 1_763_712_000,
//!     enter_within_s: None,
//!     opens_at_s: None,
//! };
//! let mut body = Vec::new();
//! sluice_waiting_room::status::write(&mut body, "shop", &standing, None);
//! assert!(body.starts_with(br#"{"queue":"shop","state":"waiting","number":4711,"ahead":812,"#));
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has told its tale"))]

pub mod code;
mod json;
pub mod page;
pub mod problem;
#[cfg(test)]
mod samples;
pub mod showcase;
pub mod status;
pub mod words;
