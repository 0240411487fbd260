//! Looks after the certificates of a node: does what is due, and tells and hears the other nodes.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ring::rand::{SecureRandom as _, SystemRandom};
use sluice_admission::store::StoreError;
use tokio::{
    select,
    time::{sleep, timeout},
};

use super::{
    Acme, Wanted,
    authority::{Advice, Ask, Authority, Refusal},
    record::{Held, Version},
    schedule::{Failed, Schedule, Tries, leaves_to_others},
    vault::{self, Notice},
};

/// How often a node hears the others, and looks what is due.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a fleet has to bring a certificate before it is asked for: three looks.
const SETTLE_S: u64 = 6;
/// How long one order may take: less than its lease.
pub(super) const TRY_WITHIN: Duration = Duration::from_secs(120);
/// What cannot be used is looked at again after this; clocks of a fleet differ.
const LOOK_AGAIN_S: u64 = 60;

pub(super) struct Keeper<A, W, P> {
    acme: Arc<Acme>,
    authority: A,
    /// The wall clock, in seconds since 1970.
    wall: W,
    /// Called when certificates have changed.
    present: P,
    wanted: Arc<Wanted>,
    schedule: Schedule,
    held: HashMap<String, Held>,
    /// What the other nodes have last told of each host.
    heard: HashMap<String, Notice>,
    /// Hosts whose certificate is to be put into the store.
    unshared: BTreeSet<String>,
    /// Certificates in the store that are of no use here, and when to look at them again.
    unusable: HashMap<String, (Version, u64)>,
    /// Since when the store has had nothing of use for a host.
    unusable_since_s: HashMap<String, u64>,
    /// What had been tried when this node ended.
    tried: BTreeMap<String, Tries>,
    /// The store was asked, and did not answer.
    is_apart: bool,
}

impl<A: Authority, W: Fn() -> u64 + Send + 'static, P: Fn() + Send + 'static> Keeper<A, W, P> {
    pub(super) fn new(acme: Arc<Acme>, authority: A, wall: W, present: P) -> Self {
        let schedule = Schedule::new(if acme.vault.is_shared() { SETTLE_S } else { 0 });
        Self {
            acme,
            authority,
            wall,
            present,
            wanted: Arc::default(),
            schedule,
            held: HashMap::new(),
            heard: HashMap::new(),
            unshared: BTreeSet::new(),
            unusable: HashMap::new(),
            unusable_since_s: HashMap::new(),
            tried: BTreeMap::new(),
            is_apart: false,
        }
    }

    pub(super) async fn run(mut self) {
        self.tried = self.acme.vault.recall_tries().await.into_iter().collect();
        loop {
            self.take_wanted().await;
            self.acme.recalled.send_replace(true);
            let has_work = match self.wanted.authority.is_some() && !self.wanted.hosts.is_empty() {
                true => self.look().await,
                false => false,
            };
            if !has_work {
                let acme = self.acme.clone();
                select! {
                    () = sleep(LOOK_EVERY) => {}
                    () = acme.changed.notified() => {}
                }
            }
        }
    }

    /// The URL of the authority's directory.
    fn directory(&self) -> &str {
        self.wanted.authority.as_ref().map_or("", |authority| authority.directory.url())
    }

    /// Takes what the config wants, if that has changed.
    async fn take_wanted(&mut self) {
        if self.acme.reseals.swap(false, Ordering::Relaxed) {
            for (host, held) in &self.held {
                self.keep_on_disk(host, held).await;
            }
            self.unshared.extend(self.held.keys().cloned());
        }
        if self.acme.rereads.swap(false, Ordering::Relaxed) {
            for host in &self.wanted.clone().hosts {
                self.recall(host).await;
            }
            self.renew_if_elsewhere();
            self.show();
        }
        let wanted = self.acme.wanted.load_full();
        if Arc::ptr_eq(&wanted, &self.wanted) {
            return;
        }
        let is_other = wanted.authority != self.wanted.authority;
        self.wanted = wanted.clone();
        self.schedule.want(wanted.hosts.iter().map(String::as_str), is_other);
        self.held.retain(|host, _| wanted.hosts.contains(host));
        for host in &wanted.hosts {
            if let Some(&tries) = self.tried.get(host) {
                self.schedule.heard(host, tries);
            }
            if !self.held.contains_key(host) {
                self.recall(host).await;
            }
        }
        self.renew_if_elsewhere();
        self.show();
    }

