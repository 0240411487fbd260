//! An upgrade: another process of the program at the same path becomes the node, and no client notices.
//!
//! ```text
//!        older process                            newer process
//!   SIGUSR2 ─▶ starts it, hands over ── sockets ─▶ reads its config, opens what that names
//!              every listener        ◀── ready ───
//!              ends its duties,
//!              lets go of the lines  ─── lines ──▶ opens the state directory, hears of each line
//!                                    ◀ prepared ──
//!              tells the service manager who the node is
//!              asks it for the lines ─── serve ──▶ lets clients in, begins its duties,
//!              from now on           ◀── steps ──▶ lends the lines
//!              serves those it has,
//!              within the drain timeout, and ends
//! ```
//!
//! Until it says `serve` the older process may change its mind: it kills the newer one, takes the lines back, and goes on. It
//! does so if the newer one fails, says no, or takes too long; and if it is itself asked to end. The state directory has one
//! owner at any time, by its lock. Questions about a line while no process has it wait for as long as any step.
//!
//! With a shared store there are no lines to hand over: both are nodes of the fleet for a while. The duties and the files in
//! the state directory are handed over all the same.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | newer process reads its config and opens what it names | [`READY_WITHIN`] | the older one goes on |
//! | duties end | 20 s | broken off |
//! | steps under way end, the lines are let go of | [`LET_GO_WITHIN`] | the older one goes on |
//! | newer process hears of its lines | [`PREPARED_WITHIN`] | the older one goes on |
//! | older processes that serve their last clients | [`OLDER_MAX`] | no upgrade |
//! | one of them | `drain_timeout` | connections cut |

mod hand_over;
mod link;
mod program;
mod take_over;

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    hand_over::{hand_over, upgrades},
    program::Program,
    take_over::{Heir, follows},
};
use crate::transport::listeners::Purpose;

/// How long the newer process may take to read its config and open what that names.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long steps under way may take to end.
const LET_GO_WITHIN: Duration = Duration::from_secs(5);
/// How long the newer process may take to hear of its lines: as long as a start, and a little more.
const PREPARED_WITHIN: Duration = Duration::from_secs(15);
/// How long the older process may take to do what the newer one waits for: to end its duties and let go of the lines.
const OLDER_WITHIN: Duration = Duration::from_secs(60);
/// Most processes of a node that serve their last clients.
const OLDER_MAX: u32 = 2;
/// Set for a process that is to follow another one, to which its standard input leads: the other one's number.
const FOLLOWS: &str = "SLUICE_FOLLOWS";

/// What the older process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Older {
    /// The listeners follow, one by one; `older`: how many processes there are before this one.
    Listeners { version: String, older: u32, listeners: Vec<(Purpose, SocketAddr)> },
    /// The state directory is the other one's.
    Lines,
    /// The other one is the node.
    Serve,
}

/// What the newer process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Newer {
    /// Its config is good, and everything that it names is open; `lines`: which lines it can go on with.
    Ready { version: String, lines: [u32; 2] },
    /// It could serve at once.
    Prepared,
    /// It cannot.
    Failed { why: String },
}

/// Why an upgrade has not come about. The process that was there goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0} older processes still serve their last clients; they end within `drain_timeout`")]
    Older(u32),
    #[error("this process is the first of its container, which ends with it; replace the container instead")]
    Container,
    #[error("{program} cannot be started: {source}")]
    Start { program: String, source: std::io::Error },
    #[error("the new process has ended: {0}")]
    Ended(String),
    #[error("the new process was not {what} within {} s", within.as_secs())]
    Late { what: &'static str, within: Duration },
    #[error("the new process has failed: {0}")]
    Failed(String),
    #[error("the new process says what this one does not understand: {0}")]
    Astray(std::io::Error),
    #[error(
        "version {version} keeps lines in another form ({found:?}, here {known:?}); start it once the lines are empty, \
         with a `state_dir` of its own"
    )]
    Lines { version: String, found: [u32; 2], known: [u32; 2] },
    #[error("the lines cannot be let go of: {0}")]
    LetGo(std::io::Error),
    #[error("this process was asked to end")]
    Asked,
}
