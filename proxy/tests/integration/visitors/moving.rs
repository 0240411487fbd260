//! A place that is taken along to another device.

use crate::{
    servers::Server,
    support::{
        Fleet, HOST, Request, Response, Scene, Setup, Status, Visitor, browser::Browser, fleet, scene::FAST, until,
    },
};

const MOVE: &str = "/.sluice/move?queue=shop";

/// What a script of the waiting page sends.
fn by_script(target: &str) -> Request {
    Request::fetch("POST", target).header("Sec-Fetch-Site", "same-origin").body("text/plain", "")
}

/// What a form of a page of this site sends.
fn by_form(target: &str) -> Request {
    let request = Request::new("POST", target).header("Accept", "text/html").header("Sec-Fetch-Mode", "navigate");
    request.header("Sec-Fetch-Site", "same-origin").body("application/x-www-form-urlencoded", "")
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&amp;", "&")
}

/// The target of the link that a visitor is given.
async fn link(visitor: &mut Visitor) -> String {
    let piece = visitor.ask(by_script(MOVE)).await;
    assert_eq!(piece.status, 200, "{piece:?}");
    target_of(&piece)
}

fn target_of(page: &Response) -> String {
    let (_, from) = page.text().split_once("<input readonly value=\"").expect("a link");
    let link = unescaped(from.split('"').next().unwrap());
    let target = link.strip_prefix(&format!("http://{HOST}")).expect("a link to this site");
    assert!(page.text().contains("<svg "), "no code beside {target}");
    target.to_owned()
}

/// Opens a link on another device, and gives where its form goes.
async fn question(device: &mut Visitor, link: &str) -> String {
    let page = device.open(link).await;
    assert_eq!(page.status, 200, "{page:?}");
    let (_, from) = page.text().split_once("<form method=\"post\" action=\"").expect("a form");
    unescaped(from.split('"').next().unwrap())
}

/// Opens a link on another device and takes the place.
async fn take(device: &mut Visitor, link: &str) -> Response {
    let action = question(device, link).await;
    device.ask(by_form(&action)).await
}

/// Somebody in line with one ahead, and another device of theirs.
async fn somebody_in_line(scene: &Scene) -> (Visitor, Visitor, Status) {
    let mut old = scene.visitor("old").await;
    let status = old.join().await;
    (old, scene.visitor("phone").await, status)
}

#[tokio::test]
async fn the_place_goes_along_and_the_old_device_says_so() {
    let (scene, _inside) = Scene::one_seat().await;
    let (mut old, mut phone, status) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    assert_eq!(old.poll().await.state, "waiting", "it may still be used");
    let taken = take(&mut phone, &link).await;
    assert_eq!((taken.status, taken.header("location")), (303, Some("/")));
    let there = phone.poll().await;
    assert_eq!((there.number, there.ahead), (status.number, status.ahead));

    let moved = old.poll().await;
    assert_eq!((moved.state.as_str(), moved.reason.as_deref(), moved.number), ("joining", Some("moved"), None));
    assert_eq!(old.browser.token("ticket"), None);
    assert_eq!(scene.node.metrics().await.line("waiting_visitors", "shop"), 1.0, "one place");
}

#[tokio::test]
async fn the_old_devices_page_says_that_the_place_has_gone_and_stops() {
    let (scene, _inside) = Scene::one_seat().await;
    let (mut old, mut phone, _) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    take(&mut phone, &link).await;
    let page = old.open("/").await;
    assert_eq!(page.status, 503);
    assert!(page.text().contains("data-state=\"moved\"") && page.text().contains("Your place has moved"), "{page:?}");
    assert!(!page.text().contains("http-equiv"), "without the script it would join anew by itself");
    // Who wants to may join anew, behind all others.
    let anew = old.join().await;
    assert!(anew.number > phone.poll().await.number);
}

