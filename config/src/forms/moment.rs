//! Moments as people write them.

use toml::value::{Datetime, Offset};

use crate::diagnostics::Wrong;

const EXAMPLE: &str = "\"2026-12-01T10:00:00+01:00\"";

/// Reads a moment (RFC 3339) as unix seconds. It has to say how far it is from UTC: the machines of a fleet may stand
/// anywhere.
pub(crate) fn parse(written: &str) -> Result<u64, Wrong> {
    let malformed =
        || Wrong::malformed("a moment is a day, a time and its distance from UTC", format!("write {EXAMPLE}"));
    let moment: Datetime = written.parse().map_err(|_| malformed())?;
    let (Some(date), Some(time), Some(offset)) = (moment.date, moment.time, moment.offset) else {
        return Err(malformed());
    };
    let offset_s = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes) * 60,
    };
    let of_day_s = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + time.second.map_or(0, i64::from);
    let at_s = days(date.year.into(), date.month.into(), date.day.into()) * 86_400 + of_day_s - offset_s;
    u64::try_from(at_s).map_err(|_| Wrong::malformed("the moment is before 1970", format!("write {EXAMPLE}")))
}

/// Days from the first of January 1970, counted in years that begin in March, so that a leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_unix_seconds() {
        for (written, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-12-01T10:00:00+01:00", 1_796_115_600),
            ("2026-12-01T09:00:00Z", 1_796_115_600),
            ("2026-12-01 04:00:00-05:00", 1_796_115_600),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse(written).unwrap(), expected, "{written}");
        }
    }

    #[test]
    fn what_is_no_moment_says_what_to_write() {
        for written in [
            "",
            "tomorrow",
            "2026-12-01",
            "10:00:00",
            "2026-12-01T10:00:00",
            "2026-02-30T10:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            let wrong = parse(written).unwrap_err();
            assert!(wrong.help.contains("2026-12-01T10:00:00+01:00"), "{written}");
        }
    }
}
