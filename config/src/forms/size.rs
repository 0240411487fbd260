//! Amounts of bytes as people write them.

use crate::diagnostics::Wrong;

/// What [`parse`] accepts, for editors; a few mistakes too many pass.
pub(crate) const PATTERN: &str = r"^[0-9]+ ?(B|[kKMGT]B|[KMGT]iB)$";

const UNITS: [(&str, u64); 10] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// Bytes of `10MiB`, `500 kB`, `4096B`.
pub(crate) fn parse(written: &str) -> Result<u64, Wrong> {
    let found = UNITS.iter().find_map(|(unit, bytes)| Some((written.strip_suffix(unit)?, *bytes)));
    let Some((digits, unit)) = found else {
        return Err(Wrong::malformed("the unit is missing", "write an amount with its unit: \"10MiB\", \"1GiB\""));
    };
    let digits = digits.strip_suffix(' ').unwrap_or(digits);
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| Wrong::malformed("not an amount", "write a whole number with its unit: \"10MiB\", \"1GiB\""))
}

/// The shortest way to write it.
pub(crate) fn show(bytes: u64) -> String {
    let unit = UNITS[..4].iter().rev().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_unit() {
        for (written, bytes) in [("1B", 1), ("10MiB", 10 << 20), ("500 kB", 500_000), ("1GiB", 1 << 30), ("0B", 0)] {
            assert_eq!(parse(written).ok(), Some(bytes), "{written}");
        }
        for wrong in ["", "10", "MiB", "-1B", "1.5GiB", "10mib", "99999999999999999999B", "99999999TiB", "1  B"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for (bytes, shown) in [(1, "1B"), (1_000, "1000B"), (1 << 10, "1KiB"), (3 << 30, "3GiB"), (1 << 40, "1TiB")] {
            assert_eq!(show(bytes), shown);
            assert_eq!(parse(shown).ok(), Some(bytes));
        }
    }
}
