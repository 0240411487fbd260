//! Ports that outlive a process: a node that is killed must find its own again.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port that is kept: the socket is bound and never listens, so the system gives the port to nobody else, and a
/// listener that allows its address to be reused can still have it.
#[derive(Debug)]
pub(crate) struct Reserved {
    socket: TcpSocket,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { socket }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }
}
