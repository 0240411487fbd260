//! The listener of the API: connections that are bounded, and must come to the point.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | connections | [`CONNECTIONS_MAX`] | the next one is closed unread, and counted |
//! | a request's head, an idle connection | [`HEAD_WITHIN`] | closed |

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prometheus::IntCounter;
use tokio::{net::TcpListener, sync::Semaphore, time::sleep};

/// Most connections. A dashboard takes up to seven; a flood takes no more of the node than this.
pub(crate) const CONNECTIONS_MAX: usize = 512;
/// How long a head may take, and a connection wait for the next one.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// After a failure to accept, as when there is no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, router: Router, refused: IntCounter) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "[admin] listener: cannot accept");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            refused.inc();
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            let server = server.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
            // A client that breaks off is none of ours to report.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}
