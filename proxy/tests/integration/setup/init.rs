//! `sluice init` before sites that were made for it.

use std::{io::Write as _, process::Stdio};

use super::site::{Asked, Site};
use crate::support::node::{ConfigFolder, run, sluice};

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// A shop of a known make, with a page of links.
fn shop(asked: &Asked) -> (u16, String, String) {
    let links =
        r#"<a href="/tickets?x=1">Tickets</a> <a href="/about#us">About</a> <a href="//elsewhere.example/">x</a>"#;
    match asked.path.as_str() {
        "/" => (302, "Location: /welcome".into(), String::new()),
        "/welcome" => (
            200,
            "Set-Cookie: woocommerce_cart=1\nStrict-Transport-Security: max-age=60\nCache-Control: public".into(),
            format!(
                "<link href=\"/wp-content/plugins/woocommerce/x.css\"> {links} <script>new WebSocket(\"wss://x\")</script>"
            ),
        ),
        "/stripe/webhook" => (405, String::new(), String::new()),
        _ => (404, String::new(), String::new()),
    }
}

fn url(site: &Site) -> String {
    format!("http://localhost:{}", site.addr.port())
}

#[test]
fn a_site_becomes_a_tenants_file_that_holds_and_is_explained() {
    let site = Site::start(shop);
    let folder = ConfigFolder::new();
    std::fs::remove_dir(folder.path().join("tenants")).unwrap();
    let config = folder.path().to_str().unwrap();
    let origin = site.addr.to_string();
    let output = run(&["init", &url(&site), "--config", config, "--yes", "--origin", &origin]);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    for seen in [
        "looks like WooCommerce",
        "speaks plain HTTP",
        "HSTS",
        "cookie",
        "caches",
        "WebSockets",
        "/wc-api, /wp-json/wc, /wp-cron.php, /stripe/webhook",
    ] {
        assert!(said.contains(seen), "{seen}: {said}");
    }
    let file = std::fs::read_to_string(folder.path().join("tenants/localhost.toml")).unwrap();
    for line in
        ["hosts = [\"localhost\"]", "mode = \"open\"", "name = \"programs\"", &format!("servers = [\"{origin}\"]")]
    {
        assert!(file.contains(line), "{line}: {file}");
    }
    let uncommented = file.lines().filter(|line| line.contains(" = ") && !line.contains('#'));
    assert_eq!(
        uncommented.collect::<Vec<_>>(),
        ["on_store_loss = \"hold\""],
        "each line but the repeated one says why"
    );
    // Ten paths, and what becomes of each.
    let table: Vec<_> = said.lines().filter(|line| line.trim_start().starts_with('/')).collect();
    assert_eq!(table.len(), 10, "{said}");
    let of =
        |path: &str| table.iter().find(|line| line.trim_start().starts_with(&format!("{path} "))).unwrap().to_string();
    assert!(of("/tickets").contains("main") && of("/about").contains("waits") && of("/wc-api").contains("never waits"));
    // It holds by itself, and nothing that is there is written again.
    let key = sluice(&["check", "--config", config]).output().unwrap();
    assert!(key.status.success());
    std::fs::write(folder.path().join("tenants/localhost.toml"), format!("{file}# mine\n")).unwrap();
    let again = run(&["init", &url(&site), "--config", config, "--yes", "--origin", &origin]);
    assert!(again.status.code() == Some(1) && String::from_utf8_lossy(&again.stderr).contains("stays as it is"));
    assert!(std::fs::read_to_string(folder.path().join("tenants/localhost.toml")).unwrap().ends_with("# mine\n"));
}

#[test]
fn the_owner_is_asked_what_only_they_know() {
    let site = Site::start(shop);
    let folder = ConfigFolder::new();
    let config = folder.path().to_str().unwrap();
    let site_url = url(&site);
    let ask = |answers: &str| {
        let mut command = sluice(&["init", &site_url, "--config", config]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let ended = ask("fair\n");
    assert!(
        ended.status.code() == Some(1) && said(&ended).contains("no answer: nothing was written"),
        "{}",
        said(&ended)
    );
    let odd = ask("fair\n\n\nmany\n");
    assert!(odd.status.code() == Some(1) && said(&odd).contains("many is no number of visitors"), "{}", said(&odd));
    assert!(std::fs::read_dir(folder.path().join("tenants")).unwrap().next().is_none());
    let done = ask("fair\n\n10.0.0.7:8080, 10.0.0.8:8080\n1200\n/tickets\n");
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(said(&done).matches("]:").count(), 5, "five questions");
    let file = std::fs::read_to_string(folder.path().join("tenants/fair.toml")).unwrap();
    for line in [
        "name = \"fair\"",
        "[\"10.0.0.7:8080\", \"10.0.0.8:8080\"]",
        "release_per_minute = 1200",
        "paths = [\"/tickets\"]",
    ] {
        assert!(file.contains(line), "{line}: {file}");
    }
}

#[test]
fn what_cannot_be_looked_at_says_why_and_writes_nothing() {
    let elsewhere = Site::start(|_| (301, "Location: http://other.example.net/".into(), String::new()));
    let circle = Site::start(|_| (302, "Location: /".into(), String::new()));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = ConfigFolder::new();
    let config = folder.path().to_str().unwrap();
    for (url, says) in [
        (url(&elsewhere), "other.example.net, which is another site"),
        (url(&circle), "leads on and on"),
        (format!("http://{gone}"), &*gone.to_string()),
        ("shop.example.com".into(), "write https://HOST"),
    ] {
        let output = run(&["init", &url, "--config", config, "--yes"]);
        assert!(output.status.code() == Some(1) && said(&output).contains(says), "{url}: {}", said(&output));
    }
    let site = Site::start(shop);
    let bad = run(&["init", &self::url(&site), "--config", config, "--yes", "--name", "../up"]);
    assert!(bad.status.code() == Some(1) && said(&bad).contains("is no name"), "{}", said(&bad));
    assert!(std::fs::read_dir(folder.path().join("tenants")).unwrap().next().is_none());
}
