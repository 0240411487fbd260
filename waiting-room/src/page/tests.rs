mod forms;
mod wire;

use std::{collections::HashSet, str};

use sluice_admission::standing::{Reason, Standing, State, WaitRange};

use super::{assets::source_hash, *};
use crate::{
    samples::{STATES, WAITING, standing},
    words::Face,
};
use sluice_config::settings::Look;

const SITE: &str = "shop.example.com";
const READER: Reader<'static> = Reader { site: SITE, language: None, encoding: Encoding::Identity };

fn pages() -> &'static Pages {
    Pages::of_no_tenant()
}

fn english() -> &'static Words {
    words::of(Language::ENGLISH)
}

fn queue() -> Name {
    Name::new("shop").unwrap()
}

fn rendered(standing: &Standing, message: Option<&str>) -> String {
    let queue = queue();
    text(&pages().waiting(&PageInput {
        reader: READER,
        queue: &queue,
        closed_as: ClosedAs::Closed,
        standing,
        message,
        slip: None,
    }))
}

/// The page of a form that it does not hold.
fn form(standing: &Standing, message: Option<&str>) -> String {
    form_of(standing, message, None, &SentBy::ThisSite)
}

/// The page of a form that it holds.
fn held(standing: &Standing, message: Option<&str>) -> String {
    form_of(standing, message, Some(&[("order", "4711")]), &SentBy::Site("pay.example.net".into()))
}

fn form_of(standing: &Standing, message: Option<&str>, fields: Option<&[(&str, &str)]>, sent_by: &SentBy) -> String {
    let queue = queue();
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let fields: Option<Vec<_>> = fields.map(|fields| fields.iter().map(owned).collect());
    let form = Form { fields: fields.as_deref(), sent_by, line_path: "/tickets" };
    text(&pages().form_unsent(
        &PageInput { reader: READER, queue: &queue, closed_as: ClosedAs::Closed, standing, message, slip: None },
        &form,
    ))
}

fn text(page: &[u8]) -> String {
    str::from_utf8(page).unwrap().to_owned()
}

/// Every page for every state.
fn all_pages() -> Vec<String> {
    let mut pages = vec![
        text(&pages().left(READER, "/tickets")),
        text(&pages().refused(READER, Refusal::UnknownSite)),
        text(&pages().refused(READER, Refusal::BadRequest("its path has an encoded slash"))),
    ];
    for standing in STATES.map(standing) {
        pages.push(rendered(&standing, None));
        pages.push(form(&standing, None));
        pages.push(held(&standing, None));
    }
    pages
}

fn escaped(text: &str) -> String {
    text.replace('\'', "&#39;")
}

/// What stands between `from` and the next `to`.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = page.split_once(from).unwrap_or_else(|| panic!("no {from} in the page"));
    rest.split_once(to).unwrap().0
}

#[test]
fn every_state_has_its_heading_and_text() {
    let mut seen = HashSet::new();
    for state in STATES {
        let said = english().said(Face::Of(state));
        let page = rendered(&standing(state), None);
        assert!(page.contains(&format!("<h1 id=\"heading\">{}</h1>", escaped(&said.heading))));
        assert!(page.contains(&format!("<p id=\"text\">{}</p>", escaped(&said.text))), "{state:?}");
        assert!(page.contains(&format!("data-state=\"{}\"", state.as_str())));
        assert!(seen.insert(&said.heading) && seen.insert(&said.text), "{state:?}");
    }
}

#[test]
fn every_reason_is_told() {
    for reason in Reason::ALL {
        let page = rendered(&Standing { reason: Some(reason), ..WAITING }, None);
        let Some(told) = english().reason(reason).map(escaped) else { continue };
        assert!(page.contains(&format!("<p id=\"reason\" class=\"warning\">{told}</p>")), "{reason:?}");
    }
    assert!(rendered(&WAITING, None).contains("<p id=\"reason\" class=\"warning\" hidden></p>"));
}

