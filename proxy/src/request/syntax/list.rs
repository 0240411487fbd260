//! Comma-separated field values.

use http::{HeaderMap, HeaderName};

use crate::request::syntax::scan::split;

/// Members read of one field, over all its lines. More than any honest client sends; what comes after is not read.
const MEMBERS_MAX: usize = 64;

/// The members of a list-valued field over all its lines, without surrounding white space, empty ones left out.
///
/// Quoted strings are not looked into: a comma inside one splits it, and the pieces then match nothing we look for.
pub(crate) fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| split(b',', line.as_bytes()))
        .take(MEMBERS_MAX)
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}
