//! JSON Schemas of the two kinds of file, for editors and other tools.
//!
//! A schema says which keys there are, what they mean, their types, defaults and bounds; what needs more than one
//! value at a time to judge is left to [`load`](crate::load). Every config that loads is valid by the schema.

mod named;
mod node;
mod tenant;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

use crate::diagnostics::KnownKeys;

/// The schema of `sluice.toml`.
pub fn server_file() -> Value {
    generate::<node::NodeFile>()
}

/// The schema of `tenants/*.toml`.
pub fn tenant_file() -> Value {
    generate::<tenant::TenantFile>()
}

/// What the schemas know of keys.
pub(crate) static KNOWN_KEYS: KnownKeys = KnownKeys { never_secret, tables_with: section_with };

/// Which tables have this key, in words; `None` if no table has.
fn section_with(key: &str) -> Option<String> {
    let having = SECTIONS.iter().filter(|section| section.has(key));
    let shown: Vec<_> = having.filter_map(|section| section.shown.clone()).collect();
    (!shown.is_empty()).then(|| crate::diagnostics::words::list(shown.into_iter(), "or"))
}

/// Whether a key is known, and only where no secret has any business.
fn never_secret(key: &str) -> bool {
    let mut having = SECTIONS.iter().filter(|section| section.has(key)).peekable();
    having.peek().is_some() && having.all(|section| !section.may_hold_secrets(key))
}

static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(sections);

/// Draft 7 without references: the form that every editor's TOML support understands in full.
fn generate<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings.transforms.push(Box::new(RecursiveTransform(forget_rust)));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// TOML has no null, and its numbers have no widths.
fn forget_rust(schema: &mut Schema) {
    schema.remove("format");
    for alternatives in ["type", "anyOf", "enum"] {
        let Some(Value::Array(items)) = schema.get_mut(alternatives) else { continue };
        items.retain(|item| item != "null" && !item.is_null() && item.get("type").is_none_or(|t| t != "null"));
        if alternatives == "type" && items.len() == 1 {
            let one = items.remove(0);
            schema.insert("type".into(), one);
        }
    }
    // `Option<Enum>` became a choice of one: put its content in its place.
    if let Some(Value::Array(items)) = schema.get_mut("anyOf")
        && items.len() == 1
        && let Value::Object(only) = items.remove(0)
    {
        schema.remove("anyOf");
        for (key, value) in only {
            schema.ensure_object().entry(key).or_insert(value);
        }
    }
}

/// A table of a file, by its schema.
#[derive(Debug)]
struct Section {
    /// As in [`crate::declare::Section`].
    path: String,
    /// What people call it; `None` for those nobody means when a key is lost.
    shown: Option<String>,
    keys: Vec<String>,
}

impl Section {
    fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known == key)
    }
    fn may_hold_secrets(&self, key: &str) -> bool {
        let top = self.path.split_once(':').and_then(|(_, path)| path.split('.').next());
        // `key` is the private key of a certificate.
        [top, Some(key)].iter().any(|name| matches!(name, Some("keys" | "store" | "key")))
    }
}

fn sections() -> Vec<Section> {
    let mut sections = Vec::new();
    for (file, schema) in [("sluice.toml", server_file()), ("tenants/*.toml", tenant_file())] {
        let shown = Some(format!("the top of {file}"));
        collect(&schema, file, "", shown, &mut sections);
    }
    sections
}

/// Adds the table that `schema` describes, and those in it.
fn collect(schema: &Value, file: &str, path: &str, shown: Option<String>, sections: &mut Vec<Section>) {
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let keys = properties.keys().cloned();
        let here = if path.is_empty() { file.to_owned() } else { format!("{file}:{path}") };
        match sections.iter_mut().find(|section| section.path == here) {
            Some(section) => section.keys.extend(keys),
            None => sections.push(Section { path: here, shown: shown.clone(), keys: keys.collect() }),
        }
        for (key, below) in properties {
            let is_list = below.get("items").is_some();
            let below_path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let shown = match (path.is_empty(), is_list) {
                (true, true) => Some(format!("[[{key}]] of {file}")),
                (true, false) => Some(format!("[{key}] of {file}")),
                _ => None,
            };
            collect(below, file, &below_path, shown, sections);
        }
    }
    if let Some(items) = schema.get("items") {
        collect(items, file, path, shown, sections);
    }
    if let Some(values @ Value::Object(_)) = schema.get("additionalProperties") {
        collect(values, file, &format!("{path}.*"), None, sections);
    }
    for alternative in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        collect(alternative, file, path, None, sections);
    }
}
