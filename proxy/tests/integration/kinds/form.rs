//! Row "HTML form": handed back in the page that says it was stopped, and stored nowhere.

use std::time::{Duration, Instant};

use super::{assert_goes_on, assert_page, assert_parked, one_seat, parked};
use crate::support::{HOST, Protocol, Request, Response, Scene, client::on_every_protocol};

const URLENCODED: &str = "application/x-www-form-urlencoded";
const BANK: &str = "https://bank.example";

fn form() -> Request {
    Request::new("POST", "/checkout?step=2").header("Accept", "text/html").header("Sec-Fetch-Mode", "navigate")
}

fn is_held(page: &Response) -> bool {
    page.text().contains("<form id=\"send\" method=\"post\">")
}

/// Whatever has come about elsewhere: the page knows nothing of it.
fn promises_nothing(page: &Response) {
    let words = page.text().to_lowercase();
    assert!(words.contains("this has not reached the site yet"), "{page:?}");
    assert!(!words.contains("charged") && !words.contains("nothing was"), "{page:?}");
}

async fn a_form_gets_a_page_that_holds_it(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let page = parked(&scene, &form().body(URLENCODED, "card=4711&name=%3Cb%3E+%22x%22&empty=")).await;
    assert_page(&page, 429);
    promises_nothing(&page);
    assert!(is_held(&page) && page.header("location").is_none(), "{page:?}");
    for field in [
        "<input type=\"hidden\" name=\"card\" value=\"4711\">",
        "<input type=\"hidden\" name=\"name\" value=\"&#60;b&#62; &#34;x&#34;\">",
        "<input type=\"hidden\" name=\"empty\" value=\"\">",
    ] {
        assert!(page.text().contains(field), "{field}");
    }
    assert_eq!(
        page.header("referrer-policy"),
        Some("same-origin"),
        "or its own forms would not say where they come from"
    );
    assert!(!page.header("content-security-policy").unwrap().contains("form-action"), "{page:?}");
}

async fn a_form_that_the_page_cannot_hold_is_gone_back_to(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let long = format!("a={}", "x".repeat(64 << 10));
    for (content_type, body) in [
        ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--"),
        ("text/plain", "a=1"),
        (URLENCODED, long.as_str()),
        (URLENCODED, "a=%FF"),
    ] {
        let page = parked(&scene, &form().body(content_type, body)).await;
        assert_page(&page, 429);
        promises_nothing(&page);
        assert!(!is_held(&page) && page.text().contains("id=\"back\""), "{content_type}: {page:?}");
        assert!(page.header("content-security-policy").unwrap().contains("form-action 'self'"), "{page:?}");
    }
}

#[tokio::test]
async fn a_form_of_another_site_whose_cookies_stayed_at_home_is_sent_on_by_its_visitor() {
    // Over plain HTTP no cookie comes along with a form of another site: to the node it is somebody unknown.
    let (scene, mut inside) = Scene::one_seat().await;
    let from_bank = form().header("Origin", BANK).body(URLENCODED, "PaRes=abc%3D&MD=7");
    let page = parked(&scene, &from_bank).await;
    assert_page(&page, 429);
    promises_nothing(&page);
    assert!(is_held(&page) && page.text().contains("Sent by bank.example."), "{page:?}");
    // The button: the browser sends the same from our own origin, with its cookies.
    let again = form().header("Origin", format!("http://{HOST}")).body(URLENCODED, "PaRes=abc%3D&MD=7");
    assert!(inside.ask(again).await.is_from_origin());
    let hit = scene.origin.last_hit();
    assert_eq!((hit.target.as_str(), &hit.body[..]), ("/checkout?step=2", &b"PaRes=abc%3D&MD=7"[..]));
}

async fn a_form_of_the_site_itself_is_not_called_somebody_elses(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    for own in ["same-origin", "none"] {
        let page = parked(&scene, &form().header("Sec-Fetch-Site", own).body(URLENCODED, "a=1")).await;
        assert!(is_held(&page) && !page.text().contains("Sent by"), "{own}: {page:?}");
    }
    let nameless = form().header("Sec-Fetch-Site", "cross-site").header("Origin", "null").body(URLENCODED, "a=1");
    assert!(parked(&scene, &nameless).await.text().contains("Sent by another site."));
}

async fn a_form_goes_through_once_its_visitor_is_called(protocol: Protocol) {
    let (scene, mut inside) = one_seat(protocol).await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    inside.leave().await;
    visitor.until_state("called").await;
    let page = visitor.ask(form().body(URLENCODED, "card=4711")).await;
    assert!(page.is_from_origin(), "{page:?}");
    assert_eq!(scene.origin.last_hit().body, "card=4711");
}

#[tokio::test]
async fn a_form_that_does_not_come_is_not_waited_for() {
    let (scene, _inside) = Scene::one_seat().await;
    let bytes = form().body(URLENCODED, "card=4711").bytes();
    let mut connection = scene.node.connect().await;
    let began = Instant::now();
    connection.send(&bytes[..bytes.len() - 1]).await;
    let page = connection.response("POST").await;
    // As long as a form and the rest of a body are waited for, and some time for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_parked(&page);
    assert!(!is_held(&page) && page.closes(), "{page:?}");
}

#[tokio::test]
async fn forms_that_come_one_after_the_other_are_each_handed_back() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut client = scene.client().await;
    // More of them than there is room for at once: each gives its room back.
    let body = format!("a={}", "x".repeat(60_000));
    for _ in 0..100 {
        let page = client.ask(&form().body(URLENCODED, body.as_str())).await;
        assert!(is_held(&page), "{page:?}");
    }
    let page = client.ask(&form().body(URLENCODED, "a=1")).await;
    assert_goes_on(&mut client, &page).await;
}

on_every_protocol!(
    a_form_gets_a_page_that_holds_it,
    a_form_that_the_page_cannot_hold_is_gone_back_to,
    a_form_of_the_site_itself_is_not_called_somebody_elses,
    a_form_goes_through_once_its_visitor_is_called,
);
