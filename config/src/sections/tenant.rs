//! A tenant's file.

pub(crate) mod claims;
pub(crate) mod cookies;
pub(crate) mod cors;
pub(crate) mod origin;
pub(crate) mod page;
pub(crate) mod queue;
pub(crate) mod route;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use toml::de::DeTable;

use self::{
    claims::Claims,
    cookies::Cookies,
    cors::Cors,
    origin::Origin,
    page::Page,
    queue::{NAME_TEXT, Queue},
    route::Route,
};
use crate::{
    declare::{Choice, Key, List, Looks, Nested, Optional, Required, Section, Table, Text, Value},
    diagnostics::{Diagnostics, Read},
    forms::{
        host::{self, HostPattern},
        name::Name,
    },
    outside::Outside,
    sections::{
        node::limits::tenant::{self as limits, Limits},
        tls::tenant::{self as tls, ByAcme, TenantTls},
        webhook::{self, Webhook},
    },
};

/// One site owner's file, `tenants/NAME.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Stable name: part of every token's key and of every store key.
    pub name: Name,
    /// Host names this tenant answers for.
    pub hosts: Vec<HostPattern>,
    /// Where admitted requests go, unless a route says otherwise.
    pub origin: Origin,
    /// Paths that other origins serve; unique within the tenant.
    pub routes: Vec<Route>,
    /// Cross-origin answers for requests that may not enter; `None`: no CORS headers.
    pub cors: Option<Cors>,
    /// Certificates and what goes with them; `None`: no HTTPS of this node's own.
    pub tls: Option<TenantTls>,
    /// How browsers treat our cookies.
    pub cookies: Cookies,
    /// Bounds of the tenant, and of each of its clients.
    pub limits: Limits,
    /// Whether answers get a preset of security headers, unless the origin sets them.
    pub strict_headers: bool,
    /// What its visitors see while they wait.
    pub page: Page,
    /// Queues; names and path prefixes are unique within the tenant.
    pub queues: Vec<Arc<Queue>>,
    /// Who is told what happens in them.
    pub webhooks: Vec<Arc<Webhook>>,
}

impl Tenant {
    /// A tenant without hosts and queues, with everything else at its default.
    pub fn new(name: Name, origin: Origin) -> Self {
        Self {
            name,
            hosts: Vec::new(),
            origin,
            routes: Vec::new(),
            cors: None,
            tls: None,
            cookies: Cookies::default(),
            limits: Limits::default(),
            strict_headers: false,
            page: Page::default(),
            queues: Vec::new(),
            webhooks: Vec::new(),
        }
    }

    /// The names whose hosts share our cookies, the shortest first.
    pub fn cookie_domains(&self) -> Vec<String> {
        self.cookies.domain.of_hosts(&self.hosts)
    }

    /// Which of [these](Self::cookie_domains) a host shares cookies under.
    pub fn shares_cookies(domains: &[impl AsRef<str>], host: &str) -> Option<usize> {
        domains.iter().position(|domain| cookies::is_at_or_below(host, domain.as_ref()))
    }
}

pub(crate) static SECTION: Section = Section {
    name: "the top of a tenant's file",
    doc: "One tenant: its hosts, its origins and its queues",
    may_hold_secrets: false,
    keys: &[&NAME, &HOSTS, &HEADERS, &ORIGIN, &CORS, &TLS, &COOKIES, &LIMITS, &PAGE, &QUEUE, &ROUTE, &WEBHOOK],
};

// What to write is suggested by the file's own name: see `name_help`.
static NAME: Key<Text<Name>, Required> = Key {
    name: "name",
    doc: "Stable name, part of every visitor's token: a new name empties the lines; unique",
    kind: NAME_TEXT,
    absent: Required("write `name = \"shop\"`"),
};

pub(super) const HOSTS_MAX: usize = 100;

static HOSTS: Key<List<Text<HostPattern>>> = Key {
    name: "hosts",
    doc: "Hosts the tenant answers for, without port: `\"shop.example.com\"`, or `\"*.example.com\"` for every name \
          below; unique over all tenants",
    kind: List {
        entries: 1..=HOSTS_MAX,
        each: Text { parse: host::pattern, looks: Looks::Pattern(host::PATTERN, "") },
    },
    absent: Required("write `hosts = [\"shop.example.com\"]`"),
};

static HEADERS: Key<Choice<(), 1>, Optional> = Key {
    name: "headers",
    doc: "Security headers for answers that come without them",
    kind: Choice {
        words: &[("strict", ())],
        meanings: ["`X-Content-Type-Options`, `Referrer-Policy` and `X-Frame-Options`"],
    },
    absent: Optional("none is added"),
};

static ORIGIN: Key<Nested> = Key {
    name: "origin",
    doc: origin::SECTION.doc,
    kind: Nested { section: &origin::SECTION, example: "[origin]" },
    absent: Required(origin::HELP),
};

static CORS: Key<Nested, Optional> = Key::table("cors", &cors::SECTION);
static TLS: Key<Nested, Optional> = Key::table("tls", &tls::SECTION);
static COOKIES: Key<Nested, Optional> = Key::table("cookies", &cookies::SECTION);

static LIMITS: Key<Nested, Optional> = Key::table("limits", &limits::SECTION);

static PAGE: Key<Nested, Optional> = Key::table("page", &page::SECTION);

static QUEUE: Key<List<Nested>> = Key {
    name: "queue",
    doc: "Lines of visitors",
    kind: List { entries: 1..=100, each: Nested { section: &queue::SECTION, example: "[[queue]]" } },
    absent: Required("write `[[queue]]` and below it `name = \"main\"` and `release_per_minute = 600`"),
};

