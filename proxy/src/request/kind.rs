//! What kind of request this is, which decides the shape of the answer when it may not enter.
//!
//! The rule under all others: HTML goes only to what will show it to a person. A script that asked for data and gets
//! a page takes it for data; a person who asked for a page and gets JSON is lost. Browsers say which of the two it is
//! in `Sec-Fetch-Mode` and `Sec-Fetch-Dest`, which no script can forge, but only over HTTPS. Without them:
//!
//! - A page load has always named `text/html` in `Accept`. `*/*` alone is what scripts, apps and `curl` send, and
//!   an absent `Accept` says no more; to them a page is noise. So HTML must be named: `text/html`,
//!   `application/xhtml+xml` or `text/*`, with a weight above zero.
//! - Who names JSON with a greater weight than HTML is a program.
//! - `X-Requested-With: XMLHttpRequest` is a script, whatever it accepts. Other values of it are Android's: the name
//!   of the app whose web view loads a page.
//! - A GET with `Origin` is a script's: page loads carry none.

pub(crate) mod initiator;

use http::{HeaderMap, HeaderName, Method, Version, header};

use crate::request::syntax::{
    list::members,
    scan::{before, split},
};

/// The kinds of request that get answers of different shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A GET or HEAD that loads a page, also into a frame: the waiting page.
    Navigation,
    /// A GET, HEAD or plain OPTIONS of a script, an app or a sub-resource (image, style…): a JSON problem.
    Fetch,
    /// A POST of an HTML form by navigation: a page that says the form was not sent.
    FormPost,
    /// Any other request that may change something: a JSON problem.
    Unsafe,
    /// A CORS preflight: answered on the spot.
    Preflight,
    /// A WebSocket handshake over HTTP/1.1: refused before the upgrade.
    Upgrade,
    /// The start of a server-sent event stream: a JSON problem.
    EventStream,
    /// A gRPC or gRPC-Web call: a response of trailers only.
    Grpc,
    /// A browser loading ahead of its user: refused, and takes no number.
    Prefetch,
}

impl Kind {
    /// A short fixed name: a metric label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Navigation => "navigation",
            Self::Fetch => "fetch",
            Self::FormPost => "form_post",
            Self::Unsafe => "unsafe",
            Self::Preflight => "preflight",
            Self::Upgrade => "upgrade",
            Self::EventStream => "event_stream",
            Self::Grpc => "grpc",
            Self::Prefetch => "prefetch",
        }
    }
}

/// Classifies a request. Allocates nothing, and reads at most the first 64 members of each list.
pub(crate) fn classify(method: &Method, version: Version, headers: &HeaderMap) -> Kind {
    let fields = Fields::read(headers);
    match *method {
        Method::GET | Method::HEAD => {
            if fields.purpose && is_prefetch(headers) {
                Kind::Prefetch
            } else if fields.upgrade && *method == Method::GET && is_websocket(version, headers) {
                Kind::Upgrade
            } else if fields.is_page_load(method, headers) {
                Kind::Navigation
            } else if Accept::read(headers).event_stream > 0 {
                Kind::EventStream
            } else {
                Kind::Fetch
            }
        }
        Method::OPTIONS if is_preflight(headers) => Kind::Preflight,
        // Changes nothing, so it is a fetch; but it reaches the origin, so it waits like one.
        Method::OPTIONS => Kind::Fetch,
        Method::POST => match ContentType::read(headers) {
            ContentType::Grpc => Kind::Grpc,
            ContentType::Form if fields.is_page_load(method, headers) => Kind::FormPost,
            _ => Kind::Unsafe,
        },
        // What we do not know may change something.
        _ => Kind::Unsafe,
    }
}

/// What one pass over the fields tells. Looking for each by its name costs most for those that are not there, and
/// most are not.
#[derive(Default)]
struct Fields<'a> {
    /// `Sec-Fetch-Mode` and `Sec-Fetch-Dest`; the first of each, should there be more.
    mode: Option<&'a [u8]>,
    destination: Option<&'a [u8]>,
    /// Whether one of the fields is there that a prefetch has.
    purpose: bool,
    upgrade: bool,
}

impl<'a> Fields<'a> {
    fn read(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "sec-fetch-mode" => _ = fields.mode.get_or_insert(value.as_bytes()),
                "sec-fetch-dest" => _ = fields.destination.get_or_insert(value.as_bytes()),
                "sec-purpose" | "purpose" | "x-moz" | "x-sec-purpose" | "next-router-prefetch" => fields.purpose = true,
                "upgrade" => fields.upgrade = true,
                _ => {}
            }
        }
        fields
    }

    /// Whether a browser wants this to show it, rather than a script to read it.
    fn is_page_load(&self, method: &Method, headers: &HeaderMap) -> bool {
        match (self.mode, self.destination) {
            // `nested-navigate` was a frame's mode in browsers of 2019. A service worker that passes a page load on
            // makes its destination `empty`; what comes back is shown all the same. `<object>` and `<embed>` want a
            // document of their own kind.
            (Some(b"navigate" | b"nested-navigate"), destination) => !matches!(destination, Some(b"object" | b"embed")),
            (Some(_), _) => false,
            (None, Some(destination)) => matches!(destination, b"document" | b"iframe" | b"frame" | b"fencedframe"),
            (None, None) => !is_script(method, headers) && Accept::read(headers).prefers_html(),
        }
    }
}

