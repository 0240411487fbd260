//! What is told of the lanes of a queue, if it has several. Labels are the names of the file: lanes that it does not name
//! any more are told together.

use prometheus::{Opts, Registry};
use sluice_admission::line::{LaneSummary, place_of};

use super::{Gauges, registered};
use crate::gate::Gate;

const LANE: &[&str] = &["tenant", "queue", "lane"];
/// The label of lanes that the file does not name any more, and that are served until nobody is left in them. No lane
/// can have this name.
const REMOVED: &str = "(removed)";

#[derive(Debug)]
pub(super) struct Lanes {
    waiting: Gauges,
    issued: Gauges,
    head: Gauges,
    called: Gauges,
    weight: Gauges,
}

impl Lanes {
    pub(super) fn new(r: &Registry) -> prometheus::Result<Self> {
        let lane =
            |name: &str, help: &str| registered(r, Gauges::new(Opts::new(format!("sluice_lane_{name}"), help), LANE)?);
        Ok(Self {
            waiting: lane("waiting_visitors", "Visitors in the lane, seen within 90 s")?,
            issued: lane("issued_number", "The last place handed out in the lane")?,
            head: lane("head_number", "The highest place called in the lane")?,
            called: lane("called_visitors", "Visitors of the lane called since the line began")?,
            weight: lane("weight", "The weight of the lane")?,
        })
    }

    /// Lanes that a reload has removed must not linger.
    pub(super) fn reset(&self) {
        [&self.waiting, &self.issued, &self.head, &self.called, &self.weight].into_iter().for_each(Gauges::reset);
    }

    /// Of a queue with one lane the metrics of its line say it all.
    pub(super) fn read(&self, gate: &Gate) {
        let view = gate.usher.view();
        if view.summary.lanes.len() < 2 {
            return;
        }
        let (line, rules) = (gate.usher.line(), gate.usher.rules());
        for lane in view.summary.lanes.iter() {
            let LaneSummary { waiting, issued, head, called_total, .. } = *lane;
            let name = lane.lane.name_in(&gate.queue).map_or(REMOVED, |name| name.as_str());
            let labels = [line.tenant.as_str(), line.queue.as_str(), name];
            let values = [
                (&self.waiting, waiting),
                (&self.issued, place_of(issued)),
                (&self.head, place_of(head)),
                (&self.called, called_total),
                (&self.weight, rules.weight(lane.lane).into()),
            ];
            for (gauges, value) in values {
                let gauge = gauges.with_label_values(&labels);
                gauge.set(gauge.get() + value);
            }
        }
    }
}
