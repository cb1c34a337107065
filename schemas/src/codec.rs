//! Records as bytes: the Confluent wire format around Avro, and the schemas this binary knows.
//!
//! A value is one zero byte, the registry's schema id (32 bits, big-endian) and the Avro datum. The
//! header [`SCHEMA_HEADER`] carries the CRC-64-AVRO fingerprint of the writer's schema, so that our
//! own records are readable with no registry. Every released schema is compiled in. Reading is
//! bounded and never panics, whatever the bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, LazyLock, RwLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_avro_fast::Schema;
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};
use serde_avro_fast::ser::SerializerConfig;

use crate::dead_letter::DeadLetter;
use crate::entry::Entry;
use crate::inputs::{Command, GatewayResult, Operation, TransferLeg};

/// The record header that carries the fingerprint of the writer's schema, 16 hexadecimal digits.
pub const SCHEMA_HEADER: &str = "holdfast-schema";

const FRAME_MAGIC: u8 = 0;
const FRAME_BYTES: usize = 5;

/// What entries of payments fit in: making room takes longer than having it.
const USUAL_BYTES: usize = 1536;

/// The longest list or map that a record may announce: more is an attack or a wrong schema.
const MAX_ITEMS: usize = 10_000;
/// How deep a record may nest; ours nest less than ten deep.
const MAX_DEPTH: usize = 32;

/// Logical types that no schema of ours has.
const FOREIGN_TIMES: [&str; 3] = ["timestamp-micros", "timestamp-nanos", "local-timestamp"];

/// A schema registry's number for a schema; 0 is none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SchemaId(pub i32);

impl fmt::Display for SchemaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The CRC-64-AVRO fingerprint of a schema's parsing canonical form (Avro specification).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaFingerprint([u8; 8]);

impl SchemaFingerprint {
    /// Of a schema as JSON; none for what is no schema.
    pub fn of(json: &str) -> Option<Self> {
        let schema: Schema = json.parse().ok()?;
        Some(Self(*schema.rabin_fingerprint()))
    }

    /// Reads the header's 16 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 16)?;
        u64::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SchemaFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SchemaFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The records of the ledger's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// [`Command`].
    Command,
    /// [`Operation`].
    Operation,
    /// [`GatewayResult`].
    GatewayResult,
    /// [`TransferLeg`].
    TransferLeg,
    /// [`Entry`].
    Entry,
    /// [`DeadLetter`].
    DeadLetter,
}

impl RecordKind {
    /// All of them, in the order in which they are registered.
    pub const ALL: [Self; 6] = [
        Self::Command,
        Self::Operation,
        Self::GatewayResult,
        Self::TransferLeg,
        Self::Entry,
        Self::DeadLetter,
    ];

    /// What `holdfast describe --schema` calls it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Operation => "operation",
            Self::GatewayResult => "gateway-result",
            Self::TransferLeg => "transfer-leg",
            Self::Entry => "entry",
            Self::DeadLetter => "dead-letter",
        }
    }

    /// The schema that this binary writes.
    pub fn schema(self) -> &'static CompiledSchema {
        match self {
            Self::Command => &COMMAND,
            Self::Operation => &OPERATION,
            Self::GatewayResult => &GATEWAY_RESULT,
            Self::TransferLeg => &TRANSFER_LEG,
            Self::Entry => &ENTRY,
            Self::DeadLetter => &DEAD_LETTER,
        }
    }

    /// The schema of this binary or of an earlier release with this fingerprint.
    fn released(self, fingerprint: SchemaFingerprint) -> Option<&'static CompiledSchema> {
        let current = self.schema();
        if current.fingerprint == fingerprint {
            return Some(current);
        }
        self.earlier().iter().copied().find(|schema| schema.fingerprint == fingerprint)
    }

    /// What earlier releases wrote with, the oldest first. The log holds such records for ever.
    fn earlier(self) -> Vec<&'static CompiledSchema> {
        match self {
            Self::Command => vec![&COMMAND_V1],
            Self::Operation => vec![&OPERATION_V1],
            Self::GatewayResult => vec![&GATEWAY_RESULT_V1],
            Self::TransferLeg | Self::DeadLetter => vec![],
            Self::Entry => vec![&ENTRY_V1],
        }
    }

    /// The topic whose values are such records.
    pub fn topic(self) -> crate::Topic {
        match self {
            Self::Command => crate::Topic::Commands,
            Self::Operation => crate::Topic::Operations,
            Self::GatewayResult => crate::Topic::GatewayResults,
            Self::TransferLeg => crate::Topic::Transfers,
            Self::Entry => crate::Topic::Journal,
            Self::DeadLetter => crate::Topic::DeadLetters,
        }
    }
}

