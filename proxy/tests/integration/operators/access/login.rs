//! People who log in at the dashboard by a company's own login.

mod provider;

use std::collections::HashMap;

use serde_json::{Value, json};

use self::provider::{CLIENT, Mood, NAME, Provider, SECRET, fields};
use super::super::{FAST, Operator, second};
use crate::support::{Connection, Request, Response, SOON, Scene, chromium::Chromium, until, until_within};

/// Where browsers reach the dashboard.
const DASHBOARD: &str = "ops.example.com";
const KEPT: &str = "__Host-sluice_login";
const SESSION: &str = "sluice_admin";

/// `[admin]` with a login at this issuer.
fn admin(provider: &Provider, dashboard: &str) -> String {
    let at = provider.addr;
    format!(
        "hosts = [\"{DASHBOARD}\"]\n[admin.issuer]\nissuer = \"{NAME}\"\naudience = \"sluice\"\n\
         keys = \"http://{at}/keys\"\nclaim = \"groups\"\n\
         [admin.issuer.login]\nclient_id = \"{CLIENT}\"\nclient_secret = {{ env = \"LOGIN_SECRET\" }}\n\
         authorize = \"http://{at}/authorize\"\ntoken = \"http://{at}/token\"\ndashboard = \"{dashboard}\"\n\
         scopes = [\"groups\"]\nlasts = \"1h\"\n\
         [[admin.issuer.role]]\nvalue = \"ticketing\"\nrole = \"manager\"\ntenants = [\"shop\"]\n"
    )
}

async fn scene(provider: &Provider) -> Scene {
    let admin = admin(provider, &format!("https://{DASHBOARD}"));
    let setup = |setup| second(setup).api(&admin).env("LOGIN_SECRET", SECRET);
    Scene::set_up(|shop| shop.queue("shop", FAST), setup).await
}

/// A browser with its cookies.
struct Person<'s> {
    scene: &'s Scene,
    provider: &'s Provider,
    cookies: HashMap<String, String>,
}

impl<'s> Person<'s> {
    fn new(scene: &'s Scene, provider: &'s Provider) -> Self {
        Self { scene, provider, cookies: HashMap::new() }
    }

    /// Asks the dashboard, with what it has, and keeps what it is given.
    async fn ask(&mut self, request: Request) -> Response {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let request = request.host(DASHBOARD).header("Cookie", cookies);
        let answer = Connection::open(self.scene.node.api.unwrap()).await.ask(&request).await;
        for name in [KEPT, SESSION] {
            match answer.cookie(name) {
                Some("") => drop(self.cookies.remove(name)),
                Some(value) => drop(self.cookies.insert(name.into(), value.into())),
                None => {}
            }
        }
        answer
    }

    async fn get(&mut self, target: &str) -> Response {
        self.ask(Request::new("GET", target)).await
    }

    /// Begins a login. Gives what the issuer is asked.
    async fn begins(&mut self) -> String {
        let answer = self.get("/login/start").await;
        assert_eq!(answer.status, 302, "{answer:?}");
        let cookie = answer.header("Set-Cookie").unwrap();
        assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure"), "{cookie}");
        let target = answer.header("Location").unwrap().strip_prefix(&format!("http://{}", self.provider.addr));
        target.expect("the way leads to the issuer").to_owned()
    }

    /// Logs in at the issuer. Gives where that sends the browser back to, without the host.
    async fn passes(&mut self, asked: &str) -> String {
        let answer = Connection::open(self.provider.addr).await.ask(&Request::new("GET", asked)).await;
        let back = answer.header("Location").unwrap_or_else(|| panic!("{answer:?}"));
        back.strip_prefix(&format!("https://{DASHBOARD}")).expect("the way leads back to the dashboard").to_owned()
    }

    /// Logs in from beginning to end, or up to where that is refused.
    async fn logs_in(&mut self) -> Response {
        let asked = self.begins().await;
        let back = self.passes(&asked).await;
        self.get(&back).await
    }

    /// Logs in, again if the node takes no more back at this moment.
    async fn logs_in_in_time(&mut self) -> Response {
        let mut last = None;
        until("the node takes the browser back", async || {
            let answer = self.logs_in().await;
            (answer.status != 429).then(|| last = Some(answer))
        })
        .await;
        last.unwrap()
    }

