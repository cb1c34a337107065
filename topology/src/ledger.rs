//! The ledger as the engine's application: bytes to inputs, decisions to entries, entries to state.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use compact_str::CompactString;
use processors::policy::Policy;
use processors::{DecideContext, ROW_VERSION, ReadLedger};
use schemas::codec::{self, DecodeError, Record, RecordKind, SCHEMA_HEADER, SchemaCatalog};
use schemas::entry::{
    self, Entry, Input, InputBody, MAX_ORIGINAL_BYTES, READER_VERSION, Unreadable,
};
use schemas::inputs::{Command, GatewayResult, Operation, TransferLeg};
use schemas::{ByteString, Offset, Partition, SchemaFingerprint, SchemaId, Timestamp, Topic};

use tokio::sync::mpsc;

use crate::engine::application as engine;
use crate::engine::application::Application;
use crate::hops;
use crate::ledger_state::{COLUMNS, Reader, Writer, to_engine};
use crate::registry::{Lookup, Registry};

/// The longest entry, in bytes: follows from the bounds of its parts, and is checked all the same.
const MAX_ENTRY_BYTES: usize = 256 << 10;

/// The ledger, ready to be run by the engine.
pub struct Ledger {
    policy: Policy,
    catalog: Arc<SchemaCatalog>,
    registry: Option<Registry>,
    entry_schema: OnceLock<SchemaId>,
    /// Tells of every schema id of an entry that was not seen before.
    seen: Mutex<BTreeSet<SchemaId>>,
    new_ids: mpsc::UnboundedSender<WrittenWith>,
    /// Tells of shards that have adopted another configuration than this one.
    takeovers: OnceLock<mpsc::UnboundedSender<Partition>>,
}

/// A schema that entries of the log were written with: ours, or that of an earlier release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenWith {
    /// Its id, as it stands in their frames.
    pub id: SchemaId,
    /// The schema, as their headers name it.
    pub fingerprint: SchemaFingerprint,
}

impl Ledger {
    /// A ledger under this policy. Without a registry, records with a schema of somebody else's are
    /// refused. The receiver gives every schema that entries of the log were written with, once:
    /// its id must still stand for it.
    pub fn new(
        policy: Policy,
        catalog: Arc<SchemaCatalog>,
        registry: Option<Registry>,
    ) -> (Self, mpsc::UnboundedReceiver<WrittenWith>) {
        let (new_ids, ids) = mpsc::unbounded_channel();
        let (entry_schema, seen) = (OnceLock::new(), Mutex::default());
        let takeovers = OnceLock::new();
        (Self { policy, catalog, registry, entry_schema, seen, new_ids, takeovers }, ids)
    }

    /// Gives every shard that is taken over from now on and has adopted another configuration than
    /// that of this ledger. The first who asks is told.
    pub fn watch_takeovers(&self) -> mpsc::UnboundedReceiver<Partition> {
        let (told, shards) = mpsc::unbounded_channel();
        self.takeovers.get_or_init(|| told);
        shards
    }

    /// Tells of an id of the log that was not seen before. Our own is known to be good.
    fn note_entry_id(&self, record: &engine::Record) {
        let Ok((id, _)) = codec::unframe(record.value.as_deref()) else { return };
        if self.entry_schema.get() == Some(&id) {
            return;
        }
        if self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            // Nobody listens where there is no registry to ask.
            let named = named_schema(record);
            let fingerprint = named.unwrap_or_else(|| RecordKind::Entry.schema().fingerprint());
            let _ = self.new_ids.send(WrittenWith { id, fingerprint });
        }
    }

    /// Names the registry's id for entries. Before that nothing can be written.
    pub fn set_entry_schema(&self, id: SchemaId) {
        self.entry_schema.get_or_init(|| id);
    }

    /// The configuration that its decisions depend on.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Reads a record of this kind, asking the registry once for a schema that is not known.
    fn read<R: Record>(
        &self,
        record: &engine::Record,
    ) -> Result<Result<R, DecodeError>, engine::DecodeWait> {
        let fingerprint = named_schema(record);
        let value = record.value.as_deref();
        let decoded = self.catalog.decode(value, fingerprint);
        let Err(DecodeError::UnknownSchema(id)) = &decoded else { return Ok(decoded) };
        let Some(registry) = &self.registry else { return Ok(decoded) };
        match registry.look_up(*id) {
            Lookup::Known(json) => Ok(self
                .catalog
                .learn_foreign(*id, &json)
                .and_then(|()| self.catalog.decode(value, fingerprint))),
            Lookup::Unknown => Ok(decoded),
            Lookup::Away(reason) => Err(engine::DecodeWait { reason }),
        }
    }

    fn body(&self, input: &engine::InputRecord) -> Result<InputBody, engine::DecodeWait> {
        let record = &input.record;
        let body = match input.topic {
            Topic::Commands => self.read::<Command>(record)?.map(InputBody::Command),
            Topic::Operations => self.read::<Operation>(record)?.map(InputBody::Operation),
            Topic::GatewayResults => {
                self.read::<GatewayResult>(record)?.map(InputBody::GatewayResult)
            }
            Topic::Transfers => self.read::<TransferLeg>(record)?.map(InputBody::TransferLeg),
            Topic::Journal | Topic::DeadLetters | Topic::Keys | Topic::Ownership => {
                Ok(unreadable(record, "this topic has no inputs"))
            }
        };
        Ok(body.unwrap_or_else(|error| unreadable(record, &error.to_string())))
    }
}

