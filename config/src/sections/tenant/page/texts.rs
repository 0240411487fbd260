//! The texts of the pages, by name, and what a tenant may put in their place.

use std::collections::BTreeMap;

use serde_json::{Value as JsonValue, json};
use toml::de::DeTable;

use crate::{
    declare::{Form, Json, Value, json},
    diagnostics::{Diagnostics, Kind, Read, Wrong, words},
    forms::language::{self, Language},
};

/// A text of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextId {
    /// Its name in the catalogues: words between dots.
    pub name: &'static str,
    /// What the pages put into it, in braces: all of it must be there.
    pub places: &'static [&'static str],
    /// There is one for each plural form, by the names of CLDR.
    pub counted: bool,
}

/// Every text of the pages.
pub const TEXTS: [TextId; 98] = [
    text("states.joining.heading", &[]),
    text("states.joining.text", &[]),
    text("states.waiting.heading", &[]),
    text("states.waiting.text", &[]),
    text("states.called.heading", &[]),
    text("states.called.text", &[]),
    text("states.admitted.heading", &[]),
    text("states.admitted.text", &[]),
    text("states.held.heading", &[]),
    text("states.held.text", &[]),
    text("states.closed.heading", &[]),
    text("states.closed.text", &[]),
    text("states.full.heading", &[]),
    text("states.full.text", &[]),
    text("states.missed.heading", &[]),
    text("states.missed.text", &[]),
    text("states.not_open.heading", &[]),
    text("states.not_open.text", &[]),
    text("states.sold_out.heading", &[]),
    text("states.sold_out.text", &[]),
    text("states.cookies.heading", &[]),
    text("states.cookies.text", &[]),
    text("states.moved.heading", &[]),
    text("states.moved.text", &[]),
    text("reasons.paused", &[]),
    text("reasons.seats_taken", &[]),
    text("reasons.store_away", &[]),
    text("reasons.recovering", &[]),
    text("reasons.rate_used", &[]),
    text("reasons.closed", &[]),
    text("reasons.line_full", &[]),
    text("place.next", &[]),
    counted("place.ahead"),
    text("wait.minute", &[]),
    text("wait.minutes_up_to", &["high"]),
    text("wait.minutes", &["range"]),
    text("wait.hours_up_to", &["high"]),
    text("wait.hours", &["range"]),
    text("wait.day", &[]),
    text("wait.unknown", &[]),
    text("form.heading", &[]),
    text("form.text", &[]),
    text("form.sender", &["site"]),
    text("form.sender_unknown", &[]),
    text("form.sender_warning", &[]),
    text("form.held.kept", &[]),
    text("form.held.waiting", &[]),
    text("form.held.called", &[]),
    text("form.held.button", &[]),
    text("form.before.kept", &[]),
    text("form.before.waiting", &[]),
    text("form.before.called", &[]),
    text("form.before.button", &[]),
    text("form.no_script", &[]),
    text("form.line", &[]),
    text("page.wait_label", &[]),
    text("page.progress_label", &[]),
    text("page.message_label", &[]),
    text("page.number_label", &[]),
    text("page.code_label", &[]),
    text("page.behind_label", &[]),
    text("page.updated_label", &[]),
    text("page.opens_label", &[]),
    text("page.time_left_label", &[]),
    text("page.language_label", &[]),
    text("page.enter", &[]),
    text("page.entering", &["seconds"]),
    text("page.wait", &[]),
    text("page.ready", &[]),
    text("page.alert", &[]),
    text("page.alert_on", &[]),
    text("page.offline", &[]),
    text("page.no_script", &["seconds"]),
    text("page.keep", &[]),
    text("page.leave", &[]),
    text("page.leave_warning", &[]),
    text("page.leave_confirm", &[]),
    text("move.offer", &[]),
    text("move.text", &["minutes"]),
    text("move.button", &[]),
    text("move.failed", &[]),
    text("move.cookies", &[]),
    text("move.take.heading", &[]),
    text("move.take.text", &["number"]),
    text("move.take.button", &[]),
    text("move.void.heading", &[]),
    text("move.void.text", &[]),
    text("notices.left.heading", &[]),
    text("notices.left.text", &[]),
    text("notices.rejoin", &[]),
    text("notices.unknown_site.heading", &[]),
    text("notices.unknown_site.text", &[]),
    text("notices.unavailable.heading", &[]),
    text("notices.unavailable.text", &[]),
    text("notices.bad_request.heading", &[]),
    text("notices.bad_request.text", &["reason"]),
    text("board.calling", &[]),
    text("board.waiting", &[]),
];

/// The plural forms of CLDR.
const PLURALS: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];
const TEXT_CHARS_MAX: usize = 400;

