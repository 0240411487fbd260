//! Lines as they change, as server-sent events.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Interval, interval},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Object, ObjectBuilder, Ref, RefOr, Schema, Type},
};

use super::{Live, allow};
use crate::admin::{
    access::{Permission, Principal, Visitor},
    api::{Api, answer::Problem},
};

/// Most streams of a node.
pub(crate) const STREAMS_MAX: usize = 200;
/// How often lines are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A stream ends after this, and the page opens another with what it is allowed then.
const LIFE_MAX: Duration = Duration::from_secs(15 * 60);
const QUEUES_MAX: usize = 1_000;

#[derive(Serialize)]
struct Updated<'a> {
    r#type: &'static str,
    tenant: &'a str,
    queue: &'a str,
    live: &'a Live,
}

/// An event, for the description: its data is [`Updated`] as JSON.
pub(crate) struct QueueUpdated;

impl PartialSchema for QueueUpdated {
    fn schema() -> RefOr<Schema> {
        let text = || Object::with_type(Type::String);
        let kind = || ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["queue_updated"]));
        let updated = ObjectBuilder::new()
            .property("type", kind())
            .property("tenant", text())
            .property("queue", text())
            .property("live", Ref::from_schema_name(Live::name()));
        let updated = ["type", "tenant", "queue", "live"].into_iter().fold(updated, ObjectBuilder::required);
        let json = ObjectBuilder::new()
            .schema_type(Type::String)
            .content_media_type("application/json")
            .content_schema(Some(updated));
        let event = ObjectBuilder::new().property("event", kind()).property("data", json);
        event.required("event").required("data").into()
    }
}

impl ToSchema for QueueUpdated {}

struct Watching {
    api: Arc<Api>,
    principal: Principal,
    every: Interval,
    until: Instant,
    sent: HashMap<(String, String), Live>,
    waiting: Vec<Event>,
    _place: OwnedSemaphorePermit,
}

/// Lines as they change
///
/// Events `queue_updated`, at most two a second for each queue, each with the whole line.
#[utoipa::path(get, path = "/v1/live", tag = "queues", extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, content_type = "text/event-stream", body = inline(QueueUpdated))))]
pub(crate) async fn stream(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    allow(&visitor.principal, Permission::QueueRead)?;
    let place = api.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", "all places for streams are taken")
            .hint("ask `live` of each queue instead, every two seconds")
    })?;
    let watching = Watching {
        api,
        principal: visitor.principal,
        every: interval(LOOK_EVERY),
        until: Instant::now() + LIFE_MAX,
        sent: HashMap::new(),
        waiting: Vec::new(),
        _place: place,
    };
    let events = stream::unfold(watching, |mut watching| async move {
        loop {
            if let Some(event) = watching.waiting.pop() {
                return Some((Ok(event), watching));
            }
            if Instant::now() >= watching.until {
                return None;
            }
            watching.every.tick().await;
            watching.look();
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

impl Watching {
    fn look(&mut self) {
        let routes = self.api.node.routes();
        let seen = routes.sites().iter().filter(|site| self.principal.sees(site.tenant.name.as_str()));
        for gate in seen.flat_map(|site| site.gates()).take(QUEUES_MAX) {
            let line = gate.usher.line();
            let live = Live::of(gate);
            let name = (line.tenant.to_string(), line.queue.to_string());
            // Its age alone is no news.
            if self.sent.get(&name).is_some_and(|sent| Live { age_ms: live.age_ms, ..sent.clone() } == live) {
                continue;
            }
            let updated = Updated { r#type: "queue_updated", tenant: &name.0, queue: &name.1, live: &live };
            match Event::default().event("queue_updated").json_data(updated) {
                Ok(event) => self.waiting.push(event),
                Err(error) => tracing::error!(%error, "event not written"),
            }
            self.sent.insert(name, live);
        }
    }
}
