//! What a queue does: open, hold, drain, closed.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_open_queue_lets_everybody_pass_and_asks_nobody() {
    let world = World::new(Queue { mode: Mode::Open, ..queue() }).await;
    for _ in 0..5 {
        let mut visitor = Visitor::default();
        let decision = world.asks_nobody(visitor.asks(&world, Errand::Enter)).await;
        assert_eq!((decision.parked, decision.inside, decision.handed_out.len()), (None, None, 0));
        assert_eq!(world.asks_nobody(visitor.polls(&world)).await.state, State::Admitted);
    }
    assert_eq!(world.gate.counts.passed_freely.sum(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_held_queue_takes_newcomers_in_line_and_calls_nobody() {
    let (world, mut inside, mut line) = World::with_a_line_of(1, queue()).await;
    let world = world.in_mode(Mode::Hold).await;
    let mut newcomer = Visitor::default();
    assert_eq!(world.asks_nobody(newcomer.enters(&world)).await.unwrap_err().state, State::Joining);
    let standing = newcomer.enters(&world).await.unwrap_err();
    assert_eq!((standing.state, standing.reason, standing.number), (State::Held, Some(Reason::Paused), Some(3)));
    for _ in 0..40 {
        sleep(Duration::from_secs(2)).await;
        for visitor in [&mut line[0], &mut newcomer] {
            assert_eq!(visitor.enters(&world).await.unwrap_err().state, State::Held);
        }
    }
    assert_eq!((world.summary().lanes[0].head, world.summary().lanes[0].issued), (1, 3));
    assert_eq!(inside.enters(&world).await, Ok(1));
    let world = world.in_mode(Mode::Auto).await;
    assert_eq!(line[0].enters(&world).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_drained_queue_serves_its_line_first_and_then_lets_everybody_pass() {
    let (world, _inside, mut line) = World::with_a_line_of(4, queue()).await;
    let world = world.in_mode(Mode::Drain).await;
    assert!(world.summary().waiting > 0);
    let mut newcomer = Visitor::default();
    assert_eq!(newcomer.enters(&world).await.unwrap_err().state, State::Joining);
    for visitor in &mut line {
        while visitor.asks(&world, Errand::Enter).await.parked.is_some() {
            assert!(world.summary().lanes[0].head < 5, "{:?}", world.summary());
            sleep(Duration::from_millis(500)).await;
        }
    }
    assert_eq!((world.summary().lanes[0].head, world.summary().lanes[0].issued), (5, 5));
    world.until(|view| view.summary.waiting == 0 && !view.summary.standing).await;
    // Not before the line has answered for as long as the last of them may be silent.
    sleep(Duration::from_secs(65)).await;
    let decision = world.asks_nobody(newcomer.asks(&world, Errand::Enter)).await;
    assert_eq!((decision.parked, decision.inside), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_queue_goes_by_what_an_operator_has_set_until_it_ends() {
    let message = Some("Tickets from 40 EUR".to_owned());
    let (world, mut inside, mut line) = World::with_a_line_of(1, Queue { message, ..queue() }).await;
    let set = |mode, message: Option<&str>, for_ms: Option<u64>| {
        let until_ms = for_ms.map(|ms| world.gate.usher.view().line_ms(now()) + ms);
        let from = world.gate.usher.governed().control.revision;
        let set = Override { mode: Some(mode), message: message.map(Into::into), until_ms, ..Override::default() };
        world.gate.usher.change(Change { id: from.number + 1, from, set, ..Change::default() })
    };
    set(Mode::Hold, Some("Back at ten"), Some(60_000)).await.unwrap();
    let standing = line[0].enters(&world).await.unwrap_err();
    assert_eq!((standing.state, standing.reason), (State::Held, Some(Reason::Paused)));
    assert_eq!(
        (world.gate.usher.governed().rules.mode, world.gate.message().as_deref()),
        (Mode::Hold, Some("Back at ten"))
    );
    for _ in 0..31 {
        sleep(Duration::from_secs(2)).await;
        line[0].polls(&world).await;
    }
    assert_eq!(line[0].enters(&world).await, Ok(2), "it has ended");
    assert_eq!(
        (world.gate.usher.governed().rules.mode, world.gate.message().as_deref()),
        (Mode::Auto, Some("Tickets from 40 EUR"))
    );

    set(Mode::Open, None, None).await.unwrap();
    let decision = world.asks_nobody(Visitor::default().asks(&world, Errand::Enter)).await;
    assert_eq!((decision.parked, decision.inside), (None, None), "no visitor waits");
    set(Mode::Closed, None, None).await.unwrap();
    assert_eq!(Visitor::default().enters(&world).await.unwrap_err().state, State::Closed);
    assert_eq!(inside.enters(&world).await, Ok(1), "the visit goes on");
    sleep(SETTLES_WITHIN).await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_gives_no_number_and_those_inside_stay() {
    let (world, mut inside, mut line) = World::with_a_line_of(3, queue()).await;
    let world = world.in_mode(Mode::Closed).await;
    let (issued, head) = (world.summary().lanes[0].issued, world.summary().lanes[0].head);
    let mut newcomer = Visitor::default();
    for _ in 0..3 {
        let standing = newcomer.enters(&world).await.unwrap_err();
        assert_eq!((standing.state, standing.reason), (State::Closed, Some(Reason::Closed)));
        assert_eq!(newcomer.holds(), ["slip"]);
    }
    for _ in 0..20 {
        let standing = line[2].polls(&world).await;
        assert_eq!((standing.state, standing.number), (State::Closed, Some(4)));
        sleep(Duration::from_secs(2)).await;
    }
    assert_eq!((world.summary().lanes[0].issued, world.summary().lanes[0].head), (issued, head));
    assert_eq!(inside.enters(&world).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn who_was_inside_is_inside_when_an_open_queue_calls_again() {
    let (world, mut inside, _line) = World::with_a_line_of(1, queue()).await;
    let world = world.in_mode(Mode::Open).await;
    // Longer than `session_idle`.
    for _ in 0..9 {
        sleep(Duration::from_secs(100)).await;
        assert_eq!(world.asks_nobody(inside.asks(&world, Errand::Enter)).await.parked, None);
    }
    let world = world.in_mode(Mode::Auto).await;
    assert_eq!((inside.enters(&world).await, world.summary().inside), (Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn who_is_inside_while_a_lost_store_admits_everybody_is_inside_when_it_is_back() {
    let admit = Queue {
        on_store_loss: Some(OnStoreLoss::Admit),
        session_idle: Duration::from_secs(6),
        max_active: NonZeroU32::new(2),
        ..queue()
    };
    let (world, mut inside, _line) = World::with_a_line_of(1, admit).await;
    world.store_goes_away().await;
    for _ in 0..18 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(inside.asks(&world, Errand::Enter).await.parked, None);
    }
    world.store_comes_back().await;
    assert_eq!(inside.enters(&world).await, Ok(1));
    sleep(SETTLES_WITHIN).await;
    assert!(world.summary().inside >= 1, "{:?}", world.summary());
}
