//! What can go wrong on the way to the store and back, and what follows from it.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use sluice_config::RedisNode;

/// Why a call got no answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// The connection is of no use any more: broken, silent or refused.
    Lost(String),
    /// The server is a replica and takes no writes. Perhaps its name leads to another one by now.
    ReadOnly(String),
    /// The server answers, but not this call, not now.
    Busy(String),
    /// The server does not know the script (any more).
    NoScript,
    /// The line's slot is on another server of the cluster.
    Moved(RedisNode),
    /// The server refuses what we ask, and would again.
    Refused(String),
}

impl Fault {
    /// Why, in words.
    pub(super) fn into_reason(self) -> String {
        match self {
            Self::Lost(why) | Self::ReadOnly(why) | Self::Busy(why) | Self::Refused(why) => why,
            Self::NoScript => "the server has no such script".to_owned(),
            Self::Moved(node) => format!("the slot is on {}", address(&node)),
        }
    }
}

impl Fault {
    /// Judges an error of the client library. `from` is the server that it came from.
    pub(super) fn of(error: &RedisError, from: &RedisNode) -> Self {
        let said = || format!("{}: {}", address(from), sentence(error));
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::NoScript,
            ErrorKind::Server(ServerErrorKind::Moved) => match error.redirect_node().and_then(|to| parse(to.0, from)) {
                Some(node) => Self::Moved(node),
                None => Self::Busy(said()),
            },
            // While a slot is on its way its keys are on two servers, and no step can be made on either.
            ErrorKind::Server(
                ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown,
            ) => Self::Busy(said()),
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly(said()),
            ErrorKind::Server(_) => Self::Refused(said()),
            ErrorKind::Extension => match error.code() {
                Some("NOAUTH" | "WRONGPASS" | "UNBLOCKED") => Self::Lost(said()),
                Some("OOM" | "MISCONF" | "NOREPLICAS" | "BUSY") => Self::Busy(said()),
                _ => Self::Refused(said()),
            },
            _ => Self::Lost(said()),
        }
    }
}

/// What the server said, as people read it. It may repeat what it was sent, so the beginning of a connection,
/// in which the password is sent, must not use this.
fn sentence(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_owned(),
        _ => error.to_string(),
    }
}

/// `host:port`, an IPv6 address in brackets.
pub(super) fn address(node: &RedisNode) -> String {
    let RedisNode { host, port } = node;
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The address in a redirection; no host means that of the server that says so.
fn parse(text: &str, from: &RedisNode) -> Option<RedisNode> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() || host == "?" { &from.host } else { host };
    Some(RedisNode { host: host.to_owned(), port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: u16) -> RedisNode {
        RedisNode { host: host.to_owned(), port }
    }

    #[test]
    fn redirections_name_a_server() {
        let from = node("10.0.0.1", 6379);
        assert_eq!(parse("10.0.0.2:7000", &from), Some(node("10.0.0.2", 7000)));
        assert_eq!(parse(":7000", &from), Some(node("10.0.0.1", 7000)));
        assert_eq!(parse("::1:7000", &from), Some(node("::1", 7000)));
        assert_eq!(parse("nonsense", &from), None);
    }

    #[test]
    fn addresses_read_as_in_a_url() {
        assert_eq!(address(&node("::1", 6379)), "[::1]:6379");
        assert_eq!(address(&node("store.example.com", 6379)), "store.example.com:6379");
    }
}
