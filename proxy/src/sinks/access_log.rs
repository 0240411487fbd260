//! The access log: one line of JSON for each request.
//!
//! A request's own thread gathers what a line may say, and hands it on through a queue of its own without waiting; a thread of
//! its own makes the line and writes it. So a disk that is full, a file that cannot be opened or a reader that stands still
//! loses lines, which are counted, and nothing else.
//!
//! What a line says is an allow-list. No field of a request goes into it but the user agent, if asked for, and no query of an
//! endpoint of ours; so no token can.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | lines of a worker that wait to be written | 8,192 | the next is lost |
//! | path and query in a line | 1,024 bytes each | cut |
//! | host in a line | 255 bytes | cut |
//! | user agent in a line | 200 bytes | cut |
//! | lines of a node that ends | 1 s | the rest is lost |

mod line;
mod record;
mod writer;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{JoinHandle, Thread},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use crossbeam_queue::ArrayQueue;
use sluice_config::AccessLog as Settings;

pub(crate) use self::record::{Outcome, Record};

/// Lines of one worker that wait to be written.
const WAITING_MAX: usize = 8_192;
/// How long a node that ends waits for its last lines.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// The node's log. There is one whether anything is logged or not, so that a config may switch it on.
#[derive(Debug, Default)]
pub(crate) struct AccessLog {
    settings: ArcSwapOption<Settings>,
    lanes: Mutex<Vec<Arc<ArrayQueue<Box<Record>>>>>,
    /// The target is to be opened anew.
    reopens: AtomicBool,
    ends: AtomicBool,
    lost: AtomicU64,
    written: AtomicU64,
    writer: OnceLock<Thread>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A worker's way into the log.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    log: Arc<AccessLog>,
    waiting: Arc<ArrayQueue<Box<Record>>>,
}

impl AccessLog {
    /// Takes what a config says. What is waiting is written as it says.
    pub(crate) fn take(self: &Arc<Self>, settings: Option<&Settings>) {
        self.settings.store(settings.cloned().map(Arc::new));
        if settings.is_some() && self.writer.get().is_none() {
            let log = self.clone();
            let started = std::thread::Builder::new().name("access-log".into()).spawn(move || writer::run(&log));
            match started {
                Ok(handle) => {
                    let _ = self.writer.set(handle.thread().clone());
                    *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
                }
                Err(error) => tracing::error!(%error, "access log not started"),
            }
        }
        self.reopen();
    }

    /// Has the file opened anew, which has been moved away.
    pub(crate) fn reopen(&self) {
        self.reopens.store(true, Ordering::Relaxed);
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// A way into the log, for one thread.
    pub(crate) fn lane(self: &Arc<Self>) -> Lane {
        let waiting = Arc::new(ArrayQueue::new(WAITING_MAX));
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(waiting.clone());
        Lane { log: self.clone(), waiting }
    }

    /// Lines that were lost, and lines that were written.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.lost.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }

    /// Writes what is waiting, as far as that does not take long.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        thread.thread().unpark();
        let deadline = Instant::now() + LAST_LINES_WITHIN;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Lane {
    /// Begins the line of a request, if it is to have one.
    pub(crate) fn begin(&self, is_poll: bool) -> Option<Box<Record>> {
        let settings = self.log.settings.load();
        let has_line = settings.as_ref().is_some_and(|settings| settings.polls || !is_poll);
        has_line.then(Box::default)
    }

    /// Whether polls have lines.
    pub(crate) fn has_polls(&self) -> bool {
        self.log.settings.load().as_ref().is_some_and(|settings| settings.polls)
    }

    /// Hands a line on. Never waits.
    pub(crate) fn end(&self, record: Box<Record>) {
        if self.waiting.push(record).is_err() {
            self.log.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
