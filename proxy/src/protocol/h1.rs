//! HTTP/1.1: request after request.

mod downstream;
mod poll;

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    sync::Arc,
};

use pingora_core::{
    apps::{HttpPersistentSettings, HttpServerApp as _},
    protocols::http::ServerSession,
};

pub(crate) use self::downstream::Downstream;
use self::{downstream::HEAD_WITHIN, poll::may_be_poll};
use super::{Driver, FIRST_REQUEST, KEEPALIVE, REQUESTS_PER_CONNECTION_MAX};
use crate::transport::{Idle, connection::Connection, socket::Socket, tls::Presented};

impl Driver {
    /// Serves a connection until it ends. Between two requests nothing is held but the socket and one timer: visitors in
    /// a waiting room are connections that idle.
    pub(crate) async fn http1(&self, socket: Socket, tls: Option<Arc<Presented>>) {
        let peer = socket.peer().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let cut = self.service.node.metrics.connections_cut.clone();
        let mut client = Box::new(Downstream::new(socket, Connection { peer, tls }, cut));
        let mut idle = pin!(Idle::new(FIRST_REQUEST));
        let mut settings = None;
        for served in 0.. {
            let Some(Ok(())) = idle.as_mut().wait(|cx| client.poll_next_request(served, cx)).await else { return };
            let last = served + 1 >= u64::from(REQUESTS_PER_CONNECTION_MAX) || *self.shutdown.borrow();
            if let Some(head) = client.take_request(may_be_poll) {
                // In a box, so that an idle connection does not keep room for it.
                let poll = Box::pin(self.service.poll(&head, client.connection(), last)).await;
                // The passage lives until the answer is with the kernel: a node that leaves waits for it.
                if let Some((answer, _passage)) = poll {
                    if client.answer(answer).await.is_err() || last {
                        return;
                    }
                    idle.as_mut().restart(KEEPALIVE);
                    continue;
                }
                client.give_back(head);
            }
            let more = u64::from(REQUESTS_PER_CONNECTION_MAX).saturating_sub(served + 1);
            let proxied = self.proxy.process_new_http(session_of(client, settings.take(), more), &self.shutdown);
            let Some(next) = proxied.await else { return };
            let (stream, next_settings) = next.consume();
            (client, settings) = (Downstream::from_stream(stream), next_settings);
            idle.as_mut().restart(KEEPALIVE);
        }
    }
}

/// A request as pingora takes it, and `more` may come after it. By itself, so that an idle connection keeps no room for it.
fn session_of(client: Box<Downstream>, settings: Option<HttpPersistentSettings>, more: u64) -> ServerSession {
    let mut session = ServerSession::new_http1(client);
    if let Some(settings) = settings {
        HttpPersistentSettings::apply_to_session(settings, &mut session);
    }
    session.set_keepalive_reuses_remaining(u32::try_from(more).ok());
    // How long pingora waits for more of a head. Something of it is there, or on its way from `client`.
    session.set_keepalive(Some(HEAD_WITHIN.as_secs()));
    session
}