/// The input that keeps the trace of a record that cannot be read.
fn unreadable(record: &engine::Record, reason: &str) -> InputBody {
    let value = record.value.as_deref().unwrap_or_default();
    InputBody::Unreadable(Unreadable {
        reason: reason.to_owned(),
        length: i64::try_from(value.len()).unwrap_or(i64::MAX),
        original: ByteString(value[..value.len().min(MAX_ORIGINAL_BYTES)].to_vec()),
    })
}

fn traced(record: &engine::Record, body: InputBody) -> Input {
    let value = record.value.as_deref();
    Input {
        raw_hash: ByteString(blake3::hash(value.unwrap_or_default()).as_bytes().to_vec()),
        schema_id: codec::unframe(value).map(|(id, _)| id).unwrap_or_default(),
        body,
    }
}

impl Application for Ledger {
    type Input = Input;
    type Entry = Entry;

    fn columns(&self) -> &'static [&'static str] {
        COLUMNS
    }

    fn state_version(&self) -> u32 {
        u32::from(ROW_VERSION)
    }

    fn decode(&self, record: &engine::InputRecord) -> Result<Input, engine::DecodeWait> {
        Ok(traced(&record.record, self.body(record)?))
    }

    fn timer(&self, _timer: &engine::DueTimer) -> Input {
        Input {
            raw_hash: ByteString::default(),
            schema_id: SchemaId::default(),
            body: InputBody::TimerFired {},
        }
    }

    fn poisoned(&self, origin: engine::Origin<'_>, reason: &str) -> Input {
        let reason = format!("the input could not be handled: {reason}");
        match origin {
            engine::Origin::Record(input) => {
                traced(&input.record, unreadable(&input.record, &reason))
            }
            engine::Origin::Timer(_) => {
                let nothing = engine::Record::default();
                traced(&nothing, unreadable(&nothing, &reason))
            }
        }
    }

    fn decide(
        &self,
        state: &dyn engine::ReadState,
        input: Input,
        ctx: &engine::DecideContext,
    ) -> Result<Entry, engine::DecideError> {
        let (began, carried, shard) = (hops::begin(), ctx.carried.as_deref(), ctx.partition);
        let ctx = DecideContext {
            at: Timestamp::from_millis(ctx.at_ms),
            seq: i64::try_from(ctx.seq).expect("a journal has fewer entries"),
            prev_hash: ctx.prev_hash,
            source: source_of(&ctx.source),
            partition: ctx.partition,
            policy: &self.policy,
        };
        let entry = processors::decide(&Reader(state), input, &ctx)
            .map_err(|error| engine::DecideError::State(to_engine(error)))?;
        hops::decided(began, carried, shard, &entry);
        Ok(entry)
    }

    fn evolve(
        &self,
        state: &mut dyn engine::WriteState,
        entry: &Entry,
    ) -> Result<(), engine::StateError> {
        let mut writer = Writer::new(state);
        processors::evolve(&mut writer, entry).map_err(to_engine)?;
        writer.finish();
        Ok(())
    }

    fn taken_over(&self, partition: Partition, state: &dyn engine::ReadState) {
        let Some(takeovers) = self.takeovers.get() else { return };
        match Reader(state).adopted_policy() {
            Ok(adopted) if adopted == self.policy.version => {}
            Ok(_) => {
                // Nobody listens any more when the process ends anyway.
                let _ = takeovers.send(partition);
            }
            Err(error) => tracing::warn!(%partition, %error, "A shard's policy is not known."),
        }
    }

    fn header(&self, entry: &Entry) -> engine::EntryHeader {
        engine::EntryHeader {
            seq: entry.seq.unsigned_abs(),
            prev_hash: entry.prev_hash,
            min_reader: entry.min_reader.unsigned_abs(),
            at_ms: entry.at.millis(),
            source: engine_source(&entry.source),
            timers: entry.timers.iter().map(timer_change).collect(),
        }
    }

    fn encode(&self, entry: &Entry) -> Result<engine::EntryRecord, engine::EncodeError> {
        let id = self.entry_schema.get();
        let id = id.ok_or_else(|| engine::EncodeError("the entry schema has no id yet".into()))?;
        let value = codec::encode(entry, *id);
        if value.len() > MAX_ENTRY_BYTES {
            let text = format!("{} bytes, an entry has at most {MAX_ENTRY_BYTES}", value.len());
            return Err(engine::EncodeError(text));
        }
        Ok(engine::EntryRecord {
            key: Bytes::from(processors::key_of(entry)),
            value: Bytes::from(value),
            headers: vec![schema_header::<Entry>()],
        })
    }

    fn decode_entry(
        &self,
        record: &engine::JournalRecord,
    ) -> Result<Entry, engine::EntryDecodeError> {
        let entry = decode_entry(&self.catalog, &record.record)?;
        self.note_entry_id(&record.record);
        Ok(entry)
    }
}

