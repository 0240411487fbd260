//! A visitor: a browser with a connection of its own.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Client, Node, Request, Response, Status, browser::Browser, until};

/// One tab of a visitor's browser.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) browser: Browser,
    client: Client,
    asks_again: Instant,
}

impl Visitor {
    /// A visitor of the queue `shop`.
    pub(crate) async fn new(node: &Node, name: &str) -> Self {
        Self::with(node, Browser::new(name)).await
    }

    pub(crate) async fn with(node: &Node, browser: Browser) -> Self {
        Self::on(Client::Http1(node.connect().await), browser)
    }

    /// A visitor on a connection that stands already.
    pub(crate) fn on(client: Client, browser: Browser) -> Self {
        Self { browser, client, asks_again: Instant::now() }
    }

    /// Another tab: the same cookies, another connection.
    pub(crate) async fn second_tab(&self, node: &Node) -> Self {
        Self::with(node, self.browser.clone()).await
    }

    /// A connection that was lost is made anew, as browsers do.
    pub(crate) async fn reconnect(&mut self, node: &Node) {
        self.client = Client::Http1(node.connect().await);
    }

    /// Loads a page.
    pub(crate) async fn open(&mut self, target: &str) -> Response {
        self.send(self.browser.navigation(target)).await
    }

    /// Asks where it stands.
    pub(crate) async fn poll(&mut self) -> Status {
        let response = self.send(self.browser.poll()).await;
        Status::of(&response).unwrap_or_else(|| panic!("no status document: {response:?}"))
    }

    /// Asks where it stands once the time has come that the last answer named.
    pub(crate) async fn polls_as_told(&mut self) -> Status {
        sleep_until(self.asks_again).await;
        let status = self.poll().await;
        self.asks_again = Instant::now() + Duration::from_secs(status.poll_after_seconds.into());
        status
    }

    /// Gives up its place.
    pub(crate) async fn leave(&mut self) -> Response {
        self.send(self.browser.leave()).await
    }

    /// A request of any sort, with its cookies.
    pub(crate) async fn ask(&mut self, request: Request) -> Response {
        self.send(self.browser.dress(request)).await
    }

    /// Comes and takes a place in a line that stands: the page first, then the first poll with the slip.
    pub(crate) async fn join(&mut self) -> Status {
        let page = self.open("/").await;
        assert!(!page.is_from_origin(), "there is no line: {page:?}");
        let status = self.poll().await;
        assert!(status.number.is_some(), "no number taken: {status:?}");
        status
    }

    /// Comes and goes straight in.
    pub(crate) async fn walk_in(&mut self) -> Response {
        let page = self.open("/").await;
        assert!(page.is_from_origin(), "not let in: {page:?}");
        page
    }

    /// Polls until the state is the one expected.
    pub(crate) async fn until_state(&mut self, state: &str) -> Status {
        until(state, async || Some(self.poll().await).filter(|status| status.state == state)).await
    }

    async fn send(&mut self, request: Request) -> Response {
        let response = self.client.ask(&request).await;
        self.browser.take_in(&response);
        response
    }
}
