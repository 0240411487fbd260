//! `sluice preview`: every page of a tenant, without a line behind it.

use std::{
    net::SocketAddr,
    process::Child,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};

use crate::support::{
    Connection, Request, Response, SOON, Tenant,
    chromium::Chromium,
    node::{ConfigFolder, server_file, sluice},
    until, until_within,
};

/// A preview of a config folder. It is killed when the test is over.
struct Preview {
    folder: ConfigFolder,
    child: Child,
    addr: SocketAddr,
}

impl Preview {
    async fn start() -> Self {
        let folder = ConfigFolder::new();
        let any = "127.0.0.1:0".parse().unwrap();
        folder.write("sluice.toml", &server_file(any, any, ""));
        folder.write_tenant(&shop("First come, first served."));
        let args = ["preview", "--listen", "127.0.0.1:0", "--config", folder.path().to_str().unwrap()];
        let mut command = sluice(&args);
        let child = command.stdout(folder.log("stdout")).stderr(folder.log("stderr")).spawn().unwrap();
        let addr = until("the preview serves", async || {
            folder.read_log("stdout").trim().strip_prefix("preview on http://")?.parse().ok()
        });
        let addr = addr.await;
        Self { folder, child, addr }
    }

    async fn get(&self, target: &str) -> Response {
        Connection::open(self.addr).await.ask(&Request::new("GET", target).host("localhost")).await
    }

    async fn content(&self) -> Value {
        self.get("/content").await.json()
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        // Fails only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shop(message: &str) -> Tenant {
    let shop = Tenant::shop("127.0.0.1:9".parse().unwrap());
    let queue = format!("release_per_minute = 600\nmessage = \"{message}\"");
    shop.queue("sale", &queue).section("[page]\nname = \"The Shop\"\nlanguage = \"de\"")
}

#[tokio::test]
async fn every_example_is_shown_in_the_tenants_face_and_in_any_language_and_theme() {
    let preview = Preview::start().await;
    let content = preview.content().await;
    assert_eq!(content["queues"][0], serde_json::json!({ "tenant": "shop", "queue": "sale", "language": "de" }));
    assert_eq!(content["languages"].as_array().unwrap().len(), 45);
    let examples = content["examples"].as_array().unwrap();
    assert!(examples.len() > 20, "{examples:?}");
    for example in examples {
        let path = format!("/page/shop/sale/{}", example[0].as_str().unwrap());
        let page = preview.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text().contains("<html lang=\"de\"") && page.text().contains("The Shop"), "{path}");
        let page = preview.get(&format!("{path}?language=ar&theme=dark")).await;
        assert!(
            page.text().contains("<html lang=\"ar\" dir=\"rtl\"") && page.text().contains("@media all{:root"),
            "{path}"
        );
    }
    assert!(preview.get("/page/shop/sale/waiting").await.text().contains("First come, first served."));
    for nothing in ["/page/shop/sale/none", "/page/shop/none/waiting", "/page/none/sale/waiting", "/none"] {
        assert_eq!(preview.get(nothing).await.status, 404, "{nothing}");
    }
}

#[tokio::test]
async fn a_page_is_answered_with_its_own_example() {
    let preview = Preview::start().await;
    let poll = async |page: &str| {
        let from = format!("http://localhost/page/shop/sale/{page}?theme=dark");
        let request = Request::fetch("GET", "/.sluice/status?queue=sale").host("localhost").header("Referer", &from);
        Connection::open(preview.addr).await.ask(&request).await
    };
    for (page, state) in [("waiting", "waiting"), ("held", "held"), ("called", "called"), ("not-open", "closed")] {
        let answer = poll(page).await;
        assert_eq!(answer.status, 200);
        assert_eq!((&answer.json()["state"], &answer.json()["queue"]), (&state.into(), &"sale".into()));
    }
    assert_eq!(poll("offline").await.status, 503);
    assert_eq!(preview.get("/.sluice/status?queue=sale").await.status, 400, "of no page");
}

#[tokio::test]
async fn what_changes_is_shown_and_what_is_wrong_is_said() {
    let preview = Preview::start().await;
    let known = preview.content().await["version"].clone();
    // Asked before anything has changed.
    let mut asked = Connection::open(preview.addr).await;
    asked.send(Request::new("GET", &format!("/content?known={known}")).host("localhost").bytes()).await;
    preview.folder.write_tenant(&shop("Doors open at nine."));
    let news = asked.response("GET").await.json();
    assert!(news["version"].as_u64() > known.as_u64() && news["mistakes"].is_null(), "{news}");
    assert!(preview.get("/page/shop/sale/waiting").await.text().contains("Doors open at nine."));

    preview.folder.write_tenant(&shop("x").key("colour = 7"));
    let target = format!("/content?known={}", news["version"]);
    let news = preview.get(&target).await.json();
    let mistakes = news["mistakes"].as_str().unwrap();
    assert!(mistakes.contains("tenants/shop.toml:") && mistakes.contains("colour"), "{mistakes}");
    assert!(preview.get("/page/shop/sale/waiting").await.text().contains("Doors open at nine."), "as it was before");
}

#[tokio::test]
async fn another_name_for_this_machine_is_refused() {
    let preview = Preview::start().await;
    for (host, status) in [("localhost", 200), ("127.0.0.1:9902", 200), ("[::1]:9902", 200), ("evil.example.com", 421)]
    {
        let request = Request::new("GET", "/content").host(host);
        assert_eq!(Connection::open(preview.addr).await.ask(&request).await.status, status, "{host}");
    }
}

/// The overview's script runs under its policy: its frames are loaded, and their scripts poll.
#[tokio::test]
async fn the_overview_runs_in_a_browser() {
    let preview = Preview::start().await;
    let overview = preview.get("/").await;
    let policy = overview.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for file in ["/", "/preview.css", "/preview.js"] {
        let text = preview.get(file).await.text().to_owned();
        assert!(
            !text.contains("http:") && !text.contains("https:") && !text.contains("//cdn"),
            "{file} names another site"
        );
    }
    let front = Front::before(preview.addr).await;
    let url = format!("http://localhost:{}/#queue=shop%2Fsale&example=waiting&theme=all", front.addr.port());
    let _browser = Chromium::open(&url, front.addr);
    let wanted =
        ["/preview.js", "/page/shop/sale/waiting?theme=light", "/page/shop/sale/waiting?theme=dark", "/.sluice/status"];
    until_within(SOON * 3, "the frames are loaded and poll", async || {
        let seen = front.seen();
        wanted.iter().all(|wanted| seen.contains(&format!("GET {wanted}"))).then_some(())
    })
    .await;
}

/// Stands before a server and writes down what clients ask.
struct Front {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<u8>>>,
}

impl Front {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from_server, mut to_server) = TcpStream::connect(server).await.unwrap().into_split();
                let (mut from_client, mut to_client) = client.into_split();
                let seen = seen.clone();
                // Either end may be gone at any time.
                tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
                tokio::spawn(async move {
                    let mut piece = vec![0; 16 * 1024];
                    while let Ok(length @ 1..) = from_client.read(&mut piece).await {
                        seen.lock().unwrap().extend_from_slice(&piece[..length]);
                        if to_server.write_all(&piece[..length]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { addr, asked }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.asked.lock().unwrap()).into_owned()
    }
}
