//! A form that was stopped.

use std::time::Duration;

use crate::{
    CALLED, WAITING, ahead,
    bench::{
        browser::visit,
        site::{ADDRESS, Answer, INSIDE, Script},
        visit::{Visit, element},
    },
};

#[test]
fn a_form_that_was_stopped_tells_when_to_send_it_again_and_never_does_by_itself() {
    let then = r#"setTimeout(() => document.getElementById("back").click(), 30000);"#;
    let site =
        Script::default().form_page(&WAITING).polls([ahead(500, 0.5), Answer::Standing(CALLED)]).watched(then).serve();
    let visit = Visit::to(&site, 31);
    let titles = visit.changes(|shown| shown.title.clone());
    assert_eq!(
        titles,
        [
            "812 people ahead of you – shop.example.com",
            "500 people ahead of you – shop.example.com",
            "It's your turn – shop.example.com",
        ]
    );
    let called = visit.last();
    assert_eq!(called.heading.as_deref(), Some("It's your turn"));
    assert_eq!(called.text.as_deref(), Some("Go back now and send it again."));
    assert_eq!(called.back.as_deref(), Some("Go back"));
    assert_eq!(visit.changes(|shown| shown.back.is_some()), [false, true]);
    assert_eq!(visit.0.iter().filter_map(|entry| entry.went_back).count(), 1);
    assert_eq!(site.navigations(), 1, "it never loads the address by itself");
    assert!(site.requests().iter().all(|request| request.starts_with("GET ")));
    assert!(visit.poll_times_s().len() >= 3, "the place is kept while the visitor reads");
}

fn a_form() -> [(String, String); 4] {
    let field = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    [("submit", "x"), ("PaRes", "a+b/c=\r\n\"<'&"), ("ü", "€"), ("action", "https://evil.example/")].map(field)
}

#[test]
fn a_form_that_the_page_holds_is_sent_as_it_came_and_the_site_may_lead_on_to_another_one() {
    let shop = Script::default().page(INSIDE).serve();
    let then = r##"addEventListener("load", () => document.querySelector("#send button").click());"##;
    let site = Script::default()
        .form_page_with(&CALLED, Some(&a_form()))
        .polls([Answer::Standing(CALLED)])
        .watched(then)
        .leads_on_to(shop.url(ADDRESS))
        .serve();
    let dom = visit(&site.url(ADDRESS), Duration::from_secs(20));
    assert!(element(&dom, "inside").is_some(), "{dom}");
    let sent = "submit=x&PaRes=a%2Bb%2Fc%3D%0D%0A%22%3C%27%26&%C3%BC=%E2%82%AC&action=https%3A%2F%2Fevil.example%2F";
    let posts: Vec<_> = site.requests().into_iter().filter(|request| request.starts_with("POST")).collect();
    assert_eq!(posts, [format!("POST {ADDRESS} {sent}")]);
}

#[test]
fn a_form_that_the_page_holds_is_never_sent_by_itself() {
    let site = Script::default()
        .form_page_with(&WAITING, Some(&a_form()))
        .polls([Answer::Standing(CALLED)])
        .watched("")
        .serve();
    let visit = Visit::to(&site, 60);
    assert_eq!(visit.last().text.as_deref(), Some("Send it now."));
    assert!(site.requests().iter().all(|request| request.starts_with("GET ")));
    assert_eq!(site.navigations(), 1);
}
