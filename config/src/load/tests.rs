mod fuzzed;
mod https;
mod listener;
mod never_panics;

use std::time::Duration;

use super::*;
use crate::{
    settings::{
        Balance, Cors, HostPattern, Mode, Name, NodeTls, Origin, Queue, RedisSettings, RedisTopology, SameSite, Server,
        Store, TenantTls, WaitStatus,
    },
    testing::{Dir, NODE, ORIGIN, QUEUE, TENANT, certificates::Pair, queue, tenant, tls},
};

#[test]
fn smallest_config_has_all_defaults() {
    let dir = Dir::new();
    let config = dir.config();
    assert_eq!(config.server.http, ["127.0.0.1:8080".parse().unwrap()]);
    assert!(config.server.https.is_empty());
    assert_eq!(config.server.admin, "127.0.0.1:9900".parse().ok());
    assert!(config.server.trusted_proxies.is_empty());
    assert_eq!(config.server.threads, None);
    assert_eq!(config.server.drain_timeout, Duration::from_secs(30));
    assert_eq!(config.server.connections_max, 15_000);
    assert_eq!(config.server.requests_max, 20_000);
    assert!(config.server.http2);
    assert_eq!(config.tls, NodeTls::default());
    assert_eq!(config.store, Store::Embedded { state_dir: dir.path().join("state") });
    assert_eq!(config.keys, None);

    let [tenant] = config.tenants.as_slice() else { panic!("one tenant") };
    assert_eq!(tenant.name.as_str(), "shop");
    assert_eq!(tenant.hosts, [HostPattern::Exact("shop.example.com".into())]);
    assert_eq!(tenant.origin.servers, [std::net::SocketAddr::from(([127, 0, 0, 1], 9000)).into()]);
    assert_eq!(tenant.origin.balance, Balance::LeastInFlight);
    assert_eq!(tenant.origin.in_flight_max, None);
    assert_eq!(tenant.origin.resolve_every, Duration::from_secs(30));
    assert_eq!(tenant.origin.health, None);
    assert_eq!(tenant.origin.tls, None);
    assert_eq!(tenant.routes, []);
    assert_eq!(tenant.origin.connect_timeout, Duration::from_secs(5));
    assert_eq!(tenant.origin.read_timeout, Duration::from_secs(60));
    assert_eq!(tenant.origin.write_timeout, Duration::from_secs(60));
    assert_eq!(tenant.origin.idle_timeout, Duration::from_secs(50));
    assert_eq!(tenant.cors, None);
    assert_eq!(tenant.tls, None);
    assert_eq!(tenant.cookies.same_site, SameSite::None);
    assert!(!tenant.strict_headers);

    let [queue] = tenant.queues.as_slice() else { panic!("one queue") };
    assert_eq!(queue.name, Name::new("shop").unwrap());
    assert_eq!(queue.paths, ["/"]);
    assert_eq!(queue.release_per_minute.get(), 600);
    assert_eq!(queue.burst.get(), 100);
    assert_eq!(queue.max_active, None);
    assert_eq!(queue.max_waiting.get(), 1_000_000);
    assert_eq!(queue.session_idle, Duration::from_secs(600));
    assert_eq!(queue.session_max, Duration::from_secs(43_200));
    assert_eq!(queue.claim_within, Duration::from_secs(120));
    assert_eq!(queue.return_within, Duration::from_secs(1800));
    assert_eq!(queue.mode, Mode::Auto);
    assert_eq!(queue.on_store_loss, None);
    assert_eq!(queue.wait_status, WaitStatus::ServiceUnavailable);
    assert_eq!(queue.message, None);
}

#[test]
fn settings_that_are_built_have_the_defaults_of_those_that_are_read() {
    let dir =
        Dir::new().with("tenants/shop.toml", &tenant(&[TENANT, ORIGIN, "[cors]\nallowed_origins = [\"*\"]\n", QUEUE]));
    let config = dir.config();
    assert_eq!(config.server, Server::default());
    let read = Tenant::clone(&config.tenants[0]);
    let (name, release) = (read.name.clone(), read.queues[0].release_per_minute);
    let built = Tenant {
        hosts: read.hosts.clone(),
        cors: Some(Cors::new(vec!["*".to_owned()])),
        queues: vec![Arc::new(Queue::new(name.clone(), release))],
        ..Tenant::new(name, Origin::new(read.origin.servers.clone()))
    };
    assert_eq!(read, built);

    let node = "[store]\nurl = \"redis://127.0.0.1\"\n";
    let store = Dir::node(node).with("tenants/shop.toml", &queue("on_store_loss = \"hold\"")).config().store;
    let Store::Redis { settings, .. } = store else { panic!("shared") };
    assert_eq!(*settings, RedisSettings::new(RedisTopology::Single, settings.nodes.clone()));

    let lines = "certificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]";
    let dir = Dir::tenant(&tls(lines)).with_pair("shop", &Pair::new(&["shop.example.com"]));
    let read = dir.only_tenant().tls.unwrap();
    assert_eq!(read, TenantTls::new(read.certificates.clone()));
}

