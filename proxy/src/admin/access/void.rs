//! Tokens, sessions and keys that were good and are void now, at every node within a second.
//!
//! Nodes tell each other by a board in the shared store, which each looks at twice a second, and keep on their disks what
//! they have heard, so that a store that was lost, or a restart, makes nothing good again. While the store is away each
//! node goes by what it knows.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use sluice_admission::store::Note;
use tokio::{sync::Notify, time::sleep};

use crate::{lines::Lines, node::Ends, sinks::time::now_ms};

/// Most that are void at once; at the bound no more can be made so.
pub(crate) const VOID_MAX: usize = 10_000;
/// Logins and log-outs make something void up to this many, so that people who log in and out leave room for revoking.
const ROUTINE_MAX: usize = VOID_MAX / 2;
/// How often a node looks what others have made void.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const BOARD: &str = "void";
pub(crate) const FILE: &str = "void.json";

/// What is void, by its name: `token:ID`, `login:STATE`, `session:ID`, `person:NAME`, `oidc:SUBJECT`, `key:ID`.
#[derive(Debug)]
pub(crate) struct Void {
    known: ArcSwap<HashMap<String, Since>>,
    path: PathBuf,
    /// Held while the file is written.
    writing: Mutex<()>,
    changed: Notify,
}

/// Since when something is void, and until when it could otherwise be good. In ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Since {
    pub(crate) since_ms: u64,
    pub(crate) until_ms: u64,
}

/// It could not be made void everywhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotVoid {
    #[error("{VOID_MAX} tokens, sessions and keys are void already")]
    Full,
    #[error("it cannot be written down: {0}")]
    Disk(#[from] io::Error),
}

impl Void {
    /// Reads what was void when this node ended.
    ///
    /// # Errors
    /// If the file is there and cannot be read: what is void would be good again.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(FILE);
        let known = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { known: ArcSwap::from_pointee(known), path, writing: Mutex::default(), changed: Notify::new() })
    }

    /// Whether something that was made at this time is void.
    pub(crate) fn holds(&self, name: &str, made_ms: u64) -> bool {
        self.known.load().get(name).is_some_and(|void| made_ms <= void.since_ms)
    }

    /// Makes something void at this node, for good; others hear of it within a second, or when the store is back.
    ///
    /// # Errors
    /// If there is no room, or the disk does not take it. It is not void then.
    pub(crate) fn add(&self, name: String, void: Since) -> Result<(), NotVoid> {
        let is_routine = ["login:", "session:"].iter().any(|kind| name.starts_with(kind));
        if is_routine {
            let now_ms = now_ms();
            let is_full = self.known.load().values().filter(|void| void.until_ms > now_ms).count() >= ROUTINE_MAX;
            if is_full {
                return Err(NotVoid::Full);
            }
        }
        self.merge([(name, void)])?;
        self.changed.notify_one();
        Ok(())
    }

    /// Takes what is news. True: something was.
    fn merge(&self, all: impl IntoIterator<Item = (String, Since)>) -> Result<bool, NotVoid> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = HashMap::clone(&self.known.load());
        let mut is_news = false;
        for (name, new) in all {
            let old = known.get(&name).copied();
            let both = old.map_or(new, |old| Since {
                since_ms: old.since_ms.max(new.since_ms),
                // The board has no finer time than the way to it.
                until_ms: if new.until_ms > old.until_ms + 2_000 { new.until_ms } else { old.until_ms },
            });
            if old != Some(both) {
                is_news = true;
                known.insert(name, both);
            }
        }
        if !is_news {
            return Ok(false);
        }
        let now_ms = now_ms();
        known.retain(|_, void| void.until_ms > now_ms);
        if known.len() > VOID_MAX {
            return Err(NotVoid::Full);
        }
        self.write(&known)?;
        self.known.store(Arc::new(known));
        Ok(true)
    }

    fn write(&self, known: &HashMap<String, Since>) -> io::Result<()> {
        let fresh = self.path.with_extension("json.new");
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        serde_json::to_writer(&file, known)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)
    }
}

