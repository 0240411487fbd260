//! Sites and a resolver that are made for a test, each with as many faults as it wants.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::SystemTime,
};

use simple_dns::{
    CLASS, CharacterString, Packet, ResourceRecord,
    rdata::{A, AAAA, CAA, RData},
};

/// A request as it came.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    /// In lower case.
    head: String,
    pub(super) peer: IpAddr,
}

impl Asked {
    /// The value of a field, by its name in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A site that runs until the test process ends.
pub(super) struct Site {
    pub(super) addr: SocketAddr,
}

impl Site {
    /// Answers with status, further fields as `Name: value` lines, and a body.
    pub(super) fn start(answer: impl Fn(&Asked) -> (u16, String, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.clone();
                // A client that goes away in between is no matter of the site's.
                thread::spawn(move || serve(stream, &*answer));
            }
        });
        Self { addr }
    }
}

fn serve(mut stream: std::net::TcpStream, answer: &dyn Fn(&Asked) -> (u16, String, String)) -> Option<()> {
    let peer = stream.peer_addr().ok()?.ip();
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&piece[..length]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (status, fields, body) = answer(&Asked { method, path, head: head.to_ascii_lowercase(), peer });
    let fields: String = fields.lines().map(|line| format!("{line}\r\n")).collect();
    let length =
        if status == 101 { String::new() } else { format!("Content-Length: {}\r\nConnection: close\r\n", body.len()) };
    write!(stream, "HTTP/1.1 {status} Status\r\n{fields}{length}\r\n{body}").ok()?;
    if status == 101 {
        // Until the other side closes.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    Some(())
}

/// `Date` of a moment.
pub(super) fn date(at: SystemTime) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let stamp = humantime::format_rfc3339_seconds(at).to_string();
    let month: usize = stamp[5..7].parse().unwrap();
    format!("Date: Mon, {} {} {} {} GMT", &stamp[8..10], MONTHS[month - 1], &stamp[..4], &stamp[11..19])
}

/// What a resolver says of every host.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) ttl: u32,
    pub(super) v4: Option<Ipv4Addr>,
    pub(super) v6: Option<Ipv6Addr>,
    pub(super) issuer: Option<&'static str>,
}

impl Default for Zone {
    fn default() -> Self {
        Self { ttl: 60, v4: Some(Ipv4Addr::new(203, 0, 113, 9)), v6: None, issuer: None }
    }
}

/// A resolver that runs until the test process ends.
pub(super) struct Resolver {
    pub(super) addr: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

impl Resolver {
    pub(super) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (addr, zone) = (socket.local_addr().unwrap(), Arc::<Mutex<Zone>>::default());
        let shared = zone.clone();
        thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut bytes) {
                let reply = reply(&bytes[..length], &shared.lock().unwrap());
                socket.send_to(&reply, peer).unwrap();
            }
        });
        Self { addr, zone }
    }

    pub(super) fn says(&self, zone: Zone) {
        *self.zone.lock().unwrap() = zone;
    }
}

fn reply(query: &[u8], zone: &Zone) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let question = &query.questions[0];
    let mut reply = Packet::new_reply(query.id());
    reply.questions.push(question.clone());
    let every = [
        zone.v4.map(|ip| RData::A(A { address: ip.to_bits() })),
        zone.v6.map(|ip| RData::AAAA(AAAA { address: ip.to_bits() })),
        zone.issuer.map(|issuer| {
            RData::CAA(CAA { flag: 0, tag: CharacterString::new(b"issue").unwrap(), value: issuer.as_bytes().into() })
        }),
    ];
    let records =
        every.into_iter().flatten().map(|data| ResourceRecord::new(question.qname.clone(), CLASS::IN, zone.ttl, data));
    reply.answers.extend(records.filter(|record| record.match_qtype(question.qtype)));
    reply.build_bytes_vec().unwrap()
}