/// The example that the design promises to users and tools.
#[test]
fn promised_example_loads() {
    let node = "\
[server]
http  = [\"127.0.0.1:8080\"]
https = []
admin = \"127.0.0.1:9900\"        # health, metrics, API; never on a public address by default
trusted_proxies = []            # CIDRs whose X-Forwarded-For / PROXY header is believed

[store]                         # leave the section out: embedded
url = \"redis://127.0.0.1:6379\"  # redis://, rediss://, redis+sentinel://, redis+cluster://

[keys]
current = \"2026-11\"
secrets = { \"2026-11\" = { env = \"SLUICE_KEY\" } }
";
    let shop = "\
name  = \"shop\"
hosts = [\"shop.example.com\", \"*.shop.example.com\"]

[origin]
servers = [\"127.0.0.1:9000\"]

[[queue]]
name = \"shop\"
paths = [\"/\"]                   # prefixes of the normalised path; the longest match wins
release_per_minute = 600
burst = 100                     # default: a sixth of release_per_minute, at least 1
max_active = 2000               # optional
session_idle = \"10m\"
session_max = \"12h\"
mode = \"auto\"                   # open (observe only) | auto | hold | drain | closed
on_store_loss = \"hold\"          # required with [store]
wait_status = 503
";
    let config = Dir::node(node).with("tenants/shop.toml", shop).config();
    assert_eq!(config.keys.unwrap().current, "2026-11");
    assert_eq!(config.tenants[0].queues[0].max_active.unwrap().get(), 2000);
}

#[test]
fn ten_mistakes_are_ten_errors_in_one_run() {
    let node = "\
[server]
http = [«\"localhost:80\"»]
drain_timeout = «\"5 parsecs\"»
«workers» = 4

[store]
url = \"redis://127.0.0.1:6379\"
database = «99999»
";
    let shop = "\
name = \"shop\"
hosts = [\"shop.example.com\", «\"https://shop.example.com\"»]

«[origin]»

[[queue]]
name = \"shop\"
release_per_minute = «0»
mode = «\"atuo\"»
on_store_loss = \"hold\"
";
    let tickets = "\
name = \"tickets\"
hosts = [«\"SHOP.example.com\"»]
[origin]
servers = [\"127.0.0.1:9000\"]
«[[queue]]»
name = \"tickets\"
release_per_minute = 60
";
    let dir = Dir::node(node).with("tenants/shop.toml", shop).with("tenants/tickets.toml", tickets);
    dir.check_marks();
    assert_eq!(dir.mistakes().len(), 10);
    assert_eq!(dir.load().unwrap_err().to_string().lines().filter(|line| !line.starts_with(' ')).count(), 10);
}

#[test]
fn every_kind_of_mistake_can_be_made() {
    let found = [
        Dir::new().without("sluice.toml").mistakes()[0].kind(),
        Dir::node("[server]\n«http =»\n").mistake().kind(),
        Dir::node("[server]\n«htpt» = []\n").mistake().kind(),
        Dir::tenant(&tenant(&[TENANT, "«[origin]»\n", QUEUE])).mistake().kind(),
        Dir::node("[server]\nhttp = «8080»\n").mistake().kind(),
        Dir::node("[server]\nconnections_max = «0»\n").mistake().kind(),
        Dir::node("[server]\nhttp = [«\"here\"»]\n").mistake().kind(),
        Dir::node("[server]\nhttp = [\"127.0.0.1:1\", «\"127.0.0.1:1\"»]\n").mistake().kind(),
        Dir::tenant(&queue("burst = «601»")).mistake().kind(),
        Dir::node("[keys]\ncurrent = \"a\"\nsecrets = { a = { env = «\"NOT_SET\"» } }\n").mistake().kind(),
        Dir::tenant(&tenant(&[TENANT, "[origin]\nservers = [«\"gone.example.com:80\"»]\n", QUEUE])).mistake().kind(),
        Dir::node(
            "[server]\n[tls]\ndefault_certificate = { chain = «\"tls/a.pem\"», key = { file = \"tls/a.key\" } }\n",
        )
        .with_pair("a", &Pair::new(&[]))
        .mistake()
        .kind(),
    ];
    assert_eq!(found, Kind::ALL);
}

#[test]
fn folder_that_is_not_there_is_one_mistake() {
    let dir = Dir::new();
    let errors = load(dir.path().join("nowhere")).unwrap_err();
    assert_eq!(errors.mistakes().len(), 1);
    assert!(errors.to_string().contains("nowhere:1:1: there is no such config folder"), "{errors}");
}

#[test]
fn missing_files_say_what_to_create() {
    let mistake = &Dir::new().without("sluice.toml").mistakes()[0];
    assert!(mistake.file().ends_with("sluice.toml"));
    assert!(mistake.help().contains("create it"), "{mistake:?}");

    let mistake = &Dir::new().without("tenants").mistakes()[0];
    assert!(mistake.file().ends_with("tenants"));
    assert!(mistake.help().contains("tenants/NAME.toml with `name`"), "{mistake:?}");

    let mistake = &Dir::new().without("tenants/shop.toml").mistakes()[0];
    assert!(mistake.message().contains("no tenant"), "{mistake:?}");
    assert!(mistake.help().contains("tenants/NAME.toml with `name`"), "{mistake:?}");
}

#[test]
fn only_visible_toml_files_are_tenants() {
    let dir = Dir::new()
        .with("tenants/notes.md", "not TOML")
        .with("tenants/shop.toml~", "not TOML")
        .with("tenants/.#shop.toml", "not TOML")
        .with("tenants/below/other.toml", "not TOML");
    assert_eq!(dir.config().tenants.len(), 1);
}

#[test]
fn tenants_are_in_the_order_of_their_files() {
    let named = |name: &str| format!("name = \"{name}\"\nhosts = [\"{name}.example.com\"]\n{ORIGIN}{QUEUE}");
    let dir = Dir::new()
        .with("tenants/20.toml", &named("a"))
        .with("tenants/10.toml", &named("b"))
        .without("tenants/shop.toml");
    let names: Vec<_> = dir.config().tenants.iter().map(|tenant| tenant.name.to_string()).collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn folder_in_place_of_a_file_is_a_mistake() {
    let dir = Dir::new().with("tenants/odd.toml/inner", "");
    let mistake = &dir.mistakes()[0];
    assert_eq!(mistake.kind(), Kind::Unreadable);
    assert!(mistake.message().contains("not a regular file"), "{mistake:?}");
}

#[test]
fn file_that_is_too_large_is_refused() {
    let text = format!("{NODE}#{}\n", " ".repeat(crate::limits::FILE_BYTES_MAX));
    let mistake = &Dir::node(&text).mistakes()[0];
    assert_eq!(mistake.kind(), Kind::Unreadable);
    assert!(mistake.message().contains("larger than 1024 KiB"), "{mistake:?}");
}

#[test]
fn bytes_that_are_not_text_have_a_place() {
    let dir = Dir::new().with_bytes("sluice.toml", b"[server]\n# caf\xe9\n");
    let mistake = &dir.mistakes()[0];
    assert_eq!((mistake.kind(), mistake.line(), mistake.column()), (Kind::Unreadable, 2, 6));
}

#[test]
fn byte_order_mark_and_windows_line_ends_are_fine() {
    let dir = Dir::node("\u{feff}[server]\r\nthreads = 2\r\n");
    assert_eq!(dir.config().server.threads, Some(2));
    // Nor do they shift a column.
    let dir = Dir::new().with_bytes("sluice.toml", "\u{feff}nothing = 1\r\n".as_bytes());
    let mistake = &dir.mistakes()[0];
    assert_eq!((mistake.line(), mistake.column(), mistake.text()), (1, 1, "nothing"));
}

#[test]
fn syntax_error_in_one_file_hides_nothing_in_another() {
    let dir = Dir::node("[server]\nhttp = «127.0.0.1:80»\n").with("tenants/shop.toml", &queue("burst = «0»"));
    let kinds: Vec<_> = dir.mistakes().iter().map(Mistake::kind).collect();
    assert_eq!(kinds, [Kind::Syntax, Kind::OutOfRange]);
}

#[test]
fn names_and_hosts_are_unique_across_tenants() {
    let other = format!("name = «\"shop\"»\nhosts = [«\"Shop.Example.com\"», \"*.shop.example.com\"]\n{ORIGIN}{QUEUE}");
    let dir = Dir::new().with("tenants/z.toml", &other);
    dir.check_marks();
    let mistakes = dir.mistakes();
    assert_eq!(mistakes[0].kind(), Kind::Duplicate);
    assert!(mistakes[0].message().contains("tenants/shop.toml:1:8 has it"), "{}", mistakes[0]);
    assert!(mistakes[1].message().contains("tenants/shop.toml:2:10 has it"), "{}", mistakes[1]);
}

#[test]
fn a_million_mistakes_are_counted_but_not_kept() {
    let node: String = (0..50_000).map(|nth| format!("k{nth} = 0\n")).collect();
    let errors = Dir::node(&node).load().unwrap_err();
    assert_eq!(errors.mistakes().len(), crate::limits::MISTAKES_MAX);
    assert!(errors.omitted() > 0);
    assert!(errors.to_string().ends_with("more"), "{errors}");
}

#[test]
fn debug_of_a_config_shows_no_secret() {
    let node = "[store]\nurl = \"redis://127.0.0.1\"\npassword = { env = \"SLUICE_STORE_PASSWORD\" }\n\
                [keys]\ncurrent = \"a\"\nsecrets = { a = { env = \"SLUICE_KEY\" } }\n";
    let dir = Dir::node(node).with("tenants/shop.toml", &queue("on_store_loss = \"hold\""));
    let config = dir.config();
    let debug = format!("{config:?} {config:#?}");
    assert!(!debug.contains("hunter2") && !debug.contains("115, 108, 117"), "{debug}");
    assert_eq!(config.keys.unwrap().secrets["a"].expose(), b"sluice sluice sluice sluice slui");
}
