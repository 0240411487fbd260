//! What an operator has set in place of the queue's settings, while the line runs.
//!
//! It is part of the line's own state and goes into each step, so that a rate or a mode holds for all nodes from the
//! same step on, whichever of them makes it. It ends by the line's clock, without a timer. A change says which revision
//! it was made from; of changes that race, one is accepted and the others learn of it. Nodes remember the whole, and tell
//! a line that has lost it: the highest revision counts.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use sluice_config::Mode;

use crate::line::{Known, Rules};

/// Longest message to those who wait, and longest reason, in bytes.
pub const TEXT_BYTES_MAX: usize = 500;
/// Longest name of who makes a change, in bytes.
pub const ACTOR_BYTES_MAX: usize = 200;
/// Ids of changes are below this, where a double is exact.
pub const CHANGE_ID_MAX: u64 = 1 << 53;
/// How many of the last changes are known again when they are sent once more.
pub(in crate::line) const CHANGES_KEPT: usize = 64;

/// What takes the place of a queue's settings; whatever is `None` is as in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// See [`Rules::release_per_minute`].
    pub release_per_minute: Option<NonZeroU32>,
    /// See [`Rules::burst`]. In force it is at most the rate.
    pub burst: Option<NonZeroU32>,
    /// See [`Rules::max_active`].
    pub max_active: Option<NonZeroU32>,
    /// See [`Rules::max_waiting`].
    pub max_waiting: Option<NonZeroU32>,
    /// See [`Rules::mode`].
    pub mode: Option<Mode>,
    /// A message to those who wait, plain text, at most [`TEXT_BYTES_MAX`].
    pub message: Option<String>,
    /// When all this ends, on the line's clock; `None`: with the next change.
    pub until_ms: Option<u64>,
}

impl Override {
    /// Whether this has not ended at this time of the line's clock.
    pub fn is_in_force(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }

    /// The rules of a line whose queue has these in its file, at this time of its clock.
    pub fn apply(&self, file: &Rules, now_ms: u64) -> Rules {
        if !self.is_in_force(now_ms) {
            return file.clone();
        }
        let set = |number: Option<NonZeroU32>| number.map(NonZeroU32::get);
        let release_per_minute = set(self.release_per_minute).unwrap_or(file.release_per_minute);
        Rules {
            release_per_minute,
            burst: set(self.burst).unwrap_or(file.burst).min(release_per_minute),
            max_active: set(self.max_active).or(file.max_active),
            max_waiting: set(self.max_waiting).unwrap_or(file.max_waiting),
            mode: self.mode.unwrap_or(file.mode),
            ..file.clone()
        }
    }
}

/// Which change it is that is in force. The higher one counts: first by number, then, if a line that was lost and nodes
/// have made two changes of the same number, by id, so that all agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision {
    /// How many changes there have been; 0: none yet.
    pub number: u64,
    /// The change's [id](Change::id).
    pub id: u64,
}

/// What an operator has set, and who it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Rises with each change.
    pub revision: Revision,
    /// What is set; nothing after an override was cleared.
    pub set: Override,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who made the change.
    pub actor: String,
    /// When, on the line's clock.
    pub since_ms: u64,
}

/// A change that an operator wants made: all that is set from then on. With nothing set it clears the override.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Random, below [`CHANGE_ID_MAX`]. Sent once more, the same change gets the same answer.
    pub id: u64,
    /// The revision from which it was made. If that is no more in force, nothing is changed.
    pub from: Revision,
    /// What is to be set.
    pub set: Override,
    /// Why, at most [`TEXT_BYTES_MAX`].
    pub reason: String,
    /// Who makes it, at most [`ACTOR_BYTES_MAX`].
    pub actor: String,
}

/// Why a change cannot be asked for at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChange {
    /// A text is too long.
    #[error("the {text} has {bytes} bytes; write at most {most}")]
    TooLong {
        /// Which text.
        text: &'static str,
        /// Its length.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// The message is empty.
    #[error("the message is empty; leave it out to show that of the file")]
    EmptyMessage,
    /// A text has control characters.
    #[error("the {0} has control characters; write plain text, in which only a message may have more than one line")]
    ControlCharacters(&'static str),
    /// The id is too high.
    #[error("the id of a change is a random number below 2^53")]
    Id,
}

impl Change {
    /// Whether all its parts are within their bounds.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), BadChange> {
        let message = self.set.message.as_deref();
        if message.is_some_and(|message| message.trim().is_empty()) {
            return Err(BadChange::EmptyMessage);
        }
        let texts = [
            ("message", message.unwrap_or_default(), TEXT_BYTES_MAX),
            ("reason", &self.reason, TEXT_BYTES_MAX),
            ("actor", &self.actor, ACTOR_BYTES_MAX),
        ];
        for (text, written, most) in texts {
            if written.len() > most {
                return Err(BadChange::TooLong { text, bytes: written.len(), most });
            }
            if written.chars().any(|c| c.is_control() && !(c == '\n' && text == "message")) {
                return Err(BadChange::ControlCharacters(text));
            }
        }
        if self.id < CHANGE_ID_MAX { Ok(()) } else { Err(BadChange::Id) }
    }
}

