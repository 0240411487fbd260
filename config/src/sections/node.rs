//! `sluice.toml`: what one node needs.

use toml::de::DeTable;

use crate::{
    log::{Log, Read},
    outside::Outside,
    read::{Section, Table},
    sections::{keys, server, store},
    settings::{Keys, Server, Store},
};

pub(crate) const SECTION: Section = Section { path: "sluice.toml", shown: "the top of sluice.toml", example: "" };

/// What `sluice.toml` says.
pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) store: Store,
    pub(crate) keys: Option<Keys>,
}

pub(crate) fn read(log: &Log, entries: &DeTable<'_>, outside: &Outside<'_>) -> Read<Node> {
    Table::new(log, SECTION, 0..0, entries).read(|table| {
        let server = table.section("server", server::SECTION, |table| server::read(table, outside));
        let (server, state_dir) = match server {
            Ok((server, state_dir)) => (Ok(server), Ok(state_dir)),
            Err(reported) => (Err(reported), Err(reported)),
        };
        let store = match table.value("store") {
            Some(value) => value.table(store::SECTION, |table| store::read(table, outside, state_dir)),
            None => state_dir.map(|state_dir| Store::Embedded { state_dir }),
        };
        let keys = table.optional("keys", |value| value.table(keys::SECTION, |table| keys::read(table, outside)));
        Ok(Node { server: server?, store: store?, keys: keys? })
    })
}

/// Whether the lines live in a shared store, however many mistakes its section has.
pub(crate) fn is_store_shared(entries: &DeTable<'_>) -> bool {
    entries.contains_key("store")
}
