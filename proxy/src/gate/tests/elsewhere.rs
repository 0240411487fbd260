//! What a page of another site can bring about at the gate with the cookies of a visitor who looks at it.

use super::*;

const ALL_ERRANDS: [Errand; 3] = [Errand::Enter, Errand::Status, Errand::Prefetch];

async fn embedded(visitor: &mut Visitor, world: &World, errand: Errand) -> Decision {
    let before = visitor.clone();
    let decision = world.asks_nobody(visitor.made_to_ask(world, errand, Initiator::Embedded)).await;
    assert_eq!(*visitor, before, "{errand:?} changed what the visitor holds");
    assert_eq!(decision.inside, None);
    decision
}

#[tokio::test(start_paused = true)]
async fn an_embedded_resource_takes_no_number_where_nobody_stands() {
    let world = World::new(queue()).await;
    for errand in ALL_ERRANDS {
        let decision = embedded(&mut Visitor::default(), &world, errand).await;
        assert_eq!((decision.parked.unwrap().number, decision.handed_out.len()), (None, 0), "{errand:?}");
    }
    assert_eq!(world.summary().lanes[0].issued, 0);
}

#[tokio::test(start_paused = true)]
async fn an_embedded_resource_turns_no_slip_into_a_number() {
    let (world, _inside, _line) = World::with_a_line_of(2, queue()).await;
    let mut newcomer = Visitor::default();
    newcomer.enters(&world).await.unwrap_err();
    for errand in ALL_ERRANDS {
        assert_eq!(embedded(&mut newcomer, &world, errand).await.parked.unwrap().number, None);
    }
    assert_eq!(newcomer.polls(&world).await.number, Some(4), "the slip is as good as before");
}

#[tokio::test(start_paused = true)]
async fn an_embedded_resource_marks_nobody_as_present() {
    let (world, _inside, mut line) = World::with_a_line_of(30, queue()).await;
    let marked = world.told(|batch| batch.seen.iter().map(|seen| seen.number).collect()).len();
    let gone = line.last_mut().unwrap();
    for errand in ALL_ERRANDS {
        let standing = embedded(gone, &world, errand).await.parked.unwrap();
        assert_eq!((standing.number, standing.ahead), (None, None), "another site learns no place");
    }
    sleep(SETTLES_WITHIN).await;
    assert_eq!(world.told(|batch| batch.seen.iter().map(|seen| seen.number).collect()).len(), marked);
}

#[tokio::test(start_paused = true)]
async fn an_embedded_resource_uses_up_no_call() {
    let (world, _inside, mut line) = World::with_a_line_of(1, queue()).await;
    world.until(|view| view.summary.lanes[0].head == 2).await;
    let called = &mut line[0];
    for errand in ALL_ERRANDS {
        assert!(embedded(called, &world, errand).await.parked.is_some());
    }
    assert_eq!((world.gate.counts.entered.sum(), world.summary().inside), (1, 1));
    assert_eq!(called.enters(&world).await, Ok(2), "the call is as good as before");
}

#[tokio::test(start_paused = true)]
async fn an_embedded_resource_passes_with_a_pass_and_keeps_no_visit_going() {
    let (world, mut gone, _line) = World::with_a_line_of(0, queue()).await;
    sleep(SETTLES_WITHIN).await;
    let told = world.told(|batch| batch.inside.clone());
    // A pass of a queue with a `session_idle` of ten minutes; another site asks every minute.
    for _ in 0..11 {
        assert_eq!(embedded(&mut gone, &world, Errand::Enter).await.parked, None);
        assert_eq!(embedded(&mut gone, &world, Errand::Status).await.parked.unwrap().state, State::Admitted);
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(world.told(|batch| batch.inside.clone()), told);
    world.until(|view| view.summary.inside == 0).await;
    assert!(embedded(&mut gone, &world, Errand::Enter).await.parked.is_some(), "the visit is over");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_led_here_stands_and_enters_as_if_they_had_come_by_themselves() {
    let (world, mut inside, mut line) = World::with_a_line_of(2, queue()).await;
    sleep(Duration::from_secs(100)).await;
    let pass = inside.clone();
    assert_eq!(inside.made_to_ask(&world, Errand::Enter, Initiator::Led).await.inside.map(|pass| pass.number), Some(1));
    assert_ne!(inside, pass, "the visit goes on");
    let polled = line[1].made_to_ask(&world, Errand::Status, Initiator::Led).await;
    assert_eq!(polled.parked.unwrap().number, Some(3));
    world.until(|view| view.summary.lanes[0].head == 3).await;
    assert_eq!(
        line[1].made_to_ask(&world, Errand::Enter, Initiator::Led).await.inside.map(|pass| pass.number),
        Some(3)
    );
}
