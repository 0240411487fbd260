//! What a scenario file says: the queue, the fleet, what goes wrong, and who comes.
//!
//! Strict: a key that is not known is an error, and so is a value out of its bounds; the message says what to write.

mod read;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::read::{duration_ms, optional_ms};
use crate::Failed;

/// Most visitors of all crowds together; one takes about 150 bytes.
pub(crate) const VISITORS_MAX: u64 = 4_000_000;
/// Most crowds in one scenario.
pub(crate) const CROWDS_MAX: usize = 32;
/// Most nodes of a fleet.
pub(crate) const NODES_MAX: u32 = 64;
/// Most faults in one scenario.
pub(crate) const FAULTS_MAX: usize = 100;
/// Longest run, in virtual time.
pub(crate) const LASTS_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// Longest trace of arrivals, in bytes.
const TRACE_BYTES_MAX: u64 = 64 << 20;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) about: String,
    #[serde(default)]
    pub(crate) seed: u64,
    /// The run ends when everybody is through, or after this.
    #[serde(rename = "lasts_at_most", deserialize_with = "duration_ms")]
    pub(crate) lasts_ms_max: u64,
    pub(crate) queue: Queue,
    #[serde(default)]
    pub(crate) fleet: Fleet,
    #[serde(default)]
    pub(crate) origin: Origin,
    #[serde(default, rename = "fault")]
    pub(crate) faults: Vec<Fault>,
    #[serde(rename = "crowd")]
    pub(crate) crowds: Vec<Crowd>,
}

/// The settings of the queue, under the names and with the defaults that they have in a tenant's file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Queue {
    pub(crate) release_per_minute: u32,
    pub(crate) burst: Option<u32>,
    pub(crate) max_active: Option<u32>,
    #[serde(default = "read::million")]
    pub(crate) max_waiting: u32,
    #[serde(default = "read::minutes::<10>", rename(deserialize = "session_idle"), deserialize_with = "duration_ms")]
    pub(crate) session_idle_ms: u64,
    #[serde(default = "read::minutes::<720>", rename(deserialize = "session_max"), deserialize_with = "duration_ms")]
    pub(crate) session_max_ms: u64,
    #[serde(default = "read::minutes::<2>", rename(deserialize = "claim_within"), deserialize_with = "duration_ms")]
    pub(crate) claim_within_ms: u64,
    #[serde(default = "read::minutes::<30>", rename(deserialize = "return_within"), deserialize_with = "duration_ms")]
    pub(crate) return_within_ms: u64,
    /// Rows of numbers; none: there is one.
    #[serde(default, rename(deserialize = "lane"), skip_serializing_if = "Vec::is_empty")]
    pub(crate) lanes: Vec<Lane>,
}

