//! Bounds of a tenant that a request may meet once it is known whose it is.

use super::{Passage, Service};
use crate::{
    limits::Network,
    request::syntax::strict::{Body, Facts},
    routing::Site,
    service::answer::{self, Answer},
    sinks::access_log::Outcome,
};

impl Service {
    /// What a request that may pass is refused for all the same: what its client has sent, or how long it is.
    pub(super) fn beyond(&self, facts: &Facts<'_>, client: Network, passage: &mut Passage) -> Option<Answer> {
        let site = passage.site.as_ref()?;
        let of_route = passage.route.checked_sub(1).and_then(|nth| site.tenant.routes.get(nth)?.body_max);
        passage.body_max = of_route.or(site.usage.body_max()).unwrap_or(u64::MAX);
        let is_too_long = matches!(facts.body, Body::Length(length) if length > passage.body_max);
        let (limit, answer) = match site.usage.forwards(client, passage.visits.number().is_some()) {
            Err(retry_after) => ("requests_per_client", answer::too_many(retry_after)),
            Ok(()) if is_too_long => ("body_max", answer::plain(413, answer::TOO_LONG).closing()),
            Ok(()) => return None,
        };
        self.node.metrics.limit(site.tenant.name.as_str(), limit);
        passage.line.comes_to(Outcome::Refused);
        Some(answer)
    }

    /// The answer to a request of a tenant that has as much as it may.
    pub(super) fn over(&self, limit: &'static str, site: &Site, passage: &mut Passage) -> Answer {
        self.node.metrics.limit(site.tenant.name.as_str(), limit);
        passage.line.comes_to(Outcome::Refused);
        answer::busy()
    }
}
