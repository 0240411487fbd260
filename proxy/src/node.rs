//! A node: the routes it serves, the ushers behind them, and how a new config takes their place.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::{ArcSwap, Guard};
use sluice_admission::{
    line::Rules,
    store::{Embedded, LineId},
    token::{Keyring, KeyringError},
    usher::Usher,
};
use sluice_config::{Config, Keys};
use tokio::runtime::Handle;

use crate::{
    gate::{Counts, Gate},
    metrics::Metrics,
    request::path::BadPrefix,
    routes::{Routes, Site},
};

/// Everything that outlives a request.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) metrics: Metrics,
    routes: ArcSwap<Routes>,
    store: Arc<Embedded>,
    /// Where ushers run: apart from the requests, so that no load delays a tick.
    ushers_run_on: Handle,
    lines: Mutex<HashMap<LineId, Served>>,
}

#[derive(Clone, Debug)]
struct Served {
    usher: Arc<Usher>,
    counts: Arc<Counts>,
}

/// Why a node could not take a config.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    #[error(transparent)]
    Keys(#[from] KeyringError),
    #[error("tenant {0}: {1:?}")]
    Prefix(String, BadPrefix),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Node {
    pub(crate) fn new(store: Arc<Embedded>, ushers_run_on: Handle) -> Result<Self, NodeError> {
        Ok(Self { metrics: Metrics::new()?, routes: ArcSwap::default(), store, ushers_run_on, lines: Mutex::default() })
    }

    /// The routes in force.
    pub(crate) fn routes(&self) -> Guard<Arc<Routes>> {
        self.routes.load()
    }

    /// Takes a config, whole. Lines that go on keep their ushers; those that are gone are let go of, their
    /// state stays in the store.
    ///
    /// # Errors
    /// If the keys are of no use. Nothing has changed then.
    pub(crate) fn take(&self, config: &Config, keys: &Keys) -> Result<(), NodeError> {
        let keyring = Keyring::new(keys)?;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = HashMap::new();
        let mut sites = Vec::with_capacity(config.tenants.len());
        for tenant in &config.tenants {
            let gates = tenant.queues.iter().map(|queue| {
                let line = Gate::line_of(&tenant.name, queue);
                let served = lines.get(&line).cloned().unwrap_or_else(|| self.serve(&line, Rules::of(queue)));
                let keys = keyring.mint_keys(&tenant.name, &queue.name);
                let gate = Gate::new(&tenant.name, queue.clone(), served.usher.clone(), keys, served.counts.clone());
                kept.insert(line, served);
                Arc::new(gate)
            });
            let site = Site::new(tenant.clone(), gates.collect());
            sites.push(Arc::new(site.map_err(|bad| NodeError::Prefix(tenant.name.to_string(), bad))?));
        }
        // Nothing can fail from here on.
        for gate in sites.iter().flat_map(|site| site.gates()) {
            gate.usher.set_rules(Rules::of(&gate.queue));
        }
        *lines = kept;
        self.routes.store(Arc::new(Routes::new(sites)));
        Ok(())
    }

    fn serve(&self, line: &LineId, rules: Rules) -> Served {
        let _context = self.ushers_run_on.enter();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(since.as_millis()).unwrap_or(0);
        Served {
            usher: Usher::start(line.clone(), rules, self.store.clone(), wall_ms),
            counts: Arc::new(self.metrics.gate(line)),
        }
    }

    /// The lines that have not answered (yet).
    pub(crate) fn silent_lines(&self) -> Vec<LineId> {
        let routes = self.routes();
        let gates = routes.sites().iter().flat_map(|site| site.gates());
        gates.filter(|gate| !gate.usher.view().store_answers).map(|gate| gate.usher.line().clone()).collect()
    }

    /// Waits until every line has answered once, or `limit` is over: a node that knows its lines judges every
    /// request rightly from the first one on.
    pub(crate) async fn wait_for_lines(&self, limit: Duration) -> bool {
        let all = async {
            while !self.silent_lines().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(limit, all).await.is_ok()
    }
}