const fn text(name: &'static str, places: &'static [&'static str]) -> TextId {
    TextId { name, places, counted: false }
}

const fn counted(name: &'static str) -> TextId {
    TextId { name, places: &[], counted: true }
}

/// Texts by language, and in each by name.
pub(super) struct TextsByLanguage;

impl Form for TextsByLanguage {
    fn schema(&self) -> Json {
        let mut texts = json!({ "type": "object", "additionalProperties": false, "properties": {} });
        for id in &TEXTS {
            let text = json!({ "type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX });
            let text = match id.counted {
                true => {
                    let forms: serde_json::Map<_, _> =
                        PLURALS.map(|form| (form.to_owned(), text.clone())).into_iter().collect();
                    json!({ "type": "object", "additionalProperties": false, "properties": forms })
                }
                false => text,
            };
            put(&mut texts, id.name, text);
        }
        json(json!({
            "type": "object",
            "propertyNames": { "pattern": language::PATTERN },
            "additionalProperties": texts,
        }))
    }
    fn bounds(&self) -> String {
        format!("each 1 to {TEXT_CHARS_MAX} characters without `<` and `>`, with the same places in braces as ours")
    }
}

/// Puts the schema of a text at its place among those of all.
fn put(texts: &mut JsonValue, name: &str, text: JsonValue) {
    let properties = &mut texts["properties"];
    match name.split_once('.') {
        None => properties[name] = text,
        Some((group, rest)) => {
            if properties[group].is_null() {
                properties[group] = json!({ "type": "object", "additionalProperties": false, "properties": {} });
            }
            put(&mut properties[group], rest, text);
        }
    }
}

impl TextsByLanguage {
    pub(super) fn read(&self, value: Value<'_>) -> Read<BTreeMap<Language, BTreeMap<String, String>>> {
        let Some(languages) = value.as_table() else {
            return Err(value.wrong_type("a table of languages", "[page.texts.de]"));
        };
        let mut texts = BTreeMap::new();
        let mut result = Ok(());
        for (tag, node) in languages {
            let of_language = Value::new(value.diagnostics, tag.get_ref(), node);
            match (language::parse(tag.get_ref()), of_language.as_table()) {
                (Ok(language), Some(entries)) => {
                    let mut found = BTreeMap::new();
                    result = gather(value.diagnostics, entries, "", &mut found).and(result);
                    texts.insert(language, found);
                }
                (Ok(_), None) => result = Err(of_language.wrong_type("a table of texts", "[page.texts.de]")),
                (Err(wrong), _) => result = Err(value.diagnostics.report(tag.span(), wrong)),
            }
        }
        result.map(|()| texts)
    }
}

/// Gathers the texts of a table and of those in it. All are looked at, even if one is wrong.
fn gather(
    diagnostics: &Diagnostics,
    entries: &DeTable<'_>,
    within: &str,
    found: &mut BTreeMap<String, String>,
) -> Read<()> {
    let mut result = Ok(());
    for (key, node) in entries {
        let name = format!("{within}{}", key.get_ref());
        let value = Value::new(diagnostics, key.get_ref(), node);
        let is_group = TEXTS.iter().any(|id| {
            id.name.strip_prefix(&*name).is_some_and(|rest| rest.starts_with('.') || (rest.is_empty() && id.counted))
        });
        result = match (value.as_table(), known(&name)) {
            (Some(inner), None) if is_group => gather(diagnostics, inner, &format!("{name}."), found),
            (_, Some(id)) => value.text(|written| checked(written, id)).map(|text| _ = found.insert(name, text)),
            _ => Err(diagnostics.report(key.span(), unknown(&name))),
        }
        .and(result);
    }
    result
}

fn known(name: &str) -> Option<&'static TextId> {
    TEXTS.iter().find(|id| match (id.counted, name.strip_prefix(id.name)) {
        (true, Some(form)) => form.strip_prefix('.').is_some_and(|form| PLURALS.contains(&form)),
        (false, Some(rest)) => rest.is_empty(),
        (_, None) => false,
    })
}

fn unknown(name: &str) -> Wrong {
    let help = match words::closest(name, TEXTS.iter().map(|id| id.name)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "the manual of the waiting room says where the texts and their names are".to_owned(),
    };
    Wrong::new(Kind::UnknownKey, "the pages have no such text", help)
}

fn checked(written: &str, id: &TextId) -> Result<String, Wrong> {
    let chars = written.chars().count();
    if written.trim().is_empty() {
        return Err(Wrong::malformed("the text is empty", "leave the key out to keep ours"));
    }
    if chars > TEXT_CHARS_MAX {
        let help = format!("write at most {TEXT_CHARS_MAX}");
        return Err(Wrong::new(Kind::OutOfRange, format!("the text has {chars} characters"), help));
    }
    if written.chars().any(|c| c.is_control() || matches!(c, '<' | '>')) {
        return Err(Wrong::malformed(
            "a text is plain: no mark-up, no line breaks",
            "leave out `<`, `>` and control characters",
        ));
    }
    let mut places: Vec<_> = places(written).collect();
    places.sort_unstable();
    places.dedup();
    let mut wanted = id.places.to_vec();
    wanted.sort_unstable();
    if places != wanted {
        let message = match wanted.is_empty() {
            true => "this text has nothing in braces".to_owned(),
            false => format!(
                "this text must have {} in it",
                words::list(wanted.iter().map(|at| format!("`{{{at}}}`")), "and")
            ),
        };
        return Err(Wrong::malformed(message, "the pages put a value there"));
    }
    Ok(written.to_owned())
}

/// What stands in braces.
fn places(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').map_or(rest, |(place, _)| place))
}
