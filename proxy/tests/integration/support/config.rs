//! Config files as text: a test shows the settings it is about, in the words an operator would write.

use std::{fmt::Write as _, net::SocketAddr};

use super::HOST;

/// A tenant's file.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    hosts: Vec<String>,
    /// As TOML.
    servers: Vec<String>,
    origin: String,
    keys: String,
    sections: String,
}

impl Tenant {
    /// The tenant `shop` on [`HOST`], without a queue yet.
    pub(crate) fn shop(server: SocketAddr) -> Self {
        Self::new("shop", &[HOST], server)
    }

    pub(crate) fn new(name: &str, hosts: &[&str], server: SocketAddr) -> Self {
        let hosts = hosts.iter().map(ToString::to_string).collect();
        let (origin, keys, sections) = Default::default();
        Self { name: name.into(), hosts, servers: vec![format!("\"{server}\"")], origin, keys, sections }
    }

    /// Another server of its origin.
    pub(crate) fn server(self, addr: SocketAddr) -> Self {
        self.server_as(&format!("\"{addr}\""))
    }

    /// Another server of its origin, as TOML.
    pub(crate) fn server_as(mut self, entry: &str) -> Self {
        self.servers.push(entry.into());
        self
    }

    /// The same with this as its only server.
    pub(crate) fn only_server(mut self, entry: &str) -> Self {
        self.servers.clear();
        self.server_as(entry)
    }

    /// Further lines of `[origin]`.
    pub(crate) fn origin(mut self, lines: &str) -> Self {
        self.origin.push_str(lines);
        self.origin.push('\n');
        self
    }

    /// A `[[queue]]` with this name and these settings.
    pub(crate) fn queue(self, name: &str, settings: &str) -> Self {
        self.section(&format!("[[queue]]\nname = \"{name}\"\n{settings}"))
    }

    /// A key of the file itself, such as `headers = "strict"`.
    pub(crate) fn key(mut self, line: &str) -> Self {
        self.keys.push_str(line);
        self.keys.push('\n');
        self
    }

    /// A `[tls]` that presents these certificates of the config folder, by their names, and these further settings.
    /// Plain HTTP stays.
    pub(crate) fn presents(self, names: &[&str], settings: &str) -> Self {
        let pairs = names.iter().map(|name| format!("{{ chain = \"{name}.pem\", key = {{ file = \"{name}.key\" }} }}"));
        let pairs = pairs.collect::<Vec<_>>().join(", ");
        self.section(&format!("[tls]\ncertificates = [{pairs}]\nredirect_http = false\n{settings}"))
    }

    /// Any other section, such as `[cors]`.
    pub(crate) fn section(mut self, text: &str) -> Self {
        // Writing to a string does not fail.
        let _ = writeln!(self.sections, "\n{text}");
        self
    }

    pub(crate) fn text(&self) -> String {
        let Self { name, hosts, servers, origin, keys, sections } = self;
        let servers = servers.join(", ");
        format!("name = \"{name}\"\nhosts = {hosts:?}\n{keys}\n[origin]\nservers = [{servers}]\n{origin}{sections}")
    }
}
