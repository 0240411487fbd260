#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU32},
    time::Duration,
};

use sluice_config::{Name, OriginServer, Tenant};

use super::*;

fn address(nth: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], 9_000 + nth).into()
}

/// Servers by their weights.
fn settings(balance: Balance, weights: &[u32]) -> Settings {
    let server = |(nth, weight): (u16, &u32)| OriginServer {
        weight: (*weight).try_into().unwrap(),
        ..OriginServer::from(address(nth))
    };
    Settings { balance, ..Settings::new((0..).zip(weights).map(server).collect()) }
}

fn tenant(name: &str, settings: &Settings) -> Tenant {
    Tenant::new(Name::new(name).unwrap(), settings.clone())
}

fn origin(settings: &Settings) -> Arc<Origin> {
    let origin = KnownOrigins::default().of_tenant(&tenant("shop", settings)).unwrap().remove(0);
    origin.start(&Handle::current());
    origin
}

async fn port(origin: &Origin, visitor: u64) -> u16 {
    let turn = origin.turn(visitor, &Tried::default()).await.unwrap();
    let Endpoint::Tcp(address) = turn.server().endpoint else { panic!("{turn:?}") };
    address.port() - 9_000
}

#[tokio::test]
async fn round_robin_spreads_a_round_by_weight() {
    let origin = origin(&settings(Balance::RoundRobin, &[2, 4, 2]));
    let mut ports = Vec::new();
    for _ in 0..8 {
        ports.push(port(&origin, 0).await);
    }
    assert_eq!(ports, [1, 0, 2, 1, 1, 0, 2, 1]);
}

#[tokio::test]
async fn the_less_busy_of_two_servers_is_asked_by_weight() {
    let origin = origin(&settings(Balance::LeastInFlight, &[1, 3]));
    let mut turns = Vec::new();
    for _ in 0..40 {
        turns.push(origin.turn(0, &Tried::default()).await.unwrap());
    }
    let of_first = turns.iter().filter(|turn| turn.server().endpoint == Endpoint::Tcp(address(0))).count();
    assert!((9..=11).contains(&of_first), "{of_first} of 40");
}

#[tokio::test]
async fn draws_follow_the_weights() {
    // Nothing is ever under way at the end of a turn, so only the draws decide: the first is taken if both are idle.
    let origin = origin(&settings(Balance::LeastInFlight, &[1, 2, 5]));
    let mut counts = HashMap::new();
    for _ in 0..8_000 {
        *counts.entry(port(&origin, 0).await).or_insert(0_u32) += 1;
    }
    for (nth, expected) in [(0, 1_000), (1, 2_000), (2, 5_000)] {
        assert!(counts[&nth].abs_diff(expected) < 250, "{counts:?}");
    }
}

#[tokio::test]
async fn a_visitor_keeps_to_its_server_when_another_comes_or_goes() {
    let three = origin(&settings(Balance::Sticky, &[1, 1, 1]));
    let four = origin(&settings(Balance::Sticky, &[1, 1, 1, 1]));
    let mut moved = 0;
    for visitor in 0..1_000 {
        let (before, after) = (port(&three, visitor).await, port(&four, visitor).await);
        assert_eq!(before, port(&three, visitor).await);
        assert!(after == before || after == 3, "moved between two that stay: {visitor}");
        moved += u32::from(after != before);
    }
    assert!((200..300).contains(&moved), "a quarter moves: {moved}");
}

#[tokio::test]
async fn sticky_visitors_are_spread_by_weight() {
    let origin = origin(&settings(Balance::Sticky, &[1, 3]));
    let mut of_first = 0;
    for visitor in 0..1_000 {
        of_first += u32::from(port(&origin, visitor).await == 0);
    }
    assert!((200..300).contains(&of_first), "{of_first}");
}

#[tokio::test]
async fn each_server_is_tried_once_and_an_only_one_twice() {
    for (servers, tries) in [(1, 2), (2, 2), (3, 3), (20, SERVERS_TRIED_MAX)] {
        let origin = origin(&settings(Balance::LeastInFlight, &vec![1; servers]));
        let mut tried = Tried::default();
        let mut seen = std::collections::HashSet::new();
        loop {
            let turn = origin.turn(0, &tried).await.unwrap();
            assert!(seen.insert(turn.server().id()) || servers == 1);
            if !origin.may_try_next(turn.server(), &mut tried) {
                break;
            }
        }
        assert_eq!(tried.servers.len(), tries);
    }
}

