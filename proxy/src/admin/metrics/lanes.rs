//! What is known of the lanes of a queue, if it has several. Labels are the names of the file: lanes that it does not name
//! any more are told together.

use std::collections::BTreeMap;

use sluice_admission::line::{LaneSummary, place_of};

use super::read::Read;
use crate::gate::Gate;

/// The label of lanes that the file does not name any more, and that are served until nobody is left in them. No lane
/// can have this name.
const REMOVED: &str = "(removed)";

/// A metric of a lane: its name, what it says, and its value.
type Of = (&'static str, &'static str, fn(&LaneSummary) -> u64);

const METRICS: [Of; 4] = [
    ("lane_waiting_visitors", "Visitors in the lane, seen within 90 s", |lane| lane.waiting),
    ("lane_issued_number", "The last place handed out in the lane", |lane| place_of(lane.issued)),
    ("lane_head_number", "The highest place called in the lane", |lane| place_of(lane.head)),
    ("lane_called_visitors", "Visitors of the lane called since the line began", |lane| lane.called_total),
];

/// Reads the lanes of a gate. Of a queue with one lane the metrics of its line say it all.
pub(super) fn read(read: &mut Read, gate: &Gate) {
    let view = gate.usher.view();
    if view.summary.lanes.len() < 2 {
        return;
    }
    let (line, rules) = (gate.usher.line(), gate.usher.rules());
    let mut by_name: BTreeMap<&str, ([u64; METRICS.len()], u32)> = BTreeMap::new();
    for lane in view.summary.lanes.iter() {
        let name = lane.lane.name_in(&gate.queue).map_or(REMOVED, |name| name.as_str());
        let (values, weight) = by_name.entry(name).or_default();
        values.iter_mut().zip(METRICS).for_each(|(value, metric)| *value += metric.2(lane));
        *weight += rules.weight(lane.lane);
    }
    for (name, (values, weight)) in by_name {
        let labels = [("tenant", line.tenant.as_str()), ("queue", line.queue.as_str()), ("lane", name)];
        for (value, (metric, help, _)) in values.into_iter().zip(METRICS) {
            read.gauge(metric, help, &labels, value as f64);
        }
        read.gauge("lane_weight", "The weight of the lane", &labels, weight.into());
    }
}
