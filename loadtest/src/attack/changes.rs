//! What operators do while a crowd is at the door: configs and certificates that change, new versions, and mistakes in each;
//! and what they set through the API.

mod api;
pub(crate) mod overrides;

use std::{fs, net::SocketAddr, time::Duration};

use http::{Request, header};
use rustix::process::Signal;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::{
    clock::{Clock, Us},
    fleet::{Fleet, Node},
    limits::Limits,
};
use crate::{
    Failed,
    client::{Connection, Site, Way},
    simulate::Promise,
};

/// A reload in this many has a mistake.
const BROKEN_RELOAD_EACH: u32 = 5;
/// An upgrade in this many finds a config with a mistake.
const BROKEN_UPGRADE_EACH: u32 = 2;
/// A node says within this what has become of a change. Processes that serve their last clients may be in the way of the
/// next upgrade: they end within their drain timeout, 30 s.
const VERDICT_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How many changes are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changes {
    pub(crate) reloads: u32,
    pub(crate) upgrades: u32,
}

/// What has become of them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Changed {
    pub(crate) reloads: u32,
    pub(crate) reloads_refused: u32,
    pub(crate) upgrades: u32,
    pub(crate) upgrades_refused: u32,
    /// What was taken and should not have been, or the other way round.
    pub(crate) wrong: Vec<String>,
}

/// What there is to change, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) origin: SocketAddr,
    /// Its certificate is renewed with each reload.
    pub(crate) site: Option<&'a Site>,
}

/// What a node says of its changes.
#[derive(Clone, Debug)]
struct Counts {
    pid: u32,
    upgrades_refused: f64,
    /// Of the last upgrade that was refused.
    why: Option<String>,
    reloads: f64,
    reloads_refused: f64,
}

impl Changes {
    /// Makes them one after another between two moments, as evenly as their answers allow.
    ///
    /// # Errors
    /// If a node cannot be asked, or a file not written.
    pub(crate) async fn make(
        self,
        fleet: &mut Fleet,
        of: Of<'_>,
        clock: Clock,
        (from_us, until_us): (Us, Us),
    ) -> Result<Changed, Failed> {
        let due_us = |at: u32, of: u32| from_us + (until_us - from_us) * Us::from(at) / Us::from(of.max(1));
        let mut all: Vec<_> = (0..self.reloads).map(|at| (due_us(at, self.reloads), at, true)).collect();
        all.extend((0..self.upgrades).map(|at| (due_us(at, self.upgrades), at, false)));
        all.sort_unstable();
        let mut changed = Changed::default();
        for (due_us, at, is_reload) in all {
            tokio::time::sleep_until(clock.at(due_us)).await;
            if is_reload { changed.reload(fleet, of, at).await? } else { changed.upgrade(fleet, at).await? }
        }
        Ok(changed)
    }
}

impl Changed {
    /// Every node gets another config and another certificate, or a mistake, which is mended again.
    async fn reload(&mut self, fleet: &Fleet, of: Of<'_>, at: u32) -> Result<(), Failed> {
        let is_broken = at % BROKEN_RELOAD_EACH == BROKEN_RELOAD_EACH - 1;
        if is_broken {
            self.apply(fleet, of, "max_waiting = \"many\"\n", true).await?;
        }
        self.apply(fleet, of, &format!("max_waiting = {}\n", 500_000 + at), false).await?;
        self.reloads += 1;
        self.reloads_refused += u32::from(is_broken);
        Ok(())
    }

    async fn apply(&mut self, fleet: &Fleet, of: Of<'_>, setting: &str, is_broken: bool) -> Result<(), Failed> {
        let mut before = Vec::new();
        for node in &fleet.nodes {
            before.push(Counts::of(node).await?);
        }
        let renewed = of.site.map(Site::renewed).transpose()?;
        for node in &fleet.nodes {
            if let Some(site) = &renewed {
                site.write(&node.folder)?;
            }
        }
        fleet.reload(of.limits, setting, of.origin)?;
        for (number, (node, before)) in fleet.nodes.iter().zip(before).enumerate() {
            let has_said = |now: &Counts| now.reloads + now.reloads_refused > before.reloads + before.reloads_refused;
            let after = until(node, has_said).await?;
            let was_refused = after.map(|after| after.reloads_refused > before.reloads_refused);
            if was_refused != Some(is_broken) {
                self.wrong.push(format!("{setting:?} at node {number}: refused {was_refused:?}"));
            }
        }
        Ok(())
    }

