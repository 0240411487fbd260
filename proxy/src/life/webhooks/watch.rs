//! What happens, found in what a node knows. Every node of a fleet finds the same: an event's identity is made of facts
//! of the line (its epoch, its clock, its revisions), never of who saw it or when.

use std::collections::HashMap;

use serde_json::json;
use sluice_admission::{
    line::{Control, Override, Revision, Rules, Summary},
    usher::now,
};
use sluice_config::WebhookEvent;

use crate::{
    admin::api::described,
    gate::Gate,
    node::Node,
    routing::Site,
    sinks::{
        time::{now_ms, rfc3339},
        webhooks::event::Event,
    },
};

/// How long a line has stood, or has not, before it counts: a line that hardly stands comes and goes.
const STEADY_MS: u64 = 10_000;
/// No call for this long, or for the time of three calls in a slow line.
const STILL_MS: u64 = 30_000;
/// An override is about to end.
const EXPIRING_MS: u64 = 600_000;
/// Nearly full, and no longer so, in percent of `max_waiting`.
const NEAR_PERCENT: (u64, u64) = (90, 80);
/// What happens at nodes and not in the line is one event if it happens within this.
const TOGETHER_MS: u64 = 600_000;

/// What was seen of all lines and origins.
#[derive(Debug, Default)]
pub(super) struct Watch {
    lines: HashMap<String, Seen>,
    /// Whether each server was up, by tenant, route and address.
    servers: HashMap<[String; 3], bool>,
}

impl Watch {
    /// What has happened since the last look.
    pub(super) fn look(&mut self, node: &Node) -> Vec<Event> {
        let routes = node.routes();
        // Only tenants that have a webhook are looked at.
        let told: Vec<_> = routes.sites().iter().filter(|site| !site.tenant.webhooks.is_empty()).collect();
        let mut events = Vec::new();
        let mut lines = HashMap::new();
        let mut servers = HashMap::new();
        for site in told {
            for gate in site.gates().iter().filter(|gate| gate.usher.has_heard()) {
                let line = gate.usher.line().to_string();
                let mut seen = self.lines.remove(&line).unwrap_or_default();
                seen.look(&Facts::of(gate), &mut events);
                lines.insert(line, seen);
            }
            self.look_at_servers(site, &mut servers, &mut events);
        }
        (self.lines, self.servers) = (lines, servers);
        events
    }

    fn look_at_servers(&self, site: &Site, now: &mut HashMap<[String; 3], bool>, events: &mut Vec<Event>) {
        let tenant = site.tenant.name.as_str();
        for (origin, servers) in site.origins().map(|origin| origin.report()) {
            for server in servers {
                let name = [tenant.to_owned(), origin.route.to_owned(), server.server];
                if self.servers.get(&name).is_some_and(|was_up| *was_up != server.is_up) {
                    let kind = if server.is_up { WebhookEvent::OriginHealthy } else { WebhookEvent::OriginUnhealthy };
                    let at_ms = now_ms();
                    let data = json!({ "tenant": tenant, "route": name[1], "server": name[2] });
                    let together = (at_ms / TOGETHER_MS).to_string();
                    events.push(Event::new(kind, tenant, &[&name[1], &name[2], &together], at_ms, data));
                }
                now.insert(name, server.is_up);
            }
        }
    }
}

/// A line as this node knows it.
struct Facts {
    tenant: String,
    queue: String,
    summary: Summary,
    rules: Rules,
    control: Control,
    /// For how long the store has been unavailable, in ms.
    away_ms: u64,
    /// The line's clock.
    now_ms: u64,
}

impl Facts {
    fn of(gate: &Gate) -> Self {
        let view = gate.usher.view();
        let governed = gate.usher.governed();
        let away = view.away_for(now());
        Self {
            tenant: gate.usher.line().tenant.to_string(),
            queue: gate.usher.line().queue.to_string(),
            summary: view.summary.clone(),
            rules: governed.rules,
            control: Control::clone(&governed.control),
            away_ms: if view.store_answers { 0 } else { u64::try_from(away.as_millis()).unwrap_or(u64::MAX) },
            now_ms: view.line_ms(now()),
        }
    }
}

