//! `sluice cutover check` before sites that were made for it, each with one fault: it names that fault and no other.

use std::{
    net::{Ipv6Addr, SocketAddr},
    process::Command,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::site::{Asked, Site, date};
use crate::support::{
    Authority, HOST, Node, Resolver, Setup, Tenant, Zone,
    certificates::put,
    node::{ConfigFolder, server_file, sluice},
};

/// A site as it should be, and Sluice before it, on the day before the switch.
struct Day {
    node: Node,
    resolver: Resolver,
    folder: ConfigFolder,
    site: SocketAddr,
    authority: Authority,
}

/// What a check is told beside where everything is.
const ALL_OF_IT: [&str; 10] =
    ["--path", "/", "--path", "/offers", "--post", "/form", "--websocket", "/socket", "--whoami", "/whoami"];

/// What a good site answers.
fn good(asked: &Asked) -> (u16, String, String) {
    let fields = date(SystemTime::now());
    match asked.path.as_str() {
        "/" => {
            (200, format!("{fields}\nSet-Cookie: basket=1; Path=/; HttpOnly\nCache-Control: private"), "Welcome".into())
        }
        "/socket" if asked.field("upgrade").is_some() => {
            let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
            (101, format!("Upgrade: websocket\nConnection: Upgrade\n{accept}"), String::new())
        }
        "/form" if asked.method == "POST" => (204, fields, String::new()),
        "/whoami" => (200, fields, asked.field("x-forwarded-for").unwrap_or("nobody").to_owned()),
        path => (200, fields, format!("This is {path}")),
    }
}

fn tenant(site: SocketAddr) -> Tenant {
    let queue = "release_per_minute = 600\nmode = \"open\"";
    Tenant::new("shop", &[HOST], site).queue("shop", queue).queue("hooks", &format!("{queue}\npaths = [\"/hooks\"]"))
}

impl Day {
    async fn new(answer: impl Fn(&Asked) -> (u16, String, String) + Send + Sync + 'static) -> Self {
        Self::before(Site::start(answer).addr, |tenant| tenant).await
    }

    async fn good() -> Self {
        Self::new(good).await
    }

    async fn before(site: SocketAddr, change: impl FnOnce(Tenant) -> Tenant) -> Self {
        let authority = Authority::new("authority");
        let pair = authority.server(&[HOST]);
        let shop = change(tenant(site).presents(&["shop"], ""));
        let node = Setup::new(shop.clone()).https("").pair("shop", &pair).start().await;
        let folder = ConfigFolder::new();
        pair.write(folder.path(), "shop");
        put(folder.path(), "authority.pem", &authority.pem);
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let day = Self { node, resolver: Resolver::start(), folder, site, authority };
        day.server("");
        day.folder.write_tenant(&shop);
        day
    }

    /// Gives the config that is checked these further lines of `[server]`.
    fn server(&self, lines: &str) {
        let lines = format!("https = [\"127.0.0.1:8443\"]\nconnections_max = 100\n{lines}");
        self.folder.write(
            "sluice.toml",
            &server_file("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:0".parse().unwrap(), &lines),
        );
    }

    /// Exit status and findings.
    fn check(&self, args: &[&str]) -> (i32, Value) {
        self.check_at(&format!("https://{}", self.node.https()), args)
    }

    fn check_at(&self, node: &str, args: &[&str]) -> (i32, Value) {
        self.run(node, args, |command| command)
    }

    fn run(&self, node: &str, args: &[&str], prepare: impl FnOnce(Command) -> Command) -> (i32, Value) {
        let ca = self.folder.path().join("authority.pem");
        let resolver = self.resolver.addr.to_string();
        let base = [
            "cutover",
            "check",
            HOST,
            "--json",
            "--config",
            self.folder.path().to_str().unwrap(),
            "--node",
            node,
            "--dns",
            &resolver,
        ];
        let ca = if args.contains(&"no authority") { vec![] } else { vec!["--ca", ca.to_str().unwrap()] };
        let args: Vec<_> = args.iter().copied().filter(|arg| *arg != "no authority").collect();
        let output = prepare(sluice(&[&base[..], &ca, &args].concat())).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let findings = serde_json::from_str(&said).unwrap_or_else(|error| {
            panic!("{error}: {said} {}", String::from_utf8_lossy(&output.stderr));
        });
        (output.status.code().unwrap(), findings)
    }
}

/// Checks and verdicts that are not as they should be.
fn faults(findings: &Value) -> Vec<(String, String)> {
    let all = findings["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let faulty = all.filter(|finding| !matches!(finding["verdict"].as_str(), Some("ok" | "skip")));
    faulty.map(|finding| (text(finding, "check"), text(finding, "verdict"))).collect()
}

#[track_caller]
fn assert_names((code, findings): &(i32, Value), check: &str, verdict: &str, says: &str) {
    assert_eq!(faults(findings), [(check.to_owned(), verdict.to_owned())], "{findings:#}");
    let all = findings["findings"].as_array().unwrap();
    let said = all.iter().find(|finding| finding["check"] == check && finding["verdict"] == verdict).unwrap();
    assert!(said["says"].as_str().unwrap().contains(says), "{said}");
    assert_eq!((*code, &findings["verdict"]), (if verdict == "stop" { 2 } else { 1 }, &verdict.into()));
}

#[tokio::test]
async fn a_healthy_day_is_all_ok() {
    let day = Day::good().await;
    let (code, findings) = day.check(&ALL_OF_IT);
    assert_eq!((code, faults(&findings)), (0, vec![]), "{findings:#}");
    let all = findings["findings"].as_array().unwrap();
    let checks: Vec<_> = all.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    assert_eq!(
        checks,
        [
            "loop",
            "ttl",
            "aaaa",
            "caa",
            "certificate",
            "paths",
            "cookies",
            "hsts",
            "clock",
            "post",
            "websocket",
            "client address",
            "back door",
            "queued",
            "limits",
            "store"
        ]
    );
    assert!(all.iter().all(|finding| finding["verdict"] == "ok"), "{findings:#}");
    // For people it is a table.
    let ca = day.folder.path().join("authority.pem");
    let (node, dns) = (format!("https://{}", day.node.https()), day.resolver.addr.to_string());
    let args =
        ["cutover", "check", HOST, "--config", day.folder.path().to_str().unwrap(), "--node", &node, "--dns", &dns];
    let output = sluice(&[&args[..], &["--ca", ca.to_str().unwrap()]].concat()).output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && table.contains("client address") && !table.contains("STOP"), "{table}");
}

#[tokio::test]
async fn what_dns_says_is_named() {
    let day = Day::good().await;
    let of = |zone: Zone| {
        day.resolver.says(zone);
        day.check(&ALL_OF_IT)
    };
    assert_names(&of(Zone { ttl: 3600, ..Zone::default() }), "ttl", "warn", "3600 s");
    assert_names(&of(Zone { v4: Vec::new(), ..Zone::default() }), "ttl", "stop", "no address");
    assert_names(&of(Zone { v6: Some(Ipv6Addr::LOCALHOST), ..Zone::default() }), "aaaa", "stop", "IPv6");
    assert_names(&of(Zone { issuer: Some("ca.example.net"), ..Zone::default() }), "caa", "warn", "ca.example.net");
    // With a listener for IPv6 the record is in order.
    let lines = server_file(
        "127.0.0.1:8080".parse().unwrap(),
        "127.0.0.1:0".parse().unwrap(),
        "https = [\"[::1]:8443\"]\nconnections_max = 100",
    );
    day.folder.write("sluice.toml", &lines);
    let (code, findings) = of(Zone { v6: Some(Ipv6Addr::LOCALHOST), ..Zone::default() });
    assert_eq!((code, faults(&findings)), (0, vec![]));
}

#[tokio::test]
async fn an_origin_that_leads_back_is_named() {
    let day = Day::good().await;
    // The origin's own port is where the config says that Sluice listens.
    let http =
        server_file(day.site, "127.0.0.1:0".parse().unwrap(), "https = [\"127.0.0.1:8443\"]\nconnections_max = 100");
    day.folder.write("sluice.toml", &http);
    assert_names(&day.check(&ALL_OF_IT), "loop", "stop", "where Sluice itself listens");
    // The origin is the host's own name.
    let day = Day::good().await;
    let shop = tenant(day.site).presents(&["shop"], "").only_server(&format!("\"localhost:{}\"", day.site.port()));
    let text = shop.text().replace(&format!("[\"{HOST}\"]"), &format!("[\"{HOST}\", \"localhost\"]"));
    day.folder.write("tenants/shop.toml", &text);
    assert_names(&day.check(&ALL_OF_IT), "loop", "stop", "localhost, which leads to Sluice");
}

#[tokio::test]
async fn a_certificate_that_visitors_would_not_accept_is_named() {
    let day = Day::good().await;
    let mut args = ALL_OF_IT.to_vec();
    args.push("no authority");
    let (code, findings) = day.check(&args);
    // Nothing can be compared through it, either.
    assert_eq!(code, 2);
    assert_eq!(faults(&findings)[0], ("certificate".to_owned(), "stop".to_owned()), "{findings:#}");
    assert!(day.authority.pem.contains("CERTIFICATE"));
}

#[tokio::test]
async fn hsts_is_named_where_there_is_no_way_back() {
    let with = |hsts: &'static str| {
        move |asked: &Asked| {
            let (status, fields, body) = good(asked);
            (status, format!("{fields}\nStrict-Transport-Security: {hsts}"), body)
        }
    };
    let day = Day::new(with("max-age=31536000; includeSubDomains")).await;
    assert_names(&day.check(&ALL_OF_IT), "hsts", "warn", "includeSubDomains");
    let day = Day::new(with("max-age=31536000")).await;
    let plain = server_file("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:0".parse().unwrap(), "connections_max = 100");
    day.folder.write("sluice.toml", &plain);
    day.folder.write_tenant(&tenant(day.site));
    let (code, findings) = day.check_at(&format!("http://{}", day.node.http), &ALL_OF_IT);
    let expected =
        [("certificate", "warn"), ("hsts", "stop")].map(|(check, verdict)| (check.to_owned(), verdict.to_owned()));
    assert_eq!((code, faults(&findings)), (2, expected.to_vec()), "{findings:#}");
}

