//! What JSON Schema says of a table and its keys.

use serde_json::{Map, json};

use super::key::{self, Absent, AnyKey, Json, Section};

impl Section {
    /// The JSON Schema of the table.
    pub(crate) fn schema(&self) -> Json {
        let mut schema = self.schema_of(self.keys);
        if !self.doc.is_empty() {
            schema.insert("description".into(), sentence(self.doc).into());
        }
        schema
    }

    /// The JSON Schema of a table with these keys.
    pub(crate) fn schema_of(&self, keys: &[&dyn AnyKey]) -> Json {
        let properties: Map<_, _> = keys.iter().map(|key| (key.name().to_owned(), described(*key).into())).collect();
        let required: Vec<_> =
            keys.iter().filter(|key| matches!(key.absent(), Absent::Required)).map(|key| key.name()).collect();
        let mut schema =
            key::json(json!({ "type": "object", "additionalProperties": false, "properties": properties }));
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        schema
    }
}

/// The JSON Schema of a key: its values, what it means, and its default.
pub(crate) fn described(key: &dyn AnyKey) -> Json {
    let mut schema = key.form().schema();
    let mut sentences = Vec::new();
    if !key.doc().is_empty() {
        sentences.push(sentence(key.doc()));
    }
    match key.absent() {
        Absent::Required => {}
        // A table that may be left out says so itself.
        Absent::Optional("") => {}
        Absent::Optional(meaning) => sentences.push(format!("Left out: {meaning}.")),
        Absent::Default(value) => {
            schema.insert("default".into(), value);
        }
    }
    sentences.extend(key.form().remark());
    if !sentences.is_empty() {
        schema.insert("description".into(), sentences.join(" ").into());
    }
    schema
}

fn sentence(text: &str) -> String {
    format!("{text}.")
}
