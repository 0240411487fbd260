//! Two builds of Sluice, with different script texts, share a line while a fleet is upgraded.
//!
//! The other build is this one behind a relay that puts another text in the place of the script.
#![allow(clippy::unwrap_used, missing_docs)]

mod conformance;
#[path = "redis/servers.rs"]
mod servers;

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use conformance::{ask, join, line, rules};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use servers::{Server, settings};
use sluice_admission::{
    line::{Batch, Verdict},
    store::{Redis, Store},
};
use sluice_config::{RedisNode, RedisSettings, RedisTopology};

/// How a store connects that is to have another script.
fn another_build(server: &Server) -> RedisSettings {
    let (listener, server) = (TcpListener::bind("127.0.0.1:0").unwrap(), server.port);
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
            let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut answers, &mut to_client));
            // Ends when either side does.
            thread::spawn(move || relay(BufReader::new(client), server));
        }
    });
    settings(RedisTopology::Single, vec![RedisNode { host: "127.0.0.1".to_owned(), port }])
}

fn relay(mut client: impl BufRead, mut server: TcpStream) -> io::Result<()> {
    let mut other_name = HashMap::new();
    loop {
        let mut words = command(&mut client)?;
        match words.as_mut_slice() {
            [script, load, text] if script == b"SCRIPT" && load == b"LOAD" => {
                let ours = sha(text);
                text.extend_from_slice(b"\n-- another build\n");
                other_name.insert(ours, sha(text));
            }
            [evalsha, name, ..] if evalsha == b"EVALSHA" => {
                // Before it has been loaded: a name that nothing has.
                *name = other_name.get(name).cloned().unwrap_or_else(|| vec![b'0'; 40]);
            }
            _ => {}
        }
        write!(server, "*{}\r\n", words.len())?;
        for word in words {
            write!(server, "${}\r\n", word.len())?;
            server.write_all(&word)?;
            server.write_all(b"\r\n")?;
        }
    }
}

/// A command as clients send it: an array of bulk strings.
fn command(client: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let words = length(client)?;
    let word = |_| {
        let mut word = vec![0; length(client)? + 2];
        client.read_exact(&mut word)?;
        word.truncate(word.len() - 2);
        Ok(word)
    };
    (0..words).map(word).collect()
}

fn length(client: &mut impl BufRead) -> io::Result<usize> {
    let mut line = String::new();
    client.read_line(&mut line)?;
    let digits = line.trim_end().get(1..).unwrap_or_default();
    digits.parse().map_err(|_| io::ErrorKind::UnexpectedEof.into())
}

fn sha(text: &[u8]) -> Vec<u8> {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text);
    digest.as_ref().iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_builds_share_a_line_while_a_fleet_is_upgraded() {
    let server = Server::start();
    let (old, new) = (Redis::new(&server.settings()), Redis::new(&another_build(&server)));
    let sale = line("sale");
    let mut numbers = Vec::new();
    for round in 0..10 {
        for (store, id) in [(&old, 2 * round), (&new, 2 * round + 1)] {
            let outcome = store.sync(&sale, &rules(), &join(id..id + 1)).await.unwrap();
            numbers.push(outcome.newcomers[0].0);
        }
    }
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let scripts: String = server.info("number_of_cached_scripts").unwrap();
    assert_eq!(scripts.trim(), "2", "two texts were at work");

    // Whoever enters through one is inside for the other, in the same life and epoch.
    let entered = old.sync(&sale, &rules(), &ask(1, true)).await.unwrap();
    assert!(matches!(entered.asks[0], Verdict::Inside { .. }), "{:?}", entered.asks);
    let seen = new.sync(&sale, &rules(), &Batch::default()).await.unwrap().summary;
    assert_eq!((seen.inside, seen.epoch, seen.life, seen.lanes[0].issued), (1, 1, 0, 20));
}
