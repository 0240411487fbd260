//! A place on its way to another device, on a paused clock.

use super::*;
use crate::lines::Lines;

/// A line with one visitor inside and two with a number, before a gate that moves places.
async fn world() -> (World, Vec<Visitor>, tempfile::TempDir) {
    let (world, _inside, line) = World::with_a_line_of(
        2,
        Queue {
            max_active: NonZeroU32::new(1),
            session_idle: Duration::from_secs(86_400),
            session_max: Duration::from_secs(86_400),
            ..queue()
        },
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let clock = move || START_MS + u64::try_from(start.elapsed().as_millis()).unwrap();
    let lines = Arc::new(Lines::from(Embedded::with_clock(dir.path(), clock).unwrap()));
    let world = World { gate: world.gate.with_moves(Moves::new(lines)), ..world };
    (world, line, dir)
}

fn request<'a>(visitor: &Visitor, headers: &'a HeaderMap) -> Request<'a> {
    let (errand, initiator) = (Errand::Status, Initiator::Own);
    Request { headers, recipient: visitor.recipient(), errand, initiator, hidden: false, lane: lane::Named::default() }
}

async fn offer(world: &World, visitor: &mut Visitor) -> (Offer, Option<String>) {
    let headers = visitor.headers();
    let (offer, handed_out) = world.gate.offer(request(visitor, &headers), None).await;
    visitor.take_in(&Decision { parked: None, inside: None, can_wait: false, handed_out, slip: None });
    let token = if let Offer::Made { token, .. } = &offer { Some(token.clone()) } else { None };
    (offer, token)
}

async fn take(world: &World, device: &mut Visitor, token: &str) -> Taken {
    let headers = device.headers();
    let name = Gate::device_name();
    let (taken, handed_out) = world.gate.take_along(request(device, &headers), token.as_bytes(), name.as_bytes()).await;
    device.take_in(&Decision { parked: None, inside: None, can_wait: false, handed_out, slip: None });
    taken
}

#[tokio::test(start_paused = true)]
async fn a_link_that_has_run_out_leaves_the_place_where_it_is() {
    let (world, mut line, _dir) = world().await;
    let (_, token) = offer(&world, &mut line[1]).await;
    assert_eq!(line[1].holds(), ["move", "ticket"]);
    sleep(Duration::from_secs(599)).await;
    assert_eq!(line[1].polls(&world).await.number, Some(3));
    assert_eq!(line[1].holds(), ["move", "ticket"], "it may still be used");
    sleep(Duration::from_secs(12)).await;
    assert_eq!(line[1].polls(&world).await.number, Some(3));
    assert_eq!(line[1].holds(), ["ticket"], "nothing is looked for any more");
    let mut late = Visitor::default();
    assert_eq!(take(&world, &mut late, &token.unwrap()).await, Taken::Void);
    assert_eq!(late.holds(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_went_at_the_last_moment_is_gone_when_the_old_device_wakes_hours_later() {
    let (world, mut line, _dir) = world().await;
    let (_, token) = offer(&world, &mut line[1]).await;
    sleep(Duration::from_secs(598)).await;
    let mut phone = Visitor::default();
    assert_eq!(take(&world, &mut phone, &token.unwrap()).await, Taken::Here);
    assert_eq!(phone.polls(&world).await.number, Some(3));
    assert_eq!(phone.holds(), ["ticket"]);
    sleep(Duration::from_secs(4 * 3600)).await;
    let moved = line[1].polls(&world).await;
    assert_eq!((moved.reason, moved.number), (Some(Reason::Moved), None));
    assert_eq!(line[1].holds(), [""; 0]);
}

/// Nobody far back in line costs the store anything, not even with a link that is open: the line is asked nothing.
#[tokio::test(start_paused = true)]
async fn the_line_is_asked_nothing_about_a_move() {
    let (world, mut line, _dir) = world().await;
    let (_, token) = offer(&world, &mut line[1]).await;
    world
        .asks_nobody(async {
            line[1].polls(&world).await;
            line[0].polls(&world).await;
        })
        .await;
    let mut phone = Visitor::default();
    assert_eq!(take(&world, &mut phone, &token.unwrap()).await, Taken::Here);
    let summary = world.summary();
    assert_eq!((summary.lanes[0].issued, summary.waiting), (3, 2), "no number was taken, and none given up");
}

#[tokio::test(start_paused = true)]
async fn words_in_one_second_are_bounded() {
    let (world, mut line, _dir) = world().await;
    let mut visitor = line.pop().unwrap();
    let mut results = Vec::new();
    for _ in 0..12 {
        let (_, token) = offer(&world, &mut visitor).await;
        let mut next = Visitor::default();
        results.push(take(&world, &mut next, &token.unwrap()).await);
        if results.last() == Some(&Taken::Here) {
            visitor = next;
        }
    }
    assert_eq!(results.iter().filter(|taken| **taken == Taken::Here).count(), 10);
    assert!(results[10..].iter().all(|taken| *taken == Taken::Busy), "{results:?}");
    sleep(Duration::from_secs(1)).await;
    let (_, token) = offer(&world, &mut visitor).await;
    assert_eq!(take(&world, &mut Visitor::default(), &token.unwrap()).await, Taken::Here);
}

#[tokio::test(start_paused = true)]
async fn without_a_memory_no_place_is_moved() {
    let (world, _inside, mut line) = World::with_a_line_of(1, queue()).await;
    assert!(matches!(offer(&world, &mut line[0]).await.0, Offer::NoPlace));
    assert_eq!(line[0].holds(), ["ticket"]);
}
