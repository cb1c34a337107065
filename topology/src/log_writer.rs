//! Requests and results on their way into the log: the edges' side of the topics.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use compact_str::CompactString;
use connectors::ports::{AppendError, CommandLog, GatewayResults, PortFuture, Request};
use schemas::codec::{self, Record};
use schemas::dead_letter::DeadLetter;
use schemas::inputs::{GatewayResult, Operation, TransferLeg};
use schemas::{Partition, PartitionCount, PaymentId, SchemaId, WalletId};

use crate::backlog::Backlog;
use crate::crash_window::{CrashWindow, pass};
use crate::engine::application as engine;
use crate::engine::kafka::producer::{IngressError, IngressProducer};
use crate::gateway_follower::claim;
use crate::hops;
use crate::ledger::schema_header;
use crate::registry::WriterIds;
use crate::traces;

/// Writes to the input topics, each record to the shard of its wallet.
#[derive(Clone)]
pub struct LogWriter {
    producer: IngressProducer,
    partitions: PartitionCount,
    ids: Arc<OnceLock<WriterIds>>,
    backlog: Arc<Backlog>,
}

impl LogWriter {
    /// A writer over this producer. It is ready when it knows the ids of its schemas.
    pub fn new(
        producer: IngressProducer,
        partitions: PartitionCount,
        ids: Arc<OnceLock<WriterIds>>,
    ) -> Self {
        Self { producer, partitions, ids, backlog: Arc::new(Backlog::new(partitions)) }
    }

    /// What it has written that is not handled yet. Somebody has to tell it what is.
    pub fn backlog(&self) -> Arc<Backlog> {
        Arc::clone(&self.backlog)
    }

    /// Appends a gateway result.
    ///
    /// # Errors
    /// When the log did not confirm; the same result may be offered again, it counts once.
    pub async fn append_result(&self, result: &GatewayResult) -> Result<(), AppendError> {
        let id = self.ids()?.gateway_result;
        self.append_record(result.wallet_id, result, id).await
    }

    /// Appends a leg of a transfer.
    ///
    /// # Errors
    /// When the log did not confirm; the same leg may be appended again, it counts once.
    pub async fn append_leg(&self, leg: &TransferLeg) -> Result<(), AppendError> {
        let id = self.ids()?.transfer_leg;
        self.append_record(leg.wallet_id, leg, id).await
    }

    /// Appends the configuration of a shard, to that shard.
    ///
    /// # Errors
    /// When the log did not confirm; the same may be appended again, it counts once.
    pub async fn append_adoption(
        &self,
        shard: Partition,
        operation: &Operation,
    ) -> Result<(), AppendError> {
        let id = self.ids()?.operation;
        let appended = self.append_at(shard, String::new(), operation, id).await;
        appended.map_err(|error| append_error(&error))
    }

    /// Appends a dead letter, to the partition of its shard.
    ///
    /// # Errors
    /// [`IngressError`]; the same letter may be appended again, it is known by its key.
    pub async fn append_dead_letter(
        &self,
        shard: Partition,
        letter: &DeadLetter,
    ) -> Result<(), IngressError> {
        let ids = self.ids.get().ok_or(IngressError::Away)?;
        self.append_at(shard, letter.position.clone(), letter, ids.dead_letter).await
    }

    fn ids(&self) -> Result<&WriterIds, AppendError> {
        let text = "the schemas are not registered yet";
        self.ids.get().ok_or_else(|| AppendError::NotReady(text.to_owned()))
    }

    async fn append_record<R: Record>(
        &self,
        wallet: WalletId,
        record: &R,
        id: SchemaId,
    ) -> Result<(), AppendError> {
        let partition = wallet.shard(self.partitions);
        let appended = self.append_at(partition, wallet.to_string(), record, id).await;
        appended.map_err(|error| append_error(&error))
    }

    async fn append_at<R: Record>(
        &self,
        partition: Partition,
        key: String,
        record: &R,
        id: SchemaId,
    ) -> Result<(), IngressError> {
        let mut headers = vec![schema_header::<R>()];
        headers.extend(traces::outgoing().map(|trace| engine::RecordHeader {
            name: CompactString::const_new(engine::CARRIED_HEADER),
            value: Some(Bytes::from(trace)),
        }));
        let outgoing = engine::Record {
            timestamp_ms: 0,
            key: Some(Bytes::from(key)),
            value: Some(Bytes::from(codec::encode(record, id))),
            headers,
        };
        let topic = R::KIND.topic();
        let offset = self.producer.send(topic, partition, &outgoing).await?;
        self.backlog.appended(topic, partition, offset);
        Ok(())
    }

    /// Why nothing can be written any more; none while it can.
    pub fn failure(&self) -> Option<String> {
        self.producer.failure()
    }

    /// How many records wait for their acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.producer.in_flight()
    }

    /// Waits, bounded, for what is under way. Blocks.
    pub fn close(&self) {
        self.producer.close();
    }
}

impl GatewayResults for LogWriter {
    fn append(&self, result: GatewayResult) -> PortFuture<'_, Result<(), AppendError>> {
        Box::pin(async move { self.append_result(&result).await })
    }

    fn stand_in(&self, payment: PaymentId) -> WalletId {
        claim::routed_to(payment.shard(self.partitions), self.partitions)
    }
}

fn append_error(error: &IngressError) -> AppendError {
    match error {
        IngressError::Overloaded => AppendError::QueueFull,
        IngressError::Away | IngressError::Refused(_) | IngressError::Unknown(_) => {
            AppendError::Unconfirmed(error.to_string())
        }
    }
}

impl CommandLog for LogWriter {
    fn append(
        &self,
        wallet: WalletId,
        request: Request,
    ) -> PortFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            let ids = *self.ids()?;
            pass(CrashWindow::BeforeAppend);
            let appended = match &request {
                Request::Command(command) => self.append_record(wallet, command, ids.command).await,
                Request::Operation(operation) => {
                    self.append_record(wallet, operation, ids.operation).await
                }
            };
            pass(CrashWindow::AfterAppend);
            if appended.is_ok() {
                hops::appended(&request);
            }
            appended
        })
    }

    fn expected_wait(&self, wallet: WalletId, request: &Request) -> Duration {
        // Nothing waits in a log that is away: the append says what is the matter.
        if self.producer.is_away() {
            return Duration::ZERO;
        }
        self.backlog.expected_wait(wallet.shard(self.partitions), request)
    }
}
