//! Reads and checks the values of a scenario.

use std::{fmt::Display, ops::RangeInclusive, path::Path};

use serde::{Deserialize, Deserializer, de::Error};
use sluice_config::{Name, limits::LANES_MAX};

use super::{
    Arrive, CROWDS_MAX, Crowd, FAULTS_MAX, Fault, Kind, LASTS_MS_MAX, Lane, NODES_MAX, Scenario, StoreKind,
    VISITORS_MAX,
};
use crate::{Failed, simulate::dice::whole as whole_ms};

const HOUR_MS: u64 = 3_600_000;

pub(super) fn duration_ms<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    let duration = humantime::parse_duration(&text).map_err(|_| {
        D::Error::custom(format_args!(
            "`{text}` is no duration; write a number with a unit, such as \"90s\" or \"10m\""
        ))
    })?;
    u64::try_from(duration.as_millis()).map_err(D::Error::custom)
}

pub(super) fn optional_ms<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    duration_ms(from).map(Some)
}

pub(super) fn minutes<const N: u64>() -> u64 {
    N * 60_000
}

pub(super) fn quarter_minute() -> u64 {
    15_000
}

pub(super) fn million() -> u32 {
    1_000_000
}

pub(super) fn one() -> u32 {
    1
}

pub(super) fn half() -> f64 {
    0.5
}

pub(super) fn whole() -> f64 {
    1.0
}

/// Everything that is wrong with a scenario, each with what to write instead.
pub(super) fn mistakes(scenario: &Scenario) -> Vec<String> {
    let mut m = Mistakes::default();
    let Scenario { queue: q, fleet: f, .. } = scenario;
    m.within("lasts_at_most", scenario.lasts_ms_max, 1_000..=LASTS_MS_MAX, "milliseconds");
    m.within("queue.release_per_minute", q.release_per_minute, 1..=1_000_000, "");
    m.within("queue.burst", q.burst.unwrap_or(1), 1..=q.release_per_minute.max(1), "");
    m.within("queue.max_active", q.max_active.unwrap_or(1), 1..=10_000_000, "");
    m.within("queue.max_waiting", q.max_waiting, 1..=10_000_000, "");
    m.within("queue.session_idle", q.session_idle_ms, 5_000..=12 * HOUR_MS, "milliseconds");
    m.within("queue.session_max", q.session_max_ms, q.session_idle_ms..=720 * HOUR_MS, "milliseconds");
    m.within("queue.claim_within", q.claim_within_ms, 5_000..=HOUR_MS, "milliseconds");
    m.within("queue.return_within", q.return_within_ms, 10_000..=24 * HOUR_MS, "milliseconds");
    m.within("fleet.nodes", f.nodes, 1..=NODES_MAX, "");
    m.within("fleet.to_store", f.to_store_ms, 0..=400, "milliseconds");
    m.within("fleet.to_visitor", f.to_visitor_ms, 0..=2_000, "milliseconds");
    m.within("fleet.to_visitor_spread", f.to_visitor_spread, 0.0..=2.0, "");
    m.within("fleet.clock_drift_ppm", f.clock_drift_ppm, 0..=1_000, "");
    m.within("origin.bears", scenario.origin.bears.unwrap_or(1), 1..=10_000_000, "");
    of_lanes(&mut m, "queue.lane", &q.lanes);
    if f.store == StoreKind::Embedded && f.nodes > 1 {
        m.say("fleet.nodes: several nodes share a store; write `store = \"redis\"` as well");
    }
    if scenario.faults.len() > FAULTS_MAX {
        m.say(format_args!("fault: {} of them; write at most {FAULTS_MAX}", scenario.faults.len()));
    }
    for (i, fault) in scenario.faults.iter().enumerate() {
        let at = format!("fault {}: at", i + 1);
        m.within(&at, fault.at_ms(), 0..=scenario.lasts_ms_max, "milliseconds");
        if let Fault::Restored { at_ms, age_ms } = fault {
            m.within(&format!("fault {}: age", i + 1), *age_ms, 1..=*at_ms, "milliseconds");
        }
        if let Fault::MassSleep { share, .. } = fault {
            m.within(&format!("fault {}: share", i + 1), *share, 0.0..=1.0, "");
        }
        if let Fault::Lanes { lanes, over_ms, .. } = fault {
            of_lanes(&mut m, &format!("fault {}: lanes", i + 1), lanes);
            m.within(&format!("fault {}: over", i + 1), *over_ms, 0..=HOUR_MS, "milliseconds");
        }
        if let Fault::Rate { release_per_minute, .. } = fault {
            m.within(&format!("fault {}: release_per_minute", i + 1), *release_per_minute, 1..=1_000_000, "");
        }
        if let Fault::ClockStep { seconds, .. } = fault {
            m.within(&format!("fault {}: seconds", i + 1), seconds.unsigned_abs(), 1..=86_400, "");
        }
    }
    if scenario.crowds.is_empty() || scenario.crowds.len() > CROWDS_MAX {
        m.say(format_args!("crowd: {} of them; write 1 to {CROWDS_MAX} sections [[crowd]]", scenario.crowds.len()));
    }
    for crowd in &scenario.crowds {
        of_crowd(&mut m, crowd, q.session_idle_ms, scenario.lasts_ms_max);
    }
    m.0
}

