//! Every property of every Kafka client, in one place, each with its reason.
//!
//! What the operator adds (TLS, SASL) is applied first and cannot change what safety depends on.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use schemas::Partition;

/// How long the broker lets a Kafka transaction be open. Readers wait behind an open one, so an
/// owner that died must not pin them for longer.
const TRANSACTION_TIMEOUT_MS: u32 = 10_000;
/// Below the transaction's time-out, so that the client knows before the broker acts.
const MESSAGE_TIMEOUT_MS: u32 = 8_000;
const SOCKET_TIMEOUT_MS: u32 = 8_000;
/// What one partition's fetch queue may hold, in KiB.
const FETCH_QUEUE_KIB: u32 = 8_192;

/// How to reach the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConnection {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// The application's name: the beginning of every transactional id and group id.
    pub application: String,
    /// Further client properties, such as `security.protocol`, as librdkafka names them.
    pub properties: BTreeMap<String, String>,
}

impl KafkaConnection {
    /// A connection without further properties.
    pub fn new(bootstrap_servers: impl Into<String>, application: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            application: application.into(),
            properties: BTreeMap::new(),
        }
    }

    /// The group that the positions of the ledger are committed to.
    pub fn ledger_group(&self) -> String {
        format!("{}.ledger", self.application)
    }

    /// The id that fences the owners of a shard. Stable, so that a new owner aborts what a dead one
    /// left open.
    pub fn transactional_id(&self, shard: Partition) -> String {
        format!("{}.ledger.{shard}", self.application)
    }

    /// What all clients share.
    pub(super) fn base(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", format!("{}.{role}", self.application))
            .set("socket.nagle.disable", "true")
            // An idle connection that the broker closes is no event for anybody.
            .set("log.connection.close", "false")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "2000");
        config
    }

    /// The producer of a shard's journal partition.
    pub(super) fn ledger_producer(&self, shard: Partition) -> ClientConfig {
        let mut config = self.base(&format!("ledger.{shard}"));
        config
            .set("transactional.id", self.transactional_id(shard))
            .set("acks", "all")
            .set("linger.ms", "0")
            // With offsets sent first, the bounce off the markers of the Kafka transaction before
            // costs 1 to 4 ms with this, and 20 to 100 ms with the default.
            .set("retry.backoff.ms", "1")
            .set("retry.backoff.max.ms", "1000")
            // A lost connection is told of in the log only: `DeliveryContext` listens to it.
            .set("log.connection.close", "true")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string())
            .set("message.timeout.ms", MESSAGE_TIMEOUT_MS.to_string())
            .set("socket.timeout.ms", SOCKET_TIMEOUT_MS.to_string())
            .set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// The consumer of a shard: its inputs and its own journal partition.
    pub(super) fn ledger_consumer(&self, shard: Partition) -> ClientConfig {
        let mut config = self.data_consumer(&format!("ledger.{shard}"));
        config.set("group.id", self.ledger_group());
        config
    }

    /// The consumer of all journal partitions. It never joins its group nor commits: the client
    /// library wants a name.
    pub(super) fn journal_tail(&self) -> ClientConfig {
        let mut config = self.data_consumer("tail");
        config.set("group.id", format!("{}.tail", self.application));
        config
    }

    fn data_consumer(&self, role: &str) -> ClientConfig {
        let mut config = self.base(role);
        config
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Never guess where to read from.
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.min.bytes", "1")
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "100")
            // A broker that fenced itself for a moment leaves partitions without a leader, and the
            // client asks for one again only this often.
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("queued.max.messages.kbytes", FETCH_QUEUE_KIB.to_string());
        config
    }

    /// A handle that reads ends only: high watermarks, which a `read_committed` handle does not
    /// see.
    pub(super) fn watermarks(&self) -> ClientConfig {
        let mut config = self.base("watermarks");
        config.set("isolation.level", "read_uncommitted").set("enable.auto.commit", "false");
        config
    }

    /// A producer of inputs.
    pub(super) fn ingress_producer(&self, role: &str) -> ClientConfig {
        let mut config = self.base(role);
        config.set("enable.idempotence", "true").set("acks", "all").set("retry.backoff.ms", "10");
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_adds_properties_and_cannot_weaken_the_ledger() {
        let mut connection = KafkaConnection::new("kafka:9092", "payments");
        for (name, value) in [("security.protocol", "ssl"), ("acks", "1"), ("isolation.level", "x")]
        {
            connection.properties.insert(name.to_owned(), value.to_owned());
        }
        let shard = Partition::new(3).expect("valid");
        let producer = connection.ledger_producer(shard);
        assert_eq!(producer.get("security.protocol"), Some("ssl"));
        assert_eq!(producer.get("acks"), Some("all"));
        assert_eq!(producer.get("transactional.id"), Some("payments.ledger.3"));
        let consumer = connection.ledger_consumer(shard);
        assert_eq!(consumer.get("isolation.level"), Some("read_committed"));
        assert_eq!(consumer.get("auto.offset.reset"), Some("error"));
    }
}
