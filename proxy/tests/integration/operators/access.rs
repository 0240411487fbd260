//! Who may do what.

mod issuer;
mod login;
mod revoked;

use serde_json::{Value, json};

use super::{FAST, Operator, ask, scene, sluice, token};
use crate::support::{Request, Response, Scene};

const ROLES: [(&str, &[&str]); 4] = [
    ("viewer", &["queue:read"]),
    ("manager", &["queue:read", "queue:write", "session:read", "session:write", "audit:read", "webhook:write"]),
    ("auditor", &["queue:read", "audit:read", "system:read"]),
    (
        "admin",
        &[
            "queue:read",
            "queue:write",
            "queue:reset",
            "session:read",
            "session:write",
            "audit:read",
            "system:read",
            "webhook:write",
            "key:write",
        ],
    ),
];

/// Every operation of the description: method, path of a tenant, and the permission that it needs.
fn operations(description: &Value, tenant: &str) -> Vec<(String, String, Option<String>)> {
    let queue = if tenant == "shop" { "shop" } else { "main" };
    let of_path = |(path, methods): (&String, &Value)| {
        let path = path.replace("{tenant}", tenant).replace("{queue}", queue).replace("{number}", "999999");
        let path = path.replace("{name}", "bob").replace("{id}", "absent");
        let path = path.replace("{webhook}", "chat").replace("{delivery}", "evt_absent");
        let methods = methods.as_object().unwrap().clone();
        let operation = move |(method, operation): (String, Value)| {
            let permission = operation["x-permission"].as_str().map(str::to_owned);
            (method.to_uppercase(), path.clone(), permission)
        };
        methods.into_iter().map(operation)
    };
    description["paths"].as_object().unwrap().iter().flat_map(of_path).collect()
}

async fn try_it(operator: &Operator<'_>, method: &str, path: &str) -> Response {
    let mut request = Request::new(method, path);
    if method != "GET" {
        request = request.header("If-Match", "\"0\"").body("application/json", "{}");
    }
    operator.ask(request).await
}

/// Every operation, as every role, of a tenant that is theirs and of one that is not.
#[tokio::test]
async fn a_role_may_do_what_it_says_and_another_tenant_is_not_there() {
    let scene = scene().await;
    let description = ask(&scene.node, Request::new("GET", "/v1/openapi.json")).await.json();
    assert_eq!(description["openapi"], "3.1.0");
    let mut asked = 0;
    for (role, permissions) in ROLES {
        let operator = Operator::new(&scene.node, role, &["shop"]);
        for (method, path, permission) in operations(&description, "shop") {
            // A stream has no end, and who logs out everywhere can ask no more.
            if path == "/v1/live" && permissions.contains(&"queue:read") || path == "/v1/sessions" {
                continue;
            }
            let status = try_it(&operator, &method, &path).await.status;
            let may = permission.as_ref().is_none_or(|permission| permissions.contains(&permission.as_str()));
            assert_eq!(status == 403, !may, "{role}: {method} {path} gives {status}");
            asked += 1;
        }
        for (method, path, _) in operations(&description, "other").iter().filter(|(_, path, _)| path.contains("other"))
        {
            let foreign = try_it(&operator, method, path).await;
            let absent = try_it(&operator, method, &path.replace("other", "absent")).await;
            assert_eq!(foreign.status, 404, "{role}: {method} {path}");
            assert_eq!(foreign.status, absent.status, "{method} {path}");
            let errors = |answer: &Response| answer.json()["errors"].clone();
            assert_eq!(errors(&foreign), errors(&absent), "{method} {path}");
        }
    }
    assert!(asked >= 4 * 8, "{asked}");
    for (method, path, permission) in operations(&description, "shop") {
        let nobody = ask(&scene.node, Request::new(&method, &path).body("application/json", "{}")).await;
        assert_eq!(nobody.status, 401, "{method} {path} {permission:?}");
        assert!(nobody.json()["errors"][0]["hint"].as_str().unwrap().contains("sluice admin token"));
    }
}

