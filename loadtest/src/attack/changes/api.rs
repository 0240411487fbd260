//! The operators' API of every node, as a client sees it.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, header, request::Builder};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::{
    Failed,
    attack::{fleet::Fleet, limits::Limits, people::browser::QUEUE},
    client::{Answer, Way},
};

/// A node answers one operator 20 times a second, and is asked up to 50 times: so many take turns.
const OPERATORS: usize = 4;
/// No answer within this is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Records of the audit log in one answer.
const RECORDS_A_PAGE: usize = 1_000;

/// Nodes, and the tokens of those who ask them.
pub(super) struct Api {
    nodes: Vec<SocketAddr>,
    /// Not to be printed.
    bearers: Vec<String>,
    asked: usize,
}

/// The queue as a node shows it: which change is in force, and what it has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// The revision, as an entity tag.
    pub(super) tag: String,
    /// Rate, burst and seats.
    effective: [Option<u64>; 3],
}

/// A change that was answered as made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) shown: Shown,
    /// The id that its record has as well.
    request: String,
    reason: String,
}

/// A change that the audit log calls done.
#[derive(Clone, Debug)]
pub(super) struct Record {
    request: String,
    reason: String,
    tag: String,
}

impl Shown {
    /// The change that made these limits the ones in force.
    pub(super) fn of(tag: String, limits: &Limits) -> Self {
        let Limits { release_per_minute, burst, seats, .. } = *limits;
        Self { tag, effective: [release_per_minute, burst, seats].map(|limit| Some(limit.into())) }
    }

    /// How many changes there have been.
    pub(super) fn number(&self) -> Option<u64> {
        self.tag.trim_matches('"').split('.').next()?.parse().ok()
    }

    fn read(answer: &Answer, document: &Value) -> Result<Self, Failed> {
        let tag = answer.header("etag").ok_or("no ETag of a queue")?.to_owned();
        let effective = &document["data"]["effective"];
        let names = ["release_per_minute", "burst", "max_active"];
        Ok(Self { tag, effective: names.map(|name| effective[name].as_u64()) })
    }
}

impl Made {
    /// Whether this is its record.
    pub(super) fn is_in(&self, record: &Record) -> bool {
        (&self.request, &self.reason, &self.shown.tag) == (&record.request, &record.reason, &record.tag)
    }
}

impl Record {
    /// `None`: it is of something else, or only of what was asked for.
    fn read(record: &Value) -> Option<Self> {
        let is_done = record["action"] == "override.set" && record["outcome"] == "done";
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (request, reason, tag) = (&record["request"], &record["why"], &record["detail"]["revision"]);
        is_done.then(|| Self { request: text(request), reason: text(reason), tag: text(tag) })
    }
}

impl Api {
    /// That of all nodes, with tokens for those who ask.
    pub(super) fn of(fleet: &Fleet) -> Result<Self, Failed> {
        let nodes: Option<Vec<_>> = fleet.nodes.iter().map(|node| node.api).collect();
        let bearers = (0..OPERATORS).map(|number| fleet.token(&format!("operator-{number}")));
        let bearers: Vec<_> = bearers.collect::<Result<_, _>>()?;
        Ok(Self { nodes: nodes.ok_or("a node without an API")?, bearers, asked: 0 })
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The queue, as this node shows it.
    pub(super) async fn queue(&mut self, node: usize) -> Result<Shown, Failed> {
        let (answer, document) = self.ask(node, Request::get(queue_path("")), String::new()).await?;
        Shown::read(&answer, &document)
    }

    /// Sets a limit in place of the file's, if that of this tag is still the last change.
    pub(super) async fn set(
        &mut self,
        node: usize,
        seen: &str,
        (name, value): (&str, u32),
        reason: &str,
    ) -> Result<Made, Failed> {
        let mut body = Map::new();
        body.insert(name.to_owned(), value.into());
        body.insert("reason".to_owned(), reason.into());
        let request = Request::patch(queue_path("/override")).header(header::IF_MATCH, seen);
        let (answer, document) = self.ask(node, request, Value::Object(body).to_string()).await?;
        let request = document["metadata"]["requestId"].as_str().unwrap_or_default().to_owned();
        Ok(Made { shown: Shown::read(&answer, &document)?, request, reason: reason.to_owned() })
    }

    /// The changes that this node's audit log calls done.
    pub(super) async fn records(&mut self, node: usize) -> Result<Vec<Record>, Failed> {
        let (mut records, mut after) = (Vec::new(), Some("0".to_owned()));
        while let Some(seen) = after {
            let path = format!("/v1/audit?after={seen}&limit={RECORDS_A_PAGE}");
            let (_, document) = self.ask(node, Request::get(path), String::new()).await?;
            records.extend(document["data"].as_array().into_iter().flatten().filter_map(Record::read));
            after = document["metadata"]["next"].as_str().map(ToOwned::to_owned);
        }
        Ok(records)
    }

    /// Asks a node on a connection of its own; an answer that is not 200 is an error.
    async fn ask(&mut self, node: usize, request: Builder, body: String) -> Result<(Answer, Value), Failed> {
        self.asked += 1;
        let (to, bearer) = (self.nodes[node], &self.bearers[self.asked % self.bearers.len()]);
        let request = request
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let silent = |_| format!("no answer of the API within {} s", ANSWER_WITHIN.as_secs());
        let answer = timeout(ANSWER_WITHIN, send(to, request)).await.map_err(silent)??;
        let document: Value = serde_json::from_slice(&answer.body)?;
        if answer.status != 200 {
            return Err(format!("the API answered {} to it: {}", answer.status, document["errors"]).into());
        }
        Ok((answer, document))
    }
}

fn queue_path(below: &str) -> String {
    format!("/v1/tenants/shop/queues/{QUEUE}{below}")
}

async fn send(to: SocketAddr, request: Request<Full<Bytes>>) -> Result<Answer, Failed> {
    let io = Way::PLAIN.connect(to, None).await?;
    let (mut send, connection) = http1::handshake(TokioIo::new(io)).await?;
    // It ends with this end of it; what goes wrong is reported here.
    tokio::spawn(async move { drop(connection.await) });
    send.ready().await?;
    let (head, body) = send.send_request(request).await?.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_done_is_a_record_of_the_change_that_was_answered() {
        let shown = Shown { tag: "\"17.1a2b\"".to_owned(), effective: [Some(600), Some(10), None] };
        assert_eq!(shown.number(), Some(17));
        let made = Made { shown, request: "req-1".to_owned(), reason: "attack 16".to_owned() };
        let record = |outcome: &str, revision: &str| {
            Record::read(&json!({
                "action": "override.set", "outcome": outcome, "request": "req-1", "why": "attack 16",
                "detail": { "revision": revision },
            }))
        };
        assert!(record("requested", "\"17.1a2b\"").is_none());
        assert!(record("done", "\"17.1a2b\"").is_some_and(|record| made.is_in(&record)));
        assert!(record("done", "\"18.1a2b\"").is_some_and(|record| !made.is_in(&record)));
    }
}
