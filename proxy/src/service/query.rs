//! What is said in the query of our own endpoints.

use crate::request::syntax::scan::split;

/// The query of our own endpoints. Unknown keys are ignored, so that they can be added to.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    pub(super) queue: Option<&'a str>,
    pub(super) lane: Option<&'a [u8]>,
    pub(super) away: bool,
    pub(super) hidden: bool,
    /// What a link to a place carries.
    pub(super) token: Option<&'a [u8]>,
    /// What a device calls itself that takes a place.
    pub(super) device: Option<&'a [u8]>,
    /// What a page carries whose browser keeps no cookies.
    pub(super) slip: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    pub(super) fn read(query: Option<&'a [u8]>) -> Self {
        let mut read = Self::default();
        for pair in split(b'&', query.unwrap_or_default()) {
            if let Some(name) = pair.strip_prefix(b"queue=") {
                read.queue = str::from_utf8(name).ok();
            } else if let Some(name) = pair.strip_prefix(b"lane=") {
                read.lane = Some(name);
            } else if let Some(token) = pair.strip_prefix(b"t=") {
                read.token = Some(token);
            } else if let Some(device) = pair.strip_prefix(b"d=") {
                read.device = Some(device);
            } else if let Some(slip) = pair.strip_prefix(b"s=") {
                read.slip = Some(slip);
            } else if pair == b"away=1" {
                read.away = true;
            } else if pair == b"hidden=1" {
                read.hidden = true;
            }
        }
        read
    }
}