/// A type that is the value of a topic's records.
pub trait Record: Serialize + DeserializeOwned {
    /// Which.
    const KIND: RecordKind;
}

impl Record for Command {
    const KIND: RecordKind = RecordKind::Command;
}
impl Record for Operation {
    const KIND: RecordKind = RecordKind::Operation;
}
impl Record for GatewayResult {
    const KIND: RecordKind = RecordKind::GatewayResult;
}
impl Record for TransferLeg {
    const KIND: RecordKind = RecordKind::TransferLeg;
}
impl Record for Entry {
    const KIND: RecordKind = RecordKind::Entry;
}
impl Record for DeadLetter {
    const KIND: RecordKind = RecordKind::DeadLetter;
}

/// A schema that is compiled into this binary.
pub struct CompiledSchema {
    schema: Arc<Schema>,
    json: String,
    fingerprint: SchemaFingerprint,
    fingerprint_text: String,
}

impl CompiledSchema {
    fn new(json: String) -> Self {
        let schema: Schema = json.parse().expect("the schemas in avro/ are valid");
        let fingerprint = SchemaFingerprint(*schema.rabin_fingerprint());
        let fingerprint_text = fingerprint.to_string();
        Self { schema: Arc::new(schema), json, fingerprint, fingerprint_text }
    }

    /// The whole schema as JSON, nothing by reference: what the registry is given.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// What its records carry in [`SCHEMA_HEADER`].
    pub fn fingerprint(&self) -> SchemaFingerprint {
        self.fingerprint
    }

    /// The same as the header's text.
    pub fn fingerprint_text(&self) -> &str {
        &self.fingerprint_text
    }
}

/// Declares the schemas of files in `avro/`.
macro_rules! schemas {
    ($($name:ident $file:literal;)*) => {$(
        static $name: LazyLock<CompiledSchema> = LazyLock::new(|| {
            CompiledSchema::new(include_str!(concat!("../avro/", $file)).to_owned())
        });
    )*};
}

schemas! {
    COMMAND "command.avsc";
    OPERATION "operation.avsc";
    GATEWAY_RESULT "gateway-result.avsc";
    TRANSFER_LEG "transfer-leg.avsc";
    DEAD_LETTER "dead-letter.avsc";
    COMMAND_V1 "v1/command.avsc";
    OPERATION_V1 "v1/operation.avsc";
    GATEWAY_RESULT_V1 "v1/gateway-result.avsc";
}
static ENTRY: LazyLock<CompiledSchema> =
    LazyLock::new(|| CompiledSchema::new(crate::compose::entry_schema()));
static ENTRY_V1: LazyLock<CompiledSchema> =
    LazyLock::new(|| CompiledSchema::new(crate::compose::entry_schema_v1()));

