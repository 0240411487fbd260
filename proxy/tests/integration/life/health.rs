//! `sluice health`, as the health check of an image runs it.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpListener},
    process::Output,
    time::{Duration, Instant},
};

use crate::support::{
    Node, Setup, Tenant,
    node::{ConfigFolder, run},
};

async fn node() -> Node {
    let nowhere = "127.0.0.1:9".parse().unwrap();
    Setup::new(Tenant::shop(nowhere).queue("shop", "release_per_minute = 60")).start().await
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// Exit status and words of `sluice health --url`.
fn ask(addr: SocketAddr, path: &str, more: &[&str]) -> (Option<i32>, String) {
    let url = format!("http://{addr}{path}");
    let output = run(&[&["health", "--url", &url], more].concat());
    (output.status.code(), said(&output))
}

#[tokio::test]
async fn a_node_that_serves_is_alive_and_ready() {
    let mut node = node().await;
    assert_eq!(ask(node.admin, "", &[]), (Some(0), "alive\n".into()));
    assert_eq!(ask(node.admin, "/", &[]), (Some(0), "alive\n".into()));
    let (code, said) = ask(node.admin, "", &["--ready"]);
    assert!(code == Some(0) && said.contains("\"ready\":true"), "{code:?} {said}");
    node.kill();
    let (code, said) = ask(node.admin, "", &[]);
    assert!(code == Some(1) && said.contains(&node.admin.to_string()), "{code:?} {said}");
}

#[tokio::test]
async fn an_answer_other_than_200_is_a_failure_with_its_words() {
    let node = node().await;
    let (code, said) = ask(node.admin, "/none", &[]);
    assert!(code == Some(1) && said.contains("404 Not Found"), "{code:?} {said}");
}

#[tokio::test]
async fn the_config_says_where_even_if_it_is_full_of_mistakes() {
    let node = node().await;
    let folder = ConfigFolder::new();
    let port = node.admin.port();
    folder.write("sluice.toml", &format!("[server]\nadmin = \"0.0.0.0:{port}\"\nthreads = 0\n[kyes]\n"));
    let health = |folder: &ConfigFolder| run(&["health", "--config", folder.path().to_str().unwrap()]);
    let output = health(&folder);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for (file, expected) in
        [("admin = false", "is off"), ("admin = \"127.0.0.1:0\"", "--url"), ("admin = 7", "sluice.toml:2:9")]
    {
        folder.write("sluice.toml", &format!("[server]\n{file}\n"));
        let output = health(&folder);
        assert!(output.status.code() == Some(1) && said(&output).contains(expected), "{file}: {}", said(&output));
    }
}

#[test]
fn a_node_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let silent = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Reads until the other side has given up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let begun = Instant::now();
    let (code, said) = ask(addr, "", &[]);
    assert!(code == Some(1) && said.contains("no answer within 3 s"), "{code:?} {said}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    silent.join().unwrap();
}

#[test]
fn a_url_that_cannot_be_asked_says_what_to_write() {
    for url in ["https://127.0.0.1:9900", "/health"] {
        let output = run(&["health", "--url", url]);
        assert!(
            output.status.code() == Some(1) && said(&output).contains("write http://ADDRESS:PORT"),
            "{}",
            said(&output)
        );
    }
    let both = run(&["health", "--url", "http://127.0.0.1:1", "--config", "/"]);
    assert_eq!(both.status.code(), Some(2));
}
