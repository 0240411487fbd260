//! `[limits]` of a tenant's file: what the tenant may take of what all share, and one client of the tenant.

use std::{num::NonZeroU32, time::Duration};

use super::{BODY_MAX, Size};
use crate::{
    declare::{Count, Default, Key, Nested, Optional, Required, Section, Switch, Table, Time},
    diagnostics::Read,
};

/// `[limits]` of a tenant's file: bounds that the tenant's visitors share, and each of them has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most connections whose first request is for this tenant.
    pub connections_max: Option<NonZeroU32>,
    /// Most requests under way at once.
    pub requests_max: Option<NonZeroU32>,
    /// Most requests of one client that are forwarded.
    pub requests_per_client: Option<PerClient>,
    /// Numbers that one client gets without a delay.
    pub numbers_per_client: Option<PerClient>,
    /// Longest body of a request, in bytes.
    pub body_max: Option<u64>,
}

/// So much in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerClient {
    /// How many.
    pub count: NonZeroU32,
    /// In what time.
    pub within: Duration,
    /// Whether requests of visitors inside count.
    pub inside: bool,
}

pub(crate) static SECTION: Section = Section {
    name: "[limits]",
    doc: "Bounds that the tenant's visitors share, and each of them has",
    may_hold_secrets: false,
    keys: &[&CONNECTIONS_MAX, &REQUESTS_MAX, &REQUESTS_PER_CLIENT, &NUMBERS_PER_CLIENT, &BODY_MAX_KEY],
};

static CONNECTIONS_MAX: Key<Count, Optional> = Key {
    name: "connections_max",
    doc: "Most connections whose first request is for this tenant; the first request of the next one gets 503",
    kind: Count(1..=1_000_000),
    absent: Optional("no bound but the node's"),
};

static REQUESTS_MAX: Key<Count, Optional> = Key {
    name: "requests_max",
    doc: "Most requests of this tenant under way at once, at its origins and here; the next one gets 503. Polls are not counted",
    kind: Count(1..=1_000_000),
    absent: Optional("no bound but the node's"),
};

static REQUESTS_PER_CLIENT: Key<Nested, Optional> = Key {
    name: "requests_per_client",
    doc: "Most requests of one client that are forwarded: `{ count = 2000, within = \"5m\" }`; the next one gets 429. Who waits \
          is never refused to ask. A school behind one address is one client",
    kind: Nested { section: &REQUESTS, example: "requests_per_client = { count = 2000, within = \"5m\" }" },
    absent: Optional("no bound"),
};

static NUMBERS_PER_CLIENT: Key<Nested, Optional> = Key {
    name: "numbers_per_client",
    doc: "Numbers in line that one client gets at once: `{ count = 100, within = \"10m\" }`. Those beyond come later, the more \
          the later, by at most 60 s; none is refused",
    kind: Nested { section: &NUMBERS, example: "numbers_per_client = { count = 100, within = \"10m\" }" },
    absent: Optional("no bound"),
};

static BODY_MAX_KEY: Key<Size, Optional> = Key {
    name: "body_max",
    doc: "Longest body of a request, such as `\"1GiB\"`; a longer one gets 413. A route may have its own",
    kind: BODY_MAX,
    absent: Optional("no bound"),
};

static REQUESTS: Section = Section {
    name: "requests of a client",
    doc: "How many requests in what time",
    may_hold_secrets: false,
    keys: &[&COUNT, &WITHIN, &INSIDE],
};

static NUMBERS: Section = Section {
    name: "numbers of a client",
    doc: "How many numbers in what time",
    may_hold_secrets: false,
    keys: &[&COUNT, &WITHIN],
};

static COUNT: Key<Count, Required> = Key {
    name: "count",
    doc: "How many",
    kind: Count(1..=10_000_000),
    absent: Required("write how many: `count = 2000`"),
};

static WITHIN: Key<Time, Required> = Key {
    name: "within",
    doc: "In what time",
    kind: Time::from_s(1..=60 * 60),
    absent: Required("write in what time: `within = \"5m\"`"),
};

static INSIDE: Key<Switch, Default<bool>> = Key {
    name: "inside",
    doc: "Whether requests of visitors inside count as well",
    kind: Switch,
    absent: Default(|| false),
};

pub(crate) fn read(table: &Table<'_>) -> Read<Limits> {
    let connections_max = table.read(&CONNECTIONS_MAX);
    let requests_max = table.read(&REQUESTS_MAX);
    let requests_per_client = table.read_with(&REQUESTS_PER_CLIENT, |value| {
        REQUESTS_PER_CLIENT.kind.read(value, |table| {
            let (count, within, inside) = (table.read(&COUNT), table.read(&WITHIN), table.read(&INSIDE));
            Ok(PerClient { count: count?, within: within?, inside: inside? })
        })
    });
    let numbers_per_client = table.read_with(&NUMBERS_PER_CLIENT, |value| {
        NUMBERS_PER_CLIENT.kind.read(value, |table| {
            let (count, within) = (table.read(&COUNT), table.read(&WITHIN));
            Ok(PerClient { count: count?, within: within?, inside: false })
        })
    });
    let body_max = table.read(&BODY_MAX_KEY);
    Ok(Limits {
        connections_max: connections_max?,
        requests_max: requests_max?,
        requests_per_client: requests_per_client?,
        numbers_per_client: numbers_per_client?,
        body_max: body_max?,
    })
}
