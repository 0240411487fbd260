//! What an operator sets through one node, at that node and at the others.

use std::num::NonZeroU32;

use super::*;
use crate::{
    line::{Change, Override, Revision},
    usher::{Keepsake, Unchanged},
};

const START_MS: u64 = 1_700_000_000_000;

fn hold(id: u64, from: Revision) -> Change {
    let set = Override { mode: Some(Mode::Hold), message: Some("Back at ten".into()), ..Override::default() };
    Change { id, from, set, reason: "the origin melts".into(), actor: "anna".into() }
}

/// Two nodes with one line in which nothing happens.
async fn two_nodes() -> (World, Arc<Usher>) {
    let store = Arc::new(Watched::new());
    store.shared.store(true, Ordering::SeqCst);
    let begin = || Usher::start(line(), rules(), store.clone(), START_MS);
    let (a, b) = (begin(), begin());
    sleep(Duration::from_secs(3)).await;
    (World { store: store.clone(), usher: a }, b)
}

fn line() -> LineId {
    let name = |n| Name::new(n).unwrap();
    LineId { tenant: name("shop"), queue: name("sale") }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_in_force_at_its_own_node_at_once_and_at_the_others_within_a_second() {
    let (a, b) = two_nodes().await;
    for id in 1..20 {
        let revision = a.usher.change(hold(id, a.usher.governed().control.revision)).await.unwrap();
        assert_eq!(revision, Revision { number: id, id });
        let here = a.usher.governed();
        assert_eq!((here.control.revision, here.rules.mode, here.file.mode), (revision, Mode::Hold, Mode::Auto));
        // At any moment of the other node's rest.
        sleep(Duration::from_millis(37 * id)).await;
        let changed = now();
        while b.governed().control.revision != revision {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(now() - changed < Duration::from_secs(1) - Duration::from_millis(37 * id));
        let there = b.governed();
        assert_eq!(
            (there.rules.mode, &*there.control.reason, &*there.control.actor),
            (Mode::Hold, "the origin melts", "anna")
        );
        assert_eq!(b.view().message(now()), Some("Back at ten"));
    }
}

#[tokio::test(start_paused = true)]
async fn of_changes_that_race_as_many_are_made_as_there_are_revisions() {
    let (a, b) = two_nodes().await;
    let nodes = [a.usher.clone(), b.clone()];
    let changes = (0..1_000u64).map(|id| {
        let usher = nodes[usize::try_from(id % 2).unwrap()].clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(id % 50)).await;
            usher.change(hold(id, usher.governed().control.revision)).await
        })
    });
    let (mut made, mut conflicts) = (0, 0);
    for change in changes.collect::<Vec<_>>() {
        match change.await.unwrap() {
            Ok(_) => made += 1,
            Err(Unchanged::Conflict(revision)) => {
                assert!(revision.number > 0);
                conflicts += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(made, nodes[0].governed().control.revision.number);
    assert_eq!((made + conflicts, nodes[0].governed().control), (1_000, nodes[1].governed().control));
    assert!(made >= 2 && conflicts >= 2, "{made} made");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_answered_is_made_once_and_never_later() {
    let world = world(rules());
    world.usher.heard().await;
    world.store.lost_replies.store(1, Ordering::SeqCst);
    let change = hold(7, Revision::default());
    assert!(matches!(world.usher.change(change.clone()).await, Err(Unchanged::Unanswered(_))));
    sleep(Duration::from_secs(1)).await;
    let made = Revision { number: 1, id: 7 };
    assert_eq!(world.usher.change(change).await, Ok(made), "asked for again");
    assert_eq!(world.usher.governed().control.revision, made);

    world.store.away.store(true, Ordering::SeqCst);
    assert!(matches!(world.usher.change(hold(8, made)).await, Err(Unchanged::Unanswered(_))));
    assert!(matches!(world.usher.change(hold(9, made)).await, Err(Unchanged::Unanswered(_))), "the line is away");
    world.store.away.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.usher.governed().control.revision, made, "its operator knows nothing of it");
    let bad = Change { actor: "a".repeat(201), ..hold(10, made) };
    assert!(matches!(world.usher.change(bad).await, Err(Unchanged::Bad(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_set_ends_by_the_lines_clock_without_a_step() {
    let world = world(rules());
    world.usher.heard().await;
    let until_ms = Some(world.usher.view().line_ms(now()) + 60_000);
    let faster = NonZeroU32::new(600);
    let set = Override { until_ms, release_per_minute: faster, message: Some("Hurry".into()), ..Override::default() };
    world.usher.change(Change { set, ..Change::default() }).await.unwrap();
    assert_eq!(
        (world.usher.governed().rules.release_per_minute, world.usher.view().message(now())),
        (600, Some("Hurry"))
    );
    world.store.away.store(true, Ordering::SeqCst);
    sleep(Duration::from_millis(59_900)).await;
    assert!(world.usher.governed().is_in_force);
    sleep(Duration::from_millis(200)).await;
    let governed = world.usher.governed();
    assert_eq!((governed.rules, governed.is_in_force), (rules(), false));
    assert_eq!(world.usher.view().message(now()), None);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_wiped_is_told_what_was_set_before_it_calls_again() {
    let (a, b) = two_nodes().await;
    a.usher.change(hold(7, Revision::default())).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    a.store.wipe();
    b.join(slip(1)).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    for usher in [&a.usher, &b] {
        let view = usher.view();
        assert_eq!(
            (view.summary.mode, view.summary.revision.number, view.summary.called_total),
            (Some(Mode::Hold), 1, 0)
        );
        assert_eq!(view.message(now()), Some("Back at ten"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_set_outlives_the_store_and_every_node() {
    let (store, dir) = (Arc::new(Watched::new()), tempfile::tempdir().unwrap());
    let begin = || {
        let keepsake = Some(Keepsake::of(dir.path(), &line()));
        Usher::start_with(line(), rules(), store.clone(), START_MS, keepsake)
    };
    let usher = begin();
    usher.heard().await;
    usher.change(hold(7, Revision::default())).await.unwrap();
    sleep(Duration::from_secs(7)).await;
    drop(usher);
    sleep(Duration::from_secs(1)).await;
    store.wipe();
    store.away.store(true, Ordering::SeqCst);
    let usher = begin();
    assert_eq!(usher.governed().rules.mode, Mode::Hold, "before the line has answered");
    store.away.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(2)).await;
    assert_eq!((usher.view().summary.mode, usher.view().summary.revision.number), (Some(Mode::Hold), 1));
}
