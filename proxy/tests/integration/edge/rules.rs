//! Rules of a queue.

use crate::support::{HOST, Protocol, Request, Response, Scene, client::on_every_protocol, node};

const RULES: &str = r#"release_per_minute = 600
mode = "hold"
[[queue.rule]]
name = "no admin"
when = { path = ["/admin", "/admin/**"], not = { headers = { x-key = "open" } } }
action = "refuse"
[[queue.rule]]
name = "call-backs"
preset = "payment_callbacks"
when = { path = "/hooks/*", headers = { stripe-signature = "t=*" } }
[[queue.rule]]
name = "partners"
when = { path = "/feed", query = { partner = "blue shoes" }, not = { clients = ["192.0.2.0/24"] } }
action = "pass"
"#;

async fn scene(protocol: Protocol) -> Scene {
    Scene::speaking(protocol, |shop| shop.queue("shop", RULES), |setup| setup).await
}

fn hook(path: &str) -> Request {
    Request::new("POST", path).header("Stripe-Signature", "t=1,v1=2").body("application/json", "{}")
}

async fn the_first_rule_that_matches_decides(protocol: Protocol) {
    let scene = scene(protocol).await;
    let mut client = scene.client().await;
    let key = |path: &str| Request::fetch("GET", path).header("X-Key", "open");
    for (request, expected) in [
        (Request::fetch("GET", "/"), 429),
        (Request::navigation("/"), 503),
        (hook("/hooks/pay"), 200),
        (hook("/%68ooks/pay;v=1"), 200),
        (hook("/hooks/a/b"), 429),
        (hook("/hooks/..%2fcheckout"), 400),
        (hook("/hooks/%252e%252e%252fcheckout"), 400),
        (hook("/hooks/x%2fpay"), 429),
        (hook("/hooks//x/pay"), 429),
        (Request::fetch("GET", "/hooks/pay").header("Stripe-Signature", "t=1"), 429),
        (Request::fetch("POST", "/hooks/pay"), 429),
        (Request::fetch("GET", "/admin"), 403),
        (Request::navigation("/ADMIN/"), 403),
        (Request::fetch("GET", "/%61dmin/users"), 403),
        (key("/admin/users"), 429),
        (Request::fetch("GET", "/feed?partner=blue+shoes"), 200),
        (Request::fetch("GET", "/feed?partner=blue%20shoes&partner=red"), 429),
    ] {
        let hits = scene.origin.hit_count();
        let answer: Response = client.ask(&request).await;
        assert_eq!(answer.status, expected, "{request:?}");
        assert_eq!(scene.origin.hit_count() > hits, expected == 200, "{request:?}");
        assert!(answer.token("ticket").is_none() || expected != 200, "who passes by takes no number: {answer:?}");
    }
    let metrics = scene.node.metrics().await;
    let met = |rule| metrics.sum("rule_requests_total", &[("queue", "shop"), ("rule", rule)]);
    assert_eq!([met("no admin"), met("call-backs"), met("partners")], [3.0, 2.0, 1.0]);
    assert_eq!(metrics.sum("requests_rejected_total", &[("reason", "rule")]), 3.0);
}

async fn a_preflight_goes_where_the_request_that_it_announces_would(protocol: Protocol) {
    let rules = "release_per_minute = 600\nmode = \"hold\"\n[[queue.rule]]\nname = \"api\"\naction = \"pass\"\nwhen = { path = \
                 \"/api/*\", methods = [\"PUT\"] }";
    let scene = Scene::speaking(protocol, |shop| shop.queue("shop", rules), |setup| setup).await;
    let preflight = |method: &str| {
        let asked = Request::new("OPTIONS", "/api/x").header("Origin", "https://other.example");
        asked.header("Access-Control-Request-Method", method)
    };
    assert!(scene.ask(&preflight("PUT")).await.is_from_origin());
    assert!(!scene.ask(&preflight("DELETE")).await.is_from_origin());
}

on_every_protocol!(the_first_rule_that_matches_decides, a_preflight_goes_where_the_request_that_it_announces_would,);

#[tokio::test]
async fn explain_shows_what_kept_each_rule_from_matching() {
    let scene = scene(Protocol::Http1).await;
    let folder = scene.node.folder.path().to_str().unwrap();
    let explained = |path: &str, more: &[&str]| {
        let url = format!("http://{HOST}{path}");
        let out = node::run(&[&["explain", "--config", folder, &url], more].concat());
        String::from_utf8(out.stdout).unwrap()
    };
    let said = explained("/feed?partner=blue+shoes", &["--from", "192.0.2.9"]);
    for expected in [
        "client   192.0.2.9, by the connection itself",
        "rule     1 \"no admin\" (refuse): no, by the path",
        "rule     2 \"call-backs\" (pass): no, by the method",
        "rule     3 \"partners\" (pass): no, by what stands in `not`",
        "queue    shop (path /feed, longest prefix \"/\")",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let said = explained("/feed?partner=blue+shoes", &["--from", "198.51.100.9"]);
    assert!(said.contains("\"partners\" (pass): decides") && said.contains("lets it pass by"), "{said}");
    let said = explained("/hooks/pay", &["-X", "POST"]);
    assert!(said.contains("no, by the header field stripe-signature"), "{said}");
    let said = explained("/admin", &[]);
    assert!(said.contains("\"no admin\" (refuse): decides") && said.contains("answer   403"), "{said}");
    let said = explained("/", &["--from", "10.0.0.1", "--proxy-header", "192.0.2.9"]);
    assert!(said.contains("client   192.0.2.9, by the PROXY header of 10.0.0.1"), "{said}");
}
