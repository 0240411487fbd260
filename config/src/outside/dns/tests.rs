use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use simple_dns::{
    ResourceRecord,
    rdata::{A, AAAA},
};

use super::*;

/// What a resolver says to a question.
type Says = fn(&mut Packet<'_>);

fn v4(reply: &mut Packet<'_>, last: u8) {
    let question = reply.questions[0].clone();
    let data = RData::A(A { address: Ipv4Addr::new(192, 0, 2, last).to_bits() });
    let record = ResourceRecord::new(question.qname.into_owned(), CLASS::IN, 5, data);
    if record.match_qtype(question.qtype) {
        reply.answers.push(record);
    }
}

fn v6(reply: &mut Packet<'_>) {
    let question = reply.questions[0].clone();
    let data = RData::AAAA(AAAA { address: Ipv6Addr::LOCALHOST.to_bits() });
    let record = ResourceRecord::new(question.qname.into_owned(), CLASS::IN, 5, data);
    if record.match_qtype(question.qtype) {
        reply.answers.push(record);
    }
}

fn is_for(reply: &Packet<'_>, kind: TYPE) -> bool {
    reply.questions[0].qtype == QTYPE::TYPE(kind)
}

fn reply(query: &[u8], says: Says) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let mut reply = Packet::new_reply(query.id());
    reply.questions.push(query.questions[0].clone());
    says(&mut reply);
    reply.build_bytes_vec().unwrap()
}

/// A resolver that says this over UDP, and that over TCP; and how often it was asked.
fn resolver(udp: Says, tcp: Says) -> (SocketAddr, Arc<Mutex<usize>>) {
    let (listener, socket) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()) {
            break (listener, socket);
        }
    };
    let (addr, asked) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(0)));
    let count = asked.clone();
    thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut bytes) {
            *count.lock().unwrap() += 1;
            // What a stranger might send in between.
            socket.send_to(b"garbage", peer).unwrap();
            let mut other = bytes[..length].to_vec();
            other[0] ^= 1;
            socket.send_to(&reply(&other, |reply| v4(reply, 66)), peer).unwrap();
            socket.send_to(&reply(&bytes[..length], udp), peer).unwrap();
        }
    });
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query).unwrap();
            let reply = reply(&query, tcp);
            stream.write_all(&[&u16::try_from(reply.len()).unwrap().to_be_bytes()[..], &reply].concat()).unwrap();
        }
    });
    (addr, asked)
}

fn fails(reply: &mut Packet<'_>) {
    *reply.rcode_mut() = RCODE::ServerFailure;
}

fn shown(resolvers: &[SocketAddr]) -> Vec<String> {
    let found = addresses(resolvers, "app.example.com", 80).unwrap();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn addresses_of_both_families_are_asked_for_and_other_messages_ignored() {
    let (both, asked) = resolver(|reply| (v4(reply, 1), v6(reply), v4(reply, 2)).2, fails);
    assert_eq!(shown(&[both]), ["192.0.2.1:80", "192.0.2.2:80", "[::1]:80"]);
    assert_eq!(*asked.lock().unwrap(), 2);
}

#[test]
fn an_answer_that_is_cut_is_asked_for_over_tcp() {
    let cut: Says = |reply| reply.set_flags(PacketFlag::TRUNCATION);
    let (resolver, _) = resolver(cut, |reply| v4(reply, 7));
    assert_eq!(shown(&[resolver]), ["192.0.2.7:80"]);
}

#[test]
fn the_next_resolver_is_asked_where_one_fails() {
    let (bad, _) = resolver(fails, fails);
    let (good, _) = resolver(|reply| v4(reply, 1), fails);
    assert_eq!(shown(&[bad, good]), ["192.0.2.1:80"]);
    let error = addresses(&[good, bad], "app.example.com", 80).map(|_| addresses(&[bad], "app.example.com", 80));
    let error = error.unwrap().unwrap_err().to_string();
    assert!(error.contains(&bad.to_string()) && error.contains("ServerFailure"), "{error}");
}

#[test]
fn one_family_that_fails_is_no_answer() {
    let half: Says = |reply| if is_for(reply, TYPE::AAAA) { fails(reply) } else { v4(reply, 1) };
    let (half, _) = resolver(half, fails);
    assert!(addresses(&[half], "app.example.com", 80).is_err(), "the servers of the other family would be lost");
}

#[test]
fn a_host_that_is_not_there_has_no_addresses() {
    let (knows, asked) = resolver(|reply| *reply.rcode_mut() = RCODE::NameError, fails);
    let (other, _) = resolver(|reply| v4(reply, 1), fails);
    assert!(shown(&[knows, other]).is_empty(), "that is an answer: no other one is asked");
    assert_eq!(*asked.lock().unwrap(), 2);
}
