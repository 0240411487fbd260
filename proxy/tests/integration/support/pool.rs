//! A few hundred keep-alive connections for a few thousand visitors.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::{Connection, Request, Response};

/// Connections that are lent for one request at a time.
#[derive(Debug)]
pub(crate) struct Pool {
    addr: SocketAddr,
    at_once: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// At most `size` requests are under way at once.
    pub(crate) fn new(addr: SocketAddr, size: usize) -> Self {
        Self { addr, at_once: Semaphore::new(size), idle: Mutex::default() }
    }

    /// Asks on any connection. A connection that failed is not used again.
    ///
    /// # Errors
    /// If the node is not there, or goes away before it has answered.
    pub(crate) async fn ask(&self, request: &Request) -> io::Result<Response> {
        let _turn = self.at_once.acquire().await.map_err(io::Error::other)?;
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::try_open(self.addr).await?,
        };
        let response = connection.try_ask(request).await?;
        if !response.closes() {
            self.idle().push(connection);
        }
        Ok(response)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
