//! Somebody with a browser: the same headers for every server, and cookies that are kept.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::work::Expect;
use crate::{Failed, client::Target, kit::drive::Connection};

/// The host of the one tenant.
pub(super) const HOST: &str = "shop.example.com";
/// Connections over which a crowd asks.
const CROWD_CONNECTIONS: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Visitor {
    path: &'static str,
    cookies: Vec<(String, String)>,
}

impl Visitor {
    pub(super) fn new(path: &'static str) -> Self {
        Self { path, cookies: Vec::new() }
    }

    /// The same visitor, asking for another path.
    pub(super) fn at(&self, path: &'static str) -> Self {
        Self { path, cookies: self.cookies.clone() }
    }

    pub(super) fn request(&self) -> Vec<u8> {
        // The page's script asks for the status, the browser for everything else.
        let mode = if self.path.contains("status") { "same-origin" } else { "navigate" };
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) };
        let path = self.path;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: compare\r\nAccept: text/html\r\nSec-Fetch-Mode: \
             {mode}\r\n{cookie}\r\n"
        )
        .into_bytes()
    }

    /// Asks once, and takes up the cookies of the answer.
    pub(super) async fn ask(&mut self, connection: &mut Connection, expect: &Expect) -> Result<Vec<u8>, Failed> {
        let answer = connection.ask(&self.request()).await?.to_vec();
        expect.check(&answer)?;
        self.keep(&answer);
        Ok(answer)
    }

    fn keep(&mut self, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        for line in head.split("\r\n") {
            let Some((header, cookie)) = line.split_once(':') else { continue };
            let pair = cookie.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            if header.eq_ignore_ascii_case("set-cookie") {
                self.cookies.retain(|(kept, _)| kept != name);
                // An empty value takes the cookie away.
                if !value.is_empty() {
                    self.cookies.push((name.to_owned(), value.to_owned()));
                }
            }
        }
    }
}

/// Every visitor asks as often as there are expectations, many at a time, and keeps what it is given.
pub(super) async fn all_ask(
    to: impl Into<Target>,
    visitors: &[Visitor],
    expect: &[Expect],
) -> Result<Vec<Visitor>, Failed> {
    let to = to.into();
    let expect: Arc<[Expect]> = expect.into();
    let each = visitors.len().div_ceil(CROWD_CONNECTIONS).max(1);
    let mut groups = JoinSet::new();
    for group in visitors.chunks(each) {
        let (to, mut group, expect) = (to.clone(), group.to_vec(), expect.clone());
        groups.spawn(async move {
            let mut connection = Connection::open(&to).await?;
            for visitor in &mut group {
                for expect in expect.iter() {
                    visitor.ask(&mut connection, expect).await?;
                }
            }
            Ok::<_, Failed>(group)
        });
    }
    let mut asked = Vec::with_capacity(visitors.len());
    while let Some(group) = groups.join_next().await {
        asked.extend(group??);
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_taken_away() {
        let mut visitor = Visitor::new("/");
        visitor.keep(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=x=y\r\n\r\nSet-Cookie: no=1");
        assert_eq!(visitor.cookies, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x=y".to_owned())]);
        visitor.keep(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=; Max-Age=0\r\nSet-Cookie: b=2\r\n\r\n");
        assert_eq!(visitor.cookies, [("b".to_owned(), "2".to_owned())]);
        let request = String::from_utf8_lossy(&visitor.request()).into_owned();
        assert!(request.contains("\r\nCookie: b=2\r\n\r\n"), "{request}");
    }
}
