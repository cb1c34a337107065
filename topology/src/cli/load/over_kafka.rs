//! Sends the payments of a run straight to the log, as any producer may.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use schemas::codec::{self, Record, SCHEMA_HEADER};
use schemas::inputs::{Command, CommandBody, Envelope, Pay};
use schemas::{IdempotencyKey, PaymentId, SchemaId, TenantId, TopicPrefix};

use super::clients::{Arrival, Clients};
use super::handover::{Handed, Handover, Job, Payer};
use super::schedule::Due;

/// How long a record waits for others to share a request with, as those of the API do.
const LINGER: Duration = Duration::from_millis(4);
/// Payments that are due within this are sent together: waking up for each costs more than sending.
const TICK: Duration = Duration::from_millis(1);
/// How often a sender that waits looks whether it shall stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Records that the broker did not take, by the number that each was sent with.
#[derive(Default)]
pub(super) struct Failures(Mutex<Vec<(usize, String)>>);

impl Failures {
    /// Those since the last call.
    pub(super) fn take(&self) -> Vec<(usize, String)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Failures {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "The Kafka client reports.");
    }
}

impl ProducerContext for Failures {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        if let Err((error, _)) = result {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            failures.push((number, format!("kafka: {code:?}")));
        }
    }
}

/// Writes inputs to the log.
pub(super) struct InputProducer {
    producer: BaseProducer<Failures>,
    prefix: TopicPrefix,
}

impl InputProducer {
    /// A producer of the load generator.
    pub(super) fn new(clients: &Clients, arrival: Arrival) -> anyhow::Result<Self> {
        let producer = clients.producer(LINGER, arrival, Failures::default())?;
        Ok(Self { producer, prefix: clients.kafka.topic_prefix.clone() })
    }

    /// Hands a record over to the client library; false when its queue is full.
    pub(super) fn send<R: Record>(
        &self,
        payer: &Payer,
        record: &R,
        (id, number): (SchemaId, usize),
    ) -> anyhow::Result<bool> {
        let topic = R::KIND.topic().name(&self.prefix);
        let value = codec::encode(record, id);
        let fingerprint = R::KIND.schema().fingerprint().to_string();
        let header = Header { key: SCHEMA_HEADER, value: Some(&fingerprint) };
        let out = BaseRecord::with_opaque_to(topic.as_str(), number)
            .partition(payer.partition.number())
            .key(&payer.wallet_id_text)
            .payload(&value)
            .headers(OwnedHeaders::new_with_capacity(1).insert(header));
        match self.producer.send(out) {
            Ok(()) => Ok(true),
            Err((error, _)) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => Ok(false),
                _ => Err(error).context("a record cannot be produced"),
            },
        }
    }

    /// What the broker did not take since the last call.
    pub(super) fn failures(&self) -> Vec<(usize, String)> {
        self.producer.poll(Duration::ZERO);
        self.producer.context().take()
    }

    /// Waits until everything is acknowledged or has failed.
    pub(super) fn flush(&self, at_most: Duration) {
        if let Err(error) = self.producer.flush(at_most) {
            tracing::warn!(%error, "Some records are not acknowledged.");
        }
    }
}

/// Sends everything. Blocks.
pub(super) fn send(job: &Job, clients: &Clients, schema: SchemaId) -> anyhow::Result<Handover> {
    let tenant = TenantId::default_tenant();
    let producer = InputProducer::new(clients, Arrival::Anyhow)?;
    let mut handover = job.handover();
    'payments: for due in job.schedule.clone() {
        while let Some(left) = job.until(due) {
            if job.is_stopped() {
                break 'payments;
            }
            note_failures(&producer, &mut handover);
            std::thread::sleep(left.clamp(TICK, LOOK_EVERY));
        }
        if job.is_stopped() {
            break;
        }
        let under_way = job.live.counts().under_way();
        let is_sent = under_way < job.max_in_flight && {
            let command = command(job, due, &tenant);
            let number = usize::try_from(due.number)?;
            producer.send(&job.payers[due.wallet], &command, (schema, number))?
        };
        handover.next(due, if is_sent { Handed::Taken } else { Handed::NotInTime });
    }
    let deadline = Instant::now() + job.drain;
    producer.flush(deadline.saturating_duration_since(Instant::now()));
    note_failures(&producer, &mut handover);
    Ok(handover)
}

fn note_failures(producer: &InputProducer, handover: &mut Handover) {
    for (number, kind) in producer.failures() {
        handover.unknown(u32::try_from(number).unwrap_or(u32::MAX), kind);
    }
}

fn command(job: &Job, due: Due, tenant: &TenantId) -> Command {
    let payer = &job.payers[due.wallet];
    let text = job.key(due);
    let key: IdempotencyKey = text.parse().expect("a key is visible ASCII");
    Command {
        envelope: Envelope {
            command_id: text.clone(),
            tenant: tenant.as_str().to_owned(),
            idempotency_key: text.clone(),
            correlation_id: text,
            actor: String::new(),
            deadline: None,
        },
        body: CommandBody::Pay(Pay {
            payment_id: PaymentId::derive(tenant, payer.wallet_id, &key).to_string(),
            wallet_id: payer.wallet_id_text.clone(),
            amount: due.amount,
            currency: "USD".to_owned(),
            gateway: None,
            service_id: None,
            description: None,
            metadata: None,
        }),
    }
}
