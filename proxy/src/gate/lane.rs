//! Into which lane of a queue a request puts its visitor, who has no number yet.
//!
//! Pure, and the same for serving and for `sluice explain`.

use std::sync::Arc;

use sluice_admission::line::LaneId;
use sluice_config::{Name, Queue, RuleAction};

use super::Guard;

/// What says which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaidBy {
    /// A proxy that is trusted, of the visitor.
    Proxy,
    /// A rule of the queue, of the request.
    Rule,
}

/// The names of lanes that are said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'a> {
    /// By a trusted proxy.
    pub(crate) by_proxy: Option<&'a [u8]>,
    /// By a rule of the queue.
    pub(crate) by_rule: Option<&'a Name>,
}

impl Named<'_> {
    /// The lane that counts, if the queue has it. What a proxy says counts first: it says the same with every request of a
    /// visitor, polls too, where no rule is asked. `None`: nothing says it, and the slip or the first lane counts.
    pub(crate) fn lane(self, queue: &Queue) -> Option<(LaneId, SaidBy)> {
        let said = |name: Option<&[u8]>, by| LaneId::of(queue, name?).map(|lane| (lane, by));
        let by_rule = self.by_rule.map(|name| name.as_str().as_bytes());
        said(self.by_proxy, SaidBy::Proxy).or_else(|| said(by_rule, SaidBy::Rule))
    }
}

/// The lane that the rule names which has decided about a request: that rule of a queue.
pub(crate) fn by_rule<G: Guard>(decided: Option<&(Arc<G>, usize)>) -> Option<&Name> {
    let (gate, nth) = decided?;
    match &gate.queue().rules.get(*nth)?.action {
        RuleAction::Lane(name) => Some(name),
        RuleAction::Pass | RuleAction::Queue | RuleAction::Refuse => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::num::NonZeroU32;

    use sluice_config::Lane;

    use super::*;

    #[test]
    fn a_trusted_proxy_counts_before_a_rule_and_a_name_that_the_queue_does_not_have_counts_for_nothing() {
        let lane = |name| Lane { name: Name::new(name).unwrap(), weight: NonZeroU32::MIN };
        let lanes = ["general", "members", "staff"].map(lane).to_vec();
        let queue = Queue { lanes, ..Queue::new(Name::new("sale").unwrap(), NonZeroU32::MIN) };
        let members = Name::new("members").unwrap();
        for (by_proxy, by_rule, expected) in [
            (None, None, None),
            (Some("staff"), None, Some(("staff", SaidBy::Proxy))),
            (None, Some(&members), Some(("members", SaidBy::Rule))),
            (Some("staff"), Some(&members), Some(("staff", SaidBy::Proxy))),
            (Some("nobody"), Some(&members), Some(("members", SaidBy::Rule))),
            (Some("nobody"), None, None),
        ] {
            let said = Named { by_proxy: by_proxy.map(str::as_bytes), by_rule }.lane(&queue);
            let said = said.map(|(lane, by)| (lane.name_in(&queue).unwrap().as_str(), by));
            assert_eq!(said, expected, "{by_proxy:?} {by_rule:?}");
        }
    }
}
