//! HTTP messages, as far as a test looks at them.

use std::fmt;

use bytes::Bytes;
use http::{Uri, Version};
use serde_json::Value;

use crate::support::{HOST, browser::HOST_PREFIX};

/// A request, made of the parts that tests vary.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { method: method.into(), target: target.into(), host: HOST.into(), headers, body }
    }

    /// What a browser sends to load a page.
    pub(crate) fn navigation(target: &str) -> Self {
        Self::new("GET", target)
            .header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Dest", "document")
    }

    /// What a script of a page sends to fetch data.
    pub(crate) fn fetch(method: &str, target: &str) -> Self {
        Self::new(method, target)
            .header("Accept", "application/json")
            .header("Sec-Fetch-Mode", "cors")
            .header("Sec-Fetch-Dest", "empty")
    }

    /// What an app that is no browser sends.
    pub(crate) fn app(method: &str, target: &str) -> Self {
        Self::new(method, target).header("Accept", "application/json").header("User-Agent", "shop-app/1.0")
    }

    /// What every node answers with 404, whatever its config.
    pub(crate) fn unknown_queue() -> Self {
        Self::fetch("GET", "/.sluice/status?queue=nobody-has-this-name")
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body, with its length.
    pub(crate) fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        Self { body, ..self.header("Content-Type", content_type).header("Content-Length", length) }
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// The same as HTTP/2 has it, with its body. Fields of a connection have no place there.
    pub(crate) fn http2(&self, scheme: &str) -> (http::Request<()>, Bytes) {
        let uri = Uri::builder().scheme(scheme).authority(self.host.as_str()).path_and_query(self.target.as_str());
        let mut request = http::Request::builder().version(Version::HTTP_2).method(self.method.as_str());
        for (name, value) in &self.headers {
            if !name.eq_ignore_ascii_case("connection") {
                request = request.header(name.to_ascii_lowercase(), value);
            }
        }
        (request.uri(uri.build().unwrap()).body(()).unwrap(), self.body.clone().into())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.headers {
            bytes.extend([name, ": ", value, "\r\n"]);
        }
        bytes.push_str("\r\n");
        [bytes.as_bytes(), &self.body].concat()
    }
}

/// A response as it came.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Reads status line and fields; `None` if that is not what the bytes are.
    pub(crate) fn parse_head(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.filter(|line| !line.is_empty()).map(field).collect::<Option<_>>()?;
        Some(Self { status, headers, body: Vec::new() })
    }

    /// The one value of a field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.header_values(name);
        let value = values.next();
        assert!(values.next().is_none(), "{name} was sent more than once: {self:?}");
        value
    }

    pub(crate) fn header_values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether the origin has made it, rather than the node.
    pub(crate) fn is_from_origin(&self) -> bool {
        self.header("x-origin").is_some()
    }

    /// Whether the node has said that it closes the connection.
    pub(crate) fn closes(&self) -> bool {
        self.header_values("connection").any(|v| v.eq_ignore_ascii_case("close"))
    }

    /// The token of a kind that is handed out for the queue `shop`, under either name; empty when it is cleared.
    pub(crate) fn token(&self, kind: &str) -> Option<&str> {
        let name = format!("sluice_{kind}_shop");
        self.cookie(&format!("{HOST_PREFIX}{name}")).or_else(|| self.cookie(&name))
    }

    /// The value a `Set-Cookie` gives a cookie; empty when it clears it.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}=");
        let pairs = self.header_values("set-cookie").filter_map(|line| line.split(';').next());
        pairs.filter_map(|pair| pair.strip_prefix(&prefix)).last()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        let body = String::from_utf8_lossy(&self.body);
        // A waiting page is long, and a failed test tells more without it.
        let shown: String = body.chars().take(300).collect();
        write!(f, "\n{shown}")
    }
}
