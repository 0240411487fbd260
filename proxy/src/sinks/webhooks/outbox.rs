//! What is to be delivered, what was, and what became of each attempt. Written to the disk as a whole.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Endpoint, event::Event};

/// Most deliveries of one webhook that are kept.
pub(crate) const KEPT_MAX: usize = 1_000;
/// Most of them that are finished.
pub(crate) const FINISHED_MAX: usize = 200;
/// Pauses before the second attempt and the following, in seconds, as the convention advises; each is shortened or
/// lengthened by up to a fifth.
pub(crate) const PAUSES_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Longest pause that a receiver can ask for.
const RETRY_AFTER_S_MAX: u64 = 86_400;
/// Most deliveries that are looked at in one turn.
const DUE_MAX: usize = 64;

/// The deliveries of a node.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outbox {
    /// The oldest first.
    deliveries: Vec<Delivery>,
    /// Webhooks that have answered 410, by name, and which address they had.
    pub(crate) off: HashMap<String, String>,
    /// Deliveries that went at the bound before they were delivered, by webhook.
    lost: HashMap<String, u64>,
    #[serde(skip)]
    pub(super) is_changed: bool,
}

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// `TENANT/NAME` of the webhook.
    pub(crate) endpoint: String,
    /// The event's id, which every attempt carries.
    pub(crate) id: String,
    /// The event's type.
    pub(crate) kind: String,
    /// What is sent.
    pub(crate) body: String,
    /// When the event was found, in ms since 1970.
    pub(crate) found_ms: u64,
    /// How often it was begun anew.
    pub(crate) round: u32,
    /// Attempts of this round, before this one there may have been others.
    round_tried: usize,
    /// Every attempt, the first first.
    pub(crate) tried: Vec<Tried>,
    pub(crate) state: State,
}

/// How far a delivery is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(crate) enum State {
    /// It is tried, next at this time (ms since 1970).
    Pending { next_ms: u64 },
    /// The receiver has answered 2xx; `here`: to this node.
    Delivered { here: bool },
    /// It is not tried any more.
    GivenUp { why: String },
}

/// One attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tried {
    pub(crate) at_ms: u64,
    /// How long it took.
    pub(crate) took_ms: u64,
    /// What the receiver has answered.
    pub(crate) status: Option<u16>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// Another node made it.
    pub(crate) elsewhere: bool,
    #[serde(skip)]
    pub(super) retry_after_s: Option<u64>,
}

impl Tried {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// What nodes tell each other of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    round: u32,
    tried: usize,
    round_tried: usize,
    state: State,
}

impl Delivery {
    /// The webhook and the event: what tells it from all others.
    pub(crate) fn key(&self) -> String {
        format!("{}.{}", self.endpoint, self.id)
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending { .. })
    }
}

impl Outbox {
    /// Takes an event for a webhook. False: it is there already.
    pub(super) fn push(&mut self, endpoint: &Endpoint, event: &Event, now_ms: u64) -> bool {
        let name = endpoint.name();
        if self.find(&name, &event.id).is_some() {
            return false;
        }
        self.deliveries.push(Delivery {
            endpoint: name.clone(),
            id: event.id.clone(),
            kind: event.name().to_owned(),
            body: event.body(),
            found_ms: now_ms,
            round: 0,
            round_tried: 0,
            tried: Vec::new(),
            state: State::Pending { next_ms: now_ms },
        });
        self.bound(&name);
        self.is_changed = true;
        true
    }

    /// The oldest goes: of those that are finished, or else of all.
    fn bound(&mut self, name: &str) {
        let of = |delivery: &Delivery| delivery.endpoint == name;
        let finished = self.deliveries.iter().filter(|delivery| of(delivery) && !delivery.is_pending()).count();
        let mut surplus = finished.saturating_sub(FINISHED_MAX);
        self.deliveries.retain(|delivery| {
            let goes = surplus > 0 && of(delivery) && !delivery.is_pending();
            surplus -= usize::from(goes);
            !goes
        });
        while self.deliveries.iter().filter(|delivery| of(delivery)).count() > KEPT_MAX {
            let oldest_finished = self.deliveries.iter().position(|delivery| of(delivery) && !delivery.is_pending());
            let Some(at) = oldest_finished.or_else(|| self.deliveries.iter().position(of)) else { return };
            if self.deliveries.remove(at).is_pending() {
                *self.lost.entry(name.to_owned()).or_default() += 1;
            }
        }
    }

