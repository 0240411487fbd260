//! Certificates that change while they are in use: nobody notices, and new connections get the new one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::support::{
    Authority, Client, Connection, HOST, Http2, Node, Origin, Protocol, Request, Setup, Tenant, TlsClient,
    certificates::put, connection::Stream, scene::FAST, tls::presented,
};

const CHANGES: usize = 200;
/// One of so many is broken.
const BROKEN_EVERY: usize = 5;

async fn over(stream: impl Stream + 'static, protocol: Protocol) -> Client {
    match protocol {
        Protocol::Http2 => Client::Http2(Http2::over(stream).await),
        _ => Client::Http1(Connection::over(stream)),
    }
}

/// Asks again and again until the end: on one connection, or each time on another.
struct Load {
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    at: std::net::SocketAddr,
}

impl Load {
    async fn asks(self, tls: TlsClient, protocol: Protocol, keeps: bool) {
        let mut client = None;
        while !self.ends.load(Ordering::Relaxed) {
            let mut kept = match client.take() {
                Some(client) => client,
                None => over(tls.speaks(protocol.alpn()).connect(self.at, HOST).await.unwrap(), protocol).await,
            };
            let answer = kept.ask(&Request::navigation("/")).await;
            assert!(answer.is_from_origin() && !answer.closes(), "{answer:?}");
            self.answered.fetch_add(1, Ordering::Relaxed);
            client = keeps.then_some(kept);
        }
    }
}

/// Has the config read again, and waits until it is refused.
async fn is_refused(node: &Node) {
    let before = node.metrics().await.sum("config_reloads_refused_total", &[]);
    node.signal("HUP");
    node.until_metrics("the config is refused", |m| m.sum("config_reloads_refused_total", &[]) > before).await;
}

#[tokio::test]
async fn certificates_change_under_load_and_no_request_fails() {
    let authority = Authority::new("authority");
    let origin = Origin::start().await;
    let shop = Tenant::shop(origin.addr()).queue("shop", "release_per_minute = 6000\nburst = 1000\nmode = \"open\"");
    let shop = shop.presents(&["shop"], "");
    let first = authority.server(&[HOST]);
    let node = Setup::new(shop).https("").pair("shop", &first).start().await;
    let (ends, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = Protocol::ENCRYPTED
        .into_iter()
        .flat_map(|protocol| [(protocol, true), (protocol, false)])
        .map(|(protocol, keeps)| {
            let load = Load { ends: ends.clone(), answered: answered.clone(), at: node.https() };
            // Each a client of its own, with sessions of its own.
            tokio::spawn(load.asks(TlsClient::new(&authority, None), protocol, keeps))
        })
        .collect();
    let mut current = first;
    for round in 1..=CHANGES {
        let next = authority.server(&[HOST]);
        if round % BROKEN_EVERY == 0 {
            // A chain whose key is another's.
            put(node.folder.path(), "shop.pem", &next.chain_pem);
            is_refused(&node).await;
        } else {
            next.write(node.folder.path(), "shop");
            node.reload().await;
            current = next;
        }
        // A handshake from the beginning: a session that is resumed presents nothing.
        let stream = TlsClient::new(&authority, None).connect(node.https(), HOST).await.unwrap();
        assert_eq!(presented(&stream), current.certificate.as_ref(), "round {round}");
    }
    ends.store(true, Ordering::Relaxed);
    for load in load {
        load.await.expect("no request fails");
    }
    let metrics = node.metrics().await;
    assert!(answered.load(Ordering::Relaxed) > CHANGES, "there was no load: {answered:?}");
    assert_eq!(metrics.sum("origin_errors_total", &[]), 0.0);
    assert_eq!(metrics.sum("tls_handshakes_total", &[("outcome", "failed")]), 0.0);
}

#[tokio::test]
async fn a_certificate_that_is_taken_away_ends_no_connection() {
    let authority = Authority::new("authority");
    let origin = Origin::start().await;
    let shop = || Tenant::shop(origin.addr()).queue("shop", FAST);
    let news = Tenant::new("news", &["news.example.org"], origin.addr()).queue("shop", FAST).presents(&["news"], "");
    let setup = Setup::new(shop().presents(&["shop"], "")).tenant(news).https("");
    let setup = setup.pair("shop", &authority.server(&[HOST])).pair("news", &authority.server(&["news.example.org"]));
    let node = setup.start().await;
    let tls = TlsClient::new(&authority, None);
    for protocol in Protocol::ENCRYPTED {
        node.folder.write_tenant(&shop().presents(&["shop"], ""));
        node.reload().await;
        let mut client = over(tls.speaks(protocol.alpn()).connect(node.https(), HOST).await.unwrap(), protocol).await;
        assert!(client.ask(&Request::navigation("/")).await.is_from_origin());
        node.folder.write_tenant(&shop());
        node.reload().await;
        assert!(client.ask(&Request::navigation("/")).await.is_from_origin(), "{protocol:?}");
        let refused = tls.connect(node.https(), HOST).await.unwrap_err();
        assert!(refused.to_string().contains("UnrecognisedName"), "{refused}");
    }
}
