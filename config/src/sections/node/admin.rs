//! `[admin]`: the operators' API and dashboard.

pub(crate) mod issuer;
pub(crate) mod key;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use crate::{
    declare::{Default, Key, List, Looks, Nested, Optional, Section, Switch, Table, Text, Value},
    diagnostics::Read,
    forms::{
        address,
        host::{self, HostPattern},
    },
    outside::Outside,
    sections::tenant::claims::Claims,
};

pub use issuer::{Issuer, IssuerLogin, IssuerRole};
pub use key::{AdminKey, Role};

/// `[admin]`: the operators' API and dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where they are served.
    pub listen: SocketAddr,
    /// Host names under which they are reached, beside `localhost` and the address itself.
    pub hosts: Vec<HostPattern>,
    /// Keys of programs.
    pub keys: Vec<Arc<AdminKey>>,
    /// A company's own login.
    pub issuer: Option<Arc<Issuer>>,
}

pub(crate) static SECTION: Section = Section {
    name: "[admin]",
    doc: "The operators' API and dashboard; without this table there is none",
    may_hold_secrets: false,
    keys: &[&LISTEN, &PUBLIC, &HOSTS, &KEY, &ISSUER],
};

const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

static LISTEN: Key<Text<SocketAddr>, Default<SocketAddr>> = Key {
    name: "listen",
    doc: "Address (IP:port) of the API and dashboard, in plain HTTP. One that other machines can reach needs `public`",
    kind: Text { parse: address::listen, looks: Looks::Any("loopback, unless `public`") },
    absent: Default(|| LISTEN_DEFAULT),
};

static PUBLIC: Key<Switch, Default<bool>> = Key {
    name: "public",
    doc: "Allows a `listen` address that other machines can reach: only behind a proxy that speaks TLS",
    kind: Switch,
    absent: Default(|| false),
};

static HOSTS: Key<List<Text<HostPattern>>, Default<Vec<HostPattern>>> = Key {
    name: "hosts",
    doc: "Host names under which it is reached, beside `localhost` and the address itself; requests for others are refused",
    kind: List { entries: 0..=100, each: Text { parse: host::pattern, looks: Looks::Pattern(host::PATTERN, "") } },
    absent: Default(Vec::new),
};

static KEY: Key<List<Nested>, Optional> = Key {
    name: "key",
    doc: "Keys of programs, made by `sluice admin key`",
    kind: List { entries: 1..=1_000, each: Nested { section: &key::SECTION, example: "[[admin.key]]" } },
    absent: Optional("none"),
};

static ISSUER: Key<Nested, Optional> = Key::table("issuer", &issuer::SECTION);

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Admin> {
    let public = table.read(&PUBLIC);
    let listen = table.checked(&LISTEN, |value, listen| match listen {
        listen if public.is_ok_and(|public| !public) && !listen.ip().to_canonical().is_loopback() => Err(value.conflict(
            "the API would be reachable from other machines, in plain HTTP",
            format!(
                "write `listen = \"127.0.0.1:{}\"`, or add `public = true` if a proxy in front speaks TLS and a firewall \
                 guards the port",
                listen.port()
            ),
        )),
        _ => Ok(()),
    });
    let hosts = table.read(&HOSTS);
    let keys = table.read_with(&KEY, keys);
    let names = hosts.as_deref().ok();
    let issuer = table.read_with(&ISSUER, |value| ISSUER.kind.read(value, |table| issuer::read(table, names, outside)));
    Ok(Admin { listen: listen?, hosts: hosts?, keys: keys?.unwrap_or_default(), issuer: issuer?.map(Arc::new) })
}

fn keys(value: Value<'_>) -> Read<Vec<Arc<AdminKey>>> {
    if !value.is_list() {
        return Err(value.wrong_type("a list of tables", "[[admin.key]]"));
    }
    let mut ids = Claims::default();
    KEY.kind.read_each(value, |entry| KEY.kind.each.read(entry, |table| key::read(table, &mut ids).map(Arc::new)))
}
