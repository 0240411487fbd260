//! An HTTP/2 connection as a well-behaved client has it.

use std::{fmt, future::Future, io};

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::HeaderMap;
use tokio::{task::AbortHandle, time::timeout};

use crate::support::{Request, Response, SOON, connection::Stream};

/// A client's end of a connection. Clones share it.
#[derive(Clone)]
pub(crate) struct Http2 {
    requests: SendRequest<Bytes>,
    driver: AbortHandle,
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2").field("closed", &self.driver.is_finished()).finish()
    }
}

impl Http2 {
    /// On a connection that stands already.
    pub(crate) async fn over(stream: impl Stream + 'static) -> Self {
        Self::with(&h2::client::Builder::new(), stream).await
    }

    /// The same with room for many bytes at once, as browsers have it.
    pub(crate) async fn wide(stream: impl Stream + 'static) -> Self {
        Self::with(h2::client::Builder::new().initial_connection_window_size(1 << 20), stream).await
    }

    async fn with(options: &h2::client::Builder, stream: impl Stream + 'static) -> Self {
        let (requests, connection) = options.handshake(stream).await.unwrap();
        // Whatever ends it, those who ask hear of it.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Self { requests, driver }
    }

    /// Asks and gets the answer.
    pub(crate) async fn ask(&self, request: &Request) -> Response {
        self.try_ask(request).await.unwrap_or_else(|error| panic!("{error}, asked {request:?}"))
    }

    pub(crate) async fn try_ask(&self, request: &Request) -> io::Result<Response> {
        let (head, body) = request.http2("https");
        soon(self.exchange(head, body, None)).await
    }

    /// Asks, unless the node has said that it takes no more on this connection: then nothing was sent. A request that was
    /// sent and is not answered fails the test.
    pub(crate) async fn ask_unless_leaving(&self, request: &Request) -> Option<Response> {
        let (head, _) = request.http2("https");
        let mut requests = self.requests.clone().ready().await.ok()?;
        let (answer, _) = requests.send_request(head, true).ok()?;
        let answered = soon(async {
            let (head, mut body) = answer.await?.into_parts();
            let headers = head.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
            Ok(Response { status: head.status.as_u16(), headers, body: whole(&mut body).await? })
        });
        Some(answered.await.unwrap_or_else(|error| panic!("{error}, asked {request:?}")))
    }

    /// Asks with fields behind the body.
    pub(crate) async fn ask_with_trailers(&self, request: &Request, trailers: HeaderMap) -> Response {
        let (head, body) = request.http2("https");
        soon(self.exchange(head, body, Some(trailers))).await.unwrap()
    }

    /// Asks, and gets what stands behind the answer's body as well.
    pub(crate) async fn ask_for_trailers(&self, request: &Request) -> (Response, HeaderMap) {
        let (head, _) = request.http2("https");
        let asked = async {
            let (answer, _) = self.requests.clone().ready().await?.send_request(head, true)?;
            let (head, mut body) = answer.await?.into_parts();
            let bytes = whole(&mut body).await?;
            let trailers = body.trailers().await?.unwrap_or_default();
            Ok((Response { status: head.status.as_u16(), headers: Vec::new(), body: bytes }, trailers))
        };
        soon(asked).await.unwrap()
    }

    async fn exchange(
        &self,
        head: http::Request<()>,
        mut body: Bytes,
        trailers: Option<HeaderMap>,
    ) -> Result<Response, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let ends = body.is_empty() && trailers.is_none();
        let (answer, mut sending) = requests.send_request(head, ends)?;
        let send = async {
            while !body.is_empty() {
                sending.reserve_capacity(body.len());
                let Some(room) = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await else { return };
                let Ok(room) = room else { return };
                let piece = body.split_to(room.min(body.len()));
                // Who has answered already may not want the rest.
                if sending.send_data(piece, body.is_empty() && trailers.is_none()).is_err() {
                    return;
                }
            }
            if let Some(trailers) = trailers {
                let _ = sending.send_trailers(trailers);
            }
        };
        let receive = async {
            let (head, mut body) = answer.await?.into_parts();
            Ok(Response {
                status: head.status.as_u16(),
                headers: head.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect(),
                body: whole(&mut body).await?,
            })
        };
        if ends {
            return receive.await;
        }
        let (mut send, mut receive) = (std::pin::pin!(send), std::pin::pin!(receive));
        tokio::select! {
            response = &mut receive => response,
            () = &mut send => receive.await,
        }
    }
}

async fn whole(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn soon<T>(asked: impl Future<Output = Result<T, h2::Error>>) -> io::Result<T> {
    let answered = timeout(SOON, asked).await;
    answered.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer"))?.map_err(io::Error::other)
}
