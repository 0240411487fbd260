//! What the nodes of a fleet have to agree on.

use std::{collections::BTreeMap, time::Duration};

use super::Queue;

impl Queue {
    /// What decides who is called, by the names of the keys: nodes with other values step the same line by other rules.
    #[must_use]
    pub fn compared(&self) -> BTreeMap<&'static str, String> {
        // Taken apart without `..`, so that a new key is not forgotten. What is shown, and to whom the queue is, may differ.
        let Self {
            name: _,
            paths: _,
            release_per_minute,
            burst,
            max_active,
            max_waiting,
            session_idle,
            session_max,
            claim_within,
            return_within,
            mode,
            on_store_loss,
            wait_status: _,
            message: _,
            closed_as: _,
            opens_at_s: _,
            board: _,
            rules: _,
            lanes,
        } = self;
        let none = || "none".to_owned();
        let time = |time: &Duration| humantime::format_duration(*time).to_string();
        let lanes: Vec<_> = lanes.iter().map(|lane| format!("{} {}", lane.name, lane.weight)).collect();
        BTreeMap::from([
            ("release_per_minute", release_per_minute.to_string()),
            ("burst", burst.to_string()),
            ("max_active", max_active.map_or_else(none, |seats| seats.to_string())),
            ("max_waiting", max_waiting.to_string()),
            ("mode", mode.as_str().to_owned()),
            ("on_store_loss", on_store_loss.map_or_else(none, |loss| loss.as_str().to_owned())),
            ("claim_within", time(claim_within)),
            ("return_within", time(return_within)),
            ("session_idle", time(session_idle)),
            ("session_max", time(session_max)),
            ("lane", if lanes.is_empty() { none() } else { lanes.join(", ") }),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::super::Lane;
    use crate::{Name, Queue, schema};

    #[test]
    fn settings_are_compared_by_the_names_that_files_give_them() {
        let mut queue = Queue::new(Name::new("sale").unwrap(), 600.try_into().unwrap());
        let compared = queue.compared();
        assert_eq!((&*compared["release_per_minute"], &*compared["max_active"]), ("600", "none"));
        assert_eq!(compared["lane"], "none");
        let lane = |name, weight: u32| Lane { name: Name::new(name).unwrap(), weight: weight.try_into().unwrap() };
        queue.lanes = vec![lane("public", 3), lane("members", 1)];
        assert_eq!(queue.compared()["lane"], "public 3, members 1");
        let schema = schema::tenant_file().to_string();
        assert!(compared.keys().all(|name| schema.contains(&format!("\"{name}\""))), "{compared:?}");
    }
}
