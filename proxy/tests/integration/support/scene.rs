//! The scenes that most tests start from: an origin, a node, and a shop whose line does what the test needs.

use super::{
    Authority, Client, HOST, Http2, Node, Origin, Protocol, Request, Response, Setup, Tenant, TlsClient, Visitor,
    browser::Browser, connection::Connection,
};

/// A rate that never makes anybody wait.
pub(crate) const FAST: &str = "release_per_minute = 6000\nburst = 1000";

/// An origin and a node in front of it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) node: Node,
    pub(crate) origin: Origin,
    /// What its visitors speak, if it is not plain HTTP/1.1.
    secure: Option<(Protocol, TlsClient)>,
}

impl Scene {
    /// A shop with one queue of these settings, before all paths.
    pub(crate) async fn shop(settings: &str) -> Self {
        Self::new(|shop| shop.queue("shop", settings)).await
    }

    /// A shop as `furnish` makes it.
    pub(crate) async fn new(furnish: impl FnOnce(Tenant) -> Tenant) -> Self {
        Self::set_up(furnish, |setup| setup).await
    }

    /// A shop as `furnish` makes it, on a node as `prepare` makes it.
    pub(crate) async fn set_up(furnish: impl FnOnce(Tenant) -> Tenant, prepare: impl FnOnce(Setup) -> Setup) -> Self {
        let origin = Origin::start().await;
        let node = prepare(Setup::new(furnish(Tenant::shop(origin.addr())))).start().await;
        Self { node, origin, secure: None }
    }

    /// A node that runs, and the origin behind it.
    pub(crate) fn of(node: Node, origin: Origin) -> Self {
        Self { node, origin, secure: None }
    }

    /// The same for visitors who speak this.
    pub(crate) async fn speaking(
        protocol: Protocol,
        furnish: impl FnOnce(Tenant) -> Tenant,
        prepare: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        Self::speaking_with(protocol, "", furnish, prepare).await
    }

    /// The same with these lines of `[tls]`.
    pub(crate) async fn speaking_with(
        protocol: Protocol,
        tls: &str,
        furnish: impl FnOnce(Tenant) -> Tenant,
        prepare: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        if protocol == Protocol::Http1 {
            return Self::set_up(furnish, prepare).await;
        }
        let authority = Authority::new("authority");
        let pair = authority.server(&[HOST]);
        let furnish = |shop: Tenant| furnish(shop).presents(&["shop"], "");
        let prepare = |setup: Setup| prepare(setup.https(tls).pair("shop", &pair));
        let mut scene = Self::set_up(furnish, prepare).await;
        scene.secure = Some((protocol, TlsClient::new(&authority, None)));
        scene
    }

    /// A connection of what its visitors speak.
    pub(crate) async fn client(&self) -> Client {
        match &self.secure {
            None => Client::Http1(self.node.connect().await),
            Some((protocol, tls)) => self.client_of(tls, *protocol).await,
        }
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &Request) -> Response {
        self.client().await.ask(request).await
    }

    /// A TLS client that trusts the node.
    pub(crate) fn tls(&self) -> &TlsClient {
        &self.secure.as_ref().expect("the scene is on plain HTTP").1
    }

    /// A connection that speaks this, whatever the visitors do.
    pub(crate) async fn client_speaking(&self, protocol: Protocol) -> Client {
        match protocol {
            Protocol::Http1 => Client::Http1(self.node.connect().await),
            _ => self.client_of(self.tls(), protocol).await,
        }
    }

    async fn client_of(&self, tls: &TlsClient, protocol: Protocol) -> Client {
        let stream = tls.speaks(protocol.alpn()).connect(self.node.https(), HOST).await.unwrap();
        match protocol {
            Protocol::Http2 => Client::Http2(Http2::over(stream).await),
            _ => Client::Http1(Connection::over(stream)),
        }
    }

    /// The bytes of an HTTP/1.1 connection of what its visitors speak.
    pub(crate) async fn http1(&self) -> Connection {
        match self.client().await {
            Client::Http1(connection) => connection,
            Client::Http2(_) => panic!("the scene is on HTTP/2"),
        }
    }

    /// A shop with one seat and a visitor on it: everybody else stands in line, for as long as that visitor stays.
    /// No rate is in the way of the next one.
    pub(crate) async fn one_seat() -> (Self, Visitor) {
        Self::one_seat_with("").await
    }

    /// As [`Self::one_seat`], with further settings of the queue.
    pub(crate) async fn one_seat_with(settings: &str) -> (Self, Visitor) {
        let scene = Self::shop(&format!("{FAST}\nmax_active = 1\n{settings}")).await;
        let mut inside = scene.visitor("inside").await;
        inside.walk_in().await;
        (scene, inside)
    }

    /// Gives the running shop another queue, and waits until it is taken.
    pub(crate) async fn change(&self, settings: &str) {
        let shop = Tenant::shop(self.origin.addr()).queue("shop", settings);
        let shop = if self.secure.is_some() { shop.presents(&["shop"], "") } else { shop };
        self.node.folder.write_tenant(&shop);
        self.node.reload().await;
    }

    pub(crate) async fn visitor(&self, name: &str) -> Visitor {
        Visitor::on(self.client().await, Browser::new(name))
    }
}
