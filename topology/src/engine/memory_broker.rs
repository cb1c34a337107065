//! A broker in memory: partitions, Kafka transactions, fencing, and faults on demand.
//!
//! It does what a Kafka broker does as far as a shard can see it: offsets with markers between
//! them, a last stable offset behind which open Kafka transactions hide, epochs that fence an old
//! owner. It is deterministic and knows no time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::{Offset, Partition, Topic};

use super::application::{EntryRecord, InputRecord, JournalRecord, Record};
use super::log::{Isolation, LogError, LogRecord};

/// A broker that all logs made from it share.
#[derive(Debug, Clone, Default)]
pub struct MemoryBroker(Arc<Mutex<Broker>>);

/// What goes wrong at the next commit (or append, or begin) of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The commit is refused; the Kafka transaction must be aborted.
    AbortOnCommit,
    /// The commit happens, its answer is lost.
    CommitAnswerLost,
    /// The commit does not happen, and nobody says so: the outcome is unknown.
    CommitLost,
    /// The commit is acknowledged, and aborted behind the owner's back.
    CommitSilentlyAborted,
    /// The commit is acknowledged, and only the first half of the entries shows.
    CommitTorn,
    /// An entry is refused at the next append.
    RefuseEntry,
    /// The owner is told at the next begin that another one took over.
    Fence,
}

#[derive(Debug, Default)]
struct Broker {
    partitions: HashMap<(Topic, Partition), Log>,
    owners: HashMap<Partition, Owner>,
    committed: HashMap<(Topic, Partition), Offset>,
    outcomes: Vec<Outcome>,
    faults: HashMap<Partition, VecDeque<Fault>>,
}

#[derive(Debug, Default)]
struct Log {
    /// Everything below was deleted. The slots stay, so that an offset is an index.
    low: i64,
    slots: Vec<Slot>,
}

#[derive(Debug)]
enum Slot {
    /// A record, and the Kafka transaction it belongs to.
    Record(Record, Option<usize>),
    Marker,
}

#[derive(Debug, Default)]
struct Owner {
    epoch: u64,
    open: Option<usize>,
    offsets: Vec<(Topic, Offset)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Open,
    Committed,
    Aborted,
}

impl MemoryBroker {
    fn lock(&self) -> MutexGuard<'_, Broker> {
        // Tests panic on purpose; what they hold while they do is not the broker's.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a record outside of any Kafka transaction, as a producer of inputs does.
    pub fn produce(&self, topic: Topic, partition: Partition, record: Record) -> Offset {
        let mut broker = self.lock();
        let log = broker.partitions.entry((topic, partition)).or_default();
        log.slots.push(Slot::Record(record, None));
        offset_of(log.slots.len() - 1)
    }

    /// Appends a marker: what a foreign Kafka transaction leaves behind.
    pub fn mark(&self, topic: Topic, partition: Partition) {
        let mut broker = self.lock();
        broker.partitions.entry((topic, partition)).or_default().slots.push(Slot::Marker);
    }

    /// Adds a fault, behind those that wait already.
    pub fn inject(&self, partition: Partition, fault: Fault) {
        self.lock().faults.entry(partition).or_default().push_back(fault);
    }

    /// Deletes the records below an offset, as retention does.
    pub fn delete_below(&self, topic: Topic, partition: Partition, low: Offset) {
        let mut broker = self.lock();
        broker.partitions.entry((topic, partition)).or_default().low = low.number();
    }

    /// The committed records of a partition, in their order.
    pub fn records(&self, topic: Topic, partition: Partition) -> Vec<(Offset, Record)> {
        let broker = self.lock();
        let Some(log) = broker.partitions.get(&(topic, partition)) else { return Vec::new() };
        let visible = log.slots.iter().enumerate().filter_map(|(index, slot)| match slot {
            Slot::Record(record, transaction) if broker.is_committed(*transaction) => {
                Some((offset_of(index), record.clone()))
            }
            Slot::Record(..) | Slot::Marker => None,
        });
        visible.collect()
    }

    /// Changes one byte of the value of a record: what no broker does, and a disk might.
    pub fn flip_byte(&self, topic: Topic, partition: Partition, offset: Offset) {
        let mut broker = self.lock();
        let log = broker.partitions.entry((topic, partition)).or_default();
        let slot = usize::try_from(offset.number()).ok().and_then(|i| log.slots.get_mut(i));
        if let Some(Slot::Record(record, _)) = slot {
            let mut value = record.value.as_deref().unwrap_or_default().to_vec();
            if let Some(last) = value.last_mut() {
                *last ^= 1;
            }
            record.value = Some(value.into());
        }
    }

