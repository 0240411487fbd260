//! What a tenant takes of what all share, and what its clients do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sluice_config::{Limits, PerClient, Tenant};

use super::{Network, pace::Lately};
use crate::sinks::tally::Tally;

/// No number comes later than this because of where its visitor comes from: whoever comes back with a slip as old as this
/// gets one.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// Whoever has sent too many requests is told to wait for at most so long.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// What is counted of one tenant. It goes on over reloads.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    connections: Tally,
    requests: Tally,
    limits: Limits,
    requests_of: Option<Arc<Lately>>,
    numbers_of: Option<Arc<Lately>>,
}

/// A bound has been reached: its name, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Over(pub(crate) &'static str);

/// A connection of a tenant, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Place(Option<Tally>);

/// A request of a tenant, for as long as it is under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Tally);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(tally) = &self.0 {
            tally.dec();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Usage {
    /// A place for a connection.
    ///
    /// # Errors
    /// If the tenant has as many as it may.
    pub(crate) fn connect(&self) -> Result<Place, Over> {
        let Some(max) = self.limits.connections_max else { return Ok(Place(None)) };
        self.connections.inc();
        let place = Place(Some(self.connections.clone()));
        // Two that come at once may both find that there is one too many; the next finds room.
        if self.connections.sum() > i64::from(max.get()) { Err(Over("tenant_connections_max")) } else { Ok(place) }
    }

    /// A request begins.
    ///
    /// # Errors
    /// If the tenant has as many under way as it may.
    pub(crate) fn begin(&self) -> Result<Option<UnderWay>, Over> {
        let Some(max) = self.limits.requests_max else { return Ok(None) };
        self.requests.inc();
        let under_way = UnderWay(self.requests.clone());
        if self.requests.sum() > i64::from(max.get()) { Err(Over("tenant_requests_max")) } else { Ok(Some(under_way)) }
    }

    /// A client's request is about to be forwarded.
    ///
    /// # Errors
    /// If the client has sent too many; after what time it may send another.
    pub(crate) fn forwards(&self, client: Network, is_inside: bool) -> Result<(), Duration> {
        let Some(lately) = &self.requests_of else { return Ok(()) };
        if is_inside && !lately.settings().inside {
            return Ok(());
        }
        // Those that are refused do not count: whoever slows down is served again at once.
        if lately.beyond(client) + 1.0 > 0.0 {
            return Err(lately.each().clamp(Duration::from_secs(1), RETRY_AFTER_MAX));
        }
        lately.count(client);
        Ok(())
    }

    /// What a number costs a client; `None`: nothing.
    pub(crate) fn price(&self, client: Network) -> Option<Price> {
        self.numbers_of.clone().map(|lately| Price { lately, client })
    }

    /// Longest body of a request.
    pub(crate) fn body_max(&self) -> Option<u64> {
        self.limits.body_max
    }
}

/// What a number costs a client: time.
#[derive(Debug)]
pub(crate) struct Price {
    lately: Arc<Lately>,
    client: Network,
}

impl Price {
    /// How old a slip has to be to become a number now: as long as it would take the client's bound to come to it.
    pub(crate) fn delay(&self) -> Duration {
        let beyond = self.lately.beyond(self.client).max(0.0);
        let delay = self.lately.each().as_secs_f64() * beyond;
        Duration::try_from_secs_f64(delay).unwrap_or(DELAY_MAX).min(DELAY_MAX)
    }

    /// The client has got a number.
    pub(crate) fn paid(&self) {
        self.lately.count(self.client);
    }
}

/// What is counted of each tenant, by its name.
#[derive(Debug, Default)]
pub(crate) struct KnownUsage(Mutex<HashMap<String, Arc<Usage>>>);

