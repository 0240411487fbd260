//! Which lane a visitor gets into, and what is shown there.

use sluice_admission::line::slot_of;
use sluice_config::Lane;

use super::*;

fn two_lanes() -> Queue {
    let lane = |name: &str, weight| Lane { name: Name::new(name).unwrap(), weight: NonZeroU32::new(weight).unwrap() };
    Queue { lanes: vec![lane("general", 1), lane("members", 3)], ..queue() }
}

fn member() -> Visitor {
    Visitor { lane: Some("members"), ..Visitor::default() }
}

#[tokio::test(start_paused = true)]
async fn a_visitor_gets_into_the_lane_that_a_trusted_proxy_names_and_sees_places_there() {
    let (world, _inside, _line) = World::with_a_line_of(5, two_lanes()).await;
    for place in 1..=2 {
        let mut visitor = member();
        visitor.enters(&world).await.unwrap_err();
        let standing = visitor.polls(&world).await;
        assert_eq!((standing.number, standing.ahead), (Some(place), Some(place - 1)));
    }
    assert_eq!(world.summary().lanes[1].waiting, 2);
    // Neither a name that the queue does not have nor none at all leads anywhere else than to the first.
    for lane in [Some("staff"), None] {
        let mut visitor = Visitor { lane, ..Visitor::default() };
        visitor.enters(&world).await.unwrap_err();
        assert!(visitor.polls(&world).await.number.unwrap() > 6, "{lane:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_slip_remembers_the_lane_and_the_number_keeps_it() {
    let (world, _inside, _line) = World::with_a_line_of(2, two_lanes()).await;
    let mut visitor = member();
    visitor.enters(&world).await.unwrap_err();
    // Its page asks for another path, of which nothing is said.
    visitor.lane = None;
    assert_eq!(visitor.polls(&world).await.number, Some(1));
    visitor.lane = Some("general");
    assert_eq!(visitor.polls(&world).await.number, Some(1), "once numbered it stays");
    assert_eq!(world.summary().lanes[1].waiting, 1);
    let lane = |view: &View| view.summary.lanes[1].head > view.summary.lanes[1].floor;
    world.until(lane).await;
    assert_eq!(slot_of(visitor.enters(&world).await.unwrap()), 1);
}

#[tokio::test(start_paused = true)]
async fn who_walks_in_takes_a_number_of_the_lane() {
    let world = World::new(two_lanes()).await;
    let number = member().enters(&world).await.unwrap();
    assert_eq!(slot_of(number), 1);
    assert_eq!(world.summary().shown_number(number), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_a_reload_adds_is_there_with_the_next_step() {
    let (world, _inside, _line) = World::with_a_line_of(1, queue()).await;
    world.gate.usher.set_rules(Rules::of(&two_lanes()));
    world.until(|view| view.summary.lanes.len() == 2).await;
    assert_eq!(world.summary().lanes[0].waiting, 1, "who waits stays");
    // And it goes on being served when another one takes it away.
    world.gate.usher.set_rules(Rules::of(&queue()));
    world.until(|view| view.summary.waiting == 0 && view.summary.lanes.len() == 2).await;
}
