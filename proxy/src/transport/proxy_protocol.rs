//! The PROXY protocol, versions 1 and 2: a proxy that only passes bytes on says in front of them whose they are.
//!
//! A listener either requires the header or does not look for one. Were it taken where it happens to be, any client could
//! send one and be whoever it likes; were it optional, a proxy that forgets it would pass for its clients. So it is read on
//! the listeners that [the config](sluice_config::Server::proxy_protocol) names, from trusted proxies, and whatever else
//! comes there is closed without a byte. No byte behind the header is read here.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | a header of version 1 | 107 bytes | closed, `too_long` |
//! | one of version 2, with what is attached to its addresses | 536 bytes | closed, `too_long` |
//! | time | `handshake_timeout`, together with the handshake | closed, `too_slow` |

#[cfg(test)]
mod tests;

use std::{io, net::IpAddr};

use ipnet::IpNet;
use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{Instant, timeout_at},
};

const BEGIN_V1: &[u8] = b"PROXY ";
const BEGIN_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// As many bytes as every header has and both kinds can be told apart by.
const BEGIN_BYTES: usize = BEGIN_V2.len();
/// Behind the beginning of version 2: version and command, family, and the length of the rest.
const V2_FIXED_BYTES: usize = BEGIN_BYTES + 4;
const V1_BYTES_MAX: usize = 107;
/// Room for two Unix addresses and 304 bytes of what may be attached; 520 bytes behind the fixed part.
const V2_BYTES_MAX: usize = V2_FIXED_BYTES + 520;
/// Version 2, sent by the proxy on its own behalf: a health check. Whatever else it says is to be ignored.
const V2_LOCAL: u8 = 0x20;

/// Why a connection is closed before anything of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The peer is no trusted proxy.
    Untrusted,
    /// There is no header, or one that is not in order.
    Malformed,
    TooLong,
    TooSlow,
    /// The peer has gone in the middle of it.
    Ended,
}

impl Refused {
    /// Every reason.
    pub(crate) const ALL: [Self; 5] = [Self::Untrusted, Self::Malformed, Self::TooLong, Self::TooSlow, Self::Ended];

    /// A short fixed name: a metric label.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted_peer",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::TooSlow => "too_slow",
            Self::Ended => "ended",
        }
    }
}

impl From<io::Error> for Refused {
    fn from(_: io::Error) -> Self {
        Self::Ended
    }
}

/// Reads a header, and nothing behind it. `None`: the proxy speaks for itself, or of a client without an IP address.
///
/// # Errors
/// [`Refused`]: the connection is to be closed.
pub(crate) async fn client_of(
    tcp: &mut TcpStream,
    peer: IpAddr,
    trusted: &[IpNet],
    deadline: Instant,
) -> Result<Option<IpAddr>, Refused> {
    let peer = peer.to_canonical();
    if !trusted.iter().any(|net| net.contains(&peer)) {
        return Err(Refused::Untrusted);
    }
    timeout_at(deadline, read(tcp)).await.unwrap_or(Err(Refused::TooSlow))
}

async fn read(tcp: &mut TcpStream) -> Result<Option<IpAddr>, Refused> {
    let mut header = [0; V2_BYTES_MAX];
    let mut length = 0;
    while length < BEGIN_BYTES {
        let bytes = tcp.read(&mut header[length..BEGIN_BYTES]).await?;
        if bytes == 0 {
            return Err(Refused::Ended);
        }
        length += bytes;
        let begins = |with: &[u8]| header[..length].iter().zip(with).all(|(a, b)| a == b);
        if !begins(BEGIN_V1) && !begins(BEGIN_V2) {
            return Err(Refused::Malformed);
        }
    }
    if header.starts_with(BEGIN_V2) { rest_of_v2(tcp, &mut header).await } else { rest_of_v1(tcp, &mut header).await }
}

/// A line. It is looked at before it is taken, since what is behind it is not ours.
async fn rest_of_v1(tcp: &mut TcpStream, header: &mut [u8; V2_BYTES_MAX]) -> Result<Option<IpAddr>, Refused> {
    let mut length = BEGIN_BYTES;
    loop {
        let room = &mut header[length..V1_BYTES_MAX];
        if room.is_empty() {
            return Err(Refused::TooLong);
        }
        let there = tcp.peek(room).await?;
        if there == 0 {
            return Err(Refused::Ended);
        }
        let end = memchr::memchr(b'\n', &room[..there]);
        let taken = end.map_or(there, |at| at + 1);
        tcp.read_exact(&mut room[..taken]).await?;
        length += taken;
        if end.is_some() {
            return parse(&header[..length]);
        }
    }
}

async fn rest_of_v2(tcp: &mut TcpStream, header: &mut [u8; V2_BYTES_MAX]) -> Result<Option<IpAddr>, Refused> {
    tcp.read_exact(&mut header[BEGIN_BYTES..V2_FIXED_BYTES]).await?;
    let rest = usize::from(u16::from_be_bytes([header[BEGIN_BYTES + 2], header[BEGIN_BYTES + 3]]));
    let Some(behind) = header.get_mut(V2_FIXED_BYTES..V2_FIXED_BYTES + rest) else { return Err(Refused::TooLong) };
    tcp.read_exact(behind).await?;
    if header[BEGIN_BYTES] == V2_LOCAL {
        return Ok(None);
    }
    parse(&header[..V2_FIXED_BYTES + rest])
}

/// The client that a whole header names.
fn parse(header: &[u8]) -> Result<Option<IpAddr>, Refused> {
    // The library takes a sign in front of a port for a part of the number.
    if header.starts_with(BEGIN_V1) && header.contains(&b'+') {
        return Err(Refused::Malformed);
    }
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    let (parsed, length) = ProxyHeader::parse(header, config).map_err(|_| Refused::Malformed)?;
    if length != header.len() {
        return Err(Refused::Malformed);
    }
    match parsed.proxied_address() {
        None => Ok(None),
        // This is a listener of TCP.
        Some(address) if address.protocol == Protocol::Datagram => Err(Refused::Malformed),
        Some(address) => Ok(Some(address.source.ip().to_canonical())),
    }
}
