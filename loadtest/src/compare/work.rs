//! What servers are given to do, and what they must answer.

use clap::ValueEnum;
use memchr::memmem;
use serde::Serialize;

use crate::{Failed, client::Protocol};

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Work {
    /// A visitor inside: forwarded to the origin.
    Admitted,
    /// Far back in line, asks how it stands.
    Poll,
    /// Far back in line, loads the page that was asked for.
    Page,
    /// Comes for the first time, without a cookie, while a line stands.
    Newcomers,
}

impl Work {
    pub(super) const ALL: [Self; 4] = [Self::Admitted, Self::Poll, Self::Page, Self::Newcomers];

    /// The heading of its column.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Admitted => "admitted GET",
            Self::Poll => "status poll",
            Self::Page => "waiting page",
            Self::Newcomers => "newcomer",
        }
    }
}

/// A kind of request, and what it comes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) protocol: Protocol,
}

impl Job {
    /// In the open, as everything is measured that is not measured over TLS.
    pub(super) const fn plain(work: Work) -> Self {
        Self { work, protocol: Protocol::Http1 }
    }

    /// The heading of its column.
    pub(super) fn title(self) -> String {
        match self.protocol {
            Protocol::Http1 => self.work.title().to_owned(),
            over => format!("{}, {}", self.work.title(), over.title()),
        }
    }
}

/// What every answer must be: an error page that is measured looks like a fast server.
#[derive(Clone, Debug)]
pub(super) struct Expect {
    start: String,
    holds: &'static str,
}

impl Expect {
    /// This status, and this text somewhere in head or body.
    pub(super) fn new(status: u16, holds: &'static str) -> Self {
        Self { start: format!("HTTP/1.1 {status} "), holds }
    }

    pub(super) fn check(&self, answer: &[u8]) -> Result<(), Failed> {
        if answer.starts_with(self.start.as_bytes()) && memmem::find(answer, self.holds.as_bytes()).is_some() {
            return Ok(());
        }
        let came = String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned();
        Err(format!("an answer {:?} with {:?} was expected, but this came:\n{came}", self.start, self.holds).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_is_not_taken_for_the_answer() {
        let expect = Expect::new(503, "</html>");
        assert!(expect.check(b"HTTP/1.1 503 Service Unavailable\r\n\r\n<html>line</html>").is_ok());
        assert!(expect.check(b"HTTP/1.1 503 Service Unavailable\r\n\r\nsorry").is_err());
        assert!(expect.check(b"HTTP/1.1 502 Bad Gateway\r\n\r\n</html>").is_err());
    }
}
