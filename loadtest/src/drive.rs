//! Drives one request over and over, closed loop, over a fixed set of keep-alive connections.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::Failed;

/// Longest answer that is read.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A connection that asks and reads whole answers.
pub(crate) struct Connection {
    tcp: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(to).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, buffer: Vec::with_capacity(ANSWER_BYTES_MAX) })
    }

    /// Sends a request and gives the whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<&[u8], Failed> {
        ask(&mut self.tcp, &mut self.buffer, request).await
    }
}

/// Sends a request over a connection and reads the whole answer into `buffer`.
pub(crate) async fn ask<'a>(tcp: &mut TcpStream, buffer: &'a mut Vec<u8>, request: &[u8]) -> Result<&'a [u8], Failed> {
    tcp.write_all(request).await?;
    buffer.clear();
    loop {
        if tcp.read_buf(buffer).await? == 0 {
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

/// Sends the same request `count` times over `connections` connections. Every answer must start with `expect`.
pub(crate) async fn repeat(
    to: SocketAddr,
    request: Arc<[u8]>,
    expect: &'static str,
    count: usize,
    connections: usize,
) -> Result<(), Failed> {
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let request = request.clone();
        workers.spawn(async move {
            let mut connection = Connection::open(to).await?;
            for _ in 0..count / connections {
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
