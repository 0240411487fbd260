//! `sluice store`, over a real Redis and over a node's own state.

use std::process::Output;

use serde_json::Value;

use crate::{
    servers::Server,
    support::{
        Setup, Tenant, fleet,
        node::{ConfigFolder, run, server_file},
        until,
    },
};

/// A config with two queues, and whatever is said of the store.
fn config(store: &str) -> ConfigFolder {
    let folder = ConfigFolder::new();
    let any = "127.0.0.1:0".parse().unwrap();
    folder.write("sluice.toml", &(server_file(any, any, "") + store));
    let shop = Tenant::new("shop", &["shop.example.com"], "127.0.0.1:9000".parse().unwrap());
    let shop = shop
        .queue("shop", "release_per_minute = 600\non_store_loss = \"hold\"")
        .queue("sale", "release_per_minute = 60\npaths = [\"/s\"]\non_store_loss = \"hold\"");
    folder.write_tenant(&shop);
    folder
}

fn shared(server: &Server) -> ConfigFolder {
    config(&format!("[store]\nurl = \"redis://127.0.0.1:{}\"\n", server.port))
}

fn store(folder: &ConfigFolder, what: &str, args: &[&str]) -> Output {
    run(&[&["store", what, "--config", folder.path().to_str().unwrap()], args].concat())
}

fn text(output: &Output) -> String {
    format!("{}{}", str::from_utf8(&output.stdout).unwrap(), str::from_utf8(&output.stderr).unwrap())
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

#[test]
fn a_reset_asks_first_and_begins_a_new_epoch() {
    let server = Server::start();
    for folder in [shared(&server), config("")] {
        let before = store(&folder, "status", &["--json"]);
        assert_eq!(json(&before)[0]["line"], Value::Null, "nobody has stood in it");

        // Nobody is there to be asked.
        let refused = store(&folder, "reset", &["shop/sale"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused).contains("nothing was changed; --yes"), "{}", text(&refused));
        let unknown = store(&folder, "reset", &["shop/sail", "--yes"]);
        assert!(text(&unknown).contains("no queue shop/sail; there are: shop/shop, shop/sale"), "{}", text(&unknown));
        assert_eq!(json(&store(&folder, "status", &["--json"])), json(&before));

        for epoch in [2, 3] {
            let reset = store(&folder, "reset", &["shop/sale", "--yes"]);
            assert!(text(&reset).contains(&format!("epoch {epoch}")), "{}", text(&reset));
        }
        let after = json(&store(&folder, "status", &["--json"]));
        let sale = after.as_array().unwrap().iter().find(|row| row["queue"] == "sale").unwrap();
        assert_eq!((&sale["line"]["epoch"], &sale["line"]["waiting"]), (&Value::from(3), &Value::from(0)));
        assert!(text(&store(&folder, "status", &[])).contains("shop/sale"));
    }
}

#[test]
fn the_doctor_says_what_is_wrong_in_one_sentence() {
    let good = store(&shared(&Server::start()), "doctor", &[]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    assert!(text(&good).contains("nothing is wrong"), "{}", text(&good));

    let evicting = Server::with(&["maxmemory 100mb", "maxmemory-policy allkeys-lru"]);
    let found = store(&shared(&evicting), "doctor", &["--json"]);
    assert_eq!(found.status.code(), Some(1));
    let said = json(&found);
    assert_eq!(said["healthy"], false);
    assert!(said["findings"][0]["text"].as_str().unwrap().contains("may evict a line"), "{said}");
    assert_eq!(said["memory"].as_array().unwrap().len(), 2);

    let gone = shared(&Server::start());
    let away = store(&gone, "doctor", &[]);
    assert_eq!(away.status.code(), Some(1));
    assert!(text(&away).contains("The store is unavailable"), "{}", text(&away));

    assert_eq!(store(&config(""), "doctor", &[]).status.code(), Some(0));
}

#[tokio::test]
async fn run_serves_and_says_what_is_wrong_with_its_store() {
    let evicting = Server::with(&["maxmemory 100mb", "maxmemory-policy allkeys-lru"]);
    let shop = Tenant::shop("127.0.0.1:9000".parse().unwrap());
    let shop = shop.queue("shop", "release_per_minute = 600\non_store_loss = \"hold\"");
    let node = Setup::new(shop).store(&fleet::one(&evicting)).start().await;
    until("the finding is in the log", async || node.log().contains("may evict a line").then_some(())).await;
    assert_eq!(node.admin("/health/ready").await.status, 200);
}
