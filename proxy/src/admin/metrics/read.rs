//! Metrics that are read, at each scrape, from what they are about: nothing lingers of what is gone, and scrapes at the
//! same time do not disturb each other.

use std::collections::BTreeMap;

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// What one scrape has read.
#[derive(Default)]
pub(super) struct Read(BTreeMap<&'static str, Family>);

struct Family {
    help: &'static str,
    kind: MetricType,
    samples: Vec<Metric>,
}

impl Read {
    /// A value as it is now.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut sample = labelled(labels);
        sample.set_gauge(gauge);
        self.put(name, help, MetricType::GAUGE, sample);
    }

    /// A count since the start of what is counted.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str, labels: &[(&str, &str)], count: u64) {
        let mut counter = Counter::default();
        counter.set_value(count as f64);
        let mut sample = labelled(labels);
        sample.set_counter(counter);
        self.put(name, help, MetricType::COUNTER, sample);
    }

    fn put(&mut self, name: &'static str, help: &'static str, kind: MetricType, sample: Metric) {
        let family = self.0.entry(name).or_insert_with(|| Family { help, kind, samples: Vec::new() });
        debug_assert_eq!((family.help, family.kind), (help, kind), "{name} is two metrics");
        family.samples.push(sample);
    }

    /// All of it, by name.
    pub(super) fn families(self) -> impl Iterator<Item = MetricFamily> {
        self.0.into_iter().map(|(name, Family { help, kind, samples })| {
            let mut family = MetricFamily::default();
            family.set_name(format!("sluice_{name}"));
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            family.set_metric(samples);
            family
        })
    }
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pairs = labels.iter().map(|&(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    });
    let mut sample = Metric::default();
    sample.set_label(pairs.collect());
    sample
}