    /// What another authority than the configured one has issued is used until there is one of its own.
    fn renew_if_elsewhere(&mut self) {
        for (host, held) in &self.held {
            let is_ours = held.version.is_from(self.directory());
            self.schedule.holds(host, is_ours.then(|| held.life()));
        }
    }

    /// Takes a certificate that this node has kept.
    async fn recall(&mut self, host: &str) {
        let Some((kept, is_current)) = self.acme.vault.recall(&vault::certificate(host)).await else { return };
        match serde_json::from_slice(&kept).ok().map(|record| Held::new(record, host, (self.wall)())) {
            Some(Ok(held)) => {
                if !is_current {
                    self.keep_on_disk(host, &held).await;
                    self.unshared.insert(host.to_owned());
                }
                self.held.insert(host.to_owned(), held);
            }
            Some(Err(error)) => tracing::info!(host, %error, "ACME: the certificate that was kept is not used"),
            None => tracing::warn!(host, "ACME: the certificate that was kept cannot be read"),
        }
    }

    async fn keep_on_disk(&self, host: &str, held: &Held) {
        if let Ok(text) = serde_json::to_vec(&held.record) {
            self.acme.vault.keep(&vault::certificate(host), &text).await;
        }
    }

    /// Uses a certificate from now on.
    async fn take(&mut self, host: &str, held: Held) {
        self.keep_on_disk(host, &held).await;
        self.held.insert(host.to_owned(), held);
        self.renew_if_elsewhere();
        self.show();
    }

    /// Has the certificates presented that there are.
    fn show(&self) {
        let issued = self.held.iter().map(|(host, held)| (host.clone(), held.certificate.clone())).collect();
        self.acme.issued.store(Arc::new(issued));
        (self.present)();
    }

    /// Does the first thing that is due. False: nothing is for now.
    async fn look(&mut self) -> bool {
        let now_s = (self.wall)();
        self.drop_ended(now_s);
        match self.hear().await {
            Ok(()) => self.is_apart = false,
            Err(error) => {
                // Without the store a node cannot know which other one is asking.
                if !std::mem::replace(&mut self.is_apart, true) {
                    tracing::warn!(%error, "ACME: the store does not answer; no certificate is asked for meanwhile");
                }
                return false;
            }
        }
        self.schedule.looked(now_s);
        if let Some(host) = self.unshared.pop_first()
            && self.share(&host).await
        {
            return true;
        }
        if !self.acme.asks.load(Ordering::Relaxed) {
            return false;
        }
        if let Some(host) = self.schedule.next(now_s).map(str::to_owned) {
            if let Err(error) = self.ask(&host).await {
                tracing::warn!(host, %error, "ACME: the store did not answer");
                self.schedule.busy(&host, now_s);
            }
            return true;
        }
        if let Some(host) = self.schedule.needs_advice(now_s).map(str::to_owned) {
            self.ask_advice(&host, now_s).await;
            return true;
        }
        false
    }

    /// A certificate that has ended is presented no more.
    fn drop_ended(&mut self, now_s: u64) {
        let ended: Vec<_> =
            self.held.iter().filter(|(_, held)| held.version.has_ended(now_s)).map(|(host, _)| host.clone()).collect();
        for host in &ended {
            tracing::error!(
                host,
                "ACME: the certificate has ended and could not be renewed; HTTPS is refused for the host"
            );
            self.held.remove(host);
            self.schedule.holds(host, None);
        }
        if !ended.is_empty() {
            self.show();
        }
    }

    /// Hears what other nodes have done, and takes their certificates.
    async fn hear(&mut self) -> Result<(), StoreError> {
        if !self.acme.vault.is_shared() {
            return Ok(());
        }
        self.heard = self.acme.vault.tell(&[]).await?.into_iter().collect();
        for host in self.wanted.clone().hosts.iter() {
            self.hear_of(host).await?;
        }
        Ok(())
    }

