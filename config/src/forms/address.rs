//! Addresses to listen on and to connect to, and networks.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use ipnet::IpNet;

use super::host;
use crate::diagnostics::{Wrong, words};

/// `host:port`, or an IP address and a port, as a config writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// Name or address, an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => write!(f, "{host}:{port}"),
            None => f.write_str(&host),
        }
    }
}

/// An address to listen on. Port 0 lets the system choose one.
pub(crate) fn listen(written: &str) -> Result<SocketAddr, Wrong> {
    written.parse().map_err(|_| {
        let port = written.strip_prefix(':').or(written.strip_prefix("*:")).map(words::harmless);
        let help = match (written.parse::<IpAddr>(), port) {
            (Ok(IpAddr::V4(ip)), _) => format!("write \"{ip}:8080\""),
            (Ok(IpAddr::V6(ip)), _) => format!("write \"[{ip}]:8080\""),
            (_, Some(port)) => format!("write \"0.0.0.0:{port}\", or \"[::]:{port}\" for IPv6 too"),
            _ => "write one of this machine's addresses and a port: \"127.0.0.1:8080\", \"[::]:443\"".into(),
        };
        Wrong::malformed("an address to listen on is an IP address and a port", help)
    })
}

/// A resolver of DNS.
pub(crate) fn resolver(written: &str) -> Result<SocketAddr, Wrong> {
    let resolver: Option<SocketAddr> = written.parse().ok();
    resolver.filter(|resolver| resolver.port() != 0 && !resolver.ip().is_unspecified()).ok_or_else(|| {
        let help = match written.parse::<IpAddr>() {
            Ok(ip) => format!("write \"{}\"", SocketAddr::new(ip, 53)),
            Err(_) => "write its IP address and port: \"127.0.0.1:8600\", \"[::1]:53\"".into(),
        };
        Wrong::malformed("a resolver is an IP address and a port", help)
    })
}

/// A network (CIDR) or a single address.
pub(crate) fn network(written: &str) -> Result<IpNet, Wrong> {
    if let Ok(address) = written.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet = written.parse().map_err(|_| {
        Wrong::malformed("not a network", "write an address and a prefix length: \"10.0.0.0/8\", \"2001:db8::/32\"")
    })?;
    // 10.1.2.3/8 may mean the one address or the sixteen million.
    if network.trunc() != network {
        let (whole, single) = (network.trunc(), network.addr());
        return Err(Wrong::malformed(
            "the address has bits outside its prefix",
            format!("write \"{whole}\" for the whole network, or \"{single}\" for the one address"),
        ));
    }
    Ok(network)
}

/// Splits `host:port` and checks both. An IPv6 address with a port stands in brackets.
pub(crate) fn host_port(written: &str) -> Result<HostPort, Wrong> {
    if let Some((scheme, _)) = written.split_once("://") {
        return Err(Wrong::malformed(
            format!("an address, not a URL: leave out `{}://`", words::harmless(scheme)),
            "write a host and a port: \"127.0.0.1:9000\", \"app.example.com:80\"",
        ));
    }
    if let Some(rest) = written.strip_prefix('[') {
        let malformed = || Wrong::malformed("not an IPv6 address and port", "write \"[2001:db8::1]:9000\"");
        let (address, rest) = rest.split_once(']').ok_or_else(malformed)?;
        let address: Ipv6Addr = address.parse().map_err(|_| malformed())?;
        let port = match rest {
            "" => None,
            rest => Some(port(rest.strip_prefix(':').ok_or_else(malformed)?)?),
        };
        return Ok(HostPort { host: address.to_string(), port });
    }
    let (host, port) = match written.split_once(':') {
        Some((_, rest)) if rest.contains(':') => {
            return Err(Wrong::malformed("an IPv6 address stands in brackets", "write \"[2001:db8::1]:9000\""));
        }
        Some((host, digits)) => (host, Some(port(digits)?)),
        None => (written, None),
    };
    Ok(HostPort { host: host::name(host)?, port })
}

fn port(digits: &str) -> Result<u16, Wrong> {
    let port = digits.parse().ok().filter(|port| *port != 0);
    port.filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| Wrong::malformed("not a port", "write a number from 1 to 65535 after the colon"))
}