/// What was seen of one line.
#[derive(Debug, Default)]
struct Seen {
    /// 0: it has not been looked at.
    epoch: u64,
    revision: Revision,
    expiring: Option<Revision>,
    /// Since when the line stands that was told of.
    standing_ms: Option<u64>,
    /// Since when it stands no more.
    calm_ms: Option<u64>,
    /// How many were called, since when it was that many, and whether it was told.
    called: (u64, u64, bool),
    is_near: bool,
    /// When the store went that was told of.
    away_from_ms: Option<u64>,
}

impl Seen {
    fn look(&mut self, facts: &Facts, events: &mut Vec<Event>) {
        let before = events.len();
        if facts.away_ms == 0 && facts.summary.epoch > 0 {
            self.resets(facts, events);
            self.stands(facts, events);
            self.stands_still(facts, events);
            self.fills(facts, events);
            self.governs(facts, events);
        }
        self.store(facts, events);
        debug_assert!(events.len() - before <= 8, "one look finds few things");
    }

    fn resets(&mut self, facts: &Facts, events: &mut Vec<Event>) {
        let epoch = facts.summary.epoch;
        if self.epoch != 0 && self.epoch < epoch {
            let data = json!({ "epoch": epoch });
            events.push(facts.event(WebhookEvent::QueueReset, &[&epoch.to_string()], facts.now_ms, data));
            (self.standing_ms, self.calm_ms) = (None, None);
        }
        if self.epoch == 0 {
            // What an operator has set before this node looked for the first time is no news.
            self.revision = facts.control.revision;
            self.called = (facts.summary.called_total, facts.now_ms, false);
        }
        self.epoch = epoch;
    }

    fn stands(&mut self, facts: &Facts, events: &mut Vec<Event>) {
        let summary = &facts.summary;
        let epoch = summary.epoch.to_string();
        match (self.standing_ms, summary.standing_since_ms()) {
            (None, 0) => {}
            (None, since_ms) if facts.now_ms >= since_ms + STEADY_MS => {
                let data = json!({ "since": rfc3339(since_ms), "waiting": summary.waiting });
                events.push(facts.event(WebhookEvent::QueueStarted, &[&epoch, &since_ms.to_string()], since_ms, data));
                self.standing_ms = Some(since_ms);
            }
            (None, _) => {}
            (Some(since_ms), 0) => {
                let calm_ms = *self.calm_ms.get_or_insert(facts.now_ms);
                if facts.now_ms >= calm_ms + STEADY_MS {
                    let data = json!({ "since": rfc3339(since_ms), "called": summary.called_total });
                    events.push(facts.event(WebhookEvent::QueueEnded, &[&epoch, &since_ms.to_string()], calm_ms, data));
                    (self.standing_ms, self.calm_ms) = (None, None);
                }
            }
            // It stands again before it was told that it stood no more: the same one.
            (Some(_), _) => self.calm_ms = None,
        }
    }

    fn stands_still(&mut self, facts: &Facts, events: &mut Vec<Event>) {
        let (called, summary) = (facts.summary.called_total, &facts.summary);
        let (known, since_ms, is_told) = self.called;
        if called != known || summary.waiting == 0 {
            self.called = (called, facts.now_ms, false);
            return;
        }
        let patience_ms = STILL_MS.max(180_000 / u64::from(facts.rules.release_per_minute.max(1)));
        if is_told || facts.now_ms < since_ms + patience_ms {
            return;
        }
        self.called.2 = true;
        let reason = summary.reason.map(|reason| reason.as_str());
        let mode = facts.rules.mode.as_str();
        let data = json!({ "since": rfc3339(since_ms), "reason": reason, "mode": mode, "waiting": summary.waiting });
        let what = [&*summary.epoch.to_string(), &*called.to_string()];
        events.push(facts.event(WebhookEvent::QueueStandingStill, &what, since_ms, data));
    }

