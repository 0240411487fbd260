//! What a key is, without reading one.

use serde_json::{Map, Value as JsonValue};

use crate::{declare::value::Value, diagnostics::Read};

/// One key of a table, declared once.
pub(crate) struct Key<K, A = Required> {
    pub(crate) name: &'static str,
    /// What it means, in Markdown, beginning with a capital and without a full stop: for editors and the manual.
    pub(crate) doc: &'static str,
    pub(crate) kind: K,
    /// What holds if it is not written.
    pub(crate) absent: A,
}

/// Without this key nothing works; the text says what to write.
pub(crate) struct Required(pub(crate) &'static str);
/// The key may be left out; the text says what that means.
pub(crate) struct Optional(pub(crate) &'static str);
/// The value of a key that is left out.
pub(crate) struct Default<T>(pub(crate) fn() -> T);

impl<K, T> Key<K, Default<T>> {
    /// The value if the key is not written.
    pub(crate) fn default(&self) -> T {
        (self.absent.0)()
    }
}

/// How values of a key look: what editors and the manual say of them.
pub(crate) trait Form: Sync {
    /// The JSON Schema of a value.
    fn schema(&self) -> Json;
    /// The bounds, as the manual gives them; empty if there are none.
    fn bounds(&self) -> String;
    /// Bounds that JSON Schema has no words for, as a sentence.
    fn remark(&self) -> Option<String> {
        None
    }
    /// The table that a value is, or that each entry of a list is.
    fn section(&self) -> Option<&'static Section> {
        None
    }
}

/// A form of values that can be read by themselves.
pub(crate) trait Readable: Form {
    type Out;
    fn read(&self, value: Value<'_>) -> Read<Self::Out>;
    /// A value as it is written.
    fn write(&self, out: &Self::Out) -> JsonValue;
}

/// An object of a JSON Schema.
pub(crate) type Json = Map<String, JsonValue>;

/// The members of a `json!({ … })`.
pub(crate) fn json(value: JsonValue) -> Json {
    match value {
        JsonValue::Object(members) => members,
        _ => Map::new(),
    }
}

/// What holds without a key, whatever its type.
pub(crate) enum Absent {
    Required,
    Optional(&'static str),
    Default(JsonValue),
}

/// What holds without a key of this kind.
pub(crate) trait Absence<K>: Sync {
    fn describe(&self, kind: &K) -> Absent;
}

impl<K> Absence<K> for Required {
    fn describe(&self, _: &K) -> Absent {
        Absent::Required
    }
}

impl<K> Absence<K> for Optional {
    fn describe(&self, _: &K) -> Absent {
        Absent::Optional(self.0)
    }
}

impl<K: Readable> Absence<K> for Default<K::Out> {
    fn describe(&self, kind: &K) -> Absent {
        Absent::Default(kind.write(&(self.0)()))
    }
}

/// A key of any type, for whatever describes it.
pub(crate) trait AnyKey: Sync {
    fn name(&self) -> &'static str;
    fn doc(&self) -> &'static str;
    fn form(&self) -> &dyn Form;
    fn absent(&self) -> Absent;
}

impl<K: Form, A: Absence<K>> AnyKey for Key<K, A> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn doc(&self) -> &'static str {
        self.doc
    }
    fn form(&self) -> &dyn Form {
        &self.kind
    }
    fn absent(&self) -> Absent {
        self.absent.describe(&self.kind)
    }
}

/// A table and the keys it may have.
pub(crate) struct Section {
    /// What people call it: `[[queue]]`, or "a certificate".
    pub(crate) name: &'static str,
    /// What it is for, as [`Key::doc`].
    pub(crate) doc: &'static str,
    /// Whether a secret may stand here, by rights or by a slip: then none of its values is shown of a file that is not
    /// TOML.
    pub(crate) may_hold_secrets: bool,
    pub(crate) keys: &'static [&'static dyn AnyKey],
}

impl Section {
    /// Whether it stands under a heading of its own, `[name]` or `[[name]]`.
    pub(crate) fn has_heading(&self) -> bool {
        self.name.starts_with('[')
    }

    pub(crate) fn key(&self, name: &str) -> Option<&'static dyn AnyKey> {
        self.keys.iter().copied().find(|key| key.name() == name)
    }

    /// Calls `each` with this table and every table in it, and the names of the tables that lead there.
    pub(crate) fn walk(&'static self, path: &[&'static str], each: &mut dyn FnMut(&[&'static str], &'static Section)) {
        each(path, self);
        for key in self.keys {
            if let Some(section) = key.form().section() {
                section.walk(&[path, &[key.name()]].concat(), each);
            }
        }
    }

    /// Whether no secret has any business in this key of this table.
    pub(crate) fn never_secret(&self, key: &dyn AnyKey) -> bool {
        !self.may_hold_secrets && key.form().section().is_none_or(|section| !section.may_hold_secrets)
    }
}
