//! Idle connections to servers. Each worker has a pool of its own, so nothing is locked, and what is used last is used
//! first: in quiet times the others grow old and are closed.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::link::Link;

/// Idle connections that a worker keeps. At the bound the oldest is closed.
const IDLE_MAX: usize = 512;

/// The idle connections of a worker, by the server's id. Only requests for the same server of the same tenant share them.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: HashMap<u64, Vec<Idle>>,
    count: usize,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
    until: Instant,
}

impl Pool {
    /// Takes a connection that is sound as far as can be seen.
    pub(super) fn take(&mut self, server: u64, now: Instant) -> Option<Link> {
        let idle = self.idle.get_mut(&server)?;
        while let Some(Idle { mut link, until, .. }) = idle.pop() {
            self.count -= 1;
            if now < until && link.is_quiet() {
                link.reused = true;
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection on which nothing is under way, for so long.
    pub(super) fn put(&mut self, server: u64, link: Link, idle_max: Duration, now: Instant) {
        if self.count == IDLE_MAX {
            self.close_oldest();
        }
        self.idle.entry(server).or_default().push(Idle { link, since: now, until: now + idle_max });
        self.count += 1;
    }

    /// Closes what has been idle for too long, and what the other end has closed.
    pub(super) fn sweep(&mut self, now: Instant) {
        for idle in self.idle.values_mut() {
            idle.retain_mut(|idle| now < idle.until && idle.link.is_quiet());
        }
        self.idle.retain(|_, idle| !idle.is_empty());
        self.count = self.idle.values().map(Vec::len).sum();
    }

    fn close_oldest(&mut self) {
        let oldest = self.idle.values_mut().filter(|idle| !idle.is_empty()).min_by_key(|idle| idle[0].since);
        if let Some(idle) = oldest {
            idle.remove(0);
            self.count -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
