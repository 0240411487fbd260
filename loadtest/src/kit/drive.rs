//! Drives requests over and over, closed loop, over a fixed set of connections.
//!
//! Requests and answers have the form of HTTP/1.1, over HTTP/2 as well: what makes requests and what looks at answers
//! knows one form. Plain HTTP/1.1 is read by the fewest means that there are, so that servers get most of the machine.

use std::{net::Ipv4Addr, sync::Arc};

use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};

use crate::{
    Failed,
    client::{self, Io, Protocol, Target, parse},
};

/// Longest answer that is read, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Over HTTP/2 all who ask at the same time share so many connections.
const HTTP2_CONNECTIONS: usize = 8;

/// A connection, or a lane of one, that asks and reads whole answers.
pub(crate) struct Connection {
    kind: Kind,
    buffer: Vec<u8>,
}

enum Kind {
    Http1(Io),
    Http2(client::Connection, Option<Box<Ready>>),
}

/// What was asked last, and what it is in HTTP/2.
struct Ready {
    bytes: Vec<u8>,
    request: Request<()>,
}

impl Connection {
    pub(crate) async fn open(to: impl Into<Target>) -> Result<Self, Failed> {
        Self::open_from(&to.into(), None).await
    }

    /// From this address, if one is given.
    pub(crate) async fn open_from(to: &Target, from: Option<Ipv4Addr>) -> Result<Self, Failed> {
        let kind = match to.way.protocol() {
            Protocol::Http1 | Protocol::Http1Tls => Kind::Http1(to.way.connect(to.addr, from).await?),
            Protocol::Http2Tls => Kind::Http2(client::Connection::open(&to.way, to.addr, from).await?, None),
        };
        Ok(Self { kind, buffer: Vec::new() })
    }

    /// So many that ask at the same time: each on a connection of its own, or over HTTP/2 by streams of a few.
    pub(crate) async fn lanes(to: &Target, count: usize) -> Result<Vec<Self>, Failed> {
        let mut lanes: Vec<Self> = Vec::with_capacity(count);
        for number in 0..count {
            let shared = number.checked_sub(HTTP2_CONNECTIONS).and_then(|at| match &lanes.get(at)?.kind {
                Kind::Http1(_) => None,
                Kind::Http2(connection, _) => Some(Kind::Http2(connection.lane()?, None)),
            });
            lanes.push(match shared {
                Some(kind) => Self { kind, buffer: Vec::new() },
                None => Self::open(to).await?,
            });
        }
        Ok(lanes)
    }

    /// Sends a request and gives the whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<&[u8], Failed> {
        match &mut self.kind {
            Kind::Http1(io) => ask(io, &mut self.buffer, request).await,
            Kind::Http2(connection, last) => {
                let ready = match last.take().filter(|last| last.bytes == request) {
                    Some(ready) => last.insert(ready),
                    None => {
                        let parsed = parse(request).ok_or("what is to be asked is no request without a body")?;
                        last.insert(Box::new(Ready { bytes: request.to_vec(), request: connection.ready(&parsed)? }))
                    }
                };
                let answer = connection.send(ready.request.clone()).await?;
                self.buffer.clear();
                answer.write_http1(&mut self.buffer);
                Ok(&self.buffer)
            }
        }
    }

    /// Gives back the memory of the last answer.
    pub(crate) fn rest(&mut self) {
        self.buffer = Vec::new();
    }
}

async fn ask<'a>(io: &mut Io, buffer: &'a mut Vec<u8>, request: &[u8]) -> Result<&'a [u8], Failed> {
    io.write_all(request).await?;
    io.flush().await?;
    buffer.clear();
    buffer.reserve(ANSWER_BYTES_MAX);
    loop {
        if io.read_buf(buffer).await? == 0 {
            return Err("the connection was closed".into());
        }
        if let Some(length) = answer_length(buffer)
            && buffer.len() >= length
        {
            return Ok(&buffer[..length]);
        }
        if buffer.len() >= ANSWER_BYTES_MAX {
            return Err("the answer is too long".into());
        }
    }
}

/// The length of an answer, once its head is there.
pub(crate) fn answer_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(end + length.unwrap_or(0))
}

/// Sends the same request `count` times over so many lanes. Every answer must start with `expect`.
pub(crate) async fn repeat(
    to: &Target,
    request: Arc<[u8]>,
    expect: &'static str,
    count: usize,
    lanes: usize,
) -> Result<(), Failed> {
    let mut workers = JoinSet::new();
    for mut connection in Connection::lanes(to, lanes).await? {
        let request = request.clone();
        workers.spawn(async move {
            for _ in 0..count / lanes {
                let answer = connection.ask(&request).await?;
                if !answer.starts_with(expect.as_bytes()) {
                    let line = String::from_utf8_lossy(&answer[..answer.len().min(40)]).into_owned();
                    return Err::<(), Failed>(format!("{expect} was expected, {line} came").into());
                }
            }
            Ok(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(())
}
