//! A real browser, run to the end of a stretch of virtual time.
//!
//! Its timers jump ahead whenever nothing is going on, so minutes of polling pass in a moment and
//! no test sleeps.

use std::{
    fs::{self, File},
    io::Read,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const ENV: &str = "SLUICE_CHROMIUM";
const HOW_TO_INSTALL: &str = "these tests need Chromium: `apt-get install chromium` (Debian, Ubuntu), \
    `dnf install chromium` (Fedora), or name the binary in SLUICE_CHROMIUM";
/// Real time; a visit takes about a second.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// Opens `url`, lets `budget` of virtual time pass, and returns the document as it is then.
///
/// Every load of a document starts a budget of its own, so a page that reloads for ever never ends.
pub(crate) fn visit(url: &str, budget: Duration) -> String {
    visit_with("{}", url, budget)
}

/// [`visit`] by a visitor who has switched JavaScript off.
pub(crate) fn visit_without_javascript(url: &str, budget: Duration) -> String {
    // The command line's switch would stop the script by which the document is read back, too.
    const BLOCKED: &str = r#"{"profile":{"default_content_setting_values":{"javascript":2}}}"#;
    visit_with(BLOCKED, url, budget)
}

fn visit_with(preferences: &str, url: &str, budget: Duration) -> String {
    let dir = tempfile::tempdir().unwrap();
    let errors = dir.path().join("stderr");
    let profile = dir.path().join("profile");
    fs::create_dir_all(profile.join("Default")).unwrap();
    fs::write(profile.join("Default/Preferences"), preferences).unwrap();
    let arguments = [
        format!("--user-data-dir={}", profile.display()),
        format!("--virtual-time-budget={}", budget.as_millis()),
        // Every frame is drawn before the clock goes on: what moves is measured from frame to frame.
        "--run-all-compositor-stages-before-draw".to_owned(),
        "--dump-dom".to_owned(),
        url.to_owned(),
    ];

    let mut child = spawn(&arguments, &errors);
    let mut stdout = child.stdout.take().unwrap();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        let mut out = String::new();
        let read = stdout.read_to_string(&mut out);
        ended.send(read.map(|_| out))
    });
    let out = end.recv_timeout(HANGS_AFTER);
    if out.is_err() {
        // A failure to end it shows in the wait that follows.
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    match out {
        Ok(Ok(dom)) if status.success() && !dom.trim().is_empty() => dom,
        out => {
            let errors = fs::read_to_string(&errors).unwrap_or_default();
            panic!("the browser ended with {status}: {out:?}\n{errors}")
        }
    }
}

fn spawn(arguments: &[String], errors: &std::path::Path) -> Child {
    const QUIET: [&str; 8] = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    let named = std::env::var(ENV).ok();
    let candidates = named.as_deref().map_or(&NAMES[..], |_| &[]);
    for name in named.as_deref().iter().chain(candidates) {
        let spawned = Command::new(name)
            .args(QUIET)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(errors).unwrap())
            .spawn();
        if let Ok(child) = spawned {
            return child;
        }
    }
    panic!("{HOW_TO_INSTALL}");
}
