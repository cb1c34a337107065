//! The topics of the ledger, declared once: name, who writes, what it holds, how it is kept.
//!
//! `holdfast topics` prints this table and start-up holds the broker against it. A topic's records
//! are Avro in the Confluent wire format; its keys are UTF-8 strings.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A topic of the ledger. Every one of them has the same number of partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    /// What a payer may ask.
    Commands,
    /// What an operator may ask.
    Operations,
    /// What a gateway said, or that nobody knows.
    GatewayResults,
    /// Legs of wallet-to-wallet transfers.
    Transfers,
    /// The event store: one entry for each input that a shard handled.
    Journal,
    /// Refused inputs that could not be read, with origin and reason.
    DeadLetters,
    /// Wrapped data keys of subjects; a tombstone erases a subject.
    Keys,
    /// Stays empty: its partitions are what the group of ledgers hands out.
    Ownership,
}

/// How the records of a topic are kept by the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Never deleted, never compacted.
    ForEver,
    /// Deleted after so many days.
    Days(u16),
    /// The newest record of each key.
    Compacted,
}

impl Topic {
    /// Every topic, in the order in which they are created and printed.
    pub const ALL: [Self; 8] = [
        Self::Commands,
        Self::Operations,
        Self::GatewayResults,
        Self::Transfers,
        Self::Journal,
        Self::DeadLetters,
        Self::Keys,
        Self::Ownership,
    ];

    /// The topics that a shard consumes; results come before new commands.
    pub const INPUTS: [Self; 4] =
        [Self::GatewayResults, Self::Transfers, Self::Operations, Self::Commands];

    /// The stable short name: what an entry's source and every label say.
    pub fn label(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Operations => "operations",
            Self::GatewayResults => "gateway-results",
            Self::Transfers => "transfers",
            Self::Journal => "journal",
            Self::DeadLetters => "dead-letters",
            Self::Keys => "keys",
            Self::Ownership => "ownership",
        }
    }

    /// The topic with this short name.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.label() == label)
    }

    /// The topic's name on the broker.
    pub fn name(self, prefix: &TopicPrefix) -> TopicName {
        TopicName(format!("{}.{}.v1", prefix.0, self.label()))
    }

    /// Who writes it.
    pub fn writers(self) -> &'static str {
        match self {
            Self::Commands => "API, any producer",
            Self::Operations => "API, ledger, privileged producers",
            Self::GatewayResults => "gateway follower",
            Self::Transfers => "transfer follower",
            Self::Journal => "ledger shard, exactly once",
            Self::DeadLetters => "dead-letter follower",
            Self::Keys => "key service",
            Self::Ownership => "nobody",
        }
    }

    /// What it holds, in one line.
    pub fn holds(self) -> &'static str {
        match self {
            Self::Commands => "what a payer may ask: pay, cancel, refund, transfer",
            Self::Operations => {
                "what an operator may ask: open, deposit, withdraw, freeze, resolve"
            }
            Self::GatewayResults => "what a gateway said, or that nobody knows",
            Self::Transfers => "legs of wallet-to-wallet transfers",
            Self::Journal => "the event store: one entry for each input",
            Self::DeadLetters => "refused inputs that could not be read",
            Self::Keys => "wrapped data keys of subjects",
            Self::Ownership => "stays empty; its partitions are the shards",
        }
    }

    /// How long its records are kept.
    pub fn retention(self) -> Retention {
        match self {
            Self::Commands | Self::Operations | Self::GatewayResults | Self::Transfers => {
                Retention::Days(7)
            }
            Self::Journal | Self::Ownership => Retention::ForEver,
            Self::DeadLetters => Retention::Days(30),
            Self::Keys => Retention::Compacted,
        }
    }

    /// Whether the broker stamps the records with its own clock. True of the inputs: nobody can
    /// forge the age of a command.
    pub fn is_stamped_by_broker(self) -> bool {
        Self::INPUTS.contains(&self)
    }

    /// The largest record that the broker accepts, in bytes: 4 MiB for inputs, so that an oversize
    /// command is refused as an entry that its sender can see, not dropped by his client.
    pub fn max_record_bytes(self) -> usize {
        if self.is_stamped_by_broker() { 4 << 20 } else { 1 << 20 }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

/// The name of a topic on the broker, prefix included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(String);

impl TopicName {
    /// The name as Kafka writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What all topic names of one installation begin with; `payments` unless configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicPrefix(String);

/// Leaves room for the longest suffix within Kafka's limit of 249 characters.
const MAX_PREFIX_LENGTH: usize = 200;

/// A prefix that Kafka would not accept as the beginning of a topic's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a topic prefix has 1 to {MAX_PREFIX_LENGTH} of a-z A-Z 0-9 . _ -, not {0:?}")]
pub struct TopicPrefixInvalid(String);

impl std::str::FromStr for TopicPrefix {
    type Err = TopicPrefixInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=MAX_PREFIX_LENGTH).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TopicPrefixInvalid(text.chars().take(MAX_PREFIX_LENGTH).collect()))
        }
    }
}

impl fmt::Display for TopicPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_producers_know() {
        let prefix: TopicPrefix = "payments".parse().expect("valid");
        assert_eq!(Topic::Commands.name(&prefix).as_str(), "payments.commands.v1");
        assert_eq!(Topic::GatewayResults.name(&prefix).as_str(), "payments.gateway-results.v1");
        assert_eq!(Topic::Journal.name(&prefix).as_str(), "payments.journal.v1");
    }

    #[test]
    fn a_label_names_its_topic() {
        for topic in Topic::ALL {
            assert_eq!(Topic::from_label(topic.label()), Some(topic));
        }
        assert_eq!(Topic::from_label("nonsense"), None);
    }

    #[test]
    fn a_prefix_is_what_kafka_accepts() {
        for bad in ["", "a b", "a/b", "ä"] {
            assert!(bad.parse::<TopicPrefix>().is_err(), "{bad}");
        }
    }
}