    /// A new owner of the journal partition: fences the one before, aborts what it left open.
    pub(super) fn take_over(&self, partition: Partition) -> u64 {
        let mut broker = self.lock();
        let owner = broker.owners.entry(partition).or_default();
        owner.epoch += 1;
        let (epoch, open) = (owner.epoch, owner.open.take());
        if let Some(transaction) = open {
            broker.end(partition, transaction, Outcome::Aborted);
        }
        epoch
    }

    pub(super) fn begin(&self, partition: Partition, epoch: u64) -> Result<(), LogError> {
        let mut broker = self.lock();
        if broker.take_fault(partition, &[Fault::Fence]).is_some() {
            broker.owners.entry(partition).or_default().epoch += 1;
        }
        broker.owner(partition, epoch)?;
        broker.outcomes.push(Outcome::Open);
        let transaction = broker.outcomes.len() - 1;
        let owner = broker.owner(partition, epoch)?;
        owner.open = Some(transaction);
        owner.offsets.clear();
        Ok(())
    }

    pub(super) fn send_offsets(
        &self,
        (partition, epoch): (Partition, u64),
        next: &[(Topic, Offset)],
    ) -> Result<(), LogError> {
        self.lock().owner(partition, epoch)?.offsets = next.to_vec();
        Ok(())
    }

    pub(super) fn append(
        &self,
        (partition, epoch): (Partition, u64),
        entry: &EntryRecord,
    ) -> Result<(), LogError> {
        let mut broker = self.lock();
        let transaction = broker.owner(partition, epoch)?.open;
        if broker.take_fault(partition, &[Fault::RefuseEntry]).is_some() {
            return Err(LogError::Refused("a fault was asked for".to_owned()));
        }
        let record = Record {
            timestamp_ms: 0,
            key: Some(entry.key.clone()),
            value: Some(entry.value.clone()),
            headers: entry.headers.clone(),
        };
        let log = broker.partitions.entry((Topic::Journal, partition)).or_default();
        log.slots.push(Slot::Record(record, transaction));
        Ok(())
    }

    pub(super) fn commit(&self, partition: Partition, epoch: u64) -> Result<Offset, LogError> {
        const FAULTS: [Fault; 5] = [
            Fault::AbortOnCommit,
            Fault::CommitAnswerLost,
            Fault::CommitLost,
            Fault::CommitSilentlyAborted,
            Fault::CommitTorn,
        ];
        let mut broker = self.lock();
        let owner = broker.owner(partition, epoch)?;
        let none_open = || LogError::Unknown("no Kafka transaction is open".to_owned());
        let transaction = owner.open.ok_or_else(none_open)?;
        let fault = broker.take_fault(partition, &FAULTS);
        match fault {
            Some(Fault::AbortOnCommit) => {
                return Err(LogError::Aborted("a fault was asked for".to_owned()));
            }
            Some(Fault::CommitLost) => {
                return Err(LogError::Unknown("a fault was asked for".to_owned()));
            }
            _ => {}
        }
        let owner = broker.owner(partition, epoch)?;
        owner.open = None;
        let offsets = std::mem::take(&mut owner.offsets);
        let last = broker.last_of(partition, transaction).ok_or_else(none_open)?;
        match fault {
            Some(Fault::CommitSilentlyAborted) => {
                broker.end(partition, transaction, Outcome::Aborted);
                return Ok(last);
            }
            Some(Fault::CommitTorn) => broker.tear(partition, transaction),
            _ => {}
        }
        broker.end(partition, transaction, Outcome::Committed);
        for (topic, next) in offsets {
            broker.committed.insert((topic, partition), next);
        }
        if fault == Some(Fault::CommitAnswerLost) {
            return Err(LogError::Unknown("a fault was asked for".to_owned()));
        }
        Ok(last)
    }

    pub(super) fn abort(&self, partition: Partition, epoch: u64) -> Result<(), LogError> {
        let mut broker = self.lock();
        if let Some(transaction) = broker.owner(partition, epoch)?.open.take() {
            broker.end(partition, transaction, Outcome::Aborted);
        }
        Ok(())
    }

    /// A Kafka transaction of positions alone.
    pub(super) fn prove(
        &self,
        (partition, epoch): (Partition, u64),
        next: &[(Topic, Offset)],
    ) -> Result<(), LogError> {
        let mut broker = self.lock();
        broker.owner(partition, epoch)?;
        let next = next.iter().map(|(topic, next)| ((*topic, partition), *next));
        broker.committed.extend(next);
        Ok(())
    }

