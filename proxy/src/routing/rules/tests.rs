#![allow(clippy::unwrap_used)]

use std::{hint::black_box, sync::LazyLock, time::Instant};

use http::{HeaderValue, Uri, Version};
use proptest::prelude::*;

use super::*;
use crate::request::{
    kind,
    path::tests::origins::{nasty_paths, origins},
    syntax::strict,
};

/// The rules of a tenant's only queue, read as a node reads them.
fn rules(lines: &str) -> Vec<Rule> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tenants")).unwrap();
    std::fs::write(folder.path().join("sluice.toml"), "[server]\n").unwrap();
    let tenant = format!(
        "name = \"shop\"\nhosts = [\"*.example.com\"]\n[origin]\nservers = [\"127.0.0.1:9000\"]\n[[queue]]\nname = \"shop\"\n\
         release_per_minute = 600\n{lines}"
    );
    std::fs::write(folder.path().join("tenants/shop.toml"), tenant).unwrap();
    let config = sluice_config::load_with(folder.path(), &|_| None).unwrap_or_else(|errors| panic!("{errors}"));
    config.tenants[0].queues[0].rules.clone()
}

fn rule(when: &str, action: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NTH: AtomicU32 = AtomicU32::new(0);
    let nth = NTH.fetch_add(1, Ordering::Relaxed);
    format!("[[queue.rule]]\nname = \"{nth}\"\nwhen = {{ {when} }}\naction = \"{action}\"\n")
}

/// A request in parts, so that what is looked at outlives the look.
struct Asked {
    method: Method,
    target: Vec<u8>,
    headers: HeaderMap,
    client: IpAddr,
}

