//! Webhooks of a tenant: what became of each delivery, once more, a trial.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Api,
    answer::{Answer, Problem},
    queues::{allow, site},
};
use crate::{
    admin::{
        access::{Permission, Principal, Visitor},
        audit::{Entry, Outcome},
    },
    sinks::{
        time::{now_ms, rfc3339},
        webhooks::{self, Delivery, Endpoint, State as Progress, event::Event},
    },
};

/// Most deliveries in one answer.
const SHOWN_MAX: usize = 200;

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDoc {
    name: String,
    /// The host that it is at; the rest of the address may be a secret.
    host: String,
    /// What it is told of.
    events: Vec<&'static str>,
    /// It has answered 410 and is told nothing until it is switched on, or has another address.
    off: bool,
    /// Deliveries that are to be tried, as this node knows.
    pending: usize,
    delivered: usize,
    given_up: usize,
    /// Deliveries that went at the bound before they were delivered, at this node.
    lost: u64,
}

/// One event for a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryDoc {
    /// The event's id, as in `webhook-id`.
    id: String,
    r#type: String,
    /// When the event was found, RFC 3339.
    found: String,
    #[serde(flatten)]
    progress: Progress,
    /// When it is tried next.
    next: Option<String>,
    attempts: Vec<AttemptDoc>,
    /// What is sent.
    body: String,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptDoc {
    at: String,
    took_ms: u64,
    /// What the receiver has answered.
    status: Option<u16>,
    /// Why it failed.
    error: Option<String>,
    /// Another node made it, which knows more of it.
    elsewhere: bool,
}

impl DeliveryDoc {
    fn of(delivery: &Delivery) -> Self {
        let next = match delivery.state {
            Progress::Pending { next_ms } => Some(rfc3339(next_ms)),
            _ => None,
        };
        let attempts = delivery.tried.iter().map(|tried| AttemptDoc {
            at: rfc3339(tried.at_ms),
            took_ms: tried.took_ms,
            status: tried.status,
            error: tried.error.clone(),
            elsewhere: tried.elsewhere,
        });
        Self {
            id: delivery.id.clone(),
            r#type: delivery.kind.clone(),
            found: rfc3339(delivery.found_ms),
            progress: delivery.state.clone(),
            next,
            attempts: attempts.collect(),
            body: delivery.body.clone(),
        }
    }
}

type WebhookPath = Path<(String, String)>;

fn endpoint(api: &Api, principal: &Principal, (tenant, name): (&str, &str)) -> Result<Endpoint, Problem> {
    let site = site(api, principal, tenant)?;
    allow(principal, Permission::WebhookWrite)?;
    let hook = site.tenant.webhooks.iter().find(|hook| hook.name.as_str() == name);
    let hook = hook
        .ok_or_else(|| Problem::not_found("webhook").hint("a webhook is made by a [[webhook]] in the tenant's file"))?;
    Ok(Endpoint { tenant: tenant.to_owned(), hook: hook.clone() })
}

/// A tenant's webhooks
///
/// Those of the tenant's file, and how they fare, as this node knows.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/webhooks", tag = "webhooks", params(("tenant" = String, Path)),
    extensions(("x-permission" = json!("webhook:write"))),
    responses((status = 200, body = inline(super::answer::Envelope<Vec<WebhookDoc>>))))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path(tenant): Path<String>,
) -> Result<Answer<Vec<WebhookDoc>>, Problem> {
    let site = site(&api, &visitor.principal, &tenant)?;
    allow(&visitor.principal, Permission::WebhookWrite)?;
    let doc = |hook: &Arc<sluice_config::Webhook>| {
        let endpoint = Endpoint { tenant: tenant.clone(), hook: hook.clone() };
        let name = endpoint.name();
        let off = api.node.webhooks.is_off(&endpoint);
        let outbox = api.node.webhooks.outbox();
        let count = |holds: fn(&Progress) -> bool| outbox.of(&name).filter(|delivery| holds(&delivery.state)).count();
        WebhookDoc {
            name: hook.name.to_string(),
            host: hook.url.host.clone(),
            events: hook.events.iter().map(|event| event.as_str()).collect(),
            off,
            pending: count(|state| matches!(state, Progress::Pending { .. })),
            delivered: count(|state| matches!(state, Progress::Delivered { .. })),
            given_up: count(|state| matches!(state, Progress::GivenUp { .. })),
            lost: outbox.lost(&name),
        }
    };
    Ok(Answer::of(site.tenant.webhooks.iter().map(doc).collect()))
}

