//! Host names to addresses: by the system, or by resolvers of an operator's choice.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | an answer | 2 s | asked once more over UDP, then the next resolver |
//! | an answer over UDP | 4 KiB | it is cut, and asked for over TCP |
//! | an answer over TCP | 64 KiB, as its length has two bytes | |

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher as _, RandomState},
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket},
    time::{Duration, Instant},
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, rdata::RData};

/// For one attempt.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
const UDP_BYTES_MAX: usize = 4 << 10;

/// The addresses of a host, with this port: as the first of the resolvers says that answers, or the system if there are
/// none. A resolver is asked for the name as it is: neither the system's file of hosts nor its search domains count.
/// Blocking.
///
/// # Errors
///
/// The host is not known, or none of them says whether it is.
pub fn addresses(resolvers: &[SocketAddr], host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if resolvers.is_empty() {
        return Ok((host, port).to_socket_addrs()?.collect());
    }
    let mut said = Err(io::Error::other("no resolver"));
    for &resolver in resolvers {
        said = of_both_families(resolver, host);
        if said.is_ok() {
            break;
        }
    }
    Ok(said?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// Both must be answered: one of them alone would take the servers of the other family away.
fn of_both_families(resolver: SocketAddr, host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for kind in [TYPE::A, TYPE::AAAA] {
        let bytes = ask(resolver, host, kind)?;
        let packet = Packet::parse(&bytes).map_err(io::Error::other)?;
        match packet.rcode() {
            // A host that is not there has no addresses.
            RCODE::NoError | RCODE::NameError => {}
            other => return Err(io::Error::other(format!("{resolver} answers {other:?}"))),
        }
        addresses.extend(packet.answers.iter().filter_map(|record| match &record.rdata {
            RData::A(a) => Some(IpAddr::from(Ipv4Addr::from_bits(a.address))),
            RData::AAAA(aaaa) => Some(Ipv6Addr::from_bits(aaaa.address).into()),
            _ => None,
        }));
    }
    Ok(addresses)
}

/// What a resolver answers to one question, as it came: a message that can be parsed. Blocking.
///
/// # Errors
///
/// It does not answer in time, or the name is none of DNS.
pub fn ask(resolver: SocketAddr, host: &str, kind: TYPE) -> io::Result<Vec<u8>> {
    let query = query(host, kind)?;
    let because = |error: io::Error| io::Error::new(error.kind(), format!("{resolver} does not answer: {error}"));
    let mut answer = by_udp(resolver, &query);
    for _ in 1..ATTEMPTS {
        if answer.is_err() {
            answer = by_udp(resolver, &query);
        }
    }
    let answer = answer.map_err(because)?;
    if is_cut(&answer, &query) { by_tcp(resolver, &query).map_err(because) } else { Ok(answer) }
}

fn query(host: &str, kind: TYPE) -> io::Result<Vec<u8>> {
    let malformed = |error| io::Error::new(io::ErrorKind::InvalidInput, format!("{host}: {error}"));
    // Not to be foreseen from outside, like the port, which is the system's choice: who does not see the question cannot answer it.
    let id = u16::from_be_bytes(first_two(RandomState::new().hash_one(host).to_be_bytes()));
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(host).map_err(malformed)?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(malformed)
}

fn first_two([a, b, ..]: [u8; 8]) -> [u8; 2] {
    [a, b]
}

fn by_udp(resolver: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(resolver)?;
    socket.send(query)?;
    let until = Instant::now() + ANSWER_WITHIN;
    let mut bytes = vec![0; UDP_BYTES_MAX];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut bytes) {
            // So it is called on Unix.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            received => received?,
        };
        if answers(&bytes[..length], query) || is_cut(&bytes[..length], query) {
            bytes.truncate(length);
            return Ok(bytes);
        }
    }
}

fn by_tcp(resolver: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let until = Instant::now() + ANSWER_WITHIN;
    let mut stream = TcpStream::connect_timeout(&resolver, ANSWER_WITHIN)?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], query].concat())?;
    let mut length = [0; 2];
    read_until(&mut stream, &mut length, until)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    read_until(&mut stream, &mut bytes, until)?;
    if answers(&bytes, query) { Ok(bytes) } else { Err(io::Error::other("another question was answered")) }
}

/// Fills `bytes`, however slowly they come, until then.
fn read_until(stream: &mut TcpStream, mut bytes: &mut [u8], until: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => bytes = &mut bytes[length..],
        }
    }
    Ok(())
}

/// Whether it is the beginning of an answer to a question with this number (RFC 1035, 4.1.1), cut as it may be.
fn is_cut(bytes: &[u8], query: &[u8]) -> bool {
    const RESPONSE_AND_TRUNCATED: u8 = 0x82;
    let is_ours = bytes.get(..2).is_some_and(|id| query.get(..2) == Some(id));
    is_ours && bytes.get(2).is_some_and(|flags| flags & RESPONSE_AND_TRUNCATED == RESPONSE_AND_TRUNCATED)
}

/// Whether it is a whole answer to this very question.
fn answers(bytes: &[u8], query: &[u8]) -> bool {
    let (Ok(answer), Ok(query)) = (Packet::parse(bytes), Packet::parse(query)) else { return false };
    let asked = |packet: &Packet<'_>| {
        let question = packet.questions.first()?;
        Some((question.qname.to_string().to_ascii_lowercase(), question.qtype))
    };
    answer.id() == query.id() && answer.has_flags(PacketFlag::RESPONSE) && asked(&answer) == asked(&query)
}