impl Asked {
    fn get(target: impl AsRef<[u8]>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("shop.example.com"));
        Self { method: Method::GET, target: target.as_ref().into(), headers, client: IpAddr::from([192, 0, 2, 7]) }
    }

    fn by(self, method: Method) -> Self {
        Self { method, ..self }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    /// What becomes of it with its subject; `None`: no such request is ever served.
    fn look<T>(&self, look: impl FnOnce(&Subject<'_>) -> T) -> Option<T> {
        let uri = Uri::default();
        let head = Head {
            method: &self.method,
            target: &self.target,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &self.headers,
            raw: None,
        };
        let facts = strict::check(head).ok()?;
        let path = NormalPath::parse(facts.path).ok()?;
        let kind = kind::classify(head.method, head.version, head.headers);
        Some(look(&Subject::of(head, kind, &facts, &path, self.client)))
    }

    fn action(&self, rules: &[Rule]) -> Option<RuleAction> {
        self.look(|subject| deciding(rules, subject).map(|(_, rule)| rule.action.clone())).unwrap()
    }
}

#[track_caller]
fn fails(when: &str, asked: &Asked, expected: Option<&str>) {
    let rules = rules(&rule(when, "pass"));
    let found = asked.look(|subject| failed(&rules[0], subject).map(|failed| failed.to_string())).unwrap();
    assert_eq!(found.as_deref(), expected, "{when}");
}

#[test]
fn the_first_rule_that_matches_decides() {
    let lines = [
        rule("path = \"/hooks/test\"", "queue"),
        rule("path = \"/hooks/old/**\"", "refuse"),
        rule("path = \"/hooks/**\"", "pass"),
        rule("path = \"/hooks/never\"", "refuse"),
    ];
    let rules = rules(&lines.concat());
    for (path, expected) in [
        ("/hooks/test", Some(RuleAction::Queue)),
        ("/hooks/old/a", Some(RuleAction::Refuse)),
        ("/hooks/pay", Some(RuleAction::Pass)),
        ("/hooks/never", Some(RuleAction::Pass)),
        ("/shop", None),
    ] {
        assert_eq!(Asked::get(path).action(&rules), expected, "{path}");
    }
}

#[test]
fn each_condition_that_fails_is_named() {
    let asked = || Asked::get("/a?x=1").with("stripe-signature", "t=1").with("cookie", "b=2; c=\"3\"");
    for (when, expected) in [
        ("path = \"/a\", methods = [\"POST\"]", Some("the method")),
        ("path = \"/a\", hosts = [\"www.example.com\"]", Some("the host")),
        ("path = \"/a\", hosts = [\"*.example.com\"]", None),
        ("path = \"/a\", clients = [\"198.51.100.0/24\"]", Some("the client's address")),
        ("path = \"/a\", clients = [\"192.0.2.0/24\"]", None),
        ("path = \"/b\"", Some("the path")),
        ("path = [\"/b\", \"/a\"]", None),
        ("path = \"/*\", path_regex = \"/[b-z]\"", Some("the path")),
        ("path = \"/a\", headers = { x-other = \"*\" }", Some("the header field x-other")),
        ("path = \"/a\", headers = { stripe-signature = \"t=*\" }", None),
        ("path = \"/a\", cookies = { b = \"3\" }", Some("the cookie b")),
        ("path = \"/a\", cookies = { b = \"2\", c = \"3\" }", None),
        ("path = \"/a\", query = { y = \"*\" }", Some("the parameter y")),
        ("path = \"/a\", query = { x = \"1\" }", None),
        ("path = \"/a\", not = { query = { x = \"1\" } }", Some("what stands in `not`")),
        ("path = \"/a\", not = { query = { x = \"1\" }, methods = [\"POST\"] }", None),
    ] {
        fails(when, &asked(), expected);
    }
}

#[test]
fn get_is_head_as_well_and_a_preflight_is_what_it_announces() {
    let of_get = "path = \"/a\", methods = [\"GET\"]";
    fails(of_get, &Asked::get("/a").by(Method::HEAD), None);
    fails(of_get, &Asked::get("/a").by(Method::POST), Some("the method"));
    let preflight = |method| {
        let asked = Asked::get("/a").by(Method::OPTIONS).with("origin", "https://a.test");
        asked.with("access-control-request-method", method)
    };
    fails("path = \"/a\", methods = [\"PUT\"]", &preflight("PUT"), None);
    fails("path = \"/a\", methods = [\"OPTIONS\"]", &preflight("PUT"), Some("the method"));
}

#[test]
fn what_comes_twice_passes_only_if_both_match_and_is_refused_if_one_does() {
    let (when, action) =
        ("path = \"/a\", headers = { x = \"1\" }", |a: &str| rules(&rule("path = \"/a\", headers = { x = \"1\" }", a)));
    let both = Asked::get("/a").with("x", "1").with("x", "2");
    fails(when, &both, Some("the header field x"));
    assert_eq!(both.action(&action("refuse")), Some(RuleAction::Refuse));
    fails(when, &Asked::get("/a").with("x", "1").with("x", "1"), None);
    fails("path = \"/a\", query = { x = \"1\" }", &Asked::get("/a?x=1&x=2"), Some("the parameter x"));
    fails("path = \"/a\", not = { query = { x = \"1\" } }", &Asked::get("/a?x=2&x=1"), Some("what stands in `not`"));
    fails("path = \"/a\", cookies = { x = \"1\" }", &Asked::get("/a").with("cookie", "x=1; x=2"), Some("the cookie x"));
}

#[test]
fn a_parameter_is_read_as_programs_read_it() {
    for (query, expected) in [
        ("key=a+b", None),
        ("key=a%20b", None),
        ("%6bey=a%20b", None),
        ("key=a%2bb", Some("the parameter key")),
        ("key=a%2", Some("the parameter key")),
        ("keys=a+b", Some("the parameter key")),
        ("", Some("the parameter key")),
    ] {
        fails("path = \"/a\", query = { key = \"a b\" }", &Asked::get(format!("/a?{query}")), expected);
    }
    // Too long to be judged is no match of a rule that passes, and one of a rule that refuses.
    let long = Asked::get(format!("/a?key=%61{}", "b".repeat(DECODED_BYTES_MAX)));
    fails("path = \"/a\", query = { key = \"*\" }", &long, Some("the parameter key"));
    assert!(long.action(&rules(&rule("path = \"/a\", query = { key = \"z\" }", "refuse"))).is_some());
}

#[test]
fn a_slash_behind_a_page_saves_no_request_from_being_refused() {
    assert!(Asked::get("/admin/").action(&rules(&rule("path = \"/admin\"", "refuse"))).is_some());
    fails("path = \"/admin\"", &Asked::get("/admin/"), Some("the path"));
}

/// Everything but two places of the public folder passes, and those two are refused.
static AROUND: LazyLock<[Vec<Rule>; 2]> = LazyLock::new(|| {
    let open = "path = \"/public/**\", not = { path = [\"/public/pay\", \"/public/pay/**\"] }";
    let shut = "path = [\"/checkout\", \"/checkout/**\", \"/public/pay\", \"/public/pay/**\"]";
    [rules(&rule(open, "pass")), rules(&rule(shut, "refuse"))]
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    /// However a path is spelt, and whatever an origin makes of it: what it takes for a protected page has passed by no
    /// rule, and has met every rule that refuses it.
    #[test]
    fn no_spelling_of_a_protected_path_passes_by_a_rule(raw in nasty_paths(), origin in origins()) {
        let page = origin.page(&raw);
        let is_below = |prefix: &[&[u8]]| page.len() >= prefix.len() && prefix.iter().zip(&page).all(|(a, b)| a == b);
        if !is_below(&[b"checkout"]) && !is_below(&[b"public", b"pay"]) {
            return Ok(());
        }
        let Ok(path) = NormalPath::parse(&raw) else { return Ok(()) };
        let headers = HeaderMap::new();
        let subject = Subject {
            path: &path, method: &Method::GET, announced: None, host: "a", client: IpAddr::from([192, 0, 2, 7]),
            headers: &headers, query: None,
        };
        let shown = String::from_utf8_lossy(&raw);
        prop_assert!(deciding(&AROUND[0], &subject).is_none(), "{shown} passes");
        prop_assert!(deciding(&AROUND[1], &subject).is_some(), "{shown} is not refused");
    }
}

/// Two hundred spellings of one page, each of which some origin takes for it.
#[test]
fn two_hundred_spellings_of_a_protected_path_pass_by_no_rule() {
    let rules = rules(&[rule("path = \"/public/**\"", "pass"), rule("path = \"/*\"", "pass")].concat());
    let letters = |text: &str| -> Vec<String> {
        (0..text.len())
            .flat_map(|at| {
                let byte = text.as_bytes()[at];
                let (start, end) = (&text[..at], &text[at + 1..]);
                [
                    format!("{start}%{byte:02x}{end}"),
                    format!("{start}%25{byte:02x}{end}"),
                    format!("{start}{}{end}", char::from(byte).to_ascii_uppercase()),
                ]
            })
            .chain([text.to_owned()])
            .collect()
    };
    let ways = [
        "/public/../{}",
        "/public/%2e%2e/{}",
        "/public%2f..%2f{}",
        "/public/..;/{}",
        "//public/../{}",
        "/{}",
        "//x/{}",
        "/{};v=1",
        "/{}%20",
    ];
    let mut spellings = 0;
    for page in letters("checkout")
        .iter()
        .flat_map(|first| letters("pay").into_iter().map(move |second| format!("{first}/{second}")))
    {
        for way in ways {
            let raw = way.replace("{}", &page);
            let passes = NormalPath::parse(raw.as_bytes()).is_ok_and(|_| Asked::get(&raw).action(&rules).is_some());
            assert!(!passes, "{raw}");
            spellings += 1;
        }
    }
    assert!(spellings >= 200, "{spellings}");
}

/// As many rules as a queue may have, none of which matches, and most of which are about the path.
fn hundred() -> Vec<Rule> {
    let lines = (0..100).map(|nth| match nth % 10 {
        0 => rule(&format!("path = \"/hooks/**\", clients = [\"10.{nth}.0.0/16\"]"), "pass"),
        1 => rule(&format!("path = \"/a{nth}\", headers = {{ x-partner = \"{nth}\" }}"), "pass"),
        2 => rule(&format!("path_regex = \"/shop/{nth}/[0-9]+\""), "queue"),
        3 => rule(&format!("methods = [\"POST\"], path = \"/shop/{nth}\""), "refuse"),
        _ => rule(&format!("path = \"/shop/items/{nth}/*\""), "pass"),
    });
    rules(&lines.collect::<String>())
}

#[test]
fn a_hundred_rules_allocate_nothing_and_cost_little() {
    let rules = hundred();
    let asked =
        Asked::get("/shop/items/blue-shoes?size=42").with("cookie", "a=1; b=2").with("user-agent", "Mozilla/5.0");
    asked
        .look(|subject| {
            assert!(deciding(&rules, subject).is_none());
            let counted = allocation_counter::measure(|| assert!(deciding(black_box(&rules), subject).is_none()));
            assert_eq!(counted.count_total, 0, "{counted:?}");
            const ROUNDS: u32 = 1_000;
            let begun = Instant::now();
            (0..ROUNDS).for_each(|_| assert!(deciding(black_box(&rules), subject).is_none()));
            let each = begun.elapsed() / ROUNDS;
            // Shown with `--no-capture`. What a build for tests on a busy machine takes is no measure.
            eprintln!("100 rules: {each:?} a request");
            assert!(each.as_micros() < 1_000, "{each:?}");
        })
        .unwrap();
}
