//! Something that happened, as webhooks are told.

use ring::digest::{Context, SHA256};
use serde_json::{Value, json};
use sluice_config::WebhookEvent;

use super::Endpoint;
use crate::sinks::time::rfc3339;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// From what happened alone: every node finds the same one.
    pub(crate) id: String,
    /// `None`: a trial.
    pub(crate) kind: Option<WebhookEvent>,
    tenant: String,
    at_ms: u64,
    data: Value,
}

impl Event {
    /// `what` is what tells this event from all others of its kind.
    pub(crate) fn new(kind: WebhookEvent, tenant: &str, what: &[&str], at_ms: u64, data: Value) -> Self {
        let id = id(&[&[kind.as_str(), tenant], what].concat());
        Self { id, kind: Some(kind), tenant: tenant.to_owned(), at_ms, data }
    }

    /// One that shows whether a webhook works.
    pub(crate) fn trial(tenant: &str, nonce: &str, at_ms: u64) -> Self {
        let data = json!({ "tenant": tenant, "words": "This is a trial: nothing has happened." });
        Self { id: id(&["test", tenant, nonce]), kind: None, tenant: tenant.to_owned(), at_ms, data }
    }

    /// Its type.
    pub(crate) fn name(&self) -> &'static str {
        self.kind.map_or("webhook.test", WebhookEvent::as_str)
    }

    /// Whether a webhook wants to be told.
    pub(crate) fn is_for(&self, endpoint: &Endpoint) -> bool {
        endpoint.tenant == self.tenant && self.kind.is_some_and(|kind| endpoint.hook.events.contains(&kind))
    }

    /// What is sent.
    pub(super) fn body(&self) -> String {
        json!({ "type": self.name(), "timestamp": rfc3339(self.at_ms), "data": self.data }).to_string()
    }
}

/// 128 bits of a hash of all parts, each with its length before it.
fn id(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let hash = context.finish();
    hash.as_ref()[..16].iter().fold("evt_".to_owned(), |id, byte| id + &format!("{byte:02x}"))
}