    /// Begins a login and comes back from it with something else than what the issuer would give.
    async fn comes_back_with(&mut self, what: &str) -> Response {
        let mut last = None;
        until("the node takes the browser back", async || {
            let asked = self.begins().await;
            let state = &fields(asked.split_once('?').unwrap().1)["state"];
            let answer = self.get(&format!("/login/callback?{what}&state={state}")).await;
            (answer.status != 429).then(|| last = Some(answer))
        })
        .await;
        last.unwrap()
    }
}

/// What is said about a login that was refused.
fn code(answer: &Response) -> (u16, &str) {
    let text = answer.text();
    assert!(answer.header("Content-Type").unwrap().starts_with("text/html"), "{answer:?}");
    assert!(answer.cookie(SESSION).is_none(), "nobody is logged in: {answer:?}");
    let begin = text.find("data-code=\"").unwrap() + "data-code=\"".len();
    (answer.status, text[begin..].split('"').next().unwrap())
}

async fn logins(scene: &Scene) -> Vec<Value> {
    let log = Operator::new(&scene.node, "admin", &[]).get("/v1/audit").await.json();
    let all = log["data"].as_array().unwrap().clone();
    all.into_iter().filter(|record| record["action"] == "login").collect()
}

#[tokio::test]
async fn people_log_in_at_the_issuer_and_are_what_the_file_makes_of_their_group() {
    let provider = Provider::start().await;
    let scene = scene(&provider).await;
    let mut ann = Person::new(&scene, &provider);
    let ways = ann.get("/login").await.json();
    let issuer = json!({ "name": "login.example.com", "start": format!("https://{DASHBOARD}/login/start") });
    assert_eq!(ways["data"]["issuer"], issuer);
    let asked = ann.begins().await;
    let fields = fields(asked.split_once('?').unwrap().1);
    assert_eq!((&*fields["scope"], &*fields["code_challenge_method"]), ("openid groups", "S256"));
    assert_eq!(fields["redirect_uri"], format!("https://{DASHBOARD}/login/callback"));
    let back = ann.passes(&asked).await;
    let kept = ann.cookies.clone();
    let answer = ann.get(&back).await;
    assert_eq!((answer.status, answer.header("Location")), (302, Some("/")), "{answer:?}");
    let session = answer.header_values("Set-Cookie").find(|cookie| cookie.starts_with(SESSION)).unwrap();
    assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure"), "{session}");
    assert!(!ann.cookies.contains_key(KEPT), "it is of no more use");
    let me = ann.get("/v1/me").await.json()["data"].clone();
    assert_eq!((&me["id"], &me["role"], &me["via"]), (&json!("oidc:3f2a"), &json!("manager"), &json!("session")));
    assert_eq!(ann.get("/v1/tenants/other").await.status, 404);
    let end = Request::new("POST", "/v1/tenants/shop/queues/shop/sessions/1/end").body("application/json", "{}");
    assert_eq!(ann.ask(end).await.json()["errors"][0]["code"], "cross_site", "a session is one as any other");
    let records = logins(&scene).await;
    assert_eq!((records.len(), &records[0]["actor"], &records[0]["outcome"]), (1, &json!("oidc:3f2a"), &json!("done")));
    assert_eq!((&records[0]["detail"]["name"], &records[0]["role"]), (&json!("ann"), &json!("manager")));

    // The same way back once more, from this browser, with the cookie that it had, and from another.
    assert_eq!(code(&ann.get(&back).await), (400, "login_unknown"));
    ann.cookies = kept;
    assert_eq!(code(&ann.get(&back).await), (502, "issuer_failed"), "the issuer takes a code once");
    assert_eq!(code(&Person::new(&scene, &provider).get(&back).await), (400, "login_unknown"));
    assert_eq!(provider.said(), ["token", "invalid_grant"]);
    provider.is(Mood::TakesCodesAgain);
    let asked = ann.begins().await;
    let back = ann.passes(&asked).await;
    let kept = ann.cookies.clone();
    assert_eq!(ann.get(&back).await.status, 302);
    ann.cookies = kept;
    assert_eq!(code(&ann.get(&back).await), (400, "login_used"), "whatever the issuer takes");
    assert_eq!(logins(&scene).await.last().unwrap()["outcome"], "refused");

    // Log-out ends the session, and a copy of it.
    assert_eq!(ann.logs_in_in_time().await.status, 302);
    let copy = ann.cookies.clone();
    let logout = Request::new("POST", "/logout").body("application/json", "{}").header("Sec-Fetch-Site", "same-origin");
    assert_eq!(ann.ask(logout).await.status, 200);
    ann.cookies = copy;
    assert_eq!(ann.get("/v1/me").await.status, 401);
}

