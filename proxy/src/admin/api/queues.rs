//! Tenants and their queues, as configured and as they are now.

pub(crate) mod analytics;
pub(super) mod change;
mod foresee;
pub(super) mod report;
pub(super) mod stream;
pub(super) mod visitors;
pub(super) mod visits;

use std::{borrow::Cow, sync::Arc};

use axum::extract::{Path, State};
use serde::Serialize;
use sluice_admission::{
    line::{LaneId, LaneSummary, Revision, Rules, place_of},
    standing::Look,
    usher::now,
};
use sluice_config::Tenant;
use utoipa::ToSchema;

use self::change::OverrideDoc;
use super::{
    Api,
    answer::{Answer, Problem},
};
use crate::{
    admin::access::{Permission, Principal, Visitor},
    gate::Gate,
    routing::Site,
};

/// One tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantDoc {
    pub(crate) tenant: String,
    /// Hosts it answers for.
    pub(crate) hosts: Vec<String>,
    /// Its queues.
    pub(crate) queues: Vec<String>,
}

/// One queue: what its file says, and what it does now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueDoc {
    pub(crate) tenant: String,
    pub(crate) queue: String,
    /// Prefixes of the paths it guards.
    pub(crate) paths: Vec<String>,
    /// What the tenant's file says.
    pub(crate) file: Settings,
    /// What holds now.
    pub(crate) effective: Settings,
    /// What an operator has set in place of the file; `null`: nothing.
    pub(crate) r#override: Option<OverrideDoc>,
    /// Whether the last change can be taken back through this node.
    pub(crate) undo: bool,
    /// In what the nodes of the fleet differ about this line, one sentence each. Empty: they agree.
    pub(crate) disagreements: Vec<String>,
    pub(crate) live: Live,
}

/// Settings that decide who is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Settings {
    /// Most visitors called in any 60 s.
    pub(crate) release_per_minute: u32,
    /// Most visitors called at once.
    pub(crate) burst: u32,
    /// Most visitors called or inside; `null`: no bound.
    pub(crate) max_active: Option<u32>,
    /// Most visitors in line.
    pub(crate) max_waiting: u32,
    /// `open`, `auto`, `hold`, `drain` or `closed`.
    pub(crate) mode: &'static str,
    /// What the page says beside everything else.
    pub(crate) message: Option<String>,
}

/// A line as this node knows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Live {
    /// In line, seen within 90 s.
    pub(crate) waiting: u64,
    /// Called, and not entered yet.
    pub(crate) called: u64,
    pub(crate) inside: u64,
    /// Called within the last 60 s.
    pub(crate) called_last_minute: u64,
    /// Called since the line began.
    pub(crate) called_total: u64,
    /// The last number handed out; of all lanes together.
    pub(crate) issued: u64,
    /// The highest number called; of all lanes together.
    pub(crate) head: u64,
    /// Rises when the line is reset.
    pub(crate) epoch: u64,
    /// Whether a visitor who is there had to be left waiting by the last step.
    pub(crate) standing: bool,
    /// Why no visitor is called, if that is so: `paused`, `seats_taken`, `store_away`, `recovering`, `closed`,
    /// `line_full`, `rate_used`.
    pub(crate) reason: Option<&'static str>,
    /// How long a visitor who comes now will wait.
    pub(crate) wait_seconds: Option<Range>,
    /// Whether the store answers.
    pub(crate) store_up: bool,
    /// How old all this is, in ms.
    pub(crate) age_ms: u64,
    /// Each lane, if the queue has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lanes: Vec<LiveLane>,
}

/// A lane as this node knows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct LiveLane {
    /// Its name; `null`: the file does not name it any more, and it is served until nobody is left in it.
    pub(crate) name: Option<String>,
    pub(crate) weight: u32,
    /// In the lane, seen within 90 s.
    pub(crate) waiting: u64,
    /// Called since the line began.
    pub(crate) called_total: u64,
    /// The last number handed out in the lane.
    pub(crate) issued: u64,
    /// The highest number called in the lane.
    pub(crate) head: u64,
    /// How long a visitor who comes to it now will wait.
    pub(crate) wait_seconds: Option<Range>,
}

/// From the shortest to the longest that is likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Range {
    pub(crate) low: u32,
    pub(crate) high: u32,
}

