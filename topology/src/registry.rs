//! The schema registry: registers what this binary writes, looks up what others wrote.
//!
//! The log does not depend on it: every record of ours names its schema by fingerprint. It is
//! needed to write with a schema never written before, and to read records of producers with
//! schemas of their own. A look-up never makes a shard wait: it runs in the background, and the
//! input that needs it is tried again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_id, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType, SuppliedSchema};
use schemas::codec::{RecordKind, SchemaCatalog, SchemaIdConflict};
use schemas::{SchemaFingerprint, SchemaId, TopicPrefix};
use serde::Serialize;
use tokio::runtime::Handle;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// The wait between tries to register at start.
const REGISTER_AGAIN: Duration = Duration::from_millis(500);

/// How long an answer is remembered: garbage must not become a flood of calls.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Ids that are remembered at a time.
const MAX_REMEMBERED: usize = 10_000;

/// What the registry says of a schema id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The schema, as JSON.
    Known(String),
    /// It gave out no such id.
    Unknown,
    /// It cannot be asked now, or has not answered yet.
    Away(String),
}

/// The registry did not take our schemas.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be asked with this configuration.
    #[error("the schema registry at {url} cannot be used: {reason}")]
    Unusable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// It refuses a schema: an incompatible one stands under this subject.
    #[error(
        "the schema registry refuses the schema of {subject}: {reason}; is it the registry of \
         another installation?"
    )]
    Refused {
        /// The subject.
        subject: String,
        /// Why.
        reason: String,
    },
    /// It lost its memory.
    #[error(transparent)]
    Conflict(#[from] SchemaIdConflict),
    /// The log uses an id that stands for something else now.
    #[error(
        "the log was written with schema id {id} for schema {fingerprint}, of which the registry \
         at {url} knows nothing: it has lost its data or is that of another installation; restore \
         its data"
    )]
    Forgotten {
        /// Where.
        url: String,
        /// The id in the log.
        id: SchemaId,
        /// What it stands for there.
        fingerprint: SchemaFingerprint,
    },
}

/// A client of the registry.
#[derive(Clone)]
pub struct Registry {
    settings: Arc<SrSettings>,
    /// For what the library has no call for.
    client: reqwest::Client,
    url: String,
    handle: Handle,
    asked: Arc<Mutex<BTreeMap<SchemaId, Asked>>>,
}

/// The body of a request for a subject's compatibility.
#[derive(Serialize)]
struct Compatibility {
    compatibility: &'static str,
}

impl Compatibility {
    const REQUIRED: Self = Self { compatibility: "BACKWARD_TRANSITIVE" };
}

/// A look-up that was begun.
enum Asked {
    Pending,
    Answered(Lookup, Instant),
}

/// The registry's ids of the schemas that this binary writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterIds {
    /// Of commands.
    pub command: SchemaId,
    /// Of operations.
    pub operation: SchemaId,
    /// Of gateway results.
    pub gateway_result: SchemaId,
    /// Of legs of transfers.
    pub transfer_leg: SchemaId,
    /// Of entries.
    pub entry: SchemaId,
    /// Of dead letters.
    pub dead_letter: SchemaId,
}

impl WriterIds {
    /// Of records of this kind.
    pub fn of(&self, kind: RecordKind) -> SchemaId {
        match kind {
            RecordKind::Command => self.command,
            RecordKind::Operation => self.operation,
            RecordKind::GatewayResult => self.gateway_result,
            RecordKind::TransferLeg => self.transfer_leg,
            RecordKind::Entry => self.entry,
            RecordKind::DeadLetter => self.dead_letter,
        }
    }
}

impl Registry {
    /// A client of the registry at this base URL, for example `http://localhost:8081`. To be called
    /// within the runtime that does its IO.
    pub fn new(url: &str) -> Result<Self, RegistryError> {
        let url = url.trim_end_matches('/').to_owned();
        let mut settings = SrSettings::new_builder(url.clone());
        settings.set_timeout(CALL_TIMEOUT);
        let mut client = reqwest::Client::builder().timeout(CALL_TIMEOUT);
        if is_on_this_machine(&url) {
            // A proxy of the environment cannot reach it.
            settings.no_proxy();
            client = client.no_proxy();
        }
        let unusable = |reason: String| RegistryError::Unusable { url: url.clone(), reason };
        let settings = settings.build().map_err(|error| unusable(error.to_string()))?;
        let client = client.build().map_err(|error| unusable(error.to_string()))?;
        let (settings, handle) = (Arc::new(settings), Handle::current());
        Ok(Self { settings, client, url, handle, asked: Arc::default() })
    }

    /// Registers every schema that this binary writes, waiting as long as the registry is away;
    /// `away` is told why, once for each failure.
    pub async fn register(
        &self,
        prefix: &TopicPrefix,
        catalog: &SchemaCatalog,
        away: impl Fn(&str),
    ) -> Result<WriterIds, RegistryError> {
        let mut ids = [SchemaId::default(); RecordKind::ALL.len()];
        for (id, kind) in ids.iter_mut().zip(RecordKind::ALL) {
            *id = self.register_one(prefix, kind, &away).await?;
            catalog.learn_own(*id, kind)?;
        }
        let [command, operation, gateway_result, transfer_leg, entry, dead_letter] = ids;
        Ok(WriterIds { command, operation, gateway_result, transfer_leg, entry, dead_letter })
    }

