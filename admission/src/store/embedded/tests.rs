//! The embedded store on disks that are slow, full and damaged.
#![allow(clippy::unwrap_used)]

mod damage;
mod fuzzed;

use std::{
    fs,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use sluice_config::{Mode, Name};
use tokio::{
    sync::oneshot,
    time::{advance, sleep},
};

use super::{disk::Deed, *};
use crate::line::{LaneId, Newcomer, Seen};

const START_MS: u64 = 1_700_000_000_000;

fn line(queue: &str) -> LineId {
    LineId { tenant: Name::new("shop").unwrap(), queue: Name::new(queue).unwrap() }
}

fn rules() -> Rules {
    Rules {
        release_per_minute: 60,
        burst: 10,
        max_active: None,
        max_waiting: 1_000_000,
        mode: Mode::Auto,
        claim_within_ms: 10_000,
        return_within_ms: 120_000,
        seat_ms: 30_000,
        lanes: Vec::new(),
    }
}

fn join(ids: std::ops::Range<u64>) -> Batch {
    let newcomer =
        |id| Newcomer { id, hold_ms: 20_000, enter: false, walk_in: false, lane: LaneId::FIRST, arrived_ms: 0 };
    Batch { newcomers: ids.map(newcomer).collect(), ..Batch::default() }
}

/// A batch whose record takes more than a megabyte.
fn large() -> Batch {
    Batch { seen: (1..=200_000).map(|number| Seen { number, hold_ms: 20_000 }).collect(), ..Batch::default() }
}

fn open(dir: &Path) -> Arc<Embedded> {
    Arc::new(Embedded::with_clock(dir, || START_MS).unwrap())
}

fn with_hook(dir: &Path, hook: impl Fn(Deed, &Path) -> io::Result<()> + Send + Sync + 'static) -> Arc<Embedded> {
    with_bounds(dir, Bounds::default(), hook)
}

fn with_bounds(
    dir: &Path,
    bounds: Bounds,
    hook: impl Fn(Deed, &Path) -> io::Result<()> + Send + Sync + 'static,
) -> Arc<Embedded> {
    Arc::new(Embedded::on(dir, || START_MS, bounds, Some(Box::new(hook))).unwrap())
}

fn is_of(path: &Path, line: &LineId) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{line}."))
}

fn journals(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files.filter(|file| file.ends_with(".journal")).collect()
}

/// Waits until nothing happens in the background: a paused clock stands still while blocking threads are at work.
async fn disk_is_idle() {
    sleep(Duration::from_millis(1)).await;
}

/// Makes steps until nothing is left of earlier journals: one begins the rewrite, one takes it over.
async fn step_until_rewritten(store: &Embedded, dir: &Path) -> Summary {
    for _ in 0..4 {
        let summary = store.sync(&line("a"), &rules(), &Batch::default()).await.unwrap().summary;
        disk_is_idle().await;
        if journals(dir) == ["shop.a.2.journal"] {
            return summary;
        }
    }
    panic!("not rewritten: {:?}", journals(dir));
}

/// A disk that stops before the next deed of this sort to a file of line `a`, says so, and goes on when it may.
struct Gate {
    stopped: oneshot::Receiver<()>,
    go_on: mpsc::Sender<()>,
    armed: mpsc::Sender<Deed>,
}

fn gated(dir: &Path, bounds: Bounds) -> (Arc<Embedded>, Gate) {
    let (say_stopped, stopped) = oneshot::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let (armed, arms) = mpsc::channel::<Deed>();
    let once = Mutex::new(Some((say_stopped, may_go_on)));
    let (waits_for, arms) = (Mutex::new(None), Mutex::new(arms));
    let store = with_bounds(dir, bounds, move |deed, path| {
        let stops = {
            let mut waits_for = waits_for.lock().unwrap();
            *waits_for = arms.lock().unwrap().try_iter().last().or(*waits_for);
            *waits_for == Some(deed) && is_of(path, &line("a"))
        };
        let stop = if stops { once.lock().unwrap().take() } else { None };
        if let Some((say_stopped, may_go_on)) = stop {
            say_stopped.send(()).unwrap();
            may_go_on.recv().unwrap();
        }
        Ok(())
    });
    (store, Gate { stopped, go_on, armed })
}

