//! What is written down for apps: real answers are as the schemas say, and the example clients wait in line.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use http::{HeaderValue, Method};
use hyper::body::Bytes;
use serde_json::Value;

use self::client::{Client, Failed};
use crate::support::{HOST, Origin, Request, Scene, Setup, Tenant, Visitor, scene::FAST, until};

#[allow(dead_code, unreachable_pub, reason = "an example shows more than a test needs")]
#[path = "../../../../waiting-room/apps/client.rs"]
mod client;

fn apps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../waiting-room/apps")
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(apps().join(name)).unwrap()).unwrap()
}

/// What is wrong with a document.
fn wrong(schema: &Value, document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect()
}

/// The schemas, the one of problems with that of the status document in its place.
struct Schemas {
    status: Value,
    problem: Value,
    seen: BTreeSet<String>,
}

impl Schemas {
    fn read() -> Self {
        let (status, mut problem) = (schema("status.schema.json"), schema("problem.schema.json"));
        let mut inner = status.clone();
        inner.as_object_mut().unwrap().remove("$id");
        assert_eq!(problem["properties"]["sluice"]["$ref"], status["$id"]);
        problem["properties"]["sluice"] = inner;
        Self { status, problem, seen: BTreeSet::new() }
    }

    /// Holds what a visitor gets against both, and notes what it says.
    async fn hold(&mut self, visitor: &mut Visitor, target: &str) {
        let status = visitor.ask(Request::fetch("GET", "/.sluice/status?queue=shop")).await.json();
        assert_eq!(wrong(&self.status, &status), [""; 0], "{status}");
        self.note(&status);
        let answer = visitor.ask(Request::fetch("GET", target)).await;
        if answer.status == 429 {
            let problem = answer.json();
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(wrong(&self.problem, &problem), [""; 0], "{problem}");
            self.seen.insert(problem["type"].as_str().unwrap().to_owned());
            self.note(&problem["sluice"]);
        }
    }

    fn note(&mut self, status: &Value) {
        self.seen.insert(status["state"].as_str().unwrap().to_owned());
        self.seen.extend(status["reason"].as_str().map(str::to_owned));
        let may_be_null = ["enter_within_seconds", "opens_at", "message", "code"];
        self.seen.extend(may_be_null.into_iter().filter(|name| !status[*name].is_null()).map(str::to_owned));
    }
}

#[tokio::test]
async fn answers_are_as_the_schemas_say() {
    let mut schemas = Schemas::read();
    let (scene, mut inside) = Scene::one_seat_with("max_waiting = 2\nmessage = \"Hello.\"").await;
    schemas.hold(&mut inside, "/").await;
    let mut newcomer = scene.visitor("newcomer").await;
    let first = newcomer.ask(Request::fetch("GET", "/api")).await.json();
    assert_eq!(wrong(&schemas.problem, &first), [""; 0], "{first}");
    schemas.seen.insert(first["type"].as_str().unwrap().to_owned());
    schemas.note(&first["sluice"]);
    for _ in 0..2 {
        schemas.hold(&mut newcomer, "/api").await;
    }
    scene.visitor("second").await.join().await;
    let mut third = scene.visitor("third").await;
    until("the line is full", async || {
        third.open("/").await;
        (third.poll().await.state == "full").then_some(())
    })
    .await;
    schemas.hold(&mut third, "/api").await;
    inside.leave().await;
    newcomer.until_state("called").await;
    schemas.hold(&mut newcomer, "/.sluice/status?queue=shop").await;

    let held = format!("{FAST}\nmax_active = 1\nmode = \"hold\"");
    scene.change(&held).await;
    let mut held = scene.visitor("held").await;
    until("the line is held", async || {
        held.open("/").await;
        (held.poll().await.state == "held").then_some(())
    })
    .await;
    schemas.hold(&mut held, "/api").await;
    let link = held.ask(Request::fetch("POST", "/.sluice/move?queue=shop").body("text/plain", "")).await;
    assert_eq!(link.status, 200, "a program is not another site: {link:?}");

    let closed = format!(
        "{FAST}\nmax_active = 1\nmode = \"closed\"\nclosed_as = \"not_open\"\nopens_at = \"2126-12-01T10:00:00Z\""
    );
    scene.change(&closed).await;
    let mut late = scene.visitor("late").await;
    until("the queue is closed", async || (late.poll().await.state == "closed").then_some(())).await;
    schemas.hold(&mut late, "/api").await;

    for (request, status) in
        [(Request::fetch("GET", "/a%00b"), 400), (Request::fetch("GET", "/").host("nobody.example.com"), 421)]
    {
        let answer = scene.ask(&request).await;
        let problem = answer.json();
        assert_eq!((answer.status, &problem["status"]), (status, &status.into()));
        assert_eq!(wrong(&schemas.problem, &problem), [""; 0], "{problem}");
        schemas.seen.insert(problem["type"].as_str().unwrap().to_owned());
    }
    let expected = [
        "admitted",
        "called",
        "closed",
        "code",
        "enter_within_seconds",
        "full",
        "held",
        "joining",
        "line_full",
        "message",
        "opens_at",
        "paused",
        "seats_taken",
        "waiting",
    ];
    for seen in expected.into_iter().map(str::to_owned).chain(
        ["joining", "waiting", "held", "closed", "full", "bad_request", "unknown_site"]
            .map(|kind| format!("urn:sluice:problem:{kind}")),
    ) {
        assert!(schemas.seen.contains(&seen), "{seen} was not among the answers: {:?}", schemas.seen);
    }
}

