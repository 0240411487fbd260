//! The colours of the pages, and whether what is written in them can be read.

use std::fmt;

use crate::{
    declare::{Key, Looks, Optional, Section, Table, Text},
    diagnostics::{Kind, Read, Wrong},
};

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

/// The colours of the pages, by day or by night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colors {
    /// Behind everything.
    pub ground: Color,
    /// Behind what is said.
    pub card: Color,
    /// What is written.
    pub text: Color,
    /// The number, the bar, links and buttons.
    pub accent: Color,
}

impl Colors {
    /// Ours by day.
    pub const LIGHT: Self = Self {
        ground: Color([0xf3, 0xf5, 0xf8]),
        card: Color([0xff, 0xff, 0xff]),
        text: Color([0x1a, 0x22, 0x30]),
        accent: Color([0x0b, 0x5c, 0xad]),
    };
    /// Ours by night.
    pub const DARK: Self = Self {
        ground: Color([0x0e, 0x12, 0x18]),
        card: Color([0x18, 0x1e, 0x27]),
        text: Color([0xe8, 0xec, 0xf2]),
        accent: Color([0x6d, 0xb3, 0xff]),
    };
}

/// The least contrast of text on its ground (WCAG 2.2, 1.4.3).
const CONTRAST_MIN: f64 = 4.5;

impl Color {
    /// The contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// This colour with a share of another in it, 0 to 1.
    pub fn mixed(self, other: Self, share: f64) -> Self {
        let mut mixed = self.0;
        for (own, other) in mixed.iter_mut().zip(other.0) {
            let value = f64::from(*own) * (1.0 - share) + f64::from(other) * share;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
            let byte = value.round() as u8;
            *own = byte;
        }
        Self(mixed)
    }

    fn luminance(self) -> f64 {
        let linear = |byte: u8| {
            let share = f64::from(byte) / 255.0;
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

pub(super) static LIGHT: Section = Section {
    name: "[page.light]",
    doc: "Colours of the pages by day",
    may_hold_secrets: false,
    keys: &[&GROUND, &CARD, &TEXT, &ACCENT],
};

pub(super) static DARK: Section = Section {
    name: "[page.dark]",
    doc: "Colours of the pages by night",
    may_hold_secrets: false,
    keys: &[&GROUND, &CARD, &TEXT, &ACCENT],
};

type ColorKey = Key<Text<Color>, Optional>;

static GROUND: ColorKey = color("ground", "Behind everything");
static CARD: ColorKey = color("card", "Behind what is said");
static TEXT: ColorKey = color("text", "What is written; on `ground` and `card` its contrast is at least 4.5 to 1");
static ACCENT: ColorKey =
    color("accent", "The number, the bar, links and buttons; on `card` its contrast is at least 4.5 to 1");

const fn color(name: &'static str, doc: &'static str) -> ColorKey {
    let kind = Text { parse, looks: Looks::Pattern("^#[0-9a-fA-F]{6}$", "such as `#0b5cad`") };
    Key { name, doc, kind, absent: Optional("ours") }
}

/// Reads colours; those that are not written are `ours`.
pub(super) fn read(table: &Table<'_>, ours: Colors) -> Read<Colors> {
    let ground = table.read(&GROUND).map(|ground| ground.unwrap_or(ours.ground));
    let card = table.read(&CARD).map(|card| card.unwrap_or(ours.card));
    let text = table.read(&TEXT).map(|text| text.unwrap_or(ours.text));
    let accent = table.read(&ACCENT).map(|accent| accent.unwrap_or(ours.accent));
    let colors = Colors { ground: ground?, card: card?, text: text?, accent: accent? };
    let mut result = Ok(());
    for (name, key, color, on_name, on_key, on) in [
        ("text", &TEXT, colors.text, "ground", &GROUND, colors.ground),
        ("text", &TEXT, colors.text, "card", &CARD, colors.card),
        ("accent", &ACCENT, colors.accent, "card", &CARD, colors.card),
    ] {
        let contrast = color.contrast(on);
        if contrast < CONTRAST_MIN {
            // Down, so that it never says that 4.5 is too little.
            let shown = (contrast * 100.0).floor() / 100.0;
            let wrong = Wrong::new(
                Kind::Conflict,
                format!("`{name}` {color} on `{on_name}` {on} has a contrast of {shown:.2} to 1"),
                "write colours with at least 4.5 to 1: make one of the two darker or lighter",
            );
            result = Err(match table.value(key).or_else(|| table.value(on_key)) {
                Some(value) => value.wrong(wrong),
                None => table.wrong(wrong),
            });
        }
    }
    result.map(|()| colors)
}

fn parse(written: &str) -> Result<Color, Wrong> {
    let wrong = || Wrong::malformed("not a colour", "write it as `#` and six digits of 0-9 a-f, such as \"#0b5cad\"");
    let digits = written.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or_else(wrong)?;
    let number = digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten();
    let [_, red, green, blue] = number.ok_or_else(wrong)?.to_be_bytes();
    Ok(Color([red, green, blue]))
}

#[cfg(test)]
mod tests;
