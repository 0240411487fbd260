//! What RFC 9110 and RFC 9112 say of the bytes of a request, section by section: what is refused before any origin hears of
//! it, what passes, and where the connection ends.

use std::fmt::Write as _;

use crate::{
    forwarding::site::{OPEN, Raw, Reply, Site},
    support::{HOST, Protocol, Request, Tenant, client::on_http1},
};

/// What becomes of a case.
#[derive(Clone, Copy, Debug)]
enum Must {
    /// It is answered with one of these statuses, no origin hears of it, and the connection ends.
    Refuse(&'static [u16]),
    /// The origin hears it once, and the connection serves the next request.
    Pass,
    /// The same, and the connection ends.
    PassAndEnd,
    /// It is answered with this status, no origin hears of it, and the connection goes on.
    Answer(u16),
    /// An origin may have heard of its head, but never of it as a whole; nothing behind it is a request.
    Break,
}

use Must::{Answer, Break, Pass, PassAndEnd, Refuse};

const BAD: Must = Refuse(&[400]);
/// Refused, whichever of its faults is named.
const BAD_CODING: Must = Refuse(&[400, 501]);
const BAD_VERSION: Must = Refuse(&[505]);

struct Case {
    section: &'static str,
    what: &'static str,
    bytes: Vec<u8>,
    must: Must,
    /// What the origin's head has, in lower case; with `!` in front, what it has not.
    hears: &'static [&'static str],
}

impl Case {
    fn hears(mut self, hears: &'static [&'static str]) -> Self {
        self.hears = hears;
        self
    }
}

/// Bytes as they are.
fn raw(section: &'static str, what: &'static str, bytes: impl AsRef<[u8]>, must: Must) -> Case {
    Case { section, what, bytes: bytes.as_ref().to_vec(), must, hears: &[] }
}

/// A request line, behind which all is in order.
fn line(section: &'static str, what: &'static str, line: &str, must: Must) -> Case {
    raw(section, what, format!("{line}\r\nHost: {HOST}\r\n\r\n"), must)
}