/// A schema that lets everything pass would hold as well.
#[test]
fn what_is_not_as_documented_is_found() {
    let Schemas { status, problem, .. } = Schemas::read();
    let good = serde_json::json!({
        "queue": "shop", "state": "waiting", "number": 4711, "ahead": 812, "behind": 90,
        "wait_seconds": { "low": 70, "high": 110 }, "progress": 0.42, "poll_after_seconds": 8, "reason": null, "message": null,
        "server_time": 1_763_712_000, "code": "4K7-S", "enter_within_seconds": null, "opens_at": null, "added_later": true
    });
    assert_eq!(wrong(&status, &good), [""; 0]);
    for name in good.as_object().unwrap().keys().filter(|name| *name != "added_later") {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(!wrong(&status, &without).is_empty(), "{name} is missing");
        let mut other = good.clone();
        other[name] = serde_json::json!([]);
        assert!(!wrong(&status, &other).is_empty(), "{name} is a list");
    }
    let bare = serde_json::json!({ "type": "urn:sluice:problem:waiting", "title": "t", "status": 429, "detail": "d" });
    assert!(!wrong(&problem, &bare).is_empty(), "of a 429 the status is missing");
}

/// Every state and reason is named, and every problem type.
#[test]
fn the_schemas_name_all_there_is() {
    use sluice_admission::standing::Reason;
    let Schemas { status, problem, .. } = Schemas::read();
    let reasons = status["properties"]["reason"]["enum"].as_array().unwrap();
    for reason in Reason::ALL {
        assert!(reasons.contains(&reason.as_str().into()), "{}", reason.as_str());
    }
    assert_eq!(reasons.len(), Reason::ALL.len() + 1);
    for state in status["properties"]["state"]["enum"].as_array().unwrap() {
        let kind = format!("urn:sluice:problem:{}", state.as_str().unwrap());
        assert!(problem["properties"]["type"]["enum"].as_array().unwrap().contains(&kind.into()));
    }
}

#[tokio::test]
async fn the_client_in_rust_waits_and_is_let_in() {
    let (scene, mut inside) = Scene::one_seat().await;
    let host = HeaderValue::from_static(HOST);
    let mut app = Client::new(&format!("http://{}", scene.node.http), Some(host));
    let (heard, told) = std::sync::mpsc::channel();
    let hear = move |status: &client::Status| heard.send(status.state.clone()).unwrap();
    let order = tokio::spawn(async move {
        let answer = app.ask(Method::POST, "/api/order", Bytes::from_static(b"{}"), hear).await.unwrap();
        // The pass that it was handed is as good for the next one.
        let next = app.ask(Method::GET, "/api/order", Bytes::new(), |_| panic!("it is inside")).await.unwrap();
        (answer, next)
    });
    until("it stands in line", async || told.try_iter().any(|state| state == "waiting").then_some(())).await;
    inside.leave().await;
    let (answer, next) = order.await.unwrap();
    for answer in [&answer, &next] {
        assert!(answer.headers().contains_key("x-origin"), "{answer:?}");
    }
    let hits = scene.origin.hits();
    assert_eq!(hits.iter().filter(|hit| hit.method == "POST").count(), 1, "one order");
}