impl Settings {
    pub(crate) fn of(rules: &Rules, message: Option<String>) -> Self {
        Self {
            release_per_minute: rules.release_per_minute,
            burst: rules.burst,
            max_active: rules.max_active,
            max_waiting: rules.max_waiting,
            mode: rules.mode.as_str(),
            message,
        }
    }
}

impl Live {
    pub(crate) fn of(gate: &Gate) -> Self {
        let view = gate.usher.view();
        let summary = &view.summary;
        let look = Look::of(&view, &gate.usher.rules(), now());
        let joining = look.joining(LaneId::FIRST);
        Self {
            waiting: summary.waiting,
            called: summary.due,
            inside: summary.inside,
            called_last_minute: summary.called_last_minute,
            called_total: summary.called_total,
            issued: summary.places(|lane| lane.issued),
            head: summary.places(|lane| lane.head),
            epoch: summary.epoch,
            standing: summary.standing,
            reason: joining.reason.or(summary.reason).map(|reason| reason.as_str()),
            wait_seconds: joining.wait.map(|wait| Range { low: wait.low_s, high: wait.high_s }),
            store_up: view.store_answers,
            age_ms: look.now_ms.saturating_sub(summary.now_ms),
            lanes: LiveLane::all(gate, &look),
        }
    }
}

impl LiveLane {
    fn all(gate: &Gate, look: &Look<'_>) -> Vec<Self> {
        let (lanes, rules) = (&look.summary.lanes, gate.usher.rules());
        let of = |lane: &LaneSummary| Self {
            name: lane.lane.name_in(&gate.queue).map(ToString::to_string),
            weight: rules.weight(lane.lane),
            waiting: lane.waiting,
            called_total: lane.called_total,
            issued: place_of(lane.issued),
            head: place_of(lane.head),
            wait_seconds: look.joining(lane.lane).wait.map(|wait| Range { low: wait.low_s, high: wait.high_s }),
        };
        if lanes.len() < 2 { Vec::new() } else { lanes.iter().map(of).collect() }
    }
}

impl TenantDoc {
    fn of(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.name.to_string(),
            hosts: tenant.hosts.iter().map(ToString::to_string).collect(),
            queues: tenant.queues.iter().map(|queue| queue.name.to_string()).collect(),
        }
    }
}

impl QueueDoc {
    pub(crate) fn of(api: &Api, gate: &Gate, undo: bool) -> Self {
        let line = gate.usher.line();
        let governed = gate.usher.governed();
        let heard = api.node.peers.heard();
        let disagreements = heard.about(&format!("{}/{}", line.tenant, line.queue)).map(ToString::to_string).collect();
        Self {
            tenant: line.tenant.to_string(),
            queue: line.queue.to_string(),
            paths: gate.queue.paths.clone(),
            effective: Settings::of(&governed.rules, gate.message().map(Cow::into_owned)),
            file: Settings::of(&governed.file, gate.queue.message.clone()),
            r#override: OverrideDoc::of(&governed),
            undo,
            disagreements,
            live: Live::of(gate),
        }
    }
}

fn doc(api: &Api, gate: &Gate) -> QueueDoc {
    let revision = gate.usher.governed().control.revision;
    QueueDoc::of(api, gate, api.made(gate.usher.line()).is_some_and(|made| made.revision == revision))
}

/// A revision as an entity tag.
pub(crate) fn tag(revision: Revision) -> String {
    format!("\"{}.{:x}\"", revision.number, revision.id)
}

/// The site of a tenant that the principal sees.
pub(crate) fn site(api: &Api, principal: &Principal, tenant: &str) -> Result<Arc<Site>, Problem> {
    let routes = api.node.routes();
    let found = routes.sites().iter().find(|site| site.tenant.name.as_str() == tenant && principal.sees(tenant));
    found.cloned().ok_or_else(|| Problem::not_found("tenant"))
}

/// The gate of a queue that the principal sees, if it may do this.
pub(crate) fn gate(
    api: &Api,
    principal: &Principal,
    permission: Permission,
    (tenant, queue): (&str, &str),
) -> Result<Arc<Gate>, Problem> {
    let site = site(api, principal, tenant)?;
    let gate = site.gates().iter().find(|gate| gate.queue.name.as_str() == queue);
    let gate = gate.ok_or_else(|| Problem::not_found("queue"))?;
    allow(principal, permission)?;
    Ok(gate.clone())
}