    /// Deliveries to be tried now, the oldest first.
    pub(crate) fn due(&self, now_ms: u64, under_way: &HashSet<String>) -> Vec<Delivery> {
        let is_due = |delivery: &&Delivery| {
            matches!(delivery.state, State::Pending { next_ms } if next_ms <= now_ms)
                && !under_way.contains(&delivery.key())
        };
        self.deliveries.iter().filter(is_due).take(DUE_MAX).cloned().collect()
    }

    /// The deliveries of a webhook, the newest first.
    pub(crate) fn of<'o>(&'o self, endpoint: &'o str) -> impl Iterator<Item = &'o Delivery> {
        self.deliveries.iter().rev().filter(move |delivery| delivery.endpoint == endpoint)
    }

    /// How many went at the bound before they were delivered.
    pub(crate) fn lost(&self, endpoint: &str) -> u64 {
        self.lost.get(endpoint).copied().unwrap_or(0)
    }

    pub(super) fn replay(&mut self, endpoint: &str, id: &str, now_ms: u64) -> bool {
        let Some(delivery) = self.find(endpoint, id) else { return false };
        (delivery.round, delivery.round_tried) = (delivery.round + 1, 0);
        delivery.state = State::Pending { next_ms: now_ms };
        self.is_changed = true;
        true
    }

    pub(crate) fn give_up(&mut self, of: &Delivery, why: &str) {
        self.change(of, |delivery| delivery.state = State::GivenUp { why: why.to_owned() });
    }

    pub(crate) fn look_again(&mut self, of: &Delivery, next_ms: u64) {
        self.change(of, |delivery| {
            if delivery.is_pending() {
                delivery.state = State::Pending { next_ms };
            }
        });
    }

    /// Takes over what another node has done. True: there was something.
    pub(crate) fn take_over(&mut self, of: &Delivery, known: &Known, now_ms: u64) -> bool {
        let is_news = (known.round, known.tried) > (of.round, of.tried.len());
        if is_news {
            self.change(of, |delivery| {
                (delivery.round, delivery.round_tried) = (known.round, known.round_tried);
                let elsewhere = || Tried { at_ms: now_ms, elsewhere: true, ..Tried::default() };
                delivery.tried.resize_with(known.tried.max(delivery.tried.len()), elsewhere);
                delivery.state = match &known.state {
                    State::Delivered { .. } => State::Delivered { here: false },
                    state => state.clone(),
                };
            });
        }
        is_news
    }

    /// Books an attempt, and gives what the other nodes are told.
    pub(crate) fn book(&mut self, of: &Delivery, tried: Tried, now_ms: u64) -> Known {
        let mut booked = of.clone();
        booked.round_tried += 1;
        booked.state = match PAUSES_S.get(booked.round_tried - 1) {
            _ if tried.is_success() => State::Delivered { here: true },
            _ if tried.status == Some(410) => State::GivenUp { why: "the receiver wants no more (410)".to_owned() },
            Some(pause_s) => {
                let asked_s = tried.retry_after_s.unwrap_or(0).min(RETRY_AFTER_S_MAX);
                State::Pending { next_ms: now_ms + (jittered_ms(*pause_s)).max(asked_s * 1_000) }
            }
            None => State::GivenUp { why: format!("{} attempts have failed", booked.round_tried) },
        };
        booked.tried.push(tried);
        let Delivery { round, round_tried, ref state, .. } = booked;
        let known = Known { round, tried: booked.tried.len(), round_tried, state: state.clone() };
        self.change(of, |delivery| *delivery = booked);
        known
    }

    fn change(&mut self, of: &Delivery, change: impl FnOnce(&mut Delivery)) {
        if let Some(delivery) = self.find(&of.endpoint, &of.id) {
            change(delivery);
            self.is_changed = true;
        }
    }

    fn find(&mut self, endpoint: &str, id: &str) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|delivery| delivery.id == id && delivery.endpoint == endpoint)
    }
}

