//! What only one process of a node does at a time, however many serve its visitors: it answers operators and records what they
//! do, writes history, tells webhooks, asks for certificates, and speaks for the node among its peers. All of it goes by files in the state
//! directory, so a process ends its duties before another one of the node begins with them.

use std::{io, net::TcpListener as StdTcpListener, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    admin::{
        access::{issuer, void},
        api::{self, Api},
        history,
        seal::Purpose,
    },
    life::webhooks,
    node::{Ends, Node, peers},
};

/// How often the head of the audit log is signed into the log of the node.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long duties may take to end: an attempt to tell a webhook is waited for. What takes longer is broken off.
const END_WITHIN: Duration = Duration::from_secs(20);

/// The duties of a process.
#[derive(Debug)]
pub(crate) struct Duties {
    node: Arc<Node>,
    /// What the node is called among its peers.
    name: String,
    api: Option<(StdTcpListener, Arc<Api>)>,
    run_on: Handle,
    under_way: Option<(watch::Sender<bool>, JoinSet<()>)>,
}

impl Duties {
    pub(crate) fn new(node: Arc<Node>, name: String, api: Option<(StdTcpListener, Arc<Api>)>, run_on: Handle) -> Self {
        Self { node, name, api, run_on, under_way: None }
    }

    /// Begins with them, again after [`Self::end`], unless they are under way.
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        if self.under_way.is_some() {
            return Ok(());
        }
        let ending = watch::Sender::new(false);
        let ends = Ends::when(&ending);
        let mut tasks = JoinSet::new();
        self.node.acme.begin_asking();
        let _context = self.run_on.enter();
        tasks.spawn(webhooks::run(self.node.clone(), ends.clone()));
        tasks.spawn(until(ends.clone(), peers::keep(self.node.clone(), self.name.clone())));
        if let Some((listener, api)) = &self.api {
            let listener = TcpListener::from_std(listener.try_clone()?)?;
            tasks.spawn(api::serve(listener, api.clone(), ends.clone()));
            tasks.spawn(void::keep(api.access.void().clone(), self.node.shared_store(), ends.clone()));
            tasks.spawn(history::keep(self.node.clone(), api.history.clone(), ends.clone()));
            tasks.spawn(until(ends.clone(), checkpoints(api.clone())));
            tasks.spawn(until(ends, issuer::keep(api.access.clone())));
        }
        self.under_way = Some((ending, tasks));
        Ok(())
    }

    /// Ends them: another process may begin.
    pub(crate) async fn end(&mut self) {
        let Some((ending, mut tasks)) = self.under_way.take() else { return };
        let _ = ending.send(true);
        let ended = async {
            self.node.acme.end_asking().await;
            while tasks.join_next().await.is_some() {}
        };
        if timeout(END_WITHIN, ended).await.is_err() {
            tracing::warn!("duties did not end in time; broken off");
        }
    }

    /// Leaves the operators' listener to another process.
    pub(crate) fn leave(&mut self) {
        self.api = None;
    }
}

/// Something that may be broken off anywhere.
async fn until(mut ends: Ends, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = ends.wait() => {}
    }
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
