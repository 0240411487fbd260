//! Lines in Redis or Valkey, shared by a fleet of nodes.
//!
//! A line is a handful of keys under one hash tag; a step is one call of one script, so it is atomic, and its
//! cost hardly grows with the line: presence and calls are bits, counted and searched by the server's own
//! bitmap commands. The script is [`Line::sync`](crate::line::Line::sync) over again; a test drives both with
//! the same histories and compares every outcome.
//!
//! Lines may vanish: wiped, evicted, restored from an old copy, lost in a failover. The script notices what is
//! missing and what has gone back in time, and the nodes heal it, as with any store.
//!
//! The keys have no time to live. It would make them prey of `maxmemory-policy volatile-*`, which managed
//! services have as their default; what an idle line leaves behind is a few kilobytes, and a queue that is
//! gone from the configuration can be removed with [`Redis::forget`].
//!
//! The least permissions of its user are in `deploy/fleet.md`, for the default `key_prefix`; without the last two,
//! [`Redis::doctor`] sees less.

mod board;
mod cluster;
mod connect;
mod doctor;
mod eviction;
mod fault;
mod keys;
mod link;
mod marks;
mod reply;
mod request;
mod script;

use std::{fmt, io, sync::Arc, time::Duration};

use redis::{Cmd, Value};
use sluice_config::{RedisSettings, RedisTopology};

pub use self::{
    board::{Board, Note},
    link::Condition,
};
use self::{
    cluster::Cluster,
    connect::{Connector, Target},
    eviction::Evictions,
    fault::Fault,
    keys::Keys,
    link::Link,
    reply::Reply,
    request::Clock,
};
use super::{Checkup, LineId, Store, StoreError};
use crate::line::{Batch, Lookup, Minute, Outcome, Rules, Summary, slot_of};

/// A step whose line is lost between its calls is made once more.
const TORN_MAX: usize = 1;

/// Lines in Redis or Valkey. Connects with the first call, on the tokio runtime of that call; keeps one
/// connection to each server and all lines on it.
pub struct Redis {
    prefix: String,
    route: Route,
    wall: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// Which run of the server this is taken to be, in tests.
    run: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    evictions: Arc<Evictions>,
}

#[derive(Clone, Debug)]
enum Route {
    /// To one server, or to whichever the Sentinels name.
    One(Arc<Link>),
    Cluster(Arc<Cluster>),
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).field("route", &self.route).finish_non_exhaustive()
    }
}

impl Redis {
    /// How far a node's reckoning of the line's clock may be off before the line's clock follows it: the way
    /// from a node to the server. A step of the server's wall clock moves a line by no more than this.
    pub const SLACK_MS: u64 = 100;

    /// A store as configured. Does not connect yet, and does not fail when the server is away.
    pub fn new(settings: &RedisSettings) -> Self {
        // The client library brings no cryptography of its own; whoever was first to name some has been heard.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connector = Connector::new(settings);
        let route = match Target::of(settings) {
            Some(target) => Route::One(Link::new(connector, target, settings.response_timeout)),
            None => {
                debug_assert_eq!(settings.topology, RedisTopology::Cluster);
                Route::Cluster(Cluster::new(settings.nodes.clone(), connector, settings.response_timeout))
            }
        };
        Self { prefix: settings.key_prefix.clone(), route, wall: None, run: None, evictions: Arc::default() }
    }

    /// As [`Self::new`], with the wall clock handed in (unix milliseconds) instead of the server's, for tests.
    pub fn with_clock(settings: &RedisSettings, wall: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { wall: Some(Box::new(wall)), ..Self::new(settings) }
    }

    /// With the [run](crate::line::Reading::run) handed in instead of asked of the server, for tests.
    #[must_use]
    pub fn in_run(self, run: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { run: Some(Box::new(run)), ..self }
    }

    /// Why calls fail at once, without waiting; `None` while they do not.
    pub fn away(&self) -> Option<String> {
        match &self.route {
            Route::One(link) => link.away(),
            Route::Cluster(cluster) => cluster.away(),
        }
    }

