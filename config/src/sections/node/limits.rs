//! `[limits]`: what one client may take of a node, and one tenant of what all share.

pub(crate) mod node;
pub(crate) mod tenant;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use serde_json::{Value as JsonValue, json};

use crate::{
    declare::{Form, Json, Readable, Value, json},
    diagnostics::{Kind, Read, Wrong},
    forms::size,
};

/// An amount of bytes within bounds.
pub(crate) struct Size(pub(crate) RangeInclusive<u64>);

/// The longest body that may be configured; the shortest has 1 KiB.
pub(crate) const BODY_MAX: Size = Size(1 << 10..=16 << 40);

impl Form for Size {
    fn schema(&self) -> Json {
        json(json!({ "type": "string", "pattern": size::PATTERN }))
    }
    fn bounds(&self) -> String {
        format!("{} to {}", size::show(*self.0.start()), size::show(*self.0.end()))
    }
    fn remark(&self) -> Option<String> {
        Some(format!("From {}.", self.bounds()))
    }
}

impl Readable for Size {
    type Out = u64;
    fn read(&self, value: Value<'_>) -> Read<u64> {
        let Some(written) = value.as_str() else {
            return Err(value.wrong_type("an amount in quotes, with its unit", format!("{} = \"10MiB\"", value.key)));
        };
        let bytes = size::parse(written).map_err(|wrong| value.wrong(wrong))?;
        if !self.0.contains(&bytes) {
            let message = format!("`{}` is out of range", value.key);
            return Err(value.wrong(Wrong::new(
                Kind::OutOfRange,
                message,
                format!("write a value from {}", self.bounds()),
            )));
        }
        Ok(bytes)
    }
    fn write(&self, bytes: &u64) -> JsonValue {
        size::show(*bytes).into()
    }
}