#[tokio::test]
async fn a_disk_that_hangs_in_one_lines_write_delays_no_other_lines_step() {
    let dir = tempfile::tempdir().unwrap();
    let (store, gate) = gated(dir.path(), Bounds::default());
    for queue in ["a", "b"] {
        store.sync(&line(queue), &rules(), &join(0..1)).await.unwrap();
    }
    gate.armed.send(Deed::Append).unwrap();
    let slow = tokio::spawn({
        let store = store.clone();
        async move { store.sync(&line("a"), &rules(), &join(1..2)).await }
    });
    gate.stopped.await.unwrap();
    // Would never end if it waited for the other line.
    for id in 1..100 {
        assert_eq!(store.sync(&line("b"), &rules(), &join(id..id + 1)).await.unwrap().newcomers[0].0, id + 1);
    }
    assert!(!slow.is_finished(), "answered before it was written");
    gate.go_on.send(()).unwrap();
    assert_eq!(slow.await.unwrap().unwrap().newcomers[0].0, 2);
}

#[tokio::test]
async fn a_step_that_is_given_up_while_the_disk_hangs_leaves_the_line_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let hangs = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
    let hanging = Arc::new(AtomicUsize::new(0));
    let store = with_hook(dir.path(), {
        let (hangs, hanging) = (hangs.clone(), hanging.clone());
        move |deed, _| {
            if deed == Deed::Append && *hangs.0.lock().unwrap() {
                hanging.fetch_add(1, Ordering::SeqCst);
                drop(hangs.1.wait_while(hangs.0.lock().unwrap(), |hangs| *hangs).unwrap());
            }
            Ok(())
        }
    });
    let step = |queue: String, batch: Batch| {
        let store = store.clone();
        tokio::spawn(async move { store.sync(&line(&queue), &rules(), &batch).await })
    };
    let others: Vec<_> = (0..disk::WRITES_MAX as usize).map(|nth| format!("h{nth}")).collect();
    for queue in others.iter().cloned().chain(["a".to_owned()]) {
        step(queue, join(0..5)).await.unwrap().unwrap();
    }
    *hangs.0.lock().unwrap() = true;
    let held_up: Vec<_> = others.into_iter().map(|queue| step(queue, join(5..6))).collect();
    while hanging.load(Ordering::SeqCst) < disk::WRITES_MAX as usize {
        tokio::task::yield_now().await;
    }
    // One more has no place, and one that hangs already is not waited for.
    let without_a_place = step("a".to_owned(), join(5..6));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    for task in held_up.iter().chain([&without_a_place]) {
        assert!(!task.is_finished());
        task.abort();
    }
    *hangs.0.lock().unwrap() = false;
    hangs.1.notify_all();
    for queue in ["a", "h0", "h1"] {
        let outcome = step(queue.to_owned(), join(5..7)).await.unwrap().unwrap();
        assert_eq!(outcome.newcomers.iter().map(|n| n.0).collect::<Vec<_>>(), [6, 7], "{queue}");
    }
    assert!(journals(dir.path()).iter().all(|file| file.ends_with(".1.journal")), "read back for nothing");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_in_fsync_delays_no_step_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (store, gate) = gated(dir.path(), Bounds::default());
    store.sync(&line("a"), &rules(), &join(0..1)).await.unwrap();
    gate.armed.send(Deed::Sync).unwrap();
    advance(Duration::from_secs(1)).await;
    store.sync(&line("a"), &rules(), &join(1..2)).await.unwrap();
    gate.stopped.await.unwrap();
    for id in 2..100 {
        assert_eq!(store.sync(&line("a"), &rules(), &join(id..id + 1)).await.unwrap().newcomers[0].0, id + 1);
        assert_eq!(store.sync(&line("b"), &rules(), &join(id..id + 1)).await.unwrap().newcomers[0].0, id - 1);
    }
    gate.go_on.send(()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_holds_up_no_step_and_loses_none_that_is_made_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let (store, gate) = gated(dir.path(), Bounds::default());
    let a = line("a");
    store.sync(&a, &rules(), &join(0..1)).await.unwrap();
    gate.armed.send(Deed::Snapshot).unwrap();
    for _ in 0..10 {
        store.sync(&a, &rules(), &large()).await.unwrap();
    }
    gate.stopped.await.unwrap();
    for id in 1..50 {
        store.sync(&a, &rules(), &join(id..id + 1)).await.unwrap();
    }
    assert_eq!(journals(dir.path()), ["shop.a.1.journal"]);
    gate.go_on.send(()).unwrap();
    let last = step_until_rewritten(&store, dir.path()).await;
    drop(store);
    let again = open(dir.path()).sync(&a, &rules(), &Batch::default()).await.unwrap().summary;
    assert_eq!((again.lanes[0].issued, again.steps, again.life), (last.lanes[0].issued, last.steps + 1, last.life));
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_that_is_slower_than_the_line_is_given_up_and_begun_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = Bounds { rewrite_bytes_min: 20_000, meanwhile_bytes_max: 20_000, ..Bounds::default() };
    let (store, gate) = gated(dir.path(), bounds);
    let a = line("a");
    store.sync(&a, &rules(), &join(0..1)).await.unwrap();
    gate.armed.send(Deed::Snapshot).unwrap();
    for id in (0..20_000).step_by(500) {
        store.sync(&a, &rules(), &join(id..id + 500)).await.unwrap();
    }
    gate.stopped.await.unwrap();
    gate.go_on.send(()).unwrap();
    let no_drafts = || {
        fs::read_dir(dir.path()).unwrap().all(|file| file.unwrap().path().extension().is_none_or(|end| end != "draft"))
    };
    disk_is_idle().await;
    store.sync(&a, &rules(), &Batch::default()).await.unwrap();
    assert!(no_drafts() && journals(dir.path()) == ["shop.a.1.journal"], "{:?}", journals(dir.path()));
    advance(Duration::from_secs(31)).await;
    step_until_rewritten(&store, dir.path()).await;
    drop(store);
    assert_eq!(open(dir.path()).sync(&a, &rules(), &Batch::default()).await.unwrap().summary.lanes[0].issued, 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_journal_at_its_bound_holds_the_line_until_it_can_be_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = Bounds { rewrite_bytes_min: 20_000, journal_bytes_max: 60_000, ..Bounds::default() };
    let refuses = Arc::new(AtomicUsize::new(0));
    let store = with_bounds(dir.path(), bounds, {
        let refuses = refuses.clone();
        move |deed, _| {
            let refused = deed == Deed::Snapshot && refuses.load(Ordering::SeqCst) > 0;
            if refused { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    });
    let a = line("a");
    store.sync(&a, &rules(), &join(0..1)).await.unwrap();
    refuses.store(1, Ordering::SeqCst);
    let mut issued = 0;
    let error = loop {
        match store.sync(&a, &rules(), &join(issued..issued + 500)).await {
            Ok(outcome) => issued = outcome.summary.lanes[0].issued,
            Err(error) => break error.to_string(),
        }
        assert!(issued < 1_000_000, "it grows without a bound");
    };
    assert!(error.contains("make room on its file system"), "{error}");
    let journal = fs::metadata(dir.path().join("shop.a.1.journal")).unwrap();
    assert!((60_000..80_000).contains(&journal.len()), "{}", journal.len());
    refuses.store(0, Ordering::SeqCst);
    let outcome = store.sync(&a, &rules(), &join(issued..issued + 1)).await.unwrap();
    assert_eq!(outcome.newcomers[0].0, issued + 1);
    step_until_rewritten(&store, dir.path()).await;
}

#[tokio::test]
async fn a_full_disk_holds_the_line_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicUsize::new(0));
    let store = with_hook(dir.path(), {
        let full = full.clone();
        move |deed, path| {
            if deed != Deed::Append
                || full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err()
            {
                return Ok(());
            }
            // There is room for a beginning.
            let begun = fs::OpenOptions::new().append(true).open(path).unwrap();
            io::Write::write_all(&mut &begun, &[0xf5, b'S', b'L', b'J', 9]).unwrap();
            Err(io::ErrorKind::StorageFull.into())
        }
    });
    let a = line("a");
    store.sync(&a, &rules(), &join(0..10)).await.unwrap();
    full.store(3, Ordering::SeqCst);
    for _ in 0..3 {
        let error = store.sync(&a, &rules(), &join(10..15)).await.unwrap_err().to_string();
        assert!(error.contains("make room on its file system") && error.contains("shop.a.1.journal"), "{error}");
    }
    let outcome = store.sync(&a, &rules(), &join(10..15)).await.unwrap();
    assert_eq!(outcome.newcomers.iter().map(|n| n.0).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
    assert_eq!(outcome.summary.steps, 3, "a step that could not be written is made once");
    assert_eq!(outcome.summary.called_last_minute, 10, "nobody was called twice");
    drop(store);
    let again = open(dir.path()).sync(&a, &rules(), &Batch::default()).await.unwrap().summary;
    assert_eq!((again.lanes[0].issued, again.steps, again.life), (15, 4, 0));
}

#[tokio::test]
async fn a_process_that_ends_on_a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicUsize::new(0));
    let store = with_hook(dir.path(), {
        let full = full.clone();
        move |deed, _| {
            if deed == Deed::Append && full.load(Ordering::SeqCst) > 0 {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(())
            }
        }
    });
    let a = line("a");
    store.sync(&a, &rules(), &join(0..10)).await.unwrap();
    full.store(1, Ordering::SeqCst);
    store.sync(&a, &rules(), &join(10..15)).await.unwrap_err();
    drop(store);
    // It begins again on a disk that is full still, and without a new file.
    let store =
        with_hook(
            dir.path(),
            |deed, _| {
                if deed == Deed::Snapshot { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            },
        );
    let again = store.sync(&a, &rules(), &join(10..15)).await.unwrap();
    assert_eq!((again.summary.lanes[0].issued, again.summary.steps, again.summary.life), (15, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_does_not_reach_the_disk_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicUsize::new(0));
    let store = with_hook(dir.path(), {
        let failing = failing.clone();
        move |deed, _| {
            let fails = deed == Deed::Sync
                && failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if fails { Err(io::Error::other("a bad block")) } else { Ok(()) }
        }
    });
    let a = line("a");
    store.sync(&a, &rules(), &join(0..10)).await.unwrap();
    failing.store(1, Ordering::SeqCst);
    advance(Duration::from_secs(1)).await;
    step_until_rewritten(&store, dir.path()).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let error = Embedded::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("another sluice") && error.contains("`state_dir` of its own"), "{error}");
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Embedded::open(&file.join("state")).unwrap_err().to_string();
    assert!(error.contains("a file is in the way"), "{error}");
    for (kind, remedy) in [
        (io::ErrorKind::PermissionDenied, "must own the state directory"),
        (io::ErrorKind::ReadOnlyFilesystem, "for writing"),
        (io::ErrorKind::QuotaExceeded, "make room"),
        (io::ErrorKind::Other, "system's log"),
    ] {
        let error = disk::with_remedy(kind.into(), Path::new("/state/x")).to_string();
        assert!(error.contains(remedy) && error.contains("/state/x"), "{error}");
    }
}