#[tokio::test]
async fn an_address_that_anybody_may_claim_and_one_that_is_not_looked_at_are_named() {
    let day = Day::good().await;
    day.server("trusted_proxies = [\"0.0.0.0/0\"]");
    assert_names(&day.check(&ALL_OF_IT), "client address", "stop", "0.0.0.0/0");
    let day = Day::new(|asked| match asked.path.as_str() {
        "/whoami" => (200, date(SystemTime::now()), asked.peer.to_string()),
        _ => good(asked),
    })
    .await;
    assert_names(&day.check(&ALL_OF_IT), "client address", "stop", "X-Forwarded-For");
}

/// Something that stands where Sluice should, and changes what it forwards.
#[tokio::test]
async fn what_is_another_through_sluice_is_named() {
    type Fault = fn(&Asked) -> (u16, String, String);
    let faults: [(&str, &str, Fault); 6] = [
        ("cookies", "basket", |asked| match asked.path.as_str() {
            "/" => (200, format!("{}\nCache-Control: private", date(SystemTime::now())), "Welcome".into()),
            _ => good(asked),
        }),
        ("paths", "/offers: 200 directly, 404", |asked| match asked.path.as_str() {
            "/offers" => (404, date(SystemTime::now()), String::new()),
            _ => good(asked),
        }),
        ("paths", "bytes directly", |asked| match asked.path.as_str() {
            "/offers" => (200, date(SystemTime::now()), "Nothing left".repeat(100)),
            _ => good(asked),
        }),
        ("paths", "cache-control", |asked| match asked.path.as_str() {
            "/" => (200, good(asked).1.replace("private", "public"), "Welcome".into()),
            _ => good(asked),
        }),
        ("post", "/form: 204 directly, 405", |asked| match asked.method.as_str() {
            "POST" => (405, date(SystemTime::now()), String::new()),
            _ => good(asked),
        }),
        ("websocket", "/socket: 101 directly, 400", |asked| match asked.path.as_str() {
            "/socket" => (400, date(SystemTime::now()), String::new()),
            _ => good(asked),
        }),
    ];
    let day = Day::good().await;
    for (check, says, fault) in faults {
        let other = Site::start(move |asked| {
            let (status, fields, body) = fault(asked);
            let body = if asked.path == "/whoami" { asked.peer.to_string() } else { body };
            (status, fields, body)
        });
        // It speaks plain HTTP, which is not looked into when the node is named so.
        let result = day.check_at(&format!("http://{}", other.addr), &ALL_OF_IT);
        assert_names(&result, check, "stop", says);
    }
}