#[tokio::test]
async fn a_link_is_used_once_and_by_the_same_device_again() {
    let (scene, _inside) = Scene::one_seat().await;
    let (mut old, mut phone, status) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    let mut thief = scene.visitor("thief").await;
    let theirs = question(&mut thief, &link).await;
    let action = question(&mut phone, &link).await;
    // The answer is lost on its way, and the form is sent once more.
    let mut lost = scene.visitor("phone").await;
    lost.ask(by_form(&action)).await;
    assert_eq!(phone.ask(by_form(&action)).await.status, 303);
    assert_eq!(phone.poll().await.number, status.number);
    // Whoever had the question open, or opens it now, is too late.
    let late = thief.ask(by_form(&theirs)).await;
    assert_eq!((late.status, late.token("ticket")), (410, None));
    let void = thief.open(&link).await;
    assert!(void.status == 410 && void.text().contains("This link is no longer valid"), "{void:?}");
    // With a name that is not of its own making, too.
    for device in ["", "stayed", "zz", &"g".repeat(32)] {
        assert_eq!(thief.ask(by_form(&format!("{link}&d={device}"))).await.status, 410, "{device}");
    }
}

#[tokio::test]
async fn a_place_that_was_taken_up_at_the_old_device_stays_there() {
    let (scene, mut inside) = Scene::one_seat().await;
    let (mut old, mut phone, _) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    let action = question(&mut phone, &link).await;
    inside.ask(by_form("/.sluice/leave?queue=shop")).await;
    old.until_state("called").await;
    assert!(old.open("/").await.is_from_origin());
    assert_eq!(old.browser.token("move"), None);
    let late = phone.ask(by_form(&action)).await;
    assert_eq!((late.status, late.token("ticket")), (410, None));
    assert!(old.open("/").await.is_from_origin());
}

#[tokio::test]
async fn of_two_devices_that_are_called_one_enters() {
    let (scene, mut inside) = Scene::one_seat().await;
    let (mut old, mut phone, status) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    take(&mut phone, &link).await;
    inside.ask(by_form("/.sluice/leave?queue=shop")).await;
    phone.until_state("called").await;
    let page = old.open("/").await;
    assert!(!page.is_from_origin() && page.text().contains("data-state=\"moved\""), "{page:?}");
    assert!(phone.open("/").await.is_from_origin());
    assert_eq!(phone.browser.number(), status.number);
}

#[tokio::test]
async fn asked_for_again_it_is_the_same_link() {
    let (scene, _inside) = Scene::one_seat().await;
    let (mut old, mut phone, _) = somebody_in_line(&scene).await;
    let (first, second) = (link(&mut old).await, link(&mut old).await);
    assert_eq!(first, second);
    take(&mut phone, &first).await;
    let gone = old.ask(by_script(MOVE)).await;
    assert!(gone.status == 410 && gone.text().contains("Your place has moved"), "{gone:?}");
    // From the other device it goes on.
    let on = link(&mut phone).await;
    assert_ne!(on, first);
    let mut tablet = scene.visitor("tablet").await;
    assert_eq!(take(&mut tablet, &on).await.status, 303);
    assert_eq!(phone.poll().await.reason.as_deref(), Some("moved"));
}

#[tokio::test]
async fn without_the_script_a_page_has_link_and_code() {
    let (scene, _inside) = Scene::one_seat().await;
    let (mut old, mut phone, status) = somebody_in_line(&scene).await;
    let waiting = old.open("/").await;
    assert!(waiting.text().contains("<form id=\"go\" method=\"post\" action=\"/.sluice/move?queue=shop\"></form>"));
    let page = old.ask(by_form(MOVE)).await;
    assert_eq!(page.header("referrer-policy"), Some("strict-origin"));
    assert!(page.header("cache-control").unwrap().contains("no-store"));
    let link = target_of(&page);
    assert_eq!(take(&mut phone, &link).await.status, 303);
    assert_eq!(phone.poll().await.number, status.number);
}

/// The slip comes back in the page's form instead of in a cookie; its number is taken then, once.
#[tokio::test]
async fn who_keeps_no_cookies_takes_the_place_to_a_browser_that_does() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut without = scene.visitor("without cookies").await;
    let mut page = without.open("/").await;
    let issued = scene.node.metrics().await.line("issued_number", "shop");
    let (_, from) = page.text().split_once("<form id=\"take\"").expect("an offer");
    let action = unescaped(from.split("action=\"").nth(1).unwrap().split('"').next().unwrap());
    let mut links = Vec::new();
    for _ in 0..2 {
        page = scene.ask(&by_form(&action).host(HOST)).await;
        assert_eq!(page.header_values("set-cookie").count(), 0);
        links.push(target_of(&page));
    }
    let after = scene.node.metrics().await.line("issued_number", "shop");
    assert_eq!(after - issued, 1.0, "a slip is one number");
    let mut other = scene.visitor("with cookies").await;
    assert_eq!(take(&mut other, &links[0]).await.status, 303);
    assert_eq!(other.poll().await.state, "waiting");
    for bad in ["", "x", "a.b.c"] {
        let refused = scene.ask(&by_script(&format!("{MOVE}&s={bad}"))).await;
        assert_eq!(refused.status, 409, "{bad}");
    }
}