/// Why a record's value could not be read. The text says what its sender should change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No value, or no bytes.
    #[error("the record has no value")]
    Empty,
    /// Not the Confluent wire format.
    #[error(
        "the value is not in the Confluent wire format: a zero byte, the schema id in 32 bits \
         (big-endian), the Avro datum; write it with the Avro serializer of a schema registry \
         (Apicurio's: as-confluent=true, headers.enabled=false)"
    )]
    NotFramed,
    /// The schema with this id is neither compiled in nor known yet.
    #[error(
        "schema id {0} is not known to the schema registry: register the schema there, and write \
         the id that it gives, in 32 bits"
    )]
    UnknownSchema(SchemaId),
    /// The schema has times in another unit than milliseconds.
    #[error("schema id {0} has times that are not timestamp-millis: write milliseconds")]
    ForeignTimeUnit(SchemaId),
    /// The bytes do not follow their schema, or the schema is not that of this topic.
    #[error(
        "the value is not a {kind:?} under the schema that its frame names: {reason}; \
         `holdfast describe --schema {}` prints the schema to write with", .kind.label()
    )]
    Malformed {
        /// What was expected.
        kind: RecordKind,
        /// What was found.
        reason: String,
    },
}

/// What a reader knows of schemas beside the compiled ones: those that others registered.
#[derive(Default)]
pub struct SchemaCatalog {
    by_id: RwLock<BTreeMap<SchemaId, Arc<Schema>>>,
}

/// A schema id that meant one schema and now another: the registry has lost its memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "schema id {id} stood for schema {known} and now stands for {found}: the schema registry is \
     not the one that this log was written with; restore its data"
)]
pub struct SchemaIdConflict {
    id: SchemaId,
    known: SchemaFingerprint,
    found: SchemaFingerprint,
}

impl SchemaCatalog {
    /// Remembers that the registry gives this id to one of our own schemas.
    pub fn learn_own(&self, id: SchemaId, kind: RecordKind) -> Result<(), SchemaIdConflict> {
        self.insert(id, Arc::clone(&kind.schema().schema))
    }

    /// Remembers a schema that the registry knows; `json` as the registry gives it.
    pub fn learn_foreign(&self, id: SchemaId, json: &str) -> Result<(), DecodeError> {
        // Fields are matched by name and logical types are not converted: microseconds would be
        // read as milliseconds.
        if FOREIGN_TIMES.iter().any(|unit| json.contains(unit)) {
            return Err(DecodeError::ForeignTimeUnit(id));
        }
        let schema: Schema = json.parse().map_err(|_| DecodeError::UnknownSchema(id))?;
        self.insert(id, Arc::new(schema)).map_err(|_| DecodeError::UnknownSchema(id))
    }

    fn insert(&self, id: SchemaId, schema: Arc<Schema>) -> Result<(), SchemaIdConflict> {
        let found = SchemaFingerprint(*schema.rabin_fingerprint());
        let mut by_id = self.by_id.write().expect("no writer panics");
        match by_id.get(&id).map(|schema| SchemaFingerprint(*schema.rabin_fingerprint())) {
            Some(known) if known != found => Err(SchemaIdConflict { id, known, found }),
            _ => {
                by_id.insert(id, schema);
                Ok(())
            }
        }
    }

    fn get(&self, id: SchemaId) -> Option<Arc<Schema>> {
        self.by_id.read().expect("no writer panics").get(&id).cloned()
    }

    /// The record in a framed value. `fingerprint` is that of its header, where it has one.
    pub fn decode<R: Record>(
        &self,
        value: Option<&[u8]>,
        fingerprint: Option<SchemaFingerprint>,
    ) -> Result<R, DecodeError> {
        let (id, datum) = unframe(value)?;
        if let Some(own) = fingerprint.and_then(|fingerprint| R::KIND.released(fingerprint)) {
            return decode_datum(datum, &own.schema);
        }
        let schema = self.get(id).ok_or(DecodeError::UnknownSchema(id))?;
        decode_datum(datum, &schema)
    }
}

/// The schema id in a value's frame, and the datum behind it.
pub fn unframe(value: Option<&[u8]>) -> Result<(SchemaId, &[u8]), DecodeError> {
    let value = value.filter(|value| !value.is_empty()).ok_or(DecodeError::Empty)?;
    let (frame, datum) = value.split_at_checked(FRAME_BYTES).ok_or(DecodeError::NotFramed)?;
    let [FRAME_MAGIC, a, b, c, d] = *frame else { return Err(DecodeError::NotFramed) };
    Ok((SchemaId(i32::from_be_bytes([a, b, c, d])), datum))
}