    async fn register_one(
        &self,
        prefix: &TopicPrefix,
        kind: RecordKind,
        away: &impl Fn(&str),
    ) -> Result<SchemaId, RegistryError> {
        // Confluent's TopicNameStrategy: what producers and tools expect.
        let subject = format!("{}-value", kind.topic().name(prefix));
        loop {
            let json = kind.schema().json().to_owned();
            let schema = SuppliedSchema::new(None, SchemaType::Avro, json);
            match post_schema(&self.settings, subject.clone(), schema).await {
                Ok(registered) => {
                    self.require_compatibility(&subject, away).await?;
                    return self.id(registered.id);
                }
                // Another process, or an earlier try that timed out, is registering it right now.
                Err(error) if text_of(&error).contains("already exists") => {
                    tokio::time::sleep(REGISTER_AGAIN).await;
                }
                Err(error) if is_refusal(&error) => {
                    return Err(RegistryError::Refused { subject, reason: text_of(&error) });
                }
                Err(error) => {
                    away(&format!("{}: {}", self.url, text_of(&error)));
                    tokio::time::sleep(REGISTER_AGAIN).await;
                }
            }
        }
    }

    /// Every later schema of the subject must read what all earlier ones wrote: the log keeps it.
    async fn require_compatibility(
        &self,
        subject: &str,
        away: &impl Fn(&str),
    ) -> Result<(), RegistryError> {
        let url = format!("{}/config/{subject}", self.url);
        loop {
            let request = self.client.put(&url).json(&Compatibility::REQUIRED);
            let reason = match request.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                // Another process of the installation is setting it in this moment.
                Ok(answer) if answer.status() == reqwest::StatusCode::CONFLICT => {
                    answer.status().to_string()
                }
                Ok(answer) if answer.status().is_client_error() => {
                    let reason = format!("its compatibility cannot be set: {}", answer.status());
                    return Err(RegistryError::Refused { subject: subject.to_owned(), reason });
                }
                Ok(answer) => answer.status().to_string(),
                Err(error) => error.to_string(),
            };
            away(&format!("{}: {reason}", self.url));
            tokio::time::sleep(REGISTER_AGAIN).await;
        }
    }

    fn id(&self, id: u32) -> Result<SchemaId, RegistryError> {
        i32::try_from(id).map(SchemaId).map_err(|_| RegistryError::Unusable {
            url: self.url.clone(),
            reason: format!("schema id {id} does not fit the wire format"),
        })
    }

    /// Asks for a schema that somebody else registered. Never waits: the first call begins the
    /// look-up and says [`Lookup::Away`]; ask again.
    pub fn look_up(&self, id: SchemaId) -> Lookup {
        let not_answered = || Lookup::Away("it has not answered yet".to_owned());
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match asked.get(&id) {
            Some(Asked::Pending) => return not_answered(),
            Some(Asked::Answered(answer, at)) if at.elapsed() < REMEMBERED => {
                return answer.clone();
            }
            Some(Asked::Answered(..)) | None => {}
        }
        if asked.len() >= MAX_REMEMBERED {
            asked.retain(|_, asked| matches!(asked, Asked::Pending));
        }
        asked.insert(id, Asked::Pending);
        let registry = self.clone();
        self.handle.spawn(async move {
            let answer = registry.ask(id).await;
            let mut asked = registry.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(id, Asked::Answered(answer, Instant::now()));
        });
        not_answered()
    }

    async fn ask(&self, id: SchemaId) -> Lookup {
        let Ok(number) = u32::try_from(id.0) else { return Lookup::Unknown };
        match get_schema_by_id(number, &self.settings).await {
            Ok(registered) if registered.schema_type == SchemaType::Avro => {
                Lookup::Known(registered.schema)
            }
            Ok(_) => Lookup::Unknown,
            Err(error) if error_code(&error).is_some_and(|code| matches!(code, 404 | 40403)) => {
                Lookup::Unknown
            }
            Err(error) => Lookup::Away(format!("{}: {}", self.url, text_of(&error))),
        }
    }

    /// Holds an id that the log uses against what the registry says of it, however long the
    /// registry takes to answer. A registry that forgets would give the id to another schema.
    pub async fn verify(
        &self,
        id: SchemaId,
        fingerprint: SchemaFingerprint,
    ) -> Result<(), RegistryError> {
        loop {
            let json = match self.ask(id).await {
                Lookup::Known(json) => json,
                Lookup::Unknown => String::new(),
                Lookup::Away(_) => {
                    tokio::time::sleep(REGISTER_AGAIN).await;
                    continue;
                }
            };
            if SchemaFingerprint::of(&json) == Some(fingerprint) {
                return Ok(());
            }
            return Err(RegistryError::Forgotten { url: self.url.clone(), id, fingerprint });
        }
    }
}

fn is_on_this_machine(url: &str) -> bool {
    let url = reqwest::Url::parse(url).ok();
    let host = url.as_ref().and_then(reqwest::Url::host_str);
    host.is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
}

fn error_code(error: &SRCError) -> Option<i64> {
    use std::error::Error;

    let raw = error.source()?.downcast_ref::<RawError>()?;
    Some(i64::from(raw.error_code))
}

/// A 4xx is the registry's word on the schema; anything else is the registry being away.
fn is_refusal(error: &SRCError) -> bool {
    error_code(error).is_some_and(|code| matches!(code, 400..=499 | 40_000..=49_999))
}

fn text_of(error: &SRCError) -> String {
    match &error.cause {
        Some(cause) => format!("{}: {cause}", error.error),
        None => error.error.clone(),
    }
}
