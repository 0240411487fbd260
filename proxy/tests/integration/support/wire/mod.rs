//! What clients put on the wire: requests and connections, in order or not.

pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod frames;
pub(crate) mod http2;
pub(crate) mod message;
pub(crate) mod pool;
pub(crate) mod resolver;
pub(crate) mod tls;
