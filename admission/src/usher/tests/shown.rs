//! What is shown of numbers once the line has been lost.

use super::*;
use crate::{line::SKIP, standing::Look, token::Ticket};

fn shown(world: &World, number: u64) -> u64 {
    let (view, ticket) =
        (world.usher.view(), Ticket { epoch: 1, number, issued_at_ms: 0, ahead_first: 0, ahead_shown: 0 });
    Look::of(&view, &rules(), now()).in_line(&ticket).number.unwrap()
}

/// P10: a visitor after a wipe read "your number 131,113, 20 ahead".
#[tokio::test(start_paused = true)]
async fn after_a_wipe_the_number_shown_goes_on_where_it_was() {
    let world = world(rules());
    for id in 0..41 {
        world.usher.join(Newcomer { hold_ms: 60_000, ..slip(id) }).await.unwrap();
    }
    assert_eq!(shown(&world, 41), 41);
    world.store.wipe();
    sleep(Duration::from_secs(8)).await;
    let (number, _) = world.usher.join(slip(99)).await.unwrap();
    assert!(number > SKIP, "{number}: the line was not lost");
    assert_eq!(shown(&world, number), 42);
    assert_eq!(shown(&world, 41), 41, "what was shown stays");
}
