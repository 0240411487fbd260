//! A node: the routes it serves, the ushers behind them, and how a new config takes their place.

mod ends;
mod metrics;
pub(crate) mod peers;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use sluice_admission::{
    line::Rules,
    store::LineId,
    token::{Keyring, KeyringError},
    usher::Usher,
};
use sluice_config::{Config, Keys};
use tokio::{runtime::Handle, sync::Mutex, time::timeout};

pub(crate) use self::ends::Ends;
use crate::{
    gate::{Counts, Gate, Insiders, Moves},
    limits::KnownUsage,
    lines::{Lines, wrapping::Wrapping},
    node::{metrics::Metrics, peers::Peers},
    request::{path::BadPrefix, via::Fleet},
    routing::{Routes, Site},
    sinks::{access_log::AccessLog, webhooks::Webhooks},
    transport::{
        acme::Acme,
        tls::{self, Certificates, TicketKeys, TlsError},
    },
    upstream::{KnownOrigins, OriginTlsError},
};

/// Everything that outlives a request.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) metrics: Metrics,
    /// It is on its way out: load balancers should send nobody here any more.
    pub(crate) leaving: Arc<AtomicBool>,
    /// Why the last upgrade did not come about.
    pub(crate) upgrade_refused: ArcSwapOption<String>,
    /// From where visitors have been inside lately.
    pub(crate) insiders: Insiders,
    pub(crate) access_log: Arc<AccessLog>,
    /// The other nodes of the fleet.
    pub(crate) peers: Peers,
    /// Certificates by themselves.
    pub(crate) acme: Arc<Acme>,
    /// Who is told what happens.
    pub(crate) webhooks: Webhooks,
    routes: ArcSwap<Routes>,
    store: Arc<Lines>,
    tickets: Arc<TicketKeys>,
    ticket_wrapping: Arc<Wrapping>,
    /// Where ushers run, and checks of origins: apart from the requests, so that no load delays a tick.
    ushers_run_on: Handle,
    lines: Mutex<HashMap<LineId, Served>>,
    usage: KnownUsage,
    origins: KnownOrigins,
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
    #[error("tenant {0}: {1}")]
    OriginTls(String, OriginTlsError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("the system gives no random bytes")]
    Random,
}

impl Node {
    pub(crate) fn new(store: Arc<Lines>, ushers_run_on: Handle) -> Result<Self, NodeError> {
        let metrics = Metrics::new()?;
        let peers = Peers::new().map_err(|_| NodeError::Random)?;
        let acme = Arc::new(Acme::new(store.clone(), peers.run().to_owned(), metrics.acme_orders.clone()));
        Ok(Self {
            metrics,
            acme,
            leaving: Arc::default(),
            upgrade_refused: ArcSwapOption::default(),
            insiders: Insiders::default(),
            access_log: Arc::default(),
            webhooks: Webhooks::open(store.state_dir()),
            peers,
            routes: ArcSwap::default(),
            store,
            tickets: Arc::new(TicketKeys::new()?),
            ticket_wrapping: Arc::new(Wrapping::new(tls::TICKET_KEYS)),
            ushers_run_on,
            lines: Mutex::default(),
            usage: KnownUsage::default(),
            origins: KnownOrigins::default(),
        })
    }

    /// Where the lines are.
    pub(crate) fn store(&self) -> &Lines {
        &self.store
    }

    /// The same, to be kept.
    pub(crate) fn shared_store(&self) -> Arc<Lines> {
        self.store.clone()
    }

    /// Changes the keys of session tickets for as long as the node lives.
    pub(crate) fn rotate_tickets(&self) -> impl Future<Output = ()> + use<> {
        tls::rotate(self.tickets.clone(), self.ticket_wrapping.clone(), self.store.clone())
    }

    /// Looks after certificates that come by ACME for as long as the node lives.
    pub(crate) fn keep_certificates(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let node = self.clone();
        self.acme.clone().keep(move || node.routes().certificates().take(&node.acme.issued()))
    }

    /// The routes in force.
    pub(crate) fn routes(&self) -> Guard<Arc<Routes>> {
        self.routes.load()
    }