/// What became of the deliveries of a webhook
///
/// The newest first, at most 200, as this node knows. Deliveries that are done are kept until 200 have come after them.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/webhooks/{webhook}/deliveries", tag = "webhooks",
    params(("tenant" = String, Path), ("webhook" = String, Path)),
    extensions(("x-permission" = json!("webhook:write"))),
    responses((status = 200, body = inline(super::answer::Envelope<Vec<DeliveryDoc>>))))]
pub(crate) async fn deliveries(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, name)): WebhookPath,
) -> Result<Answer<Vec<DeliveryDoc>>, Problem> {
    let endpoint = endpoint(&api, &visitor.principal, (&tenant, &name))?;
    let outbox = api.node.webhooks.outbox();
    Ok(Answer::of(outbox.of(&endpoint.name()).take(SHOWN_MAX).map(DeliveryDoc::of).collect()))
}

/// Send a delivery once more
///
/// With the same id, and all attempts from the beginning.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/webhooks/{webhook}/deliveries/{delivery}/replay", tag = "webhooks",
    params(("tenant" = String, Path), ("webhook" = String, Path), ("delivery" = String, Path)),
    extensions(("x-permission" = json!("webhook:write"))),
    responses((status = 200, body = inline(super::answer::Envelope<String>)),
        (status = 409, description = "The webhook is off")))]
pub(crate) async fn replay(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, name, id)): Path<(String, String, String)>,
) -> Result<Answer<String>, Problem> {
    let endpoint = endpoint(&api, &visitor.principal, (&tenant, &name))?;
    if api.node.webhooks.is_off(&endpoint) {
        return Err(Problem::new(StatusCode::CONFLICT, "webhook_off", "the webhook has answered 410 and is off")
            .hint("POST …/on switches it on again"));
    }
    let answer = Answer::of(id.clone());
    note(&api, &visitor.principal, &endpoint, "webhook.replay", json!({ "id": id }), &answer.request_id).await?;
    match api.node.webhooks.replay(&endpoint, &id) {
        true => Ok(answer),
        false => Err(Problem::not_found("delivery").hint("GET …/deliveries lists those that this node knows")),
    }
}

/// Try a webhook
///
/// Sends an event `webhook.test`, as all others are sent.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/webhooks/{webhook}/test", tag = "webhooks",
    params(("tenant" = String, Path), ("webhook" = String, Path)),
    extensions(("x-permission" = json!("webhook:write"))),
    responses((status = 200, description = "The delivery's id", body = inline(super::answer::Envelope<String>))))]
pub(crate) async fn test(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, name)): WebhookPath,
) -> Result<Answer<String>, Problem> {
    let endpoint = endpoint(&api, &visitor.principal, (&tenant, &name))?;
    let event = Event::trial(&tenant, &super::answer::request_id(), now_ms());
    let answer = Answer::of(event.id.clone());
    note(&api, &visitor.principal, &endpoint, "webhook.test", json!({ "id": event.id }), &answer.request_id).await?;
    api.node.webhooks.deliver(&endpoint, &event);
    Ok(answer)
}

/// Switch a webhook on again
///
/// One that has answered 410.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/webhooks/{webhook}/on", tag = "webhooks",
    params(("tenant" = String, Path), ("webhook" = String, Path)),
    extensions(("x-permission" = json!("webhook:write"))),
    responses((status = 200, body = inline(super::answer::Envelope<String>))))]
pub(crate) async fn on(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, name)): WebhookPath,
) -> Result<Answer<String>, Problem> {
    let endpoint = endpoint(&api, &visitor.principal, (&tenant, &name))?;
    let answer = Answer::of(endpoint.name());
    note(&api, &visitor.principal, &endpoint, "webhook.on", json!(null), &answer.request_id).await?;
    webhooks::tell_on(api.node.store(), &endpoint).await;
    api.node.webhooks.switch_on(&endpoint);
    Ok(answer)
}

async fn note(
    api: &Api,
    principal: &Principal,
    endpoint: &Endpoint,
    action: &'static str,
    detail: serde_json::Value,
    request: &str,
) -> Result<(), Problem> {
    let entry = Entry { detail, ..Entry::of(principal, action, endpoint.name(), request) };
    let begun = api.audit.begin(entry).await?;
    begun.end(Outcome::Done, json!(null)).await;
    Ok(())
}
