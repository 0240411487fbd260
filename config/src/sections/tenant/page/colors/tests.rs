use proptest::prelude::*;

use super::*;
use crate::testing::{Dir, ORIGIN, QUEUE, TENANT, tenant};

fn page(lines: &str) -> Dir {
    Dir::tenant(&tenant(&[TENANT, ORIGIN, QUEUE, lines, "\n"]))
}

#[test]
fn ours_can_be_read() {
    for colors in [Colors::LIGHT, Colors::DARK] {
        assert!(colors.text.contrast(colors.ground) > 12.0 && colors.text.contrast(colors.card) > 12.0);
        assert!(colors.accent.contrast(colors.card) > 6.0);
    }
}

/// The examples that everybody knows by heart.
#[test]
fn contrast_is_what_the_guidelines_say() {
    let of = |a: &str, b: &str| (parse(a).unwrap().contrast(parse(b).unwrap()) * 100.0).round() / 100.0;
    assert_eq!(of("#000000", "#ffffff"), 21.0);
    assert_eq!(of("#777777", "#ffffff"), 4.48);
    assert_eq!(of("#767676", "#ffffff"), 4.54);
    assert_eq!(of("#ff0000", "#ffffff"), 4.0);
}

#[test]
fn colours_that_cannot_be_read_are_refused_with_the_ratio() {
    page("[page.light]\naccent = «\"#ffcc00\"»").is_wrong(
        Kind::Conflict,
        "`accent` #ffcc00 on `card` #ffffff has a contrast of 1.5",
        "at least 4.5 to 1",
    );
    page("[page.light]\nground = «\"#777777\"»\ncard = \"#ffffff\"").is_wrong(
        Kind::Conflict,
        "on `ground` #777777",
        "",
    );
    page("[page.dark]\ntext = \"#ffffff\"\ncard = \"#000000\"\nground = \"#000000\"").only_tenant();
    for wrong in ["red", "#fff", "#12345g", "#+12345", "0b5cad"] {
        page(&format!("[page.dark]\ntext = «\"{wrong}\"»")).is_wrong(Kind::Malformed, "not a colour", "\"#0b5cad\"");
    }
}

proptest! {
    #[test]
    fn contrast_is_between_1_and_21_and_the_same_both_ways(a in any::<[u8; 3]>(), b in any::<[u8; 3]>()) {
        let (a, b) = (Color(a), Color(b));
        prop_assert!((1.0..=21.0).contains(&a.contrast(b)));
        prop_assert_eq!(a.contrast(b), b.contrast(a));
        prop_assert_eq!(parse(&a.to_string()).unwrap(), a);
    }
}
