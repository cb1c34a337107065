//! Check `sources`: every input was handled once, in order, by the shard it belongs to.
//!
//! Offsets need not be dense: Kafka transactions of external producers leave gaps. That no input
//! was left out can only be seen with the input topics at hand, which the audit does not read.

use std::collections::BTreeMap;

use schemas::entry::{Entry, InputBody, Source};
use schemas::{Partition, Position, Topic};

use super::Check;
use super::report::CheckResult;

pub(super) struct Sources {
    latest: BTreeMap<(Partition, Topic), i64>,
    result: CheckResult,
}

impl Sources {
    pub(super) fn new() -> Self {
        let meaning = "no input record was handled twice or out of order, and each came from the \
                       partition and the topic it belongs to";
        Self { latest: BTreeMap::new(), result: CheckResult::new("sources", meaning) }
    }

    fn input(&mut self, position: Position, topic: Topic, partition: i32, offset: i64) {
        if partition != position.partition.number() {
            let detail = format!("handled {topic} {partition}-{offset}, of another partition");
            self.result.violated(position, detail);
            return;
        }
        let latest = self.latest.entry((position.partition, topic)).or_insert(-1);
        if offset <= *latest {
            let detail = format!("handled {topic} offset {offset} after offset {latest}");
            self.result.violated(position, detail);
        }
        *latest = offset.max(*latest);
    }
}

/// Whether such a record may stand on this topic: the topics have different access rights.
fn belongs(body: &InputBody, topic: Topic) -> bool {
    match body {
        InputBody::Command(_) => topic == Topic::Commands,
        InputBody::Operation(_) => topic == Topic::Operations,
        InputBody::GatewayResult(_) => topic == Topic::GatewayResults,
        InputBody::TransferLeg(_) => topic == Topic::Transfers,
        InputBody::Unreadable(_) => true,
        InputBody::TimerFired {} => false,
    }
}

impl Check for Sources {
    fn observe(&mut self, position: Position, entry: &Entry) {
        self.result.examine();
        match &entry.source {
            Source::Input { topic: label, partition, offset } => {
                let topic = Topic::from_label(label).filter(|topic| Topic::INPUTS.contains(topic));
                let Some(topic) = topic else {
                    self.result.violated(position, format!("{label:?} is no input topic"));
                    return;
                };
                if !belongs(&entry.input.body, topic) {
                    let detail = format!("took from {topic} what does not belong there");
                    self.result.violated(position, detail);
                }
                self.input(position, topic, *partition, *offset);
            }
            Source::Timer { .. } => {
                if !matches!(entry.input.body, InputBody::TimerFired {}) {
                    self.result.violated(position, "a timer brought a record");
                }
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
