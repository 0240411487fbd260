//! What `/metrics` says.

/// One scrape.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Reads Prometheus' text format.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { samples: lines.map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line}"))).collect() }
    }

    /// The sum over all samples of a metric that carry these labels; 0 if there are none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let carries = |sample: &Sample| {
            labels.iter().all(|(name, value)| sample.labels.iter().any(|(n, v)| n == name && v == value))
        };
        let of_name = self.samples.iter().filter(|sample| sample.name == format!("sluice_{name}"));
        of_name.filter(|sample| carries(sample)).map(|sample| sample.value).sum()
    }

    /// A gauge of the line of one queue.
    pub(crate) fn line(&self, name: &str, queue: &str) -> f64 {
        self.sum(&format!("line_{name}"), &[("queue", queue)])
    }

    /// Requests of one outcome at the gate of one queue.
    pub(crate) fn requests(&self, queue: &str, outcome: &str) -> f64 {
        self.sum("requests_total", &[("queue", queue), ("outcome", outcome)])
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    // None of our label values holds a comma or a quote.
    let label = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    let labels = labels.split(',').filter(|pair| !pair.is_empty()).map(label).collect::<Option<_>>()?;
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}
