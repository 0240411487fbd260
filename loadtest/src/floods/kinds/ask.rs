//! A client that asks one request after the other, and comes again when its connection is closed.

use std::{net::Ipv4Addr, time::Duration};

use http::Request;
use tokio::time::{sleep, timeout};

use crate::{
    client::{Answer, Connection, Target, Trouble},
    floods::{
        kinds::pour::{Became, COMES_AGAIN_AFTER},
        raw::End,
    },
};

/// No answer, or no connection, within this is none.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A client, and what has become of it so far.
pub(super) struct Asking {
    to: Target,
    from: Ipv4Addr,
    connection: Option<Connection>,
    became: Became,
}

impl Asking {
    /// One that comes from this address, and has no connection yet.
    pub(super) fn new(to: Target, from: Ipv4Addr) -> Self {
        Self { to, from, connection: None, became: Became::default() }
    }

    /// Asks; `None`: no connection could be made, or no answer came. The next request opens another connection then.
    pub(super) async fn ask(&mut self, request: &Request<()>) -> Option<Answer> {
        if self.connection.is_none() {
            self.connection = self.open().await;
        }
        let connection = self.connection.as_mut()?;
        let answer = timeout(ANSWER_WITHIN, send(connection, request)).await;
        if let Ok(Ok(answer)) = answer {
            self.became.answered(answer.status);
            return Some(answer);
        }
        self.connection = None;
        self.became.end(End::Closed);
        None
    }

    /// It has had enough.
    pub(super) fn finish(mut self) -> Became {
        if self.connection.is_some() {
            self.became.end(End::Open);
        }
        self.became
    }

    async fn open(&mut self) -> Option<Connection> {
        let opened = timeout(ANSWER_WITHIN, Connection::open(&self.to.way, self.to.addr, Some(self.from))).await;
        if let Ok(Ok(connection)) = opened {
            self.became.connections += 1;
            return Some(connection);
        }
        self.became.refused += 1;
        sleep(COMES_AGAIN_AFTER).await;
        None
    }
}

async fn send(connection: &mut Connection, request: &Request<()>) -> Result<Answer, Trouble> {
    let ready = connection.ready(request)?;
    connection.send(ready).await
}
