//! What rules are mostly for, and what makes each of them safe.

use http::Method;

use super::conditions::When;
use crate::diagnostics::Wrong;

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    PaymentCallbacks,
    HealthChecks,
    Crawlers,
}

pub(super) static PRESETS: [(&str, Preset); 3] = [
    ("payment_callbacks", Preset::PaymentCallbacks),
    ("health_checks", Preset::HealthChecks),
    ("crawlers", Preset::Crawlers),
];

impl Preset {
    pub(super) const MEANINGS: [&'static str; 3] = [
        "POST, on a `path`, with the provider's `headers` or from its `clients`",
        "GET, on a `path` without wildcards, from the checkers' `clients`",
        "GET, from networks that the crawler's operator publishes, in `clients_file` or `clients`",
    ];

    /// Fills in what is not written.
    ///
    /// # Errors
    /// If something is missing without which the rule would let through more than what it is for.
    pub(super) fn complete(self, when: &mut When) -> Result<(), Wrong> {
        let all = &mut when.all;
        let has_path = all.path_patterns().next().is_some();
        let (methods, complete, help) = match self {
            Self::PaymentCallbacks => (
                Method::POST,
                has_path && (!all.headers.is_empty() || all.clients.is_some()),
                "the preset `payment_callbacks` needs the `path` of the call-backs, and the provider's `headers` or \
                 `clients`: `when = { path = \"/hooks/stripe\", headers = { stripe-signature = \"*\" } }`",
            ),
            Self::HealthChecks => (
                Method::GET,
                !all.paths.is_empty()
                    && all.paths.iter().all(|path| !path.as_str().contains('*'))
                    && all.clients.is_some(),
                "the preset `health_checks` needs a `path` without wildcards, and the checkers' `clients`: `when = { path = \
                 \"/healthz\", clients = [\"10.0.0.0/8\"] }`",
            ),
            Self::Crawlers => (
                Method::GET,
                all.clients.is_some(),
                "the preset `crawlers` needs their networks, since anybody may call himself a crawler: `when = { \
                 clients_file = \"crawlers.json\" }`, which the operator of the crawler publishes",
            ),
        };
        if !complete {
            return Err(Wrong::malformed("the rule would let through more than what the preset is for", help));
        }
        if all.methods.is_empty() {
            all.methods.push(methods);
        }
        Ok(())
    }
}
