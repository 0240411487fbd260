//! Standing in line.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_brings_nothing_while_a_line_stands_gets_a_slip_and_the_line_is_not_asked() {
    let (world, _inside, _line) = World::with_a_line_of(3, queue()).await;
    let mut newcomer = Visitor::default();
    let standing = world.asks_nobody(newcomer.enters(&world)).await.unwrap_err();
    assert_eq!((standing.state, standing.number), (State::Joining, None));
    assert_eq!(newcomer.holds(), ["slip"]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_silent_for_the_moment_is_a_line_to_those_without_a_slip() {
    let (world, _inside, _line) = World::with_a_line_of(2, queue()).await;
    let world = world.in_mode(Mode::Hold).await;
    // As in the background of a phone: too long to be called, not long enough to have left.
    sleep(Duration::from_secs(20)).await;
    let world = world.in_mode(Mode::Auto).await;
    assert_eq!((world.summary().waiting, world.summary().standing), (2, false));
    let mut newcomer = Visitor::default();
    assert_eq!(world.asks_nobody(newcomer.enters(&world)).await.unwrap_err().state, State::Joining);
    // Whoever keeps cookies does not have to wait for the silent.
    assert_eq!(newcomer.enters(&world).await, Ok(4));
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_a_token_takes_no_number_of_an_empty_line_either() {
    let world = World::new(queue()).await;
    let mut newcomer = Visitor::default();
    assert_eq!(world.asks_nobody(newcomer.polls(&world)).await.state, State::Joining);
    assert_eq!(newcomer.holds(), ["slip"]);
}

#[tokio::test(start_paused = true)]
async fn a_slip_that_comes_back_takes_one_number() {
    let (world, _inside, _line) = World::with_a_line_of(3, queue()).await;
    let mut newcomer = Visitor::default();
    newcomer.enters(&world).await.unwrap_err();
    let slip = newcomer.clone();
    let standing = newcomer.polls(&world).await;
    assert_eq!((standing.state, standing.number, standing.ahead), (State::Waiting, Some(5), Some(3)));
    assert_eq!(newcomer.holds(), ["ticket"]);
    // Two tabs, or an answer that was lost: it is the same newcomer.
    assert_eq!(slip.clone().polls(&world).await.number, Some(5));
    assert_eq!(slip.clone().enters(&world).await.unwrap_err().number, Some(5));
    assert_eq!(world.summary().lanes[0].issued, 5);
}

#[tokio::test(start_paused = true)]
async fn slips_are_numbered_in_the_order_in_which_they_come_back() {
    let (world, _inside, _line) = World::with_a_line_of(1, queue()).await;
    let mut newcomers =
        [const { Visitor { cookies: BTreeMap::new(), secure: false, domain: None, hidden: false, lane: None } }; 3];
    for newcomer in &mut newcomers {
        newcomer.enters(&world).await.unwrap_err();
    }
    for (nth, number) in [(2, 3), (0, 4), (1, 5)] {
        assert_eq!(newcomers[nth].polls(&world).await.number, Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_above_the_head_asks_nobody_and_its_holder_counts_as_present() {
    let (world, _inside, mut line) = World::with_a_line_of(40, queue()).await;
    let last = line.last_mut().unwrap();
    for _ in 0..2 {
        let standing = world.asks_nobody(last.polls(&world)).await;
        assert_eq!((standing.state, standing.number), (State::Waiting, Some(41)));
        let standing = world.asks_nobody(last.enters(&world)).await.unwrap_err();
        assert_eq!(standing.state, State::Waiting);
    }
    let seen = world.told(|batch| batch.seen.iter().map(|seen| seen.number).collect());
    assert_eq!(seen, [41; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_at_the_head_asks_the_line_and_only_a_page_load_enters() {
    let (world, _inside, mut line) = World::with_a_line_of(2, queue()).await;
    world.until(|view| view.summary.lanes[0].head == 2).await;
    let asked = world.questions();
    for _ in 0..3 {
        assert_eq!(line[0].polls(&world).await.state, State::Called);
    }
    assert_eq!((world.questions(), world.summary().inside), (asked + 3, 1));
    assert_eq!(line[0].enters(&world).await, Ok(2));
    assert_eq!((world.questions(), world.summary().inside), (asked + 4, 2));
}

#[tokio::test(start_paused = true)]
async fn the_shown_position_falls_as_the_line_moves_and_never_rises() {
    let (world, _inside, mut line) = World::with_a_line_of(12, queue()).await;
    let last = line.last_mut().unwrap();
    let mut shown = vec![last.polls(&world).await.ahead.unwrap()];
    assert_eq!(shown, [11]);
    for _ in 0..6 {
        sleep(Duration::from_secs(1)).await;
        // A node that knows less would count more: the ticket says what was shown.
        shown.push(last.polls(&world).await.ahead.unwrap());
    }
    assert!(shown.is_sorted_by(|a, b| a >= b) && shown[6] < shown[0], "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_prefetch_takes_no_number_asks_nobody_and_is_handed_nothing() {
    let (world, mut inside, mut line) = World::with_a_line_of(2, queue()).await;
    let mut with_slip = Visitor::default();
    with_slip.enters(&world).await.unwrap_err();
    for visitor in [&mut Visitor::default(), &mut with_slip, &mut line[1]] {
        let before = visitor.clone();
        let decision = world.asks_nobody(visitor.asks(&world, Errand::Prefetch)).await;
        assert_eq!((decision.parked.unwrap().state, decision.inside), (State::Waiting, None));
        assert_eq!(*visitor, before);
    }
    // Of an empty line neither, though a page load would walk in; inside it is a request like any other.
    let empty = World::new(queue()).await;
    assert!(empty.asks_nobody(Visitor::default().asks(&empty, Errand::Prefetch)).await.parked.is_some());
    assert_eq!(inside.asks(&world, Errand::Prefetch).await.inside.map(|pass| pass.number), Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_closes_the_page_keeps_the_place_and_is_not_called_until_seen_again() {
    let (world, _inside, mut line) = World::with_a_line_of(2, queue()).await;
    line[0].leaves(&world, true);
    assert_eq!(line[0].holds(), ["ticket"]);
    world.until(|view| view.summary.lanes[0].head == 3).await;
    assert_eq!(world.told(|batch| batch.away.clone()), [2]);
    assert_eq!(line[0].polls(&world).await.state, State::Waiting);
    sleep(SETTLES_WITHIN).await;
    assert_eq!(line[0].enters(&world).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_the_place_keeps_no_token() {
    let (world, _inside, mut line) = World::with_a_line_of(2, queue()).await;
    line[0].leaves(&world, false);
    assert_eq!(line[0].holds(), [""; 0]);
    world.until(|view| view.summary.lanes[0].head == 3).await;
    assert_eq!(world.told(|batch| batch.away.clone()), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_full_line_gives_no_number_and_the_slip_is_kept() {
    let (world, _inside, mut line) =
        World::with_a_line_of(2, Queue { max_waiting: NonZeroU32::new(2).unwrap(), ..queue() }).await;
    let mut newcomer = Visitor::default();
    newcomer.enters(&world).await.unwrap_err();
    let slip = newcomer.clone();
    let standing = newcomer.enters(&world).await.unwrap_err();
    assert_eq!((standing.state, standing.reason), (State::Full, Some(Reason::LineFull)));
    assert_eq!((newcomer.holds(), world.summary().lanes[0].issued), (vec!["slip"], 3));
    // For those in line it is no news; and when there is room, the same newcomer joins.
    assert_eq!(line[1].polls(&world).await.state, State::Waiting);
    world.until(|view| view.summary.waiting < 2).await;
    assert_eq!(newcomer.polls(&world).await.number, Some(4));
    assert_eq!(slip.clone().polls(&world).await.number, Some(4));
}

#[tokio::test(start_paused = true)]
async fn who_asked_in_vain_was_there_all_the_same() {
    let (world, _inside, line) = World::with_a_line_of(2, queue()).await;
    world.until(|view| view.summary.lanes[0].head == 3).await;
    let [mut first, mut second] = line.try_into().unwrap();
    world.store.silent.store(true, Ordering::SeqCst);
    // One question is on its way when the store falls silent, the other waits behind it.
    let behind = async {
        sleep(Duration::from_millis(100)).await;
        second.polls(&world).await
    };
    let (one, other) = tokio::join!(first.polls(&world), behind);
    assert_eq!((one.state, other.state), (State::Held, State::Held));
    world.store.batches.lock().unwrap().clear();
    world.store.silent.store(false, Ordering::SeqCst);
    world.until(|view| view.store_answers).await;
    sleep(SETTLES_WITHIN).await;
    let mut seen = world.told(|batch| batch.seen.iter().map(|seen| seen.number).collect());
    seen.sort_unstable();
    assert_eq!(seen, [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_places_are_held_and_nobody_gets_in() {
    let (world, _inside, mut line) = World::with_a_line_of(2, queue()).await;
    world.until(|view| view.summary.lanes[0].head == 2).await;
    let mut with_slip = Visitor::default();
    with_slip.enters(&world).await.unwrap_err();
    world.store_goes_away().await;
    // Called or not, there is nobody to ask.
    for visitor in &mut line {
        let standing = world.asks_nobody(visitor.enters(&world)).await.unwrap_err();
        assert_eq!((standing.state, standing.reason), (State::Held, Some(Reason::StoreAway)));
        assert_eq!(visitor.holds(), ["ticket"]);
    }
    let mut newcomer = Visitor::default();
    let standing = world.asks_nobody(newcomer.enters(&world)).await.unwrap_err();
    assert_eq!((standing.state, standing.reason), (State::Joining, Some(Reason::StoreAway)));
    let slip = with_slip.clone();
    let standing = with_slip.enters(&world).await.unwrap_err();
    assert_eq!((standing.state, standing.reason), (State::Joining, Some(Reason::StoreAway)));
    assert_eq!(with_slip.holds(), ["slip"]);
    world.store_comes_back().await;
    assert_eq!(line[0].enters(&world).await, Ok(2));
    assert_eq!(line[1].polls(&world).await.number, Some(3));
    // A line that was away waits for those who came meanwhile before it gives out numbers again. The slip is the same
    // one, whichever of its copies comes back.
    world.until(|view| !view.summary.settling).await;
    let number = with_slip.polls(&world).await.number;
    assert_eq!((number, slip.clone().polls(&world).await.number), (Some(4), Some(4)));
}
