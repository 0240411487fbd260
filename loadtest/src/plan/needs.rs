//! From requests to nodes, store and network.

use crate::simulate::{Report, whole};

/// What one of each costs. The defaults were measured on one machine with 2 cores: CPU by `./x bench`, memory by `./x
/// compare --only idle`, bytes with curl at the demo. Measure yours, and say so.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Costs {
    /// CPU of a node for a status poll, in microseconds.
    #[arg(long, default_value_t = 11.9)]
    poll_us: f64,
    /// CPU of a node for a request of a visitor inside, in microseconds.
    #[arg(long, default_value_t = 25.2)]
    request_us: f64,
    /// Bytes of a status answer, with its head.
    #[arg(long, default_value_t = 1_100)]
    poll_bytes: u64,
    /// Bytes of the waiting page, with its head.
    #[arg(long, default_value_t = 13_500)]
    page_bytes: u64,
    /// Cores of a node.
    #[arg(long, default_value_t = 2)]
    cores: u32,
    /// The share of its cores that a node may use.
    #[arg(long, default_value_t = 0.5)]
    load: f64,
    /// `connections_max` of a node; each visitor who waits or is inside keeps one.
    #[arg(long, default_value_t = 15_000)]
    connections: u32,
    /// Memory of a node for each of these connections, in bytes; what the kernel keeps comes on top.
    #[arg(long, default_value_t = 3_100)]
    connection_bytes: u32,
}

/// Redis keeps a million waiting numbers in 3.4 MB, and takes 0.8 ms for a tick over them: `./x cost`.
const LINE_BYTES_PER_NUMBER: f64 = 3.4;
const TICK_US_PER_NUMBER: f64 = 0.000_8;
/// Ticks of a standing line; whichever node comes first makes them.
const TICKS_PER_S: f64 = 10.0;

/// What the busiest stretch of a run asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub(super) polls_per_s: f64,
    pub(super) newcomers_per_s: f64,
    pub(super) requests_per_s: f64,
    pub(super) visitors: u64,
    pub(super) cpu_cores: f64,
    pub(super) nodes_for_cpu: u64,
    pub(super) nodes_for_connections: u64,
    pub(super) steps_per_s: f64,
    pub(super) line_bytes: f64,
    pub(super) ticks_cpu: f64,
    pub(super) bits_per_s: f64,
}

impl Needs {
    /// `requests_per_s` is what one visitor inside makes.
    pub(super) fn of(report: &Report, requests_per_s: f64, costs: &Costs) -> Self {
        let most = |of: fn(&crate::simulate::OverTime) -> f64| report.over_time.iter().map(of).fold(0.0, f64::max);
        let (polls_per_s, newcomers_per_s) = (most(|p| p.polls_per_s), most(|p| p.came_per_s));
        let requests_per_s = most(|p| p.inside as f64) * requests_per_s;
        let visitors = whole(most(|p| (p.waiting + p.inside) as f64));
        let cpu_cores = ((polls_per_s + newcomers_per_s) * costs.poll_us + requests_per_s * costs.request_us) / 1e6;
        let per_node = (f64::from(costs.cores) * costs.load).max(0.01);
        Self {
            polls_per_s,
            newcomers_per_s,
            requests_per_s,
            visitors,
            cpu_cores,
            nodes_for_cpu: at_least_one(cpu_cores / per_node),
            nodes_for_connections: at_least_one(visitors as f64 / f64::from(costs.connections.max(1))),
            steps_per_s: most(|p| p.steps_per_s),
            line_bytes: most(|p| p.waiting as f64) * LINE_BYTES_PER_NUMBER,
            ticks_cpu: most(|p| p.waiting as f64) * TICK_US_PER_NUMBER * TICKS_PER_S / 1e6,
            bits_per_s: 8.0 * (polls_per_s * costs.poll_bytes as f64 + newcomers_per_s * costs.page_bytes as f64),
        }
    }

    pub(super) fn nodes(&self) -> u64 {
        self.nodes_for_cpu.max(self.nodes_for_connections)
    }

    pub(super) fn rows(&self, costs: &Costs) -> Vec<(&'static str, String)> {
        let nodes = self.nodes();
        vec![
            ("waiting and inside", format!("{} visitors", self.visitors)),
            ("polls", format!("{:.0} a second, {:.0} newcomers a second", self.polls_per_s, self.newcomers_per_s)),
            ("requests of visitors inside", format!("{:.0} a second", self.requests_per_s)),
            (
                "nodes",
                format!(
                    "{nodes}, and one to spare: {} for {:.2} cores of work, {} for connections ({} each)",
                    self.nodes_for_cpu, self.cpu_cores, self.nodes_for_connections, costs.connections
                ),
            ),
            (
                "  memory of each",
                format!(
                    "{:.0} MB for its connections, beside what it takes without them",
                    self.visitors as f64 / nodes as f64 * f64::from(costs.connection_bytes) / 1e6
                ),
            ),
            (
                "Redis",
                if nodes == 1 {
                    "none for one node; with one to spare, as below".to_owned()
                } else {
                    "one server, with replicas as you see fit".to_owned()
                },
            ),
            ("  commands", format!("{:.0} a second and node, at most", self.steps_per_s)),
            (
                "  memory, and CPU of ticks",
                format!(
                    "{:.1} MB, beside an entry for each seat; {:.2} % of a core",
                    self.line_bytes / 1e6,
                    self.ticks_cpu * 100.0
                ),
            ),
            ("bandwidth, pages and polls", format!("{:.1} Mbit/s towards visitors", self.bits_per_s / 1e6)),
        ]
    }
}

fn at_least_one(nodes: f64) -> u64 {
    whole(nodes.ceil()).max(1)
}
