use proptest::prelude::*;

use super::*;

#[test]
fn a_code_is_short_and_has_a_check() {
    for (given, expected) in [(0, "0-0"), (1, "1-2"), (31, "Z-0"), (32, "10-3"), (4711, "4K7-S")] {
        assert_eq!(of(given).as_str(), expected);
    }
    assert_eq!(of(u64::MAX).as_str().len(), LEN_MAX + 2);
}

#[test]
fn a_code_is_read_however_it_was_written_down() {
    assert_eq!(number(" 4k7 s "), Some(4711));
    assert_eq!(number("io-3"), Some(32));
    for wrong in ["", "-", "4", "4K7", "4K7-N", "4K8-S", "K47-S", "4K7-*", "4U7-S", "Ä-1", &"Z".repeat(40)] {
        assert_eq!(number(wrong), None, "{wrong}");
    }
}

/// Not the code of another number: no code at all. `0` and `Z` alone look the same to the check.
#[test]
fn one_wrong_character_or_two_that_changed_places_are_found() {
    for n in (0..40_000).step_by(7) {
        let code: Vec<char> = of(n).as_str().chars().filter(|c| *c != '-').collect();
        for at in 0..code.len() {
            for c in ALPHABET.map(char::from).into_iter().filter(|c| *c != code[at]) {
                let mut wrong = code.clone();
                wrong[at] = c;
                let alike = matches!((c, code[at]), ('0', 'Z') | ('Z', '0'));
                assert!(alike || number(&wrong.iter().collect::<String>()).is_none(), "{n}: {wrong:?}");
            }
            if at + 1 < code.len() && code[at] != code[at + 1] {
                let mut wrong = code.clone();
                wrong.swap(at, at + 1);
                let alike = matches!((code[at], code[at + 1]), ('0', 'Z') | ('Z', '0'));
                assert!(alike || number(&wrong.iter().collect::<String>()).is_none(), "{n}: {wrong:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_number_comes_back(n in any::<u64>()) {
        prop_assert_eq!(number(of(n).as_str()), Some(n));
    }

    #[test]
    fn anything_may_be_read(code in ".{0,20}") {
        if let Some(n) = number(&code) {
            prop_assert_eq!(number(of(n).as_str()), Some(n));
        }
    }
}
