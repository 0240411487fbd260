//! `on_store_loss = "trickle"`: the head goes on by time.

use super::*;

fn trickling() -> Queue {
    Queue { on_store_loss: Some(OnStoreLoss::Trickle), ..queue() }
}

/// Whoever of these is let in now, by number.
async fn let_in(world: &World, line: &mut [Visitor]) -> Vec<u64> {
    let mut numbers = Vec::new();
    for visitor in line.iter_mut().filter(|visitor| visitor.holds() != ["pass"]) {
        numbers.extend(visitor.enters(world).await.ok());
    }
    numbers
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_visitors_go_in_at_the_rate_in_order() {
    let (world, _inside, mut line) = World::with_a_line_of(20, trickling()).await;
    world.store_goes_away().await;
    let head = world.summary().lanes[0].head;
    let mut entered = Vec::new();
    for _ in 0..10 {
        entered.extend(let_in(&world, &mut line).await);
        sleep(Duration::from_secs(1)).await;
    }
    assert!((8..=10).contains(&entered.len()), "{entered:?}");
    assert_eq!(entered, (head + 1..=head + entered.len() as u64).collect::<Vec<_>>());
    // Who polls is told, and whoever is inside stays inside, at any node.
    let called = line.iter_mut().find(|visitor| visitor.holds() != ["pass"]).unwrap();
    assert_eq!(called.polls(&world).await.state, State::Called);

    // The line learns of all of them before it calls anybody else, and calls the next one.
    world.store_comes_back().await;
    world.until(|view| view.summary.inside == 1 + entered.len() as u64).await;
    assert_eq!(world.summary().lanes[0].head, *entered.last().unwrap());
    for visitor in line.iter_mut().take(entered.len()) {
        visitor.enters(&world).await.unwrap();
    }
    assert_eq!(world.gate.counts.trickled.sum(), i64::try_from(entered.len()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_missed_waits_for_the_store() {
    let (world, _inside, mut line) = World::with_a_line_of(3, trickling()).await;
    world.store_goes_away().await;
    sleep(Duration::from_secs(70)).await;
    assert_eq!(let_in(&world, &mut line).await, [0; 0]);
    world.store_comes_back().await;
    world.until(|view| !view.summary.settling).await;
    for visitor in &mut line {
        visitor.polls(&world).await;
    }
    world.until(|view| view.summary.lanes[0].head >= 2).await;
    assert_eq!(line[0].enters(&world).await, Ok(2), "first in line all the same");
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_in_by_time_without_a_seat_a_number_or_leave_to() {
    let one_seat = Queue { max_active: NonZeroU32::new(1), ..trickling() };
    let held = World::with_a_line_of(2, trickling()).await;
    let held = (held.0.in_mode(Mode::Hold).await, held.1, held.2);
    for (world, _inside, mut line) in [World::with_a_line_of(2, one_seat).await, held] {
        world.store_goes_away().await;
        line.push(Visitor::default());
        sleep(Duration::from_secs(30)).await;
        assert_eq!(let_in(&world, &mut line).await, [0; 0]);
    }
}