    /// One node after another is followed by a new process, or by none, since that cannot serve.
    async fn upgrade(&mut self, fleet: &mut Fleet, at: u32) -> Result<(), Failed> {
        let is_broken = at % BROKEN_UPGRADE_EACH == BROKEN_UPGRADE_EACH - 1;
        let number = at as usize % fleet.nodes.len();
        let node = &mut fleet.nodes[number];
        let file = node.folder.join("sluice.toml");
        let text = fs::read_to_string(&file)?;
        if is_broken {
            fs::write(&file, format!("[[[\n{text}"))?;
        }
        let deadline = Instant::now() + VERDICT_WITHIN;
        let mut why = None;
        // `None`: no verdict.
        let followed = loop {
            let before = Counts::of(node).await?;
            node.server.signal(Signal::USR2)?;
            let is_over = |now: &Counts| now.pid != before.pid || now.upgrades_refused > before.upgrades_refused;
            match until(node, is_over).await? {
                Some(after) if after.pid != before.pid => break Some(Some(after.pid)),
                // There may still be older processes, as many as there may be.
                Some(after) if !is_broken && Instant::now() < deadline => {
                    why = after.why;
                    sleep(LOOK_EVERY * 25).await;
                }
                Some(_) => break Some(None),
                None => break None,
            }
        };
        if let Some(Some(pid)) = followed {
            node.server.is_followed_by(pid);
        }
        if followed.map(|by| by.is_none()) != Some(is_broken) {
            self.wrong.push(format!("upgrade {at} of node {number}: followed by {followed:?}, {why:?}"));
        }
        if is_broken {
            fs::write(&file, text)?;
        }
        self.upgrades += u32::from(!is_broken);
        self.upgrades_refused += u32::from(is_broken);
        Ok(())
    }

    pub(crate) fn judge(&self) -> Promise {
        let Self { reloads, reloads_refused, upgrades, upgrades_refused, wrong } = self;
        let first =
            wrong.first().map(|first| format!("; {} went wrong, such as {first}", wrong.len())).unwrap_or_default();
        Promise {
            name: "changes: each is taken, and each mistake refused",
            held: wrong.is_empty(),
            found: format!(
                "{reloads} reloads and {upgrades} upgrades, {reloads_refused} and {upgrades_refused} with a mistake{first}"
            ),
        }
    }
}

/// Waits until a node's counts fulfil this; `None`: not in time.
async fn until(node: &Node, are_so: impl Fn(&Counts) -> bool) -> Result<Option<Counts>, Failed> {
    let looked = timeout(VERDICT_WITHIN, async {
        loop {
            let now = Counts::of(node).await?;
            if are_so(&now) {
                return Ok(now);
            }
            sleep(LOOK_EVERY).await;
        }
    });
    looked.await.ok().transpose()
}

impl Counts {
    async fn of(node: &Node) -> Result<Self, Failed> {
        let process: Value = serde_json::from_str(&text(node, "/process").await?)?;
        let metrics = text(node, "/metrics").await?;
        let metric = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse().ok()).ok_or_else(|| format!("no {name} in the metrics"))
        };
        let pid = process["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).ok_or("no pid")?;
        Ok(Self {
            pid,
            upgrades_refused: process["upgrades_refused"].as_f64().ok_or("no count of upgrades")?,
            why: process["why"].as_str().map(ToOwned::to_owned),
            reloads: metric("sluice_config_reloads_total")?,
            reloads_refused: metric("sluice_config_reloads_refused_total")?,
        })
    }
}

/// What a node's admin listener says there.
async fn text(node: &Node, path: &str) -> Result<String, Failed> {
    let mut connection = Connection::open(&Way::PLAIN, node.admin, None).await?;
    let request = Request::get(path).header(header::HOST, "localhost").body(())?;
    let answer = connection.send(request).await?;
    Ok(String::from_utf8(answer.body.to_vec())?)
}
