//! Is memory flat, was every descriptor given back, was every config taken?

use super::{
    PROBES,
    events::Events,
    watch::{DESCRIPTORS_MORE, Sample, Watch},
};
use crate::simulate::Promise;

/// Memory of a node is flat if it grows by no more than this over the second half, along the line of least squares.
const GROWN_KB_MAX: f64 = 4_096.0;
/// Or by this share of it, for nodes that hold much.
const GROWN_SHARE_MAX: f64 = 0.05;

pub(super) fn of(
    watch: &Watch,
    at_start: &Sample,
    at_end: &Sample,
    events: &Events,
    reloads_taken: &[u64],
) -> Vec<Promise> {
    let slopes = watch.slopes();
    let flat = slopes.iter().all(|s| s.grown <= GROWN_KB_MAX.max(s.mean * GROWN_SHARE_MAX));
    let slopes: Vec<_> =
        slopes.iter().map(|s| format!("{:+.0} kB/min at {:.1} MB", s.per_minute, s.mean / 1e3)).collect();
    let descriptors = watch.descriptors(at_start, at_end);
    let given_back = descriptors.iter().all(|d| d.at_end <= d.at_start + DESCRIPTORS_MORE);
    let descriptors: Vec<_> =
        descriptors.iter().map(|d| format!("{}, {}, {}", d.at_start, d.at_most, d.at_end)).collect();
    // The first ones put the load into force.
    let wanted = events.reloads + PROBES;
    vec![
        Promise { name: "memory is flat over the second half", held: flat, found: slopes.join("; ") },
        Promise {
            name: "every descriptor is given back",
            held: given_back,
            found: format!("before, at most, after: {}", descriptors.join("; ")),
        },
        Promise {
            name: "every node took every config",
            held: reloads_taken.iter().all(|&taken| taken == wanted),
            found: format!("{wanted} each; taken: {reloads_taken:?}"),
        },
    ]
}