    /// What is known of the connections, for metrics.
    pub fn condition(&self) -> Condition {
        let condition = match &self.route {
            Route::One(link) => link.condition(),
            Route::Cluster(cluster) => cluster.condition(),
        };
        Condition { evictions: self.evictions.count(), ..condition }
    }

    /// The line as of its last step; `None`: nobody has stood in it.
    ///
    /// # Errors
    /// As [`Store::sync`].
    pub async fn status(&self, line: &LineId, rules: &Rules) -> Result<Option<Summary>, StoreError> {
        let look = |keys: &Keys| request::look(keys, rules);
        match self.with_lanes(line, rules, look).await? {
            Reply::NoLine => Ok(None),
            reply => Ok(Some(outcome(line, reply)?.summary)),
        }
    }

    /// Begins a new epoch: every number, ticket and pass of the old one is void. The rate's window stays.
    /// Returns the new epoch.
    ///
    /// # Errors
    /// As [`Store::sync`].
    pub async fn reset(&self, line: &LineId, rules: &Rules) -> Result<u64, StoreError> {
        let reset = |keys: &Keys| request::reset(keys, self.clock(), rules);
        Ok(outcome(line, self.with_lanes(line, rules, reset).await?)?.summary.epoch)
    }

    /// Makes a call with keys for as many lanes as the line turns out to have.
    async fn with_lanes(&self, line: &LineId, rules: &Rules, call: impl Fn(&Keys) -> Cmd) -> Result<Reply, StoreError> {
        let mut lanes = 1;
        loop {
            let keys = Keys::of(&self.prefix, line, lanes);
            match self.call(line, &keys, &call(&keys), rules, 0, 0).await? {
                Reply::More(more) if more > lanes => lanes = more,
                reply => return Ok(reply),
            }
        }
    }

    /// Removes everything about a line, for a queue that is no longer configured.
    ///
    /// # Errors
    /// If the store did not answer.
    pub async fn forget(&self, line: &LineId) -> Result<(), StoreError> {
        let keys = Keys::all_of(&self.prefix, line);
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(&keys.names);
        self.run(&keys, &unlink).await.map_err(|fault| error(line, fault))?;
        Ok(())
    }

    /// The value that all nodes share under a name; if there is none yet, it is this one. It is kept for so long.
    ///
    /// # Errors
    /// If the store did not answer.
    pub async fn share(&self, name: &str, value: &[u8], keep: Duration) -> Result<Vec<u8>, StoreError> {
        let (slot, key) = keys::shared(&self.prefix, name);
        let unavailable = |fault: Fault| StoreError::Away(fault.into_reason());
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(value).arg("NX").arg("PX").arg(keep_ms);
        self.send(slot, &set).await.map_err(unavailable)?;
        let mut get = redis::cmd("GET");
        get.arg(&key);
        match self.send(slot, &get).await.map_err(unavailable)? {
            Value::BulkString(shared) => Ok(shared),
            _ => Err(StoreError::Away(format!("{key} is gone again"))),
        }
    }

    /// The value that all nodes share under a name, if there is one.
    ///
    /// # Errors
    /// If the store did not answer.
    pub async fn shared(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (slot, key) = keys::shared(&self.prefix, name);
        let mut get = redis::cmd("GET");
        get.arg(&key);
        match self.send(slot, &get).await.map_err(|fault| StoreError::Away(fault.into_reason()))? {
            Value::BulkString(shared) => Ok(Some(shared)),
            _ => Ok(None),
        }
    }

    /// Looks for whatever would keep lines from working well here; see [`Checkup`]. `lines` are measured.
    pub async fn doctor(&self, lines: &[LineId]) -> Checkup {
        doctor::check(self, lines).await
    }

    fn clock(&self) -> Clock {
        Clock {
            wall_ms: self.wall.as_ref().map(|wall| wall()),
            slack_ms: Self::SLACK_MS,
            run: self.run.as_ref().map(|run| run()),
        }
    }