#[tokio::test(start_paused = true)]
async fn no_server_is_begun_with_long_after_the_first_failure() {
    let origin = origin(&settings(Balance::RoundRobin, &[1; 10]));
    let mut tried = Tried::default();
    let turn = origin.turn(0, &tried).await.unwrap();
    assert!(origin.may_try_next(turn.server(), &mut tried));
    tokio::time::advance(origin.settings.connect_timeout).await;
    assert!(!origin.may_try_next(turn.server(), &mut tried));
}

#[tokio::test]
async fn what_is_under_way_is_known_over_a_reload() {
    let known = KnownOrigins::default();
    let settings = settings(Balance::LeastInFlight, &[1]);
    let (shop, other) = (tenant("shop", &settings), tenant("other", &settings));
    let before = known.of_tenant(&shop).unwrap().remove(0);
    let turn = before.turn(0, &Tried::default()).await.unwrap();
    let after = known.of_tenant(&shop).unwrap().remove(0);
    let again = after.turn(0, &Tried::default()).await.unwrap();
    assert_eq!(again.server().id(), turn.server().id());
    assert_eq!(again.server().in_flight(), 2);
    let other = known.of_tenant(&other).unwrap().remove(0);
    let turn_of_other = other.turn(0, &Tried::default()).await.unwrap();
    assert_ne!(turn_of_other.server().id(), turn.server().id(), "tenants share no server, nor connections");
}