    /// The next committed record at or after an offset, and the offset after it. Without a record,
    /// where reading stands now.
    pub(super) fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
    ) -> Result<(Option<LogRecord>, Offset), LogError> {
        let broker = self.lock();
        let Some(log) = broker.partitions.get(&(topic, partition)) else {
            return Ok((None, from));
        };
        if from.number() < log.low {
            return Err(LogError::Lost(format!("{topic} begins at {}", log.low)));
        }
        let stable = broker.stable_end(log);
        let start = usize::try_from(from.number()).unwrap_or_default();
        for index in start..stable {
            if let Slot::Record(record, transaction) = &log.slots[index]
                && broker.is_committed(*transaction)
            {
                let offset = offset_of(index);
                let record = place(topic, partition, offset, record.clone());
                return Ok((Some(record), offset.next()));
            }
        }
        Ok((None, from.max(offset_of(stable))))
    }

    pub(super) fn end(&self, topic: Topic, partition: Partition, isolation: Isolation) -> Offset {
        let broker = self.lock();
        let Some(log) = broker.partitions.get(&(topic, partition)) else { return Offset::ZERO };
        offset_of(match isolation {
            Isolation::ReadUncommitted => log.slots.len(),
            Isolation::ReadCommitted => broker.stable_end(log),
        })
    }

    pub(super) fn low(&self, topic: Topic, partition: Partition) -> Offset {
        let low = self.lock().partitions.get(&(topic, partition)).map_or(0, |log| log.low);
        Offset::new(low).unwrap_or_default()
    }

    pub(super) fn committed(&self, topic: Topic, partition: Partition) -> Option<Offset> {
        self.lock().committed.get(&(topic, partition)).copied()
    }
}

impl Broker {
    fn owner(&mut self, partition: Partition, epoch: u64) -> Result<&mut Owner, LogError> {
        let owner = self.owners.entry(partition).or_default();
        if owner.epoch == epoch {
            Ok(owner)
        } else {
            Err(LogError::Fenced(format!("epoch {epoch} is over, {} is current", owner.epoch)))
        }
    }

    fn take_fault(&mut self, partition: Partition, kinds: &[Fault]) -> Option<Fault> {
        let faults = self.faults.get_mut(&partition)?;
        if kinds.contains(faults.front()?) { faults.pop_front() } else { None }
    }

    fn is_committed(&self, transaction: Option<usize>) -> bool {
        transaction.is_none_or(|transaction| self.outcomes[transaction] == Outcome::Committed)
    }

    fn stable_end(&self, log: &Log) -> usize {
        let open = |slot: &Slot| match slot {
            Slot::Record(_, Some(transaction)) => self.outcomes[*transaction] == Outcome::Open,
            Slot::Record(_, None) | Slot::Marker => false,
        };
        log.slots.iter().position(open).unwrap_or(log.slots.len())
    }

    fn last_of(&self, partition: Partition, transaction: usize) -> Option<Offset> {
        let slots = &self.partitions.get(&(Topic::Journal, partition))?.slots;
        let last = slots.iter().rposition(|slot| belongs(slot, transaction))?;
        Some(offset_of(last))
    }

    /// Moves the second half of a Kafka transaction into one that is aborted.
    fn tear(&mut self, partition: Partition, transaction: usize) {
        self.outcomes.push(Outcome::Aborted);
        let torn = self.outcomes.len() - 1;
        let Some(log) = self.partitions.get_mut(&(Topic::Journal, partition)) else { return };
        let count = log.slots.iter().filter(|slot| belongs(slot, transaction)).count();
        let of_transaction = log.slots.iter_mut().filter(|slot| belongs(slot, transaction));
        for slot in of_transaction.skip(count / 2) {
            if let Slot::Record(_, owner) = slot {
                *owner = Some(torn);
            }
        }
    }

    fn end(&mut self, partition: Partition, transaction: usize, outcome: Outcome) {
        self.outcomes[transaction] = outcome;
        let log = self.partitions.entry((Topic::Journal, partition)).or_default();
        if log.slots.iter().any(|slot| belongs(slot, transaction)) {
            log.slots.push(Slot::Marker);
        }
    }
}

fn belongs(slot: &Slot, transaction: usize) -> bool {
    matches!(slot, Slot::Record(_, Some(owner)) if *owner == transaction)
}

fn offset_of(index: usize) -> Offset {
    i64::try_from(index).ok().and_then(Offset::new).expect("memory ends before i64 does")
}

fn place(topic: Topic, partition: Partition, offset: Offset, record: Record) -> LogRecord {
    if topic == Topic::Journal {
        let position = schemas::Position { partition, offset };
        LogRecord::Journal(JournalRecord { position, record })
    } else {
        LogRecord::Input(InputRecord { topic, partition, offset, record })
    }
}