    fn fills(&mut self, facts: &Facts, events: &mut Vec<Event>) {
        let (waiting, most) = (facts.summary.waiting, u64::from(facts.rules.max_waiting));
        let is_beyond = |percent: u64| waiting * 100 >= most * percent;
        if !self.is_near && is_beyond(NEAR_PERCENT.0) {
            let data = json!({ "waiting": waiting, "max_waiting": most });
            let together = (facts.now_ms / TOGETHER_MS).to_string();
            events.push(facts.event(WebhookEvent::QueueNearCapacity, &[&together], facts.now_ms, data));
        }
        self.is_near = is_beyond(if self.is_near { NEAR_PERCENT.1 } else { NEAR_PERCENT.0 });
    }

    fn governs(&mut self, facts: &Facts, events: &mut Vec<Event>) {
        let Control { revision, set, reason, actor, since_ms } = &facts.control;
        let what = [&*revision.number.to_string(), &*revision.id.to_string()];
        if *revision > self.revision {
            self.revision = *revision;
            let data = json!({ "actor": actor, "reason": reason, "set": described(set), "cleared": *set == Override::default() });
            events.push(facts.event(WebhookEvent::QueueOverrideSet, &what, *since_ms, data));
        }
        let Some(until_ms) = set.until_ms.filter(|_| self.expiring != Some(*revision)) else { return };
        let is_soon = facts.now_ms < until_ms && facts.now_ms + EXPIRING_MS >= until_ms;
        // What is set for less than that ends soon from the beginning.
        if is_soon && until_ms > since_ms + EXPIRING_MS && *set != Override::default() {
            self.expiring = Some(*revision);
            let data = json!({ "actor": actor, "until": rfc3339(until_ms), "set": described(set) });
            events.push(facts.event(WebhookEvent::QueueOverrideExpiring, &what, until_ms - EXPIRING_MS, data));
        }
    }

    fn store(&mut self, facts: &Facts, events: &mut Vec<Event>) {
        match self.away_from_ms {
            None if facts.away_ms >= STEADY_MS => {
                let from_ms = facts.now_ms.saturating_sub(facts.away_ms);
                self.away_from_ms = Some(from_ms);
                let together = (from_ms / TOGETHER_MS).to_string();
                let data = json!({ "since": rfc3339(from_ms) });
                events.push(facts.event(WebhookEvent::StoreLost, &[&together], from_ms, data));
            }
            Some(from_ms) if facts.away_ms == 0 => {
                self.away_from_ms = None;
                let together = (from_ms / TOGETHER_MS).to_string();
                let data = json!({ "since": rfc3339(from_ms) });
                events.push(facts.event(WebhookEvent::StoreBack, &[&together], facts.now_ms, data));
            }
            _ => {}
        }
    }
}