#[tokio::test]
async fn the_client_in_rust_does_not_wait_before_a_closed_queue() {
    let scene = Scene::shop(&format!("{FAST}\nmode = \"closed\"")).await;
    let mut app = Client::new(&format!("http://{}", scene.node.http), Some(HeaderValue::from_static(HOST)));
    let failed = app.ask(Method::GET, "/", Bytes::new(), |_| {}).await.unwrap_err();
    assert!(matches!(failed, Failed::NotInLine(_)) && failed.to_string() == "not in line: closed", "{failed}");
}

/// Node has no cookies of its own, so the harness keeps them, as a browser would.
const HARNESS: &str = r#"
import { waitingFetch, NotInLine } from CLIENT;
const jar = new Map();
const withCookies = async (url, init = {}) => {
    const headers = new Headers(init.headers);
    if (jar.size) headers.set("cookie", [...jar].map((pair) => pair.join("=")).join("; "));
    const answer = await fetch(url, { ...init, headers });
    for (const line of answer.headers.getSetCookie()) {
        const [pair] = line.split(";"), [name, value] = pair.split("=");
        if (/max-age=0/i.test(line)) jar.delete(name); else jar.set(name, value);
    }
    return answer;
};
const sleep = () => new Promise((done) => setTimeout(done, 20));
const onStatus = (status) => console.log("status " + status.state + " " + status.reason);
const fetchInLine = waitingFetch({ fetch: withCookies, sleep, onStatus });
try {
    const answer = await fetchInLine(SITE + "/api/order", { method: "POST", body: "{}" });
    console.log("answer " + answer.status + " " + answer.headers.get("x-origin"));
    const again = await fetchInLine(SITE + "/api/order");
    console.log("again " + again.status + " " + again.headers.get("x-origin"));
} catch (error) {
    console.log("failed " + (error instanceof NotInLine) + " " + error.message);
}
"#;

/// Runs the client in JavaScript before a node.
fn node_js(site: &str, folder: &Path) -> std::process::Child {
    let client = format!("{:?}", format!("file://{}", apps().join("client.mjs").canonicalize().unwrap().display()));
    let script = HARNESS.replace("CLIENT", &client).replace("SITE", &format!("{site:?}"));
    let path = folder.join("harness.mjs");
    std::fs::write(&path, script).unwrap();
    let said = std::fs::File::create(folder.join("said")).unwrap();
    let spawned = Command::new("node").arg(path).stdin(Stdio::null()).stdout(said).spawn();
    spawned.expect("this test needs Node.js 20 or later: apt-get install nodejs")
}

/// A shop at the node's own address, since a script cannot name another host.
async fn at_its_address(queue: &str) -> (Scene, Visitor) {
    let origin = Origin::start().await;
    let shop = Tenant::new("shop", &["127.0.0.1"], origin.addr()).queue("shop", queue);
    let node = Setup::new(shop).start().await;
    let browser = crate::support::browser::Browser::new("inside").at("127.0.0.1", "shop");
    let inside = Visitor::with(&node, browser).await;
    (Scene::of(node, origin), inside)
}

#[tokio::test]
async fn the_client_in_javascript_waits_and_is_let_in() {
    let (scene, mut inside) = at_its_address(&format!("{FAST}\nmax_active = 1")).await;
    inside.walk_in().await;
    let folder = tempfile::tempdir().unwrap();
    let mut child = node_js(&format!("http://{}", scene.node.http), folder.path());
    let said = || std::fs::read_to_string(folder.path().join("said")).unwrap();
    until("it stands in line", async || said().contains("status waiting seats_taken").then_some(())).await;
    inside.leave().await;
    let status = until("it has ended", async || child.try_wait().unwrap()).await;
    assert!(status.success() && said().contains("status called null"), "{}", said());
    let answers: Vec<_> = said().lines().filter(|line| !line.starts_with("status")).map(str::to_owned).collect();
    assert!(
        answers.len() == 2 && answers.iter().all(|line| line.contains(" 200 ") && !line.contains("null")),
        "{answers:?}"
    );
    assert_eq!(scene.origin.hits().iter().filter(|hit| hit.method == "POST").count(), 1, "one order");
}

#[tokio::test]
async fn the_client_in_javascript_does_not_wait_before_a_closed_queue() {
    let (scene, _) = at_its_address(&format!("{FAST}\nmode = \"closed\"")).await;
    let folder = tempfile::tempdir().unwrap();
    let mut child = node_js(&format!("http://{}", scene.node.http), folder.path());
    until("it has ended", async || child.try_wait().unwrap()).await;
    let said = std::fs::read_to_string(folder.path().join("said")).unwrap();
    assert!(said.ends_with("failed true not in line: closed\n"), "{said}");
}
