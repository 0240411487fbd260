//! The life of a node in this process: started, stopped or followed by another process, drained.

mod duties;
pub(crate) mod reload;
pub(crate) mod resources;
pub(crate) mod upgrade;
mod webhooks;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use sluice_admission::{
    store::lent,
    token::{Keyring, KeyringError},
};
use sluice_config::{Config, Keys};
use tokio::{
    net::{TcpListener, UnixStream},
    runtime::{Builder, Handle, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    admin::{
        access::{Access, void::Void},
        api::Api,
        audit::Audit,
        listen::{LAST_ANSWER_WITHIN, LAST_REQUEST_WITHIN},
        probes::{self, Probes},
    },
    life::duties::Duties,
    lines::Lines,
    node::{Ends, Node, NodeError, peers},
    server::{Open, Server},
    transport::{
        Scheme,
        listeners::{Listeners, NoListener, Purpose},
    },
};

/// How long a start waits for the lines before it serves all the same.
pub(crate) const LINES_ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Threads for lines, health and metrics: a step takes well under a millisecond.
const LINE_THREADS: usize = 2;

/// How long a process that is followed lives on at least: a health check that has just come to it has its answer then.
const LIVES_ON_MIN: Duration = LAST_REQUEST_WITHIN.saturating_add(LAST_ANSWER_WITHIN);
/// How long a start waits for the certificates that the node has kept.
const CERTIFICATES_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether older processes have ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A node that is ready to serve, or serves.
pub(crate) struct Life {
    pub(crate) node: Arc<Node>,
    /// Where visitors are served.
    pub(crate) addresses: Vec<(Scheme, SocketAddr)>,
    /// Where the admin listener is.
    pub(crate) admin: Option<SocketAddr>,
    /// Where the operators' API is, and who may use it.
    pub(crate) api: Option<(SocketAddr, Arc<Access>)>,
    listeners: Listeners,
    duties: Duties,
    older: Older,
    /// Leads to the process that has followed, if that asks nothing of this one.
    newer: Option<UnixStream>,
    open: Open,
    /// Health checks are another process's, and the service manager listens to that one.
    followed: watch::Sender<bool>,
    drain_timeout: Duration,
    leaving: Arc<AtomicBool>,
    lines_run_on: Handle,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The process is asked to end, and the node with it.
    Asked,
    /// Another process is the node from now on.
    Followed,
}

/// Processes of this node that were before this one and still serve their last clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Older(Arc<AtomicU32>);

#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Listen(#[from] NoListener),
    #[error("listeners: {0}")]
    Descriptors(#[source] io::Error),
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

/// Threads apart from the workers: ticks of the lines must not wait behind a rush of requests.
///
/// # Errors
/// If they cannot be started.
pub(crate) fn runtime() -> Result<Runtime, StartError> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(LINE_THREADS).thread_name("line").enable_all().build().map_err(StartError::Threads)
}

impl Life {
    /// Starts serving, on listeners of its own.
    ///
    /// # Errors
    /// If a port is taken, or the keys are of no use.
    pub(crate) fn start(config: &Config, keys: &Keys, store: Lines, lines_run_on: &Handle) -> Result<Self, StartError> {
        let listeners = {
            let _context = lines_run_on.enter();
            Listeners::open(config, Vec::new())?
        };
        let mut life = Self::prepare(config, keys, store, listeners, lines_run_on)?;
        life.serve().map_err(StartError::Descriptors)?;
        Ok(life)
    }

    /// Makes everything ready, with the lines on these [threads](runtime). No client is let in, and no duty begun, before [`Self::serve`].
    ///
    /// # Errors
    /// If the keys are of no use, or a file in the state directory.
    pub(crate) fn prepare(
        config: &Config,
        keys: &Keys,
        store: Lines,
        listeners: Listeners,
        lines_run_on: &Handle,
    ) -> Result<Self, StartError> {
        let run_on = lines_run_on.clone();
        let node = Arc::new(Node::new(Arc::new(store), run_on.clone())?);
        let leaving = node.leaving.clone();
        let server = Server::new(node.clone(), config, &listeners).map_err(StartError::Descriptors)?;
        run_on.block_on(node.take(config, keys, LINES_ANSWER_WITHIN))?;
        let addresses = server.addresses().map_err(StartError::Descriptors)?;
        let port = addresses.first().map_or(0, |(_, address)| address.port());
        let one_of = |purpose| -> Result<_, StartError> {
            let listener = listeners.of(purpose).map_err(StartError::Descriptors)?.pop();
            let address = listener.as_ref().map(std::net::TcpListener::local_addr).transpose();
            Ok(listener.zip(address.map_err(StartError::Descriptors)?))
        };
        let admin = one_of(Purpose::Admin)?.map(|(_, address)| address);
        let api = match (&config.admin, one_of(Purpose::Api)?) {
            (Some(settings), Some((listener, address))) => Some((listener, address, api(&node, settings, keys)?)),
            _ => None,
        };
        if !config.server.https.is_empty() {
            run_on.spawn(node.rotate_tickets());
            run_on.spawn(node.keep_certificates());
            // A handshake must not come before a certificate that is there.
            let recalled = run_on.block_on(async { timeout(CERTIFICATES_WITHIN, node.acme.recalled()).await });
            if recalled.is_err() {
                tracing::warn!(
                    "ACME: certificates that this node has kept are still being read; the first handshakes may fail"
                );
            }
        }
        let open = server.open().map_err(StartError::Threads)?;
        let shown = api.as_ref().map(|(_, address, api)| (*address, api.access.clone()));
        let api = api.map(|(listener, _, api)| (listener, api));
        let duties = Duties::new(node.clone(), peers::name(port), api, run_on);
        Ok(Self {
            node,
            addresses,
            admin,
            api: shown,
            listeners,
            duties,
            older: Older::default(),
            newer: None,
            open,
            followed: watch::Sender::new(false),
            drain_timeout: config.server.drain_timeout,
            leaving,
            lines_run_on: lines_run_on.clone(),
        })
    }

    /// Lets clients in, and begins with the duties of the node.
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub(crate) fn serve(&mut self) -> io::Result<()> {
        let _context = self.lines_run_on.enter();
        self.open.let_in();
        for listener in self.listeners.of(Purpose::Admin)? {
            let listener = TcpListener::from_std(listener)?;
            let probes = Probes { node: self.node.clone(), leaving: self.leaving.clone(), follows: upgrade::follows() };
            tokio::spawn(probes::serve(listener, probes, Ends::when(&self.followed)));
        }
        tokio::spawn(self.open.vouches(Ends::when(&self.followed)));
        self.duties.begin()
    }

    /// Runs something beside the lines, apart from the requests.
    pub(crate) fn beside(&self) -> &Handle {
        &self.lines_run_on
    }

    /// Lends the lines to the process before this one, for as long as it serves its last clients; `older`: how many there are
    /// behind it.
    pub(crate) fn lend(&self, stream: UnixStream, older: u32) {
        let (store, ours) = (self.node.shared_store(), self.older.clone());
        ours.0.store(older + 1, Ordering::Relaxed);
        self.beside().spawn(async move {
            let lent = lent::lend(stream, move |question| {
                let store = store.clone();
                async move { store.answer(question).await }
            });
            if let Err(error) = lent.await {
                tracing::warn!(%error, "the older process asks no more");
            }
            ours.0.store(0, Ordering::Relaxed);
        });
    }

    /// Waits for the end, then stops: requests in flight finish, within the drain timeout.
    /// A process that is followed by another one ends at once if it is asked to.
    pub(crate) fn until(mut self, mut stops: Stops, end: impl AsyncFnOnce(&mut Self, &mut Stops) -> End) {
        let beside = self.beside().clone();
        let end = beside.block_on(end(&mut self, &mut stops));
        self.node.is_left();
        // The server has its own handles and closes them when it stops accepting. If these stayed open, the kernel would still
        // accept connections that are never served.
        self.listeners.close();
        match end {
            End::Asked => beside.block_on(self.open.close(&self.leaving)),
            End::Followed => {
                self.duties.leave();
                self.followed.send_replace(true);
                let drained = async {
                    // Probes that have been let in are answered in this time, too.
                    tokio::join!(self.open.leave_to_another(), sleep(LIVES_ON_MIN));
                    // Those who were before this process ask it for the lines, and it asks the one behind it.
                    let _ = timeout(self.drain_timeout, self.older.ended()).await;
                };
                beside.block_on(async {
                    tokio::select! {
                        () = drained => {}
                        () = stops.asked() => tracing::info!("asked to end; the last clients are not waited for"),
                    }
                });
            }
        }
        self.node.access_log.end();
    }
}

impl Older {
    /// How many there are at most.
    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    async fn ended(&self) {
        while self.count() > 0 {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The operators' API, as far as it can be made before it serves.
fn api(node: &Arc<Node>, settings: &sluice_config::Admin, keys: &Keys) -> Result<Arc<Api>, StartError> {
    let void = Arc::new(Void::open(node.store().state_dir()).map_err(StartError::Void)?);
    let access = Arc::new(Access::new(settings.clone(), &Keyring::new(keys)?, void));
    let audit = Audit::open(node.store().state_dir()).map_err(StartError::Audit)?;
    Ok(Arc::new(Api::new(node.clone(), access, audit)))
}

/// Resolves when the process is asked to end.
pub(crate) async fn asked_to_end() {
    match Stops::catch() {
        Ok(mut stops) => stops.asked().await,
        Err(_) => std::future::pending().await,
    }
}

/// The signals that ask a process to end.
#[derive(Debug)]
pub(crate) struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    /// Catches them from now on. Needs a tokio context.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves when the process is asked to end.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
