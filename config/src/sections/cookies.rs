//! `[cookies]`: how browsers treat ours.

use crate::{
    declare::{Section, Table},
    diagnostics::Read,
    settings::SameSite,
};

pub(crate) const SECTION: Section =
    Section { path: "tenants/*.toml:cookies", shown: "[cookies]", example: "[cookies]" };

pub(crate) fn read(table: &Table<'_>) -> Read<SameSite> {
    table.or("same_site", SameSite::default(), |value| value.choice(&SameSite::ALL))
}
