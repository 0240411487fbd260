//! `[[webhook]]`: who is told what happens in a tenant's queues.

#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    declare::{Choice, Default, Key, List, Looks, Optional, Readable, Required, Section, Switch, Table, Text, Value},
    diagnostics::{Kind, Read, Wrong, words},
    forms::{
        address::{self, HostPort},
        name::Name,
    },
    outside::Outside,
    sections::{
        secret::{Kept, Secret},
        tenant::claims::Claims,
        tenant::queue::NAME_TEXT,
    },
};

/// `[[webhook]]`: an address that is told what happens, as the Standard Webhooks convention has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Unique within the tenant.
    pub name: Name,
    /// Where it is.
    pub url: WebhookUrl,
    /// What signs, the newest first: one, or two while it is changed.
    pub secrets: Vec<Secret>,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// Whether it is on this machine, over plain HTTP perhaps, and nowhere else.
    pub loopback: bool,
}

/// Where a webhook is: no user, no fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookUrl {
    /// Whether it is `https`.
    pub https: bool,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// 443 or 80 unless it is written.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub target: String,
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let address = HostPort { host: self.host.clone(), port: Some(self.port) };
        write!(f, "{scheme}://{address}{}", self.target)
    }
}

/// What a webhook may be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookEvent {
    /// A line stands.
    QueueStarted,
    /// It stands no more.
    QueueEnded,
    /// No visitor is called although some wait.
    QueueStandingStill,
    /// The line is nearly full.
    QueueNearCapacity,
    /// The line was begun anew.
    QueueReset,
    /// An operator has set something in place of the file.
    QueueOverrideSet,
    /// What was set ends soon.
    QueueOverrideExpiring,
    /// A server of an origin is left out.
    OriginUnhealthy,
    /// It is not left out any more.
    OriginHealthy,
    /// A line's store does not answer.
    StoreLost,
    /// It answers again.
    StoreBack,
}

impl WebhookEvent {
    /// Every event and its name.
    pub const ALL: [(&'static str, Self); 11] = [
        ("queue.started", Self::QueueStarted),
        ("queue.ended", Self::QueueEnded),
        ("queue.standing_still", Self::QueueStandingStill),
        ("queue.near_capacity", Self::QueueNearCapacity),
        ("queue.reset", Self::QueueReset),
        ("queue.override_set", Self::QueueOverrideSet),
        ("queue.override_expiring", Self::QueueOverrideExpiring),
        ("origin.unhealthy", Self::OriginUnhealthy),
        ("origin.healthy", Self::OriginHealthy),
        ("store.lost", Self::StoreLost),
        ("store.back", Self::StoreBack),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, event)| *event == self).map_or("", |(name, _)| name)
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[[webhook]]",
    doc: "An address that is told what happens in the tenant's queues, signed as the Standard Webhooks convention has it",
    may_hold_secrets: false,
    keys: &[&NAME, &URL, &SECRET, &OLD_SECRET, &EVENTS, &LOOPBACK],
};

static NAME: Key<Text<Name>, Required> = Key {
    name: "name",
    doc: "What the API and the log call it; unique in the tenant",
    kind: NAME_TEXT,
    absent: Required("write `name = \"chat\"`"),
};

static URL: Key<Text<WebhookUrl>, Required> = Key {
    name: "url",
    doc: "Where events are sent: `https://`, at an address that the whole internet can reach; redirects are not followed",
    kind: Text {
        parse: url,
        looks: Looks::Pattern("^https?://[^@#\\s]+$", "an `https://` URL of at most 2,000 bytes"),
    },
    absent: Required("write `url = \"https://hooks.example.com/sluice\"`"),
};

static SECRET: Key<Kept, Required> = Key {
    name: "secret",
    doc: "What signs: `whsec_` and 24 to 64 bytes in base64",
    kind: Kept { example: "secret = { env = \"SHOP_WEBHOOK\" }" },
    absent: Required(
        "write `secret = { env = \"SHOP_WEBHOOK\" }`; `openssl rand -base64 32` makes one, behind `whsec_`",
    ),
};

static OLD_SECRET: Key<Kept, Optional> = Key {
    name: "old_secret",
    doc: "One that signs as well, until the receiver knows the new one",
    kind: Kept { example: "old_secret = { env = \"SHOP_WEBHOOK_OLD\" }" },
    absent: Optional("none"),
};