/// Up to a fifth more or less, so that all webhooks of a fleet do not come at once.
fn jittered_ms(pause_s: u64) -> u64 {
    let ms = pause_s * 1_000;
    ms - ms / 5 + RandomState::new().hash_one(pause_s) % (ms * 2 / 5).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use sluice_config::{Name, Secret, Webhook, WebhookEvent, WebhookUrl};

    use super::*;

    fn endpoint() -> Endpoint {
        let url = WebhookUrl { https: true, host: "a.example".into(), port: 443, target: "/".into() };
        let (name, secrets) = (Name::new("chat").unwrap(), vec![Secret::new([1; 24])]);
        let hook = Arc::new(Webhook { name, url, secrets, events: Vec::new(), loopback: false });
        Endpoint { tenant: "shop".into(), hook }
    }

    fn event(n: usize) -> Event {
        Event::new(WebhookEvent::QueueStarted, "shop", &[&n.to_string()], 0, serde_json::Value::Null)
    }

    fn failed(status: u16) -> Tried {
        Tried { status: Some(status), ..Tried::default() }
    }

    fn only(outbox: &Outbox) -> Delivery {
        outbox.of("shop/chat").next().unwrap().clone()
    }

    #[test]
    fn failures_are_tried_again_ever_later_and_given_up_after_three_days() {
        let (mut outbox, mut now_ms) = (Outbox::default(), 1_000);
        assert!(outbox.push(&endpoint(), &event(1), now_ms) && !outbox.push(&endpoint(), &event(1), now_ms), "once");
        for pause_s in PAUSES_S {
            let due = outbox.due(now_ms, &HashSet::new());
            outbox.book(&due[0], failed(500), now_ms);
            let State::Pending { next_ms } = only(&outbox).state else { panic!("given up") };
            let pause_ms = next_ms - now_ms;
            assert!((pause_s * 800..=pause_s * 1_200).contains(&pause_ms), "{pause_ms} for {pause_s}");
            assert!(outbox.due(next_ms - 1, &HashSet::new()).is_empty());
            now_ms = next_ms;
        }
        let due = outbox.due(now_ms, &HashSet::new());
        outbox.book(&due[0], failed(500), now_ms);
        assert!(matches!(only(&outbox).state, State::GivenUp { .. }));
        assert!(now_ms > 2 * 86_400_000, "{now_ms}");
        assert!(outbox.replay("shop/chat", &event(1).id, now_ms) && !outbox.replay("shop/chat", "evt_x", now_ms));
        let due = outbox.due(now_ms, &HashSet::new());
        outbox.book(&due[0], failed(204), now_ms);
        assert_eq!((only(&outbox).state, only(&outbox).tried.len()), (State::Delivered { here: true }, 11));
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_of_a_day_at_most() {
        for (asked_s, from_s, to_s) in [(600, 600, 600), (1, 4, 6), (u64::MAX, 86_400, 86_400)] {
            let mut outbox = Outbox::default();
            outbox.push(&endpoint(), &event(1), 0);
            let due = outbox.due(0, &HashSet::new());
            outbox.book(&due[0], Tried { retry_after_s: Some(asked_s), ..failed(429) }, 0);
            let State::Pending { next_ms } = only(&outbox).state else { panic!() };
            assert!((from_s * 1_000..=to_s * 1_000).contains(&next_ms), "{next_ms}");
        }
    }

    #[test]
    fn at_the_bound_the_oldest_goes_and_what_was_not_delivered_is_counted() {
        let mut outbox = Outbox::default();
        for n in 0..KEPT_MAX + 5 {
            outbox.push(&endpoint(), &event(n), 0);
        }
        assert_eq!((outbox.of("shop/chat").count(), outbox.lost("shop/chat")), (KEPT_MAX, 5));
        while let Some(due) = outbox.due(0, &HashSet::new()).first().cloned() {
            outbox.book(&due, failed(200), 0);
        }
        outbox.push(&endpoint(), &event(9_999), 0);
        assert_eq!((outbox.of("shop/chat").count(), outbox.lost("shop/chat")), (FINISHED_MAX + 1, 5));
    }

    #[test]
    fn what_another_node_has_done_is_taken_over_and_nothing_older() {
        let [mut here, mut there] = [Outbox::default(), Outbox::default()];
        for outbox in [&mut here, &mut there] {
            outbox.push(&endpoint(), &event(1), 0);
        }
        let first = there.book(&only(&there), failed(500), 10);
        assert!(here.take_over(&only(&here), &first, 20) && !here.take_over(&only(&here), &first, 20));
        assert_eq!((only(&here).state, only(&here).tried[0].elsewhere), (only(&there).state, true));
        let second = there.book(&only(&there), failed(200), 10_000);
        assert!(here.take_over(&only(&here), &second, 20));
        assert_eq!(only(&here).state, State::Delivered { here: false });
        let text = serde_json::to_string(&here).unwrap();
        let back: Outbox = serde_json::from_str(&text).unwrap();
        assert_eq!(only(&back), only(&here));
    }
}