static ROUTE: Key<List<Nested>, Optional> = Key {
    name: "route",
    doc: route::SECTION.doc,
    kind: List { entries: 1..=100, each: Nested { section: &route::SECTION, example: "[[route]]" } },
    absent: Optional("all paths go to `[origin]`"),
};

static WEBHOOK: Key<List<Nested>, Optional> = Key {
    name: "webhook",
    doc: webhook::SECTION.doc,
    kind: List { entries: 1..=20, each: Nested { section: &webhook::SECTION, example: "[[webhook]]" } },
    absent: Optional("none is told"),
};

/// What all tenants share: no two have the same name or host, and there is an end to the hosts by ACME.
pub(crate) struct Shared {
    names: Claims<Name>,
    hosts: Claims<HostPattern>,
    by_acme: ByAcme,
}

impl Shared {
    /// `has_acme` tells whether there is an authority that certificates can be asked of.
    pub(crate) fn new(has_acme: bool) -> Self {
        Self { names: Claims::default(), hosts: Claims::default(), by_acme: ByAcme::new(has_acme) }
    }
}

/// Reads a tenant's file. `is_store_shared` tells whether its queues need to say what happens without the store.
pub(crate) fn read(
    diagnostics: &Diagnostics,
    entries: &DeTable<'_>,
    outside: &Outside<'_>,
    is_store_shared: bool,
    shared: &mut Shared,
) -> Read<Tenant> {
    let Shared { names, hosts: taken, by_acme } = shared;
    Table::new(diagnostics, &SECTION, 0..0, entries).read_by(|top| {
        let name = match top.value(&NAME) {
            Some(_) => top.checked(&NAME, |value, name| names.claim_for(name.clone(), value, "tenant name")),
            None => Err(top.missing("`name` is missing", name_help(diagnostics))),
        };
        let hosts = top.read_with(&HOSTS, |value| {
            HOSTS.kind.check_each(value, |entry, host| taken.claim_for(host.clone(), entry, "host"))
        });
        let origin = top.read_with(&ORIGIN, |value| ORIGIN.kind.read(value, |table| origin::read(table, outside)));
        let cors = top.read_with(&CORS, |value| CORS.kind.read(value, cors::read));
        let tls = top.read_with(&TLS, |value| TLS.kind.read(value, |table| tls::read(table, outside, &hosts, by_acme)));
        let known_hosts = hosts.as_ref().ok().map(Vec::as_slice);
        let cookies = top.nested(&COOKIES, |table| cookies::read(table, known_hosts));
        let limits = top.nested(&LIMITS, limits::read);
        let page = top.nested(&PAGE, |table| page::read(table, outside));
        let strict_headers = top.read(&HEADERS).map(|preset| preset.is_some());
        let queues = top.read_with(&QUEUE, |value| queues(value, outside, is_store_shared));
        let routes = top.read_with(&ROUTE, |value| routes(value, outside));
        let webhooks = top.read_with(&WEBHOOK, |value| webhooks(value, outside));
        Ok(Tenant {
            name: name?,
            hosts: hosts?,
            origin: origin?,
            routes: routes?.unwrap_or_default(),
            cors: cors?,
            tls: tls?,
            cookies: cookies?,
            limits: limits?,
            strict_headers: strict_headers?,
            page: page?,
            queues: queues?,
            webhooks: webhooks?.unwrap_or_default(),
        })
    })
}

/// Whether the tenant brings no certificate, as far as its file can be read.
pub(crate) fn is_without_tls(diagnostics: &Diagnostics, entries: &DeTable<'_>) -> bool {
    !entries.contains_key(TLS.name) && !diagnostics.is_broken()
}

fn queues(value: Value<'_>, outside: &Outside<'_>, is_store_shared: bool) -> Read<Vec<Arc<Queue>>> {
    if !value.is_list() {
        return Err(value.wrong_type("a list of tables", "[[queue]]"));
    }
    let mut siblings = queue::Siblings::default();
    QUEUE.kind.read_each(value, |entry| {
        QUEUE.kind.each.read(entry, |table| queue::read(table, outside, is_store_shared, &mut siblings).map(Arc::new))
    })
}

fn routes(value: Value<'_>, outside: &Outside<'_>) -> Read<Vec<Route>> {
    if !value.is_list() {
        return Err(value.wrong_type("a list of tables", "[[route]]"));
    }
    let mut taken = Claims::default();
    let each = &ROUTE.kind.each;
    ROUTE.kind.read_each(value, |entry| each.read(entry, |table| route::read(table, outside, &mut taken)))
}

fn webhooks(value: Value<'_>, outside: &Outside<'_>) -> Read<Vec<Arc<Webhook>>> {
    if !value.is_list() {
        return Err(value.wrong_type("a list of tables", "[[webhook]]"));
    }
    let mut names = Claims::default();
    let each = &WEBHOOK.kind.each;
    WEBHOOK
        .kind
        .read_each(value, |entry| each.read(entry, |table| webhook::read(table, outside, &mut names).map(Arc::new)))
}

/// Suggests the file's own name.
fn name_help(diagnostics: &Diagnostics) -> String {
    let stem = diagnostics.source.path.file_stem().map(|stem| stem.to_string_lossy());
    match stem.as_deref().and_then(Name::new) {
        Some(name) => format!("write `name = \"{name}\"`"),
        None => NAME.absent.0.to_owned(),
    }
}
