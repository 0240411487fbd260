//! The nodes of the fleet, and in what they differ.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admin::{
        access::{Permission, Visitor},
        api::{
            Api,
            answer::{Answer, Problem},
            queues::allow,
        },
    },
    node::peers::differ::Difference,
    sinks::time::rfc3339,
};

/// The fleet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fleet {
    /// Every node that has been heard of within the last ten seconds.
    nodes: Vec<NodeDoc>,
    /// Of what they go by different values. Which one is right, no node can know: the files of all should be the same.
    differences: Vec<Difference>,
    /// The same in words, one sentence each.
    words: Vec<String>,
}

/// A node.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeDoc {
    /// Its machine, and the port of its first listener.
    name: String,
    /// Which start of it: random.
    run: String,
    /// Whether it is the one that answers.
    here: bool,
    version: String,
    /// When it was started, RFC 3339, by its own clock.
    started: String,
    /// How long ago it was heard of, in ms.
    heard_ms: u64,
    /// Its master secrets by name, each with a digest; the one that signs first.
    keys: Vec<String>,
    /// How many lines it has.
    lines: usize,
}

/// The nodes of the fleet
///
/// Each says every two seconds what it goes by. A node that keeps its own lines is alone.
#[utoipa::path(get, path = "/v1/nodes", tag = "system", extensions(("x-permission" = json!("system:read"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Fleet>))))]
pub(crate) async fn nodes(State(api): State<Arc<Api>>, visitor: Visitor) -> Result<Answer<Fleet>, Problem> {
    allow(&visitor.principal, Permission::SystemRead)?;
    let heard = api.node.peers.heard();
    let nodes = heard.peers.iter().map(|peer| NodeDoc {
        name: peer.told.name.clone(),
        run: peer.run.clone(),
        here: peer.run == api.node.peers.run(),
        version: peer.told.version.clone(),
        started: rfc3339(peer.told.started_ms),
        heard_ms: u64::try_from(peer.ago.as_millis()).unwrap_or(u64::MAX),
        keys: peer.told.keys.clone(),
        lines: peer.told.lines.len(),
    });
    let words = heard.differences.iter().map(ToString::to_string).collect();
    Ok(Answer::of(Fleet { nodes: nodes.collect(), differences: heard.differences.clone(), words }))
}
