use proptest::prelude::*;
use sluice_config::settings::{Logo, Look};

use super::*;

#[test]
fn a_tenant_without_wishes_has_no_style_of_its_own() {
    assert_eq!(style(&Page::default()), "");
}

/// The settings know our colours, so that a contrast can be judged against them.
#[test]
fn our_colours_are_those_of_the_style() {
    let css = include_str!("../../../templates/page.css");
    let (light, dark) = css.split_once("prefers-color-scheme: dark").unwrap();
    for (part, colors) in [(light, Colors::LIGHT), (dark, Colors::DARK)] {
        for (name, color) in
            [("ground", colors.ground), ("card", colors.card), ("text", colors.text), ("accent", colors.accent)]
        {
            let (_, value) = part.split_once(&format!("--{name}: ")).unwrap();
            let value = value.split(';').next().unwrap();
            let long = if value == "#fff" { "#ffffff" } else { value };
            assert_eq!(long, color.to_string(), "{name}");
        }
    }
}

#[test]
fn each_theme_is_changed_by_itself() {
    let light = Colors { accent: Color([0x99, 0, 0]), ..Colors::LIGHT };
    let style = style(&Page { light, ..Page::default() });
    assert!(style.starts_with("@media (prefers-color-scheme:light){:root{--ground:#f3f5f8;"), "{style}");
    assert!(style.contains("--accent:#990000;--go:#990000;--on:#ffffff") && !style.contains("dark"), "{style}");
}

#[test]
fn font_logo_and_rules_come_last() {
    let look = Look {
        font: Some("Georgia, serif".into()),
        logo: Some(Logo { media_type: "image/svg+xml", bytes: b"<svg/>".to_vec() }),
        css: Some("h1{}".into()),
        ..Look::default()
    };
    let style = style(&Page { look, ..Page::default() });
    assert!(style.contains("body{font-family:Georgia, serif}"));
    assert!(style.contains("background:url(data:image/svg+xml;base64,PHN2Zy8+) center/contain no-repeat"));
    assert!(style.ends_with("\nh1{}"));
}

proptest! {
    /// Whatever a config may say, all that is written can be read.
    #[test]
    fn every_colour_that_is_derived_can_be_read(card in any::<[u8; 3]>(), tint in any::<[u8; 3]>(), share in 0.0..1.0) {
        let card = Color(card);
        let best = [Color([0; 3]), Color([255; 3])].into_iter().find(|c| c.contrast(card) >= 4.5).unwrap();
        let tinted = best.mixed(Color(tint), share);
        let (ground, text) = (card, best);
        let accent = if tinted.contrast(card) >= 4.5 { tinted } else { best };
        let variables = variables(Colors { ground, card, text, accent });
        let of = |name: &str| {
            let (_, value) = variables.split_once(&format!("--{name}:#")).unwrap();
            let [_, red, green, blue] = u32::from_str_radix(&value[..6], 16).unwrap().to_be_bytes();
            Color([red, green, blue])
        };
        prop_assert!(of("soft").contrast(card) >= 4.5 && of("soft").contrast(ground) >= 4.5);
        prop_assert!(of("on").contrast(of("accent")) >= 4.5);
    }
}