/// The header that names the schema of a record of ours.
pub fn schema_header<R: Record>() -> engine::RecordHeader {
    engine::RecordHeader {
        name: CompactString::const_new(SCHEMA_HEADER),
        value: Some(Bytes::from_static(R::KIND.schema().fingerprint_text().as_bytes())),
    }
}

/// The schema that a record's header names.
fn named_schema(record: &engine::Record) -> Option<SchemaFingerprint> {
    record.header(SCHEMA_HEADER).and_then(SchemaFingerprint::parse)
}

/// Reads a record of the journal.
pub fn decode_entry(
    catalog: &SchemaCatalog,
    record: &engine::Record,
) -> Result<Entry, engine::EntryDecodeError> {
    let fingerprint = named_schema(record);
    let value = record.value.as_deref();
    let entry: Entry = catalog.decode(value, fingerprint).map_err(|error| {
        // A newer version writes under schemas that this one has never seen.
        let newer = codec::min_reader(value).filter(|version| *version > READER_VERSION);
        match newer {
            Some(min_reader) => engine::EntryDecodeError::Newer {
                min_reader: min_reader.unsigned_abs(),
                reader: READER_VERSION.unsigned_abs(),
            },
            None => engine::EntryDecodeError::Undecodable(error.to_string()),
        }
    })?;
    if entry.min_reader > READER_VERSION {
        return Err(engine::EntryDecodeError::Newer {
            min_reader: entry.min_reader.unsigned_abs(),
            reader: READER_VERSION.unsigned_abs(),
        });
    }
    Ok(entry)
}

fn source_of(source: &engine::Source) -> entry::Source {
    match source {
        engine::Source::Input { topic, partition, offset } => entry::Source::Input {
            topic: topic.label().to_owned(),
            partition: partition.number(),
            offset: offset.number(),
        },
        engine::Source::Timer { id, generation, due_ms } => entry::Source::Timer {
            timer_id: id.clone(),
            generation: i64::try_from(*generation).unwrap_or(i64::MAX),
            due: Timestamp::from_millis(*due_ms),
        },
    }
}

/// The engine's word for a source. An entry whose source names no input topic is none that this
/// binary wrote: it becomes a timer's, which no position follows from.
fn engine_source(source: &entry::Source) -> engine::Source {
    match source {
        entry::Source::Input { topic, partition, offset } => {
            let place = || {
                Some(engine::Source::Input {
                    topic: Topic::from_label(topic)?,
                    partition: Partition::new(*partition)?,
                    offset: Offset::new(*offset)?,
                })
            };
            place().unwrap_or_else(|| engine::Source::Timer {
                id: format!("{topic}:{partition}:{offset}"),
                generation: 0,
                due_ms: 0,
            })
        }
        entry::Source::Timer { timer_id, generation, due } => engine::Source::Timer {
            id: timer_id.clone(),
            generation: generation.unsigned_abs(),
            due_ms: due.millis(),
        },
    }
}

fn timer_change(change: &entry::TimerChange) -> engine::TimerChange {
    engine::TimerChange {
        id: change.timer_id.clone(),
        generation: change.generation.unsigned_abs(),
        due_ms: change.due.map(Timestamp::millis),
    }
}
