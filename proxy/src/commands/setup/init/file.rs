//! The files that `sluice init` writes: each line says what it is for.

use std::{fmt::Write as _, num::NonZeroU32};

use super::look::Seen;

/// What is written as `sluice.toml` if there is none.
pub(super) const NODE: &str = r#"# One Sluice node. Every setting, with comments: `config/sample/sluice.toml` of the repository.
[server]
http = ["127.0.0.1:8080"]       # where visitors are served; "0.0.0.0:80" for the world
admin = "127.0.0.1:9900"        # health and metrics

[keys]                          # sign visitors' places; a lost key voids them all
current = "first"
secrets = { first = { env = "SLUICE_KEY" } }   # `sluice keygen` makes one
"#;

/// The queue of what no browser asks for.
pub(super) const PROGRAMS: &str = "programs";

/// What only the owner knows.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) name: String,
    pub(super) hosts: Vec<String>,
    pub(super) servers: Vec<String>,
    pub(super) rate: NonZeroU32,
    pub(super) waits: Vec<String>,
}

/// A tenant's file.
pub(super) fn tenant(answers: &Answers, seen: &Seen) -> String {
    let mut out = String::new();
    let mut line = |text: &str, why: &str| {
        // Writing to a string does not fail.
        let _ = if why.is_empty() { writeln!(out, "{text}") } else { writeln!(out, "{text:<48} # {why}") };
    };
    let Answers { name, hosts, servers, rate, waits } = answers;
    line(
        "# Written by `sluice init`. Every setting, with comments: `config/sample/tenants/shop.toml` of the repository.",
        "",
    );
    line(&format!("name = {name:?}"), "part of every visitor's token: another name empties the line");
    line(&format!("hosts = {hosts:?}"), "what visitors type");
    line("", "");
    line("[origin]", "");
    line(&format!("servers = {servers:?}"), "by address: the hosts above lead to Sluice one day");
    let tls_name = hosts.first().map_or("", String::as_str);
    if seen.https && servers == &seen.servers {
        line("tls = true", "the site speaks HTTPS");
        line(&format!("tls_name = {tls_name:?}"), "whom its certificate names");
    }
    if seen.streams {
        line("read_timeout = \"60s\"", "longer than its streams are silent");
    }
    line("", "");
    line("[[queue]]", "");
    line("name = \"main\"", "another name empties the line");
    line(&format!("paths = {waits:?}"), "below these visitors wait");
    line(&format!("release_per_minute = {rate}"), "most visitors let in within any minute");
    line("#max_active = 2000", "most visitors on the site at once, if that is what it cannot take");
    line("session_idle = \"10m\"", "a visit ends after so long without a request");
    line("mode = \"open\"", "everybody passes; \"auto\" once the switch is done");
    line("on_store_loss = \"hold\"", "with Redis: nobody new gets in while it is unavailable");
    if !seen.programs.is_empty() {
        line("", "");
        line("[[queue]]", "");
        line(&format!("name = \"{PROGRAMS}\""), "what payment services and other programs call: it never waits");
        line(&format!("paths = {:?}", seen.programs), "look through these: each is a way past the line");
        line(&format!("release_per_minute = {rate}"), "counts for nothing while the queue is open");
        line("mode = \"open\"", "stays so");
        line("on_store_loss = \"hold\"", "");
    }
    out
}