fn of_lanes(m: &mut Mistakes, key: &str, lanes: &[Lane]) {
    m.within(key, lanes.len(), 0..=LANES_MAX, "of them");
    for (i, lane) in lanes.iter().enumerate() {
        m.within(&format!("{key}: weight of \"{}\"", lane.name), lane.weight, 1..=100, "");
        if Name::new(&lane.name).is_none() || lanes[..i].iter().any(|other| other.name == lane.name) {
            m.say(format_args!("{key}: \"{}\" is no name of its own; write a-z 0-9 - _", lane.name));
        }
    }
}

fn of_crowd(m: &mut Mistakes, crowd: &Crowd, session_idle_ms: u64, lasts_ms: u64) {
    let key = |name: &str| format!("crowd \"{}\": {name}", crowd.name);
    match (crowd.arrive, &crowd.trace) {
        (Arrive::Trace, None) => m.say(format_args!("{}: write which file, `trace = \"arrivals.txt\"`", key("trace"))),
        (Arrive::Trace, Some(_)) if crowd.visitors > 0 => {
            m.say(format_args!("{}: the trace says how many come; leave this out", key("visitors")));
        }
        (Arrive::Trace, Some(_)) => {}
        (_, Some(_)) => m.say(format_args!("{}: write `arrive = \"trace\"` as well", key("trace"))),
        (_, None) => m.within(&key("visitors"), crowd.visitors, 1..=VISITORS_MAX, ""),
    }
    m.within(&key("from"), crowd.from_ms, 0..=lasts_ms, "milliseconds");
    m.within(&key("over"), crowd.over_ms, 0..=lasts_ms, "milliseconds");
    let shares = [
        ("no_shows", crowd.no_shows),
        ("goodbye", crowd.goodbye),
        ("asleep", crowd.asleep),
        ("hidden", crowd.hidden),
        ("second_tab", crowd.second_tab),
        ("reloaders", crowd.reloaders),
        ("ends", crowd.ends),
        ("enters", crowd.enters),
        ("parked", crowd.parked),
    ];
    for (name, share) in shares {
        m.within(&key(name), share, 0.0..=1.0, "");
    }
    let times = [
        ("no_show_after", crowd.no_show_after_ms),
        ("patience", crowd.patience_ms.unwrap_or(1_000)),
        ("asleep_after", crowd.asleep_after_ms),
        ("asleep_for", crowd.asleep_for_ms),
        ("reload_every", crowd.reload_every_ms),
        ("inside", crowd.inside_ms),
    ];
    for (name, ms) in times {
        m.within(&key(name), ms, 1_000..=24 * HOUR_MS, "milliseconds");
    }
    m.within(&key("request_every"), crowd.request_every_ms, 100..=session_idle_ms, "milliseconds");
    if crowd.kind != Kind::Collectors && crowd.enters < 1.0 {
        m.say(format_args!("{}: only of `kind = \"collectors\"`; leave this out", key("enters")));
    }
}

#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    fn say(&mut self, what: impl Display) {
        self.0.push(what.to_string());
    }

    fn within<T: PartialOrd + Display>(&mut self, key: &str, value: T, bounds: RangeInclusive<T>, unit: &str) {
        if !bounds.contains(&value) {
            let (from, to) = (bounds.start(), bounds.end());
            self.say(format!("{key}: {value} is out of bounds; write {from} to {to} {unit}").trim_end());
        }
    }
}

/// Times of arrival in ms, from the first one on, in their order.
pub(super) fn trace(path: &Path, bytes_max: u64) -> Result<Vec<u64>, Failed> {
    let place = path.display();
    let size = std::fs::metadata(path).map_err(|e| format!("{place}: {e}"))?.len();
    if size > bytes_max {
        return Err(format!("{place}: {size} bytes; a trace has at most {bytes_max}").into());
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("{place}: {e}"))?;
    let mut seconds = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')) {
        let time = line.trim().parse::<f64>().ok().filter(|t| t.is_finite() && *t >= 0.0);
        seconds.push(
            time.ok_or_else(|| {
                format!("{place}:{}: `{line}` is no time; write seconds, such as 1763712000.250", i + 1)
            })?,
        );
    }
    seconds.sort_by(f64::total_cmp);
    let Some(&first) = seconds.first() else { return Err(format!("{place}: nobody comes").into()) };
    let ms: Vec<u64> = seconds.iter().map(|s| whole_ms((s - first) * 1e3)).collect();
    match ms.last() {
        Some(&last) if last > LASTS_MS_MAX => Err(format!("{place}: it takes longer than seven days").into()),
        _ => Ok(ms),
    }
}
