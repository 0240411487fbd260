//! Which server of a cluster has which line, and a link to each.
//!
//! A line lives in one slot, so a step is a call to one server, and the servers fail apart from each other: one
//! that is away delays no line on another. The client library's cluster connection holds every call back while
//! it rebuilds its picture of the cluster; this one asks in the background and lets the rest go on.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, Value};
use sluice_config::RedisNode;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{
    connect::{Connector, Target},
    fault::Fault,
    keys::SLOTS,
    link::{Condition, Link},
};

/// Least time between two looks at the cluster.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A cluster as this node knows it.
#[derive(Debug)]
pub(super) struct Cluster {
    seeds: Vec<RedisNode>,
    connector: Connector,
    response_timeout: Duration,
    map: Mutex<Map>,
    looking: AtomicBool,
    /// When the last look began. Held during the very first one, which all calls wait for.
    looked: AsyncMutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Map {
    /// The primary of each slot, as an index into `primaries`; empty until the cluster was first looked at.
    slots: Vec<Option<u16>>,
    primaries: Vec<RedisNode>,
    links: HashMap<RedisNodeKey, Arc<Link>>,
}

type RedisNodeKey = (String, u16);

fn key(node: &RedisNode) -> RedisNodeKey {
    (node.host.clone(), node.port)
}

/// Ranges of slots and their primaries.
type Ranges = Vec<(u16, u16, RedisNode)>;

impl Map {
    fn primary(&self, slot: u16) -> Option<&RedisNode> {
        let index = (*self.slots.get(usize::from(slot))?)?;
        self.primaries.get(usize::from(index))
    }

    /// Takes over what a server says. Links to servers that are no longer in it close with their last call.
    fn replace(&mut self, ranges: Ranges) {
        self.slots = vec![None; usize::from(SLOTS)];
        self.primaries.clear();
        for (first, last, node) in ranges {
            self.assign(first, last, node);
        }
        let kept: Vec<_> = self.primaries.iter().map(key).collect();
        self.links.retain(|node, _| kept.contains(node));
    }

    fn assign(&mut self, first: u16, last: u16, node: RedisNode) {
        let index = self.primaries.iter().position(|n| *n == node).unwrap_or_else(|| {
            self.primaries.push(node);
            self.primaries.len() - 1
        });
        if let Some(slots) = self.slots.get_mut(usize::from(first)..=usize::from(last)) {
            slots.fill(u16::try_from(index).ok());
        }
    }
}

impl Cluster {
    pub(super) fn new(seeds: Vec<RedisNode>, connector: Connector, response_timeout: Duration) -> Arc<Self> {
        let (map, looking, looked) = (Mutex::default(), AtomicBool::new(false), AsyncMutex::new(None));
        Arc::new(Self { seeds, connector, response_timeout, map, looking, looked })
    }

    /// Sends a call to the server that has the slot.
    pub(super) async fn run(self: &Arc<Self>, slot: u16, call: &Cmd) -> Result<Value, Fault> {
        let link = self.link_to(slot).await?;
        let answer = match link.run(call).await {
            // Not run where it was sent, so it may be sent again.
            Err(Fault::Moved(node)) => {
                self.with_map(|map| map.assign(slot, slot, node));
                self.look_soon();
                self.link_to(slot).await?.run(call).await
            }
            answer => answer,
        };
        match answer {
            Err(Fault::Moved(_)) => Err(Fault::Busy("the line's slot is being moved".to_owned())),
            // Perhaps another server has taken its place.
            Err(fault @ (Fault::Lost(_) | Fault::ReadOnly(_) | Fault::Busy(_))) => {
                self.look_soon();
                Err(fault)
            }
            answer => answer,
        }
    }

    /// The links to all primaries.
    pub(super) async fn links(self: &Arc<Self>) -> Result<Vec<Arc<Link>>, Fault> {
        self.look_first().await?;
        Ok(self.with_map(|map| {
            let nodes = map.primaries.clone();
            nodes.iter().map(|node| self.link(map, node)).collect()
        }))
    }

    /// Why calls to some server fail at once; `None` while none does.
    pub(super) fn away(&self) -> Option<String> {
        self.with_map(|map| map.links.values().find_map(|link| link.away()))
    }

    /// What is known of the connections to all servers.
    pub(super) fn condition(&self) -> Condition {
        self.with_map(|map| map.links.values().map(|link| link.condition()).fold(Condition::default(), Condition::with))
    }

    /// The link to the server that has the slot.
    pub(super) async fn link_to(self: &Arc<Self>, slot: u16) -> Result<Arc<Link>, Fault> {
        self.look_first().await?;
        let link = self.with_map(|map| map.primary(slot).cloned().map(|node| self.link(map, &node)));
        link.ok_or_else(|| {
            self.look_soon();
            Fault::Busy("no server of the cluster has the line's slot".to_owned())
        })
    }

