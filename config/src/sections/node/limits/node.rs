//! `[limits]` of `sluice.toml`: what one client may take of a node.

use std::num::NonZeroU32;

use crate::{
    declare::{Count, Default, Key, Number, Optional, Section, Table},
    diagnostics::Read,
};

/// `[limits]` of `sluice.toml`: what one client may take of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// Most connections of one client; `None`: a quarter of all, and any number from this machine.
    pub connections_per_client_max: Option<NonZeroU32>,
    /// Bits of an IPv4 address that make a client.
    pub client_prefix_v4: u8,
    /// The same of IPv6.
    pub client_prefix_v6: u8,
}

impl std::default::Default for NodeLimits {
    fn default() -> Self {
        Self {
            connections_per_client_max: None,
            client_prefix_v4: bits(CLIENT_PREFIX_V4.default()),
            client_prefix_v6: bits(CLIENT_PREFIX_V6.default()),
        }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[limits]",
    doc: "What one client may take of a node",
    may_hold_secrets: false,
    keys: &[&CONNECTIONS_PER_CLIENT_MAX, &CLIENT_PREFIX_V4, &CLIENT_PREFIX_V6],
};

static CONNECTIONS_PER_CLIENT_MAX: Key<Count, Optional> = Key {
    name: "connections_per_client_max",
    doc: "Most connections of one client; the next one is closed. Those of `trusted_proxies` are not counted",
    kind: Count(1..=1_000_000),
    absent: Optional("a quarter of `connections_max`, and no bound for this machine itself"),
};

static CLIENT_PREFIX_V4: Key<Number, Default<u32>> = Key {
    name: "client_prefix_v4",
    doc: "Bits of an IPv4 address that make one client, wherever clients are counted",
    kind: Number(8..=32),
    absent: Default(|| 32),
};

static CLIENT_PREFIX_V6: Key<Number, Default<u32>> = Key {
    name: "client_prefix_v6",
    doc: "The same of IPv6: a household or a server has 64 at least to choose from",
    kind: Number(16..=128),
    absent: Default(|| 64),
};

pub(crate) fn read(table: &Table<'_>) -> Read<NodeLimits> {
    let connections_per_client_max = table.read(&CONNECTIONS_PER_CLIENT_MAX);
    let client_prefix_v4 = table.read(&CLIENT_PREFIX_V4);
    let client_prefix_v6 = table.read(&CLIENT_PREFIX_V6);
    Ok(NodeLimits {
        connections_per_client_max: connections_per_client_max?,
        client_prefix_v4: bits(client_prefix_v4?),
        client_prefix_v6: bits(client_prefix_v6?),
    })
}

/// At most 128 by its declaration.
fn bits(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