fn bounded(balance: Balance, servers: usize, in_flight_max: u32) -> Arc<Origin> {
    origin(&Settings { in_flight_max: Some(in_flight_max.try_into().unwrap()), ..settings(balance, &vec![1; servers]) })
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_room_and_no_longer_than_it_may() {
    let origin = bounded(Balance::LeastInFlight, 2, 1);
    let first = origin.turn(0, &Tried::default()).await.unwrap();
    let second = origin.turn(0, &Tried::default()).await.unwrap();
    assert_ne!(first.server().id(), second.server().id(), "one that has room is found");
    let began = Instant::now();
    let refused = origin.turn(0, &Tried::default()).await;
    assert!(matches!(refused, Err(Failure::Busy)));
    assert_eq!(began.elapsed(), origin.settings.connect_timeout);
    assert_eq!(origin.known.room.waiting(), 0);

    let waits = tokio::spawn({
        let origin = origin.clone();
        async move { origin.turn(0, &Tried::default()).await.unwrap().server().id() }
    });
    tokio::time::advance(Duration::from_millis(10)).await;
    let freed = first.server().id();
    drop(first);
    assert_eq!(waits.await.unwrap(), freed);
}

#[tokio::test(start_paused = true)]
async fn a_visitor_waits_for_its_own_server_before_it_takes_another() {
    let origin = bounded(Balance::Sticky, 2, 1);
    let own = origin.turn(7, &Tried::default()).await.unwrap();
    let began = Instant::now();
    let other = origin.turn(7, &Tried::default()).await.unwrap();
    assert_ne!(own.server().id(), other.server().id());
    assert_eq!(began.elapsed(), origin.settings.connect_timeout);
    drop(other);
    // A place elsewhere is not what it waits for.
    let stranger = (0..).find(|&visitor| origin.own_server(visitor) != origin.own_server(7)).unwrap();
    let waits = tokio::spawn({
        let origin = origin.clone();
        async move { origin.turn(7, &Tried::default()).await.unwrap().server().id() }
    });
    tokio::task::yield_now().await;
    drop(origin.turn(stranger, &Tried::default()).await.unwrap());
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    let id = own.server().id();
    drop(own);
    assert_eq!(waits.await.unwrap(), id);
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_have_their_turn_before_newcomers() {
    let origin = bounded(Balance::LeastInFlight, 1, 1);
    let holder = origin.turn(0, &Tried::default()).await.unwrap();
    let waits = tokio::spawn({
        let origin = origin.clone();
        async move { origin.turn(0, &Tried::default()).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(origin.known.room.waiting(), 1);
    drop(holder);
    assert!(origin.pick(0, &Tried::default(), true).is_none(), "the place is the other one's already");
    assert!(waits.await.unwrap().is_ok());
}

fn fail(origin: &Origin, server: &Server, times: u32) {
    (0..times).for_each(|_| origin.failed(server, &Failure::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_left_out_and_comes_back() {
    let origin = origin(&settings(Balance::RoundRobin, &[1, 1]));
    let first = origin.current()[0].clone();
    fail(&origin, &first, 5);
    for _ in 0..4 {
        assert_eq!(port(&origin, 0).await, 1);
    }
    tokio::time::advance(Duration::from_millis(10_001)).await;
    assert_eq!([port(&origin, 0).await, port(&origin, 0).await], [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn never_more_than_half_of_the_servers_are_ejected() {
    for (servers, ejected) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
        let origin = origin(&settings(Balance::LeastInFlight, &vec![1; servers]));
        origin.current().iter().for_each(|server| fail(&origin, server, 9));
        let out = origin.current().iter().filter(|server| server.health.is_ejected()).count();
        assert_eq!(out, ejected, "of {servers}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_servers_are_down_they_are_asked_all_the_same() {
    let origin = origin(&settings(Balance::RoundRobin, &[1, 1]));
    for server in origin.current() {
        for _ in 0..3 {
            server.health.checked(false);
        }
        assert!(!server.health.is_up());
    }
    assert_eq!([port(&origin, 0).await, port(&origin, 0).await].iter().sum::<u16>(), 1);
    assert_eq!(origin.report().0.panics, 2);
}

#[tokio::test]
async fn what_a_client_does_is_no_failure_of_a_server() {
    let origin = origin(&settings(Balance::LeastInFlight, &[1, 1]));
    let server = origin.current()[0].clone();
    for _ in 0..20 {
        origin.failed(&server, &Failure::NotTaken);
        origin.failed(&server, &Failure::BodySilent);
        origin.failed(&server, &Failure::ClientGone(std::io::ErrorKind::BrokenPipe.into()));
    }
    assert!(server.health.is_up());
}

#[tokio::test]
async fn an_address_that_is_gone_gets_no_more_requests_and_a_failed_look_up_changes_nothing() {
    let name = |addresses: Vec<std::net::SocketAddr>| OriginServer {
        address: ServerAddress::Name { host: "app".into(), port: 80, addresses },
        ..OriginServer::from(address(0))
    };
    let origin =
        origin(&Settings { balance: Balance::RoundRobin, ..Settings::new(vec![name(vec![address(0), address(1)])]) });
    let mut names = Resolved::of(&origin);
    let under_way = origin.turn(0, &Tried::default()).await.unwrap();
    let kept = origin.current()[1].id();
    assert!(names[0].take(Err(std::io::ErrorKind::NotFound.into())).is_err());
    assert!(names[0].take(Ok(Vec::new())).is_err());
    assert!(!names[0].take(Ok(vec![address(1), address(0), address(1)])).unwrap(), "the same in another order");
    assert!(names[0].take(Ok(vec![address(2), address(1)])).unwrap());
    origin.take_addresses(&names);
    let ports = [port(&origin, 0).await, port(&origin, 0).await];
    assert!(ports == [1, 2] || ports == [2, 1], "{ports:?}");
    assert_eq!(origin.current()[0].id(), kept, "what is known of a server that stays is kept");
    drop(under_way);
}

/// Real threads: the bound holds at every moment, and no place is lost.
#[test]
fn places_are_neither_exceeded_nor_lost_between_threads() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    let origin = bounded(Balance::LeastInFlight, 2, 2);
    let (most, over) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (origin, most, over) = (origin.clone(), most.clone(), over.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let mut tasks = tokio::task::JoinSet::new();
                    for _ in 0..20 {
                        let (origin, most, over) = (origin.clone(), most.clone(), over.clone());
                        tasks.spawn(async move {
                            for _ in 0..200 {
                                let turn = origin.turn(0, &Tried::default()).await.unwrap();
                                let now = most.fetch_add(1, Ordering::SeqCst) + 1;
                                over.fetch_or(now > 4, Ordering::SeqCst);
                                tokio::task::yield_now().await;
                                most.fetch_sub(1, Ordering::SeqCst);
                                drop(turn);
                            }
                        });
                    }
                    while let Some(done) = tasks.join_next().await {
                        done.unwrap();
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(!over.load(Ordering::SeqCst), "more than four had a place");
    assert_eq!(origin.known.room.waiting(), 0);
    assert!(
        origin
            .servers
            .load()
            .pick(&Pick { visitor: 0, tried: &[], in_flight_max: 1, faithful: true, turn: 0 })
            .is_some(),
        "every place is free again"
    );
}
