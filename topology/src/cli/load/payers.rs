//! The wallets that pay: opened and funded before the clock starts, by operations like any other.
//!
//! Who owns them and the keys of their deposits are fixed: a later run finds its wallets again and
//! deposits nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use schemas::entry::Verdict;
use schemas::inputs::{Deposit, Envelope, OpenWallet, Operation, OperationBody};
use schemas::{DepositId, IdempotencyKey, PartitionCount, TenantId, UserId, WalletId, WalletLabel};

use super::clients::{Arrival, Clients};
use super::handover::Payer;
use super::journal_watch::{JournalWatch, Prepared, Watcher};
use super::over_kafka::InputProducer;
use super::sighting::Sighting;
use super::tag::RunId;
use crate::registry::WriterIds;

/// What every wallet gets, minor units: a hundred thousand of the largest payments of a mix, and a
/// hundred thousand such wallets do not overflow the account that the money comes from.
pub(super) const FUNDS_MINOR: i64 = 10_000_000_000_000;
const CURRENCY: &str = "USD";
const DEPOSIT_KEY: &str = "load";
const RAIL: &str = "load";
/// Operations that may wait for their decision: enough to fill batches.
const MAX_UNDECIDED: u32 = 5_000;
/// How long the ledger may decide nothing before the attempt is given up.
const STALL_BOUND: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const FLUSH_BOUND: Duration = Duration::from_secs(30);

/// Opens and funds so many wallets, those of an earlier run included. Blocks.
pub(super) fn open(clients: &Clients, ids: WriterIds, count: u32) -> anyhow::Result<Vec<Payer>> {
    let run = RunId::random();
    let progress = Arc::new(SetUp::default());
    let watch = Prepared::at_the_end(clients)?.watch(Decisions::new(run, Arc::clone(&progress)))?;
    let producer = InputProducer::new(clients, Arrival::OnceInOrder)?;
    let tenant = TenantId::default_tenant();
    let bar = bar(count);
    let mut payers = Vec::new();
    let mut pace = Pace::new(&progress, &watch);
    for number in 0..count {
        let owner: UserId = format!("load-{number:06}").parse().expect("letters, digits, hyphens");
        let payer = payer(&tenant, &owner, clients.partitions);
        for operation in operations(run, number, &tenant, &owner, &payer) {
            pace.wait(&bar, MAX_UNDECIDED)?;
            while !producer.send(&payer, &operation, (ids.operation, 0))? {
                std::thread::sleep(LOOK_EVERY);
            }
            pace.sent += 1;
        }
        if let Some((_, error)) = producer.failures().first() {
            bail!("the broker does not take the operations that open wallets: {error}");
        }
        payers.push(payer);
    }
    producer.flush(FLUSH_BOUND);
    pace.wait(&bar, 0)?;
    bar.finish_and_clear();
    match watch.finish()?.refusal {
        None => Ok(payers),
        Some(refusal) => bail!("a wallet for the load cannot be opened and funded: {refusal}"),
    }
}

fn payer(tenant: &TenantId, owner: &UserId, partitions: PartitionCount) -> Payer {
    let currency = CURRENCY.parse().expect("a currency");
    let wallet_id = WalletId::derive(tenant, owner, currency, &WalletLabel::main());
    Payer {
        wallet_id,
        wallet_id_text: wallet_id.to_string(),
        partition: wallet_id.shard(partitions),
    }
}

