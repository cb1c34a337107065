//! Asks the broker whether it is there.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::connection::KafkaConnection;

/// How long the broker may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A client that does nothing else.
pub struct BrokerProbe(BaseConsumer);

impl BrokerProbe {
    /// A probe. Nothing is asked yet.
    ///
    /// # Errors
    /// What the client library says when it refuses a property.
    pub fn new(connection: &KafkaConnection) -> Result<Self, String> {
        connection.watermarks().create().map(Self).map_err(|error| error.to_string())
    }

    /// Asks. Blocks for at most two seconds.
    ///
    /// # Errors
    /// Why there was no answer.
    pub fn ask(&self) -> Result<(), String> {
        // For all topics: asking for one by name could create it.
        let answer = self.0.fetch_metadata(None, TIMEOUT);
        answer.map(|_| ()).map_err(|error| error.to_string())
    }
}
