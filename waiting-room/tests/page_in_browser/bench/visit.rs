//! A visit with everything the visitor would have noticed.

use std::time::Duration;

use serde::Deserialize;

use crate::bench::{
    browser::visit,
    site::{ADDRESS, Site},
};

/// What `watch.js` wrote down.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at_ms: u64,
    pub(crate) polls_in_flight: Option<u32>,
    pub(crate) shown: Option<Shown>,
    pub(crate) went_back: Option<bool>,
    /// What the page has done to be noticed.
    pub(crate) alarm: Option<String>,
    pub(crate) blocked: Option<String>,
    /// A layout shift, as browsers measure it.
    pub(crate) shifted: Option<f64>,
    /// What moved.
    pub(crate) moved: Option<String>,
}

/// What the visitor sees; hidden is `None`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Shown {
    pub(crate) title: String,
    pub(crate) heading: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) ahead: Option<String>,
    pub(crate) wait: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) cookies: Option<String>,
    pub(crate) offline: Option<String>,
    pub(crate) back: Option<String>,
    pub(crate) enter: Option<String>,
    /// What is left of something, with its label.
    pub(crate) left: Option<String>,
    /// The button that keeps the page from entering.
    pub(crate) pause: Option<String>,
    /// What is offered to those who would go on elsewhere.
    pub(crate) along: Option<String>,
    pub(crate) icon: Option<String>,
    pub(crate) live: Option<String>,
    pub(crate) progress: f32,
}

/// One visit to [`ADDRESS`] with everything the visitor would have noticed.
pub(crate) struct Visit(pub(crate) Vec<Entry>);

impl Visit {
    pub(crate) fn to(site: &Site, seconds: u64) -> Self {
        let dom = visit(&site.url(ADDRESS), Duration::from_secs(seconds));
        let log = element(&dom, "log").unwrap_or_else(|| panic!("no log in {dom}"));
        let entries: Vec<Entry> = serde_json::from_str(&log).unwrap();
        for entry in &entries {
            assert_eq!(entry.blocked, None, "the policy blocks what the page needs");
        }
        Self(entries)
    }

    /// The same, of a visitor who leaves the page: nothing of it is left.
    pub(crate) fn try_to(site: &Site, seconds: u64) {
        visit(&site.url(ADDRESS), Duration::from_secs(seconds));
    }

    pub(crate) fn poll_times_s(&self) -> Vec<f64> {
        let polls = self.0.iter().filter(|entry| entry.polls_in_flight.is_some());
        polls.map(|entry| Duration::from_millis(entry.at_ms).as_secs_f64()).collect()
    }

    pub(crate) fn shown(&self) -> impl Iterator<Item = &Shown> {
        self.0.iter().filter_map(|entry| entry.shown.as_ref())
    }

    /// How much has moved on the page by itself, and what.
    pub(crate) fn shifted(&self) -> (f64, Vec<&str>) {
        let sum = self.0.iter().filter_map(|entry| entry.shifted).sum();
        (sum, self.0.iter().filter_map(|entry| entry.moved.as_deref()).collect())
    }

    pub(crate) fn last(&self) -> &Shown {
        self.shown().last().unwrap()
    }

    /// The values something took one after the other.
    pub(crate) fn changes<T: PartialEq>(&self, of: impl Fn(&Shown) -> T) -> Vec<T> {
        let mut changes: Vec<T> = self.shown().map(of).collect();
        changes.dedup();
        changes
    }
}

/// The text of an element in a dumped document.
pub(crate) fn element(dom: &str, id: &str) -> Option<String> {
    let (_, rest) = dom.split_once(&format!("id=\"{id}\">"))?;
    let (text, _) = rest.split_once("</")?;
    Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

pub(crate) fn gaps(times: &[f64]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