impl KnownUsage {
    /// What a tenant shall be counted by from now on. What is under way goes on to count.
    pub(crate) fn of_tenant(&self, tenant: &Tenant) -> Arc<Usage> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(tenant.name.as_str());
        if let Some(same) = before.filter(|usage| usage.limits == tenant.limits) {
            return same.clone();
        }
        let lately = |settings: Option<PerClient>, before: Option<&Arc<Lately>>| {
            let settings = settings?;
            let same = before.filter(|lately| lately.settings() == settings);
            Some(same.cloned().unwrap_or_else(|| Arc::new(Lately::new(settings))))
        };
        let usage = Usage {
            connections: before.map_or_else(Tally::default, |usage| usage.connections.clone()),
            requests: before.map_or_else(Tally::default, |usage| usage.requests.clone()),
            requests_of: lately(tenant.limits.requests_per_client, before.and_then(|usage| usage.requests_of.as_ref())),
            numbers_of: lately(tenant.limits.numbers_per_client, before.and_then(|usage| usage.numbers_of.as_ref())),
            limits: tenant.limits.clone(),
        };
        let usage = Arc::new(usage);
        known.insert(tenant.name.to_string(), usage.clone());
        usage
    }

    /// Forgets tenants that are gone.
    pub(crate) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| is_there(name));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::num::NonZeroU32;

    use sluice_config::{Name, NodeLimits, Origin};

    use super::*;
    use crate::limits::Prefixes;

    fn usage(limits: Limits) -> Arc<Usage> {
        let mut tenant = Tenant::new(Name::new("shop").unwrap(), Origin::new(Vec::new()));
        tenant.limits = limits;
        KnownUsage::default().of_tenant(&tenant)
    }

    fn per(count: u32, within_s: u64) -> Option<PerClient> {
        let count = NonZeroU32::new(count).unwrap();
        Some(PerClient { count, within: Duration::from_secs(within_s), inside: false })
    }

    fn client(last: u8) -> Network {
        Prefixes::of(&NodeLimits::default()).network([192, 0, 2, last].into())
    }

    #[test]
    fn a_tenant_has_as_many_requests_and_connections_as_it_may() {
        let bounded = usage(Limits {
            requests_max: NonZeroU32::new(2),
            connections_max: NonZeroU32::new(1),
            ..Limits::default()
        });
        let first = (bounded.begin().unwrap(), bounded.begin().unwrap());
        assert_eq!(bounded.begin().unwrap_err(), Over("tenant_requests_max"));
        drop(first);
        assert!(bounded.begin().unwrap().is_some());
        let place = bounded.connect().unwrap();
        assert_eq!(bounded.connect().unwrap_err(), Over("tenant_connections_max"));
        drop(place);
        assert!(bounded.connect().is_ok());
        assert!(usage(Limits::default()).begin().unwrap().is_none(), "nothing is counted without a bound");
    }

    #[test]
    fn a_client_that_sends_too_many_requests_is_refused_and_no_other() {
        let bounded = usage(Limits { requests_per_client: per(3, 3600), ..Limits::default() });
        (0..3).for_each(|_| bounded.forwards(client(1), false).unwrap());
        assert_eq!(bounded.forwards(client(1), false), Err(Duration::from_secs(1200)));
        assert_eq!(bounded.forwards(client(1), true), Ok(()), "who is inside is not counted");
        assert_eq!(bounded.forwards(client(2), false), Ok(()));
    }

    #[test]
    fn numbers_beyond_the_bound_cost_time_the_more_the_later_and_never_more_than_a_minute() {
        let bounded = usage(Limits { numbers_per_client: per(10, 100), ..Limits::default() });
        let price = bounded.price(client(1)).unwrap();
        let mut before = Duration::ZERO;
        for number in 0..30 {
            let delay = price.delay();
            assert!(delay >= before || before - delay < Duration::from_secs(1), "{number}: {delay:?}");
            assert_eq!(delay == Duration::ZERO, number <= 10, "{number}: {delay:?}");
            before = delay;
            price.paid();
        }
        assert_eq!(price.delay(), DELAY_MAX);
        assert_eq!(bounded.price(client(2)).unwrap().delay(), Duration::ZERO);
        assert!(usage(Limits::default()).price(client(1)).is_none());
    }

    #[test]
    fn what_is_counted_goes_on_over_a_reload() {
        let known = KnownUsage::default();
        let mut tenant = Tenant::new(Name::new("shop").unwrap(), Origin::new(Vec::new()));
        tenant.limits =
            Limits { requests_max: NonZeroU32::new(1), requests_per_client: per(1, 3600), ..Limits::default() };
        let before = known.of_tenant(&tenant);
        let _under_way = before.begin().unwrap();
        before.forwards(client(1), false).unwrap();
        tenant.limits.body_max = Some(1);
        let after = known.of_tenant(&tenant);
        assert!(after.begin().is_err() && after.forwards(client(1), false).is_err());
        known.keep(|_| false);
        assert!(known.of_tenant(&tenant).begin().is_ok());
    }
}
