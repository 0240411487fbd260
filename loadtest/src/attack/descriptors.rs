//! How many connections may be open at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the origin's end of connections, for files, and for what the runtimes need.
const RESERVED: u64 = 2_500;
/// Fewer are of no use.
const LEAST: u64 = 256;
/// More visitors than one process has any use for.
const MOST: u64 = 1_000_000;

/// Raises the limit of open descriptors as far as it may be raised, for this process and for those it starts; how many
/// of them visitors may have.
pub(crate) fn for_visitors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised it stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let open = getrlimit(Resource::Nofile).current.unwrap_or(MOST);
    usize::try_from(open.saturating_sub(RESERVED).clamp(LEAST, MOST)).unwrap_or(usize::MAX)
}