/// A lane, as in a tenant's file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lane {
    pub(crate) name: String,
    #[serde(default = "read::one")]
    pub(crate) weight: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fleet {
    pub(crate) nodes: u32,
    pub(crate) store: StoreKind,
    /// One way between a node and the store, the median.
    #[serde(rename(deserialize = "to_store"), deserialize_with = "duration_ms")]
    pub(crate) to_store_ms: u64,
    /// One way between a visitor and a node, the median.
    #[serde(rename(deserialize = "to_visitor"), deserialize_with = "duration_ms")]
    pub(crate) to_visitor_ms: u64,
    /// How far these ways are spread: the sigma of a log-normal distribution; 0: as in a fixed network.
    pub(crate) to_visitor_spread: f64,
    /// How much the nodes' clocks differ: the first one is so much slow, the last so much fast.
    pub(crate) clock_drift_ppm: u32,
    /// A visitor is served by one node throughout.
    pub(crate) sticky: bool,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            nodes: 1,
            store: StoreKind::Embedded,
            to_store_ms: 0,
            to_visitor_ms: 40,
            to_visitor_spread: 0.0,
            clock_drift_ppm: 0,
            sticky: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreKind {
    /// In the process of the one node.
    Embedded,
    /// Shared by the fleet.
    Redis,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Origin {
    /// With more visitors than this inside, visits take longer, in proportion.
    pub(crate) bears: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, tag = "what", rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The store cannot be reached.
    Away {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        #[serde(rename = "lasts", deserialize_with = "duration_ms")]
        lasts_ms: u64,
    },
    /// The store has lost everything.
    Wiped {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
    },
    /// The store is as it was some time ago.
    Restored {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        #[serde(rename = "age", deserialize_with = "duration_ms")]
        age_ms: u64,
    },
    /// The store's wall clock is set.
    ClockStep {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        /// By so much, forward if positive.
        seconds: i64,
    },
    /// The operator holds the line.
    Held {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        #[serde(rename = "lasts", deserialize_with = "duration_ms")]
        lasts_ms: u64,
    },
    /// The operator sets another rate.
    Rate {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        release_per_minute: u32,
    },
    /// The operator writes other lanes.
    Lanes {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        lanes: Vec<Lane>,
        /// From when the first node reads them to when the last one does.
        #[serde(default, rename = "over", deserialize_with = "duration_ms")]
        over_ms: u64,
    },
    /// Every round trip between visitors and nodes takes longer.
    SlowNetwork {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        #[serde(rename = "lasts", deserialize_with = "duration_ms")]
        lasts_ms: u64,
        /// By so much.
        #[serde(rename = "adds", deserialize_with = "duration_ms")]
        adds_ms: u64,
    },
    /// Phones are put away, all at once.
    MassSleep {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        #[serde(rename = "lasts", deserialize_with = "duration_ms")]
        lasts_ms: u64,
        /// The share of those who wait.
        share: f64,
    },
    /// Every node is down, and remembers nothing when it is back.
    Restart {
        #[serde(rename = "at", deserialize_with = "duration_ms")]
        at_ms: u64,
        #[serde(rename = "lasts", deserialize_with = "duration_ms")]
        lasts_ms: u64,
    },
}

impl Fault {
    pub(crate) fn at_ms(&self) -> u64 {
        let (Self::Away { at_ms, .. }
        | Self::Wiped { at_ms }
        | Self::Restored { at_ms, .. }
        | Self::ClockStep { at_ms, .. }
        | Self::Held { at_ms, .. }
        | Self::Rate { at_ms, .. }
        | Self::Lanes { at_ms, .. }
        | Self::SlowNetwork { at_ms, .. }
        | Self::MassSleep { at_ms, .. }
        | Self::Restart { at_ms, .. }) = self;
        *at_ms
    }

    /// Whether waits that were shown before it say nothing of those that came after: what is not foreseen changes how
    /// fast the line moves, or stops it for long.
    pub(crate) fn is_a_surprise(&self) -> bool {
        const LONG_MS: u64 = 60_000;
        match self {
            Self::Held { .. }
            | Self::Rate { .. }
            | Self::Lanes { .. }
            | Self::MassSleep { .. }
            | Self::Restart { .. } => true,
            Self::Away { lasts_ms, .. } => *lasts_ms > LONG_MS,
            Self::Wiped { .. } | Self::Restored { .. } | Self::ClockStep { .. } | Self::SlowNetwork { .. } => false,
        }
    }

    /// Whether no visitor can be called while it lasts.
    pub(crate) fn stops_calls(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Held { .. } | Self::Restart { .. })
    }

    /// Whether what the line has counted is lost with its state.
    pub(crate) fn loses_counts(&self) -> bool {
        matches!(self, Self::Wiped { .. } | Self::Restored { .. })
    }

    /// After how long it is over, if it is one that lasts.
    pub(crate) fn lasts_ms(&self) -> Option<u64> {
        match self {
            Self::Away { lasts_ms, .. }
            | Self::Held { lasts_ms, .. }
            | Self::SlowNetwork { lasts_ms, .. }
            | Self::MassSleep { lasts_ms, .. }
            | Self::Restart { lasts_ms, .. } => Some(*lasts_ms),
            Self::Wiped { .. }
            | Self::Restored { .. }
            | Self::ClockStep { .. }
            | Self::Rate { .. }
            | Self::Lanes { .. } => None,
        }
    }
}

/// Visitors who have something in common.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Crowd {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) kind: Kind,
    /// The lane into which they are put; without it, or if the queue has no such lane, it is the first.
    pub(crate) lane: Option<String>,
    /// How many; of `cookieless` ones how many requests they make.
    #[serde(default)]
    pub(crate) visitors: u64,
    #[serde(default)]
    pub(crate) arrive: Arrive,
    #[serde(default, rename = "from", deserialize_with = "duration_ms")]
    pub(crate) from_ms: u64,
    #[serde(default, rename = "over", deserialize_with = "duration_ms")]
    pub(crate) over_ms: u64,
    /// A file with one time stamp a line, in seconds; relative to the scenario's file.
    pub(crate) trace: Option<PathBuf>,
    /// Share of those who lose patience soon.
    #[serde(default)]
    pub(crate) no_shows: f64,
    /// When they do, on the whole.
    #[serde(default = "read::minutes::<3>", rename = "no_show_after", deserialize_with = "duration_ms")]
    pub(crate) no_show_after_ms: u64,
    /// When everybody else loses patience, on the whole; without it never.
    #[serde(default, rename = "patience", deserialize_with = "optional_ms")]
    pub(crate) patience_ms: Option<u64>,
    /// Share of those who go away that say so.
    #[serde(default)]
    pub(crate) goodbye: f64,
    /// Share of those whose phone falls asleep once.
    #[serde(default)]
    pub(crate) asleep: f64,
    #[serde(default = "read::minutes::<1>", rename = "asleep_after", deserialize_with = "duration_ms")]
    pub(crate) asleep_after_ms: u64,
    #[serde(default = "read::minutes::<3>", rename = "asleep_for", deserialize_with = "duration_ms")]
    pub(crate) asleep_for_ms: u64,
    /// Share of those whose tab is hidden, so that it asks once a minute.
    #[serde(default)]
    pub(crate) hidden: f64,
    /// Share of those with a second tab.
    #[serde(default)]
    pub(crate) second_tab: f64,
    /// Share of those who reload the page, and how far apart.
    #[serde(default)]
    pub(crate) reloaders: f64,
    #[serde(default = "read::minutes::<1>", rename = "reload_every", deserialize_with = "duration_ms")]
    pub(crate) reload_every_ms: u64,
    /// How long a visit takes, on the whole.
    #[serde(default = "read::minutes::<2>", rename = "inside", deserialize_with = "duration_ms")]
    pub(crate) inside_ms: u64,
    #[serde(default = "read::quarter_minute", rename = "request_every", deserialize_with = "duration_ms")]
    pub(crate) request_every_ms: u64,
    /// Share of visits that end with an answer that says so; the others just stop.
    #[serde(default = "read::half")]
    pub(crate) ends: f64,
    /// Share of those whose page does not enter by itself, and whose owner is not there: it asks on and on.
    #[serde(default)]
    pub(crate) parked: f64,
    /// Share of those who enter when they are called (of `collectors`: who hoard numbers).
    #[serde(default = "read::whole")]
    pub(crate) enters: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// People with browsers.
    #[default]
    Visitors,
    /// Clients that never send a cookie back.
    Cookieless,
    /// Clients that take numbers and may never use them.
    Collectors,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Arrive {
    /// Most at once, and fewer and fewer after.
    #[default]
    Flash,
    /// Evenly.
    Steady,
    /// More and more.
    Ramp,
    /// As a site's visitors come over a day: few at night, most in the evening.
    Daily,
    /// As a file says.
    Trace,
}

impl Scenario {
    /// Reads a file and checks it.
    pub(crate) fn load(path: &Path) -> Result<(Self, Vec<Vec<u64>>), Failed> {
        let place = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| format!("{place}: {e}"))?;
        let scenario = Self::parse(&text).map_err(|e| format!("{place}: {e}"))?;
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut traces = Vec::new();
        for crowd in &scenario.crowds {
            traces.push(match &crowd.trace {
                Some(file) => read::trace(&dir.join(file), TRACE_BYTES_MAX)?,
                None => Vec::new(),
            });
        }
        let come = |(c, t): (&Crowd, &Vec<u64>)| if c.trace.is_some() { t.len() as u64 } else { c.visitors };
        let all: u64 = scenario.crowds.iter().zip(&traces).map(come).fold(0, u64::saturating_add);
        if all > VISITORS_MAX {
            return Err(format!("{place}: {all} visitors in all; write at most {VISITORS_MAX}").into());
        }
        Ok((scenario, traces))
    }

    /// Reads a text and checks everything but the traces.
    pub(crate) fn parse(text: &str) -> Result<Self, Failed> {
        let scenario: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        let mistakes = read::mistakes(&scenario);
        if mistakes.is_empty() { Ok(scenario) } else { Err(mistakes.join("\n").into()) }
    }
}
