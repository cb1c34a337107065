//! Watches the journal from outside, as any consumer: committed entries, as soon as they are there.
//!
//! Reads from the end that the journal had when the watch began, on a thread of its own. An entry
//! under another schema than ours ends the watch: its bytes would be misread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use schemas::codec::{self, RecordKind, SCHEMA_HEADER, SchemaFingerprint};
use schemas::{Partition, SchemaId};

use super::clients::{Clients, Quiet};
use super::sighting::Sighting;

/// How long one poll waits: so fast a stop is heard.
const POLL: Duration = Duration::from_millis(50);
/// How long the broker may take to say where the journal ends.
const ENDS_BOUND: Duration = Duration::from_secs(15);

/// Who is told of entries.
pub(super) trait Watcher: Send + 'static {
    /// An entry was seen at this moment.
    fn see(&mut self, sighting: &Sighting<'_>, at: Instant);
}

/// A watch that runs.
pub(super) struct JournalWatch<W> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<W>>,
}

/// A reader that knows where to begin.
pub(super) struct Prepared(BaseConsumer<Quiet>);

impl Prepared {
    /// At the present end of every partition: the entry of a record that is produced after this
    /// call is seen. Blocks for a request to the broker.
    pub(super) fn at_the_end(clients: &Clients) -> anyhow::Result<Self> {
        let consumer = clients.journal_consumer()?;
        let journal = clients.journal();
        let mut from = TopicPartitionList::new();
        for partition in Partition::all(clients.partitions) {
            let (_, end) = consumer
                .fetch_watermarks(journal.as_str(), partition.number(), ENDS_BOUND)
                .with_context(|| format!("the broker does not say where {journal} ends"))?;
            let end = rdkafka::Offset::Offset(end);
            from.add_partition_offset(journal.as_str(), partition.number(), end)?;
        }
        consumer.assign(&from)?;
        Ok(Self(consumer))
    }

    /// Begins to read.
    pub(super) fn watch<W: Watcher>(self, watcher: W) -> anyhow::Result<JournalWatch<W>> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("load-journal".to_owned())
            .spawn(move || watch(&self.0, watcher, &stopped))
            .context("the watch gets no thread")?;
        Ok(JournalWatch { stop, thread })
    }
}

impl<W: Watcher> JournalWatch<W> {
    /// Whether it has ended by itself, which [`Self::finish`] explains.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the watch and gives back what it knows.
    pub(super) fn finish(self) -> anyhow::Result<W> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the watch of the journal panicked"))?
    }
}

fn watch<W: Watcher>(
    consumer: &BaseConsumer<Quiet>,
    mut watcher: W,
    stop: &AtomicBool,
) -> anyhow::Result<W> {
    let mut known = None;
    while !stop.load(Ordering::Relaxed) {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                check_schema(&message, &mut known)?;
                let sighting = Sighting::of(message.payload())
                    .with_context(|| format!("entry at offset {}", message.offset()))?;
                watcher.see(&sighting, Instant::now());
            }
            // The client library tries again; what is missing in the end is counted as lost.
            Some(Err(error)) => tracing::debug!(%error, "The watch waits for the broker."),
            None => {}
        }
    }
    Ok(watcher)
}

/// Headers are dear to read: an id in the frame that was once seen with our fingerprint is ours.
fn check_schema(message: &BorrowedMessage<'_>, known: &mut Option<SchemaId>) -> anyhow::Result<()> {
    let (id, _) = codec::unframe(message.payload())?;
    if *known == Some(id) {
        return Ok(());
    }
    let header = message.headers().and_then(|headers| {
        let header = headers.iter().find(|header| header.key == SCHEMA_HEADER)?;
        SchemaFingerprint::parse(header.value?)
    });
    if header != Some(RecordKind::Entry.schema().fingerprint()) {
        bail!(
            "the journal is written under another schema: use the `holdfast load` of its version"
        );
    }
    *known = Some(id);
    Ok(())
}
