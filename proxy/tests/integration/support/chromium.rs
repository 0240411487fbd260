//! A real browser, without a window, that stays open until the test is over.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

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
        let profile = TempDir::new().unwrap();
        let named = std::env::var(ENV).ok();
        let candidates = named.as_deref().map_or(&NAMES[..], |_| &[]);
        for name in named.as_deref().iter().chain(candidates) {
            let mut command = Command::new(name);
            command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
            command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
            command.arg("--ignore-certificate-errors").arg(format!("--user-data-dir={}", profile.path().display()));
            command.arg(format!("--host-resolver-rules=MAP * {}", at.ip()));
            // Something has to keep it open once the page is there.
            command.arg("--remote-debugging-port=0").arg(url);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Ok(child) = command.spawn() {
                return Self { child, _profile: profile };
            }
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
