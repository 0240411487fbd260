//! `[access_log]`: one line for each request.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::{
    declare::{Choice, Default, Key, List, Looks, Required, Section, Switch, Table, Text},
    diagnostics::{Read, Wrong},
    outside::Outside,
    sections::tenant::claims::Claims,
};

/// `[access_log]`: one line of JSON for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub to: LogTarget,
    /// What a line says.
    pub fields: Vec<LogField>,
    /// How much of a client's address a line shows.
    pub clients: ClientShown,
    /// Whether polls have lines as well.
    pub polls: bool,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// To standard output.
    Stdout,
    /// To the end of this file.
    File(PathBuf),
}

/// How much of a client's address is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientShown {
    /// All of it.
    Full,
    /// The network: 24 bits of IPv4, 48 of IPv6.
    Network,
    /// None of it.
    None,
}

/// What a line may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is what its word says, and the manual explains it")]
pub enum LogField {
    Time,
    RequestId,
    TraceId,
    Client,
    Tenant,
    Host,
    Method,
    Path,
    Query,
    Protocol,
    Tls,
    Kind,
    Queue,
    Rule,
    Outcome,
    Status,
    Bytes,
    DurationMs,
    UserAgent,
}

impl LogField {
    /// Every field with its name in a line, in the order in which they stand there.
    pub const ALL: [(&'static str, Self); 19] = [
        ("time", Self::Time),
        ("request_id", Self::RequestId),
        ("trace_id", Self::TraceId),
        ("client", Self::Client),
        ("tenant", Self::Tenant),
        ("host", Self::Host),
        ("method", Self::Method),
        ("path", Self::Path),
        ("query", Self::Query),
        ("protocol", Self::Protocol),
        ("tls", Self::Tls),
        ("kind", Self::Kind),
        ("queue", Self::Queue),
        ("rule", Self::Rule),
        ("outcome", Self::Outcome),
        ("status", Self::Status),
        ("bytes", Self::Bytes),
        ("duration_ms", Self::DurationMs),
        ("user_agent", Self::UserAgent),
    ];

    const MEANINGS: [&'static str; 19] = [
        "when it came, in UTC with milliseconds",
        "its `X-Request-Id`",
        "that of its `traceparent`, if it has one",
        "the client's address, as `clients` says",
        "the tenant",
        "the host asked for",
        "the method",
        "the path as it was spelt, at most 1,024 bytes, without the query",
        "the query, at most 1,024 bytes: it may hold what is nobody's business. None where `.sluice` is in the target: \
         visitors' tokens may be there",
        "`HTTP/1.1` or `HTTP/2`",
        "whether the client's connection is HTTPS",
        "a page, a fetch, a form …, as `sluice explain` calls it",
        "the queue before the path",
        "the rule that has decided",
        "`forwarded`, `parked` (told to wait), `answered` (by Sluice itself) or `refused`",
        "the status of the answer; none if the client went away before it",
        "bytes of the answer's body",
        "from the head of the request to the end of the answer",
        "the client's `User-Agent`, at most 200 bytes",
    ];

    fn usual() -> Vec<Self> {
        let kept = |field: &Self| !matches!(field, Self::Query | Self::UserAgent);
        Self::ALL.iter().map(|(_, field)| *field).filter(kept).collect()
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[access_log]",
    doc: "One line of JSON for each request. It never holds a token, a cookie or the body",
    may_hold_secrets: false,
    keys: &[&TO, &FIELDS, &CLIENTS, &POLLS],
};

static TO: Key<Text<String>> = Key {
    name: "to",
    doc: "`\"stdout\"`, or a file from the config folder, which is opened anew on SIGHUP and whenever a config is taken",
    kind: Text { parse: target, looks: Looks::Any("") },
    absent: Required("write `to = \"stdout\"`, or the path of a file"),
};

static FIELDS: Key<List<Choice<LogField, 19>>, Default<Vec<LogField>>> = Key {
    name: "fields",
    doc: "What a line says",
    kind: List { entries: 1..=19, each: Choice { words: &LogField::ALL, meanings: LogField::MEANINGS } },
    absent: Default(LogField::usual),
};

static CLIENTS: Key<Choice<ClientShown, 3>, Default<ClientShown>> = Key {
    name: "clients",
    doc: "How much of a client's address a line shows",
    kind: Choice {
        words: &[("full", ClientShown::Full), ("network", ClientShown::Network), ("none", ClientShown::None)],
        meanings: ["all of it", "the first 24 bits of IPv4, 48 of IPv6", "none of it"],
    },
    absent: Default(|| ClientShown::Network),
};

static POLLS: Key<Switch, Default<bool>> = Key {
    name: "polls",
    doc: "Whether polls of those who wait have lines as well: most requests while a line stands",
    kind: Switch,
    absent: Default(|| false),
};

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<AccessLog> {
    let to = table.read(&TO);
    let mut taken = Claims::default();
    let fields = match table.value(&FIELDS) {
        Some(value) => FIELDS.kind.check_each(value, |entry, field| taken.claim_for(*field, entry, "field")),
        None => Ok(FIELDS.default()),
    };
    let clients = table.read(&CLIENTS);
    let polls = table.read(&POLLS);
    let to = match to?.as_str() {
        "stdout" => LogTarget::Stdout,
        path => LogTarget::File(outside.dir.join(path)),
    };
    Ok(AccessLog { to, fields: fields?, clients: clients?, polls: polls? })
}

fn target(written: &str) -> Result<String, Wrong> {
    match written {
        "" | "off" => {
            Err(Wrong::malformed("there is nowhere to write to", "leave the table out to switch the log off"))
        }
        "stderr" => Err(Wrong::malformed("Sluice's own log goes there", "write \"stdout\", or the path of a file")),
        written => Ok(written.to_owned()),
    }
}
