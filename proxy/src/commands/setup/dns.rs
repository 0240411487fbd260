//! What DNS says of a host: its addresses with their time to live, and who may sign for it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use ring::rand::{SecureRandom as _, SystemRandom};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, TYPE, rdata::RData};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// For one attempt.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
const PORT: u16 = 53;

/// What there is under a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    pub(super) addresses: Vec<IpAddr>,
    /// The least time to live of all that leads to the addresses, in seconds.
    pub(super) ttl_s: Option<u32>,
    /// Who may sign certificates; empty: any authority.
    pub(super) issuers: Vec<String>,
}

/// The resolver that this machine uses.
pub(super) fn system() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let ip: IpAddr = servers.map(str::trim).next()?.parse().ok()?;
    Some(SocketAddr::new(ip, PORT))
}

/// Asks a resolver for all that matters of a host.
pub(super) async fn look_up(resolver: SocketAddr, host: &str) -> Result<Records, String> {
    let mut records = Records::default();
    for kind in [TYPE::A, TYPE::AAAA] {
        ask(resolver, host, kind, &mut records).await?;
    }
    // RFC 8659, 3: the first name towards the root that has such records decides.
    let mut name = Some(host);
    while let Some(at) = name.filter(|name| name.contains('.') && records.issuers.is_empty()) {
        ask(resolver, at, TYPE::CAA, &mut records).await?;
        name = at.split_once('.').map(|(_, parent)| parent);
    }
    Ok(records)
}

async fn ask(resolver: SocketAddr, host: &str, kind: TYPE, records: &mut Records) -> Result<(), String> {
    let because = |why: &dyn std::fmt::Display| format!("{resolver}: {why}");
    let query = query(host, kind)?;
    let mut answer = None;
    for _ in 0..ATTEMPTS {
        if let Ok(Ok(bytes)) = timeout(ANSWER_WITHIN, by_udp(resolver, &query)).await {
            answer = Some(bytes);
            break;
        }
    }
    let mut bytes = answer.ok_or_else(|| because(&"no answer"))?;
    let is_cut = Packet::parse(&bytes).map_err(|e| because(&e))?.has_flags(PacketFlag::TRUNCATION);
    if is_cut {
        let whole = timeout(ANSWER_WITHIN, by_tcp(resolver, &query)).await;
        bytes = whole.map_err(|_| because(&"no answer over TCP"))?.map_err(|e| because(&e))?;
    }
    let packet = Packet::parse(&bytes).map_err(|e| because(&e))?;
    for record in &packet.answers {
        match &record.rdata {
            RData::A(a) => records.addresses.push(Ipv4Addr::from_bits(a.address).into()),
            RData::AAAA(aaaa) => records.addresses.push(Ipv6Addr::from_bits(aaaa.address).into()),
            RData::CAA(caa) if caa.tag.to_string().eq_ignore_ascii_case("issue") => {
                records.issuers.push(String::from_utf8_lossy(&caa.value).trim_matches('"').to_owned());
            }
            _ => {}
        }
        if kind != TYPE::CAA {
            records.ttl_s = Some(records.ttl_s.map_or(record.ttl, |least| least.min(record.ttl)));
        }
    }
    Ok(())
}

fn query(host: &str, kind: TYPE) -> Result<Vec<u8>, String> {
    let mut id = [0; 2];
    // Fails only if the system has no randomness at all; the socket's port is random as well.
    let _ = SystemRandom::new().fill(&mut id);
    let mut packet = Packet::new_query(u16::from_be_bytes(id));
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(host).map_err(|error| format!("{host}: {error}"))?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(|error| format!("{host}: {error}"))
}

async fn by_udp(resolver: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: SocketAddr =
        if resolver.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(resolver).await?;
    socket.send(query).await?;
    let mut bytes = vec![0; 4096];
    loop {
        let length = socket.recv(&mut bytes).await?;
        // The answer to this very question.
        if length > 2 && bytes[..2] == query[..2] {
            bytes.truncate(length);
            return Ok(bytes);
        }
    }
}

async fn by_tcp(resolver: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    let length = u16::try_from(query.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], query].concat()).await?;
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
