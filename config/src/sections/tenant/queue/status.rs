//! The status that a waiting page is sent with.

use serde_json::{Value as JsonValue, json};

use super::WaitStatus;
use crate::{
    declare::{Form, Json, Readable, Value, json},
    diagnostics::{Kind, Read, Wrong, words},
};

/// The status of a waiting page.
pub(super) struct Status;

impl Form for Status {
    fn schema(&self) -> Json {
        json(json!({ "type": "integer", "enum": WaitStatus::ALL.map(WaitStatus::code) }))
    }
    fn bounds(&self) -> String {
        words::list(WaitStatus::ALL.iter().map(|status| status.code().to_string()), "or")
    }
}

impl Readable for Status {
    type Out = WaitStatus;
    fn read(&self, value: Value<'_>) -> Read<WaitStatus> {
        let of = |code| WaitStatus::ALL.into_iter().find(|status| i128::from(status.code()) == code);
        let Some(code) = value.as_integer() else {
            let meant = value.number_meant().and_then(|code| of(code.into()));
            let example = meant.unwrap_or(WaitStatus::ServiceUnavailable).code();
            return Err(value.wrong_type("a number", format!("wait_status = {example}")));
        };
        of(code).ok_or_else(|| {
            value.wrong(Wrong::new(
                Kind::OutOfRange,
                "not a status for a waiting page",
                format!("write {}: 503 keeps search engines from taking the page for the site", self.bounds()),
            ))
        })
    }
    fn write(&self, status: &WaitStatus) -> JsonValue {
        status.code().into()
    }
}