#[test]
fn the_place_in_line() {
    let page = rendered(&WAITING, Some("Still 400 seats."));
    for expected in [
        "<title>812 people ahead of you – shop.example.com</title>",
        "<strong id=\"ahead\">812</strong> <span id=\"ahead-label\">people ahead of you</span>",
        "<progress id=\"progress\" value=\"0.42\" aria-labelledby=\"way\"",
        "<p id=\"way\" hidden>Your way through the line</p>",
        "<strong id=\"wait\">about 1–2 minutes</strong>",
        "<dd id=\"number\">4,711</dd>",
        "<dd id=\"behind\">90</dd>",
        "<dd id=\"updated\">08:00:00 UTC</dd>",
        "<p id=\"message\" dir=\"auto\">Still 400 seats.</p>",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let one = rendered(&Standing { ahead: Some(1), ..WAITING }, None);
    assert!(one.contains("<strong id=\"ahead\">1</strong> <span id=\"ahead-label\">person ahead"));
    let next = rendered(&Standing { ahead: Some(0), ..WAITING }, None);
    assert!(next.contains("<title>You are next – shop.example.com</title>"));
}

#[test]
fn a_moving_line_of_unknown_speed_says_so_and_a_standing_one_gives_its_reason_instead() {
    let moving = rendered(&Standing { wait: None, ..WAITING }, None);
    assert!(moving.contains("<strong id=\"wait\">not known yet</strong>"));
    let full = Standing { wait: None, reason: Some(Reason::SeatsTaken), ..WAITING };
    assert!(rendered(&full, None).contains("<p class=\"wait row\" hidden>"));
}

#[test]
fn what_others_wrote_is_text_and_nothing_else() {
    const EVIL: &str = "</script><script>alert(1)</script><!--<img src=x onerror='a'>\"&amp;";
    let queue = queue();
    let standing = WAITING;
    let evil = Reader { site: EVIL, ..READER };
    let input = PageInput {
        reader: evil,
        queue: &queue,
        closed_as: ClosedAs::Closed,
        standing: &standing,
        message: Some(EVIL),
        slip: None,
    };
    let fields = [(EVIL.to_owned(), EVIL.to_owned())];
    let form = Form { fields: Some(&fields), sent_by: &SentBy::Site(EVIL.into()), line_path: EVIL };
    let all = [pages().waiting(&input), pages().form_unsent(&input, &form), pages().left(evil, EVIL)];
    for page in all.map(|page| text(&page)) {
        assert!(!page.contains("alert(1)</script>"));
        assert!(!page.contains("<img"));
        assert!(!page.contains("<!--"));
        assert!(!page.contains("'a'"));
    }
    assert_eq!(text(&pages().waiting(&input)).matches("<script").count(), 3);
    let refused = text(&pages().refused(evil, Refusal::BadRequest(EVIL)));
    assert_eq!(refused.matches("<script").count(), 2);
    assert!(!refused.contains("<img"));
}

/// The reason is English in every language, and says so to screen readers.
#[test]
fn a_reason_in_english_is_marked_as_such() {
    let reader = Reader { language: Language::of("ar"), ..READER };
    let page = text(&pages().refused(reader, Refusal::BadRequest("its path has an encoded slash")));
    assert!(page.contains(": <bdi lang=\"en\">its path has an encoded slash</bdi></p>"), "{page}");
}

#[test]
fn nothing_is_fetched_from_anywhere() {
    for page in all_pages() {
        for reference in ["http:", "https:", "//", "src=", "@import", "url(", "<iframe", "<object"] {
            assert!(!page.contains(reference), "{reference} in {page}");
        }
        for (at, _) in page.match_indices("href=\"") {
            let to = page[at + 6..].split('"').next().unwrap();
            assert!(["", "data:,", "/tickets"].contains(&to), "link to {to}");
        }
    }
}

/// Nothing in the markup that the policy would block.
#[test]
fn no_inline_style_or_handler() {
    for page in all_pages() {
        let (_, markup) = page.split_once("<title>").unwrap();
        let markup = match markup.split_once("<script") {
            Some((before, _)) => before,
            None => markup,
        };
        for (at, _) in markup.match_indices("=\"") {
            let name = markup[..at].rsplit(' ').next().unwrap();
            assert!(name != "style" && !name.starts_with("on"), "{name}");
        }
    }
}

#[test]
fn the_policy_allows_what_the_page_carries_and_nothing_else() {
    for page in all_pages().into_iter().filter(|page| page.contains("<script>")) {
        let holds_form = page.contains("id=\"send\"");
        let style = source_hash(between(&page, "<style>", "</style>"));
        let script = source_hash(between(&page, "<script>", "</script>"));
        assert_eq!(
            pages().content_security_policy(if holds_form { Sort::HoldsForm } else { Sort::Shows }),
            format!(
                "default-src 'none'; style-src {style}; script-src {script}; \
                 connect-src 'self'; img-src data:; base-uri 'none'; {}frame-ancestors 'self'",
                // Where a form goes that the site then leads elsewhere is the site's affair.
                if holds_form { "" } else { "form-action 'self'; " },
            )
        );
    }
}

/// The first of the examples of CSP level 3, so that the hash is not only equal to itself.
#[test]
fn a_hash_source_is_what_the_standard_says() {
    assert_eq!(source_hash("alert('Hello, world.');"), "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
}

#[test]
fn without_javascript_the_page_reloads_itself() {
    for (poll_after_s, reload_s) in [(1, 2), (8, 8), (60, 60), (600, 60)] {
        let page = rendered(&Standing { poll_after_s, ..WAITING }, None);
        let refresh = format!("<noscript><meta http-equiv=\"refresh\" content=\"{reload_s}\"></noscript>");
        assert!(page.contains(&refresh), "{refresh}");
        assert!(page.contains(&format!("reloads by itself every {reload_s} seconds")));
    }
    // It goes in when it says that it will.
    let page = rendered(&Standing { poll_after_s: 2, ..standing(State::Called) }, None);
    assert!(page.contains("content=\"10\"></noscript>") && page.contains("Seconds until you enter: 10"), "{page}");
}

#[test]
fn leaving_is_a_plain_form_behind_a_second_step() {
    let page = rendered(&WAITING, None);
    assert!(page.contains("<form id=\"leave\" method=\"post\" action=\"/.sluice/leave?queue=shop\"></form>"));
    let details = between(&page, "<details>", "</details>");
    assert!(details.contains("<button form=\"leave\">"));
    assert!(rendered(&standing(State::Joining), None).contains("<div id=\"place\" hidden>"));
}

#[test]
fn the_script_gets_its_data_as_json() {
    for page in [rendered, form, held].map(|page| page(&WAITING, Some("<b>"))) {
        let status = between(&page, "id=\"status\">", "</script>");
        let status: serde_json::Value = serde_json::from_str(status).unwrap();
        assert_eq!(status["ahead"], 812);
        let words = between(&page, "id=\"words\">", "</script>");
        assert!(!words.contains('<'));
        let words: serde_json::Value = serde_json::from_str(words).unwrap();
        assert_eq!(words["states"], serde_json::to_value(&english().states).unwrap());
        assert_eq!(words["languages"].as_str().unwrap().split(' ').count(), Language::COUNT);
        assert_eq!(words["page"]["offline"], english().page.offline);
    }
}

#[test]
fn a_page_is_in_the_readers_language_else_in_the_tenants() {
    let pages = Pages::new(Settings { language: Language::of("pl").unwrap(), ..Settings::default() });
    let read = |tag: Option<&str>| {
        let language = tag.map(|tag| Language::of(tag).unwrap());
        let queue = queue();
        let standing = Standing { ahead: Some(2), ..WAITING };
        text(&pages.waiting(&PageInput {
            reader: Reader { language, ..READER },
            queue: &queue,
            closed_as: ClosedAs::Closed,
            standing: &standing,
            message: None,
            slip: None,
        }))
    };
    let polish = read(None);
    assert!(polish.contains("<html lang=\"pl\" dir=\"ltr\">"));
    assert!(polish.contains("<strong id=\"ahead\">2</strong> <span id=\"ahead-label\">osoby przed Tobą</span>"));
    let arabic = read(Some("ar"));
    assert!(arabic.contains("<html lang=\"ar\" dir=\"rtl\">") && arabic.contains("شخصان أمامك"));
    // One language on a page, but for the names of the others.
    assert!(!arabic.contains("People ahead") && !arabic.contains("osoby"));
    for page in [pages.left(READER, "/"), pages.refused(READER, Refusal::UnknownSite)] {
        assert!(text(&page).contains("<html lang=\"pl\""));
    }
}

#[test]
fn a_tenants_texts_stand_in_the_place_of_ours_in_their_language_alone() {
    let german = Language::of("de").unwrap();
    let texts =
        [("states.waiting.heading", "Gleich <geht's> los"), ("place.ahead.one", "Gast"), ("place.ahead.two", "x")];
    let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let pages = Pages::new(Settings { texts: [(german, texts)].into(), ..Settings::default() });
    let queue = queue();
    let read = |language, ahead| {
        let standing = Standing { ahead: Some(ahead), ..WAITING };
        let reader = Reader { language: Some(language), ..READER };
        text(&pages.waiting(&PageInput {
            reader,
            queue: &queue,
            closed_as: ClosedAs::Closed,
            standing: &standing,
            message: None,
            slip: None,
        }))
    };
    let page = read(german, 1);
    assert!(page.contains("<h1 id=\"heading\">Gleich &#60;geht&#39;s&#62; los</h1>"));
    assert!(page.contains("Gleich \\u003cgeht's> los"), "the script has it as well");
    assert!(page.contains("<span id=\"ahead-label\">Gast</span>"));
    assert!(read(german, 2).contains("Personen vor Ihnen"));
    assert!(read(Language::ENGLISH, 1).contains("You are in line"));
}

/// A tenant's words and rules stand where the policy lets them, and nothing that is in them gets out.
#[test]
fn a_tenants_face_is_on_every_page_and_in_its_policy() {
    let look = Look {
        name: Some("Grand <Hall> & Co".into()),
        css: Some("h1{}/*<script>alert(1)</script>*/".into()),
        links: vec![Link { text: "Help <me>".into(), url: "https://help.example.com/?a=1&b=\"".into() }],
        ..Look::default()
    };
    let pages = Pages::new(Settings { look, ..Settings::default() });
    let queue = queue();
    let input = PageInput {
        reader: READER,
        queue: &queue,
        closed_as: ClosedAs::Closed,
        standing: &WAITING,
        message: None,
        slip: None,
    };
    let page = text(&pages.waiting(&input));
    assert!(page.contains("<p class=\"site\" dir=\"auto\">Grand &#60;Hall&#62; &#38; Co</p>"));
    assert!(page.contains("people ahead of you – Grand &#60;Hall&#62; &#38; Co</title>"));
    assert!(page.contains(
        "<a href=\"https://help.example.com/?a=1&#38;b=&#34;\" target=\"_blank\" rel=\"noopener\">Help &#60;me&#62;</a>"
    ));
    for page in [page, text(&pages.left(READER, "/")), text(&pages.refused(READER, Refusal::UnknownSite))] {
        let (_, second) = page.split_once("</style>").unwrap();
        let style = between(second, "<style>", "</style>");
        assert!(style.ends_with("alert(1)</script>*/"));
        for sort in [Sort::Shows, Sort::HoldsForm] {
            assert!(pages.content_security_policy(sort).contains(&format!(" {}; script-src", source_hash(style))));
        }
    }
}

#[test]
fn the_board_shows_the_line_and_no_visitor() {
    let board = |newcomer: &Standing| text(&pages().board(READER, &Board { calling: 4711, waiting: 1234, newcomer }));
    let page = board(&Standing { wait: Some(WaitRange { low_s: 130, high_s: 230 }), ..standing(State::Joining) });
    for expected in [
        "<p class=\"huge\">4,711</p>",
        "<dt>Waiting</dt><dd>1,234</dd>",
        "<dt>Estimated wait</dt><dd>about 2–4 minutes</dd>",
        "<p id=\"clock\">08:00:00 UTC</p>",
        "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(!page.contains("id=\"status\""), "it asks for nobody's status");
    let held = board(&Standing { reason: Some(Reason::Paused), wait: None, ..standing(State::Joining) });
    assert!(held.contains("<p class=\"warning\">The site has paused the line."));
    let before = text(&pages().board(READER, &Board { calling: 0, waiting: 0, newcomer: &WAITING }));
    assert!(before.contains("<p class=\"huge\">–</p>"));
}

#[test]
fn a_closed_queue_says_why_it_is_closed_and_says_it_once() {
    let queue = queue();
    for (closed_as, heading) in [
        (ClosedAs::Closed, "This line is closed"),
        (ClosedAs::NotOpen, "Not open yet"),
        (ClosedAs::SoldOut, "Sold out"),
    ] {
        for state in [State::Closed, State::Joining] {
            let standing = Standing { reason: Some(Reason::Closed), ..standing(state) };
            let input =
                PageInput { reader: READER, queue: &queue, closed_as, standing: &standing, message: None, slip: None };
            let page = text(&pages().waiting(&input));
            assert!(page.contains(&format!("<h1 id=\"heading\">{heading}</h1>")), "{closed_as:?} {state:?}");
            assert!(page.contains("<p id=\"reason\" class=\"warning\" hidden></p>"), "{closed_as:?} {state:?}");
        }
        let input =
            PageInput { reader: READER, queue: &queue, closed_as, standing: &WAITING, message: None, slip: None };
        assert!(text(&pages().waiting(&input)).contains("You are in line"));
    }
}
