//! Plural forms and digits of each language, for whole numbers, as the Common Locale Data Repository has them.
//!
//! The pages show few kinds of number, so the few rules of CLDR that hold for whole numbers stand here, and a test in
//! Chromium holds them to its ICU. The page's script asks `Intl`.

use sluice_config::Language;

/// The plural forms of CLDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plural {
    /// Nought, and what goes like it.
    Zero,
    /// One, and what goes like it.
    One,
    /// Two, and what goes like it.
    Two,
    /// A few.
    Few,
    /// Many.
    Many,
    /// Every other number.
    Other,
}

impl Plural {
    /// Its name in the catalogues.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::One => "one",
            Self::Two => "two",
            Self::Few => "few",
            Self::Many => "many",
            Self::Other => "other",
        }
    }
}

use Plural::{Few, Many, One, Other, Two, Zero};

/// The form that goes with a number.
pub fn plural(language: Language, n: u64) -> Plural {
    let (n10, n100) = (n % 10, n % 100);
    let teens = (11..=14).contains(&n100);
    match language.tag() {
        "ja" | "ko" | "zh-Hans" | "zh-Hant" | "th" | "vi" | "id" => Other,
        "fa" | "hi" | "bn" if n <= 1 => One,
        "fr" | "pt-BR" if n <= 1 => One,
        "fr" | "pt-BR" | "es" | "it" | "ca" | "pt-PT" if n != 0 && n.is_multiple_of(1_000_000) => Many,
        "is" if n10 == 1 && n100 != 11 => One,
        "lv" if n10 == 0 || (11..=19).contains(&n100) => Zero,
        "lv" if n10 == 1 => One,
        "lt" if n10 == 0 || (11..=19).contains(&n100) => Other,
        "lt" if n10 == 1 => One,
        "lt" => Few,
        "pl" if n == 1 => One,
        "ru" | "uk" | "sr" | "hr" if n10 == 1 && !teens => One,
        "pl" | "ru" | "uk" | "sr" | "hr" if (2..=4).contains(&n10) && !teens => Few,
        "pl" | "ru" | "uk" => Many,
        "cs" | "sk" if (2..=4).contains(&n) => Few,
        "sl" => match n100 {
            1 => One,
            2 => Two,
            3 | 4 => Few,
            _ => Other,
        },
        "ro" if n != 1 && (n == 0 || (1..=19).contains(&n100)) => Few,
        "ga" if (3..=6).contains(&n) => Few,
        "ga" if (7..=10).contains(&n) => Many,
        "ar" if n == 0 => Zero,
        "ar" if (3..=10).contains(&n100) => Few,
        "ar" if n100 >= 11 => Many,
        "ar" | "ga" | "he" if n == 2 => Two,
        "is" | "lv" | "sr" | "hr" => Other,
        _ if n == 1 => One,
        _ => Other,
    }
}

/// The forms that a catalogue of the language has, those for fractions included, which CLDR has in some.
pub fn plurals(language: Language) -> &'static [Plural] {
    match language.tag() {
        "ja" | "ko" | "zh-Hans" | "zh-Hant" | "th" | "vi" | "id" => &[Other],
        "fr" | "pt-BR" | "es" | "it" | "ca" | "pt-PT" => &[One, Many, Other],
        "lv" => &[Zero, One, Other],
        "lt" | "pl" | "ru" | "uk" | "cs" | "sk" => &[One, Few, Many, Other],
        "sr" | "hr" | "ro" => &[One, Few, Other],
        "sl" => &[One, Two, Few, Other],
        "ga" => &[One, Two, Few, Many, Other],
        "ar" => &[Zero, One, Two, Few, Many, Other],
        "he" => &[One, Two, Other],
        _ => &[One, Other],
    }
}

/// Whether the language is written from right to left.
pub fn is_right_to_left(language: Language) -> bool {
    matches!(language.tag(), "ar" | "he" | "fa" | "ur")
}

/// A whole number as it is written.
pub fn number(language: Language, n: u64) -> String {
    let Digits { zero, between, groups_from, lakhs } = digits(language);
    let mut buffer = itoa::Buffer::new();
    let plain = buffer.format(n);
    let mut out = String::with_capacity(plain.len() * 3);
    for (at, digit) in plain.chars().enumerate() {
        let left = plain.len() - at;
        let ends_group = if lakhs && left > 3 { (left - 3).is_multiple_of(2) } else { left.is_multiple_of(3) };
        if at > 0 && ends_group && plain.len() >= groups_from {
            out.push_str(between);
        }
        let shifted = u32::from(zero) + digit.to_digit(10).unwrap_or(0);
        out.push(char::from_u32(shifted).unwrap_or(digit));
    }
    out
}

/// How a language writes whole numbers.
struct Digits {
    zero: char,
    /// Between groups of three digits.
    between: &'static str,
    /// The fewest digits that are parted.
    groups_from: usize,
    /// Groups of two beyond the first one.
    lakhs: bool,
}

fn digits(language: Language) -> Digits {
    const NO_BREAK_SPACE: &str = "\u{a0}";
    let western = |between, groups_from| Digits { zero: '0', between, groups_from, lakhs: false };
    match language.tag() {
        "fr" => western("\u{202f}", 4),
        "de" | "pt-BR" | "nl" | "da" | "ro" | "hr" | "sr" | "el" | "tr" | "ca" | "is" | "vi" | "id" => western(".", 4),
        "es" | "it" | "sl" => western(".", 5),
        "sv" | "nb" | "fi" | "lt" | "cs" | "sk" | "ru" | "uk" => western(NO_BREAK_SPACE, 4),
        "pt-PT" | "et" | "lv" | "pl" | "hu" | "bg" => western(NO_BREAK_SPACE, 5),
        "fa" => Digits { zero: '\u{6f0}', between: "\u{66c}", groups_from: 4, lakhs: false },
        "bn" => Digits { zero: '\u{9e6}', between: ",", groups_from: 4, lakhs: true },
        "hi" | "ta" => Digits { zero: '0', between: ",", groups_from: 4, lakhs: true },
        _ => western(",", 4),
    }
}
