//! What other sites can bring about with the cookies of visitors who look at their pages, over HTTPS, where these
//! come along: the way back from a payment or a sign-on works, and nothing else does.

use crate::support::{Request, Response, Scene, Status, Tenant, Visitor, scene::FAST};

const BANK: &str = "https://bank.example";
const FORM: &str = "application/x-www-form-urlencoded";

/// A shop with one seat, on a node behind a proxy that says how its visitors came.
async fn behind_a_proxy(furnish: impl FnOnce(Tenant) -> Tenant) -> (Scene, Visitor) {
    let scene = Scene::set_up(
        |shop| furnish(shop).queue("shop", &format!("{FAST}\nmax_active = 1")),
        |setup| setup.server("trusted_proxies = [\"127.0.0.0/8\"]"),
    );
    let scene = scene.await;
    let mut inside = scene.visitor("inside").await;
    assert!(inside.ask(over_https(Request::navigation("/"))).await.is_from_origin());
    (scene, inside)
}

fn over_https(request: Request) -> Request {
    request.header("X-Forwarded-For", "192.0.2.1").header("X-Forwarded-Proto", "https")
}

/// What a browser sends for a page of another site; the visitor's cookies come along.
fn cross_site(method: &str, target: &str, mode: &str, destination: &str) -> Request {
    over_https(Request::new(method, target))
        .header("Accept", "text/html,*/*;q=0.8")
        .header("Sec-Fetch-Site", "cross-site")
        .header("Sec-Fetch-Mode", mode)
        .header("Sec-Fetch-Dest", destination)
}

fn form_from(origin: &str, target: &str, destination: &str) -> Request {
    cross_site("POST", target, "navigate", destination).header("Origin", origin).body(FORM, "PaRes=abc")
}

async fn joins(scene: &Scene, name: &str) -> Visitor {
    let mut visitor = scene.visitor(name).await;
    visitor.ask(over_https(Request::navigation("/"))).await;
    assert!(polls(&mut visitor).await.number.is_some());
    visitor
}

async fn polls(visitor: &mut Visitor) -> Status {
    let poll = over_https(Request::fetch("GET", "/.sluice/status?queue=shop"));
    Status::of(&visitor.ask(poll.header("Sec-Fetch-Site", "same-origin")).await).unwrap()
}

fn sets_no_cookie(response: &Response) -> bool {
    response.header_values("set-cookie").next().is_none()
}

#[tokio::test]
async fn a_visitor_inside_comes_back_from_a_payment_by_a_form_of_another_site() {
    let (scene, mut inside) = behind_a_proxy(|shop| shop).await;
    joins(&scene, "waits").await;
    // In the window itself, or in the frame that the bank's page stood in.
    for destination in ["document", "iframe"] {
        let page = inside.ask(form_from(BANK, "/3ds/return", destination)).await;
        assert!(page.is_from_origin(), "{destination}: {page:?}");
        let hit = scene.origin.last_hit();
        assert_eq!((hit.target.as_str(), &hit.body[..]), ("/3ds/return", &b"PaRes=abc"[..]));
    }
}

#[tokio::test]
async fn who_is_called_and_comes_by_a_link_goes_in() {
    let (scene, mut inside) = behind_a_proxy(|shop| shop).await;
    let mut called = joins(&scene, "called").await;
    inside.ask(over_https(Request::new("POST", "/.sluice/leave?queue=shop"))).await;
    crate::support::until("called", async || (polls(&mut called).await.state == "called").then_some(())).await;
    assert!(called.ask(cross_site("GET", "/", "navigate", "document")).await.is_from_origin());
}

#[tokio::test]
async fn no_other_site_makes_a_visitor_leave() {
    let (scene, mut inside) = behind_a_proxy(|shop| shop).await;
    let mut waits = joins(&scene, "waits").await;
    let leave = "/.sluice/leave?queue=shop";
    let attacks = [
        form_from("https://evil.example", leave, "document"),
        form_from("https://evil.example", leave, "iframe"),
        form_from("null", leave, "document"),
        form_from("https://evil.example", "/.sluice/leave?queue=shop&away=1", "document"),
        cross_site("POST", leave, "no-cors", "empty").header("Origin", "https://evil.example"),
        over_https(Request::new("POST", leave)).header("Sec-Fetch-Site", "same-site"),
        // A browser that tells no more than where a form comes from.
        over_https(Request::new("POST", leave)).header("Origin", "https://evil.example").body(FORM, ""),
        over_https(Request::new("POST", leave)).header("Origin", "http://shop.example.com").body(FORM, ""),
    ];
    let count = attacks.len() as f64;
    for attack in attacks {
        for visitor in [&mut inside, &mut waits] {
            let refused = visitor.ask(attack.clone()).await;
            assert_eq!((refused.status, sets_no_cookie(&refused)), (403, true), "{attack:?}: {refused:?}");
        }
    }
    assert!(inside.ask(over_https(Request::navigation("/"))).await.is_from_origin());
    assert_eq!(polls(&mut waits).await.number, Some(2));
    let refused = [("reason", "leave_from_elsewhere")];
    assert_eq!(scene.node.metrics().await.sum("requests_rejected_total", &refused), 2.0 * count);
}

