//! What every store must do, whoever keeps the lines.
#![allow(clippy::unwrap_used, missing_docs)]

mod conformance;

use std::{path::Path, sync::Arc};

use conformance::{Clock, World};
use sluice_admission::{line::SKIP, store::Embedded};

/// The embedded store in a directory of its own; opening the directory again is a restart.
struct EmbeddedWorld {
    dir: tempfile::TempDir,
    clock: Clock,
}

impl World for EmbeddedWorld {
    type Store = Embedded;

    async fn new(clock: Clock) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock }
    }

    async fn open(&self) -> Arc<Embedded> {
        Arc::new(open(self.dir.path(), self.clock.clone()))
    }
}

fn open(dir: &Path, clock: Clock) -> Embedded {
    Embedded::with_clock(dir, move || clock.now_ms()).unwrap()
}

conformance::suite!(EmbeddedWorld);

/// Only of the embedded store: what its state file survives.
mod state_file {
    use super::{conformance::*, *};
    use sluice_admission::{line::Batch, store::Store};
    use std::fs;

    fn journals(dir: &Path) -> Vec<std::path::PathBuf> {
        let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        files.filter(|p| p.extension().is_some_and(|e| e == "journal")).collect()
    }

    #[tokio::test]
    async fn a_torn_last_record_is_dropped() {
        let clock = Clock::default();
        let world = EmbeddedWorld::new(clock.clone()).await;
        let store = world.open().await;
        store.sync(&line("sale"), &rules(), &join(0..10)).await.unwrap();
        store.sync(&line("sale"), &rules(), &join(10..20)).await.unwrap();
        drop(store);
        let path = journals(world.dir.path()).pop().unwrap();
        let whole = fs::read(&path).unwrap();
        // Cut anywhere behind the snapshot: what is left is the state after some step, never nonsense.
        let snapshot = 28 + u32::from_le_bytes(whole[16..20].try_into().unwrap()) as usize;
        for cut in (snapshot..whole.len()).rev().step_by(7) {
            fs::write(&path, &whole[..cut]).unwrap();
            let store = world.open().await;
            let outcome = store.sync(&line("sale"), &rules(), &Batch::default()).await.unwrap();
            assert!(
                [0, 10, 20].contains(&outcome.summary.lanes[0].issued),
                "{} at {cut}",
                outcome.summary.lanes[0].issued
            );
            drop(store);
            for file in journals(world.dir.path()) {
                fs::remove_file(file).unwrap();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_journal_is_rewritten_and_old_ones_are_removed() {
        let clock = Clock::default();
        let world = EmbeddedWorld::new(clock.clone()).await;
        let store = world.open().await;
        let seen = Batch { seen: (1..=200_000).map(see).collect(), ..Batch::default() };
        for _ in 0..15 {
            clock.pass_ms(300);
            store.sync(&line("sale"), &rules(), &seen).await.unwrap();
        }
        // It is rewritten beside the line; a step looks how far that is. A paused clock waits for the disk.
        for _ in 0..4 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            store.sync(&line("sale"), &rules(), &Batch::default()).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let files = journals(world.dir.path());
        assert_eq!(files.len(), 1, "{files:?}");
        assert!(!files[0].to_str().unwrap().contains(".1.journal"), "{files:?}");
        drop(store);
        let outcome = world.open().await.sync(&line("sale"), &rules(), &Batch::default()).await.unwrap();
        assert_eq!(outcome.summary.lanes[0].issued, 200_000 + SKIP);
    }

    #[tokio::test]
    async fn a_second_process_is_refused() {
        let world = EmbeddedWorld::new(Clock::default()).await;
        let _store = world.open().await;
        let error = Embedded::open(world.dir.path()).err().unwrap();
        assert!(error.to_string().contains("another sluice"), "{error}");
    }

    #[tokio::test]
    async fn a_journal_of_an_unknown_layout_is_left_alone() {
        let world = EmbeddedWorld::new(Clock::default()).await;
        let store = world.open().await;
        store.sync(&line("sale"), &rules(), &join(0..3)).await.unwrap();
        drop(store);
        let path = journals(world.dir.path()).pop().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        // The layout stands behind the mark; mend the header's checksum too.
        bytes[4] = 99;
        let sum = crc32fast::hash(&bytes[..24]);
        bytes[24..28].copy_from_slice(&sum.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let error = world.open().await.sync(&line("sale"), &rules(), &Batch::default()).await.unwrap_err();
        assert!(error.to_string().contains("layout 99"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