static EVENTS: Key<List<Choice<WebhookEvent, 11>>, Optional> = Key {
    name: "events",
    doc: "What it is told of",
    kind: List {
        entries: 1..=WebhookEvent::ALL.len(),
        each: Choice {
            words: &WebhookEvent::ALL,
            meanings: [
                "a line has stood for ten seconds",
                "it has stood no more for ten seconds",
                "no visitor was called for half a minute although some wait; with the reason",
                "90 % of `max_waiting` wait",
                "the line was begun anew",
                "an operator has set something, or has taken it back",
                "what is set ends in ten minutes",
                "a server of an origin is left out",
                "it is not left out any more",
                "a line's store has not answered for ten seconds",
                "it answers again",
            ],
        },
    },
    absent: Optional("all of them"),
};

static LOOPBACK: Key<Switch, Default<bool>> = Key {
    name: "loopback",
    doc: "The receiver is on this machine: addresses of the loopback alone, `http://` allowed. For trials",
    kind: Switch,
    absent: Default(|| false),
};

pub(super) fn read(table: &Table<'_>, outside: &Outside<'_>, names: &mut Claims<Name>) -> Read<Webhook> {
    let name = table.checked(&NAME, |value, name| names.claim_for(name.clone(), value, "webhook name"));
    let loopback = table.read(&LOOPBACK);
    let url = table.read_with(&URL, |value| {
        let url = URL.kind.read(value).and_then(|url| match loopback {
            Ok(false) => is_outside(&url).map(|()| url).map_err(|wrong| value.wrong(wrong)),
            _ => Ok(url),
        });
        // Chat services put a secret into the path.
        url.inspect_err(|_| value.hide())
    });
    let secret = table.read_with(&SECRET, |value| secret(&SECRET.kind, value, outside));
    let old = table.read_with(&OLD_SECRET, |value| self::secret(&OLD_SECRET.kind, value, outside));
    let events = table.read(&EVENTS).map(|events| events.unwrap_or_else(|| WebhookEvent::ALL.map(|(_, e)| e).to_vec()));
    let secrets = secret.and_then(|secret| Ok(std::iter::once(secret).chain(old?).collect()));
    Ok(Webhook { name: name?, url: url?, secrets: secrets?, events: events?, loopback: loopback? })
}

const URL_BYTES_MAX: usize = 2_000;

pub(crate) fn url(written: &str) -> Result<WebhookUrl, Wrong> {
    const HELP: &str = "write \"https://hooks.example.com/sluice\"";
    let wrong = |message: &str| Wrong::malformed(message.to_owned(), HELP);
    if written.len() > URL_BYTES_MAX || !written.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong("not a URL of at most 2,000 characters, without spaces"));
    }
    let (https, rest) = match (written.strip_prefix("https://"), written.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err(wrong("not an `https://` URL")),
    };
    if rest.contains(['@', '#', '\\']) {
        return Err(wrong("a user, a password or a fragment has no place here"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let HostPort { host, port } = address::host_port(authority)?;
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok(WebhookUrl { https, host, port: port.unwrap_or(if https { 443 } else { 80 }), target })
}

/// What can be told of a URL without asking for its name. Names are looked up, and all their addresses checked, each time.
fn is_outside(url: &WebhookUrl) -> Result<(), Wrong> {
    if !url.https {
        let help =
            format!("write \"https://{}\"; plain HTTP is for `loopback = true` alone", words::harmless(&url.host));
        return Err(Wrong::new(Kind::Conflict, "events would be sent in plain HTTP", help));
    }
    match url.host.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(Wrong::new(
            Kind::Conflict,
            "this is no address that the whole internet can reach",
            "name a public one: a webhook must not be a way into private networks",
        )),
        _ => Ok(()),
    }
}

/// Whether the whole internet can reach an address: not this machine, no private or link-local network, nothing that
/// stands for another address, nothing reserved.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || a == 0
                || a >= 224
                || (a == 100 && b & 0xC0 == 64)
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && b & 0xFE == 18);
            !special
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            // Global unicast, without what carries an IPv4 address inside (6to4, Teredo) and what is for documents.
            let is_global = a & 0xE000 == 0x2000;
            let special = a == 0x2002 || (a == 0x2001 && (b < 0x0200 || b == 0x0DB8)) || (a == 0x3FFF && b < 0x1000);
            is_global && !special
        }
    }
}

fn secret(kept: &Kept, value: Value<'_>, outside: &Outside<'_>) -> Read<Secret> {
    let content = kept.content(value, outside)?;
    let bytes = content.trim().strip_prefix("whsec_").and_then(|text| BASE64_STANDARD.decode(text).ok());
    match bytes {
        Some(bytes) if (24..=64).contains(&bytes.len()) => Ok(Secret::new(bytes)),
        _ => Err(value.wrong(Wrong::new(
            Kind::Secret,
            "not a secret of a webhook",
            "it is `whsec_` and 24 to 64 bytes in base64: `echo whsec_$(openssl rand -base64 32)` makes one",
        ))),
    }
}
