//! Several nodes of one shop that share their lines in Redis.

use std::{net::SocketAddr, time::Duration};

use super::{Node, Origin, Setup, Tenant, until_within};
use crate::servers::Server;

/// So long it may take until every node has found its store again: longer than any pause between two attempts.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// Nodes with a folder each and the same keys, and the origin behind them all.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) nodes: [Node; 3],
    pub(crate) origin: Origin,
}

impl Fleet {
    /// Three nodes of a shop as `furnish` makes it, with a `[store]` of these lines; each as `prepare` makes it.
    pub(crate) async fn start(
        store: &str,
        furnish: impl FnOnce(Tenant) -> Tenant,
        prepare: impl Fn(usize, Setup) -> Setup,
    ) -> Self {
        let origin = Origin::start().await;
        let shop = furnish(Tenant::shop(origin.addr()));
        let node = |at| prepare(at, Setup::new(shop.clone()).store(store)).start();
        Self { nodes: [node(0).await, node(1).await, node(2).await], origin }
    }

    /// Where visitors are served.
    pub(crate) fn http(&self) -> [SocketAddr; 3] {
        self.nodes.each_ref().map(|node| node.http)
    }

    /// Waits until every node reaches all lines.
    pub(crate) async fn until_whole(&self) {
        for node in &self.nodes {
            until_within(BACK_WITHIN, "the node reaches the store", async || {
                let ready = node.admin("/health/ready").await.json();
                ready["silent_lines"].as_array().unwrap().is_empty().then_some(())
            })
            .await;
        }
    }
}

/// The `[store]` of one server.
pub(crate) fn one(server: &Server) -> String {
    at(server.port)
}

/// The `[store]` of a server behind this port.
pub(crate) fn at(port: u16) -> String {
    format!("url = \"redis://127.0.0.1:{port}\"")
}
