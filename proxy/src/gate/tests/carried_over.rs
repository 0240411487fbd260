//! Visitors who came over plain HTTP and go on over HTTPS: what they hold goes along, under the names of HTTPS.

use super::*;

fn plain_to_https(visitor: &mut Visitor) {
    visitor.secure = true;
}

/// The names of the cookies that it keeps.
fn names(visitor: &Visitor) -> Vec<&str> {
    visitor.cookies.keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn a_pass_goes_along_and_lives_no_longer_for_it() {
    let (world, mut visitor, _line) = World::with_a_line_of(1, queue()).await;
    sleep(SETTLES_WITHIN).await;
    let told = world.told(|batch| batch.inside.clone());
    plain_to_https(&mut visitor);
    assert_eq!(world.asks_nobody(visitor.enters(&world)).await, Ok(1));
    assert_eq!(names(&visitor), ["__Host-sluice_pass_sale"]);
    let carried = visitor.clone();
    assert_eq!(world.asks_nobody(visitor.enters(&world)).await, Ok(1));
    assert_eq!(visitor, carried, "once is enough");
    assert_eq!(world.told(|batch| batch.inside.clone()), told, "no renewal");
}

#[tokio::test(start_paused = true)]
async fn a_ticket_goes_along_whatever_asks_for_it() {
    for errand in [Errand::Enter, Errand::Status, Errand::Prefetch] {
        let (world, _inside, mut line) = World::with_a_line_of(3, queue()).await;
        let visitor = &mut line[2];
        plain_to_https(visitor);
        visitor.asks(&world, errand).await;
        assert_eq!(names(visitor), ["__Host-sluice_ticket_sale"], "{errand:?}");
        assert_eq!(visitor.polls(&world).await.number, Some(4), "{errand:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_along() {
    let (world, _inside, mut line) = World::with_a_line_of(1, queue()).await;
    world.until(|view| view.summary.lanes[0].head == 2).await;
    let visitor = &mut line[0];
    plain_to_https(visitor);
    assert_eq!(visitor.polls(&world).await.state, State::Called);
    assert_eq!(names(visitor), ["__Host-sluice_ticket_sale"]);
    assert_eq!(visitor.enters(&world).await, Ok(2));
    assert_eq!(names(visitor), ["__Host-sluice_pass_sale"]);
}

#[tokio::test(start_paused = true)]
async fn a_slip_that_came_over_plain_http_takes_its_number_over_https() {
    let (world, _inside, _line) = World::with_a_line_of(3, queue()).await;
    let mut visitor = Visitor::default();
    visitor.enters(&world).await.unwrap_err();
    plain_to_https(&mut visitor);
    assert_eq!(visitor.polls(&world).await.number, Some(5));
    assert_eq!(names(&visitor), ["__Host-sluice_ticket_sale"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_holds_a_place_of_https_is_given_no_other() {
    let (world, planted, mut line) = World::with_a_line_of(2, queue()).await;
    let visitor = &mut line[1];
    plain_to_https(visitor);
    visitor.polls(&world).await;
    // A page on a sibling domain plants somebody else's pass.
    visitor.cookies.extend(planted.cookies.clone());
    let standing = visitor.enters(&world).await.unwrap_err();
    assert_eq!((standing.state, standing.number), (State::Waiting, Some(3)));
}

#[tokio::test(start_paused = true)]
async fn cookies_of_https_are_not_looked_for_over_plain_http() {
    let (world, mut visitor, _line) = World::with_a_line_of(1, queue()).await;
    plain_to_https(&mut visitor);
    assert_eq!(visitor.enters(&world).await, Ok(1));
    visitor.secure = false;
    assert_eq!(visitor.enters(&world).await.unwrap_err().state, State::Joining);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_does_not_verify_goes_along_to_nowhere_and_is_counted_once() {
    let (world, mut visitor, _line) = World::with_a_line_of(1, queue()).await;
    visitor.cookies.values_mut().for_each(|pass| pass.replace_range(pass.len() - 4.., "AAAA"));
    plain_to_https(&mut visitor);
    visitor.enters(&world).await.unwrap_err();
    assert_eq!(names(&visitor), ["__Host-sluice_slip_sale"]);
    assert_eq!(world.tokens_refused.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_or_is_sent_away_over_https_holds_nothing_of_plain_http_either() {
    let (world, visitor, _line) = World::with_a_line_of(1, queue()).await;
    let mut leaves = visitor.clone();
    plain_to_https(&mut leaves);
    leaves.leaves(&world, false);
    assert_eq!(names(&leaves), [""; 0]);

    let mut ended = visitor;
    plain_to_https(&mut ended);
    let handed_out = world.gate.end_visit(1, Recipient { secure: true, app: false, domain: None });
    ended.take_in(&Decision { parked: None, inside: None, can_wait: false, handed_out, slip: None });
    assert_eq!(names(&ended), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn another_site_carries_nothing_over() {
    let (world, mut visitor, _line) = World::with_a_line_of(1, queue()).await;
    plain_to_https(&mut visitor);
    let before = visitor.clone();
    visitor.made_to_ask(&world, Errand::Enter, Initiator::Embedded).await;
    assert_eq!(visitor, before);
}
