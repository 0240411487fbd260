//! The life of a node in this process: started, told to stop, drained.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use sluice_admission::token::{Keyring, KeyringError};
use sluice_config::{Config, Keys};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    time::sleep,
};

use crate::{
    admin::{
        access::{
            Access, issuer,
            void::{self, Void},
        },
        api::{self, Api},
        audit::Audit,
        history,
        probes::{self, Probes},
        seal::Purpose,
    },
    node::{Lines, Node, NodeError, peers},
    sinks::webhooks,
    transport::{Open, Scheme, Server},
};

/// How long a start waits for the lines before it serves all the same.
const LINES_ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How often the head of the audit log is signed into the log of the node.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60 * 60);

/// Threads for lines, health and metrics: a step takes well under a millisecond.
const LINE_THREADS: usize = 2;

/// A node that serves.
pub(crate) struct Life {
    pub(crate) node: Arc<Node>,
    /// Where visitors are served.
    pub(crate) addresses: Vec<(Scheme, SocketAddr)>,
    /// Where the admin listener is.
    pub(crate) admin: Option<SocketAddr>,
    /// Where the operators' API is, and who may use it.
    pub(crate) api: Option<(SocketAddr, Arc<Access>)>,
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
    #[error("[admin] listener: {0}")]
    Api(#[source] io::Error),
    #[error("audit log: {0}")]
    Audit(#[source] io::Error),
    #[error("what is void cannot be read, and would be good again: {0}")]
    Void(#[source] io::Error),
    #[error(transparent)]
    Keys(#[from] KeyringError),
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
        let leaving = node.leaving.clone();
        let (server, admin_listener) = {
            let _context = lines_run_on.enter();
            let server = Server::bind(node.clone(), config).map_err(StartError::Listen)?;
            let admin = config.server.admin.map(|addr| lines_run_on.block_on(TcpListener::bind(addr)));
            (server, admin.transpose().map_err(StartError::Admin)?)
        };
        lines_run_on.block_on(node.take(config, keys, LINES_ANSWER_WITHIN))?;
        let addresses = server.addresses().map_err(StartError::Listen)?;
        let admin = admin_listener.as_ref().map(TcpListener::local_addr).transpose().map_err(StartError::Admin)?;
        let port = addresses.first().map_or(0, |(_, address)| address.port());
        lines_run_on.spawn(webhooks::run(node.clone()));
        lines_run_on.spawn(peers::keep(node.clone(), peers::name(port)));
        if let Some(listener) = admin_listener {
            let probes = Probes { node: node.clone(), leaving: leaving.clone() };
            lines_run_on.spawn(async move {
                if let Err(error) = probes::serve(listener, probes).await {
                    tracing::error!(%error, "admin listener stopped");
                }
            });
        }
        let api = config.admin.as_ref().map(|admin| serve_api(&lines_run_on, &node, admin, keys)).transpose()?;
        if !config.server.https.is_empty() {
            lines_run_on.spawn(node.rotate_tickets());
            lines_run_on.spawn(node.keep_certificates());
        }
        let open = server.open().map_err(StartError::Threads)?;
        lines_run_on.spawn(open.vouches());
        Ok(Self { node, addresses, admin, api, open, leaving, lines_run_on })
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
        self.node.access_log.end();
        self.lines_run_on.shutdown_background();
    }
}

/// Serves the operators' API beside the lines.
fn serve_api(
    run_on: &Runtime,
    node: &Arc<Node>,
    settings: &sluice_config::Admin,
    keys: &Keys,
) -> Result<(SocketAddr, Arc<Access>), StartError> {
    let listener = run_on.block_on(TcpListener::bind(settings.listen)).map_err(StartError::Api)?;
    let address = listener.local_addr().map_err(StartError::Api)?;
    let void = Arc::new(Void::open(node.store().state_dir()).map_err(StartError::Void)?);
    run_on.spawn(void::keep(void.clone(), node.shared_store()));
    let access = Arc::new(Access::new(settings.clone(), &Keyring::new(keys)?, void));
    let audit = Audit::open(node.store().state_dir()).map_err(StartError::Audit)?;
    let api = Arc::new(Api::new(node.clone(), access.clone(), audit));
    run_on.spawn(history::keep(node.clone(), api.history.clone()));
    run_on.spawn(checkpoints(api.clone()));
    run_on.spawn(issuer::keep(access.clone()));
    run_on.spawn(api::serve(listener, api));
    Ok((address, access))
}

/// Puts the signed head of the audit log into the node's own log, which is kept elsewhere: once an hour if there is news.
async fn checkpoints(api: Arc<Api>) {
    let mut said = 0;
    loop {
        sleep(CHECKPOINT_EVERY).await;
        let seq = api.audit.head().await.0;
        if seq > said {
            let (checkpoint, _) = api.access.sign(Purpose::Checkpoint, &api.audit.checkpoint().await);
            tracing::info!(target: "audit", checkpoint, "checkpoint");
            said = seq;
        }
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
