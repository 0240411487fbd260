//! What a request *is*, before anybody decides what it gets.
//!
//! Pure functions over bytes, methods and header maps: no session, no clock, no I/O. Whoever serves a request asks
//! the rooms in this order, each trusting what the one before it has refused:
//!
//! 1. [`syntax::wire`]: the bytes of a connection, before the parser under us has smoothed them over.
//!    [`syntax::mend`] escapes what the parser would refuse without need.
//! 2. [`syntax::strict`]: what RFC 9110 and 9112 demand of a request head. Gives the host, the path and the framing.
//! 3. [`client`]: who is really at the other end, and what the origin learns of it.
//! 4. [`path`]: the one form of a path that queues are matched on, or a refusal.
//! 5. [`kind`]: a page, a fetch, a form, an upgrade… which decides the shape of the answer.
//! 6. [`cookies`]: our tokens among everybody's cookies; and none of them for the origin.
//! 7. [`kind::initiator`]: who made the client send it, and what that may do to a visitor's place.
//! 8. [`form`]: what a form holds that is handed back.
//! 9. [`via`]: whether it has been here before.
//! 10. [`cors`]: what a page of another origin may read of an answer of ours.
//! 11. [`preferences`]: which form of a page the client would rather have.
//! 12. [`trace`]: names that go with it through every program on its way.
//!
//! [`hosts`] is the table in which a host finds whose it is.

pub(crate) mod client;
pub(crate) mod cookies;
pub(crate) mod cors;
pub(crate) mod form;
pub(crate) mod hosts;
pub(crate) mod kind;
pub(crate) mod path;
pub(crate) mod preferences;
pub(crate) mod syntax;
pub(crate) mod trace;
pub(crate) mod via;

use std::{fmt, io::Write as _};

use http::{HeaderName, HeaderValue};

/// One change to the header of a request on its way to the origin.
///
/// Pingora's request header hands out its map read-only, so the rooms say what to change and the caller changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Put this one value in the place of all values of the name.
    Set(HeaderName, HeaderValue),
    /// Remove all values of the name.
    Remove(HeaderName),
}

impl Edit {
    /// Puts what is written in the place of all values of the name. `None`: a field cannot hold it.
    ///
    /// Every request is edited in some of these ways, so no more is allocated than the value itself.
    fn set(name: HeaderName, value: fmt::Arguments<'_>) -> Option<Self> {
        let mut short = [0; VALUE_BYTES];
        let mut rest = &mut short[..];
        let value = match rest.write_fmt(value) {
            Ok(()) => {
                let left = rest.len();
                HeaderValue::from_bytes(&short[..VALUE_BYTES - left])
            }
            Err(_) => HeaderValue::try_from(value.to_string()),
        };
        Some(Self::Set(name, value.ok()?))
    }
}

/// Room for nearly all values that are written anew.
const VALUE_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(edit: Option<Edit>) -> Option<HeaderValue> {
        match edit? {
            Edit::Set(_, value) => Some(value),
            Edit::Remove(_) => None,
        }
    }

    #[test]
    fn what_is_written_takes_one_allocation_and_may_be_of_any_length() {
        let set = |text: &str| Edit::set(http::header::VIA, format_args!("{text}, {}", 7));
        for length in [0, 1, VALUE_BYTES - 4, VALUE_BYTES - 3, VALUE_BYTES - 2, VALUE_BYTES, 10 * VALUE_BYTES] {
            let text = "x".repeat(length);
            assert_eq!(value_of(set(&text)).as_ref().map(HeaderValue::as_bytes), Some(format!("{text}, 7").as_bytes()));
        }
        assert_eq!(value_of(set("a\nb")), None);
        let counted = allocation_counter::measure(|| assert!(set("1.1 sluice-shop-0123456789ab").is_some()));
        assert_eq!(counted.count_total, 1, "{counted:?}");
    }
}
