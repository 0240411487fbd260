//! Two ushers of two nodes over one line: a visit that ends at one has ended at the other.

use super::*;
use crate::usher::pace::{IDLE_EVERY, STEP_EVERY_MIN};

fn ended(usher: &Usher, number: u64) -> bool {
    usher.view().ended.contains(number)
}

/// Nodes A and B, and a visitor inside.
async fn fleet() -> (World, Arc<Usher>) {
    let a = world(Rules { burst: 10, ..rules() });
    let b = Usher::start(a.usher.line().clone(), Rules { burst: 10, ..rules() }, a.store.clone(), 1_700_000_000_000);
    b.heard().await;
    assert!(matches!(a.usher.join(walk_in(1)).await, Ok((1, Verdict::Inside { .. }))));
    (a, b)
}

#[tokio::test(start_paused = true)]
async fn a_visit_that_ends_at_one_node_has_ended_at_the_other_within_a_step_of_an_idle_line() {
    let (a, b) = fleet().await;
    a.usher.mark(mark(Word::Ended(1)));
    sleep(Duration::from_millis(1)).await;
    assert!(ended(&a.usher, 1) && !ended(&b, 1));
    sleep(Duration::from_secs(1) + IDLE_EVERY + 2 * STEP_EVERY_MIN).await;
    assert!(ended(&b, 1));
    // A node that begins now hears of it as well.
    let c = Usher::start(a.usher.line().clone(), rules(), a.store.clone(), 1_700_000_000_000);
    c.heard().await;
    assert!(ended(&c, 1));
}

#[tokio::test(start_paused = true)]
async fn while_visitors_wait_it_has_ended_at_the_other_within_two_ticks() {
    let (a, b) = fleet().await;
    for id in 10..30 {
        a.usher.join(Newcomer { hold_ms: 60_000, ..slip(id) }).await.unwrap();
    }
    // Node B has seen that the line moves.
    sleep(IDLE_EVERY).await;
    a.usher.mark(mark(Word::Ended(1)));
    sleep(Duration::from_millis(2 * rules().tick_ms() + 10)).await;
    assert!(ended(&b, 1));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_wiped_is_told_who_has_left_and_all_know_it_still() {
    let (a, b) = fleet().await;
    a.usher.mark(mark(Word::Ended(1)));
    sleep(Duration::from_secs(7)).await;
    a.store.wipe();
    sleep(Duration::from_secs(7)).await;
    assert_eq!(a.usher.view().summary.life, 1);
    assert!(ended(&a.usher, 1) && ended(&b, 1));
    b.mark(mark(Word::Ended(2)));
    sleep(Duration::from_secs(7)).await;
    assert!(ended(&a.usher, 2), "the new life's ends are heard of as the old one's");
}
