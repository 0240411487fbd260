//! `[admin.issuer]`: a company's own login, whose tokens the API takes.

pub(crate) mod login;

use crate::{
    declare::{Choice, Default, Key, List, Looks, Nested, Optional, Required, Section, Table, Text, Value},
    diagnostics::{Read, Wrong},
    forms::{host::HostPattern, name::Name},
    outside::Outside,
    sections::{
        node::admin::key::{ROLE_CHOICE, Role},
        tenant::queue::NAME_TEXT,
        webhook::{self, WebhookUrl},
    },
};

pub use login::IssuerLogin;

/// Whose tokens the API takes beside its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What `iss` has to be.
    pub name: String,
    /// What `aud` has to be, or to contain.
    pub audience: String,
    /// Where its public keys are.
    pub keys: WebhookUrl,
    /// The claim that says what somebody may do.
    pub claim: String,
    /// What its values stand for; the first that fits counts.
    pub roles: Vec<IssuerRole>,
    /// How people log in there; `None`: its tokens are for the API alone.
    pub login: Option<IssuerLogin>,
}

/// What a value of the claim stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRole {
    /// The value.
    pub value: String,
    /// What those who have it may do.
    pub role: Role,
    /// Whose queues they may see and change; `None`: those of all tenants.
    pub tenants: Option<Vec<Name>>,
}

pub(crate) static SECTION: Section = Section {
    name: "[admin.issuer]",
    doc: "A company's own login (OpenID Connect, or any issuer of JSON Web Tokens), whose tokens the API takes as bearers",
    may_hold_secrets: false,
    keys: &[&ISSUER, &AUDIENCE, &KEYS, &CLAIM, &LOGIN, &ROLE],
};

static ISSUER: Key<Text<String>, Required> = Key {
    name: "issuer",
    doc: "What `iss` of its tokens is, exactly",
    kind: Text { parse: plain, looks: Looks::Any("") },
    absent: Required("write `issuer = \"https://login.example.com\"`"),
};

static AUDIENCE: Key<Text<String>, Required> = Key {
    name: "audience",
    doc: "What `aud` of tokens for this API is, or contains",
    kind: Text { parse: plain, looks: Looks::Any("") },
    absent: Required("write `audience = \"sluice\"`, as it is registered at the issuer"),
};

static KEYS: Key<Text<WebhookUrl>, Required> = Key {
    name: "keys",
    doc: "Where its public keys are (`jwks_uri`): `https://`, or `http://` on this machine",
    kind: Text { parse: secure_url, looks: Looks::Pattern("^https?://[^@#\\s]+$", "") },
    absent: Required("write `keys = \"https://login.example.com/keys\"`"),
};

static CLAIM: Key<Text<String>, Default<String>> = Key {
    name: "claim",
    doc: "The claim that says what somebody may do: a text, or a list of texts",
    kind: Text { parse: plain, looks: Looks::Any("") },
    absent: Default(|| "roles".to_owned()),
};

static LOGIN: Key<Nested, Optional> = Key::table("login", &login::SECTION);

static ROLE: Key<List<Nested>, Required> = Key {
    name: "role",
    doc: "What values of the claim stand for; the first that fits counts, and who has none gets nothing",
    kind: List { entries: 1..=100, each: Nested { section: &ROLE_SECTION, example: "[[admin.issuer.role]]" } },
    absent: Required("write `[[admin.issuer.role]]` and below it `value = \"ticketing\"` and `role = \"manager\"`"),
};

pub(crate) static ROLE_SECTION: Section = Section {
    name: "[[admin.issuer.role]]",
    doc: "What a value of the claim stands for",
    may_hold_secrets: false,
    keys: &[&VALUE, &OF_VALUE, &TENANTS],
};

static VALUE: Key<Text<String>, Required> = Key {
    name: "value",
    doc: "The value of the claim",
    kind: Text { parse: plain, looks: Looks::Any("") },
    absent: Required("write `value = \"ticketing\"`"),
};

static OF_VALUE: Key<Choice<Role, 4>, Required> = Key {
    name: "role",
    doc: "What those who have it may do",
    kind: ROLE_CHOICE,
    absent: Required("write `role = \"viewer\"`, or another of the roles"),
};

static TENANTS: Key<List<Text<Name>>, Optional> = Key {
    name: "tenants",
    doc: "Tenants whose queues they may see and change; those of others do not exist for them",
    kind: List { entries: 1..=1_000, each: NAME_TEXT },
    absent: Optional("all tenants"),
};

/// `hosts`: under which names the API is reached, if that could be read.
pub(super) fn read(table: &Table<'_>, hosts: Option<&[HostPattern]>, outside: &Outside<'_>) -> Read<Issuer> {
    let (name, audience) = (table.read(&ISSUER), table.read(&AUDIENCE));
    let (keys, claim) = (table.read(&KEYS), table.read(&CLAIM));
    let login = table.read_with(&LOGIN, |value| LOGIN.kind.read(value, |table| login::read(table, hosts, outside)));
    let roles = table.read_with(&ROLE, roles);
    Ok(Issuer { name: name?, audience: audience?, keys: keys?, claim: claim?, roles: roles?, login: login? })
}

fn roles(value: Value<'_>) -> Read<Vec<IssuerRole>> {
    if !value.is_list() {
        return Err(value.wrong_type("a list of tables", "[[admin.issuer.role]]"));
    }
    ROLE.kind.read_each(value, |entry| {
        ROLE.kind.each.read(entry, |table| {
            let (value, role, tenants) = (table.read(&VALUE), table.read(&OF_VALUE), table.read(&TENANTS));
            Ok(IssuerRole { value: value?, role: role?, tenants: tenants? })
        })
    })
}

fn plain(written: &str) -> Result<String, Wrong> {
    match written.is_empty() || written.len() > 500 || written.chars().any(char::is_control) {
        true => Err(Wrong::malformed("not a plain text of 1 to 500 bytes", "write it as it stands in the tokens")),
        false => Ok(written.to_owned()),
    }
}

/// A URL at which nobody on the way can answer.
fn secure_url(written: &str) -> Result<WebhookUrl, Wrong> {
    let url = webhook::url(written)?;
    let is_here = url.host == "localhost" || url.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.https || is_here {
        true => Ok(url),
        false => Err(Wrong::malformed(
            "an answer over plain HTTP could come from anyone",
            "write an `https://` URL; `http://` is for this machine alone",
        )),
    }
}
