//! Reads the text format of Prometheus, as far as `/metrics` of holdfast uses it.

use std::collections::BTreeMap;

use crate::metrics::catalogue::Metric;

/// One number with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    labels: BTreeMap<String, String>,
    /// The number.
    pub number: f64,
}

impl Sample {
    /// The value of a label; empty when it has none of this name.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// What a scrape gave.
#[derive(Debug, Clone, Default)]
pub struct Exposition(BTreeMap<String, Vec<Sample>>);

impl Exposition {
    /// Reads what can be read; lines that cannot are left out.
    pub fn parse(text: &str) -> Self {
        let mut found: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, sample)) = parse_line(line) {
                found.entry(name).or_default().push(sample);
            }
        }
        Self(found)
    }

    /// The numbers of a metric.
    pub fn of(&self, metric: Metric) -> &[Sample] {
        self.0.get(metric.name()).map_or(&[], Vec::as_slice)
    }

    /// The number of the sample with this label.
    pub fn labelled(&self, metric: Metric, label: &str, value: &str) -> Option<f64> {
        let found = self.of(metric).iter().find(|sample| sample.label(label) == value);
        found.map(|sample| sample.number)
    }
}

/// `name{label="value",…} number`. Our label values need no escapes.
fn parse_line(line: &str) -> Option<(String, Sample)> {
    let (series, number) = line.rsplit_once(' ')?;
    let number = number.parse().ok()?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let label = |text: &str| {
        let (name, value) = text.split_once("=\"")?;
        Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
    };
    let labels = labels.split("\",").filter(|text| !text.is_empty()).map(label);
    Some((name.to_owned(), Sample { labels: labels.collect::<Option<_>>()?, number }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_metrics_write_is_read() {
        let text = "# HELP holdfast_entries_total Entries in them.\n\
                    # TYPE holdfast_entries_total counter\n\
                    holdfast_entries_total{shard=\"0\"} 12\n\
                    holdfast_entries_total{shard=\"1\"} 3\n\
                    holdfast_shard_state{shard=\"1\",state=\"running\"} 1\n\
                    holdfast_waiters 7\n\
                    http_request_duration_bucket{endpoint=\"/a/{b}\",le=\"+Inf\"} 4\n\
                    nonsense\n";
        let found = Exposition::parse(text);
        assert_eq!(found.labelled(Metric::Entries, "shard", "1"), Some(3.0));
        assert!((found.of(Metric::Waiters)[0].number - 7.0).abs() < f64::EPSILON);
        assert_eq!(found.of(Metric::ShardState)[0].label("state"), "running");
        assert_eq!(found.0["http_request_duration_bucket"][0].label("endpoint"), "/a/{b}");
        assert!(found.of(Metric::Threads).is_empty());
    }
}
