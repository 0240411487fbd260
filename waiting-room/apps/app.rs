//! Gets a path of a site and waits in line for it: `app http://shop.example.com /api/cart`.

#![allow(unreachable_pub, reason = "the client is to be taken along into a library")]

mod client;

use std::{io::Write as _, process::ExitCode};

use client::Client;
use http::Method;
use hyper::body::Bytes;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [site, path] = arguments.as_slice() else {
        eprintln!("usage: app http://HOST PATH");
        return ExitCode::FAILURE;
    };
    let hear = |status: &client::Status| {
        let ahead = status.ahead.map_or_else(|| "?".to_owned(), |ahead| ahead.to_string());
        let message = status.message.as_deref().unwrap_or_default();
        eprintln!("{}: {ahead} ahead, asking again in {} s {message}", status.state, status.poll_after_seconds);
    };
    match Client::new(site, None).ask(Method::GET, path, Bytes::new(), hear).await {
        Ok(answer) => {
            eprintln!("{}", answer.status());
            // A closed pipe is no error: nobody is listening any more.
            let _ = std::io::stdout().write_all(answer.body());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
