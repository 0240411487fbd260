//! What comes back, and why nothing does.

use std::{error::Error, fmt, io, io::Write as _};

use bytes::Bytes;
use http::{HeaderMap, header};

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn set_cookies(&self) -> impl Iterator<Item = &str> {
        self.headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok())
    }

    /// As it would stand in HTTP/1.1, so that what looks at answers knows one form.
    pub(crate) fn write_http1(&self, to: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = write!(to, "HTTP/1.1 {} \r\n", self.status);
        for (name, value) in &self.headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                to.extend_from_slice(part);
            }
        }
        to.extend_from_slice(b"\r\n");
        to.extend_from_slice(&self.body);
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No connection could be made.
    Connect(io::ErrorKind),
    /// TLS was not agreed on.
    Handshake(String),
    /// The connection ended before the answer did.
    Broken(io::ErrorKind),
    /// The request, or all of them, was ended with this code of HTTP/2.
    Ended(h2::Reason),
    /// The other end takes no more requests on this connection, and has not seen this one: RFC 9113, sections 6.8 and 8.7. It may
    /// be sent again.
    Unseen,
    /// What came is not HTTP, or not whole.
    NotHttp,
    /// Nothing came within so many seconds.
    Silence(u64),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "no connection: {kind}"),
            Self::Handshake(why) => write!(f, "no TLS: {why}"),
            Self::Broken(kind) => write!(f, "no answer: {kind}"),
            Self::Ended(reason) => write!(f, "no answer: ended with {reason:?}"),
            Self::Unseen => write!(f, "no answer: the connection ended before the request was seen"),
            Self::NotHttp => write!(f, "an answer that is not whole"),
            Self::Silence(seconds) => write!(f, "no answer within {seconds} s"),
        }
    }
}

impl Error for Trouble {}

impl From<hyper::Error> for Trouble {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() {
            return Self::NotHttp;
        }
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        Self::Broken(cause.map_or(io::ErrorKind::UnexpectedEof, io::Error::kind))
    }
}

/// Of a body: longer than it may be, or what went wrong below it.
impl From<Box<dyn Error + Send + Sync>> for Trouble {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        error.downcast::<hyper::Error>().map_or(Self::NotHttp, |error| Self::from(*error))
    }
}

impl From<h2::Error> for Trouble {
    fn from(error: h2::Error) -> Self {
        match (error.get_io(), error.reason()) {
            (Some(io), _) => Self::Broken(io.kind()),
            (None, Some(h2::Reason::NO_ERROR)) if error.is_go_away() && error.is_remote() => Self::Unseen,
            (None, Some(reason)) => Self::Ended(reason),
            (None, None) => Self::Broken(io::ErrorKind::UnexpectedEof),
        }
    }
}
