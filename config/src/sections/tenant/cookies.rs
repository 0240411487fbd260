//! `[cookies]`: how browsers treat ours.

use std::fmt;

use crate::{
    declare::{Choice, Default, Key, Looks, Optional, Section, Table, Text},
    diagnostics::{Read, Wrong},
    forms::host::{self, HostPattern},
};

/// `[cookies]` of a tenant: how browsers treat ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cookies {
    /// Whether they come along when another site posts a form.
    pub same_site: SameSite,
    /// Which hosts share them.
    pub domain: CookieDomain,
}

/// Which hosts of a tenant share cookies, so that a visitor who waits or is inside on one does so on all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum CookieDomain {
    /// Each host of the tenant with those of the tenant below it.
    #[default]
    Auto,
    /// None does.
    Off,
    /// Those at and below this name.
    Named(String),
}

impl fmt::Display for CookieDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "",
            Self::Off => OFF,
            Self::Named(name) => name,
        })
    }
}

/// Whether our cookies come along from other sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// Ours come along from everywhere, over HTTPS: who is sent back from a payment or sign-on page is still inside.
    #[default]
    None,
    /// Ours stay at home when another site posts a form.
    Lax,
}

impl SameSite {
    /// Every choice with the word for it in files.
    pub const ALL: [(&'static str, Self); 2] = [("none", Self::None), ("lax", Self::Lax)];
}

pub(crate) static SECTION: Section = Section {
    name: "[cookies]",
    doc: "How browsers treat the cookies that keep a visitor's place",
    may_hold_secrets: false,
    keys: &[&SAME_SITE, &DOMAIN],
};

static SAME_SITE: Key<Choice<SameSite, 2>, Default<SameSite>> = Key {
    name: "same_site",
    doc: "Whether they come along, over HTTPS, when another site sends the visitor here by a form",
    kind: Choice {
        words: &SameSite::ALL,
        meanings: [
            "they do, so that who is sent back from a payment or sign-on page is still inside",
            "they stay at home when another site posts a form",
        ],
    },
    absent: Default(SameSite::default),
};

static DOMAIN: Key<Text<CookieDomain>, Optional> = Key {
    name: "domain",
    doc: "Hosts at and below this name share the cookies, so that a visitor who is inside on one is inside on all: \
          `\"example.com\"`, or `\"off\"`",
    kind: Text { parse: domain, looks: Looks::Pattern(r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", "") },
    absent: Optional("a host of the tenant shares them with the tenant's hosts below it"),
};

const OFF: &str = "off";

/// `hosts` are those of the tenant, as far as they could be read.
pub(crate) fn read(table: &Table<'_>, hosts: Option<&[HostPattern]>) -> Read<Cookies> {
    let same_site = table.read(&SAME_SITE);
    let domain = table.checked(&DOMAIN, |value, domain| {
        let CookieDomain::Named(name) = domain else { return Ok(()) };
        if hosts.is_none_or(|hosts| hosts.iter().any(|host| is_within(host, name))) {
            return Ok(());
        }
        Err(value.conflict(
            format!("no host of the tenant is {name} or below it, so that browsers would refuse the cookies"),
            "write a name that `hosts` has in common, or leave it out",
        ))
    });
    Ok(Cookies { same_site: same_site?, domain: domain?.unwrap_or_default() })
}

fn domain(written: &str) -> Result<CookieDomain, Wrong> {
    if written == OFF {
        return Ok(CookieDomain::Off);
    }
    // As many write it, from the time when it meant something.
    let name = host::name(written.strip_prefix('.').unwrap_or(written))?;
    if !is_shareable(&name) {
        return Err(Wrong::malformed(
            "browsers take a cookie for a name of at least two labels only, and for no address",
            "write \"example.com\", or \"off\"",
        ));
    }
    Ok(CookieDomain::Named(name))
}

/// Whether browsers take a cookie for all hosts at and below a name.
fn is_shareable(name: &str) -> bool {
    name.contains('.') && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// Whether all that a pattern stands for is at or below a name.
fn is_within(host: &HostPattern, domain: &str) -> bool {
    let (HostPattern::Exact(name) | HostPattern::Below(name)) = host;
    is_at_or_below(name, domain)
}

/// Whether a host is this one, or below it.
pub(crate) fn is_at_or_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

impl CookieDomain {
    /// The names whose hosts share cookies, the shortest first. Every host of the tenant that is at or below one shares
    /// them with the others there.
    pub(crate) fn of_hosts(&self, hosts: &[HostPattern]) -> Vec<String> {
        match self {
            Self::Off => Vec::new(),
            Self::Named(name) => vec![name.clone()],
            Self::Auto => {
                let is_shared = |name: &&String| {
                    let others = hosts.iter().filter(|host| **host != HostPattern::Exact((*name).clone()));
                    is_shareable(name) && { others }.any(|host| is_within(host, name))
                };
                let exact = hosts.iter().filter_map(|host| match host {
                    HostPattern::Exact(name) => Some(name),
                    HostPattern::Below(_) => None,
                });
                let mut names: Vec<_> = exact.filter(is_shared).cloned().collect();
                names.sort_by_key(String::len);
                names
            }
        }
    }
}

#[cfg(test)]
mod tests;
