//! One HTTP/1.1 connection, byte by byte: what is written is what the test says, and one response at a time is read.

use std::{fmt, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Request, Response, SOON};

/// Bytes both ways: plain, or through TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin> Stream for S {}

/// A client's end of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    /// Read, and not yet part of a response.
    ahead: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        Self::try_open(addr).await.unwrap_or_else(|error| panic!("{addr}: {error}"))
    }

    pub(crate) async fn try_open(addr: SocketAddr) -> io::Result<Self> {
        let tcp = TcpStream::connect(addr).await?;
        tcp.set_nodelay(true)?;
        Ok(Self::over(tcp))
    }

    /// On a connection that stands already.
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), ahead: Vec::new() }
    }

    /// Asks and gets the answer.
    pub(crate) async fn ask(&mut self, request: &Request) -> Response {
        self.try_ask(request).await.unwrap_or_else(|error| panic!("{error}, asked {request:?}"))
    }

    pub(crate) async fn try_ask(&mut self, request: &Request) -> io::Result<Response> {
        self.stream.write_all(&request.bytes()).await?;
        self.stream.flush().await?;
        self.try_response(request.method()).await
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Says that nothing more is sent, and goes on listening.
    pub(crate) async fn end_sending(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// All that comes until the other end has closed.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        self.closed().await;
        std::mem::take(&mut self.ahead)
    }

    /// Sends what the other end may not want to read to its end.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next response, unless the connection ends before there is one.
    pub(crate) async fn response_if_any(&mut self, method: &str) -> Option<Response> {
        self.try_response(method).await.ok()
    }

    /// The next response, to a request of this method.
    pub(crate) async fn response(&mut self, method: &str) -> Response {
        self.try_response(method).await.unwrap_or_else(|error| panic!("no response to a {method}: {error}"))
    }

    /// Bytes that follow a switch of protocols.
    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            self.more().await.unwrap();
        }
        self.ahead.drain(..length).collect()
    }

    /// Whatever comes until a text has come.
    pub(crate) async fn text_with(&mut self, text: &str) -> String {
        loop {
            let so_far = String::from_utf8_lossy(&self.ahead).into_owned();
            if so_far.contains(text) {
                return so_far;
            }
            self.more().await.unwrap_or_else(|error| panic!("{error} before {text:?}, after {so_far:?}"));
        }
    }

    /// Whether a second request is answered on this connection.
    pub(crate) async fn is_usable(&mut self) -> bool {
        self.try_ask(&Request::unknown_queue()).await.is_ok_and(|answer| answer.status == 404)
    }

    /// Waits until the other end has closed, whatever it sends before.
    pub(crate) async fn closed(&mut self) {
        while self.more().await.is_ok() {}
    }

    /// Whether the other end closes within a moment. The one place that waits for nothing to happen.
    pub(crate) async fn stays_open_for(&mut self, moment: Duration) -> bool {
        timeout(moment, self.closed()).await.is_err()
    }

    pub(crate) async fn try_response(&mut self, method: &str) -> io::Result<Response> {
        let mut response = loop {
            let head = self.head().await?;
            let response = Response::parse_head(&head).ok_or_else(|| broken(format!("not a head: {head:?}")))?;
            // Interim answers are followed by the real one; a switch of protocols is the real one.
            if response.status >= 200 || response.status == 101 {
                break response;
            }
        };
        let bodiless = method == "HEAD" || matches!(response.status, 101 | 204 | 304);
        let chunked = response.header_values("transfer-encoding").any(|coding| coding == "chunked");
        let length = response.header("content-length").map(str::parse);
        response.body = match length {
            _ if bodiless => Vec::new(),
            _ if chunked => self.chunks().await?,
            Some(length) => self.take(length.map_err(|_| broken("content-length".into()))?).await?,
            None => {
                while self.more().await.is_ok() {}
                std::mem::take(&mut self.ahead)
            }
        };
        Ok(response)
    }

    async fn head(&mut self) -> io::Result<String> {
        const END: &[u8] = b"\r\n\r\n";
        loop {
            if let Some(at) = self.ahead.windows(END.len()).position(|window| window == END) {
                let head = self.take(at + END.len()).await?;
                return String::from_utf8(head).map_err(|_| broken("a head is not text".into()));
            }
            self.more().await?;
        }
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let length = usize::from_str_radix(&line, 16).map_err(|_| broken(format!("chunk size {line:?}")))?;
            body.extend(self.take(length).await?);
            let end = self.line().await?;
            if !end.is_empty() {
                return Err(broken(format!("a chunk, or the last one, ends in {end:?}")));
            }
            if length == 0 {
                return Ok(body);
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.ahead.windows(2).position(|window| window == b"\r\n") {
                let mut line = self.take(at + 2).await?;
                line.truncate(at);
                return String::from_utf8(line).map_err(|_| broken("a line is not text".into()));
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            self.more().await?;
        }
        Ok(self.ahead.drain(..length).collect())
    }

    async fn more(&mut self) -> io::Result<()> {
        let read = timeout(SOON, self.stream.read_buf(&mut self.ahead)).await;
        match read.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer"))?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn broken(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
