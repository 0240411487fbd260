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

/// The same, kept by one process and asked for by another: here, over a stream within this one.
mod lent {
    use sluice_admission::store::{
        Lent, Store as _, StoreError,
        lent::{Answer, Question, lend, line_of},
    };
    use tokio::{io::duplex, sync::Mutex, task::JoinHandle};

    use super::{conformance, conformance::*, *};

    struct LentWorld {
        embedded: EmbeddedWorld,
        /// Ends when no line is asked for any more.
        lending: Mutex<Option<JoinHandle<()>>>,
    }

    impl World for LentWorld {
        type Store = Lent;

        async fn new(clock: Clock) -> Self {
            Self { embedded: EmbeddedWorld::new(clock).await, lending: Mutex::default() }
        }

        async fn open(&self) -> Arc<Lent> {
            let mut lending = self.lending.lock().await;
            if let Some(before) = lending.take() {
                before.await.unwrap();
            }
            let (ours, theirs) = duplex(1 << 10);
            let store = self.embedded.open().await;
            *lending = Some(tokio::spawn(async move {
                lend(theirs, move |question| answer(store.clone(), question)).await.unwrap();
            }));
            Arc::new(Lent::over(ours))
        }
    }

    async fn answer(store: Arc<Embedded>, question: Question) -> Result<Answer, StoreError> {
        Ok(match question {
            Question::Sync { line, rules, batch } => {
                Answer::Sync(Box::new(store.sync(&line_of(&line)?, &rules, &batch).await?))
            }
            Question::Counts { line, since_minute } => {
                Answer::Counts(store.counts(&line_of(&line)?, since_minute).await?)
            }
            Question::Find { line, number } => Answer::Find(store.find(&line_of(&line)?, number).await?),
            Question::Share { name, value, keep } => Answer::Share(store.share(&name, &value, keep).await?),
            Question::Shared { name } => Answer::Shared(store.shared(&name).await?),
        })
    }

    conformance::suite!(LentWorld);

    #[tokio::test]
    async fn values_under_names_are_asked_for_as_well_and_errors_come_back() {
        let keep = std::time::Duration::from_secs(60);
        let world = LentWorld::new(Clock::default()).await;
        let store = world.open().await;
        assert_eq!(store.shared("a").await.unwrap(), None);
        assert_eq!(store.share("a", b"one", keep).await.unwrap(), b"one");
        assert_eq!(store.share("a", b"two", keep).await.unwrap(), b"one");
        assert_eq!(store.shared("a").await.unwrap(), Some(b"one".to_vec()));
        let error = store.share("no name", b"", keep).await.unwrap_err();
        assert!(error.to_string().contains("cannot be kept"), "{error}");
    }

    #[tokio::test]
    async fn every_step_fails_when_the_process_that_keeps_the_lines_is_gone() {
        let world = LentWorld::new(Clock::default()).await;
        let store = world.open().await;
        store.sync(&line("sale"), &rules(), &join(0..3)).await.unwrap();
        let lending = world.lending.lock().await.take().unwrap();
        lending.abort();
        assert!(lending.await.unwrap_err().is_cancelled());
        for _ in 0..2 {
            let error = store.sync(&line("sale"), &rules(), &join(3..4)).await.unwrap_err();
            assert!(error.to_string().contains("gone"), "{error}");
        }
    }
}

/// A directory that one process lets go of and another one opens.
mod handed_over {
    use super::{conformance::*, *};
    use sluice_admission::store::Store as _;

    #[tokio::test]
    async fn the_next_process_goes_on_with_every_step_and_the_first_one_takes_none() {
        let world = EmbeddedWorld::new(Clock::default()).await;
        let first = world.open().await;
        first.sync(&line("sale"), &rules(), &join(0..5)).await.unwrap();
        first.share("a", b"one", std::time::Duration::from_secs(60)).await.unwrap();
        first.let_go().await.unwrap();
        let second = world.open().await;
        let outcome = second.sync(&line("sale"), &rules(), &join(5..8)).await.unwrap();
        assert_eq!(outcome.newcomers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [6, 7, 8]);
        assert_eq!(second.shared("a").await.unwrap(), Some(b"one".to_vec()));
        let error = first.sync(&line("sale"), &rules(), &join(8..9)).await.unwrap_err();
        assert!(error.to_string().contains("another sluice"), "{error}");
        assert!(first.shared("a").await.is_err());
    }

    #[tokio::test]
    async fn the_first_process_goes_on_when_the_next_one_has_failed() {
        let world = EmbeddedWorld::new(Clock::default()).await;
        let first = world.open().await;
        first.sync(&line("sale"), &rules(), &join(0..5)).await.unwrap();
        first.let_go().await.unwrap();
        let second = world.open().await;
        second.sync(&line("sale"), &rules(), &join(5..6)).await.unwrap();
        drop(second);
        let outcome = first.sync(&line("sale"), &rules(), &join(6..7)).await.unwrap();
        assert_eq!(outcome.newcomers[0].0, 7, "what the second one has made is not forgotten");
        let error = Embedded::open(world.dir.path()).err().unwrap();
        assert!(error.to_string().contains("another sluice"), "{error}");
    }
}

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