/// Hears what other nodes have made void, and tells them, until that ends.
pub(crate) async fn keep(void: Arc<Void>, store: Arc<Lines>, mut ends: Ends) {
    let Lines::Redis(redis, _) = &*store else { return };
    let mut untold: Vec<Note> = Vec::new();
    let mut was_refused = false;
    loop {
        match redis.board(BOARD, &untold, VOID_MAX).await {
            Ok(board) => {
                if board.refused > 0 && !was_refused {
                    tracing::error!("no room to tell other nodes what is void; it is void at this node alone");
                }
                was_refused = board.refused > 0;
                let now_ms = now_ms();
                let heard: HashMap<String, Since> =
                    board.notes.into_iter().filter_map(|note| read(note, now_ms)).collect();
                untold = news(&void.known.load(), &heard, now_ms);
                // On the disk first: a node that forgets would make it good again.
                let merged = tokio::task::block_in_place(|| void.merge(heard));
                if let Err(error) = merged {
                    tracing::error!(%error, "what other nodes have made void is not known here");
                }
            }
            Err(error) => tracing::debug!(%error, "what other nodes have made void is unknown"),
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = void.changed.notified() => {
                untold = news(&void.known.load(), &HashMap::new(), now_ms());
            }
            () = ends.wait() => return,
        }
    }
}

fn read(note: Note, now_ms: u64) -> Option<(String, Since)> {
    let keep_ms = u64::try_from(note.keep.as_millis()).ok()?;
    Some((note.name, Since { since_ms: note.text.parse().ok()?, until_ms: now_ms + keep_ms }))
}

/// What is known here and not there, or is less there.
fn news(known: &HashMap<String, Since>, heard: &HashMap<String, Since>, now_ms: u64) -> Vec<Note> {
    let is_news = |(name, void): &(&String, &Since)| {
        void.until_ms > now_ms && heard.get(*name).is_none_or(|heard| heard.since_ms < void.since_ms)
    };
    let note = |(name, void): (&String, &Since)| Note {
        name: name.clone(),
        text: void.since_ms.to_string(),
        keep: Duration::from_millis(void.until_ms - now_ms),
    };
    known.iter().filter(is_news).map(note).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn far(since_ms: u64) -> Since {
        Since { since_ms, until_ms: now_ms() + 1_000_000 }
    }

    #[test]
    fn what_is_void_stays_so_over_a_restart_until_it_would_have_ended() {
        let dir = tempfile::tempdir().unwrap();
        let void = Void::open(dir.path()).unwrap();
        void.add("person:ann".into(), far(500)).unwrap();
        void.add("token:old".into(), Since { since_ms: 500, until_ms: 1 }).unwrap();
        let void = Void::open(dir.path()).unwrap();
        assert!(void.holds("person:ann", 500) && !void.holds("person:ann", 501), "what is made later is good");
        assert!(!void.holds("token:old", 0) && !void.holds("person:bob", 0));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(Void::open(dir.path()).is_err(), "nothing becomes good because a file is damaged");
    }

    #[test]
    fn the_later_of_two_counts_and_only_news_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let void = Void::open(dir.path()).unwrap();
        let late = far(900);
        assert!(void.merge([("person:ann".into(), late)]).unwrap());
        assert!(!void.merge([("person:ann".into(), Since { since_ms: 100, ..late })]).unwrap());
        assert!(void.holds("person:ann", 900));
        let heard = |since_ms| HashMap::from([("person:ann".to_owned(), Since { since_ms, ..late })]);
        let told = |heard: &HashMap<_, _>| news(&void.known.load(), heard, now_ms()).len();
        assert_eq!((told(&heard(900)), told(&heard(100)), told(&HashMap::new())), (0, 1, 1));
    }

    #[test]
    fn at_the_bound_nothing_more_can_be_made_void() {
        let dir = tempfile::tempdir().unwrap();
        let void = Void::open(dir.path()).unwrap();
        let all = (0..VOID_MAX).map(|n| (format!("token:{n}"), far(1)));
        void.merge(all).unwrap();
        assert!(matches!(void.add("token:x".into(), far(1)), Err(NotVoid::Full)));
        assert!(!void.holds("token:x", 1) && void.holds("token:7", 1));
    }

    #[test]
    fn people_who_log_in_and_out_leave_room_for_revoking() {
        let dir = tempfile::tempdir().unwrap();
        let void = Void::open(dir.path()).unwrap();
        let logged_out = |n| (format!("session:{n}"), far(1));
        void.merge((1..ROUTINE_MAX).map(logged_out)).unwrap();
        void.add("login:last".into(), far(1)).unwrap();
        for name in ["login:x", "session:x"] {
            assert!(matches!(void.add(name.into(), far(1)), Err(NotVoid::Full)), "{name}");
        }
        for name in ["key:x", "person:x", "oidc:x", "token:x"] {
            void.add(name.into(), far(1)).unwrap();
        }
    }
}
