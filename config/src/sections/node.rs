//! `sluice.toml`: what one node needs.

pub(crate) mod access_log;
pub(crate) mod acme;
pub(crate) mod admin;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod server;
pub(crate) mod store;

use std::net::SocketAddr;

use toml::de::DeTable;

use self::{
    access_log::AccessLog, acme::Acme, admin::Admin, keys::Keys, limits::node::NodeLimits, server::Server, store::Store,
};
use crate::{
    declare::{Key, Nested, Optional, Section, Table},
    diagnostics::{Diagnostics, Kind, Mistake, Read, Wrong},
    outside::Outside,
    sections::tls::node::{self as tls, NodeTls},
};

pub(crate) static SECTION: Section = Section {
    name: "the top of sluice.toml",
    doc: "Settings of one Sluice node",
    may_hold_secrets: false,
    keys: &[&SERVER, &TLS, &ACME, &STORE, &KEYS, &ADMIN, &LIMITS, &ACCESS_LOG],
};

static SERVER: Key<Nested, Optional> = Key::table("server", &server::SECTION);
static TLS: Key<Nested, Optional> = Key::table("tls", &tls::SECTION);
static ACME: Key<Nested, Optional> = Key::table("acme", &acme::SECTION);
static STORE: Key<Nested, Optional> = Key::table("store", &store::SECTION);
static KEYS: Key<Nested, Optional> = Key::table("keys", &keys::SECTION);
static ADMIN: Key<Nested, Optional> = Key::table("admin", &admin::SECTION);
static LIMITS: Key<Nested, Optional> = Key::table("limits", &limits::node::SECTION);
static ACCESS_LOG: Key<Nested, Optional> = Key::table("access_log", &access_log::SECTION);

/// What `sluice.toml` says.
pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) tls: NodeTls,
    pub(crate) acme: Option<Acme>,
    pub(crate) store: Store,
    pub(crate) keys: Option<Keys>,
    pub(crate) admin: Option<Admin>,
    pub(crate) limits: NodeLimits,
    pub(crate) access_log: Option<AccessLog>,
}

pub(crate) fn read(diagnostics: &Diagnostics, entries: &DeTable<'_>, outside: &Outside<'_>) -> Read<Node> {
    Table::new(diagnostics, &SECTION, 0..0, entries).read_by(|top| {
        let server = top.nested(&SERVER, |table| server::read(table, outside));
        let (server, state_dir) = match server {
            Ok((server, state_dir)) => (Ok(server), Ok(state_dir)),
            Err(reported) => (Err(reported), Err(reported)),
        };
        let store = match top.value(&STORE) {
            Some(value) => STORE.kind.read(value, |table| store::read(table, outside, state_dir)),
            None => state_dir.map(|state_dir| Store::Embedded { state_dir }),
        };
        let keys = top.read_with(&KEYS, |value| KEYS.kind.read(value, |table| keys::read(table, outside)));
        let tls = top.nested(&TLS, |table| tls::read(table, outside));
        let acme = top.read_with(&ACME, |value| ACME.kind.read(value, |table| acme::read(table, outside)));
        let admin = top.read_with(&ADMIN, |value| ADMIN.kind.read(value, |table| admin::read(table, outside)));
        let limits = top.nested(&LIMITS, limits::node::read);
        let access_log =
            top.read_with(&ACCESS_LOG, |value| ACCESS_LOG.kind.read(value, |table| access_log::read(table, outside)));
        Ok(Node {
            server: server?,
            tls: tls?,
            acme: acme?,
            store: store?,
            keys: keys?,
            admin: admin?,
            limits: limits?,
            access_log: access_log?,
        })
    })
}

/// Reads the address of health and metrics alone.
pub(crate) fn read_admin(diagnostics: &Diagnostics, entries: &DeTable<'_>) -> Read<Option<SocketAddr>> {
    let top = Table::new(diagnostics, &SECTION, 0..0, entries);
    server::read_admin(diagnostics, top.value(&SERVER))
}

/// What is wrong if no tenant brings a certificate; `None` if none is needed.
pub(crate) fn without_certificate(diagnostics: &Diagnostics, entries: &DeTable<'_>) -> Option<Mistake> {
    let entry = |section: &str, key: &str| entries.get(section)?.get_ref().as_table()?.get(key);
    let https = entry("server", "https")?;
    let is_spoken = https.get_ref().as_array().is_some_and(|addresses| !addresses.is_empty());
    if !is_spoken || entry("tls", "default_certificate").is_some() {
        return None;
    }
    let help =
        "give a tenant its `[tls]` with `certificates` or `acme`, or write a `default_certificate` into `[tls]` here";
    diagnostics.suspect(https.span(), Wrong::new(Kind::Missing, "no tenant has a certificate to present here", help))
}

/// Whether the lines live in a shared store, however many mistakes its section has.
pub(crate) fn is_store_shared(entries: &DeTable<'_>) -> bool {
    entries.contains_key(STORE.name)
}

/// Whether there is an authority that certificates can be asked of, however many mistakes its section has.
pub(crate) fn has_acme(entries: &DeTable<'_>) -> bool {
    entries.contains_key(ACME.name)
}
