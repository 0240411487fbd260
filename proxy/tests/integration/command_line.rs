//! What operators type, and what they read.

use std::{fs, process::Output};

use serde_json::Value;

use crate::support::{
    Tenant,
    node::{ConfigFolder, run, server_file},
};

/// A good config.
fn good() -> ConfigFolder {
    let folder = ConfigFolder::new();
    let any = "127.0.0.1:0".parse().unwrap();
    folder.write("sluice.toml", &server_file(any, any, ""));
    let shop = Tenant::new("shop", &["shop.example.com", "*.shop.example.com"], "127.0.0.1:9000".parse().unwrap());
    let shop =
        shop.queue("shop", "release_per_minute = 600").queue("sale", "release_per_minute = 60\npaths = [\"/sale\"]");
    folder.write_tenant(&shop.queue("news", "release_per_minute = 60\npaths = [\"/news\"]\nmode = \"open\""));
    folder
}

fn on(folder: &ConfigFolder, command: &str, args: &[&str]) -> Output {
    run(&[&[command, "--config", folder.path().to_str().unwrap()], args].concat())
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn check_accepts_a_good_config() {
    let output = on(&good(), "check", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("1 tenant(s), 3 queue(s), no mistakes"), "{}", stdout(&output));
}

#[test]
fn check_accepts_the_samples() {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/sample");
    let output = run(&["check", "--config", samples]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// Ten mistakes, one in each of these lines of the two files.
const SERVER_LINES: [usize; 4] = [2, 4, 5, 8];
const TENANT_LINES: [usize; 6] = [2, 5, 9, 10, 11, 12];

fn with_ten_mistakes() -> ConfigFolder {
    let folder = ConfigFolder::new();
    let server = r#"[server]
http = ["localhost"]
admin = "127.0.0.1:9900"
threads = 0
colour = "red"

[keys]
current = "nobody"
secrets = { test = { env = "SLUICE_KEY" } }
"#;
    let tenant = r#"name = "shop"
hosts = ["https://shop.example.com"]

[origin]
servers = ["127.0.0.1"]

[[queue]]
name = "shop"
paths = ["sale"]
release_per_minute = 0
session_idle = "10"
mode = "opne"
"#;
    folder.write("sluice.toml", server);
    folder.write("tenants/shop.toml", tenant);
    folder
}

#[test]
fn check_reports_ten_mistakes_in_one_run_each_with_its_place() {
    let folder = with_ten_mistakes();
    let output = on(&folder, "check", &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let places = |file: &str| {
        let start = format!("{}:", folder.path().join(file).display());
        let places = said.lines().filter_map(move |line| line.strip_prefix(&start));
        let lines = places.map(|place| {
            let (line, rest) = place.split_once(':').unwrap();
            let (column, message) = rest.split_once(": ").unwrap();
            assert!(column.parse::<usize>().is_ok() && !message.is_empty(), "{place}");
            line.parse().unwrap()
        });
        lines.collect::<Vec<usize>>()
    };
    assert_eq!(places("sluice.toml"), SERVER_LINES, "{said}");
    assert_eq!(places("tenants/shop.toml"), TENANT_LINES, "{said}");
}

#[test]
fn run_reports_the_same_mistakes_and_does_not_start() {
    let folder = with_ten_mistakes();
    let (checked, ran) = (on(&folder, "check", &[]), on(&folder, "run", &[]));
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(stderr(&ran), stderr(&checked));
}

#[test]
fn run_refuses_to_start_without_a_master_secret() {
    let folder = good();
    folder.write("sluice.toml", "[server]\nhttp = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n");
    assert_eq!(on(&folder, "check", &[]).status.code(), Some(0), "a config may be checked where no secrets are");
    let output = on(&folder, "run", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("sluice keygen"), "{}", stderr(&output));
}

#[test]
fn check_notes_what_is_hardly_meant() {
    let folder = good();
    let any = "127.0.0.1:0".parse().unwrap();
    assert!(!stdout(&on(&folder, "check", &[])).contains("note"));
    let certificate = folder.write_certificate(&["shop.example.com"]);
    let https = format!("https = [\"127.0.0.1:0\"]\n[tls]\ndefault_certificate = {certificate}\n");
    folder.write("sluice.toml", &server_file(any, any, &https));
    let checked = on(&folder, "check", &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let hardly_meant = "note: shop: no certificate covers *.shop.example.com";
    assert!(stdout(&checked).contains(hardly_meant), "{}", stdout(&checked));
}

#[test]
fn prefixes_that_mean_one_path_are_a_mistake_at_its_place() {
    for (paths, column, instead) in
        [("[\"/a\", \"/a;b\"]", 16, "write \"/a\""), ("[\"/a+b\", \"/a%2Bb\"]", 18, "write \"/a+b\"")]
    {
        let folder = good();
        let shop = Tenant::new("shop", &["shop.example.com"], "127.0.0.1:9000".parse().unwrap());
        folder.write_tenant(&shop.queue("shop", &format!("release_per_minute = 600\npaths = {paths}")));
        let (checked, ran) = (on(&folder, "check", &[]), on(&folder, "run", &[]));
        assert_eq!((checked.status.code(), ran.status.code()), (Some(1), Some(1)));
        let file = fs::read_to_string(folder.path().join("tenants/shop.toml")).unwrap();
        let line = file.lines().position(|line| line.starts_with("paths")).unwrap() + 1;
        let place = format!("tenants/shop.toml:{line}:{column}: ");
        assert!(stderr(&checked).contains(&place) && stderr(&checked).contains(instead), "{}", stderr(&checked));
        assert_eq!(stderr(&ran), stderr(&checked));
    }
}

#[test]
fn run_says_which_port_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let folder = good();
    folder.write("sluice.toml", &server_file(addr, "127.0.0.1:0".parse().unwrap(), ""));
    let output = on(&folder, "run", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&addr.to_string()), "{}", stderr(&output));
}

#[test]
fn a_secret_never_shows_in_a_message() {
    let folder = good();
    let secret = "c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1yZWFkLWV2ZXI=";
    folder.write("sluice.toml", &format!("[keys]\ncurrent = \"a\"\nsecrets = {{ a = \"{secret}\" }}\n"));
    let output = on(&folder, "check", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!stderr(&output).contains(secret), "{}", stderr(&output));
}

#[test]
fn explain_says_which_tenant_queue_and_rule_and_why() {
    let folder = good();
    for (args, expected) in [
        (
            &["http://shop.example.com/"][..],
            &["tenant   shop", "queue    shop", "prefix \"/\"", "503", "a browser"][..],
        ),
        (&["http://shop.example.com/", "-H", "Accept: */*"], &["kind     fetch", "429"]),
        (&["http://shop.example.com/", "-H", "Accept: text/html"], &["kind     navigation", "503"]),
        (&["http://a.shop.example.com/sale/x"], &["*.shop.example.com", "queue    sale", "prefix \"/sale\""]),
        (&["http://shop.example.com/news"], &["queue    news", "mode     open"]),
        (
            &[
                "http://shop.example.com/",
                "-X",
                "OPTIONS",
                "-H",
                "Origin: https://a",
                "-H",
                "Access-Control-Request-Method: PUT",
            ],
            &["preflight"],
        ),
        (&["http://shop.example.com/a%2fb"], &["queue    shop", "a%2Fb"]),
        (&["http://shop.example.com/sale%2fb"], &["refused with 400", "path_encoded_separator"]),
        (&["http://shop.example.com/.sluice/status"], &["answered by Sluice itself"]),
        (&["http://other.example.com/"], &["421"]),
    ] {
        let output = on(&folder, "explain", args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        for word in expected {
            assert!(stdout(&output).contains(word), "{args:?} without {word:?}: {}", stdout(&output));
        }
    }
}

#[test]
fn keygen_prints_another_good_secret_each_time() {
    let (one, two) = (run(&["keygen"]), run(&["keygen"]));
    assert_ne!(one.stdout, two.stdout);
    let folder = good();
    fs::write(folder.path().join("master.key"), &one.stdout).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(folder.path().join("master.key"), mode).unwrap();
    folder.write("sluice.toml", "[keys]\ncurrent = \"a\"\nsecrets = { a = { file = \"master.key\" } }\n");
    let output = on(&folder, "check", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn schemas_are_the_ones_that_editors_are_given() {
    for (file, published) in [("server", "sluice.schema.json"), ("tenant", "tenant.schema.json")] {
        let output = run(&["schema", file]);
        assert_eq!(output.status.code(), Some(0));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let path = format!("{}/../config/schema/{published}", env!("CARGO_MANIFEST_DIR"));
        let published: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(printed, published, "{file}");
    }
}

#[test]
fn what_is_not_a_command_is_an_error_of_use() {
    assert_eq!(run(&["rnu"]).status.code(), Some(2));
    assert_eq!(run(&["check"]).status.code(), Some(2));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
    let missing = run(&["check", "--config", "/nonexistent"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("/nonexistent"), "{}", stderr(&missing));
}
