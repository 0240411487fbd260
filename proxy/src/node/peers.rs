//! The nodes of a fleet as they see each other: which there are, and whether they go by the same rules and keys.
//!
//! Rules travel with each step, so two nodes with different files alternate between two rates, and with different keys a
//! ticket of one is void at the other. Neither shows in a single node. So each node puts up what it goes by on a board
//! in the shared store, beside the lines: no step costs more for it.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | nodes on the board | [`NODES_MAX`] | the next one is not seen, which it logs |
//! | lines told whole by a node | [`told::LINES_WHOLE_MAX`] | of all lines a digest is told: that they differ is seen, and not in what |
//! | lines told at all | [`told::LINES_MAX`] | the rest is not compared |
//! | differences kept | [`differ::DIFFERENCES_MAX`] | the rest is left out |

pub(crate) mod differ;
pub(crate) mod told;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use ring::rand::{SecureRandom as _, SystemRandom};
use sluice_admission::{store::Note, token::Keyring};
use sluice_config::Keys;
use tokio::{sync::Notify, time::sleep};

use self::{differ::Difference, told::Told};
use crate::{lines::Lines, node::Node, sinks::time::now_ms};

/// Most nodes on the board.
pub(crate) const NODES_MAX: usize = 200;
/// How often a node says what it goes by.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// A node that says nothing for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// How often it is said at most that nodes differ.
const LOG_EVERY: Duration = Duration::from_secs(60);
const BOARD: &str = "nodes";

/// What this node says of itself, and what it has heard of the others.
#[derive(Debug)]
pub(crate) struct Peers {
    /// Which start of which node this is.
    run: String,
    started_ms: u64,
    keys: ArcSwap<Vec<String>>,
    heard: ArcSwap<Heard>,
    changed: Notify,
}

/// The fleet as of the last look at the board.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Every node, this one among them, by name.
    pub(crate) peers: Vec<Peer>,
    /// In what they differ.
    pub(crate) differences: Vec<Difference>,
}

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Which start of which node it is.
    pub(crate) run: String,
    pub(crate) told: Told,
    /// When it said so.
    pub(crate) ago: Duration,
}

impl Peers {
    /// # Errors
    /// If the system gives no random bytes.
    pub(crate) fn new() -> Result<Self, ring::error::Unspecified> {
        let mut run = [0; 8];
        SystemRandom::new().fill(&mut run)?;
        let run = run.iter().map(|byte| format!("{byte:02x}")).collect();
        let (keys, heard) = (ArcSwap::default(), ArcSwap::default());
        Ok(Self { run, started_ms: now_ms(), keys, heard, changed: Notify::new() })
    }

    /// A config was taken: the others hear of it soon.
    pub(crate) fn take(&self, keys: &Keys, keyring: &Keyring) {
        self.keys.store(Arc::new(told::keys(keys, keyring)));
        self.changed.notify_one();
    }

    /// Which start of which node this is.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// The fleet as of the last look.
    pub(crate) fn heard(&self) -> Arc<Heard> {
        self.heard.load_full()
    }
}

impl Heard {
    fn of(mut peers: Vec<Peer>) -> Self {
        peers.sort_by(|a, b| (&a.told.name, &a.run).cmp(&(&b.told.name, &b.run)));
        let differences = differ::differences(&peers);
        Self { peers, differences }
    }

    /// In what the nodes differ about a line.
    pub(crate) fn about<'h>(&'h self, line: &'h str) -> impl Iterator<Item = &'h Difference> {
        self.differences.iter().filter(move |difference| difference.lines.iter().any(|of| of == line))
    }
}

/// What this node is called among the others: its machine, and the port that no other node of the machine has.
pub(crate) fn name(port: u16) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine: String = machine.trim().chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
    format!("{}:{port}", if machine.is_empty() { "node" } else { &machine })
}

/// Says what this node goes by, and hears what the others do, for as long as it lives.
pub(crate) async fn keep(node: Arc<Node>, name: String) {
    let mut said: Option<Instant> = None;
    let mut refused = false;
    loop {
        let peers = &node.peers;
        let told = Told::of(&node.routes(), &peers.keys.load(), name.clone(), peers.started_ms);
        let found = match node.store() {
            Lines::Embedded(_) => Some(vec![Peer { run: peers.run.clone(), told, ago: Duration::ZERO }]),
            Lines::Redis(store, _) => {
                let text = serde_json::to_string(&told).unwrap_or_default();
                let note = Note { name: peers.run.clone(), text, keep: GONE_AFTER };
                match store.board(BOARD, &[note], NODES_MAX).await {
                    Ok(board) => {
                        if board.refused > 0 && !refused {
                            tracing::warn!("more than {NODES_MAX} nodes share the store; this one is not compared");
                        }
                        refused = board.refused > 0;
                        Some(board.notes.into_iter().filter_map(peer).collect())
                    }
                    // What was heard last stands: that the store is away is said elsewhere.
                    Err(error) => {
                        tracing::debug!(%error, "other nodes unknown");
                        None
                    }
                }
            }
        };
        if let Some(found) = found {
            let heard = Heard::of(found);
            said = log(&heard, said);
            peers.heard.store(Arc::new(heard));
        }
        tokio::select! {
            () = sleep(TELL_EVERY) => {}
            () = peers.changed.notified() => {}
        }
    }
}

fn peer(note: Note) -> Option<Peer> {
    let told = serde_json::from_str(&note.text).ok()?;
    Some(Peer { run: note.name, told, ago: GONE_AFTER.saturating_sub(note.keep) })
}

/// Says it when nodes differ, and when they do no more; when it was said, while they do.
fn log(heard: &Heard, said: Option<Instant>) -> Option<Instant> {
    match (heard.differences.is_empty(), said) {
        (true, None) => None,
        (true, Some(_)) => {
            tracing::info!(nodes = heard.peers.len(), "nodes agree again");
            None
        }
        (false, Some(at)) if at.elapsed() < LOG_EVERY => Some(at),
        (false, _) => {
            let all: Vec<_> = heard.differences.iter().map(ToString::to_string).collect();
            tracing::warn!(nodes = heard.peers.len(), differences = all.join("; "), "nodes disagree");
            Some(Instant::now())
        }
    }
}