/// What `P` names of a record that was written under our own schema, borrowed from its value; the
/// rest is skipped. For readers to whom the whole record is too dear. The caller knows by the
/// header that the schema is ours.
pub fn part<'v, P: Deserialize<'v>>(
    value: Option<&'v [u8]>,
    kind: RecordKind,
) -> Result<P, DecodeError> {
    let (_, datum) = unframe(value)?;
    serde_avro_fast::from_datum_slice(datum, &kind.schema().schema)
        .map_err(|error| DecodeError::Malformed { kind, reason: error.to_string() })
}

fn decode_datum<R: Record>(datum: &[u8], schema: &Schema) -> Result<R, DecodeError> {
    let malformed = |reason: String| DecodeError::Malformed { kind: R::KIND, reason };
    let mut state = bounded(datum, schema);
    let record = R::deserialize(state.deserializer())
        .map_err(|error| malformed(located::<R>(datum, schema).unwrap_or(error.to_string())))?;
    // A datum has no end mark: bytes left over mean that it was written under another schema.
    let mut rest = state.into_reader();
    match io::Read::read(&mut rest, &mut [0]) {
        Ok(0) => Ok(record),
        _ => Err(malformed("bytes are left over".to_owned())),
    }
}

fn bounded<'a>(datum: &'a [u8], schema: &'a Schema) -> DeserializerState<'a, SliceRead<'a>> {
    let mut config = DeserializerConfig::new(schema);
    config.max_seq_size = MAX_ITEMS;
    config.allowed_depth = MAX_DEPTH;
    DeserializerState::with_config(SliceRead::new(datum), config)
}

/// What is wrong with a datum, after the name of the field where it is. Reads it once more, noting
/// the way, which good records are spared.
fn located<R: Record>(datum: &[u8], schema: &Schema) -> Option<String> {
    let mut state = bounded(datum, schema);
    let error = serde_path_to_error::deserialize::<_, R>(state.deserializer()).err()?;
    Some(error.to_string())
}

/// The lowest reader version that understands an entry, whatever the schema of the rest: the first
/// three fields are frozen.
pub fn min_reader(value: Option<&[u8]>) -> Option<i32> {
    #[derive(Deserialize)]
    struct Frozen {
        min_reader: i32,
    }

    let (_, datum) = unframe(value).ok()?;
    let frozen: Frozen = serde_avro_fast::from_datum_slice(datum, &FROZEN_PREFIX).ok()?;
    Some(frozen.min_reader)
}

static FROZEN_PREFIX: LazyLock<Schema> = LazyLock::new(|| {
    let json = r#"{"type": "record", "name": "Frozen", "fields": [
        {"name": "seq", "type": "long"},
        {"name": "prev_hash", "type": "bytes"},
        {"name": "min_reader", "type": "int"}]}"#;
    json.parse().expect("a valid schema")
});

/// The framed value of a record under our own schema, to be sent with
/// [`CompiledSchema::fingerprint`] in its header.
pub fn encode<R: Record>(record: &R, id: SchemaId) -> Vec<u8> {
    let mut value = Vec::with_capacity(USUAL_BYTES);
    value.push(FRAME_MAGIC);
    value.extend_from_slice(&id.0.to_be_bytes());
    let mut config = SerializerConfig::new(&R::KIND.schema().schema);
    serde_avro_fast::to_datum(record, Value(value), &mut config)
        .expect("our records follow our schemas, which the golden tests show for each of them")
        .0
}

/// A value in the making. Most of what is written to one is a number of one byte, and a byte is
/// pushed faster than it is copied.
struct Value(Vec<u8>);

impl Write for Value {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes {
            [byte] => self.0.push(*byte),
            bytes => self.0.extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
