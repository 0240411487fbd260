//! `[admin.issuer.login]`: people log in to the dashboard at the issuer.

use std::{net::IpAddr, time::Duration};

use super::{plain, secure_url};
use crate::{
    declare::{Default, Key, List, Looks, Optional, Required, Section, Table, Text, Time},
    diagnostics::{Read, Wrong},
    forms::host::HostPattern,
    outside::Outside,
    sections::{
        secret::{Kept, Secret},
        webhook::WebhookUrl,
    },
};

/// Longest login, and the one that is usual.
const LASTS_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// How people log in to the dashboard at the issuer: OpenID Connect, by authorization code and PKCE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerLogin {
    /// What the dashboard is called at the issuer.
    pub client_id: String,
    /// What shows that it is this node which asks; `None`: the client is a public one.
    pub client_secret: Option<Secret>,
    /// Where browsers are sent to.
    pub authorize: String,
    /// Where a code is exchanged.
    pub token: WebhookUrl,
    /// Where browsers reach the dashboard: scheme, host and port, without a slash at the end.
    pub dashboard: String,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// How long a login lasts at most.
    pub lasts: Duration,
}

pub(crate) static SECTION: Section = Section {
    name: "[admin.issuer.login]",
    doc: "People log in to the dashboard at the issuer (OpenID Connect, by authorization code and PKCE)",
    may_hold_secrets: false,
    keys: &[&CLIENT_ID, &CLIENT_SECRET, &AUTHORIZE, &TOKEN, &DASHBOARD, &SCOPES, &LASTS],
};

static CLIENT_ID: Key<Text<String>, Required> = Key {
    name: "client_id",
    doc: "What the dashboard is called at the issuer; `aud` of the tokens that it issues there",
    kind: Text { parse: plain, looks: Looks::Any("") },
    absent: Required("write `client_id = \"sluice-dashboard\"`, as it is registered at the issuer"),
};

static CLIENT_SECRET: Key<Kept, Optional> = Key {
    name: "client_secret",
    doc: "What the issuer has given for it, at most 4,096 bytes; sent as HTTP Basic (`client_secret_basic`)",
    kind: Kept { example: "client_secret = { env = \"SLUICE_LOGIN_SECRET\" }" },
    absent: Optional("the client is a public one"),
};

static AUTHORIZE: Key<Text<String>, Required> = Key {
    name: "authorize",
    doc: "Where browsers are sent (`authorization_endpoint`): `https://`, or `http://` on this machine",
    kind: Text { parse: written_url, looks: Looks::Pattern("^https?://[^@#\\s]+$", "") },
    absent: Required("write `authorize = \"https://login.example.com/authorize\"`"),
};

static TOKEN: Key<Text<WebhookUrl>, Required> = Key {
    name: "token",
    doc: "Where a node exchanges codes (`token_endpoint`): `https://`, or `http://` on this machine",
    kind: Text { parse: secure_url, looks: Looks::Pattern("^https?://[^@#\\s]+$", "") },
    absent: Required("write `token = \"https://login.example.com/token\"`"),
};

static DASHBOARD: Key<Text<String>, Required> = Key {
    name: "dashboard",
    doc: "Where browsers reach the dashboard: `https://`, or `http://` on this machine, and no path. The issuer has to \
          know `DASHBOARD/login/callback` as a redirect URI; the host is one of `hosts` in `[admin]`",
    kind: Text { parse: origin, looks: Looks::Pattern("^https?://[^@#?/\\s]+/?$", "") },
    absent: Required("write `dashboard = \"https://sluice.example.com\"`"),
};

static SCOPES: Key<List<Text<String>>, Default<Vec<String>>> = Key {
    name: "scopes",
    doc: "What is asked for beside `openid`, so that the claim with the roles is in the token",
    kind: List {
        entries: 0..=20,
        each: Text {
            parse: scope,
            looks: Looks::Pattern("^[!#-\\[\\]-~]{1,100}$", "1 to 100 characters without spaces"),
        },
    },
    absent: Default(Vec::new),
};

static LASTS: Key<Time, Default<Duration>> = Key {
    name: "lasts",
    doc: "How long a login lasts at most; it ends before if nothing is asked for half an hour",
    kind: Time::from_s(5 * 60..=LASTS_MAX.as_secs()),
    absent: Default(|| LASTS_MAX),
};

/// `hosts`: under which names the API is reached, if that could be read.
pub(super) fn read(table: &Table<'_>, hosts: Option<&[HostPattern]>, outside: &Outside<'_>) -> Read<IssuerLogin> {
    let client_id = table.read(&CLIENT_ID);
    let client_secret = table.read_with(&CLIENT_SECRET, |value| CLIENT_SECRET.kind.password(value, outside));
    let (authorize, token) = (table.read(&AUTHORIZE), table.read(&TOKEN));
    let dashboard = table.checked(&DASHBOARD, |value, dashboard| match (secure_url(dashboard), hosts) {
        (Ok(url), Some(hosts)) if !is_reached(&url.host, hosts) => Err(value.conflict(
            "the API refuses requests under this name",
            format!("add it to `hosts` in [admin]: `hosts = [\"{}\"]`", url.host),
        )),
        _ => Ok(()),
    });
    let (scopes, lasts) = (table.read(&SCOPES), table.read(&LASTS));
    Ok(IssuerLogin {
        client_id: client_id?,
        client_secret: client_secret?,
        authorize: authorize?,
        token: token?,
        dashboard: dashboard?,
        scopes: scopes?,
        lasts: lasts?,
    })
}

fn is_reached(host: &str, hosts: &[HostPattern]) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok() || hosts.iter().any(|pattern| pattern.matches(host))
}

fn written_url(written: &str) -> Result<String, Wrong> {
    secure_url(written).map(|_| written.to_owned())
}

fn origin(written: &str) -> Result<String, Wrong> {
    let url = secure_url(written)?;
    if url.target != "/" {
        return Err(Wrong::malformed(
            "the dashboard has no path before it",
            "write scheme, host and port alone: \"https://sluice.example.com\"",
        ));
    }
    Ok(written.trim_end_matches('/').to_ascii_lowercase())
}

/// A word of RFC 6749, section 3.3.
fn scope(written: &str) -> Result<String, Wrong> {
    let is_word = |b: u8| matches!(b, b'!' | b'#'..=b'[' | b']'..=b'~');
    match (1..=100).contains(&written.len()) && written.bytes().all(is_word) {
        true => Ok(written.to_owned()),
        false => Err(Wrong::malformed("not a scope", "write each as a text of its own: [\"profile\", \"groups\"]")),
    }
}
