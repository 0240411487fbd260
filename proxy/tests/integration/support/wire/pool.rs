//! A few hundred keep-alive connections for a few thousand visitors.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Semaphore;

use crate::support::{Connection, Request, Response, dice::Dice};

/// Connections that are lent for one request at a time, to any of some nodes.
#[derive(Debug)]
pub(crate) struct Pool {
    nodes: Vec<Idle>,
    at_once: Semaphore,
    asked: AtomicU64,
}

#[derive(Debug)]
struct Idle {
    addr: SocketAddr,
    connections: Mutex<Vec<Connection>>,
}

impl Pool {
    /// At most `size` requests are under way at once.
    pub(crate) fn new(nodes: &[SocketAddr], size: usize) -> Self {
        let nodes = nodes.iter().map(|&addr| Idle { addr, connections: Mutex::default() }).collect();
        Self { nodes, at_once: Semaphore::new(size), asked: AtomicU64::new(0) }
    }

    /// Asks a node chosen at random on any connection to it. A connection that failed is not used again.
    ///
    /// # Errors
    /// If the node is not there, or goes away before it has answered.
    pub(crate) async fn ask(&self, request: &Request) -> io::Result<Response> {
        let _turn = self.at_once.acquire().await.map_err(io::Error::other)?;
        let node = self.any();
        let idle = node.connections().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::try_open(node.addr).await?,
        };
        let response = connection.try_ask(request).await?;
        if !response.closes() {
            node.connections().push(connection);
        }
        Ok(response)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
    fn any(&self) -> &Idle {
        let mut dice = Dice(self.asked.fetch_add(1, Ordering::Relaxed));
        let at = (dice.roll() * self.nodes.len() as f64) as usize;
        &self.nodes[at.min(self.nodes.len() - 1)]
    }
}

impl Idle {
    fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