#[tokio::test]
async fn a_place_is_given_up_from_the_sites_own_page_and_by_apps() {
    let (scene, _inside) = behind_a_proxy(|shop| shop).await;
    let leave = || over_https(Request::new("POST", "/.sluice/leave?queue=shop"));
    for own in [
        leave().header("Sec-Fetch-Site", "same-origin"),
        leave().header("Origin", "https://shop.example.com").body(FORM, ""),
        leave(),
    ] {
        let mut waits = joins(&scene, "waits").await;
        let left = waits.ask(own.clone()).await;
        assert!(matches!(left.status, 200 | 204), "{own:?}: {left:?}");
        assert_eq!(left.cookie("__Host-sluice_ticket_shop"), Some(""), "{own:?}: {left:?}");
    }
}

#[tokio::test]
async fn embedded_in_another_site_a_visitor_neither_joins_nor_enters_nor_counts_as_there() {
    let (scene, mut inside) = behind_a_proxy(|shop| shop).await;
    let mut waits = joins(&scene, "waits").await;
    let mut newcomer = scene.visitor("newcomer").await;
    newcomer.ask(over_https(Request::navigation("/"))).await;
    let issued = scene.node.metrics().await.line("issued_number", "shop");
    inside.ask(over_https(Request::new("POST", "/.sluice/leave?queue=shop"))).await;
    let mut called = async || polls(&mut waits).await.state == "called";
    crate::support::until("called", async || called().await.then_some(())).await;
    for (mode, destination) in [("no-cors", "image"), ("no-cors", "script"), ("cors", "empty"), ("navigate", "iframe")]
    {
        for target in ["/", "/.sluice/status?queue=shop"] {
            for visitor in [&mut waits, &mut newcomer, &mut scene.visitor("nobody").await] {
                let answer = visitor.ask(cross_site("GET", target, mode, destination)).await;
                assert!(!answer.is_from_origin() && sets_no_cookie(&answer), "{destination} {target}: {answer:?}");
                assert_eq!(Status::of(&answer).unwrap().number, None, "{destination} {target}");
            }
        }
    }
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), issued);
    assert!(waits.ask(over_https(Request::navigation("/"))).await.is_from_origin(), "the call is as good as before");
}

#[tokio::test]
async fn no_other_site_ends_a_visit_by_loading_the_address_of_a_log_out() {
    let (scene, mut inside) = behind_a_proxy(|shop| shop).await;
    joins(&scene, "waits").await;
    for (mode, destination) in [("no-cors", "image"), ("navigate", "iframe")] {
        let answer = inside.ask(cross_site("GET", "/end", mode, destination)).await;
        assert!(answer.is_from_origin() && sets_no_cookie(&answer), "{answer:?}");
        assert_eq!(answer.header("sluice-session"), None, "{answer:?}");
    }
    assert!(inside.ask(over_https(Request::navigation("/"))).await.is_from_origin());
    assert_eq!(inside.ask(over_https(Request::navigation("/end"))).await.cookie("__Host-sluice_pass_shop"), Some(""));
}

#[tokio::test]
async fn a_script_of_an_origin_that_is_allowed_polls_and_enters() {
    let cors = "[cors]\nallowed_origins = [\"https://app.example.net\"]\nallow_credentials = true";
    let (scene, _inside) = behind_a_proxy(|shop| shop.section(cors)).await;
    let poll = || cross_site("GET", "/.sluice/status?queue=shop", "cors", "empty");
    let mut waits = scene.visitor("waits").await;
    waits.ask(over_https(Request::navigation("/"))).await;
    let strange = waits.ask(poll().header("Origin", "https://evil.example")).await;
    assert_eq!(Status::of(&strange).unwrap().number, None);
    let allowed = waits.ask(poll().header("Origin", "https://app.example.net")).await;
    assert_eq!(Status::of(&allowed).unwrap().number, Some(2), "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
}
