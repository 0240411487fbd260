//! A connection is good for the hosts that its certificate covers, as long as the same is asked of clients there: a
//! browser may use one for several hosts, and no client certificate is got round.

use std::io;

use super::status;
use crate::support::{
    Authority, Node, Origin, Pair, Protocol, Setup, Tenant, TlsClient, frames::Frames, scene::FAST, tls::presented,
};

const OWN: &str = "shop.example.com";
const OTHER: &str = "news.example.org";
/// Another tenant's, under the same wildcard certificate as [`OWN`].
const SAME: &str = "blog.example.com";

const REQUIRED: &str = "client_ca_file = \"clients.pem\"";

/// Which of the tenants ask their clients for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nobody,
    Own,
    OwnAndSame,
}

/// Three tenants on one node, and two clients: one with a certificate that is asked for, and one without.
struct World {
    node: Node,
    _origin: Origin,
    authority: Authority,
    wildcard: Pair,
    with: TlsClient,
    without: TlsClient,
}

impl World {
    async fn new(asked: Asked, tls: &str) -> Self {
        let (authority, clients) = (Authority::new("authority"), Authority::new("clients"));
        let origin = Origin::start().await;
        let settings = |asks| if asks { REQUIRED } else { "" };
        let tenant = |name, host, pair, asks| {
            Tenant::new(name, &[host], origin.addr()).queue("shop", FAST).presents(&[pair], settings(asks))
        };
        let wildcard = authority.server(&["*.example.com"]);
        let node = Setup::new(tenant("own", OWN, "wildcard", asked != Asked::Nobody))
            .tenant(tenant("other", OTHER, "other", false))
            .tenant(tenant("same", SAME, "wildcard", asked == Asked::OwnAndSame))
            .https(tls)
            .pair("wildcard", &wildcard)
            .pair("other", &authority.server(&[OTHER]))
            .file("clients.pem", &clients.pem);
        let node = node.start().await;
        let with = TlsClient::new(&authority, Some(&clients.client("ann.example.com")));
        let without = TlsClient::new(&authority, None);
        Self { node, _origin: origin, authority, wildcard, with, without }
    }

    /// What a navigation to a host gets on a connection to a named host.
    async fn asks(
        &self,
        client: &TlsClient,
        protocol: Protocol,
        sni: Option<&str>,
        host: Option<&str>,
    ) -> io::Result<u16> {
        let client = client.speaks(protocol.alpn());
        let client = if sni.is_some() { client } else { client.names_nobody() };
        let stream = client.connect(self.node.https(), sni.unwrap_or(OWN)).await?;
        status(stream, protocol, host).await
    }

    /// How a client fails that may not come in.
    async fn refusal(&self, client: &TlsClient, protocol: Protocol) -> String {
        match client.speaks(protocol.alpn()).connect(self.node.https(), OWN).await {
            // In TLS 1.3 a client is done before the server has seen what it shows.
            Ok(stream) => Frames::silent(stream).ended_by_error().await.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

/// No handshake, so no status.
const ALERT: u16 = 0;

/// Host in the columns: own, other, same wildcard certificate, none.
const HOSTS: [Option<&str>; 4] = [Some(OWN), Some(OTHER), Some(SAME), None];

type Row = (Option<&'static str>, [u16; 4]);

/// Asks for every host over every name, and compares.
async fn is(world: &World, client: &TlsClient, rows: &[Row]) {
    for protocol in Protocol::ENCRYPTED {
        for &(sni, expected) in rows {
            for (host, expected) in HOSTS.into_iter().zip(expected) {
                let got = world.asks(client, protocol, sni, host).await;
                let case = format!("{protocol:?}, SNI {sni:?}, Host {host:?}: {got:?}, not {expected}");
                match got {
                    Ok(status) => assert_eq!(status, expected, "{case}"),
                    Err(error) => {
                        assert_eq!(expected, ALERT, "{case}");
                        assert!(error.to_string().contains("fatal alert: UnrecognisedName"), "{case}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn where_no_client_has_to_show_a_certificate_the_servers_decides() {
    let world = World::new(Asked::Nobody, "").await;
    let rows = [
        (Some(OWN), [200, 421, 200, 400]),
        (Some(OTHER), [421, 200, 421, 400]),
        (Some(SAME), [200, 421, 200, 400]),
        (None, [ALERT; 4]),
    ];
    is(&world, &world.without, &rows).await;
    // A certificate that is not asked for is not shown, and changes nothing.
    is(&world, &world.with, &rows[..1]).await;
}

#[tokio::test]
async fn where_a_client_certificate_is_required_no_other_name_leads_round_it() {
    let world = World::new(Asked::Own, "").await;
    let rows = [
        (Some(OWN), [200, 421, 421, 400]),
        (Some(OTHER), [421, 200, 421, 400]),
        (Some(SAME), [421, 421, 200, 400]),
        (None, [ALERT; 4]),
    ];
    is(&world, &world.with, &rows).await;
    // Who has none to show gets as far as the others do, and not in.
    is(&world, &world.without, &rows[1..]).await;
    for protocol in Protocol::ENCRYPTED {
        for version in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
            let client = &TlsClient::of_versions(version, &world.authority, None);
            let said = world.refusal(client, protocol).await;
            assert!(said.contains("CertificateRequired") || said.contains("HandshakeFailure"), "{version:?}: {said}");
        }
    }
}

#[tokio::test]
async fn hosts_that_ask_for_the_same_client_certificates_share_a_connection() {
    let world = World::new(Asked::OwnAndSame, "").await;
    let rows = [(Some(OWN), [200, 421, 200, 400]), (Some(SAME), [200, 421, 200, 400])];
    is(&world, &world.with, &rows).await;
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_refused() {
    let world = World::new(Asked::Own, "").await;
    let (mallory, authority) = (Authority::new("clients"), Authority::new("another"));
    for shown in [mallory.client("ann.example.com"), authority.server(&["ann.example.com"])] {
        let client = TlsClient::new(&world.authority, Some(&shown));
        for protocol in Protocol::ENCRYPTED {
            let refused = world.refusal(&client, protocol).await;
            assert!(refused.contains("fatal alert"), "{refused}");
        }
    }
    world
        .node
        .until_metrics("they are counted", |m| m.sum("tls_handshakes_total", &[("outcome", "failed")]) == 4.0)
        .await;
}

#[tokio::test]
async fn the_default_certificate_is_for_those_who_name_nobody_and_opens_what_it_covers() {
    const DEFAULT: &str = "default_certificate = { chain = \"wildcard.pem\", key = { file = \"wildcard.key\" } }";
    let world = World::new(Asked::Nobody, DEFAULT).await;
    is(&world, &world.without, &[(None, [200, 421, 200, 400]), (Some(OTHER), [421, 200, 421, 400])]).await;
    // A name that nobody has: the default is presented, and the client may take it or not.
    let stream = world.without.connect(world.node.https(), "unknown.example.com").await.unwrap();
    assert_eq!(presented(&stream), world.wildcard.certificate.as_ref());
    // It is asked for no client certificate, so it opens no door behind which there is one.
    let world = World::new(Asked::Own, DEFAULT).await;
    is(&world, &world.without, &[(None, [421, 421, 200, 400])]).await;
}