#[tokio::test]
async fn a_site_that_sends_visitors_past_sluice_is_named() {
    let own = std::sync::Arc::new(std::sync::OnceLock::<SocketAddr>::new());
    let known = own.clone();
    let site = Site::start(move |asked| match asked.path.as_str() {
        "/" => (302, format!("{}\nLocation: http://{}/", date(SystemTime::now()), known.get().unwrap()), String::new()),
        _ => good(asked),
    });
    own.set(site.addr).unwrap();
    let day = Day::before(site.addr, |tenant| tenant).await;
    assert_names(&day.check(&ALL_OF_IT), "redirects", "stop", "its own address");
    let day = Day::new(|asked| match asked.path.as_str() {
        "/" => (302, format!("{}\nLocation: http://{HOST}/welcome", date(SystemTime::now())), String::new()),
        _ => good(asked),
    })
    .await;
    assert_names(&day.check(&ALL_OF_IT), "redirects", "stop", "X-Forwarded-Proto");
}

#[tokio::test]
async fn a_line_that_stands_already_is_named() {
    let site = Site::start(good).addr;
    let held = "release_per_minute = 600\nmode = \"hold\"";
    let day = Day::before(site, |_| tenant(site).presents(&["shop"], "")).await;
    let held = Tenant::new("shop", &[HOST], site).queue("shop", held).presents(&["shop"], "");
    day.node.folder.write_tenant(&held);
    day.node.reload().await;
    assert_names(&day.check(&ALL_OF_IT), "paths", "stop", "mode = \"open\"");
}

