use std::time::Duration;

use crate::{
    diagnostics::Kind,
    settings::{Limits, NodeLimits, PerClient},
    testing::{Dir, NODE, ORIGIN, QUEUE, TENANT, tenant},
};

fn shop(lines: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, ORIGIN, "[limits]\n", lines, "\n", QUEUE]))
}

fn node(lines: &str) -> Dir {
    Dir::node(&format!("{NODE}[limits]\n{lines}\n"))
}

#[test]
fn every_key_of_a_tenant_arrives() {
    let limits = shop(
        "connections_max = 10\nrequests_max = 20\nrequests_per_client = { count = 30, within = \"5m\", inside = true }\n\
         numbers_per_client = { count = 40, within = \"10m\" }\nbody_max = \"1GiB\"",
    );
    let number = std::num::NonZeroU32::new;
    let per = |count, s, inside| PerClient { count: number(count).unwrap(), within: Duration::from_secs(s), inside };
    let expected = Limits {
        connections_max: number(10),
        requests_max: number(20),
        requests_per_client: Some(per(30, 300, true)),
        numbers_per_client: Some(per(40, 600, false)),
        body_max: Some(1 << 30),
    };
    assert_eq!(limits.only_tenant().limits, expected);
    assert_eq!(shop("").only_tenant().limits, Limits::default());
}

#[test]
fn every_key_of_a_node_arrives() {
    let limits = node("connections_per_client_max = 7\nclient_prefix_v4 = 24\nclient_prefix_v6 = 56").config().limits;
    assert_eq!(
        (limits.connections_per_client_max.unwrap().get(), limits.client_prefix_v4, limits.client_prefix_v6),
        (7, 24, 56)
    );
    assert_eq!(Dir::new().config().limits, NodeLimits::default());
    assert_eq!((NodeLimits::default().client_prefix_v4, NodeLimits::default().client_prefix_v6), (32, 64));
}

#[test]
fn a_route_may_have_its_own_longest_body() {
    let route = "[[route]]\npaths = [\"/up\"]\nbody_max = \"2GiB\"\n[route.origin]\nservers = [\"127.0.0.1:9001\"]\n";
    let shop = Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, route])).only_tenant();
    assert_eq!(shop.routes[0].body_max, Some(2 << 30));
}

#[test]
fn mistakes_stand_at_their_places() {
    shop("body_max = «1000»").is_wrong(Kind::WrongType, "with its unit", "\"10MiB\"");
    shop("body_max = «\"1B\"»").is_wrong(Kind::OutOfRange, "`body_max`", "1KiB to 16TiB");
    shop("body_max = «\"1000\"»").is_wrong(Kind::Malformed, "the unit is missing", "\"1GiB\"");
    shop("numbers_per_client = { count = 5, within = \"1m\", «inside» = true }").is_wrong(
        Kind::UnknownKey,
        "numbers of a",
        "",
    );
    shop("requests_per_client = { count = «0», within = \"1m\" }").is_wrong(Kind::OutOfRange, "`count`", "1 to");
    node("client_prefix_v6 = «129»").is_wrong(Kind::OutOfRange, "`client_prefix_v6`", "16 to 128");
}
