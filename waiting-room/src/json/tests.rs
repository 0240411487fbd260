use proptest::prelude::*;

use super::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_share_has_at_most_three_decimals_and_no_trailing_zero() {
    for (share, expected) in [
        (0.0, "0"),
        (0.0004, "0"),
        (0.001, "0.001"),
        (0.01, "0.01"),
        (0.05, "0.05"),
        (0.1, "0.1"),
        (0.42, "0.42"),
        (0.4206, "0.421"),
        (0.9994, "0.999"),
        (0.9996, "1"),
        (1.0, "1"),
        (1.5, "1"),
        (-0.5, "0"),
        (-0.0, "0"),
    ] {
        assert_eq!(written(|out| share_or_null(out, Some(share))), expected, "{share}");
    }
}

#[test]
fn what_is_no_number_is_null() {
    for share in [None, Some(f32::NAN), Some(f32::INFINITY), Some(f32::NEG_INFINITY)] {
        assert_eq!(written(|out| share_or_null(out, share)), "null", "{share:?}");
    }
}

#[test]
fn a_string_cannot_end_a_script_element() {
    let text = written(|out| string(out, "</script><!--"));
    assert_eq!(text, r#""\u003c/script>\u003c!--""#);
}

proptest! {
    #[test]
    fn every_string_comes_back(text in any::<String>()) {
        let json = written(|out| string(out, &text));
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        prop_assert!(!json.contains('<'));
    }

    #[test]
    fn every_control_character_comes_back(text in "[\\x00-\\x1f\"\\\\</]{0,40}") {
        let json = written(|out| string(out, &text));
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn shares_keep_their_order(a in 0.0_f32..=1.0, b in 0.0_f32..=1.0) {
        let [a_shown, b_shown] = [a, b].map(|share| {
            written(|out| share_or_null(out, Some(share))).parse::<f64>().unwrap()
        });
        prop_assert!((a_shown - f64::from(a)).abs() <= 0.000_501);
        prop_assert!(a > b || a_shown <= b_shown);
    }
}
