//! What accompanies the payments of a run if that is asked for: refunds of payments that completed,
//! and transfers between the wallets.
//!
//! Written straight to the log, whichever way the payments go, and followed through the journal
//! like them. Nothing is timed here: what counts is that each of them ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use schemas::entry::Verdict;
use schemas::inputs::{Command, CommandBody, Envelope, Refund, Transfer};
use schemas::{IdempotencyKey, PaymentId, RefundId, SchemaId, TenantId, TransferId};
use serde::Serialize;
use tokio::task::{JoinHandle, spawn_blocking};
use uuid::Uuid;

use super::arrivals::Arrivals;
use super::clients::{Arrival, Clients};
use super::handover::Payer;
use super::journal_watch::{JournalWatch, Prepared, Watcher};
use super::over_kafka::InputProducer;
use super::sighting::{Sighting, Step};
use super::tag::RunId;

/// How often the sender looks what there is to send.
const TICK: Duration = Duration::from_millis(5);
/// What is transferred, and what a partial refund gives back: minor units.
const SMALL_AMOUNT: i64 = 1;

/// How many companions there are for each payment, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares {
    /// Of the payments that complete, so many are refunded; every other one only in part.
    pub refunds: f64,
    /// So many transfers are sent for each payment.
    pub transfers: f64,
}

impl Shares {
    /// Whether there are none.
    pub(super) fn is_none(self) -> bool {
        self.refunds <= 0.0 && self.transfers <= 0.0
    }
}

/// What became of the companions of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Outcomes {
    /// Commands written.
    pub sent: u64,
    /// Ended well.
    pub completed: u64,
    /// Refused or failed, by code.
    pub refused: BTreeMap<String, u64>,
    /// Without an end when the drain was over.
    pub unfinished: u64,
}

/// What became of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct CompanionOutcomes {
    /// The refunds.
    pub refunds: Outcomes,
    /// The transfers.
    pub transfers: Outcomes,
    /// Records that the broker did not confirm.
    pub unconfirmed: u64,
}

/// Which kind a companion is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Refund,
    Transfer,
}

impl Kind {
    fn letter(self) -> char {
        match self {
            Self::Refund => 'r',
            Self::Transfer => 't',
        }
    }
}

/// What the sender is told, and what both count.
#[derive(Default)]
struct Notes {
    /// Payments to refund, each with the index of its wallet.
    to_refund: Mutex<Vec<(PaymentId, usize)>>,
    refunds_sent: AtomicU64,
    transfers_sent: AtomicU64,
    ended: AtomicU64,
    unconfirmed: AtomicU64,
}

/// The companions of a run, under way.
pub(super) struct Companions {
    notes: Arc<Notes>,
    stop: Arc<AtomicBool>,
    watch: JournalWatch<Book>,
    sender: JoinHandle<anyhow::Result<()>>,
}

/// What accompanies which run.
pub(super) struct Company {
    /// Names them.
    pub run: RunId,
    /// How many.
    pub shares: Shares,
    /// The rate of the payments, per second.
    pub rate: f64,
    /// When the run starts.
    pub start: Instant,
    /// How long it sends.
    pub duration: Duration,
    /// Whose wallets.
    pub payers: Arc<Vec<Payer>>,
    /// The registry's id of our schema of commands.
    pub schema: SchemaId,
}

impl Companions {
    /// Begins to send and to follow them.
    pub(super) async fn begin(company: Company, clients: &Clients) -> anyhow::Result<Self> {
        let notes = Arc::new(Notes::default());
        let stop = Arc::new(AtomicBool::new(false));
        let for_watch = clients.clone();
        let prepared = spawn_blocking(move || Prepared::at_the_end(&for_watch)).await??;
        let watch = prepared.watch(Book::new(&company, Arc::clone(&notes)))?;
        let sender = spawn_blocking({
            let (notes, stop, clients) = (Arc::clone(&notes), Arc::clone(&stop), clients.clone());
            move || Sender::new(company, notes, &clients)?.send(&stop)
        });
        Ok(Self { notes, stop, watch, sender })
    }

    /// Sends nothing more.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether every one that was sent has ended, or nobody will tell.
    pub(super) fn are_over(&self) -> bool {
        let sent = self.notes.sent();
        let ended = self.notes.ended.load(Ordering::Relaxed);
        self.watch.has_ended() || (self.sender.is_finished() && ended >= sent)
    }

    /// Ends the watch and says what became of them.
    pub(super) async fn finish(self) -> anyhow::Result<CompanionOutcomes> {
        self.stop();
        self.sender.await.context("the sender of companions panicked")??;
        let book = spawn_blocking(move || self.watch.finish()).await??;
        Ok(book.outcomes(&self.notes))
    }
}

impl Notes {
    fn sent(&self) -> u64 {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        read(&self.refunds_sent) + read(&self.transfers_sent)
    }

