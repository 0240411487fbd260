//! The life of a node in this process: started, told to stop, drained.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use sluice_config::{Config, Keys};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

use crate::{
    admin::{self, Admin},
    node::{Lines, Node, NodeError},
    transport::{Open, Scheme, Server},
};

/// How long a start waits for the lines before it serves all the same.
const LINES_ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Threads for lines, health and metrics: a step takes well under a millisecond.
const LINE_THREADS: usize = 2;

/// A node that serves.
pub(crate) struct Life {
    pub(crate) node: Arc<Node>,
    /// Where visitors are served.
    pub(crate) addresses: Vec<(Scheme, SocketAddr)>,
    /// Where the admin listener is.
    pub(crate) admin: Option<SocketAddr>,
    open: Open,
    leaving: Arc<AtomicBool>,
    lines_run_on: Runtime,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("cannot listen: {0}")]
    Listen(#[source] io::Error),
    #[error("admin listener: {0}")]
    Admin(#[source] io::Error),
    #[error("cannot start threads: {0}")]
    Threads(#[source] io::Error),
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl Life {
    /// Starts serving.
    ///
    /// # Errors
    /// If a port is taken, or the keys are of no use.
    pub(crate) fn start(config: &Config, keys: &Keys, store: Lines) -> Result<Self, StartError> {
        // Apart from the workers: ticks of the lines must not wait behind a rush of requests.
        let lines_run_on = runtime("line")?;
        let node = Arc::new(Node::new(Arc::new(store), lines_run_on.handle().clone())?);
        let leaving = Arc::new(AtomicBool::new(false));
        let (server, admin_listener) = {
            let _context = lines_run_on.enter();
            let server = Server::bind(node.clone(), &config.server, &config.tls).map_err(StartError::Listen)?;
            let admin = config.server.admin.map(|addr| lines_run_on.block_on(TcpListener::bind(addr)));
            (server, admin.transpose().map_err(StartError::Admin)?)
        };
        lines_run_on.block_on(node.take(config, keys, LINES_ANSWER_WITHIN))?;
        let addresses = server.addresses().map_err(StartError::Listen)?;
        let admin = admin_listener.as_ref().map(TcpListener::local_addr).transpose().map_err(StartError::Admin)?;
        if let Some(listener) = admin_listener {
            let admin = Admin { node: node.clone(), leaving: leaving.clone() };
            lines_run_on.spawn(async move {
                if let Err(error) = admin::serve(listener, admin).await {
                    tracing::error!(%error, "admin listener stopped");
                }
            });
        }
        if !config.server.https.is_empty() {
            lines_run_on.spawn(node.rotate_tickets());
        }
        let open = server.open().map_err(StartError::Threads)?;
        Ok(Self { node, addresses, admin, open, leaving, lines_run_on })
    }

    /// Runs something beside the lines, apart from the requests.
    pub(crate) fn beside(&self) -> &tokio::runtime::Handle {
        self.lines_run_on.handle()
    }

    /// Waits for something, then stops: requests in flight finish, within the drain timeout.
    pub(crate) fn until(self, done: impl Future<Output = ()>) {
        self.lines_run_on.block_on(async {
            done.await;
            self.open.close(&self.leaving).await;
        });
        self.lines_run_on.shutdown_background();
    }
}

fn runtime(name: &str) -> Result<Runtime, StartError> {
    Builder::new_multi_thread()
        .worker_threads(LINE_THREADS)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(StartError::Threads)
}

/// Resolves when the process is asked to end.
pub(crate) async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        _ => std::future::pending().await,
    }
}
