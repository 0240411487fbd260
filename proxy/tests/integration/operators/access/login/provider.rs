//! An issuer that people log in at: it sends browsers back with a code, and exchanges it by the words of the standards.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

pub(super) const NAME: &str = "https://login.example.com";
pub(super) const CLIENT: &str = "dash";
/// With what an encoding has to keep.
pub(super) const SECRET: &str = "hunter2: & more%";

/// How the issuer answers at its token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    /// Against the standard, a code is good more than once.
    TakesCodesAgain,
    OtherNonce,
    Expired,
    OtherAudience,
    Unsigned,
    /// Signed by a key that is not published, under the name of one that is.
    OtherKey,
    /// The groups of this person are those of nobody here.
    Stranger,
    Garbage,
    Oversized,
    Silent,
    Fails,
}

/// What a code stands for.
#[derive(Clone)]
struct Code {
    challenge: String,
    nonce: String,
    redirect_uri: String,
}

struct Shared {
    pair: EcdsaKeyPair,
    other: EcdsaKeyPair,
    codes: Mutex<HashMap<String, Code>>,
    mood: Mutex<Mood>,
    /// What the token endpoint said to each code.
    said: Mutex<Vec<&'static str>>,
}

pub(super) struct Provider {
    pub(super) addr: SocketAddr,
    shared: Arc<Shared>,
}

type Fields = HashMap<String, String>;

impl Provider {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let pair = || {
            let rng = SystemRandom::new();
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &rng).unwrap()
        };
        let shared = Arc::new(Shared {
            pair: pair(),
            other: pair(),
            codes: Mutex::default(),
            mood: Mutex::new(Mood::Good),
            said: Mutex::default(),
        });
        let all = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = all.clone();
                // A client that breaks off is served no more.
                tokio::spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { addr, shared }
    }

    pub(super) fn is(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// What the token endpoint has said so far.
    pub(super) fn said(&self) -> Vec<&'static str> {
        self.shared.said.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match &*name.to_ascii_lowercase() {
            "authorization" => authorization = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let answer = match path {
        "/keys" => json_answer(200, &json!({ "keys": [jwk(&shared.pair)] })),
        "/authorize" => authorize(shared, &fields(query)),
        "/token" => token(shared, &authorization, &fields(&String::from_utf8(body).ok()?)).await,
        _ => json_answer(404, &json!({})),
    };
    // A node that has had enough closes before all is sent.
    let _ = stream.write_all(answer.as_bytes()).await;
    Some(())
}

fn json_answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The person is logged in there, and is sent back at once.
fn authorize(shared: &Shared, asked: &Fields) -> String {
    let is_right = asked["response_type"] == "code"
        && asked["client_id"] == CLIENT
        && asked["code_challenge_method"] == "S256"
        && asked["scope"].split(' ').any(|scope| scope == "openid");
    if !is_right {
        return json_answer(400, &json!({ "error": "invalid_request" }));
    }
    let code = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, asked["state"].as_bytes()));
    let redirect_uri = asked["redirect_uri"].clone();
    let back = format!("{redirect_uri}?code={code}&state={}&iss=https%3A%2F%2Flogin.example.com", asked["state"]);
    let (challenge, nonce) = (asked["code_challenge"].clone(), asked["nonce"].clone());
    shared.codes.lock().unwrap().insert(code, Code { challenge, nonce, redirect_uri });
    format!("HTTP/1.1 302 Found\r\nLocation: {back}\r\nContent-Length: 0\r\n\r\n")
}

async fn token(shared: &Shared, authorization: &str, asked: &Fields) -> String {
    let mood = *shared.mood.lock().unwrap();
    let say = |what| shared.said.lock().unwrap().push(what);
    let refuse = |status, error: &'static str| {
        say(error);
        json_answer(status, &json!({ "error": error }))
    };
    match mood {
        Mood::Silent => {
            say("silent");
            return std::future::pending().await;
        }
        Mood::Fails => return refuse(503, "temporarily_unavailable"),
        Mood::Garbage => return "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"id_toke".to_owned(),
        Mood::Oversized => return json_answer(200, &json!({ "id_token": "x".repeat(1 << 20) })),
        _ => {}
    }
    let pair = authorization.strip_prefix("Basic ").and_then(|pair| BASE64_STANDARD.decode(pair).ok());
    let pair = String::from_utf8(pair.unwrap_or_default()).unwrap();
    let client = pair.split_once(':').map(|(id, secret)| (decoded(id), decoded(secret)));
    if client != Some((CLIENT.to_owned(), SECRET.to_owned())) {
        return refuse(401, "invalid_client");
    }
    // A code is good once, whatever comes of it.
    let code = match mood {
        Mood::TakesCodesAgain => shared.codes.lock().unwrap().get(&asked["code"]).cloned(),
        _ => shared.codes.lock().unwrap().remove(&asked["code"]),
    };
    let Some(code) = code.filter(|_| asked["grant_type"] == "authorization_code") else {
        return refuse(400, "invalid_grant");
    };
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, asked["code_verifier"].as_bytes()));
    if code.challenge != challenge || code.redirect_uri != asked["redirect_uri"] {
        return refuse(400, "invalid_grant");
    }
    say("token");
    json_answer(
        200,
        &json!({ "token_type": "Bearer", "access_token": "opaque", "id_token": id_token(shared, mood, &code) }),
    )
}

fn id_token(shared: &Shared, mood: Mood, code: &Code) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "iss": NAME, "aud": CLIENT, "sub": "3f2a", "preferred_username": "ann", "iat": now, "exp": now + 60,
        "nonce": code.nonce, "groups": ["staff", "ticketing"],
    });
    let mut header = json!({ "alg": "ES256", "kid": "first" });
    match mood {
        Mood::OtherNonce => claims["nonce"] = json!("another"),
        Mood::Expired => (claims["iat"], claims["exp"]) = (json!(now - 600), json!(now - 300)),
        Mood::OtherAudience => claims["aud"] = json!("shop"),
        Mood::Unsigned => header["alg"] = json!("none"),
        Mood::Stranger => claims["groups"] = json!(["staff"]),
        _ => {}
    }
    let head = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let pair = if mood == Mood::OtherKey { &shared.other } else { &shared.pair };
    let signature = match mood {
        Mood::Unsigned => Vec::new(),
        _ => pair.sign(&SystemRandom::new(), head.as_bytes()).unwrap().as_ref().to_vec(),
    };
    format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn jwk(pair: &EcdsaKeyPair) -> Value {
    let point = pair.public_key().as_ref();
    let [x, y] = [&point[1..33], &point[33..]].map(|half| BASE64_URL_SAFE_NO_PAD.encode(half));
    json!({ "kty": "EC", "crv": "P-256", "kid": "first", "use": "sig", "alg": "ES256", "x": x, "y": y })
}

/// The fields of a form or a query.
pub(super) fn fields(text: &str) -> Fields {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            b'+' => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}
