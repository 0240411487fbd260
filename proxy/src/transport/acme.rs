//! Certificates by themselves: asked of an authority, proven over HTTP, shared by the fleet, renewed (RFC 8555, HTTP-01).
//!
//! Hosts come from tenants' files alone: no request, and no name in a handshake, ever leads to an order. Of the nodes of a
//! fleet the one that holds a host's lease orders; the others take what lies in the store then ([`vault`]). When to order,
//! and how often at most, is decided in [`schedule`].
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | hosts of a fleet | `ACME_HOSTS_MAX` of the config | a mistake in the config |
//! | orders under way at a node | 1 | the next host waits |
//! | one order | [`keeper::TRY_WITHIN`] | counts as failed |
//! | failed tries of a host in the fleet | three in any hour, ever fewer ([`schedule::PAUSES_S`]) | the host waits |
//! | unknown tokens that are looked for in the store at once | `challenges::LOOKUPS_MAX` | the next one counts as unknown |

mod authority;
mod challenges;
mod http;
mod keeper;
mod record;
mod schedule;
mod vault;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use prometheus::IntCounterVec;
use sluice_admission::token::Keyring;
use sluice_config::{Certificate, Config};
use tokio::sync::{Mutex, Notify, watch};

use self::{authority::Directory, challenges::Challenges, keeper::Keeper, vault::Vault};
use crate::lines::Lines;

/// Certificates by host.
pub(crate) type Issued = HashMap<String, Arc<Certificate>>;

/// What the node has of authorities.
#[derive(Debug)]
pub(crate) struct Acme {
    vault: Vault,
    challenges: Challenges,
    wanted: ArcSwap<Wanted>,
    issued: ArcSwap<Issued>,
    /// What is kept is to be sealed with another secret.
    reseals: AtomicBool,
    changed: Notify,
    /// Of the processes of a node one asks, however many serve its visitors.
    asks: AtomicBool,
    /// Held while an order is under way.
    order: Mutex<()>,
    /// What lies on the disk is to be read anew.
    rereads: AtomicBool,
    /// What lay on the disk has been read.
    recalled: watch::Sender<bool>,
    orders: IntCounterVec,
}

/// What the config wants.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    authority: Option<sluice_config::Acme>,
    hosts: BTreeSet<String>,
}

/// What becomes of orders, as they are counted.
pub(crate) const OUTCOMES: [&str; 4] = ["issued", "failed", "rate_limited", "unavailable"];

impl Acme {
    /// `owner` tells this node from all others, `orders` counts by outcome.
    pub(crate) fn new(lines: Arc<Lines>, owner: String, orders: IntCounterVec) -> Self {
        for outcome in OUTCOMES {
            // Counted from zero, so that the first one is a rise.
            orders.with_label_values(&[outcome]);
        }
        let vault = Vault::new(lines, owner);
        let (challenges, wanted, issued) = Default::default();
        let (reseals, changed, asks, order, rereads, recalled) = Default::default();
        Self { vault, challenges, wanted, issued, reseals, changed, asks, order, rereads, recalled, orders }
    }

    /// Has this process ask authorities for what is missing; until then it presents what there is. Another process may have
    /// kept some more meanwhile.
    pub(crate) fn begin_asking(&self) {
        self.rereads.store(true, Ordering::Relaxed);
        self.asks.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Has it ask no more, and waits for the end of an order that is under way: its proof is known to this process alone.
    pub(crate) async fn end_asking(&self) {
        self.asks.store(false, Ordering::Relaxed);
        drop(self.order.lock().await);
    }

    /// Waits until what lay on the disk is presented.
    pub(crate) async fn recalled(&self) {
        // It lives as long as this does.
        let _ = self.recalled.subscribe().wait_for(|&recalled| recalled).await;
    }

    /// Takes a config.
    pub(crate) fn take(&self, config: &Config, keyring: &Keyring) {
        if self.vault.wrapping.take(keyring) {
            self.reseals.store(true, Ordering::Relaxed);
        }
        // Without a listener that presents them nothing is asked for.
        let is_presented = !config.server.https.is_empty();
        let hosts = config.acme_hosts().filter(|_| is_presented).map(|(_, host)| host.to_owned()).collect();
        let wanted = Wanted { authority: config.acme.clone(), hosts };
        if **self.wanted.load() != wanted {
            self.wanted.store(Arc::new(wanted));
        }
        self.changed.notify_one();
    }

    /// The certificates that there are now.
    pub(crate) fn issued(&self) -> Arc<Issued> {
        self.issued.load_full()
    }

    /// What the authority is answered that asks a host for a token; `None`: the token is none of ours.
    pub(crate) async fn proof(&self, host: &str, token: &str) -> Option<String> {
        if !self.wanted.load().hosts.contains(host) {
            return None;
        }
        self.challenges.proof(&self.vault, token).await
    }

    /// Looks after certificates for as long as the node lives. `present` is called when some have changed.
    pub(crate) async fn keep(self: Arc<Self>, present: impl Fn() + Send + 'static) {
        let wall = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Keeper::new(self, Directory::default(), wall, present).run().await;
    }
}