    fn link(&self, map: &mut Map, node: &RedisNode) -> Arc<Link> {
        let link = map.links.entry(key(node));
        link.or_insert_with(|| self.link_to_server(node)).clone()
    }

    fn link_to_server(&self, node: &RedisNode) -> Arc<Link> {
        Link::new(self.connector.clone(), Target::Server(node.clone()), self.response_timeout)
    }

    /// Looks at the cluster if nobody has yet.
    async fn look_first(self: &Arc<Self>) -> Result<(), Fault> {
        if self.with_map(|map| !map.slots.is_empty()) {
            return Ok(());
        }
        let mut looked = self.looked.lock().await;
        if self.with_map(|map| !map.slots.is_empty()) {
            return Ok(());
        }
        if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Err(Fault::Lost("no server of the cluster is reached".to_owned()));
        }
        *looked = Some(Instant::now());
        self.look().await
    }

    /// Looks at the cluster in the background, but not again and again.
    fn look_soon(self: &Arc<Self>) {
        if self.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let looking = Looking(self.clone());
        tokio::spawn(async move {
            let mut looked = looking.0.looked.lock().await;
            if let Some(at) = *looked {
                tokio::time::sleep_until(at + LOOK_EVERY).await;
            }
            *looked = Some(Instant::now());
            if let Err(fault) = looking.0.look().await {
                tracing::debug!(?fault, "cluster unreachable");
            }
        });
    }

    /// Asks all servers that are known, and believes the first that answers with every slot.
    async fn look(&self) -> Result<(), Fault> {
        let mut nodes = self.with_map(|map| map.primaries.clone());
        nodes.extend(self.seeds.iter().filter(|seed| !nodes.contains(seed)).cloned().collect::<Vec<_>>());
        let mut asked = tokio::task::JoinSet::new();
        for node in nodes {
            // Not a link of a line: that one may be waiting to be lost.
            let link = self.link_to_server(&node);
            asked.spawn(async move {
                let mut ask = redis::cmd("CLUSTER");
                ask.arg("SLOTS");
                let answer = link.send(&ask).await?;
                ranges(&answer, &node).ok_or_else(|| Fault::Refused("CLUSTER SLOTS has no known answer".to_owned()))
            });
        }
        let mut worst = Fault::Lost("no server of the cluster is reached".to_owned());
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(ranges)) if !ranges.is_empty() => {
                    self.with_map(|map| map.replace(ranges));
                    return Ok(());
                }
                Ok(Ok(_)) => worst = Fault::Busy("the cluster has no slots yet".to_owned()),
                Ok(Err(fault)) => worst = fault,
                Err(_) => {}
            }
        }
        Err(worst)
    }

    fn with_map<T>(&self, work: impl FnOnce(&mut Map) -> T) -> T {
        work(&mut self.map.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A look in the background; however it ends, another may begin.
struct Looking(Arc<Cluster>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.looking.store(false, Ordering::Release);
    }
}

/// Reads `CLUSTER SLOTS`: first slot, last slot, primary, replicas. No host means that of the server asked.
fn ranges(answer: &Value, asked: &RedisNode) -> Option<Ranges> {
    let Value::Array(entries) = answer else { return None };
    let entry = |entry: &Value| {
        let Value::Array(entry) = entry else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = entry.as_slice() else { return None };
        let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
        let host = match host {
            Value::BulkString(host) if !host.is_empty() && host != b"?" => String::from_utf8(host.clone()).ok()?,
            _ => asked.host.clone(),
        };
        let node = RedisNode { host, port: u16::try_from(*port).ok()? };
        Some((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, node))
    };
    entries.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str) -> RedisNode {
        RedisNode { host: host.to_owned(), port: 7000 }
    }

    #[test]
    fn slots_are_read_and_assigned() {
        let primary = |host: &[u8]| Value::Array(vec![Value::BulkString(host.to_vec()), Value::Int(7000)]);
        let entry = |first, last, host| Value::Array(vec![Value::Int(first), Value::Int(last), primary(host)]);
        let answer = Value::Array(vec![entry(0, 8_191, b"10.0.0.2"), entry(8_192, 16_383, b"")]);
        let mut map = Map::default();
        map.replace(ranges(&answer, &node("10.0.0.1")).expect("an answer as servers give it"));
        assert_eq!((map.primary(0), map.primary(16_383)), (Some(&node("10.0.0.2")), Some(&node("10.0.0.1"))));
        map.assign(0, 0, node("10.0.0.3"));
        assert_eq!((map.primary(0), map.primary(1)), (Some(&node("10.0.0.3")), Some(&node("10.0.0.2"))));
        assert_eq!(ranges(&Value::Nil, &node("10.0.0.1")), None);
    }
}
