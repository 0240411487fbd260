//! A node that ends and begins again, over a store that may have been lost meanwhile.

use super::*;
use crate::{line::SKIP, usher::Keepsake};

fn line() -> LineId {
    let name = |n| Name::new(n).unwrap();
    LineId { tenant: name("shop"), queue: name("sale") }
}

fn rules_of_three() -> Rules {
    Rules { burst: 3, max_active: Some(3), ..rules() }
}

/// Two inside, one called, three in line; then the node ends, once it has written down what it knows.
async fn end_of_a_node(store: &Arc<Watched>, dir: &tempfile::TempDir) {
    let usher = begin(store, dir);
    for id in 0..6 {
        usher.join(Newcomer { enter: id < 2, ..slip(id) }).await.unwrap();
    }
    let summary = usher.view().summary.clone();
    assert_eq!((summary.lanes[0].issued, summary.inside, summary.due), (6, 2, 1));
    sleep(Duration::from_secs(3)).await;
    drop(usher);
    sleep(Duration::from_secs(1)).await;
}

fn begin(store: &Arc<Watched>, dir: &tempfile::TempDir) -> Arc<Usher> {
    let keepsake = Some(Keepsake::of(dir.path(), &line()));
    Usher::start_with(line(), rules_of_three(), store.clone(), 1_700_000_000_000, keepsake)
}

#[tokio::test(start_paused = true)]
async fn a_line_is_healed_when_the_store_and_every_node_are_lost() {
    let (store, dir) = (Arc::new(Watched::new()), tempfile::tempdir().unwrap());
    end_of_a_node(&store, &dir).await;
    store.wipe();

    let usher = begin(&store, &dir);
    sleep(Duration::from_secs(1)).await;
    let healing = usher.view().summary.clone();
    assert_eq!((healing.life, healing.inside, healing.due, healing.called_last_minute), (1, 2, 1, 3));
    assert_eq!(healing.lanes[0].head, 3, "nobody is called while the line heals");
    let (number, _) = usher.join(slip(7)).await.unwrap();
    assert!(number > 6 + SKIP, "{number} may have been given before");
    // Those who wait come back with their tickets, and stand where they stood.
    for number in 4..=6 {
        usher.mark(seen(number, 20_000));
    }
    sleep(Duration::from_secs(2)).await;
    let healed = usher.view().summary.clone();
    assert_eq!((healed.lanes[0].head, healed.waiting), (3, 4), "before the newcomer");
    assert_eq!((healed.inside, healed.due), (2, 1), "nobody is thrown out, and no seat is given twice");
}

#[tokio::test(start_paused = true)]
async fn a_line_whose_state_file_is_damaged_is_told_who_is_inside_and_calls_nobody_for_a_minute() {
    let (store, dir) = (Arc::new(Watched::new()), tempfile::tempdir().unwrap());
    end_of_a_node(&store, &dir).await;
    store.damage();

    let usher = begin(&store, &dir);
    sleep(Duration::from_secs(1)).await;
    let healing = usher.view().summary.clone();
    assert_eq!((healing.life, healing.inside, healing.due, healing.lanes[0].head), (1, 2, 1, 3));
    let (number, _) = usher.join(slip(7)).await.unwrap();
    assert!(number > 6 + SKIP, "{number} may have been given before");
    // A seat is free, but no node knows who was called in the minute before.
    usher.mark(mark(Word::Ended(1)));
    for seconds in 1..65 {
        for number in 4..=6 {
            usher.mark(seen(number, 20_000));
        }
        sleep(Duration::from_secs(1)).await;
        let head = usher.view().summary.lanes[0].head;
        assert_eq!(head, if seconds < 59 { 3 } else { head }, "called after {seconds} s");
    }
    assert!(usher.view().summary.lanes[0].head > 3, "the line goes on");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_begins_again_over_a_sound_line_changes_nothing() {
    let (store, dir) = (Arc::new(Watched::new()), tempfile::tempdir().unwrap());
    end_of_a_node(&store, &dir).await;
    // Another node frees a seat meanwhile.
    let other = Usher::start(line(), rules_of_three(), store.clone(), 1_700_000_000_000);
    other.heard().await;
    other.mark(mark(Word::Ended(1)));
    sleep(Duration::from_secs(2)).await;
    let before = other.view().summary.clone();
    assert_eq!((before.life, before.inside), (0, 1));

    let usher = begin(&store, &dir);
    sleep(Duration::from_secs(2)).await;
    let after = usher.view().summary.clone();
    assert_eq!((after.life, after.inside, after.lanes[0].issued), (0, 1, before.lanes[0].issued));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_keepsake_is_done_without_and_replaced() {
    let (store, dir) = (Arc::new(Watched::new()), tempfile::tempdir().unwrap());
    end_of_a_node(&store, &dir).await;
    let file = dir.path().join("shop.sale.known");
    let whole = std::fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", br#"{"layout":99,"known":{}}"#] {
        std::fs::write(&file, damaged).unwrap();
        let usher = begin(&store, &dir);
        assert_eq!(usher.join(slip(2)).await.unwrap().0, 3, "{}", String::from_utf8_lossy(damaged));
        sleep(Duration::from_secs(3)).await;
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(kept["known"]["lanes"]["first"]["issued"], 6);
    }
}
