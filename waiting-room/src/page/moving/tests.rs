use sluice_config::Language;

use super::*;
use crate::page::{CONTENT_TYPE, Encoding};

const READER: Reader<'static> = Reader { site: "shop.example.com", language: None, encoding: Encoding::Identity };
const LINK: &str = "https://shop.example.com/.sluice/move?queue=sale&t=a.b.c";

fn text(page: &Bytes) -> &str {
    str::from_utf8(page).unwrap()
}

#[test]
fn a_link_comes_with_its_code_and_says_how_long_it_is_good() {
    let pages = Pages::of_no_tenant();
    let piece = pages.link(READER, LINK, 10);
    assert!(text(&piece).starts_with("<div class=\"code\"><svg ") && text(&piece).contains("within 10 min."));
    assert!(text(&piece).contains("value=\"https://shop.example.com/.sluice/move?queue=sale&#38;t=a.b.c\""));
    assert!(!text(&piece).contains("<script"));
    let page = pages.linked(READER, LINK, 10);
    assert!(text(&page).contains(text(&piece)) && text(&page).contains("<h1>Continue on another device</h1>"));
    // No code for what is too long, and a link all the same.
    assert!(text(&pages.link(READER, &"a".repeat(10_000), 1)).starts_with("<div class=\"code\"></div>"));
    assert_eq!(CONTENT_TYPE, "text/html; charset=utf-8");
}

#[test]
fn taking_a_place_is_one_form_and_its_address_is_text() {
    let page = Pages::of_no_tenant().take(READER, 4711, "/.sluice/move?queue=sale&t=a\"><script>");
    let page = text(&page);
    assert!(
        page.contains("<form method=\"post\" action=\"/.sluice/move?queue=sale&#38;t=a&#34;&#62;&#60;script&#62;\">")
    );
    assert!(page.contains("number 4,711") && !page.contains("id=\"status\""), "it asks for nobody's status");
}

#[test]
fn every_page_of_a_move_is_in_every_language() {
    let pages = Pages::of_no_tenant();
    for language in Language::all() {
        let reader = Reader { language: Some(language), ..READER };
        let all = [pages.linked(reader, LINK, 10), pages.take(reader, 1, "/"), pages.void(reader), pages.gone(reader)];
        for page in all.iter().chain([&pages.not_now(reader)]) {
            assert!(text(page).contains(&format!("<html lang=\"{}\"", language.tag())));
            assert!(!text(page).split_once("<title>").unwrap().1.contains('{'), "{language}: a place is left");
        }
    }
}
