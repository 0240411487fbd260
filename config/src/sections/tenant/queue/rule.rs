//! `[[queue.rule]]`: requests that a queue treats otherwise than the rest.

mod conditions;
mod dangers;
mod pattern;
mod preset;
#[cfg(test)]
mod tests;

pub use conditions::{Conditions, When};
pub use pattern::Pattern;

use self::{
    conditions::WHEN,
    preset::{PRESETS, Preset},
};
use super::{Lane, NAME_TEXT};
use crate::{
    declare::{Choice, Key, Looks, Nested, Optional, Required, Section, Table, Text},
    diagnostics::{Kind, Read, Wrong, words},
    forms::name::Name,
    outside::Outside,
    sections::tenant::claims::Claims,
};

/// `[[queue.rule]]`: requests that a queue treats otherwise than the rest. The first rule that matches decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What metrics and `sluice explain` call it; unique in the queue.
    pub name: String,
    /// What a request has to be.
    pub when: When,
    /// What becomes of one that is.
    pub action: RuleAction,
}

/// What becomes of a request that a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RuleAction {
    /// It is forwarded, whatever stands in line.
    Pass,
    /// It meets the queue, whatever later rules say.
    Queue,
    /// It meets the queue, and a number that its visitor takes is one of this lane.
    Lane(Name),
    /// It is refused with 403.
    Refuse,
}

impl RuleAction {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Queue => "queue",
            Self::Lane(_) => "lane",
            Self::Refuse => "refuse",
        }
    }
}

/// An action as it is written; which lane stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Pass,
    Queue,
    Lane,
    Refuse,
}

static ACTIONS: [(&str, Written); 4] =
    [("pass", Written::Pass), ("queue", Written::Queue), ("lane", Written::Lane), ("refuse", Written::Refuse)];

const MEANINGS: [&str; 4] = [
    "it is forwarded, whatever stands in line",
    "it meets the queue, whatever later rules say",
    "it meets the queue, and its visitor takes a number of the `lane`",
    "it is refused with 403",
];

pub(crate) static SECTION: Section = Section {
    name: "[[queue.rule]]",
    doc: "Requests that a queue treats otherwise than the rest. The first rule that matches decides; without one the queue \
          does",
    may_hold_secrets: false,
    keys: &[&NAME, &PRESET, &WHEN_KEY, &ACTION, &LANE],
};

const NAME_CHARS_MAX: usize = 64;

static NAME: Key<Text<String>> = Key {
    name: "name",
    doc: "What metrics and `sluice explain` call the rule; unique in the queue",
    kind: Text { parse: name, looks: Looks::Chars(1..=NAME_CHARS_MAX) },
    absent: Required("write `name = \"payment call-backs\"`"),
};

static PRESET: Key<Choice<Preset, 3>, Optional> = Key {
    name: "preset",
    doc: "What the rule is for: fills in `methods` and `action`, and demands what makes such a rule safe",
    kind: Choice { words: &PRESETS, meanings: Preset::MEANINGS },
    absent: Optional("none"),
};

static WHEN_KEY: Key<Nested> = Key {
    name: "when",
    doc: WHEN.doc,
    kind: Nested { section: &WHEN, example: "when = { path = \"/hooks/*\" }" },
    absent: Required("write what a request has to be: `when = { path = \"/hooks/*\", methods = [\"POST\"] }`"),
};

static ACTION: Key<Choice<Written, 4>, Optional> = Key {
    name: "action",
    doc: "What becomes of a request that matches",
    kind: Choice { words: &ACTIONS, meanings: MEANINGS },
    absent: Optional("`\"pass\"` with a preset, else required"),
};

static LANE: Key<Text<Name>, Optional> = Key {
    name: "lane",
    doc: "With `action = \"lane\"`: the name of a `[[queue.lane]]`. A visitor who has a number keeps it",
    kind: NAME_TEXT,
    absent: Optional("none"),
};

/// Reads a rule. `taken` are the names of those before it, `lanes` those of its queue, as far as they could be read.
pub(super) fn read(
    table: &Table<'_>,
    outside: &Outside<'_>,
    taken: &mut Claims<String>,
    lanes: Option<&[Lane]>,
) -> Read<Rule> {
    let name = table.checked(&NAME, |value, name| taken.claim_for(name.clone(), value, "rule name"));
    let preset = table.read(&PRESET);
    let action = table.read(&ACTION);
    let when = table.read_with(&WHEN_KEY, |value| {
        WHEN_KEY.kind.read(value, |table| conditions::read(table, outside)).map(|when| (when, value))
    });
    let lane = table.checked(&LANE, |value, name| match lanes {
        Some(lanes) if !lanes.iter().any(|lane| lane.name == *name) => Err(value.wrong(unknown_lane(name, lanes))),
        _ => Ok(()),
    });
    let (preset, action) = (preset?, action?);
    let (mut when, place) = when?;
    let written = match (action, preset) {
        (Some(action), _) => action,
        (None, Some(_)) => Written::Pass,
        (None, None) => {
            return Err(
                table.missing("`action` is missing", "write `action = \"pass\"`, \"queue\", \"lane\" or \"refuse\"")
            );
        }
    };
    let action = match (written, lane?) {
        (Written::Lane, Some(lane)) => RuleAction::Lane(lane),
        (Written::Lane, None) => {
            return Err(table.missing("`lane` is missing", "say which [[queue.lane]]: `lane = \"members\"`"));
        }
        (_, Some(_)) => {
            let wrong = "`lane` says nothing without `action = \"lane\"`";
            return Err(table.wrong(Wrong::new(Kind::Conflict, wrong, "remove `lane`, or write `action = \"lane\"`")));
        }
        (Written::Pass, None) => RuleAction::Pass,
        (Written::Queue, None) => RuleAction::Queue,
        (Written::Refuse, None) => RuleAction::Refuse,
    };
    if let Some(preset) = preset {
        preset.complete(&mut when).map_err(|wrong| place.wrong(wrong))?;
    }
    if action == RuleAction::Pass {
        dangers::check(&when).map_err(|wrong| place.wrong(wrong))?;
    }
    Ok(Rule { name: name?, when, action })
}

impl Rule {
    /// What such a rule may let through that its author hardly means, as a sentence for a person.
    pub(crate) fn remark(&self) -> Option<String> {
        (self.action == RuleAction::Pass).then(|| dangers::remark(&self.when)).flatten()
    }
}

fn unknown_lane(name: &Name, lanes: &[Lane]) -> Wrong {
    let help = if lanes.is_empty() {
        "the queue has no lanes: add a table [[queue.lane]] for each".to_owned()
    } else {
        format!("write {}", words::list(lanes.iter().map(|lane| format!("\"{}\"", lane.name)), "or"))
    };
    Wrong::new(Kind::Conflict, format!("the queue has no lane \"{name}\""), help)
}

fn name(written: &str) -> Result<String, Wrong> {
    let chars = written.chars().count();
    if written.trim() != written || written.is_empty() || written.chars().any(char::is_control) {
        return Err(Wrong::malformed("not a name of a rule", "write a few words without spaces around them"));
    }
    if chars > NAME_CHARS_MAX {
        return Err(Wrong::malformed(
            format!("the name has {chars} characters"),
            format!("write at most {NAME_CHARS_MAX}"),
        ));
    }
    Ok(written.to_owned())
}
