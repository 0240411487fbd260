//! A server that evicts keys cuts parts out of lines, which are lost and healed again and again, 2 s each time. The log
//! says so, once a minute at most, with the remedy.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{LineId, Route, doctor};

/// How often a server is asked why lines are lost.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// What is known of evictions.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    asked: Mutex<Option<Instant>>,
    count: AtomicU64,
}

impl Evictions {
    /// How often they were found behind the loss of a line.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn is_time_to_ask(&self, now: Instant) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = asked.is_none_or(|asked| now >= asked + ASK_EVERY);
        if due {
            *asked = Some(now);
        }
        due
    }
}

/// The line was lost: asks its server, in the background, whether it evicts keys.
pub(super) fn suspect(evictions: &Arc<Evictions>, route: &Route, line: &LineId, slot: u16) {
    if !evictions.is_time_to_ask(Instant::now()) {
        return;
    }
    let (evictions, route, line) = (evictions.clone(), route.clone(), line.clone());
    tokio::spawn(async move {
        let link = match route {
            Route::One(link) => link,
            Route::Cluster(cluster) => match cluster.link_to(slot).await {
                Ok(link) => link,
                Err(_) => return,
            },
        };
        // Who may not ask learns of it from the doctor.
        let Ok(info) = link.send(&redis::cmd("INFO")).await else { return };
        if let Some((keys_evicted, policy)) = doctor::evicted(&doctor::text(&info)) {
            evictions.count.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                %line, server = link.server(), keys_evicted, policy,
                "a line was lost, and its server evicts keys: nobody is called for 2 s each time; \
                 set `maxmemory-policy noeviction`, and `maxmemory` so that all lines fit (`sluice store status`)"
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_once_a_minute_at_most() {
        let (evictions, now) = (Evictions::default(), Instant::now());
        let asked = |seconds| evictions.is_time_to_ask(now + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61, 119, 120].map(asked), [true, false, false, true, false, false, true]);
    }
}
