//! TLS: who gets which certificate, for which hosts a connection is good, and what a session is worth when it comes back.

mod handshakes;
mod hosts;
mod sessions;

use std::io;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{
    Connection, Protocol, Request,
    connection::Stream,
    frames::{END_HEADERS, END_STREAM, Frame, Frames, HEADERS, Outcome, block},
};

/// The status that a navigation to a host gets, or to none.
///
/// # Errors
/// If there is no answer; a fatal alert is in its text.
async fn status(stream: TlsStream<TcpStream>, protocol: Protocol, host: Option<&str>) -> io::Result<u16> {
    if protocol == Protocol::Http2 {
        return Ok(status_over_http2(stream, host).await);
    }
    let request = String::from_utf8(Request::navigation("/").host(host.unwrap_or("nobody")).bytes()).unwrap();
    let request = if host.is_some() { request } else { request.replacen("Host: nobody\r\n", "", 1) };
    let mut connection = Connection::over(stream);
    connection.try_send(request).await;
    Ok(connection.try_response("GET").await?.status)
}

async fn status_over_http2(stream: impl Stream + 'static, host: Option<&str>) -> u16 {
    let mut frames = Frames::begin(stream, &[]).await;
    let fields = [(":method", "GET"), (":scheme", "https"), (":path", "/"), ("accept", "text/html")];
    let fields = [&fields[..3], &host.map(|host| (":authority", host)).into_iter().collect::<Vec<_>>(), &fields[3..]];
    frames.send(&[Frame::new(HEADERS, END_HEADERS | END_STREAM, 1, block(&fields.concat()))]).await;
    match frames.outcome(1).await {
        Outcome::Answered(status) => status,
        other => panic!("{host:?}: {other:?}"),
    }
}