/// Open the wallet, then deposit; one shard decides them in this order.
fn operations(
    run: RunId,
    number: u32,
    tenant: &TenantId,
    owner: &UserId,
    payer: &Payer,
) -> [Operation; 2] {
    let key: IdempotencyKey = DEPOSIT_KEY.parse().expect("visible ASCII");
    let envelope = |what: &str| Envelope {
        command_id: format!("{run}-{what}-{number}"),
        tenant: tenant.as_str().to_owned(),
        idempotency_key: key.as_str().to_owned(),
        correlation_id: format!("load-{run}"),
        actor: "holdfast-load".to_owned(),
        deadline: None,
    };
    let opening = OperationBody::OpenWallet(OpenWallet {
        wallet_id: payer.wallet_id_text.clone(),
        user_id: owner.as_str().to_owned(),
        currency: CURRENCY.to_owned(),
        label: WalletLabel::main().as_str().to_owned(),
    });
    let deposit = OperationBody::Deposit(Deposit {
        deposit_id: DepositId::derive(tenant, payer.wallet_id, &key).to_string(),
        wallet_id: payer.wallet_id_text.clone(),
        amount: FUNDS_MINOR,
        currency: CURRENCY.to_owned(),
        rail: RAIL.to_owned(),
        reference: DEPOSIT_KEY.to_owned(),
    });
    [
        Operation { envelope: envelope("open"), body: opening },
        Operation { envelope: envelope("deposit"), body: deposit },
    ]
}

fn bar(count: u32) -> ProgressBar {
    let template = "opening wallets {bar:32} {human_pos}/{human_len} {per_sec}, {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // Draws nothing where standard error is no terminal.
    ProgressBar::with_draw_target(Some(u64::from(count)), ProgressDrawTarget::stderr())
        .with_style(style)
}

/// What the watch tells the one who sends.
#[derive(Default)]
struct SetUp {
    decided: AtomicU32,
}

/// Keeps the operations that wait for their decision within a bound.
struct Pace<'p> {
    progress: &'p SetUp,
    watch: &'p JournalWatch<Decisions>,
    sent: u32,
    decided: u32,
    moved_at: Instant,
}

impl<'p> Pace<'p> {
    fn new(progress: &'p SetUp, watch: &'p JournalWatch<Decisions>) -> Self {
        Self { progress, watch, sent: 0, decided: 0, moved_at: Instant::now() }
    }

    /// Waits until no more than so many are undecided.
    fn wait(&mut self, bar: &ProgressBar, undecided: u32) -> anyhow::Result<()> {
        loop {
            let decided = self.progress.decided.load(Ordering::Relaxed);
            if decided != self.decided {
                self.decided = decided;
                self.moved_at = Instant::now();
                bar.set_position(u64::from(decided / 2));
            }
            // A watch that has ended says why when it is finished.
            if self.sent.saturating_sub(decided) <= undecided || self.watch.has_ended() {
                return Ok(());
            }
            if self.moved_at.elapsed() > STALL_BOUND {
                let seconds = STALL_BOUND.as_secs();
                return Err(anyhow::anyhow!("nothing was decided for {seconds} s"))
                    .context("wallets cannot be opened; does the application run?");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Counts the decisions about the operations of one set-up.
struct Decisions {
    prefix: String,
    progress: Arc<SetUp>,
    refusal: Option<String>,
}

impl Decisions {
    fn new(run: RunId, progress: Arc<SetUp>) -> Self {
        Self { prefix: format!("{run}-"), progress, refusal: None }
    }
}

impl Watcher for Decisions {
    fn see(&mut self, sighting: &Sighting<'_>, _at: Instant) {
        if !sighting.operation_id().is_some_and(|id| id.starts_with(&self.prefix)) {
            return;
        }
        if sighting.decision.verdict == Verdict::Refused {
            let (code, detail) = (sighting.decision.code, sighting.decision.detail);
            self.refusal.get_or_insert_with(|| format!("{code}: {detail}"));
        }
        self.progress.decided.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_run_pays_from_the_same_wallets_with_the_same_deposits() {
        let tenant = TenantId::default_tenant();
        let owner: UserId = "load-000007".parse().expect("a user");
        let partitions = PartitionCount::try_from(4).expect("a count");
        let payer = payer(&tenant, &owner, partitions);
        let of = |run| operations(run, 7, &tenant, &owner, &payer);
        let ([open, deposit], [open_again, deposit_again]) =
            (of(RunId::random()), of(RunId::random()));
        assert_eq!(open.body, open_again.body);
        assert_eq!(deposit.body, deposit_again.body);
        assert_ne!(deposit.envelope.command_id, deposit_again.envelope.command_id);
        assert_eq!(deposit.envelope.idempotency_key, deposit_again.envelope.idempotency_key);
    }
}
