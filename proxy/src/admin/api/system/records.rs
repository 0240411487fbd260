//! The audit log, to be read.

use std::sync::Arc;

use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::admin::{
    access::{Permission, Visitor},
    api::{
        Api,
        answer::{Answer, Problem},
        queues::allow,
    },
    audit::Record,
    seal::Purpose,
};

const PER_PAGE: usize = 100;
const PER_PAGE_MAX: usize = 1_000;

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Those after this one.
    #[serde(default)]
    #[param(format = "uint64", maximum = 18446744073709551615u64)]
    after: u64,
    /// At most this many, 1 to 1,000; without it, 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A record and its hash.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hashed {
    #[serde(flatten)]
    record: Record,
    /// Of this record and all before it.
    hash: String,
}

/// What operators did
///
/// The log of this node, the oldest record first. Records of tenants that the principal does not see are left out.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(Page),
    extensions(("x-permission" = json!("audit:read"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Vec<Hashed>>))))]
pub(crate) async fn records(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Query(page): Query<Page>,
) -> Result<Answer<Vec<Hashed>>, Problem> {
    allow(&visitor.principal, Permission::AuditRead)?;
    let most = page.limit.unwrap_or(PER_PAGE);
    if !(1..=PER_PAGE_MAX).contains(&most) {
        return Err(Problem::invalid("/limit", format!("`limit` is a number from 1 to {PER_PAGE_MAX}")));
    }
    let found = api.audit.after(page.after, most).await.map_err(|error| {
        tracing::error!(%error, "audit log unreadable");
        Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", "the audit log cannot be read")
            .hint("run `sluice audit verify` on its file in the state directory")
    })?;
    let next = (found.len() == most).then(|| found.last().map(|(record, _)| record.seq.to_string())).flatten();
    let seen = |record: &Record| match record.target.split_once('/') {
        Some((tenant, _)) => visitor.principal.sees(tenant),
        None => visitor.principal.tenants.is_none(),
    };
    let records = found.into_iter().filter(|(record, _)| seen(record)).map(|(record, hash)| Hashed { record, hash });
    Ok(Answer { next, ..Answer::of(records.collect()) })
}

/// The end of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Head {
    /// The last record; 0: there is none.
    seq: u64,
    /// Of it and all before it. Kept elsewhere, it shows that none is missing: `sluice audit verify --contains HASH`.
    hash: String,
}

/// A checkpoint of the audit log
///
/// Its end, signed by the fleet's key, as a text for a file. Kept elsewhere, it shows later that no record up to there is
/// missing or was changed: `sluice audit verify --checkpoint FILE`.
#[utoipa::path(get, path = "/v1/audit/checkpoint", tag = "audit", extensions(("x-permission" = json!("audit:read"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<String>))))]
pub(crate) async fn checkpoint(State(api): State<Arc<Api>>, visitor: Visitor) -> Result<Answer<String>, Problem> {
    allow(&visitor.principal, Permission::AuditRead)?;
    let text = api.audit.checkpoint().await;
    Ok(Answer::of(api.access.sign(Purpose::Checkpoint, &text).0))
}

/// The end of the audit log
#[utoipa::path(get, path = "/v1/audit/head", tag = "audit", extensions(("x-permission" = json!("audit:read"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Head>))))]
pub(crate) async fn head(State(api): State<Arc<Api>>, visitor: Visitor) -> Result<Answer<Head>, Problem> {
    allow(&visitor.principal, Permission::AuditRead)?;
    let (seq, hash) = api.audit.head().await;
    Ok(Answer::of(Head { seq, hash }))
}
