//! Clients that others have made: curl, and a browser.

use std::process::{Command, Output};

use tokio::task::spawn_blocking;

use crate::support::{
    Authority, HOST, Node, Origin, Protocol, Setup, Tenant, TlsClient, Visitor, browser::Browser, chromium::Chromium,
    client::Client, connection::Connection, origin::Hit, scene::FAST, until,
};

/// Where visitors pay.
const BANK: &str = "bank.example.net";

/// A shop with one seat, a visitor on it, and the authority that signs for it.
struct World {
    node: Node,
    origin: Origin,
    tls: TlsClient,
    inside: Visitor,
}

async fn connect(tls: &TlsClient, node: &Node) -> Client {
    Client::Http1(Connection::over(tls.connect(node.https(), HOST).await.unwrap()))
}

impl World {
    async fn new() -> Self {
        let authority = Authority::new("authority");
        let origin = Origin::start().await;
        let one_seat = format!("{FAST}\nmax_active = 1");
        let shop = Tenant::shop(origin.addr()).queue("shop", &one_seat).presents(&["shop"], "");
        let bank = Tenant::new("bank", &[BANK], origin.addr()).queue("bank", FAST).presents(&["bank"], "");
        let setup = Setup::new(shop).tenant(bank).https("").file("authority.pem", &authority.pem);
        let setup = setup.pair("shop", &authority.server(&[HOST])).pair("bank", &authority.server(&[BANK]));
        let node = setup.start().await;
        let tls = TlsClient::new(&authority, None).speaks(Protocol::Http1Tls.alpn());
        let mut inside = Visitor::on(connect(&tls, &node).await, Browser::new("inside"));
        inside.walk_in().await;
        Self { node, origin, tls, inside }
    }

    async fn connect(&self) -> Client {
        connect(&self.tls, &self.node).await
    }

    async fn visitor(&self, name: &str) -> Visitor {
        Visitor::on(self.connect().await, Browser::new(name))
    }

    /// Waits until the origin gets such a request.
    async fn hit(&self, what: &str, wanted: impl Fn(&Hit) -> bool) -> Hit {
        until(what, async || self.origin.hits().into_iter().find(&wanted)).await
    }

    fn url(&self, path: &str) -> String {
        self.url_at(HOST, path)
    }

    fn url_at(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.node.https().port())
    }

    /// Runs curl with its cookies of before.
    async fn curl(&self, path: &str, args: &[&str]) -> Output {
        let mut curl = Command::new("curl");
        let folder = self.node.folder.path();
        curl.args(["--silent", "--show-error", "--max-time", "20", "--resolve"]);
        curl.arg(format!("{HOST}:{}:127.0.0.1", self.node.https().port()));
        curl.arg("--cacert").arg(folder.join("authority.pem"));
        curl.arg("--cookie").arg(folder.join("jar")).arg("--cookie-jar").arg(folder.join("jar"));
        curl.args(["--write-out", " %{http_version} %{response_code}"]).args(args).arg(self.url(path));
        let ran = spawn_blocking(move || curl.output().expect("curl is needed: apt-get install curl")).await.unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        ran
    }

    /// What curl says of a request: its body's end, the protocol, and the status.
    async fn curls(&self, path: &str, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.curl(path, args).await.stdout).into_owned()
    }
}

#[tokio::test]
async fn curl_waits_is_called_and_goes_in() {
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let mut world = World::new().await;
        let page = ["--header", "Accept: text/html", option];
        assert!(world.curls("/", &page).await.ends_with(&format!(" {version} 503")));
        // The slip comes back with the next request, and is a number from then on.
        let poll = "/.sluice/status?queue=shop";
        let status = world.curls(poll, &[option]).await;
        assert!(status.contains("\"state\":\"waiting\"") && status.contains("\"number\":2"), "{status}");
        world.inside.leave().await;
        until("called", async || world.curls(poll, &[option]).await.contains("\"called\"").then_some(())).await;
        let said = world.curls("/basket", &page).await;
        assert_eq!(said, format!("GET /basket 0\n {version} 200"));
        let body = "x".repeat(1 << 20);
        world.node.folder.write("body", &body);
        let from = format!("@{}", world.node.folder.path().join("body").display());
        let said = world.curls("/echo", &[option, "--data-binary", &from]).await;
        assert!(said == format!("{body} {version} 200"), "{} bytes came back", said.len());
        assert_eq!(world.origin.last_hit().header("expect"), None);
    }
}

#[tokio::test]
async fn a_browser_waits_goes_in_by_itself_and_opens_a_websocket_beside_its_http2_page() {
    let mut world = World::new().await;
    world.origin.page("/page", says_hello_then_goes_to(&world.url_at(BANK, "/bank")));
    world.origin.page("/bank", sends_a_form_to(&world.url("/return")));
    let _chromium = Chromium::open(&world.url("/page"), world.node.https());
    world.node.until_metrics("the browser stands in line", |m| m.line("waiting_visitors", "shop") == 1.0).await;
    let mut waits = world.visitor("waits").await;
    waits.join().await;
    world.inside.leave().await;
    let page = world.hit("the browser goes in", |hit| hit.target == "/page").await;
    assert_eq!(page.header("x-forwarded-proto"), Some("https"));
    let told = world.hit("the page has told", |hit| hit.target.starts_with("/told")).await;
    assert_eq!(told.target, "/told?page=h2&socket=hello");
    // The bank sends the browser back by a form, while others wait.
    let back = world.hit("the browser is back", |hit| hit.target == "/return").await;
    assert_eq!((back.method.as_str(), &back.body[..]), ("POST", &b"paid=yes"[..]));
    assert_eq!(back.header("sec-fetch-site"), Some("cross-site"));
    assert_eq!(waits.poll().await.state, "waiting");
}

fn says_hello_then_goes_to(next: &str) -> String {
    format!(
        r#"<!doctype html><title>Inside</title><script>
            const page = performance.getEntriesByType("navigation")[0].nextHopProtocol;
            const tell = (socket) => fetch(`/told?page=${{page}}&socket=${{socket}}`).then(() => location = "{next}");
            const socket = new WebSocket(`wss://${{location.host}}/websocket`);
            socket.onopen = () => socket.send("hello");
            socket.onmessage = (message) => tell(message.data);
            socket.onerror = () => tell("failed");
        </script>"#
    )
}

fn sends_a_form_to(target: &str) -> String {
    format!(
        r#"<!doctype html><title>Bank</title><form method="post" action="{target}"><input name="paid" value="yes"></form>
        <script>addEventListener("load", () => document.forms[0].submit());</script>"#
    )
}

#[tokio::test]
async fn who_came_over_plain_http_keeps_place_and_pass_over_https() {
    let mut world = World::new().await;
    let plain = Browser::new("plain");
    let mut visitor = Visitor::with(&world.node, plain.clone()).await;
    assert_eq!(visitor.join().await.number, Some(2));
    let mut visitor = Visitor::on(world.connect().await, plain.clone());
    assert_eq!(visitor.poll().await.number, Some(2));
    world.inside.leave().await;
    visitor.until_state("called").await;
    visitor.walk_in().await;

    let second = Browser::new("second");
    visitor.leave().await;
    let mut visitor = Visitor::with(&world.node, second.clone()).await;
    until("let in", async || visitor.open("/").await.is_from_origin().then_some(())).await;
    Visitor::on(world.connect().await, second).walk_in().await;
}
