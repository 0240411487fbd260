//! A Redis of its own for each server that needs one, so that its CPU is that server's.

use std::{net::SocketAddr, process::Command};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Failed,
    kit::process::{Server, free_addr},
};

/// Starts one without persistence: what it writes to disk would be measured too.
pub(super) fn start() -> Result<Server, Failed> {
    let addr = free_addr()?;
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &addr.port().to_string()]);
    Server::start(command, addr).map_err(|error| format!("redis-server: {error}").into())
}

/// Sets a key to a number.
pub(super) async fn set(at: SocketAddr, key: &str, value: u64) -> Result<(), Failed> {
    let mut tcp = TcpStream::connect(at).await?;
    tcp.write_all(format!("SET {key} {value}\r\n").as_bytes()).await?;
    let mut reply = [0; 5];
    tcp.read_exact(&mut reply).await?;
    if &reply == b"+OK\r\n" { Ok(()) } else { Err(format!("Redis did not take {key}").into()) }
}