#[tokio::test]
async fn a_login_ends_with_its_role_in_the_file_and_when_its_person_is_logged_out() {
    let provider = Provider::start().await;
    let scene = scene(&provider).await;
    let mut ann = Person::new(&scene, &provider);
    assert_eq!(ann.logs_in().await.status, 302);
    let asked = ann.begins().await;
    let back = ann.passes(&asked).await;
    let all = Operator::new(&scene.node, "admin", &[]);
    assert_eq!(all.ask(Request::new("DELETE", "/v1/people/oidc:3f2a")).await.status, 200);
    assert_eq!(ann.get("/v1/me").await.status, 401);
    assert_eq!(code(&ann.get(&back).await), (403, "login_logged_out"), "that login had begun before");
    assert_eq!(ann.logs_in_in_time().await.status, 302);
    let role = async |ann: &mut Person<'_>| {
        let answer = ann.get("/v1/me").await;
        (answer.status == 200).then(|| answer.json()["data"]["role"].clone())
    };
    assert_eq!(role(&mut ann).await, Some(json!("manager")));
    let file = std::fs::read_to_string(scene.node.folder.path().join("sluice.toml")).unwrap();
    scene.node.folder.write("sluice.toml", &file.replace("role = \"manager\"", "role = \"viewer\""));
    scene.node.reload().await;
    assert_eq!(role(&mut ann).await, Some(json!("viewer")));
    scene.node.folder.write("sluice.toml", &file.replace("value = \"ticketing\"", "value = \"ops\""));
    scene.node.reload().await;
    assert_eq!(role(&mut ann).await, None);
    let (before, login) = file.split_once("[admin.issuer.login]").unwrap();
    let roles = &login[login.find("[[admin.issuer.role]]").unwrap()..];
    scene.node.folder.write("sluice.toml", &[before, roles].concat());
    scene.node.reload().await;
    assert_eq!(role(&mut ann).await, None, "the table is gone, and its logins with it");
    assert_eq!(code(&ann.get("/login/start").await), (404, "not_found"));
    assert_eq!(ann.get("/login").await.json()["data"]["issuer"], Value::Null);
}

