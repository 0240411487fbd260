//! The API's listener holds out against who only keeps it busy.

use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{Operator, ask, scene};
use crate::support::{Request, until};

#[tokio::test]
async fn connections_beyond_the_bound_are_closed_and_those_that_end_make_room() {
    let scene = scene().await;
    let api = scene.node.api.unwrap();
    let mut silent = Vec::new();
    for _ in 0..512 {
        silent.push(TcpStream::connect(api).await.unwrap());
    }
    let mut over = TcpStream::connect(api).await.unwrap();
    // It is accepted behind the others, so all of them have their places when it is closed.
    assert!(matches!(over.read(&mut [0]).await, Ok(0) | Err(_)));
    let metrics = scene.node.metrics().await;
    assert!(metrics.sum("admin_connections_refused_total", &[]) >= 1.0);
    drop(silent);
    until("there is room again", async || {
        let mut stream = TcpStream::connect(api).await.unwrap();
        let begun =
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut head = [0; 12];
        (begun.is_ok() && stream.read_exact(&mut head).await.is_ok() && head.starts_with(b"HTTP/1.1 200")).then_some(())
    })
    .await;
    assert_eq!(ask(&scene.node, Request::new("GET", "/")).await.status, 200);
    assert_eq!(Operator::new(&scene.node, "viewer", &[]).get("/v1/me").await.status, 200);
}