    async fn step(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        let mut lanes = rules.lanes.len().max(request::slots(batch));
        let mut torn = 0;
        'step: loop {
            let keys = Keys::of(&self.prefix, line, lanes);
            let mut last = Reply::Torn;
            for call in &request::sync(&keys, self.clock(), rules, batch) {
                last = self.call(line, &keys, call, rules, batch.newcomers.len(), batch.asks.len()).await?;
                match last {
                    Reply::Torn if torn < TORN_MAX => torn += 1,
                    Reply::More(more) if more > lanes => lanes = more,
                    _ => continue,
                }
                continue 'step;
            }
            let outcome = outcome(line, last)?;
            if batch.known.epoch > 0 && outcome.summary.life > batch.known.life {
                eviction::suspect(&self.evictions, &self.route, line, keys.slot);
            }
            return Ok(outcome);
        }
    }

    async fn call(
        &self,
        line: &LineId,
        keys: &Keys,
        call: &Cmd,
        rules: &Rules,
        newcomers: usize,
        asks: usize,
    ) -> Result<Reply, StoreError> {
        let value = self.run(keys, call).await.map_err(|fault| error(line, fault))?;
        match reply::read(&value, rules, newcomers, asks) {
            Ok(Reply::UnknownLayout(found)) => {
                Err(StoreError::Layout { line: line.to_string(), found, known: script::LAYOUT })
            }
            Ok(reply) => Ok(reply),
            Err(malformed) => Err(StoreError::State { line: line.to_string(), source: io::Error::other(malformed) }),
        }
    }

    async fn run(&self, keys: &Keys, call: &Cmd) -> Result<Value, Fault> {
        self.send(keys.slot, call).await
    }

    async fn send(&self, slot: u16, command: &Cmd) -> Result<Value, Fault> {
        match &self.route {
            Route::One(link) => link.run(command).await,
            Route::Cluster(cluster) => cluster.run(slot, command).await,
        }
    }
}

impl Store for Redis {
    fn is_shared(&self) -> bool {
        true
    }

    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        self.step(line, rules, batch).await
    }

    async fn counts(&self, line: &LineId, since_minute: u64) -> Result<Vec<Minute>, StoreError> {
        let keys = Keys::of(&self.prefix, line, 1);
        let value = self.run(&keys, &request::counts(&keys, since_minute)).await.map_err(|fault| error(line, fault))?;
        match reply::minutes(&value) {
            Ok(Ok(minutes)) => Ok(minutes),
            Ok(Err(found)) => Err(StoreError::Layout { line: line.to_string(), found, known: script::LAYOUT }),
            Err(malformed) => Err(StoreError::State { line: line.to_string(), source: io::Error::other(malformed) }),
        }
    }

    async fn find(&self, line: &LineId, number: u64) -> Result<Option<Lookup>, StoreError> {
        let keys = Keys::of(&self.prefix, line, slot_of(number) + 1);
        let value = self.run(&keys, &request::find(&keys, number)).await.map_err(|fault| error(line, fault))?;
        match reply::found(&value) {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(found)) => Err(StoreError::Layout { line: line.to_string(), found, known: script::LAYOUT }),
            Err(malformed) => Err(StoreError::State { line: line.to_string(), source: io::Error::other(malformed) }),
        }
    }
}

fn outcome(line: &LineId, reply: Reply) -> Result<Outcome, StoreError> {
    match reply {
        Reply::Outcome(outcome) => Ok(*outcome),
        Reply::Torn => Err(StoreError::Away("the line was lost in the middle of a step".to_owned())),
        _ => Err(StoreError::State { line: line.to_string(), source: io::Error::other(reply::Malformed) }),
    }
}

fn error(line: &LineId, fault: Fault) -> StoreError {
    match fault {
        Fault::Lost(why) | Fault::ReadOnly(why) | Fault::Busy(why) => StoreError::Away(why),
        Fault::NoScript => StoreError::Away("the server forgets the line's script at once".to_owned()),
        Fault::Moved(_) => StoreError::Away("the server is part of a cluster; write `redis+cluster://`".to_owned()),
        Fault::Refused(why) => StoreError::State { line: line.to_string(), source: io::Error::other(why) },
    }
}
