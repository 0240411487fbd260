//! A real browser, without a window, that stays open until the test is over.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const ENV: &str = "SLUICE_CHROMIUM";

/// A running browser. It ends with the test.
#[derive(Debug)]
pub(crate) struct Chromium {
    child: Child,
    _profile: TempDir,
}

impl Chromium {
    /// Opens a page. Every host is at this address, and what certificate it shows there does not matter.
    pub(crate) fn open(url: &str, at: SocketAddr) -> Self {
        // Something has to keep it open once the page is there.
        Self::start(at, |name| Command::new(name), &["--remote-debugging-port=0", url])
    }

    /// Starts it with these arguments more, by what runs a program of a name.
    fn start(at: SocketAddr, run: impl Fn(&str) -> Command, arguments: &[&str]) -> Self {
        let profile = TempDir::new().unwrap();
        let named = std::env::var(ENV).ok();
        let candidates = named.as_deref().map_or(&NAMES[..], |_| &[]);
        for name in named.as_deref().iter().chain(candidates) {
            // The shell, where it comes between, would start without it.
            if Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
                continue;
            }
            let mut command = run(name);
            command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
            command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
            command.arg("--ignore-certificate-errors").arg(format!("--user-data-dir={}", profile.path().display()));
            command.arg(format!("--host-resolver-rules=MAP * {}", at.ip())).args(arguments);
            if command.get_program() == *name {
                command.stdin(Stdio::null()).stdout(Stdio::null());
            } else {
                command.stdin(Stdio::piped()).stdout(Stdio::piped());
            }
            let child = command.stderr(Stdio::null()).spawn().unwrap();
            return Self { child, _profile: profile };
        }
        panic!("this test needs Chromium: apt-get install chromium, or name the binary in {ENV}");
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its other processes end with the one that they talk to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser that is told what to do, by its own protocol.
#[derive(Debug)]
pub(crate) struct Piloted {
    browser: Chromium,
    calls: ChildStdin,
    answers: UnboundedReceiver<Value>,
    called: u64,
}

/// One of its tabs.
#[derive(Debug)]
pub(crate) struct Tab {
    target: String,
    session: String,
}

impl Piloted {
    /// One that has no page open yet. Every host is at this address.
    pub(crate) fn start(at: SocketAddr) -> Self {
        // It talks over its third and fourth descriptor, and hears nothing of what else goes through the first two.
        const PIPED: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;
        let through_shell = |name: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", PIPED, name]);
            shell
        };
        let mut browser = Chromium::start(at, through_shell, &["--remote-debugging-pipe"]);
        let (calls, said) = (browser.child.stdin.take().unwrap(), browser.child.stdout.take().unwrap());
        let (heard, answers) = unbounded_channel();
        thread::spawn(move || {
            for message in BufReader::new(said).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { break };
                // Nobody listens once the test is over.
                if heard.send(message).is_err() {
                    break;
                }
            }
        });
        Self { browser, calls, answers, called: 0 }
    }

    /// Calls a method, of a tab or of the browser, and returns its result.
    pub(crate) async fn call(&mut self, tab: Option<&Tab>, method: &str, params: Value) -> Value {
        self.called += 1;
        let mut call = json!({ "id": self.called, "method": method, "params": params });
        if let Some(tab) = tab {
            call["sessionId"] = json!(tab.session);
        }
        self.calls.write_all(format!("{call}\0").as_bytes()).unwrap();
        loop {
            let mut answer = self.answers.recv().await.unwrap_or_else(|| panic!("{:?} has ended", self.browser));
            if answer["id"] == self.called {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// A tab before all others, where this runs before the scripts of each page.
    pub(crate) async fn tab(&mut self, script: &str) -> Tab {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" })).await;
        let target = target["targetId"].as_str().unwrap().to_owned();
        let session = self.call(None, "Target.attachToTarget", json!({ "targetId": target, "flatten": true })).await;
        let tab = Tab { target, session: session["sessionId"].as_str().unwrap().to_owned() };
        self.call(Some(&tab), "Page.enable", json!({})).await;
        self.call(Some(&tab), "Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
        tab
    }

    /// Loads a page.
    pub(crate) async fn open(&mut self, tab: &Tab, url: &str) {
        self.call(Some(tab), "Page.navigate", json!({ "url": url })).await;
    }

    /// Puts a tab before all others, which are hidden from then on.
    pub(crate) async fn show(&mut self, tab: &Tab) {
        self.call(None, "Target.activateTarget", json!({ "targetId": tab.target })).await;
    }

    /// What an expression is in the page of a tab; null where there is no such page at the moment.
    pub(crate) async fn value(&mut self, tab: &Tab, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        self.call(Some(tab), "Runtime.evaluate", params).await["result"]["value"].take()
    }

    /// Takes the network away from a tab, or gives it back.
    pub(crate) async fn connect(&mut self, tab: &Tab, is_there: bool) {
        self.call(Some(tab), "Network.enable", json!({})).await;
        let params = json!({ "offline": !is_there, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.call(Some(tab), "Network.emulateNetworkConditions", params).await;
    }
}
