//! What a request has to be for a rule to match.

use http::{HeaderName, Method};
use serde_json::{Value as JsonValue, json};

use super::pattern::{Pattern, Patterns, cookie_name, header_name, plain_name};
use crate::{
    declare::{Form, Json, Key, List, Looks, Nested, Optional, Readable, Section, Table, Text, Value, json},
    diagnostics::{Kind, Read, Wrong},
    forms::{
        address,
        host::{self, HostPattern},
        networks::{self, Networks},
        path_pattern::{self, PathPattern},
    },
    limits::NETWORKS_FILE_BYTES_MAX,
    outside::{Outside, read_bounded},
};

/// What a request has to be, and what it must not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// All of these hold.
    pub all: Conditions,
    /// These do not all hold.
    pub not: Option<Conditions>,
}

/// Conditions, of which those that are there hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// One of these methods; GET stands for HEAD as well.
    pub methods: Vec<Method>,
    /// The normalised path matches one of these.
    pub paths: Vec<PathPattern>,
    /// And this one.
    pub path_regex: Option<PathPattern>,
    /// The host is one of these.
    pub hosts: Vec<HostPattern>,
    /// The client's address is one of these.
    pub clients: Option<Networks>,
    /// Each of these fields is there, with such a value.
    pub headers: Vec<(HeaderName, Pattern)>,
    /// Each of these cookies.
    pub cookies: Vec<(String, Pattern)>,
    /// Each of these parameters of the query.
    pub query: Vec<(String, Pattern)>,
}

impl Conditions {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Every pattern of paths.
    pub fn path_patterns(&self) -> impl Iterator<Item = &PathPattern> {
        self.paths.iter().chain(&self.path_regex)
    }
}

pub(super) static WHEN: Section = Section {
    name: "the conditions of a rule",
    doc: "What a request has to be: all that is written here holds",
    may_hold_secrets: false,
    keys: &[&METHODS, &PATH, &PATH_REGEX, &HOSTS, &CLIENTS, &CLIENTS_FILE, &HEADERS, &COOKIES, &QUERY, &NOT],
};

static EXCEPTIONS: Section = Section {
    name: "the exceptions of a rule",
    doc: "What a request must not be: a rule whose exceptions all hold does not match",
    may_hold_secrets: false,
    keys: &[&METHODS, &PATH, &PATH_REGEX, &HOSTS, &CLIENTS, &CLIENTS_FILE, &HEADERS, &COOKIES, &QUERY],
};

static METHODS: Key<List<Text<Method>>, Optional> = Key {
    name: "methods",
    doc: "One of these methods; `\"GET\"` stands for HEAD as well. Of a preflight it is that of the request announced",
    kind: List { entries: 1..=20, each: Text { parse: method, looks: Looks::Pattern("^[A-Z-]{1,24}$", "") } },
    absent: Optional("any"),
};

static PATH: Key<Globs, Optional> = Key {
    name: "path",
    doc: "Glob of the whole normalised path, or a list of them: `*` is any characters but `/`, `**` any at all; upper and \
          lower case are alike",
    kind: Globs,
    absent: Optional("any"),
};

static PATH_REGEX: Key<Text<PathPattern>, Optional> = Key {
    name: "path_regex",
    doc: "Regular expression for the whole normalised path; upper and lower case are alike",
    kind: Text { parse: path_pattern::regex, looks: Looks::Chars(1..=crate::limits::PATH_BYTES_MAX) },
    absent: Optional("any"),
};

static HOSTS: Key<List<Text<HostPattern>>, Optional> = Key {
    name: "hosts",
    doc: "One of these hosts of the tenant; `*.` and a name is every host below it",
    kind: List { entries: 1..=100, each: Text { parse: host::pattern, looks: Looks::Pattern(host::PATTERN, "") } },
    absent: Optional("any"),
};

static CLIENTS: Key<List<Text<ipnet::IpNet>>, Optional> = Key {
    name: "clients",
    doc: "Networks (CIDR) that the client's address is in, as it is found by `trusted_proxies`",
    kind: List { entries: 1..=1000, each: Text { parse: address::network, looks: Looks::Any("") } },
    absent: Optional("any"),
};

static CLIENTS_FILE: Key<Text<String>, Optional> = Key {
    name: "clients_file",
    doc: "File of more such networks, from the config folder: one a line, or the JSON that operators of crawlers publish",
    kind: Text { parse: file_name, looks: Looks::Any("at most 1 MiB") },
    absent: Optional("none"),
};

static HEADERS: Key<Patterns, Optional> = Key {
    name: "headers",
    doc: "Header fields and their values, in which `*` is any characters: `{ stripe-signature = \"*\" }`",
    kind: Patterns,
    absent: Optional("any"),
};

