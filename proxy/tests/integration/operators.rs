//! The operators' API, through its own listener.

mod access;
mod audit;
mod control;
mod dashboard;
mod listener;
mod nodes;
mod report;
mod top;
mod verbs;
mod visitors;
mod webhooks;

use serde_json::Value;

use crate::support::{
    Connection, Node, Request, Response, Setup, Tenant,
    node::sluice,
    scene::{FAST, Scene},
    until,
};

/// An operator with a bearer token.
pub(crate) struct Operator<'n> {
    node: &'n Node,
    bearer: String,
}

impl<'n> Operator<'n> {
    /// One with a token of this role, for these tenants; for all without.
    pub(crate) fn new(node: &'n Node, role: &str, tenants: &[&str]) -> Self {
        Self { node, bearer: token(node, role, tenants) }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask(Request::new("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.ask(Request::new("POST", path).body("application/json", body.to_string())).await
    }

    pub(crate) async fn ask(&self, request: Request) -> Response {
        let request = request.header("Authorization", format!("Bearer {}", self.bearer));
        // A principal has twenty requests a second, and tests ask faster.
        until("the API has time", async || {
            Some(ask(self.node, request.clone()).await).filter(|answer| answer.status != 429)
        })
        .await
    }
}

/// What `sluice admin token` prints for this node's config.
pub(crate) fn token(node: &Node, role: &str, tenants: &[&str]) -> String {
    let mut command = node.command(&["admin", "token", "--name", "ann", "--role", role, "--config"]);
    command.arg(node.folder.path());
    command.args(tenants.iter().flat_map(|tenant| ["--tenant", tenant]));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Sets something in the shop's queue, whatever is set now.
pub(crate) async fn set_override(node: &Node, body: &Value) {
    let path = "/v1/tenants/shop/queues/shop/override";
    let request = Request::new("PATCH", path).header("If-Match", "*").body("application/json", body.to_string());
    let answer = Operator::new(node, "admin", &[]).ask(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// One request to the API.
pub(crate) async fn ask(node: &Node, request: Request) -> Response {
    let api = node.api.expect("the node is set up without an API");
    Connection::open(api).await.ask(&request.host(&format!("localhost:{}", api.port()))).await
}

/// A shop with one queue that lets all in, and a second tenant.
pub(crate) async fn scene() -> Scene {
    Scene::set_up(|shop| shop.queue("shop", FAST), |setup| second(setup).api("")).await
}

fn second(setup: Setup) -> Setup {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    setup.tenant(Tenant::new("other", &["other.test"], nowhere).queue("main", FAST))
}