#[tokio::test]
async fn what_the_issuer_has_not_said_for_this_login_lets_nobody_in() {
    let provider = Provider::start().await;
    let scene = scene(&provider).await;
    let mut ann = Person::new(&scene, &provider);
    for (mood, refused) in [
        (Mood::OtherNonce, (403, "login_invalid")),
        (Mood::Expired, (403, "login_invalid")),
        (Mood::OtherAudience, (403, "login_invalid")),
        (Mood::Unsigned, (403, "login_invalid")),
        (Mood::OtherKey, (403, "login_invalid")),
        (Mood::Stranger, (403, "login_no_role")),
        (Mood::Garbage, (502, "issuer_failed")),
        (Mood::Oversized, (502, "issuer_failed")),
        (Mood::Fails, (502, "issuer_failed")),
        (Mood::Silent, (502, "issuer_failed")),
    ] {
        provider.is(mood);
        let answer = ann.logs_in_in_time().await;
        assert_eq!(code(&answer), refused, "{mood:?}");
        assert_eq!(ann.get("/v1/me").await.status, 401, "{mood:?}");
    }
    provider.is(Mood::Good);

    // A state that is not this browser's, or none; what the issuer has for an error; another issuer's answer.
    let asked = ann.begins().await;
    let back = ann.passes(&asked).await;
    let mut eve = Person::new(&scene, &provider);
    let hers = eve.begins().await;
    let hers = eve.passes(&hers).await;
    assert_eq!(code(&ann.get(&hers).await), (400, "login_unknown"), "a login of another browser is none of this one's");
    let (path, query) = back.split_once('?').unwrap();
    let mine = fields(query);
    let state = &mine["state"];
    assert_eq!(code(&ann.get(&format!("{path}?code={}", mine["code"])).await), (400, "login_unknown"));
    // Her code in his login: the verifier is not the one that her challenge was made of.
    let said = provider.said().len();
    let hers = fields(hers.split_once('?').unwrap().1);
    let stolen = format!("code={}", hers["code"]);
    let answer = ann.comes_back_with(&stolen).await;
    assert_eq!(code(&answer), (502, "issuer_failed"));
    assert_eq!(provider.said()[said..], ["invalid_grant"]);
    for (back, refused, words) in [
        ("error=access_denied", (403, "login_refused"), "access_denied"),
        ("error=%3Cb%3ECall+0190%3C%2Fb%3E", (403, "login_refused"), "it sent no code"),
        ("code=", (403, "login_refused"), "it sent no code"),
        ("code=x&iss=https%3A%2F%2Fattacker.example", (403, "login_invalid"), "not signed by"),
    ] {
        let answer = ann.comes_back_with(back).await;
        assert_eq!(code(&answer), refused, "{back}");
        assert!(answer.text().contains(words) && !answer.text().contains("0190"), "{back}: {}", answer.text());
    }
    let known: Vec<_> = logins(&scene).await;
    assert_eq!(known.len(), 1, "a stranger fills no disk: {known:?}");
    assert_eq!((&known[0]["actor"], &known[0]["outcome"]), (&json!("oidc:3f2a"), &json!("refused")));
    assert_eq!(known[0]["detail"], json!({ "name": "ann", "code": "login_no_role" }));
    assert_eq!(ann.logs_in_in_time().await.status, 302, "and then it is good again");
    let log = scene.node.log();
    for secret in [SECRET, mine["code"].as_str(), hers["code"].as_str(), state.as_str(), "id_token\":"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(log.contains("invalid_grant") && log.contains("no answer within 5 s"), "{log}");
}

/// An issuer that is silent holds eight codes of strangers, and the others are told so at once.
#[tokio::test]
async fn strangers_have_a_node_exchange_few_codes() {
    let provider = Provider::start().await;
    let scene = scene(&provider).await;
    provider.is(Mood::Silent);
    let mut tries = Vec::new();
    for _ in 0..40 {
        let mut stranger = Person::new(&scene, &provider);
        let asked = stranger.begins().await;
        let state = fields(asked.split_once('?').unwrap().1)["state"].clone();
        tries.push((stranger, format!("/login/callback?code=guess&state={state}")));
    }
    let all = tries.into_iter().map(|(mut stranger, back)| async move { code(&stranger.get(&back).await).0 });
    let all = futures_util::future::join_all(all).await;
    let refused = all.iter().filter(|status| **status == 429).count();
    assert!(refused >= 20, "{all:?}");
    assert_eq!(provider.said().len(), 40 - refused);
    assert_eq!(logins(&scene).await.len(), 0);
}

/// In a real browser the way back is one from another site: the cookie of the login comes along, and the session is kept.
#[tokio::test]
async fn a_browser_comes_back_from_another_site() {
    let provider = Provider::start().await;
    let scene = scene(&provider).await;
    let api = scene.node.api.unwrap();
    let here = format!("http://localhost:{}", api.port());
    let file = std::fs::read_to_string(scene.node.folder.path().join("sluice.toml")).unwrap();
    scene.node.folder.write("sluice.toml", &file.replace(&format!("https://{DASHBOARD}"), &here));
    scene.node.reload().await;
    let _browser = Chromium::open(&format!("{here}/login/start"), api);
    until_within(SOON * 3, "the browser has logged in", async || {
        logins(&scene).await.iter().any(|record| record["actor"] == "oidc:3f2a").then_some(())
    })
    .await;
}
