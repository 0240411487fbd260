//! The thread that makes lines of records and writes them.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    sync::{PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use sluice_config::{AccessLog as Settings, LogTarget};

use super::{AccessLog, Record, line};

/// How often it looks for lines. Whoever has one does not wake it: that would cost the request.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines are written together, about so many bytes at once.
const BATCH_BYTES: usize = 256 << 10;
/// What is wrong with the target is said this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

pub(super) fn run(log: &AccessLog) {
    let mut writer = Writer::default();
    loop {
        let ends = log.ends.load(Ordering::Relaxed);
        let settings = log.settings.load_full();
        if log.reopens.swap(false, Ordering::Relaxed) {
            writer.target = None;
        }
        let wrote = settings.is_some_and(|settings| writer.drain(log, &settings));
        if !wrote {
            if ends {
                return;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
}

#[derive(Default)]
struct Writer {
    target: Option<Target>,
    batch: Vec<u8>,
    /// The last line that was written was not written to its end.
    torn: bool,
    complained: Option<Instant>,
}

enum Target {
    Stdout,
    File(File),
}

impl Writer {
    /// Writes what is waiting. False: there was nothing.
    fn drain(&mut self, log: &AccessLog, settings: &Settings) -> bool {
        let lanes = log.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut any = false;
        for lane in &lanes {
            // As many as are there now: a worker that is fast must not keep the others waiting.
            let mut lines = 0;
            for _ in 0..lane.len() {
                let Some(record) = lane.pop() else { break };
                any = true;
                self.put(&record, settings);
                lines += 1;
                if self.batch.len() >= BATCH_BYTES {
                    self.write(log, settings, std::mem::take(&mut lines));
                }
            }
            self.write(log, settings, lines);
        }
        any
    }

    fn put(&mut self, record: &Record, settings: &Settings) {
        if self.batch.is_empty() && self.torn {
            self.batch.push(b'\n');
        }
        line::write(record, settings, &mut self.batch);
    }

    fn write(&mut self, log: &AccessLog, settings: &Settings, lines: u64) {
        if lines == 0 {
            return;
        }
        match self.write_batch(settings) {
            Ok(()) => {
                self.torn = false;
                log.written.fetch_add(lines, Ordering::Relaxed);
            }
            Err(error) => {
                self.torn = true;
                // A target that is gone may be there again.
                self.target = None;
                log.lost.fetch_add(lines, Ordering::Relaxed);
                if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                    self.complained = Some(Instant::now());
                    tracing::error!(%error, "access log not written; its lines are lost and counted");
                }
            }
        }
        self.batch.clear();
    }

    fn write_batch(&mut self, settings: &Settings) -> io::Result<()> {
        let target = match &mut self.target {
            Some(target) => target,
            none => none.insert(Target::open(&settings.to)?),
        };
        match target {
            Target::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&self.batch)?;
                out.flush()
            }
            Target::File(file) => file.write_all(&self.batch),
        }
    }
}

impl Target {
    fn open(target: &LogTarget) -> io::Result<Self> {
        Ok(match target {
            LogTarget::Stdout => Self::Stdout,
            LogTarget::File(path) => Self::File(OpenOptions::new().append(true).create(true).open(path)?),
        })
    }
}