/// Scripts of browsers that do not send `Sec-Fetch-*`. A form sent by POST carries `Origin` too, a page load does not.
fn is_script(method: &Method, headers: &HeaderMap) -> bool {
    headers.get(&X_REQUESTED_WITH).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"XMLHttpRequest"))
        || (method.is_safe() && headers.contains_key(header::ORIGIN))
}

fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// `Sec-Purpose` is the standard; `Purpose` and `X-Moz` are what browsers sent before it, and libraries send still. Turbo
/// and Next.js have fields of their own.
fn is_prefetch(headers: &HeaderMap) -> bool {
    headers.get(&NEXT_ROUTER_PREFETCH).is_some_and(|value| !matches!(value.as_bytes(), b"" | b"0"))
        || [&SEC_PURPOSE, &PURPOSE, &X_MOZ, &X_SEC_PURPOSE].into_iter().any(|name| {
            members(headers, name).any(|member| {
                // `prefetch;prerender`, `prefetch;anonymous-client-ip`: parameters only narrow it down.
                let purpose = before(b';', member).trim_ascii_end();
                purpose.eq_ignore_ascii_case(b"prefetch") || purpose.eq_ignore_ascii_case(b"prerender")
            })
        })
}

/// RFC 6455 over HTTP/1.1. An `Upgrade` to anything else is not followed, so the request is what it is without it.
fn is_websocket(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11
        && members(headers, &header::UPGRADE).any(|m| m.eq_ignore_ascii_case(b"websocket"))
        && members(headers, &header::CONNECTION).any(|m| m.eq_ignore_ascii_case(b"upgrade"))
}

/// Weights, in thousandths, of the media types that matter here; 0 is "not acceptable" or "not named".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Accept {
    /// `text/html`; `None` when not named, which leaves it to the wider ranges.
    html: Option<u16>,
    xhtml: u16,
    any_text: u16,
    json: u16,
    event_stream: u16,
}

impl Accept {
    fn read(headers: &HeaderMap) -> Self {
        let mut accept = Self::default();
        for member in members(headers, &header::ACCEPT) {
            let range = before(b';', member).trim_ascii_end();
            let Some(weight) = weight(&member[range.len()..]) else { continue };
            let is = |name: &[u8]| range.eq_ignore_ascii_case(name);
            if is(b"text/html") {
                accept.html = accept.html.max(Some(weight));
            } else if is(b"application/xhtml+xml") {
                accept.xhtml = accept.xhtml.max(weight);
            } else if is(b"text/*") {
                accept.any_text = accept.any_text.max(weight);
            } else if is(b"application/json") || is(b"application/problem+json") {
                accept.json = accept.json.max(weight);
            } else if is(b"text/event-stream") {
                accept.event_stream = accept.event_stream.max(weight);
            }
        }
        accept
    }

    /// `text/html;q=0` is a refusal, whatever the wider ranges say (RFC 9110, 12.5.1: the most specific one counts).
    fn prefers_html(self) -> bool {
        let html = self.html.unwrap_or(self.xhtml.max(self.any_text));
        html > 0 && html >= self.json
    }
}

/// The weight among a media range's parameters, in thousandths; 1000 when there is none, `None` when it is malformed:
/// a range whose weight cannot be read is not one to rely on.
pub(super) fn weight(parameters: &[u8]) -> Option<u16> {
    for parameter in split(b';', parameters).skip(1) {
        if let Some(value) = parameter.trim_ascii().strip_prefix(b"q=").or(parameter.trim_ascii().strip_prefix(b"Q=")) {
            return qvalue(value);
        }
    }
    Some(1000)
}

/// `0`, `1`, or either with up to three decimals (RFC 9110, 12.4.2).
fn qvalue(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] => (whole, [].as_slice()),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (decimal, unit) in decimals.iter().zip([100, 10, 1]) {
        thousandths += unit * u16::from(decimal.is_ascii_digit().then(|| decimal - b'0')?);
    }
    (thousandths <= 1000).then_some(thousandths)
}

/// The content types that decide how a POST is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentType {
    Form,
    Grpc,
    Other,
}

impl ContentType {
    fn read(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Self::Other };
        let media = before(b';', value.as_bytes()).trim_ascii();
        let is = |name: &[u8]| media.eq_ignore_ascii_case(name);
        // The three encodings an HTML form may have.
        if is(b"application/x-www-form-urlencoded") || is(b"multipart/form-data") || is(b"text/plain") {
            return Self::Form;
        }
        // `application/grpc`, `application/grpc+proto`, `application/grpc-web-text`…, but not `application/grpcfoo`.
        const GRPC: &[u8] = b"application/grpc";
        match media.split_at_checked(GRPC.len()) {
            Some((name, [] | [b'+' | b'-', ..])) if name.eq_ignore_ascii_case(GRPC) => Self::Grpc,
            _ => Self::Other,
        }
    }
}

static SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
static PURPOSE: HeaderName = HeaderName::from_static("purpose");
static X_SEC_PURPOSE: HeaderName = HeaderName::from_static("x-sec-purpose");
static NEXT_ROUTER_PREFETCH: HeaderName = HeaderName::from_static("next-router-prefetch");
static X_MOZ: HeaderName = HeaderName::from_static("x-moz");
static X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

#[cfg(test)]
mod tests;
