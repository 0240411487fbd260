//! A visitor who does what people do while they wait, in a real browser: once in line, once inside.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    HOST, SOON, Visitor,
    chromium::{Piloted, Tab},
    scene::{FAST, Scene},
    until,
};

/// A page's clock that can be told to hurry, and how often the page has asked where its visitor stands.
const CLOCK: &str = r"
    const { setTimeout: later, fetch: ask } = window, now = Date.now;
    let pace = 1, at = now(), from = at;
    Date.now = () => at + (now() - from) * pace;
    window.setTimeout = (run, ms) => later(run, ms / pace);
    window.hurry = (to) => { at = Date.now(); from = now(); pace = to; };
    window.polls = 0;
    window.fetch = (...request) => { window.polls += 1; return ask(...request); };
";
/// What is asked for in the first place.
const TARGET: &str = "/tickets?event=7";
/// A minute is two seconds. An answer is waited for half a second.
const HURRY: u32 = 30;
const FIVE_MINUTES_MS: u64 = 300_000;
/// Whoever looks at the page is told ten seconds ahead that it enters.
const TOLD_AHEAD: Duration = Duration::from_secs(10);

/// Number and place of the visitor, as a tab shows them.
const SHOWN: &str = r##"(() => {
    const text = (id) => { const at = document.getElementById(id); return at && !at.closest("[hidden]") && at.textContent; };
    return document.readyState === "complete" && text("number") && { number: text("number"), ahead: text("next") };
})()"##;

/// What a tab shows once it shows a place in line.
async fn place(browser: &mut Piloted, tab: &Tab) -> Value {
    until("the tab shows a place", async || {
        let shown = browser.value(tab, SHOWN).await;
        shown.is_object().then_some(shown)
    })
    .await
}

async fn until_true(browser: &mut Piloted, tab: &Tab, what: &str, expression: &str) {
    until(what, async || (browser.value(tab, expression).await == true).then_some(())).await;
}

#[tokio::test]
async fn two_tabs_a_reload_the_back_button_five_minutes_hidden_and_a_lost_network_are_one_entry_on_time() {
    let scene = Scene::shop(&format!("{FAST}\nmax_active = 1")).await;
    scene.origin.page("/tickets", "<!doctype html><title>Inside</title><p id=inside>Welcome".to_owned());
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    let url = format!("http://{HOST}:{}{TARGET}", scene.node.http.port());
    let mut browser = Piloted::start(scene.node.http);
    let browser = &mut browser;

    // Two tabs are one place.
    let first = browser.tab(CLOCK).await;
    browser.open(&first, &url).await;
    let shown = place(browser, &first).await;
    assert_eq!(shown, json!({ "number": "2", "ahead": "You are next" }));
    let mut behind: Visitor = scene.visitor("behind").await;
    assert_eq!(behind.join().await.number, Some(3));
    let second = browser.tab(CLOCK).await;
    browser.open(&second, &url).await;
    assert_eq!(place(browser, &second).await, shown);

    // A reload, and the back button after a look at something else.
    browser.show(&first).await;
    browser.value(&first, "window.isOld = true").await;
    browser.call(Some(&first), "Page.reload", json!({})).await;
    until_true(browser, &first, "the page is another", "!window.isOld").await;
    assert_eq!(place(browser, &first).await, shown);
    browser.open(&first, "data:text/html,<title>Elsewhere</title>").await;
    until_true(browser, &first, "it is elsewhere", "document.title === 'Elsewhere'").await;
    browser.value(&first, "history.back()").await;
    assert_eq!(place(browser, &first).await, shown);

    // Five minutes in which another tab is looked at.
    let other = browser.tab("").await;
    browser.show(&other).await;
    for tab in [&first, &second] {
        until_true(browser, tab, "the tab is hidden", "document.hidden").await;
        let since = format!("window.hurry({HURRY}); window.polls = 0; window.since = Date.now(); true");
        assert_eq!(browser.value(tab, &since).await, true);
    }
    for tab in [&first, &second] {
        let passed = format!("Date.now() - window.since > {FIVE_MINUTES_MS}");
        until_true(browser, tab, "five minutes have passed", &passed).await;
        let polls = browser.value(tab, "window.hurry(1); window.polls").await.as_u64().unwrap();
        assert!((4..=9).contains(&polls), "about once a minute: {polls}");
        assert_eq!(place(browser, tab).await, shown);
    }

    // Back, and the network goes and comes again.
    browser.show(&first).await;
    browser.connect(&first, false).await;
    until_true(browser, &first, "it says so", "!document.getElementById('offline').hidden").await;
    assert_eq!(place(browser, &first).await, shown);
    browser.connect(&first, true).await;
    until_true(browser, &first, "it goes on", "document.getElementById('offline').hidden").await;
    assert_eq!(place(browser, &first).await, shown);

    // Their turn: not before, and as soon as they have been told.
    let entries = || scene.origin.hits().into_iter().filter(|hit| hit.target == TARGET).collect::<Vec<_>>();
    assert_eq!(entries().len(), 0);
    let left_at = Instant::now();
    inside.leave().await;
    until_true(browser, &first, "it is inside", "!!document.getElementById('inside')").await;
    let waited = left_at.elapsed();
    assert!(waited < TOLD_AHEAD + SOON / 2, "{waited:?}");
    // The other tab goes in with it, by the same pass, though nobody looks at it.
    until_true(browser, &second, "it is inside, too", "!!document.getElementById('inside')").await;
    assert_eq!(entries().len(), 2, "one page for each tab");
    let metrics = scene.node.metrics().await;
    assert_eq!((metrics.requests("shop", "entered"), metrics.line("inside_visitors", "shop")), (2.0, 1.0));
    assert_eq!(metrics.line("issued_number", "shop"), 3.0);
    assert_eq!(behind.poll().await.state, "waiting");
}
