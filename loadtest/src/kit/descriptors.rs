//! How many files, and so connections, this process and the servers that it starts may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Failed;

/// Kept for the origin's end of connections, for files, and for what the runtimes need.
const RESERVED: u64 = 2_500;
/// Fewer are of no use.
const LEAST: u64 = 256;
/// More visitors than one process has any use for.
const MOST: u64 = 1_000_000;

/// Raises the limit as far as it may be raised; how many of them visitors may have.
pub(crate) fn for_visitors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised it stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let open = getrlimit(Resource::Nofile).current.unwrap_or(MOST);
    usize::try_from(open.saturating_sub(RESERVED).clamp(LEAST, MOST)).unwrap_or(usize::MAX)
}

/// Raises the limit to at least so many.
pub(crate) fn at_least(wanted: u64) -> Result<(), Failed> {
    let limit = getrlimit(Resource::Nofile);
    // None: without a limit.
    if let Some(hard) = limit.maximum.filter(|&hard| hard < wanted) {
        return Err(format!("a process may open {hard} descriptors here, {wanted} are needed: see ulimit -Hn").into());
    }
    if limit.current.is_some_and(|soft| soft < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
    }
    Ok(())
}