static COOKIES: Key<Patterns, Optional> =
    Key { name: "cookies", doc: "Cookies and their values, likewise", kind: Patterns, absent: Optional("any") };

static QUERY: Key<Patterns, Optional> = Key {
    name: "query",
    doc: "Parameters of the query and their values once decoded, likewise",
    kind: Patterns,
    absent: Optional("any"),
};

static NOT: Key<Nested, Optional> = Key {
    name: "not",
    doc: EXCEPTIONS.doc,
    kind: Nested { section: &EXCEPTIONS, example: "not = { path = \"/hooks/test\" }" },
    absent: Optional("none"),
};

/// Reads what stands in `when`.
pub(super) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<When> {
    let all = conditions(table, outside);
    let not = table.read_with(&NOT, |value| {
        let not = NOT.kind.read(value, |table| conditions(table, outside))?;
        if not.is_empty() {
            return Err(value.wrong(Wrong::malformed("`not` is empty", "write what a request must not be")));
        }
        Ok(not)
    });
    Ok(When { all: all?, not: not? })
}

fn conditions(table: &Table<'_>, outside: &Outside<'_>) -> Read<Conditions> {
    let methods = table.read(&METHODS);
    let paths = table.read(&PATH);
    let path_regex = table.read(&PATH_REGEX);
    let hosts = table.read(&HOSTS);
    let listed = table.read(&CLIENTS);
    let of_file = table.read_with(&CLIENTS_FILE, |value| networks_of(value, outside));
    let headers = table.read_with(&HEADERS, |value| HEADERS.kind.read(value, header_name));
    let cookies = table.read_with(&COOKIES, |value| COOKIES.kind.read(value, cookie_name));
    let query = table.read_with(&QUERY, |value| QUERY.kind.read(value, plain_name));
    let (listed, of_file) = (listed?, of_file?);
    let clients = (listed.is_some() || of_file.is_some())
        .then(|| Networks::new(listed.into_iter().flatten().chain(of_file.into_iter().flatten())));
    Ok(Conditions {
        methods: methods?.unwrap_or_default(),
        paths: paths?.unwrap_or_default(),
        path_regex: path_regex?,
        hosts: hosts?.unwrap_or_default(),
        clients,
        headers: headers?.unwrap_or_default(),
        cookies: cookies?.unwrap_or_default(),
        query: query?.unwrap_or_default(),
    })
}

/// One glob, or a list of them.
struct Globs;

const GLOBS: List<Text<PathPattern>> =
    List { entries: 1..=50, each: Text { parse: path_pattern::glob, looks: Looks::Pattern("^/", "") } };

impl Form for Globs {
    fn schema(&self) -> Json {
        json(json!({ "anyOf": [GLOBS.each.schema(), GLOBS.schema()] }))
    }
    fn bounds(&self) -> String {
        "at most 50, each at most 512 bytes".to_owned()
    }
}

impl Readable for Globs {
    type Out = Vec<PathPattern>;
    fn read(&self, value: Value<'_>) -> Read<Vec<PathPattern>> {
        if value.is_list() { GLOBS.read(value) } else { GLOBS.each.read(value).map(|glob| vec![glob]) }
    }
    fn write(&self, globs: &Vec<PathPattern>) -> JsonValue {
        GLOBS.write(globs)
    }
}

fn method(written: &str) -> Result<Method, Wrong> {
    let is_usual = written.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') && (1..=24).contains(&written.len());
    let method = Method::from_bytes(written.as_bytes()).ok().filter(|_| is_usual);
    method.ok_or_else(|| Wrong::malformed("not a method", "write it in capitals: \"POST\""))
}

fn file_name(written: &str) -> Result<String, Wrong> {
    match written {
        "" => Err(Wrong::malformed("the path is empty", "name a file, or leave the key out")),
        written => Ok(written.to_owned()),
    }
}

fn networks_of(value: Value<'_>, outside: &Outside<'_>) -> Read<Vec<ipnet::IpNet>> {
    let opened = outside.open(value.string()?);
    let text = opened
        .content
        .and_then(|(file, _)| read_bounded(file, NETWORKS_FILE_BYTES_MAX))
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| std::io::Error::other("not text")));
    let text = text.map_err(|error| {
        let place = crate::diagnostics::words::harmless(&opened.path.to_string_lossy());
        let message = format!("the file cannot be read: {error}");
        value.wrong(Wrong::new(Kind::Unreadable, message, format!("it is looked for at {place}")))
    })?;
    networks::of_file(&text).map_err(|wrong| value.wrong(wrong))
}
