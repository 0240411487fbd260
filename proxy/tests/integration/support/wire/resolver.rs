//! A resolver of DNS that says of every host what a test wants.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use simple_dns::{
    CLASS, CharacterString, Packet, RCODE, ResourceRecord,
    rdata::{A, AAAA, CAA, RData},
};

/// What there is under every name.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) ttl: u32,
    pub(crate) v4: Vec<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
    pub(crate) issuer: Option<&'static str>,
}

impl Default for Zone {
    fn default() -> Self {
        Self { ttl: 60, v4: vec![Ipv4Addr::new(203, 0, 113, 9)], v6: None, issuer: None }
    }
}

impl Zone {
    pub(crate) fn of(addresses: &[Ipv4Addr]) -> Self {
        Self { v4: addresses.to_vec(), ..Self::default() }
    }
}

/// How it fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It hears the question and says nothing.
    Silent,
    /// It could not find out (SERVFAIL).
    Fails,
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    Garbage,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Fails, Self::NoSuchName, Self::Garbage, Self::Silent];
}

/// A resolver that runs until the test process ends.
#[derive(Debug)]
pub(crate) struct Resolver {
    pub(crate) addr: SocketAddr,
    says: Arc<Mutex<Result<Zone, Fault>>>,
}

impl Resolver {
    pub(crate) fn start() -> Self {
        Self::saying(Zone::default())
    }

    pub(crate) fn saying(zone: Zone) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (addr, says) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Ok(zone))));
        let shared = says.clone();
        thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut bytes) {
                if let Some(reply) = reply(&bytes[..length], &said(&shared)) {
                    socket.send_to(&reply, peer).unwrap();
                }
            }
        });
        Self { addr, says }
    }

    pub(crate) fn says(&self, zone: Zone) {
        *said(&self.says) = Ok(zone);
    }

    pub(crate) fn fails(&self, fault: Fault) {
        *said(&self.says) = Err(fault);
    }
}

fn said(says: &Mutex<Result<Zone, Fault>>) -> MutexGuard<'_, Result<Zone, Fault>> {
    says.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reply(query: &[u8], says: &Result<Zone, Fault>) -> Option<Vec<u8>> {
    let query = Packet::parse(query).unwrap();
    let question = &query.questions[0];
    let mut reply = Packet::new_reply(query.id());
    reply.questions.push(question.clone());
    match says {
        Ok(zone) => {
            let v4 = zone.v4.iter().map(|ip| RData::A(A { address: ip.to_bits() }));
            let v6 = zone.v6.map(|ip| RData::AAAA(AAAA { address: ip.to_bits() }));
            let issuer = zone.issuer.map(|issuer| {
                RData::CAA(CAA {
                    flag: 0,
                    tag: CharacterString::new(b"issue").unwrap(),
                    value: issuer.as_bytes().into(),
                })
            });
            let every = v4.chain(v6).chain(issuer);
            let records = every.map(|data| ResourceRecord::new(question.qname.clone(), CLASS::IN, zone.ttl, data));
            reply.answers.extend(records.filter(|record| record.match_qtype(question.qtype)));
        }
        Err(Fault::Silent) => return None,
        Err(Fault::Fails) => *reply.rcode_mut() = RCODE::ServerFailure,
        Err(Fault::NoSuchName) => *reply.rcode_mut() = RCODE::NameError,
        Err(Fault::Garbage) => return Some(b"garbage".to_vec()),
    }
    Some(reply.build_bytes_vec().unwrap())
}
