//! What a node remembers of a line, on its disk: with it a line is healed even when the store is lost and every node
//! ends at the same time, or when the state file of a line in the process is damaged.
//!
//! It is no second store. The line decides, and is only told what was known before the node ended; a keepsake that
//! is missing, old or damaged costs no more than never to have had one.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    task::{JoinError, JoinHandle},
    time::Instant,
};

use crate::{
    line::{Known, KnownLane, PerLane, Revision, Summary},
    store::LineId,
    usher::memory::Memory,
};

/// Changed when an older node could not read it.
const LAYOUT: u32 = 2;
/// How often it is written at most.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// A large one is written less often, so that writing takes no more than this part of the time.
const WORK_SHARE: u32 = 50;
/// Longest file that is read: a million seats, written as text.
const BYTES_MAX: u64 = 64 << 20;

/// Where the memory of one line is kept.
#[derive(Debug)]
pub struct Keepsake {
    file: PathBuf,
    /// Not before then is it written again.
    next: Instant,
    writing: Option<JoinHandle<io::Result<()>>>,
    kept: Option<Counters>,
    fails: bool,
}

/// What must have changed for a keepsake to be worth writing, seats apart.
type Counters = (u64, PerLane<KnownLane>, u64, Revision);

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    layout: u32,
    known: Known,
}

impl Keepsake {
    /// The keepsake of a line in this directory, which is made when it is written.
    pub fn of(dir: &Path, line: &LineId) -> Self {
        let file = dir.join(format!("{line}.known"));
        Self { file, next: Instant::now(), writing: None, kept: None, fails: false }
    }

    /// What was known when this node ended. `None` on the first start.
    ///
    /// # Errors
    /// If there is one that cannot be read: damaged, or of a version that this one does not know.
    pub(in crate::usher) fn recall(&self) -> io::Result<Option<Known>> {
        let bytes = match fs::metadata(&self.file) {
            Ok(file) if file.len() > BYTES_MAX => return Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => fs::read(&self.file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let kept: Kept = serde_json::from_slice(&bytes)?;
        if kept.layout != LAYOUT {
            let text = format!("layout {} is not known to this version, which writes {LAYOUT}", kept.layout);
            return Err(io::Error::other(text));
        }
        Ok(Some(kept.known))
    }

    /// Writes down what is known after a step, if it is time to, beside whatever the caller goes on with.
    pub(in crate::usher) async fn keep(&mut self, memory: &Memory, summary: &Summary) {
        let now = Instant::now();
        let revision = memory.control().revision;
        let counters = (summary.epoch, summary.known_lanes(), summary.life, revision);
        let writing = self.writing.as_ref().is_some_and(|task| !task.is_finished());
        // What a line in a new life has not been told yet is told first, or the life would be taken for one that was.
        let wait = now < self.next || writing || memory.is_news_to(summary.life);
        if wait || (memory.is_empty() && self.kept.as_ref() == Some(&counters)) {
            return;
        }
        if let Some(task) = self.writing.take() {
            self.look_at(task.await);
        }
        let began = std::time::Instant::now();
        let kept = Kept { layout: LAYOUT, known: memory.all(summary) };
        let file = self.file.clone();
        self.writing = Some(tokio::task::spawn_blocking(move || write(&file, &kept)));
        self.kept = Some(counters);
        self.next = now + KEEP_EVERY.max(began.elapsed() * WORK_SHARE);
    }

    /// Says so when writing begins to fail. A node serves without a keepsake as well; it only remembers less.
    fn look_at(&mut self, written: Result<io::Result<()>, JoinError>) {
        let failed = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = failed.as_ref().filter(|_| !self.fails) {
            tracing::error!(
                keepsake = %self, %error,
                "cannot be written: if the store, or the line's state file, is lost while this node is down, numbers begin anew"
            );
        }
        self.fails = failed.is_some();
    }
}

impl fmt::Display for Keepsake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.display().fmt(f)
    }
}

/// Replaces the file at once or not at all. It need not survive a power cut: a store elsewhere has not been lost with
/// it, and one in the process knows by the machine's boot that it may have been.
fn write(file: &Path, kept: &Kept) -> io::Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    // Two processes of a node may write at the same time, while one follows the other.
    let fresh = file.with_extension(format!("known.{}.new", std::process::id()));
    fs::write(&fresh, serde_json::to_vec(kept)?)?;
    fs::rename(&fresh, file)
}
