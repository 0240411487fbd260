//! Routes: paths that another origin serves.

use super::super::site::{OPEN, Raw, Reply, Site};
use crate::support::{Protocol, Request, Tenant, client::on_every_protocol, node};

async fn origins(own: &Raw, api: &Raw) -> Tenant {
    let route = format!("[[route]]\npaths = [\"/api\"]\n[route.origin]\nservers = [\"{}\"]", api.addr());
    Tenant::shop(own.addr()).queue("shop", OPEN).section(&route)
}

async fn the_longest_prefix_decides_in_the_form_that_queues_use(protocol: Protocol) {
    let (own, api) = (Raw::start(|_| Reply::ok()).await, Raw::start(|_| Reply::ok()).await);
    let site = Site::with(protocol, origins(&own, &api).await).await;
    let mut client = site.client().await;
    for (path, is_api) in [
        ("/", false),
        ("/api", true),
        ("/api/orders?x=/", true),
        ("/apis", false),
        ("/%61pi/x", true),
        ("/api;v=1/x", true),
        ("/x//api", false),
        ("/x?/api", false),
    ] {
        let before = (own.heard().len(), api.heard().len());
        assert_eq!(client.ask(&Request::fetch("GET", path)).await.status, 200, "{path}");
        let after = (own.heard().len(), api.heard().len());
        let expected = if is_api { (before.0, before.1 + 1) } else { (before.0 + 1, before.1) };
        assert_eq!(after, expected, "{path}");
        let heard = if is_api { api.heard() } else { own.heard() };
        assert!(heard.last().unwrap().head.starts_with(&format!("GET {path} ")), "as it was spelt: {heard:?}");
    }
    let metrics = site.node.metrics().await;
    assert_eq!(metrics.sum("origin_server_up", &[("route", "/api")]), 1.0);
}

on_every_protocol!(the_longest_prefix_decides_in_the_form_that_queues_use);

#[tokio::test]
async fn explain_names_the_route_and_its_servers() {
    let (own, api) = (Raw::start(|_| Reply::ok()).await, Raw::start(|_| Reply::ok()).await);
    let site = Site::with(Protocol::Http1, origins(&own, &api).await).await;
    let folder = site.node.folder.path().to_str().unwrap();
    let explained = |path: &str| {
        let out = node::run(&["explain", "--config", folder, &format!("http://{}{path}", crate::support::HOST)]);
        String::from_utf8(out.stdout).unwrap()
    };
    let said = explained("/api/x");
    assert!(said.contains(&format!("origin   {} by http ([[route]], longest prefix \"/api\")", api.addr())), "{said}");
    let said = explained("/apis");
    assert!(said.contains(&format!("origin   {} by http ([origin], no route", own.addr())), "{said}");
}