#[tokio::test]
async fn a_site_that_is_down_and_a_clock_that_is_off_are_named() {
    let day = Day::new(|asked| {
        let (status, fields, body) = good(asked);
        let now = date(SystemTime::now());
        (status, fields.replace(&now, &date(SystemTime::now() - Duration::from_secs(3600))), body)
    })
    .await;
    assert_names(&day.check(&ALL_OF_IT), "clock", "warn", "differ by 3");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let day = Day::before(gone, |tenant| tenant).await;
    assert_names(&day.check(&ALL_OF_IT), "paths", "stop", "the origin does not answer");
}

#[tokio::test]
async fn a_machine_and_a_config_that_are_not_ready_are_named() {
    let day = Day::good().await;
    let node = format!("https://{}", day.node.https());
    let few = day.run(&node, &ALL_OF_IT, |command| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
        shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
    });
    assert_names(&few, "limits", "warn", "200 files");
    day.folder.write_tenant(
        &Tenant::new("shop", &[HOST], day.site).presents(&["shop"], "").queue("shop", "release_per_minute = 600"),
    );
    assert_names(&day.check(&ALL_OF_IT), "queued", "warn", "covers every path");
    day.folder.write_tenant(&tenant(day.site).presents(&["shop"], ""));
    std::fs::remove_dir(day.folder.path().join("state")).unwrap();
    assert_names(&day.check(&ALL_OF_IT), "store", "warn", "state");
}

#[tokio::test]
async fn what_cannot_be_checked_says_what_to_write() {
    let day = Day::good().await;
    let config = day.folder.path().to_str().unwrap();
    for (args, says) in [
        (vec!["nobody.example.com", "--config", config], "no tenant of the config has nobody.example.com"),
        (vec![HOST, "--config", config, "--node", "127.0.0.1:80"], "write http://ADDRESS:PORT"),
        (vec![HOST, "--config", config, "--ca", "/nonexistent"], "/nonexistent"),
    ] {
        let output = sluice(&[vec!["cutover", "check"], args].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(says), "{said}");
    }
}
