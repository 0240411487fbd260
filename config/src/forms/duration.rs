//! Durations as people write them: `10m`, `90s`, `1h30m`.

use std::time::Duration;

use humantime::DurationError;

use crate::diagnostics::Wrong;

/// What [`parse`] accepts, for editors; a few units too many pass.
pub(crate) const PATTERN: &str = r"^\s*([0-9][0-9.\s]*[A-Za-zµ]+\s*)+$";

const HELP: &str = "write numbers with units, largest first: \"90s\", \"10m\", \"1h30m\", \"500ms\"";

pub(crate) fn parse(written: &str) -> Result<Duration, Wrong> {
    humantime::parse_duration(written).map_err(|error| {
        let message = match error {
            DurationError::Empty => "the duration is empty",
            DurationError::UnknownUnit { unit, .. } if unit.is_empty() => "the unit is missing",
            DurationError::UnknownUnit { .. } => "unknown unit of time",
            DurationError::NumberOverflow => "the duration is too long, or too fine",
            _ => "not a duration",
        };
        Wrong::malformed(message, HELP)
    })
}

/// The duration as [`parse`] reads it.
pub(crate) fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}
