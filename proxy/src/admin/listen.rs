//! Listeners for the people who run the node: connections that are bounded, and must come to the point.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | connections | [`CONNECTIONS_MAX`] | the next one is closed unread, and counted |
//! | a request's head, an idle connection | [`HEAD_WITHIN`] | closed |

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prometheus::IntCounter;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::node::Ends;

/// Most connections of one listener. A dashboard takes up to seven; a flood takes no more of the node than this.
pub(crate) const CONNECTIONS_MAX: usize = 512;
/// How long a head may take, and a connection wait for the next one.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long the last request of a connection may be on its way when serving ends.
pub(crate) const LAST_REQUEST_WITHIN: Duration = Duration::from_millis(100);
/// How long the last answers may take when serving ends; streams of events are broken off then, and opened anew by the page.
pub(crate) const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// After a failure to accept, as when there is no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until that ends, and what is under way then for a moment longer. `setting`: by which it is known to operators.
pub(crate) async fn serve(
    setting: &'static str,
    listener: TcpListener,
    router: Router,
    refused: IntCounter,
    mut ends: Ends,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ends.wait() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(setting, %error, "cannot accept");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            refused.inc();
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let mut ends = ends.clone();
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            let server = server.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
            let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
            // A client that breaks off is none of ours to report.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = ends.wait() => {
                    // What has been sent before its client could know is answered.
                    if timeout(LAST_REQUEST_WITHIN, connection.as_mut()).await.is_err() {
                        connection.as_mut().graceful_shutdown();
                        let _ = timeout(LAST_ANSWER_WITHIN, connection).await;
                    }
                }
            }
            drop(place);
        });
    }
    // Each gives its place back, and there can be no more places than there were.
    drop(listener);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}
