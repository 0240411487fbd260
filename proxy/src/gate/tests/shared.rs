//! Hosts of a tenant that share cookies: a place on one is a place on all.

use super::*;

/// One queue of a tenant whose hosts share cookies, before a line of the same length.
async fn world() -> (World, Visitor, Vec<Visitor>) {
    let (mut world, inside, line) = World::with_a_line_of(2, queue()).await;
    let mut shop = tenant();
    shop.hosts = vec![HostPattern::Exact("shop.test".into()), HostPattern::Below("shop.test".into())];
    world.gate.cookies = Cookies::new("sale", &shop);
    (world, inside, line)
}

fn names(visitor: &Visitor) -> Vec<&str> {
    visitor.cookies.keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_held_on_one_host_is_held_on_all_from_then_on() {
    let (world, mut inside, mut line) = world().await;
    for (visitor, kind) in [(&mut inside, "pass"), (&mut line[0], "ticket")] {
        // Over HTTPS first on this host alone, as before its tenant shared cookies.
        visitor.secure = true;
        visitor.asks(&world, Errand::Enter).await;
        assert_eq!(names(visitor), [format!("__Host-sluice_{kind}_sale")]);
        visitor.domain = Some(0);
        let decision = visitor.asks(&world, Errand::Enter).await;
        assert_eq!(names(visitor), [format!("__Secure-sluice_{kind}_sale")]);
        let set: Vec<_> = decision.handed_out.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        assert!(set.iter().any(|cookie| cookie.contains("; Domain=shop.test;")), "{set:?}");
        let shared = visitor.clone();
        visitor.asks(&world, Errand::Enter).await;
        assert_eq!(*visitor, shared, "once is enough");
    }
    let mut ended = inside;
    let handed_out = world.gate.end_visit(1, ended.recipient());
    ended.take_in(&Decision { parked: None, inside: None, can_wait: false, handed_out, slip: None });
    assert_eq!(names(&ended), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_cease_to_share_keep_their_visitors() {
    let (world, mut inside, _line) = world().await;
    (inside.secure, inside.domain) = (true, Some(0));
    assert_eq!(inside.enters(&world).await, Ok(1));
    inside.domain = None;
    assert_eq!(world.asks_nobody(inside.enters(&world)).await, Ok(1));
    assert!(names(&inside).contains(&"__Host-sluice_pass_sale"), "{inside:?}");
}