    /// Takes what has been told of a host.
    async fn hear_of(&mut self, host: &str) -> Result<(), StoreError> {
        let now_s = (self.wall)();
        let notice = self.heard.get(host).cloned().unwrap_or_default();
        self.schedule.heard(host, notice.tries);
        let mine = self.held.get(host).map(|held| held.version.rank(self.directory()));
        let theirs = notice.certificate.as_ref().filter(|version| !version.has_ended(now_s));
        let theirs = theirs.map(|version| version.rank(self.directory()));
        if mine > theirs {
            self.unshared.insert(host.to_owned());
        }
        let is_better = theirs > mine;
        let Some(version) = notice.certificate.filter(|_| is_better) else { return Ok(()) };
        // Another node has one, so none is asked for, even if it is of no use here; not for ever, if there is no other.
        let since_s = self.unusable_since_s.get(host).copied();
        if leaves_to_others(mine.is_some(), since_s, now_s) {
            self.schedule.busy(host, now_s);
        }
        if self.unusable.get(host).is_some_and(|(known, until_s)| *known == version && now_s < *until_s) {
            return Ok(());
        }
        match self.acme.vault.shared(&vault::certificate(host)).await? {
            Some(Some(text)) => match serde_json::from_slice(&text).ok().map(|record| Held::new(record, host, now_s)) {
                Some(Ok(held)) => {
                    tracing::info!(host, "ACME: certificate taken from the fleet");
                    self.take(host, held).await;
                    self.unusable_since_s.remove(host);
                    return Ok(());
                }
                Some(Err(error)) => tracing::warn!(host, %error, "ACME: the fleet's certificate is of no use here"),
                None => tracing::warn!(host, "ACME: the fleet's certificate cannot be read by this version"),
            },
            Some(None) => tracing::warn!(
                host,
                "ACME: the fleet's certificate was sealed with a master secret that this node does not have"
            ),
            // The store has lost it, and not what was reported of it: the node that has it puts it there again.
            None => {
                let notice = Notice { certificate: None, tries: self.schedule.tries(host) };
                self.acme.vault.tell(&[(host.to_owned(), notice)]).await?;
            }
        }
        self.unusable.insert(host.to_owned(), (version, now_s + LOOK_AGAIN_S));
        self.unusable_since_s.entry(host.to_owned()).or_insert(now_s);
        Ok(())
    }

    /// Puts a certificate into the store that is not there. False: it did not go; it is seen to be missing at the next look.
    async fn share(&self, host: &str) -> bool {
        let Some(held) = self.held.get(host) else { return true };
        let name = vault::certificate(host);
        if !self.acme.vault.hold(&name).await.unwrap_or(false) {
            return false;
        }
        let published = self.publish(host, held).await;
        if let Err(error) = &published {
            tracing::debug!(host, %error, "ACME: certificate not put into the store");
        }
        self.acme.vault.free(&name).await;
        published.is_ok()
    }

    /// Puts a certificate into the store, and says so. The lease is held.
    async fn publish(&self, host: &str, held: &Held) -> Result<(), StoreError> {
        let Ok(text) = serde_json::to_vec(&held.record) else { return Ok(()) };
        if self.acme.vault.publish(&vault::certificate(host), &text).await? {
            let notice = Notice { certificate: Some(held.version.clone()), tries: Tries::default() };
            self.acme.vault.tell(&[(host.to_owned(), notice)]).await?;
        }
        Ok(())
    }

    /// Asks for the certificate of a host, if no other node does.
    async fn ask(&mut self, host: &str) -> Result<(), StoreError> {
        let acme = self.acme.clone();
        let _order = acme.order.lock().await;
        // Another process may have this duty by now.
        if !acme.asks.load(Ordering::Relaxed) {
            return Ok(());
        }
        let name = vault::certificate(host);
        if !self.acme.vault.hold(&name).await? {
            self.schedule.busy(host, (self.wall)());
            return Ok(());
        }
        let asked = self.ask_holding(host).await;
        self.acme.vault.free(&name).await;
        asked
    }