/// What became of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Changed {
    /// It is made, in this step or, if it is sent once more, in an earlier one.
    Accepted(Revision),
    /// Another one came first: this revision is in force.
    Conflict(Revision),
}

/// What an operator has set, as part of the line's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Controlled {
    control: Control,
    /// The last changes, the oldest first, so that one whose answer was lost is known again.
    made: Vec<Revision>,
}

impl Controlled {
    pub(in crate::line) fn revision(&self) -> Revision {
        self.control.revision
    }

    pub(in crate::line) fn rules(&self, file: &Rules, now_ms: u64) -> Rules {
        self.control.set.apply(file, now_ms)
    }

    /// A node remembers more than the line, which was lost.
    pub(in crate::line) fn learn(&mut self, known: &Known) {
        if let Some(control) = known.control.as_deref().filter(|known| known.revision > self.control.revision) {
            self.take(control.clone());
        }
    }

    pub(in crate::line) fn change(&mut self, change: &Change, now_ms: u64) -> Changed {
        if let Some(made) = self.made.iter().rev().find(|made| made.id == change.id) {
            return Changed::Accepted(*made);
        }
        if change.from != self.control.revision {
            return Changed::Conflict(self.control.revision);
        }
        let revision = Revision { number: change.from.number + 1, id: change.id };
        let Change { set, reason, actor, .. } = change.clone();
        self.take(Control { revision, set, reason, actor, since_ms: now_ms });
        Changed::Accepted(revision)
    }

    /// What is news to a node that knows of this revision.
    pub(in crate::line) fn news(&self, known: Revision) -> Option<Box<Control>> {
        (self.control.revision > known).then(|| Box::new(self.control.clone()))
    }

    /// What holds after every step.
    pub(in crate::line) fn check(&self) {
        let (made, revision) = (&self.made, self.control.revision);
        assert!(made.len() <= CHANGES_KEPT && made.is_sorted(), "changes are out of order: {made:?}");
        assert_eq!(made.last().copied().unwrap_or_default(), revision, "the last change is not in force");
        assert!(revision.number > 0 || self.control == Control::default(), "something is set, and no change was made");
    }

    fn take(&mut self, control: Control) {
        if self.made.len() == CHANGES_KEPT {
            self.made.remove(0);
        }
        self.made.push(control.revision);
        self.control = control;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn change(id: u64, from: Revision) -> Change {
        Change { id, from, ..Change::default() }
    }

    #[test]
    fn of_changes_that_race_one_is_made_and_all_others_learn_which() {
        let mut line = Controlled::default();
        let first = Revision { number: 1, id: 7 };
        assert_eq!(line.change(&change(7, Revision::default()), 5), Changed::Accepted(first));
        assert_eq!(line.change(&change(8, Revision::default()), 6), Changed::Conflict(first));
        assert_eq!(line.change(&change(9, first), 7), Changed::Accepted(Revision { number: 2, id: 9 }));
        assert_eq!(line.change(&change(7, Revision::default()), 8), Changed::Accepted(first), "sent once more");
        assert_eq!(line.control.since_ms, 7);
    }

    #[test]
    fn the_last_changes_are_known_again_and_their_number_is_bounded() {
        let mut line = Controlled::default();
        let mut from = Revision::default();
        for id in 0..100 {
            let Changed::Accepted(revision) = line.change(&change(id, from), 1) else { panic!("{id}") };
            from = revision;
        }
        assert_eq!(
            line.change(&change(36, Revision::default()), 1),
            Changed::Accepted(Revision { number: 37, id: 36 })
        );
        assert_eq!(line.change(&change(35, Revision::default()), 1), Changed::Conflict(from));
    }

    #[test]
    fn two_changes_of_one_number_are_told_apart_in_the_same_way_everywhere() {
        let told = |id| Control { revision: Revision { number: 3, id }, since_ms: id, ..Control::default() };
        let known = |id| Known { control: Some(Box::new(told(id))), ..Known::default() };
        for ids in [[1, 2], [2, 1]] {
            let mut line = Controlled::default();
            ids.iter().for_each(|&id| line.learn(&known(id)));
            assert_eq!(line.control, told(2));
        }
    }

    #[test]
    fn texts_are_bounded_and_plain() {
        let bad = |change: Change| change.check().unwrap_err();
        let message = |text: &str| Override { message: Some(text.to_owned()), ..Override::default() };
        let too_long = |text, bytes, most| BadChange::TooLong { text, bytes, most };
        assert_eq!(bad(Change { set: message(" \n"), ..Change::default() }), BadChange::EmptyMessage);
        let long = "é".repeat(251);
        assert_eq!(bad(Change { set: message(&long), ..Change::default() }), too_long("message", 502, 500));
        assert_eq!(bad(Change { reason: long.clone(), ..Change::default() }), too_long("reason", 502, 500));
        assert_eq!(bad(Change { actor: long, ..Change::default() }), too_long("actor", 502, 200));
        assert_eq!(bad(Change { reason: "a\nb".into(), ..Change::default() }), BadChange::ControlCharacters("reason"));
        assert_eq!(bad(Change { id: 1 << 53, ..Change::default() }), BadChange::Id);
        let fine = Change { set: message("Sold out\nfor Saturday"), reason: "é".repeat(250), ..Change::default() };
        assert_eq!(fine.check(), Ok(()));
    }
}