/// A GET with further lines.
fn get(section: &'static str, what: &'static str, lines: &str, must: Must) -> Case {
    raw(section, what, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n\r\n"), must)
}

/// A GET with these lines, and no others.
fn only(section: &'static str, what: &'static str, lines: &str, must: Must) -> Case {
    raw(section, what, format!("GET / HTTP/1.1\r\n{lines}\r\n"), must)
}

/// A POST with further lines and what follows the head.
fn post(section: &'static str, what: &'static str, lines: &str, body: &str, must: Must) -> Case {
    raw(section, what, format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n\r\n{body}"), must)
}

/// A POST in these chunks.
fn chunks(what: &'static str, body: &str, must: Must) -> Case {
    post("9112 7.1", what, "Transfer-Encoding: chunked", body, must)
}

fn request_lines() -> Vec<Case> {
    vec![
        line("9112 2.2", "an empty line in front", "\r\nGET / HTTP/1.1", Pass),
        line("9112 2.2", "many empty lines in front", "\r\n\r\n\r\n\r\nGET / HTTP/1.1", BAD),
        line("9112 2.2", "a blank in front", " GET / HTTP/1.1", BAD),
        raw("9112 2.2", "lines that end in LF", format!("GET / HTTP/1.1\nHost: {HOST}\n\n"), BAD),
        raw("9112 2.2", "a head that ends in LF", format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\n"), BAD),
        raw("9112 2.2", "a CR within the line", format!("GET /\r HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), BAD),
        line("9112 2.3", "a version in lower case", "GET / http/1.1", BAD),
        line("9112 2.3", "version 1.2", "GET / HTTP/1.2", BAD_VERSION),
        line("9112 2.3", "version 1.10", "GET / HTTP/1.10", BAD),
        line("9112 2.3", "version 2.0", "GET / HTTP/2.0", BAD_VERSION),
        line("9112 2.3", "version 0.9", "GET / HTTP/0.9", BAD_VERSION),
        raw("9112 2.3", "no version", "GET /\r\n\r\n", BAD),
        raw("9112 3", "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refuse(&[400, 405, 505])),
        line("9112 3", "two spaces", "GET  / HTTP/1.1", BAD),
        line("9112 3", "a tab as a space", "GET\t/ HTTP/1.1", BAD),
        line("9112 3", "a space behind the version", "GET / HTTP/1.1 ", BAD),
        line("9112 3", "a space in the target", "GET /a b HTTP/1.1", BAD),
        line("9112 3.1", "a method that is no token", "G@T / HTTP/1.1", BAD),
        line("9112 3.1", "no method", " / HTTP/1.1", BAD),
        raw("9112 3.1", "a method without an end", "A".repeat(100_000), BAD),
        line("9112 3.1", "100 kB of method", &format!("{} / HTTP/1.1", "A".repeat(100_000)), BAD),
        line("9110 9.1", "a method in lower case is another one", "get / HTTP/1.1", Pass).hears(&["get / http/1.1"]),
        line("9110 9.1", "a method of the origin's own", "PURGE / HTTP/1.1", Pass).hears(&["purge / http/1.1"]),
        line("9110 9.3.8", "TRACE", "TRACE / HTTP/1.1", Refuse(&[405])),
        line("9110 9.3.6", "CONNECT", &format!("CONNECT {HOST}:80 HTTP/1.1"), Refuse(&[405])),
        line("9112 3.2", "NUL in the target", "GET /\0 HTTP/1.1", BAD),
        line("9112 3.2", "DEL in the target", "GET /\x7f HTTP/1.1", BAD),
        line("9112 3.2", "a fragment", "GET /#a HTTP/1.1", BAD),
        line("9112 3.2.1", "no slash in front", "GET a HTTP/1.1", BAD),
        line(
            "9112 3.2.1",
            "the longest target and one more",
            &format!("GET /{} HTTP/1.1", "a".repeat(8192)),
            Refuse(&[414]),
        ),
        line("9112 3.2.1", "100 kB of target", &format!("GET /{} HTTP/1.1", "a".repeat(100_000)), Refuse(&[414])),
        line("9112 3.2.2", "absolute form", &format!("GET http://{HOST}/a?b HTTP/1.1"), Pass)
            .hears(&["get /a?b http/1.1", "host: shop.example.com\r\n"]),
        line("9112 3.2.2", "absolute form of another host", "GET http://other.example.com/ HTTP/1.1", BAD),
        line("9112 3.2.2", "absolute form with a user", &format!("GET http://a@{HOST}/ HTTP/1.1"), BAD),
        line("9112 3.2.2", "another scheme", &format!("GET ftp://{HOST}/ HTTP/1.1"), BAD),
        line("9112 3.2.3", "authority form", &format!("GET {HOST}:80 HTTP/1.1"), BAD),
        line("9112 3.2.4", "GET *", "GET * HTTP/1.1", BAD),
        line("9112 3.2.4", "OPTIONS *", "OPTIONS * HTTP/1.1", Answer(204)),
    ]
}

fn hosts() -> Vec<Case> {
    vec![
        only("9112 3.2", "none", "Accept: */*\r\n", BAD),
        only("9112 3.2", "an empty one", "Host:\r\n", BAD),
        only("9112 3.2", "two that agree", &format!("Host: {HOST}\r\nHost: {HOST}\r\n"), BAD),
        only("9112 3.2", "two that do not", &format!("Host: {HOST}\r\nHost: a\r\n"), BAD),
        only("9112 3.2", "a list", &format!("Host: {HOST}, a\r\n"), BAD),
        only("9112 3.2", "a path", &format!("Host: {HOST}/a\r\n"), BAD),
        only("9112 3.2", "a user", &format!("Host: a@{HOST}\r\n"), BAD),
        only("9112 3.2", "a port that is none", &format!("Host: {HOST}:a\r\n"), BAD),
        only("9112 3.2", "a port beyond all", &format!("Host: {HOST}:65536\r\n"), BAD),
        only("9112 3.2", "a blank within", &format!("Host: {HOST} a\r\n"), BAD),
        only("9112 3.2", "a blank in front of the name", &format!(" Host: {HOST}\r\n"), BAD),
        only("9112 3.2", "a blank behind the name", &format!("Host : {HOST}\r\n"), BAD),
        only("9110 7.2", "capitals, a dot and a port", "Host: SHOP.Example.com.:80\r\n", Pass),
        only("9110 7.2", "blanks around the value", &format!("Host: \t {HOST} \t\r\n"), Pass),
        only("9110 7.4", "of no tenant", "Host: other.example.com\r\n", Answer(421)),
        raw("9112 3.2", "none in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", BAD),
    ]
}

fn fields() -> Vec<Case> {
    let many: String = (0..100).map(|nth| format!("X-{nth}: 1\r\n")).collect();
    vec![
        get("9112 5", "a line without a colon", "X-A", BAD),
        get("9112 5", "a name that is empty", ": a", BAD),
        get("9112 5", "a name that is no token", "X(A): a", BAD),
        get("9112 5", "a name beyond ASCII", "X\u{e9}: a", BAD),
        get("9112 5.1", "a space before the colon", "X-A : a", BAD),
        get("9112 5.1", "a tab before the colon", "X-A\t: a", BAD),
        get("9112 5.2", "a line that is folded", "X-A: a\r\n b", BAD),
        get("9112 5.2", "a folded line of blanks", "X-A: a\r\n \r\nX-B: b", BAD),
        get("9110 5.5", "NUL in a value", "X-A: a\0b", BAD),
        get("9110 5.5", "CR in a value", "X-A: a\rb", BAD),
        get("9110 5.5", "LF in a value", "X-A: a\nX-B: b", BAD),
        get("9110 5.5", "a control in a value", "X-A: a\x01b", BAD),
        get("9110 5.5", "an empty value", "X-A:", Pass).hears(&["\r\nx-a:"]),
        get("9110 5.5", "bytes beyond ASCII in a value", "X-A: caf\u{e9}", Pass),
        get("9110 5.3", "one name twice", "X-A: 1\r\nX-B: 2\r\nX-A: 3", Pass).hears(&["x-a: 1\r\n", "x-a: 3\r\n"]),
        get("9110 8.3", "two media types", "Content-Type: text/plain\r\nContent-Type: text/html", BAD),
        get("9110 5.4", "8 kB in one field", &format!("X-A: {}", "a".repeat(8192)), Pass),
        get("9110 5.4", "100 kB in one field", &format!("X-A: {}", "a".repeat(100_000)), Refuse(&[431])),
        get("9110 5.4", "100 kB in one name", &format!("X-{}: a", "a".repeat(100_000)), Refuse(&[431])),
        get("9110 5.4", "101 fields", many.trim_end(), Refuse(&[431])),
    ]
}

fn lengths() -> Vec<Case> {
    let length = |what, value: &str, must| post("9112 6.2", what, &format!("Content-Length: {value}"), "abc", must);
    vec![
        length("a length", "3", Pass),
        length("zeros in front", "003", BAD),
        length("a sign", "+3", BAD),
        length("below zero", "-3", BAD),
        length("hexadecimal", "0x3", BAD),
        length("an exponent", "3e0", BAD),
        length("a fraction", "3.0", BAD),
        length("a blank within", "3 3", BAD),
        length("empty", "", BAD),
        length("beyond 64 bits", "18446744073709551619", BAD),
        length("a list of the same", "3, 3", BAD),
        length("a list", "3, 4", BAD),
        post("9112 6.3", "two that agree", "Content-Length: 3\r\nContent-Length: 3", "abc", BAD),
        post("9112 6.3", "two that do not", "Content-Length: 3\r\nContent-Length: 4", "abcd", BAD),
        post("9112 6.3", "with an underscore", "Content-Length: 3\r\nContent_Length: 4", "abcd", BAD),
        raw(
            "9112 6",
            "a body of a GET is one",
            format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nGET /"),
            Pass,
        ),
    ]
}

fn codings() -> Vec<Case> {
    let coding = |what, lines: &str, must| post("9112 6.1", what, lines, "3\r\nabc\r\n0\r\n\r\n", must);
    vec![
        coding("chunked", "Transfer-Encoding: chunked", Pass),
        coding("capitals", "Transfer-Encoding: CHUNKED", Pass),
        coding("with a length", "Transfer-Encoding: chunked\r\nContent-Length: 13", BAD),
        coding("with a length in front", "Content-Length: 13\r\nTransfer-Encoding: chunked", BAD),
        coding("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", BAD),
        coding("in a list twice", "Transfer-Encoding: chunked, chunked", BAD),
        coding("behind another", "Transfer-Encoding: gzip, chunked", BAD_CODING),
        coding("before another", "Transfer-Encoding: chunked, gzip", BAD_CODING),
        coding("another on a second line", "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", BAD_CODING),
        coding("identity", "Transfer-Encoding: identity", BAD_CODING),
        coding("an unknown one", "Transfer-Encoding: xchunked", BAD_CODING),
        coding("none", "Transfer-Encoding:", BAD_CODING),
        coding("an empty member", "Transfer-Encoding: ,chunked", BAD_CODING),
        coding("a parameter", "Transfer-Encoding: chunked;a=b", BAD_CODING),
        coding("in quotes", "Transfer-Encoding: \"chunked\"", BAD_CODING),
        coding("a vertical tab in front", "Transfer-Encoding: \x0bchunked", BAD_CODING),
        coding("folded", "Transfer-Encoding:\r\n chunked", BAD),
        coding("a space before the colon", "Transfer-Encoding : chunked", BAD),
        coding("with an underscore", "Transfer_Encoding: chunked", BAD),
        raw(
            "9112 6.1",
            "in HTTP/1.0",
            format!("POST / HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            BAD,
        ),
        chunks("extensions", "3;a;b=c;d=\"e\\\";f\"\r\nabc\r\n0;g\r\n\r\n", Pass),
        chunks("blanks around extensions", "3 ; a = b\r\nabc\r\n0\r\n\r\n", Pass),
        chunks("zeros in front", "0003\r\nabc\r\n00\r\n\r\n", Pass),
        chunks("trailers", "0\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n", Pass).hears(&["!content-length", "!x-a"]),
        chunks("no size", "\r\nabc\r\n0\r\n\r\n", Break),
        chunks("a blank in front", " 3\r\nabc\r\n0\r\n\r\n", Break),
        chunks("a blank behind", "3 \r\nabc\r\n0\r\n\r\n", Break),
        chunks("0x", "0x3\r\nabc\r\n0\r\n\r\n", Break),
        chunks("a sign", "+3\r\nabc\r\n0\r\n\r\n", Break),
        chunks("below zero", "-1\r\nabc\r\n0\r\n\r\n", Break),
        chunks("beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n", Break),
        chunks("a size that ends in LF", "3\nabc\r\n0\r\n\r\n", Break),
        chunks("a chunk that ends in LF", "3\r\nabc\n0\r\n\r\n", Break),
        chunks("a chunk that goes on", "3\r\nabcd\r\n0\r\n\r\n", Break),
        chunks("CR in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n", Break),
        chunks("LF in an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n", Break),
        chunks("an extension without a name", "3;\r\nabc\r\n0\r\n\r\n", Break),
        chunks("the end in LF", "0\r\n\n", Break),
        chunks("a trailer without a colon", "0\r\nX-A\r\n\r\n", Break),
        chunks("a trailer that is folded", "0\r\nX-A: 1\r\n b\r\n\r\n", Break),
        chunks("NUL in a trailer", "0\r\nX-A: \0\r\n\r\n", Break),
    ]
}

fn connections() -> Vec<Case> {
    let old =
        |what, lines: &str, must| raw("9112 9.3", what, format!("GET / HTTP/1.0\r\nHost: {HOST}\r\n{lines}\r\n"), must);
    vec![
        get("9112 9.3", "close", "Connection: close", PassAndEnd),
        get("9112 9.3", "close in capitals, in a list", "Connection: a, CLOSE", PassAndEnd),
        get("9112 9.3", "close behind keep-alive", "Connection: keep-alive, close", PassAndEnd),
        get("9112 9.3", "close before keep-alive", "Connection: close, keep-alive", PassAndEnd),
        get("9112 9.3", "close in a second field", "Connection: keep-alive\r\nConnection: close", PassAndEnd),
        get("9112 9.3", "close in a third field", "Connection: a\r\nConnection:\r\nConnection: b,close", PassAndEnd),
        old("HTTP/1.0", "", PassAndEnd),
        old("keep-alive in HTTP/1.0", "Connection: keep-alive\r\n", Pass),
        old("close in HTTP/1.0, in a second field", "Connection: keep-alive\r\nConnection: close\r\n", PassAndEnd),
        get("9110 7.6.1", "named in a second field", "Connection: keep-alive\r\nConnection: X-A\r\nX-A: 1", Pass)
            .hears(&["!x-a"]),
        get("9110 7.6.1", "Keep-Alive, Proxy-Connection", "Keep-Alive: 5\r\nProxy-Connection: close", Pass)
            .hears(&["!keep-alive", "!proxy-connection"]),
        get("9110 10.1.4", "TE, named or not", "TE: trailers, gzip", Pass).hears(&["!\r\nte:"]),
        get("9110 7.8", "Upgrade that is not named", "Upgrade: websocket", Pass).hears(&["!upgrade"]),
        get("9110 7.8", "h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk", Pass)
            .hears(&["!upgrade", "!http2-settings"]),
        old("Upgrade in HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", PassAndEnd).hears(&["!upgrade"]),
        post(
            "9110 7.8",
            "Upgrade with a body",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3",
            "abc",
            BAD,
        ),
        post("9110 10.1.1", "Expect, and the body at once", "Expect: 100-continue\r\nContent-Length: 3", "abc", Pass),
        raw(
            "9110 10.1.1",
            "Expect in HTTP/1.0",
            format!("POST / HTTP/1.0\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"),
            PassAndEnd,
        ),
        get("9110 10.1.1", "Expect without a body", "Expect: 100-continue", Pass),
        get("9110 7.6.2", "Max-Forwards of a GET", "Max-Forwards: 0", Pass),
        get("9110 7.6.3", "an odd Via", "Via: , 1.0 a (\"b, 1.1 c\"),", Pass),
    ]
}

/// Tries every case on a connection of its own, and tells all that went wrong together.
async fn hold(protocol: Protocol, cases: Vec<Case>) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::with(protocol, Tenant::shop(origin.addr()).queue("shop", OPEN)).await;
    let mut wrong = String::new();
    for case in &cases {
        if let Err(seen) = judge(&site, &origin, case).await {
            let _ = writeln!(wrong, "{} {}: {seen}, but must {:?}", case.section, case.what, case.must);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

async fn judge(site: &Site, origin: &Raw, case: &Case) -> Result<(), String> {
    let before = origin.heard().len();
    let mut connection = site.bytes().await;
    // Another request behind it: it is none if the connection ends.
    let behind = Request::fetch("GET", "/behind").bytes();
    connection.try_send(&[&case.bytes[..], &behind].concat()).await;
    let answer = connection.response_if_any("GET").await;
    let status = answer.as_ref().map(|answer| answer.status);
    let second = match &answer {
        Some(answer) if !answer.closes() => connection.response_if_any("GET").await.map(|answer| answer.status),
        _ => None,
    };
    let goes_on = second == Some(200);
    if !goes_on {
        connection.closed().await;
    }
    let heads: Vec<_> = origin.heard()[before..].iter().map(|heard| heard.head.to_ascii_lowercase()).collect();
    let (behind, heads): (Vec<_>, Vec<_>) = heads.into_iter().partition(|head| head.starts_with("get /behind "));
    let heard_behind = !behind.is_empty();
    let seen = format!("{status:?}, then {second:?}; the origin heard {heads:?} and what was behind: {heard_behind}");
    let holds = match case.must {
        Refuse(statuses) => {
            status.is_some_and(|it| statuses.contains(&it)) && heads.is_empty() && !goes_on && !heard_behind
        }
        Pass => status == Some(200) && heads.len() == 1 && goes_on,
        PassAndEnd => status == Some(200) && heads.len() == 1 && second.is_none() && !heard_behind,
        Answer(expected) => status == Some(expected) && heads.is_empty() && goes_on,
        Break => status.is_none_or(|it| it == 400) && heads.is_empty() && !goes_on && !heard_behind,
    };
    let has = |text: &&str| match text.strip_prefix('!') {
        Some(text) => heads.iter().all(|head| !head.contains(text)),
        None => heads.iter().any(|head| head.contains(*text)),
    };
    if holds && case.hears.iter().all(has) { Ok(()) } else { Err(seen) }
}

async fn request_lines_are_read_in_one_way(protocol: Protocol) {
    hold(protocol, request_lines()).await;
}

async fn a_host_is_one_name(protocol: Protocol) {
    hold(protocol, hosts()).await;
}

async fn fields_are_lines_of_a_name_and_a_value(protocol: Protocol) {
    hold(protocol, fields()).await;
}

async fn lengths_are_plain_numbers(protocol: Protocol) {
    hold(protocol, lengths()).await;
}

async fn chunks_are_the_only_coding_and_exact(protocol: Protocol) {
    hold(protocol, codings()).await;
}

async fn a_connection_ends_where_either_side_says_so(protocol: Protocol) {
    hold(protocol, connections()).await;
}

on_http1!(
    request_lines_are_read_in_one_way,
    a_host_is_one_name,
    fields_are_lines_of_a_name_and_a_value,
    lengths_are_plain_numbers,
    chunks_are_the_only_coding_and_exact,
    a_connection_ends_where_either_side_says_so,
);
