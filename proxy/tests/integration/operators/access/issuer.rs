//! Tokens of a company's own login.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::super::{FAST, Operator, second};
use crate::support::{Request, Scene, until};

/// An issuer that publishes its keys.
struct Login {
    addr: SocketAddr,
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
}

impl Login {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (keys, asked) = <(Arc<Mutex<Vec<Value>>>, Arc<AtomicUsize>)>::default();
        let (published, count) = (keys.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let body = json!({ "keys": *published.lock().unwrap() }).to_string();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        Self { addr, keys, asked }
    }

    /// A key that is published under a name.
    fn publish(&self, kid: &str) -> Ed25519KeyPair {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key());
        self.keys.lock().unwrap().push(json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x }));
        pair
    }
}

fn signed(pair: &Ed25519KeyPair, kid: &str, sub: &str, groups: &[&str]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "iss": "https://login.example.com", "aud": "sluice", "sub": sub, "iat": now, "exp": now + 60, "groups": groups });
    let header = json!({ "alg": "EdDSA", "kid": kid });
    let head = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(pair.sign(head.as_bytes())))
}

#[tokio::test]
async fn a_token_of_the_companys_login_has_its_groups_role_until_it_is_logged_out() {
    let login = Login::start().await;
    let pair = login.publish("first");
    let issuer = format!(
        "[admin.issuer]\nissuer = \"https://login.example.com\"\naudience = \"sluice\"\nkeys = \"http://{}/keys\"\n\
         claim = \"groups\"\n[[admin.issuer.role]]\nvalue = \"ticketing\"\nrole = \"manager\"\ntenants = [\"shop\"]\n",
        login.addr
    );
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), |setup| second(setup).api(&issuer)).await;
    let come = |pair: &Ed25519KeyPair, kid: &str, groups: &[&str]| {
        let bearer = signed(pair, kid, "ann", groups);
        Operator { node: &scene.node, bearer }
    };
    // The keys were fetched when the node was started.
    until("the keys were fetched", async || (login.asked.load(Ordering::SeqCst) > 0).then_some(())).await;
    let ann = come(&pair, "first", &["staff", "ticketing"]);
    let me =
        until("the token is good", async || Some(ann.get("/v1/me").await).filter(|answer| answer.status == 200)).await;
    let me = me.json()["data"].clone();
    assert_eq!((&me["id"], &me["role"], &me["via"]), (&json!("oidc:ann"), &json!("manager"), &json!("issuer")));
    assert_eq!(ann.get("/v1/tenants/other").await.status, 404);
    assert_eq!(come(&pair, "first", &["staff"]).get("/v1/me").await.status, 401);
    let stranger = Login::start().await.publish("first");
    assert_eq!(come(&stranger, "first", &["ticketing"]).get("/v1/me").await.status, 401);
    // A key that is not known is asked for once in half a minute, whoever asks how often.
    let before = login.asked.load(Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(come(&stranger, "second", &["ticketing"]).get("/v1/me").await.status, 401);
    }
    assert!(login.asked.load(Ordering::SeqCst) <= before + 1);
    let admin = Operator::new(&scene.node, "admin", &[]);
    assert_eq!(admin.ask(Request::new("DELETE", "/v1/people/oidc:ann")).await.status, 200);
    assert_eq!(ann.get("/v1/me").await.status, 401);
}
