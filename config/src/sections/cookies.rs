//! `[cookies]`: how browsers treat ours.

use crate::{
    declare::{Choice, Default, Key, Section, Table},
    diagnostics::Read,
};

/// `[cookies]` of a tenant: how browsers treat ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// Ours come along from everywhere, over HTTPS: who is sent back from a payment or sign-on page is still inside.
    #[default]
    None,
    /// Ours stay at home when another site posts a form.
    Lax,
}

impl SameSite {
    /// Every choice with the word for it in files.
    pub const ALL: [(&'static str, Self); 2] = [("none", Self::None), ("lax", Self::Lax)];
}

pub(crate) static SECTION: Section = Section {
    name: "[cookies]",
    doc: "How browsers treat the cookies that keep a visitor's place",
    may_hold_secrets: false,
    keys: &[&SAME_SITE],
};

static SAME_SITE: Key<Choice<SameSite, 2>, Default<SameSite>> = Key {
    name: "same_site",
    doc: "Whether they come along, over HTTPS, when another site sends the visitor here by a form",
    kind: Choice {
        words: &SameSite::ALL,
        meanings: [
            "they do, so that who is sent back from a payment or sign-on page is still inside",
            "they stay at home when another site posts a form",
        ],
    },
    absent: Default(SameSite::default),
};

pub(crate) fn read(table: &Table<'_>) -> Read<SameSite> {
    table.read(&SAME_SITE)
}