#[tokio::test]
async fn a_tenant_that_is_not_theirs_is_in_no_list() {
    let scene = scene().await;
    let tenants = |answer: Response| {
        let data = answer.json()["data"].as_array().unwrap().clone();
        data.iter().map(|tenant| tenant["tenant"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = Operator::new(&scene.node, "viewer", &[]);
    assert_eq!(tenants(all.get("/v1/tenants").await), ["other", "shop"]);
    let one = Operator::new(&scene.node, "viewer", &["shop"]);
    assert_eq!(tenants(one.get("/v1/tenants").await), ["shop"]);
    let me = one.get("/v1/me").await.json();
    assert_eq!(me["data"]["id"], "person:ann");
    assert_eq!(me["data"]["permissions"], json!(["queue:read"]));
    assert_eq!(me["success"], true);
    assert!(me["metadata"]["requestId"].as_str().unwrap().starts_with("req-"));
}

#[tokio::test]
async fn a_key_of_the_config_is_good_until_its_table_is_gone() {
    let made = sluice(&["admin", "key", "ci", "--role", "manager", "--tenant", "shop"]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let key = made.lines().find_map(|line| line.strip_prefix("#   ")).unwrap().to_owned();
    let table = &made[made.find("[[admin.key]]").unwrap()..];
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), |setup| setup.api(table)).await;
    let operator = Operator { node: &scene.node, bearer: key };
    assert_eq!(operator.get("/v1/me").await.json()["data"]["id"], "key:ci");
    let file = std::fs::read_to_string(scene.node.folder.path().join("sluice.toml")).unwrap();
    // Its own table, and then all of `[admin]`.
    for end in ["[[admin.key]]", "[admin]"] {
        scene.node.folder.write("sluice.toml", &file);
        scene.node.reload().await;
        assert_eq!(operator.get("/v1/me").await.status, 200);
        scene.node.folder.write("sluice.toml", &file[..file.find(end).unwrap()]);
        scene.node.reload().await;
        assert_eq!(operator.get("/v1/me").await.status, 401, "{end}");
    }
}

#[tokio::test]
async fn the_dashboard_logs_in_once_with_a_token_and_only_from_its_own_page() {
    let scene = scene().await;
    let token = token(&scene.node, "manager", &[]);
    let login = || Request::new("POST", "/login").body("application/json", json!({ "token": token }).to_string());
    assert_eq!(ask(&scene.node, login()).await.status, 403, "from anywhere");
    let cross = login().header("Sec-Fetch-Site", "cross-site");
    assert_eq!(ask(&scene.node, cross).await.status, 403);
    let own = login().header("Sec-Fetch-Site", "same-origin");
    let answer = ask(&scene.node, own.clone()).await;
    assert_eq!(answer.status, 200);
    let cookie = answer.header("Set-Cookie").unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let session = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(ask(&scene.node, own).await.status, 401, "a token gives one session");
    let with_session = |request: Request| request.header("Cookie", session.clone());
    let me = ask(&scene.node, with_session(Request::new("GET", "/v1/me"))).await;
    assert_eq!(me.json()["data"]["via"], "session");
    let end = "/v1/tenants/shop/queues/shop/sessions/1/end";
    let post = || with_session(Request::new("POST", end).body("application/json", "{}"));
    assert_eq!(ask(&scene.node, post()).await.json()["errors"][0]["code"], "cross_site");
    let same = ask(&scene.node, post().header("Sec-Fetch-Site", "same-origin")).await;
    assert_eq!(same.json()["errors"][0]["code"], "not_found", "it may ask, and there is no such visit");
}

#[tokio::test]
async fn a_foreign_name_is_refused_whoever_asks() {
    let scene = scene().await;
    let api = scene.node.api.unwrap();
    let bearer = token(&scene.node, "admin", &[]);
    let under = async |host: &str| {
        let request = Request::new("GET", "/v1/me").host(host).header("Authorization", format!("Bearer {bearer}"));
        crate::support::Connection::open(api).await.ask(&request).await.status
    };
    assert_eq!(under("attacker.example").await, 421);
    assert_eq!(under("localhost.attacker.example:80").await, 421);
    assert_eq!((under("LOCALHOST:1").await, under("127.0.0.1").await, under("[::1]:9901").await), (200, 200, 200));
}

#[tokio::test]
async fn what_is_refused_says_so_in_the_envelope() {
    let scene = scene().await;
    let admin = Operator::new(&scene.node, "admin", &[]);
    let reset = "/v1/tenants/shop/queues/shop/reset";
    let preview = "/v1/tenants/shop/queues/shop/override/preview";
    let cases = [
        (Request::new("POST", "/v1/tenants").body("application/json", "{}"), 405, "method_not_allowed"),
        (Request::new("GET", "/v2"), 404, "not_found"),
        (Request::new("POST", reset).body("text/plain", "{}"), 415, "not_json"),
        (Request::new("POST", reset).body("application/json", "{"), 400, "malformed"),
        (Request::new("POST", reset).body("application/json", r#"{"confirm":"x","epoch":1,"x":1}"#), 422, "malformed"),
        (Request::new("POST", reset).body("application/json", "x".repeat(70_000)), 413, "too_large"),
        (Request::new("GET", "/v1/audit?after=x"), 400, "malformed"),
        (Request::new("GET", "/v1/audit?limit=1001"), 422, "invalid"),
        (Request::new("GET", "/v1/tenants/shop/queues/shop/analytics?minutes=0"), 422, "invalid"),
        (Request::new("POST", preview).body("application/json", "[600]"), 422, "malformed"),
        (Request::new("POST", preview).body("application/json", r#"{"burst":5000000000}"#), 422, "invalid"),
        // What the change itself would not take.
        (Request::new("POST", preview).body("application/json", r#"{"reason":"\u0007"}"#), 422, "invalid"),
    ];
    for (request, status, code) in cases {
        let answer = admin.ask(request.clone()).await;
        assert_eq!((answer.status, answer.json()["errors"][0]["code"].as_str()), (status, Some(code)), "{request:?}");
        assert_eq!(answer.json()["success"], false);
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    }
}