    /// Takes a config, whole. Lines that go on keep their ushers; those that are gone are let go of, their
    /// state stays in the store. Lines that are new to this node are asked before anybody comes to them: a node
    /// that knows its lines judges every request rightly from the first one on.
    ///
    /// # Errors
    /// If the keys are of no use. Nothing has changed then.
    pub(crate) async fn take(
        &self,
        config: &Config,
        keys: &Keys,
        lines_answer_within: Duration,
    ) -> Result<(), NodeError> {
        let keyring = Keyring::new(keys)?;
        let tenants = config.tenants.iter().map(|tenant| &**tenant);
        let certificates = Certificates::new(&config.tls, config.server.http2, tenants, &self.tickets)?;
        certificates.take(&self.acme.issued());
        let mut lines = self.lines.lock().await;
        let mut kept = HashMap::new();
        let mut fresh = Vec::new();
        let mut sites = Vec::with_capacity(config.tenants.len());
        for tenant in &config.tenants {
            let gates = tenant.queues.iter().map(|queue| {
                let line = Gate::line_of(&tenant.name, queue);
                let served = lines.get(&line).cloned().unwrap_or_else(|| {
                    let served = self.serve(&line, Rules::of(queue));
                    fresh.push(served.usher.clone());
                    served
                });
                let keys = keyring.mint_keys(&tenant.name, &queue.name);
                let gate = Gate::new(tenant, queue.clone(), served.usher.clone(), keys, served.counts.clone());
                let gate = gate.with_moves(Moves::new(self.store.clone()));
                kept.insert(line, served);
                Arc::new(gate)
            });
            let gates = gates.collect();
            let origins = self.origins.of_tenant(tenant);
            let origins = origins.map_err(|error| NodeError::OriginTls(tenant.name.to_string(), error))?;
            let site = Site::new(tenant.clone(), gates, origins);
            let site = site.map_err(|bad| NodeError::Prefix(tenant.name.to_string(), bad))?;
            sites.push(Arc::new(site.counted_by(self.usage.of_tenant(tenant))));
        }
        let answered = async {
            for usher in &fresh {
                usher.heard().await;
            }
        };
        if timeout(lines_answer_within, answered).await.is_err() {
            tracing::error!("new lines not ready; visitors inside are served");
        }
        // Nothing can fail from here on.
        for gate in sites.iter().flat_map(|site| site.gates()) {
            gate.usher.set_rules(Rules::of(&gate.queue));
        }
        self.routes().sites().iter().flat_map(|site| site.origins()).for_each(|origin| origin.stop());
        sites.iter().flat_map(|site| site.origins()).for_each(|origin| origin.start(&self.ushers_run_on));
        self.usage.keep(|name| config.tenants.iter().any(|tenant| tenant.name.as_str() == name));
        self.access_log.take(config.access_log.as_ref());
        self.ticket_wrapping.take(&keyring);
        *lines = kept;
        let health_path = config.server.health_path.as_deref();
        let fleet = keyring.secrets_for("via").first().map_or_else(Fleet::default, |secret| Fleet::of(secret));
        self.routes.store(Arc::new(Routes::new(sites, certificates).in_fleet(fleet).with_health_path(health_path)));
        // What was issued while the config was taken.
        self.routes().certificates().take(&self.acme.issued());
        self.acme.take(config, &keyring);
        self.peers.take(keys, &keyring);
        Ok(())
    }

    fn serve(&self, line: &LineId, rules: Rules) -> Served {
        let _context = self.ushers_run_on.enter();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(since.as_millis()).unwrap_or(0);
        Served {
            usher: Usher::start_with(line.clone(), rules, self.store.clone(), wall_ms, self.store.keepsake(line)),
            counts: Arc::new(self.metrics.gate(line)),
        }
    }

    /// Whether visitors may be sent here: it is not leaving, and has heard of each of its lines since its start.
    pub(crate) fn is_ready(&self) -> bool {
        let routes = self.routes();
        let mut gates = routes.sites().iter().flat_map(|site| site.gates());
        !self.leaving.load(Ordering::Relaxed) && gates.all(|gate| gate.usher.has_heard())
    }

    /// Its visitors go to another node or process from now on.
    pub(crate) fn is_left(&self) {
        self.routes().sites().iter().flat_map(|site| site.gates()).for_each(|gate| gate.usher.is_left());
    }

    /// The lines of this node of which something holds.
    pub(crate) fn lines_where(&self, holds: impl Fn(&Usher) -> bool) -> Vec<LineId> {
        let routes = self.routes();
        let gates = routes.sites().iter().flat_map(|site| site.gates());
        gates.filter(|gate| holds(&gate.usher)).map(|gate| gate.usher.line().clone()).collect()
    }
}
