//! Who one client is, how many connections it has, and how many of them shake hands.

use std::{fmt, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use pingora_limits::inflight::{Guard, Inflight};
use sluice_config::NodeLimits;

/// The part of an address that makes a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

/// How many bits of an address that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefixes {
    v4: u8,
    v6: u8,
}

impl Prefixes {
    pub(crate) fn of(limits: &NodeLimits) -> Self {
        Self { v4: limits.client_prefix_v4, v6: limits.client_prefix_v6 }
    }

    /// The client that an address belongs to.
    pub(crate) fn network(self, address: IpAddr) -> Network {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { self.v4 } else { self.v6 };
        // Fails only for more bits than there are, which no config has.
        Network(IpNet::new(address, bits).map_or(address, |net| net.network()))
    }
}

/// The connections of each client.
pub(crate) struct ClientConnections {
    counted: Inflight,
    shaking: Inflight,
    max: isize,
    /// This machine has no bound unless it was written: what comes from it is a proxy or a tunnel.
    spares_loopback: bool,
    prefixes: Prefixes,
    trusted: Arc<[IpNet]>,
}

impl fmt::Debug for ClientConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConnections").field("max", &self.max).finish_non_exhaustive()
    }
}

/// One of a client's connections, for as long as it lives.
#[derive(Debug)]
pub(crate) struct OneOf {
    _guard: Option<Guard>,
}

/// One of a client's handshakes, for as long as it is under way.
#[derive(Debug)]
pub(crate) struct ShakingOf {
    /// How many the client has, this one among them; 0: it has no bound.
    pub(crate) count: usize,
    _guard: Option<Guard>,
}

impl ClientConnections {
    pub(crate) fn new(limits: &NodeLimits, connections_max: usize, trusted: Arc<[IpNet]>) -> Self {
        let quarter = (connections_max / 4).max(1);
        let written = limits.connections_per_client_max;
        let max = written.map_or(quarter, |max| max.get() as usize);
        Self {
            counted: Inflight::new(),
            shaking: Inflight::new(),
            max: isize::try_from(max).unwrap_or(isize::MAX),
            spares_loopback: written.is_none(),
            prefixes: Prefixes::of(limits),
            trusted,
        }
    }

    /// Counts a connection; `None`: its client has as many as it may.
    pub(crate) fn take(&self, address: IpAddr) -> Option<OneOf> {
        let Some(client) = self.bounded(address) else { return Some(OneOf { _guard: None }) };
        let (guard, count) = self.counted.incr(client, 1);
        (count <= self.max).then_some(OneOf { _guard: Some(guard) })
    }

    /// Counts a handshake.
    pub(crate) fn shakes(&self, address: IpAddr) -> ShakingOf {
        let Some(client) = self.bounded(address) else { return ShakingOf { count: 0, _guard: None } };
        let (guard, count) = self.shaking.incr(client, 1);
        ShakingOf { count: usize::try_from(count).unwrap_or(0), _guard: Some(guard) }
    }

    /// The client of an address; `None`: it has no bound.
    fn bounded(&self, address: IpAddr) -> Option<Network> {
        let address = address.to_canonical();
        let spared = self.spares_loopback && address.is_loopback();
        // A proxy carries the connections of many.
        let is_proxy = || self.trusted.iter().any(|net| net.contains(&address));
        (!spared && !is_proxy()).then(|| self.prefixes.network(address))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn connections(max: Option<u32>) -> ClientConnections {
        let limits =
            NodeLimits { connections_per_client_max: max.and_then(std::num::NonZeroU32::new), ..NodeLimits::default() };
        ClientConnections::new(&limits, 8, vec!["10.0.0.0/8".parse().unwrap()].into())
    }

    #[test]
    fn a_client_is_an_address_of_ipv4_and_a_network_of_ipv6() {
        let prefixes = Prefixes::of(&NodeLimits::default());
        let same = |a: &str, b: &str| prefixes.network(ip(a)) == prefixes.network(ip(b));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8::1", "2001:db8::ffff:2") && !same("2001:db8::1", "2001:db8:0:1::1"));
    }

    #[test]
    fn a_client_has_a_quarter_of_all_places_or_what_was_written() {
        for (connections, max) in [(connections(None), 2), (connections(Some(3)), 3)] {
            let taken: Vec<_> = (0..max).map(|_| connections.take(ip("192.0.2.1")).unwrap()).collect();
            assert!(connections.take(ip("192.0.2.1")).is_none());
            assert!(connections.take(ip("192.0.2.2")).is_some(), "another has its own");
            drop(taken);
            assert!(connections.take(ip("192.0.2.1")).is_some());
        }
    }

    #[test]
    fn proxies_and_this_machine_are_many_clients() {
        let unbounded = connections(None);
        let kept: Vec<_> = (0..9).map(|_| (unbounded.take(ip("10.1.1.1")), unbounded.take(ip("127.0.0.1")))).collect();
        assert!(kept.iter().all(|(proxy, here)| proxy.is_some() && here.is_some()));
        let written = connections(Some(1));
        let _first = written.take(ip("127.0.0.1")).unwrap();
        assert!(written.take(ip("127.0.0.1")).is_none(), "what is written holds for all");
    }
}
