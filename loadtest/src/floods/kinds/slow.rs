//! Clients that are slow on purpose: with an answer, and with a handshake.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, task::JoinHandle, time::sleep};

use crate::{
    Failed,
    client::{Io, Target, Way},
    floods::{
        kinds::{
            frames::{Frames as _, INITIAL_WINDOW_SIZE, WINDOW_MAX},
            hold::{Held, Opening, hold},
            pour::Became,
        },
        raw::Raw,
        scene::{Clients, FLOODED, FLOODS_FROM},
    },
};

/// Clients that read nothing, or do not finish their handshake.
const CLIENTS: usize = 2_000 / 32 * 32;
/// How long a server is given to cut those who read nothing, and those who do not finish.
const WATCHED_FOR: Duration = Duration::from_secs(120);
/// The next byte of a handshake comes after this.
const BYTE_EVERY: Duration = Duration::from_secs(1);

/// One answer of 8 MB for each.
pub(in crate::floods) async fn readers_h1(clients: Clients) -> Result<Became, Failed> {
    let to = clients.flooded_h1.clone();
    let clients = Clients { flooded: to, ..clients };
    hold(clients, CLIENTS, |to| -> Opening<Io> { Box::pin(asks(to)) }, WATCHED_FOR).await
}

async fn asks(to: Target) -> Result<Io, Failed> {
    let mut io = to.way.connect(to.addr, Some(FLOODS_FROM)).await?;
    io.write_all(format!("GET / HTTP/1.1\r\nHost: {FLOODED}\r\n\r\n").as_bytes()).await?;
    io.flush().await?;
    Ok(io)
}

/// The same, with windows so wide that only the connection itself holds the server back.
pub(in crate::floods) async fn readers_h2(clients: Clients) -> Result<Became, Failed> {
    hold(clients, CLIENTS, |to| -> Opening<Raw> { Box::pin(asks_with_wide_windows(to)) }, WATCHED_FOR).await
}

async fn asks_with_wide_windows(to: Target) -> Result<Raw, Failed> {
    let mut raw = Raw::open(&to, &[(INITIAL_WINDOW_SIZE, WINDOW_MAX)], false).await?;
    let mut bytes = Vec::new();
    // The connection's window is 65,535 at first, whatever the settings.
    bytes.window_update(0, WINDOW_MAX - 65_535);
    bytes.whole_request(1, FLOODED);
    raw.write(&bytes).await?;
    Ok(raw)
}

/// The first bytes of a ClientHello, one a second.
pub(in crate::floods) async fn handshakes(clients: Clients) -> Result<Became, Failed> {
    hold(clients, CLIENTS, |to| -> Opening<Dripping> { Box::pin(drips(to)) }, WATCHED_FOR).await
}

/// Ends with this value.
struct Dripping(JoinHandle<()>);

impl Held for Dripping {}

impl Drop for Dripping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn drips(to: Target) -> Result<Dripping, Failed> {
    let Io::Plain(mut tcp) = Way::PLAIN.connect(to.addr, Some(FLOODS_FROM)).await? else {
        return Err("a connection that is not plain".into());
    };
    // A record of a handshake with 512 bytes, of which the ClientHello is 508.
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    tcp.write_all(&hello[..1]).await?;
    Ok(Dripping(tokio::spawn(async move {
        // What has not been said is the random number, which may be anything.
        for byte in hello[1..].iter().copied().chain(std::iter::repeat_n(7, 32)) {
            sleep(BYTE_EVERY).await;
            if tcp.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        // Kept until the server has had enough.
        std::future::pending::<()>().await;
    })))
}
