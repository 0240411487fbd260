//! Asks a node for its health: `sluice-health [PATH] [ADDRESS]`, exit status 0 if the answer is 200.
//!
//! An image without a shell has no curl, and the container's health check needs a command. Compiled by `rustc` alone.

use std::{
    env,
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

/// Shorter than the time-out of the image's HEALTHCHECK.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "/health".to_owned());
    let address = args.next().unwrap_or_else(|| "127.0.0.1:9900".to_owned());
    match status(&path, &address) {
        Ok(line) if line.starts_with("HTTP/1.1 200") => ExitCode::SUCCESS,
        Ok(line) => {
            eprintln!("{address}{path}: {line}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{address}{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The first line of the answer.
fn status(path: &str, address: &str) -> Result<String, Box<dyn std::error::Error>> {
    let first = address.to_socket_addrs()?.next().ok_or("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&first, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 64];
    let read = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or("no answer").to_owned())
}
