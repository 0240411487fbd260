//! `[cors]`: which other origins may read the state of a parked request.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{
    declare::{Section, Table, Value},
    diagnostics::{Read, Wrong, words},
    forms::address,
    limits,
    sections::Claims,
    settings::Cors,
};

pub(crate) const SECTION: Section = Section { path: "tenants/*.toml:cors", shown: "[cors]", example: "[cors]" };

/// What an origin looks like, for editors; a few mistakes too many pass.
pub(crate) const ORIGIN_PATTERN: &str = r"^(\*|[A-Za-z]+://[^/?#@\s]+)$";

const MAX_AGE_DEFAULT: Duration = Duration::from_secs(600);
const ANY: &str = "*";

pub(crate) fn read(table: &Table<'_>) -> Read<Cors> {
    let help = "write `allowed_origins = [\"https://app.example.com\"]`";
    let mut claims = Claims::default();
    let allowed_origins = table.required("allowed_origins", help, |value| {
        let origins = value.list(limits::CORS_ORIGINS, |entry| {
            let origin = entry.text(origin)?;
            claims.claim_for(origin.clone(), entry, "origin")?;
            Ok(origin)
        })?;
        if origins.len() > 1 && origins.iter().any(|origin| origin == ANY) {
            return Err(value.conflict("`*` allows every origin", "write `*` alone, or leave it out"));
        }
        Ok(origins)
    });
    let allow_credentials = table.or("allow_credentials", false, |value| {
        let allow = value.bool()?;
        let any = allowed_origins.as_ref().is_ok_and(|origins| origins.iter().any(|origin| origin == ANY));
        match allow && any {
            true => Err(value.conflict(
                "credentials with every origin: browsers refuse it, since any site could act as the visitor",
                "name the origins, or write `allow_credentials = false`",
            )),
            false => Ok(allow),
        }
    });
    let max_age = table.or("max_age", MAX_AGE_DEFAULT, |value: Value<'_>| value.duration(limits::CORS_MAX_AGE));
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
