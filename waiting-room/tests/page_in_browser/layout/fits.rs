//! Long texts break no layout: every page in a language that takes more room than English, on every size of screen, with and
//! without the script.

use std::time::Duration;

use sluice_config::{
    Language,
    settings::{Look, Name, Page as Settings},
};
use sluice_waiting_room::{
    page::{Pages, Reader},
    showcase::{EXAMPLES, Scene},
};

use super::pseudo;
use crate::{
    WAITING,
    bench::{
        browser::visit,
        site::{Policy, READER, Script},
        visit::element,
    },
};

/// A word that no line of a telephone holds.
const MESSAGE: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft.\nThe sale runs until Friday.";
const LINK: &str = "https://shop.example.com/.sluice/move?queue=shop&t=eyJhbGciOiJIUzI1NiJ9.eyJ0IjoiYS10ZW5hbnQifQ.NY8gbBl1SX0pI-qeR4N5";

/// What is wrong with the pages of these settings, looked at in windows of these widths and heights; with all pages, or with
/// the example of this name.
fn faults(settings: Settings, sizes: &[[u32; 2]], examples: &str) -> String {
    let is_pseudo = settings.language == Language::ENGLISH;
    let pages = Pages::new(settings);
    let mut script = Script::default();
    let mut names = Vec::new();
    for example in EXAMPLES.iter().filter(|example| examples.is_empty() || examples == example.name) {
        // A queue for each, so that its polls are answered with what it shows.
        let queue = Name::new(example.name).unwrap();
        let scene = Scene { reader: READER, queue: &queue, message: Some(MESSAGE), now_s: WAITING.server_time_s };
        script = script
            .file(format!("/{}", example.name), Policy::Left, example.page(&pages, &scene))
            .polls_of(example.name, example.standing(scene.now_s))
            .post(&format!("/.sluice/move?queue={}", example.name), "200 OK", pages.link(READER, LINK, 10));
        names.push(example.name);
    }
    if examples.is_empty() {
        let reader = Reader { site: "shop.example.com", ..READER };
        for (name, page) in [
            ("move-link", pages.linked(reader, LINK, 10)),
            ("move-take", pages.take(reader, 1_234_567, "/")),
            ("move-void", pages.void(reader)),
            ("move-gone", pages.gone(reader)),
            ("move-not-now", pages.not_now(reader)),
        ] {
            script = script.file(format!("/{name}"), Policy::Left, page);
            names.push(name);
        }
    }
    let judge = include_str!("fits.html")
        .replace("NAMES", &format!("{names:?}"))
        .replace("SIZES", &format!("{sizes:?}"))
        .replace("PSEUDO", &is_pseudo.to_string());
    let site = script.file("/judge", Policy::Left, judge).serve();
    let dom = visit(&site.url("/judge"), Duration::from_secs(names.len() as u64 * 10 + 10));
    let looked = names.len() * sizes.len() * 2;
    assert!(dom.contains(&format!("<title>{looked} looked at</title>")), "{dom}");
    element(&dom, "faults").unwrap()
}

fn assert_fits(settings: Settings, sizes: &[[u32; 2]]) {
    let faults = faults(settings, sizes, "");
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn long_texts_fit_on_the_smallest_telephone() {
    assert_fits(pseudo::settings(), &[[320, 568]]);
}

#[test]
fn long_texts_fit_on_a_telephone() {
    assert_fits(pseudo::settings(), &[[390, 844]]);
}

#[test]
fn long_texts_fit_on_a_desktop() {
    assert_fits(pseudo::settings(), &[[1280, 800]]);
}

#[test]
fn long_texts_fit_on_a_kiosk() {
    assert_fits(pseudo::settings(), &[[1920, 1080]]);
}

#[test]
fn long_texts_fit_on_a_wall() {
    assert_fits(pseudo::settings(), &[[3840, 2160]]);
}

/// Long words, long sentences, and the other direction.
#[test]
fn languages_with_long_words_fit_on_the_smallest_telephone() {
    for tag in ["de", "fi", "hu", "pl", "ar"] {
        let language = Language::of(tag).unwrap();
        assert_fits(Settings { language, ..Settings::default() }, &[[320, 568]]);
    }
}

/// The judge finds what does not fit, what lies on something else, what is cut off, and what is of no catalogue.
#[test]
fn a_layout_that_breaks_is_found() {
    for (css, found) in [
        ("#heading { white-space: nowrap }", "wider than the window"),
        (".figure { grid-template-rows: 1rem 1rem 1rem }", "lies on"),
        ("#text { height: 1rem; overflow: hidden }", "is cut off"),
        ("#text { width: 4rem }", "is broken"),
        (".primary, button { white-space: nowrap; width: 6rem }", "leaves its box"),
    ] {
        let look = Look { css: Some(css.to_owned()), ..Look::default() };
        let faults = faults(Settings { look, ..pseudo::settings() }, &[[320, 568]], "waiting");
        assert!(faults.contains(found), "{css}: {faults}");
    }
    let faults = faults(Settings::default(), &[[320, 568]], "waiting");
    assert!(faults.contains("is of no catalogue: You are in line"), "{faults}");
}
