//! Ports that are a test's own before a server listens there, and still are when it has ended.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port that is kept: the socket is bound and never listens, so the system gives the port to nobody else, as a
/// listener or as the near end of a connection, and a listener that allows its address to be reused can still have it.
#[derive(Debug)]
pub struct Reserved {
    socket: TcpSocket,
}

impl Reserved {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { socket }
    }

    pub fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.addr().port()
    }
}
