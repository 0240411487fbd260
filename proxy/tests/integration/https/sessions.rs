//! Sessions that are resumed: on any node of a fleet, and never where more is asked of the client than when they began.

use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use super::status;
use crate::{
    servers::Server,
    support::{
        Authority, Fleet, HOST, Node, Origin, Protocol, Setup, Tenant, TlsClient, fleet, scene::FAST, tls::is_resumed,
        until,
    },
};

const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&TLS12], &[&TLS13]];
/// Another tenant's host, which asks for no client certificate.
const FREE: &str = "free.example.com";

/// Loads a page on a connection of its own, and tells whether that was a session of before.
async fn loads(client: &TlsClient, node: &Node, host: &str) -> std::io::Result<bool> {
    let stream = client.speaks("http/1.1").connect(node.https(), host).await?;
    let resumed = is_resumed(&stream);
    assert_eq!(status(stream, Protocol::Http1Tls, Some(host)).await?, 200);
    Ok(resumed)
}

/// [`HOST`], where clients show a certificate of these authorities, and [`FREE`], where they show none.
async fn with_client_ca(authority: &Authority, clients: &Authority) -> (Node, Origin) {
    let origin = Origin::start().await;
    let shop = Tenant::shop(origin.addr()).queue("shop", FAST);
    let shop = shop.presents(&["wildcard"], "client_ca_file = \"clients.pem\"");
    let free = Tenant::new("free", &[FREE], origin.addr()).queue("shop", FAST).presents(&["wildcard"], "");
    let setup = Setup::new(shop).tenant(free).https("").file("clients.pem", &clients.pem);
    (setup.pair("wildcard", &authority.server(&["*.example.com"])).start().await, origin)
}

async fn resumed(node: &Node) -> f64 {
    node.metrics().await.sum("tls_handshakes_total", &[("outcome", "resumed")])
}

#[tokio::test]
async fn a_session_is_resumed_by_the_node_that_began_it_and_counted() {
    let (authority, clients) = (Authority::new("authority"), Authority::new("clients"));
    let (node, _origin) = with_client_ca(&authority, &clients).await;
    let ann = clients.client("ann.example.com");
    for version in VERSIONS {
        for (host, shows) in [(FREE, None), (HOST, Some(&ann))] {
            let client = TlsClient::of_versions(version, &authority, shows);
            assert!(!loads(&client, &node, host).await.unwrap(), "{host}: there is nothing to resume yet");
            for round in 0..2 {
                assert!(loads(&client, &node, host).await.unwrap(), "{version:?} {host}, round {round}");
            }
        }
    }
    assert_eq!(resumed(&node).await, 8.0);
}

#[tokio::test]
async fn a_session_is_resumed_by_every_node_of_a_fleet() {
    let server = Server::start();
    let authority = Authority::new("authority");
    let pair = authority.server(&[HOST]);
    let store = fleet::one(&server);
    let fleet = Fleet::start(
        &store,
        |shop| shop.queue("shop", &format!("{FAST}\non_store_loss = \"hold\"")).presents(&["shop"], ""),
        |_, setup| setup.https("").pair("shop", &pair),
    );
    let fleet = fleet.await;
    fleet.until_whole().await;
    for version in VERSIONS {
        let client = TlsClient::of_versions(version, &authority, None);
        let [first, others @ ..] = &fleet.nodes;
        for other in others {
            // Once both have the fleet's keys, which they fetch behind the first request.
            until("a session goes on elsewhere", async || {
                loads(&client, first, HOST).await.unwrap();
                loads(&client, other, HOST).await.unwrap().then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_session_under_another_name_skips_no_client_certificate() {
    let (authority, clients) = (Authority::new("authority"), Authority::new("clients"));
    let (node, _origin) = with_client_ca(&authority, &clients).await;
    let ann = clients.client("ann.example.com");
    for version in VERSIONS {
        let nobody = TlsClient::of_versions(version, &authority, None);
        assert!(!loads(&nobody, &node, FREE).await.unwrap());
        let refused = loads(&nobody, &node, HOST).await;
        assert!(refused.is_err(), "{version:?}: {refused:?}");

        // And the other way round: whoever is known at one host is not taken for the same at another.
        let known = TlsClient::of_versions(version, &authority, Some(&ann));
        assert!(!loads(&known, &node, HOST).await.unwrap());
        assert!(!loads(&known, &node, FREE).await.unwrap(), "{version:?}");
    }
    assert_eq!(resumed(&node).await, 0.0);
}

#[tokio::test]
async fn a_session_ends_with_the_authorities_that_it_began_under() {
    let (authority, before) = (Authority::new("authority"), Authority::new("before"));
    let (node, _origin) = with_client_ca(&authority, &before).await;
    let (ann, bob, after) = (before.client("ann.example.com"), Authority::new("bob"), Authority::new("after"));
    let bob = bob.client("bob.example.com");
    let clients: Vec<_> = VERSIONS.map(|version| TlsClient::of_versions(version, &authority, Some(&ann))).into();
    for client in &clients {
        loads(client, &node, HOST).await.unwrap();
        assert!(loads(client, &node, HOST).await.unwrap());
    }
    crate::support::certificates::put(node.folder.path(), "clients.pem", &after.pem);
    node.reload().await;
    for client in &clients {
        let refused = loads(client, &node, HOST).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let known = after.client("ann.example.com");
    assert!(!loads(&TlsClient::new(&authority, Some(&known)), &node, HOST).await.unwrap());
    assert!(loads(&TlsClient::new(&authority, Some(&bob)), &node, HOST).await.is_err());
}

#[tokio::test]
async fn without_session_tickets_no_session_is_resumed() {
    let authority = Authority::new("authority");
    let origin = Origin::start().await;
    let shop = Tenant::shop(origin.addr()).queue("shop", FAST).presents(&["shop"], "");
    let setup = Setup::new(shop).https("session_tickets = false").pair("shop", &authority.server(&[HOST]));
    let node = setup.start().await;
    for version in VERSIONS {
        let client = TlsClient::of_versions(version, &authority, None);
        for _ in 0..3 {
            assert!(!loads(&client, &node, HOST).await.unwrap(), "{version:?}");
        }
    }
}