pub(crate) fn allow(principal: &Principal, permission: Permission) -> Result<(), Problem> {
    if principal.may(permission) { Ok(()) } else { Err(Problem::forbidden(permission.as_str())) }
}

/// Tenants
///
/// All tenants that the principal sees.
#[utoipa::path(get, path = "/v1/tenants", tag = "queues", extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, body = inline(super::answer::Envelope<Vec<TenantDoc>>))))]
pub(crate) async fn tenants(State(api): State<Arc<Api>>, visitor: Visitor) -> Result<Answer<Vec<TenantDoc>>, Problem> {
    allow(&visitor.principal, Permission::QueueRead)?;
    let routes = api.node.routes();
    let seen = routes.sites().iter().filter(|site| visitor.principal.sees(site.tenant.name.as_str()));
    Ok(Answer::of(seen.map(|site| TenantDoc::of(&site.tenant)).collect()))
}

/// A tenant
#[utoipa::path(get, path = "/v1/tenants/{tenant}", tag = "queues", params(("tenant" = String, Path)),
    extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, body = inline(super::answer::Envelope<TenantDoc>))))]
pub(crate) async fn tenant(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path(tenant): Path<String>,
) -> Result<Answer<TenantDoc>, Problem> {
    let site = site(&api, &visitor.principal, &tenant)?;
    allow(&visitor.principal, Permission::QueueRead)?;
    Ok(Answer::of(TenantDoc::of(&site.tenant)))
}

/// A tenant's queues
#[utoipa::path(get, path = "/v1/tenants/{tenant}/queues", tag = "queues", params(("tenant" = String, Path)),
    extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, body = inline(super::answer::Envelope<Vec<QueueDoc>>))))]
pub(crate) async fn queues(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path(tenant): Path<String>,
) -> Result<Answer<Vec<QueueDoc>>, Problem> {
    let site = site(&api, &visitor.principal, &tenant)?;
    allow(&visitor.principal, Permission::QueueRead)?;
    Ok(Answer::of(site.gates().iter().map(|gate| doc(&api, gate)).collect()))
}

/// Most queues in one answer.
const QUEUES_MAX: usize = 1_000;

/// All queues
///
/// Of all tenants that the principal sees, at most 1,000.
#[utoipa::path(get, path = "/v1/queues", tag = "queues", extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, body = inline(super::answer::Envelope<Vec<QueueDoc>>))))]
pub(crate) async fn all(State(api): State<Arc<Api>>, visitor: Visitor) -> Result<Answer<Vec<QueueDoc>>, Problem> {
    allow(&visitor.principal, Permission::QueueRead)?;
    let routes = api.node.routes();
    let seen = routes.sites().iter().filter(|site| visitor.principal.sees(site.tenant.name.as_str()));
    let gates = seen.flat_map(|site| site.gates()).take(QUEUES_MAX);
    Ok(Answer::of(gates.map(|gate| doc(&api, gate)).collect()))
}

/// A queue
///
/// What its file says, what an operator has set, what holds, and the line now.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/queues/{queue}", tag = "queues",
    params(("tenant" = String, Path), ("queue" = String, Path)),
    extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, body = inline(super::answer::Envelope<QueueDoc>),
        headers(("ETag" = String, description = "Of what is set in place of the file, for `If-Match`")))))]
pub(crate) async fn queue(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): Path<(String, String)>,
) -> Result<Answer<QueueDoc>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueRead, (&tenant, &queue))?;
    let etag = Some(tag(gate.usher.governed().control.revision));
    Ok(Answer { etag, ..Answer::of(doc(&api, &gate)) })
}

/// A line now
///
/// Small, for polling.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/queues/{queue}/live", tag = "queues",
    params(("tenant" = String, Path), ("queue" = String, Path)),
    extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, body = inline(super::answer::Envelope<Live>))))]
pub(crate) async fn live(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): Path<(String, String)>,
) -> Result<Answer<Live>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueRead, (&tenant, &queue))?;
    Ok(Answer::of(Live::of(&gate)))
}
