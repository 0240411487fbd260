//! `[cors]`: which other origins may read the state of a parked request.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{
    declare::{Default, Key, List, Looks, Required, Section, Switch, Table, Text, Time},
    diagnostics::{Read, Wrong, words},
    forms::address,
    sections::tenant::claims::Claims,
};

/// `[cors]`: which other origins may read the state of a parked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins (`https://app.example.com`), or the one entry `*`.
    pub allowed_origins: Vec<String>,
    /// Whether cookies may come along; not with `*`.
    pub allow_credentials: bool,
    /// How long a browser may keep the answer to a preflight of our own endpoints.
    pub max_age: Duration,
}

impl Cors {
    /// These origins, with everything else at its default.
    pub fn new(allowed_origins: Vec<String>) -> Self {
        Self { allowed_origins, allow_credentials: ALLOW_CREDENTIALS.default(), max_age: MAX_AGE.default() }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[cors]",
    doc: "Which other origins may read the answer to a request that has to wait",
    may_hold_secrets: false,
    keys: &[&ALLOWED_ORIGINS, &ALLOW_CREDENTIALS, &MAX_AGE],
};

static ALLOWED_ORIGINS: Key<List<Text<String>>> = Key {
    name: "allowed_origins",
    doc: "Exact origins, such as `\"https://app.example.com\"`, or `\"*\"` alone",
    kind: List {
        entries: 1..=100,
        each: Text { parse: origin, looks: Looks::Pattern(r"^(\*|[A-Za-z]+://[^/?#@\s]+)$", "") },
    },
    absent: Required("write `allowed_origins = [\"https://app.example.com\"]`"),
};

static ALLOW_CREDENTIALS: Key<Switch, Default<bool>> = Key {
    name: "allow_credentials",
    doc: "Whether cookies may come along; not with `\"*\"`",
    kind: Switch,
    absent: Default(|| false),
};

// No browser keeps it for longer than a day.
static MAX_AGE: Key<Time, Default<Duration>> = Key {
    name: "max_age",
    doc: "How long a browser may keep the answer to a preflight of `/.sluice/`; that of a request which waits is not kept",
    kind: Time::from_s(0..=24 * 60 * 60),
    absent: Default(|| Duration::from_secs(10 * 60)),
};

const ANY: &str = "*";

pub(crate) fn read(table: &Table<'_>) -> Read<Cors> {
    let mut claims = Claims::default();
    let allowed_origins = table.read_with(&ALLOWED_ORIGINS, |value| {
        let origins = ALLOWED_ORIGINS
            .kind
            .check_each(value, |entry, origin| claims.claim_for(origin.clone(), entry, "origin"))?;
        if origins.len() > 1 && origins.iter().any(|origin| origin == ANY) {
            return Err(value.conflict("`*` allows every origin", "write `*` alone, or leave it out"));
        }
        Ok(origins)
    });
    let any = allowed_origins.as_ref().is_ok_and(|origins| origins.iter().any(|origin| origin == ANY));
    let allow_credentials = table.checked(&ALLOW_CREDENTIALS, |value, allow| match *allow && any {
        true => Err(value.conflict(
            "credentials with every origin: browsers refuse it, since any site could act as the visitor",
            "name the origins, or write `allow_credentials = false`",
        )),
        false => Ok(()),
    });
    let max_age = table.read(&MAX_AGE);
    Ok(Cors { allowed_origins: allowed_origins?, allow_credentials: allow_credentials?, max_age: max_age? })
}

/// An origin as browsers write it in `Origin` (RFC 6454): they compare text, so it has to be exactly that.
fn origin(written: &str) -> Result<String, Wrong> {
    if written == ANY {
        return Ok(ANY.to_owned());
    }
    let lower = written.to_ascii_lowercase();
    let Some((scheme @ ("http" | "https"), rest)) = lower.split_once("://") else {
        return Err(Wrong::malformed(
            "an origin begins with its scheme",
            format!("write \"https://{}\"", words::harmless(lower.trim_start_matches('/'))),
        ));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let parsed = address::host_port(authority)?;
    let host = if parsed.host.contains(':') { format!("[{}]", parsed.host) } else { parsed.host };
    let usual_port = if scheme == "https" { 443 } else { 80 };
    let exact = match parsed.port {
        Some(port) if port != usual_port => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    };
    if authority != rest {
        let message = "an origin ends with its host and port";
        return Err(Wrong::malformed(message, format!("write \"{exact}\"")));
    }
    if exact != lower {
        let message = "browsers leave the usual port out of an origin, and write an address at its shortest";
        return Err(Wrong::malformed(message, format!("write \"{exact}\"")));
    }
    Ok(exact)
}
