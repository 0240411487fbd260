//! What is spoken with a node, for tests that hold whichever it is.

use std::io;

use crate::support::{Connection, Http2, Request, Response};

/// What clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http1Tls,
    Http2,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Http1, Self::Http1Tls, Self::Http2];
    /// Those that a handshake comes before.
    pub(crate) const ENCRYPTED: [Self; 2] = [Self::Http1Tls, Self::Http2];

    /// What a handshake calls it.
    pub(crate) fn alpn(self) -> &'static str {
        if self == Self::Http2 { "h2" } else { "http/1.1" }
    }
}

/// A connection that asks and is answered.
#[derive(Debug)]
pub(crate) enum Client {
    Http1(Connection),
    Http2(Http2),
}

impl Client {
    /// Asks and gets the answer.
    pub(crate) async fn ask(&mut self, request: &Request) -> Response {
        self.try_ask(request).await.unwrap_or_else(|error| panic!("{error}, asked {request:?}"))
    }

    pub(crate) async fn try_ask(&mut self, request: &Request) -> io::Result<Response> {
        match self {
            Self::Http1(connection) => connection.try_ask(request).await,
            Self::Http2(connection) => connection.try_ask(request).await,
        }
    }

    /// Whether a second request is answered on this connection.
    pub(crate) async fn is_usable(&mut self) -> bool {
        self.try_ask(&Request::unknown_queue()).await.is_ok_and(|answer| answer.status == 404)
    }
}

/// Makes a test of each of these functions, which take a protocol.
macro_rules! on_protocol {
    ($module:ident $protocol:ident: $($test:ident),* $(,)?) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($crate::support::Protocol::$protocol).await;
                }
            )*
        }
    };
}

/// The same for every protocol that has an `Upgrade`.
macro_rules! on_http1 {
    ($($test:ident),* $(,)?) => {
        $crate::support::client::on_protocol!(http1 Http1: $($test),*);
        $crate::support::client::on_protocol!(http1_tls Http1Tls: $($test),*);
    };
}

/// The same for every protocol.
macro_rules! on_every_protocol {
    ($($test:ident),* $(,)?) => {
        $crate::support::client::on_http1!($($test),*);
        $crate::support::client::on_protocol!(http2 Http2: $($test),*);
    };
}

pub(crate) use {on_every_protocol, on_http1, on_protocol};