/// Links and slips stand in the query, which a log may be asked for.
#[tokio::test]
async fn no_token_of_a_link_or_a_slip_is_in_the_access_log() {
    let every = "[access_log]\nto = \"access.log\"\npolls = true\nfields = [\"path\", \"query\", \"user_agent\"]";
    let prepare = |setup: Setup| setup.section(every);
    let scene = Scene::set_up(|shop| shop.queue("shop", &format!("{FAST}\nmax_active = 1")), prepare).await;
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    let mut old = scene.visitor("old").await;
    old.join().await;
    let link = link(&mut old).await;
    let action = question(&mut scene.visitor("phone").await, &link).await;
    let page = scene.visitor("without cookies").await.open("/shown?colour=red").await;
    let (_, from) = page.text().split_once("<form id=\"take\"").expect("an offer");
    let slip = unescaped(from.split("action=\"").nth(1).unwrap().split('"').next().unwrap());
    let token_of = |target: &str, name: &str| {
        let (_, from) = target.split_once(name).unwrap_or_else(|| panic!("{name} in {target}"));
        from.split('&').next().unwrap().to_owned()
    };
    let tokens = [token_of(&link, "&t="), token_of(&slip, "&s=")];
    scene.ask(&by_form(&slip).host(HOST)).await;
    // Refused, and answered without being carried out, before it is known what they are.
    scene.ask(&by_form(&action.replacen("/.sluice", "/a/../%2eSluice", 1)).host(HOST)).await;
    scene.ask(&by_form(&action).host("nobody.example")).await;
    scene.ask(&Request::navigation("/last?colour=blue")).await;
    let file = scene.node.folder.path().join("access.log");
    let log = until("all lines are there", async || {
        let log = std::fs::read_to_string(&file).unwrap_or_default();
        let others = ["colour=red", "colour=blue", "%2eSluice"].iter().all(|other| log.contains(other));
        (others && log.matches("\"/.sluice/move\"").count() == 4).then_some(log)
    });
    let log = log.await;
    for token in tokens {
        assert!(token.len() > 20 && !log.contains(&token), "{token} in {log}");
    }
}

/// A page of another site can neither make a visitor take a place nor give one away.
#[tokio::test]
async fn other_sites_move_no_place() {
    let (scene, _inside) = Scene::one_seat().await;
    let (mut old, _, _) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    let mut victim = scene.visitor("victim").await;
    let before = victim.join().await;
    let action = question(&mut scene.visitor("attacker").await, &link).await;
    for (site, origin) in [("cross-site", "https://evil.example.net"), ("same-site", "https://blog.example.com")] {
        for target in [MOVE, &action, &format!("{MOVE}&s=a.b.c")] {
            let forged =
                Request::new("POST", target).header("Accept", "text/html").header("Sec-Fetch-Mode", "navigate");
            let forged = forged.header("Sec-Fetch-Site", site).header("Origin", origin);
            let answer = victim.ask(forged.body("application/x-www-form-urlencoded", "")).await;
            assert_eq!((answer.status, answer.header_values("set-cookie").count()), (403, 0), "{site} {target}");
        }
        // Of browsers that say no more than this.
        let old_browser = Request::new("POST", &action).header("Accept", "text/html").header("Origin", origin);
        assert_eq!(victim.ask(old_browser.body("application/x-www-form-urlencoded", "")).await.status, 403);
    }
    assert_eq!(victim.poll().await.number, before.number);
    let metrics = scene.node.metrics().await;
    assert_eq!(metrics.sum("requests_rejected_total", &[("reason", "move_from_elsewhere")]), 8.0);
    // Nor does a link that is opened, or loaded ahead of time, change anything by itself.
    for _ in 0..3 {
        victim.open(&link).await;
    }
    assert_eq!(victim.poll().await.number, before.number);
}