    fn take_refunds(&self) -> Vec<(PaymentId, usize)> {
        std::mem::take(&mut self.to_refund.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes companions to the log.
struct Sender {
    company: Company,
    notes: Arc<Notes>,
    producer: InputProducer,
    tenant: TenantId,
    random: SmallRng,
}

impl Sender {
    fn new(company: Company, notes: Arc<Notes>, clients: &Clients) -> anyhow::Result<Self> {
        let producer = InputProducer::new(clients, Arrival::OnceInOrder)?;
        let tenant = TenantId::default_tenant();
        Ok(Self { company, notes, producer, tenant, random: rand::make_rng() })
    }

    /// Sends until it is stopped. Blocks.
    fn send(mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let random = SmallRng::from_rng(&mut self.random);
        let per_second = self.company.rate * self.company.shares.transfers;
        let mut arrivals = Arrivals::new(per_second, self.company.duration, random);
        let mut due = arrivals.as_mut().and_then(Iterator::next);
        while !stop.load(Ordering::Relaxed) {
            for (payment, payer) in self.notes.take_refunds() {
                self.refund(payment, payer)?;
            }
            let elapsed = Instant::now().saturating_duration_since(self.company.start);
            while due.is_some_and(|at_us| Duration::from_micros(at_us) <= elapsed) {
                self.transfer()?;
                due = arrivals.as_mut().and_then(Iterator::next);
            }
            self.note_failures();
            std::thread::sleep(TICK);
        }
        self.producer.flush(Duration::from_secs(30));
        self.note_failures();
        Ok(())
    }

    fn note_failures(&self) {
        let failures = u64::try_from(self.producer.failures().len()).unwrap_or(u64::MAX);
        self.notes.unconfirmed.fetch_add(failures, Ordering::Relaxed);
    }

    fn refund(&self, payment_id: PaymentId, payer: usize) -> anyhow::Result<()> {
        let number = self.notes.refunds_sent.fetch_add(1, Ordering::Relaxed);
        let key = self.key(Kind::Refund, number);
        let body = CommandBody::Refund(Refund {
            refund_id: RefundId::derive(&self.tenant, payment_id, &key).to_string(),
            payment_id: payment_id.to_string(),
            wallet_id: self.company.payers[payer].wallet_id_text.clone(),
            amount: number.is_multiple_of(2).then_some(SMALL_AMOUNT),
            reason: None,
        });
        self.write(payer, &key, body)
    }

    fn transfer(&mut self) -> anyhow::Result<()> {
        let count = self.company.payers.len();
        let from = self.random.random_range(0..count);
        // Never to itself.
        let to = (from + self.random.random_range(1..count)) % count;
        let number = self.notes.transfers_sent.fetch_add(1, Ordering::Relaxed);
        let key = self.key(Kind::Transfer, number);
        let (sender, receiver) = (&self.company.payers[from], &self.company.payers[to]);
        let body = CommandBody::Transfer(Transfer {
            transfer_id: TransferId::derive(&self.tenant, sender.wallet_id, &key).to_string(),
            wallet_id: sender.wallet_id_text.clone(),
            to_wallet_id: receiver.wallet_id_text.clone(),
            amount: SMALL_AMOUNT,
            currency: "USD".to_owned(),
            description: None,
        });
        self.write(from, &key, body)
    }

    fn key(&self, kind: Kind, number: u64) -> IdempotencyKey {
        let key = format!("{}{number}", prefix(self.company.run, kind));
        key.parse().expect("a key is visible ASCII")
    }

    fn write(&self, payer: usize, key: &IdempotencyKey, body: CommandBody) -> anyhow::Result<()> {
        let key = key.as_str().to_owned();
        let envelope = Envelope {
            command_id: key.clone(),
            tenant: self.tenant.as_str().to_owned(),
            idempotency_key: key.clone(),
            correlation_id: key,
            actor: String::new(),
            deadline: None,
        };
        let command = Command { envelope, body };
        let payer = &self.company.payers[payer];
        while !self.producer.send(payer, &command, (self.company.schema, 0))? {
            std::thread::sleep(TICK);
        }
        Ok(())
    }
}

/// What the keys of the companions of a run begin with. None is the key of a payment.
fn prefix(run: RunId, kind: Kind) -> String {
    format!("load-{run}-{}", kind.letter())
}

/// Follows companions through the journal, and finds the payments that are to be refunded.
struct Book {
    run: RunId,
    prefixes: [(String, Kind); 2],
    share: f64,
    random: SmallRng,
    /// Index by wallet id.
    payers: HashMap<String, usize>,
    /// Payments that are to be refunded when they complete.
    chosen: HashMap<Uuid, usize>,
    open: HashMap<Uuid, Kind>,
    refunds: Outcomes,
    transfers: Outcomes,
    notes: Arc<Notes>,
}

impl Book {
    fn new(company: &Company, notes: Arc<Notes>) -> Self {
        let index = company.payers.iter().enumerate();
        Self {
            run: company.run,
            prefixes: [Kind::Refund, Kind::Transfer].map(|kind| (prefix(company.run, kind), kind)),
            share: company.shares.refunds,
            random: rand::make_rng(),
            payers: index.map(|(at, payer)| (payer.wallet_id_text.clone(), at)).collect(),
            chosen: HashMap::new(),
            open: HashMap::new(),
            refunds: Outcomes::default(),
            transfers: Outcomes::default(),
            notes,
        }
    }

    fn of(&mut self, kind: Kind) -> &mut Outcomes {
        match kind {
            Kind::Refund => &mut self.refunds,
            Kind::Transfer => &mut self.transfers,
        }
    }

    fn ended(&mut self, kind: Kind, refusal: Option<&str>) {
        let outcomes = self.of(kind);
        match refusal {
            None => outcomes.completed += 1,
            Some(code) => *outcomes.refused.entry(code.to_owned()).or_default() += 1,
        }
        self.notes.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// A payment of the run that may be one to refund.
    fn choose(&mut self, sighting: &Sighting<'_>) {
        let Some((payment_id, wallet_id)) = sighting.requested_payment() else { return };
        if self.random.random::<f64>() >= self.share {
            return;
        }
        if let (Ok(id), Some(payer)) = (Uuid::try_parse(payment_id), self.payers.get(wallet_id)) {
            self.chosen.insert(id, *payer);
        }
    }

    fn outcomes(self, notes: &Notes) -> CompanionOutcomes {
        let finished = |outcomes: Outcomes, sent: &AtomicU64| {
            let sent = sent.load(Ordering::Relaxed);
            let ended = outcomes.completed + outcomes.refused.values().sum::<u64>();
            Outcomes { sent, unfinished: sent.saturating_sub(ended), ..outcomes }
        };
        CompanionOutcomes {
            refunds: finished(self.refunds, &notes.refunds_sent),
            transfers: finished(self.transfers, &notes.transfers_sent),
            unconfirmed: notes.unconfirmed.load(Ordering::Relaxed),
        }
    }
}

impl Watcher for Book {
    fn see(&mut self, sighting: &Sighting<'_>, _at: Instant) {
        let key = sighting.command_key();
        let is_ours =
            |(prefix, _): &&(String, Kind)| key.is_some_and(|key| key.starts_with(prefix));
        let kind = self.prefixes.iter().find(is_ours).map(|(_, kind)| *kind);
        match kind {
            Some(kind) if sighting.decision.verdict == Verdict::Refused => {
                self.ended(kind, Some(sighting.decision.code));
            }
            None if key.is_some_and(|key| self.run.tag(key).is_some()) => self.choose(sighting),
            Some(_) | None => {}
        }
        for step in sighting.companion_steps() {
            match step {
                Step::Requested(id) => {
                    if let (Some(kind), Ok(id)) = (kind, Uuid::try_parse(id)) {
                        self.open.insert(id, kind);
                    }
                }
                Step::Completed(id) => {
                    if let Some(kind) = taken(&mut self.open, id) {
                        self.ended(kind, None);
                    }
                }
                Step::Failed(id, code) => {
                    if let Some(kind) = taken(&mut self.open, id) {
                        self.ended(kind, Some(code));
                    }
                }
            }
        }
        for step in sighting.steps() {
            match step {
                Step::Completed(id) => {
                    if let (Some(payer), Ok(id)) = (taken(&mut self.chosen, id), id.parse()) {
                        let mut waiting =
                            self.notes.to_refund.lock().unwrap_or_else(PoisonError::into_inner);
                        waiting.push((id, payer));
                    }
                }
                Step::Failed(id, _) => {
                    taken(&mut self.chosen, id);
                }
                Step::Requested(_) => {}
            }
        }
    }
}

fn taken<V>(of: &mut HashMap<Uuid, V>, id: &str) -> Option<V> {
    of.remove(&Uuid::try_parse(id).ok()?)
}

impl CompanionOutcomes {
    /// Both kinds that there were any of, with their names.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'static str, &Outcomes)> {
        let all = [("refunds", &self.refunds), ("transfers", &self.transfers)];
        all.into_iter().filter(|(_, outcomes)| outcomes.sent > 0)
    }

    /// Why the run is no success because of them.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (name, outcomes) in self.kinds() {
            if outcomes.unfinished > 0 {
                let count = outcomes.unfinished;
                reasons.push(format!("{count} {name} without an end when the drain was over"));
            }
            let refused = outcomes.refused.iter();
            reasons.extend(refused.map(|(code, count)| format!("{count} {name} ended in {code}")));
        }
        if self.unconfirmed > 0 {
            let count = self.unconfirmed;
            reasons.push(format!("{count} refunds or transfers were not confirmed by the broker"));
        }
        reasons
    }
}
