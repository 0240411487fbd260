//! Getting in, and being inside.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_first_visitor_of_an_empty_line_enters_at_once() {
    let world = World::new(queue()).await;
    let mut visitor = Visitor::default();
    assert_eq!(visitor.enters(&world).await, Ok(1));
    // Until the pass has come back the seat is kept for a moment only, and the ticket keeps the number.
    assert_eq!(visitor.holds(), ["pass", "ticket"]);
    assert_eq!(world.asks_nobody(visitor.enters(&world)).await, Ok(1));
    assert_eq!((visitor.holds(), world.summary().inside), (vec!["pass"], 1));
    assert_eq!(world.gate.counts.entered.sum(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_walked_in_and_comes_back_late_is_first_again() {
    let world = World::new(queue()).await;
    let mut visitor = Visitor::default();
    assert_eq!(visitor.enters(&world).await, Ok(1));
    sleep(Duration::from_secs(45)).await;
    assert_eq!((world.summary().inside, world.summary().due), (0, 0), "a client that keeps no cookies holds no seat");
    assert_eq!(visitor.enters(&world).await, Ok(1));
    assert_eq!((visitor.holds(), world.summary().inside), (vec!["pass"], 1));
}

#[tokio::test(start_paused = true)]
async fn a_pass_enters_and_asks_nobody() {
    let (world, mut inside, _line) = World::with_a_line_of(2, queue()).await;
    let (pass, told) = (inside.clone(), world.told(|batch| batch.inside.clone()));
    for _ in 0..10 {
        assert_eq!(world.asks_nobody(inside.enters(&world)).await, Ok(1));
    }
    // Not an eighth of its life has gone by: it is not minted anew, and the line is not even told.
    assert_eq!(inside, pass);
    assert_eq!(world.told(|batch| batch.inside.clone()), told);
    assert_eq!(world.asks_nobody(inside.polls(&world)).await.state, State::Admitted);
}

#[tokio::test(start_paused = true)]
async fn a_pass_enters_while_the_store_is_away() {
    let (world, mut inside, _line) = World::with_a_line_of(1, queue()).await;
    world.store_goes_away().await;
    assert_eq!(world.asks_nobody(inside.enters(&world)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_used_is_renewed_and_one_that_is_not_runs_out() {
    let (world, mut busy, mut line) = World::with_a_line_of(1, queue()).await;
    let mut idle = line.remove(0);
    world.until(|view| view.summary.lanes[0].head == 2).await;
    assert_eq!(idle.enters(&world).await, Ok(2));
    for _ in 0..24 {
        let before = busy.clone();
        sleep(Duration::from_secs(100)).await;
        assert_eq!(world.asks_nobody(busy.enters(&world)).await, Ok(1));
        assert_ne!(busy, before);
    }
    // Forty minutes later the one is where it was, and the other's visit is over.
    assert_eq!(world.summary().inside, 1);
    assert_ne!(idle.enters(&world).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_repeated_gives_the_same_pass_and_counts_once() {
    let (world, _inside, line) = World::with_a_line_of(1, queue()).await;
    world.until(|view| view.summary.lanes[0].head == 2).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        // The answer before was lost: the visitor comes with the ticket again.
        let mut visitor = line[0].clone();
        assert_eq!(visitor.enters(&world).await, Ok(2));
        assert_eq!(visitor.holds(), ["pass"]);
        answers.push(visitor);
        sleep(Duration::from_secs(3)).await;
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!((world.gate.counts.entered.sum(), world.summary().inside), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_spent_ticket_joins_anew_and_always_as_the_same_newcomer() {
    let (world, _inside, line) = World::with_a_line_of(1, queue()).await;
    world.until(|view| view.summary.lanes[0].head == 2).await;
    assert_eq!(line[0].clone().enters(&world).await, Ok(2));
    assert_eq!(world.gate.end_visit(2, Recipient { secure: false, app: false, domain: None }).len(), 1);
    world.until(|view| view.summary.inside == 1).await;
    // Nobody else is there, and a place is free: the visitor is let in with the next number.
    assert_eq!(line[0].clone().enters(&world).await, Ok(3));
    // The answer was lost, so the spent ticket comes again.
    assert_eq!(line[0].clone().enters(&world).await, Ok(3));
    assert_eq!(world.summary().lanes[0].issued, 3);
}

#[tokio::test(start_paused = true)]
async fn a_visit_that_is_left_gives_the_seat_back() {
    let (world, mut inside, _line) = World::with_a_line_of(0, queue()).await;
    inside.leaves(&world, true);
    sleep(SETTLES_WITHIN).await;
    assert_eq!((world.summary().inside, inside.holds()), (1, vec!["pass"]), "a page that was closed is no good-bye");
    inside.leaves(&world, false);
    world.until(|view| view.summary.inside == 0).await;
    assert_eq!(inside.holds(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_does_not_verify_is_as_good_as_none_and_counted() {
    let (world, inside, _line) = World::with_a_line_of(1, queue()).await;
    let mut altered = inside;
    altered.cookies.values_mut().for_each(|pass| pass.replace_range(pass.len() - 4.., "AAAA"));
    let standing = world.asks_nobody(altered.enters(&world)).await.unwrap_err();
    assert_eq!((standing.state, world.tokens_refused.get()), (State::Joining, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_ran_out_enters_as_long_as_a_stream_has_kept_its_seat() {
    let (world, mut inside, _line) =
        World::with_a_line_of(1, Queue { max_active: NonZeroU32::new(1), ..queue() }).await;
    let idle = world.gate.queue.session_idle;
    let headers = inside.headers();
    let (errand, initiator) = (Errand::Enter, Initiator::Own);
    let request = Request {
        headers: &headers,
        recipient: inside.recipient(),
        errand,
        initiator,
        hidden: false,
        lane: lane::Named::default(),
    };
    let pass = world.gate.pass_by(request).inside.unwrap();
    for _ in 0..20 {
        sleep(world.gate.seen_every()).await;
        assert!(world.asks_nobody(async { world.gate.seen_on_a_stream(&pass, idle / 8) }).await);
    }
    assert_eq!((world.summary().inside, inside.enters(&world).await), (1, Ok(1)));
    assert_eq!(world.asks_nobody(inside.enters(&world)).await, Ok(1), "with a pass that is good again");
    // After a silence as long as a pass the seat may be another's.
    assert!(!world.gate.seen_on_a_stream(&pass, idle + idle / 8));
    sleep(idle + idle / 4).await;
    assert_eq!(world.summary().inside, 0);
    let number = inside.enters(&world).await.map_err(|standing| standing.number);
    assert!(number != Ok(1) && number != Err(Some(1)), "{number:?}");
}

#[tokio::test(start_paused = true)]
async fn elsewhere_on_the_site_a_visit_goes_on_and_no_question_is_asked() {
    let (world, inside, _line) = World::with_a_line_of(1, queue()).await;
    let mut stranger = Visitor::default();
    for (visitor, number) in [(&mut inside.clone(), Some(1)), (&mut stranger, None)] {
        for errand in [Errand::Enter, Errand::Prefetch] {
            let headers = visitor.headers();
            let (recipient, initiator) = (visitor.recipient(), Initiator::Own);
            let request = Request {
                headers: &headers,
                recipient,
                errand,
                initiator,
                hidden: false,
                lane: lane::Named::default(),
            };
            let decision = world.asks_nobody(async { world.gate.pass_by(request) }).await;
            assert_eq!((decision.parked, decision.inside.map(|pass| pass.number)), (None, number));
            visitor.take_in(&decision);
        }
    }
    assert_eq!(stranger.holds(), [""; 0], "nobody is handed a slip where no line is");
    let elsewhere = Request {
        headers: &inside.headers(),
        recipient: inside.recipient(),
        errand: Errand::Enter,
        initiator: Initiator::Embedded,
        hidden: false,
        lane: lane::Named::default(),
    };
    assert_eq!(world.gate.pass_by(elsewhere).inside, None);
}