#[tokio::test]
async fn tokens_of_other_kinds_and_queues_are_no_links() {
    let scene = Scene::new(|shop| {
        shop.queue("shop", &format!("{FAST}\nmax_active = 1"))
            .queue("other", &format!("{FAST}\npaths = [\"/other\"]\nmax_active = 1"))
    })
    .await;
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    let (mut old, mut phone, _) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    let token = link.split("t=").nth(1).unwrap().to_owned();
    let pass = inside.browser.token("pass").unwrap();
    let ticket = old.browser.token("ticket").unwrap();
    let device = "0".repeat(32);
    for (queue, token) in [
        ("shop", &pass),
        ("shop", &ticket),
        ("other", &token),
        ("shop", &token.replace('.', "..")),
        ("shop", &String::new()),
    ] {
        let target = format!("/.sluice/move?queue={queue}&t={token}&d={device}");
        let answer = phone.ask(by_form(&target)).await;
        assert_eq!((answer.status, answer.header_values("set-cookie").count()), (410, 0), "{target}");
    }
    // Nor is a link a ticket or a pass.
    for kind in ["ticket", "pass", "slip"] {
        let browser = Browser::new("forger");
        browser.set_token(kind, &token);
        let mut forger = Visitor::with(&scene.node, browser).await;
        assert_eq!(forger.poll().await.number, None, "a link as a {kind}");
    }
    assert_eq!(take(&mut phone, &link).await.status, 303);
    assert_eq!(scene.ask(&by_script("/.sluice/move?queue=none")).await.status, 404);
    assert_eq!(scene.ask(&Request::fetch("DELETE", MOVE)).await.status, 405);
}

#[tokio::test]
async fn who_has_no_place_or_is_inside_has_none_to_move() {
    let (scene, mut inside) = Scene::one_seat().await;
    assert_eq!(inside.ask(by_script(MOVE)).await.status, 409);
    let mut nobody = scene.visitor("nobody").await;
    assert_eq!(nobody.ask(by_script(MOVE)).await.status, 409);
    assert_eq!(nobody.ask(by_form(MOVE)).await.header("location"), Some("/"));
    // Who is inside takes no place of another, and one's own again is no news.
    let (mut old, _, status) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    let action = question(&mut scene.visitor("phone").await, &link).await;
    for device in [&mut inside, &mut old] {
        let answer = device.ask(by_form(&action)).await;
        assert_eq!((answer.status, answer.header_values("set-cookie").count()), (303, 0));
    }
    assert_eq!(old.poll().await.number, status.number);
}

/// Whichever node is asked, and after a restart: who has the place is known.
#[tokio::test]
async fn a_restart_forgets_no_move() {
    let scene =
        Scene::set_up(|shop| shop.queue("shop", &format!("{FAST}\nmax_active = 1")), |setup| setup.keeps_ports()).await;
    let mut scene = scene;
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    let (mut old, mut phone, status) = somebody_in_line(&scene).await;
    let link = link(&mut old).await;
    take(&mut phone, &link).await;
    scene.node.kill();
    scene.node.start().await;
    for device in [&mut old, &mut phone] {
        device.reconnect(&scene.node).await;
    }
    until("the line is heard of", async || (phone.poll().await.number == status.number).then_some(())).await;
    let mut thief = scene.visitor("thief").await;
    assert_eq!(thief.open(&link).await.status, 410);
    assert_eq!(old.poll().await.reason.as_deref(), Some("moved"));
}

#[tokio::test]
async fn nodes_of_a_fleet_agree_on_who_has_the_place() {
    let redis = Server::start();
    let queue = format!("{FAST}\nmax_active = 1\non_store_loss = \"hold\"");
    let fleet = Fleet::start(&fleet::one(&redis), |shop| shop.queue("shop", &queue), |_, setup| setup).await;
    let [one, two, _] = &fleet.nodes;
    let mut inside = Visitor::new(one, "inside").await;
    inside.walk_in().await;
    let mut old = Visitor::new(one, "old").await;
    let status = old.join().await;
    let link = link(&mut old).await;
    let mut phone = Visitor::new(two, "phone").await;
    assert_eq!(take(&mut phone, &link).await.status, 303);
    assert_eq!(phone.poll().await.number, status.number);
    assert_eq!(old.poll().await.reason.as_deref(), Some("moved"));
    let mut thief = Visitor::new(one, "thief").await;
    assert_eq!(thief.open(&link).await.status, 410);
}