    async fn ask_holding(&mut self, host: &str) -> Result<(), StoreError> {
        // Another node may have been faster, before the lease was ours.
        if self.acme.vault.is_shared() {
            self.heard = self.acme.vault.tell(&[]).await?.into_iter().collect();
            self.hear_of(host).await?;
        }
        let now_s = (self.wall)();
        if !self.schedule.is_due_now(host, now_s) {
            return Ok(());
        }
        let wanted = self.wanted.clone();
        let Some(settings) = &wanted.authority else { return Ok(()) };
        let before = self.schedule.tries(host);
        self.schedule.begins(host, now_s, roll());
        // Written down before it is made: a try that ends with the process counts.
        self.tell_tries(host).await?;
        tracing::info!(host, directory = settings.directory.url(), "ACME: asking for a certificate");
        let ask = Ask { acme: &self.acme, settings, host, held: self.held.get(host) };
        let ordered = match timeout(TRY_WITHIN, self.authority.order(ask)).await {
            Ok(ordered) => ordered,
            Err(_) => Err(Refusal {
                failed: Failed::Host { retry_after_s: None },
                why: format!("not done within {} s", TRY_WITHIN.as_secs()),
            }),
        };
        let now_s = (self.wall)();
        let held = ordered.and_then(|record| {
            Held::new(record, host, now_s).map_err(|error| Refusal {
                failed: Failed::Host { retry_after_s: None },
                why: format!("what was issued is of no use: {error}"),
            })
        });
        match held {
            Ok(held) => {
                self.count("issued");
                tracing::info!(host, until_s = held.certificate.not_after_s, "ACME: certificate issued");
                self.schedule.issued();
                self.take(host, held.clone()).await;
                self.keep_tries().await;
                // Presented already; if the store does not take it, it is seen to be missing there.
                self.publish(host, &held).await
            }
            Err(Refusal { failed, why }) => {
                self.count(match failed {
                    Failed::Host { .. } => "failed",
                    Failed::RateLimited { .. } => "rate_limited",
                    Failed::Unavailable { .. } => "unavailable",
                });
                self.schedule.failed(host, failed, before, now_s);
                let next_s = self.schedule.next_try_s(host).saturating_sub(now_s);
                tracing::warn!(host, why, again_in_s = next_s, "ACME: no certificate");
                self.tell_tries(host).await
            }
        }
    }

    async fn keep_tries(&mut self) {
        self.tried = self.schedule.all_tries();
        self.acme.vault.keep_tries(&self.tried).await;
    }

    /// Writes down what has been tried, here and for the fleet.
    async fn tell_tries(&mut self, host: &str) -> Result<(), StoreError> {
        self.keep_tries().await;
        let certificate = self.heard.get(host).and_then(|notice| notice.certificate.clone());
        let notice = Notice { certificate, tries: self.schedule.tries(host) };
        self.acme.vault.tell(&[(host.to_owned(), notice)]).await.map(drop)
    }

    async fn ask_advice(&mut self, host: &str, now_s: u64) {
        let wanted = self.wanted.clone();
        let Some(settings) = &wanted.authority else { return };
        let ask = Ask { acme: &self.acme, settings, host, held: self.held.get(host) };
        match timeout(TRY_WITHIN, self.authority.advice(ask)).await {
            Ok(Advice::Within { window_s, ask_after_s }) => self.schedule.advised(host, window_s, ask_after_s, now_s),
            Ok(Advice::Never) => self.schedule.gives_no_advice(),
            Ok(Advice::Unknown) | Err(_) => self.schedule.not_advised(host, now_s),
        }
    }

    fn count(&self, outcome: &'static str) {
        self.acme.orders.with_label_values(&[outcome]).inc();
    }
}

/// Any number. Without one those that failed together come back together, which is no harm.
fn roll() -> u16 {
    let mut bytes = [0; 2];
    let _ = SystemRandom::new().fill(&mut bytes);
    u16::from_be_bytes(bytes)
}
