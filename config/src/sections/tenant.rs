//! A tenant's file.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use toml::de::DeTable;

use crate::{
    declare::{Section, Table, Value},
    diagnostics::{Diagnostics, Kind, Read, Wrong},
    forms::host,
    limits,
    outside::Outside,
    sections::{Claims, cookies, cors, origin, queue, tls::tenant as tls},
    settings::{HostPattern, Name, Queue, Tenant},
};

pub(crate) const SECTION: Section =
    Section { path: "tenants/*.toml", shown: "the top of a tenant's file", example: "" };

/// What a tenant's or queue's name looks like, for editors.
pub(crate) const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,31}$";

/// The one preset of headers that there is.
pub(crate) const HEADERS_STRICT: &str = "strict";

const HOSTS_HELP: &str = "write `hosts = [\"shop.example.com\"]`";
const QUEUE_HELP: &str = "write `[[queue]]` and below it `name = \"main\"` and `release_per_minute = 600`";

/// What all tenants share: nobody may have another's name or host.
#[derive(Default)]
pub(crate) struct Shared {
    names: Claims<Name>,
    hosts: Claims<HostPattern>,
}

/// Reads a tenant's file. `is_store_shared` tells whether its queues need to say what happens without the store.
pub(crate) fn read(
    diagnostics: &Diagnostics,
    entries: &DeTable<'_>,
    outside: &Outside<'_>,
    is_store_shared: bool,
    shared: &mut Shared,
) -> Read<Tenant> {
    let Shared { names, hosts: taken } = shared;
    Table::new(diagnostics, SECTION, 0..0, entries).read(|table| {
        let name = table.required("name", name_help(diagnostics), |value| {
            let name = value.text(name)?;
            names.claim_for(name.clone(), value, "tenant name")?;
            Ok(name)
        });
        let hosts = table.required("hosts", HOSTS_HELP, |value| {
            value.list(limits::HOSTS, |entry| {
                let host = entry.text(host::pattern)?;
                taken.claim_for(host.clone(), entry, "host")?;
                Ok(host)
            })
        });
        let origin = table.required("origin", origin::HELP, |value| {
            value.table(origin::SECTION, |table| origin::read(table, outside))
        });
        let cors = table.optional("cors", |value| value.table(cors::SECTION, cors::read));
        let tls = table.optional("tls", |value| value.table(tls::SECTION, |table| tls::read(table, outside, &hosts)));
        let same_site = table.section("cookies", cookies::SECTION, cookies::read);
        let strict_headers = table.or("headers", false, |value| value.choice(&[(HEADERS_STRICT, true)]));
        let queues = table.required("queue", QUEUE_HELP, |value| queues(value, is_store_shared));
        Ok(Tenant {
            name: name?,
            hosts: hosts?,
            origin: origin?,
            cors: cors?,
            tls: tls?,
            same_site: same_site?,
            strict_headers: strict_headers?,
            queues: queues?,
        })
    })
}

/// Whether the tenant brings no certificate, as far as its file can be read.
pub(crate) fn is_without_tls(diagnostics: &Diagnostics, entries: &DeTable<'_>) -> bool {
    !entries.contains_key("tls") && !diagnostics.is_broken()
}

fn queues(value: Value<'_>, is_store_shared: bool) -> Read<Vec<Arc<Queue>>> {
    if !value.is_list() {
        return Err(value.wrong_type("a list of tables", "[[queue]]"));
    }
    let mut siblings = queue::Siblings::default();
    value.list(limits::QUEUES, |entry| {
        entry.table(queue::SECTION, |table| queue::read(table, is_store_shared, &mut siblings).map(Arc::new))
    })
}

/// A tenant's or queue's name.
pub(super) fn name(written: &str) -> Result<Name, Wrong> {
    Name::new(written).ok_or_else(|| {
        let message = "not a name: it goes into cookies, metrics and store keys as it is";
        let help = "write 1 to 32 of a-z 0-9 - _, beginning with a letter or digit";
        Wrong::new(Kind::Malformed, message, help)
    })
}

/// Suggests the file's own name.
fn name_help(diagnostics: &Diagnostics) -> String {
    let stem = diagnostics.source.path.file_stem().map(|stem| stem.to_string_lossy());
    let name = stem.as_deref().and_then(Name::new);
    format!("write `name = \"{}\"`", name.as_ref().map_or("shop", Name::as_str))
}