impl Facts {
    fn event(&self, kind: WebhookEvent, what: &[&str], at_ms: u64, mut data: serde_json::Value) -> Event {
        data["tenant"] = self.tenant.as_str().into();
        data["queue"] = self.queue.as_str().into();
        Event::new(kind, &self.tenant, &[&[&*self.queue], what].concat(), at_ms, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::api::rules;

    fn facts(now_ms: u64, change: impl FnOnce(&mut Facts)) -> Facts {
        let summary = Summary { epoch: 1, ..Summary::default() };
        let (tenant, queue) = ("shop".to_owned(), "sale".to_owned());
        let mut facts =
            Facts { tenant, queue, summary, rules: rules(600), control: Control::default(), away_ms: 0, now_ms };
        change(&mut facts);
        facts
    }

    /// What each look finds, by name.
    fn names(looks: impl IntoIterator<Item = Facts>) -> Vec<Vec<&'static str>> {
        let mut seen = Seen::default();
        let look = |facts: Facts| {
            let mut events = Vec::new();
            seen.look(&facts, &mut events);
            events.iter().map(Event::name).collect()
        };
        looks.into_iter().map(look).collect()
    }

    fn stands(now_ms: u64, since_ms: u64) -> Facts {
        facts(now_ms, |f| {
            f.summary.lanes[0].standing_since_ms = since_ms;
            (f.summary.waiting, f.summary.called_total) = (5, now_ms);
        })
    }

    #[test]
    fn a_line_that_stands_is_told_once_and_one_that_flickers_is_not() {
        let none: Vec<&str> = vec![];
        let looks = [stands(1_000, 900), stands(5_000, 0), stands(6_000, 5_500), stands(14_000, 5_500)];
        assert_eq!(names(looks), [none.clone(), none.clone(), none.clone(), none.clone()]);
        let looks = [
            stands(1_000, 900),
            stands(11_000, 900),
            stands(20_000, 900),
            stands(21_000, 0),
            stands(25_000, 24_000),
            stands(40_000, 0),
            stands(50_000, 0),
            stands(70_000, 0),
        ];
        let told = names(looks);
        assert_eq!(told[1], ["queue.started"]);
        assert_eq!(told[6], ["queue.ended"]);
        assert!([0, 2, 3, 4, 5, 7].iter().all(|&at| told[at].is_empty()), "{told:?}");
    }

    #[test]
    fn a_line_that_is_not_called_is_told_once_with_the_reason_until_it_is_called_again() {
        let still = |now_ms, called| facts(now_ms, |f| (f.summary.waiting, f.summary.called_total) = (5, called));
        let looks =
            [still(1, 7), still(29_000, 7), still(30_001, 7), still(90_000, 7), still(91_000, 8), still(121_000, 8)];
        let told = names(looks);
        assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 1, 0, 0, 1], "{told:?}");
        let slow = |now_ms| Facts { rules: rules(1), ..still(now_ms, 7) };
        assert_eq!(names([slow(1), slow(120_000), slow(180_001)]).concat(), ["queue.standing_still"]);
    }

    #[test]
    fn what_was_set_before_the_first_look_is_no_news_and_an_end_that_comes_near_is() {
        let set = |number: u64, now_ms, until_ms| {
            facts(now_ms, |f| {
                f.control.revision = Revision { number, id: 9 };
                f.control.set.until_ms = until_ms;
                f.control.set.message = Some("x".to_owned());
            })
        };
        let looks = [
            set(3, 1, None),
            set(4, 2, Some(3_600_000)),
            set(4, 3, Some(3_600_000)),
            set(4, 3_000_001, Some(3_600_000)),
        ];
        let told = names(looks);
        assert_eq!((told[0].len(), told[2].len()), (0, 0));
        assert_eq!((&*told[1], &*told[3]), (&["queue.override_set"][..], &["queue.override_expiring"][..]));
        let short = [set(1, 1, None), set(2, 2, Some(300_000)), set(2, 5, Some(300_000))];
        assert_eq!(names(short).concat(), ["queue.override_set"]);
    }

    #[test]
    fn the_rest_is_told_at_its_edges() {
        let fills = |waiting| facts(waiting, |f| (f.summary.waiting, f.summary.called_total) = (waiting, waiting));
        let told = names([fills(899), fills(900), fills(950), fills(850), fills(901), fills(799), fills(900)]);
        assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0, 0, 0, 0, 1], "{told:?}");
        let epoch = |epoch| facts(1, |f| f.summary.epoch = epoch);
        assert_eq!(names([epoch(4), epoch(5), epoch(5)]).concat(), ["queue.reset"]);
        let away = |now_ms, away_ms| facts(now_ms, |f| f.away_ms = away_ms);
        let told = names([away(1, 0), away(9_000, 9_000), away(11_000, 11_000), away(60_000, 60_000), away(61_000, 0)]);
        assert_eq!((&*told[2], &*told[4]), (&["store.lost"][..], &["store.back"][..]));
        assert!(told[3].is_empty());
    }

    #[test]
    fn nodes_that_look_at_different_times_find_the_same_event() {
        let event = |now_ms| {
            let (mut seen, mut events) = (Seen::default(), Vec::new());
            seen.look(&stands(now_ms, 900), &mut events);
            events.remove(0)
        };
        assert_eq!(event(11_000), event(12_345));
        let other = facts(11_000, |f| {
            (f.queue, f.summary.lanes[0].standing_since_ms) = ("late".to_owned(), 900);
        });
        let mut events = Vec::new();
        Seen::default().look(&other, &mut events);
        assert_ne!(events[0].id, event(11_000).id);
    }
}
