//! Questions to the rows, as the API asks them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use connectors::ports::{
    AsOf, CommandOutcome, Doubts, Page, PageRequest, PaymentFilter, SuspenseKey, ViewError, Views,
};
use processors::projection::saga;
use rocksdb::{Direction, IteratorMode};
use schemas::read_model::{
    DepositRow, PaymentRow, RefundRow, SuspenseRow, TransferCreditRow, TransferRow, WalletMovement,
    WalletRow, WithdrawalRow,
};
use schemas::timeline::{Saga, TimelineEvent, TimelineRow};
use schemas::{
    DepositId, GatewayName, Offset, Partition, PartitionCount, PaymentId, Position, RefundId,
    Timestamp, TransferId, UserId, WalletId, WithdrawalId,
};
use tokio::sync::{oneshot, watch};

use super::doubts;
use super::outcomes::Outcomes;
use super::store::{
    DEPOSITS, PAYMENT_INDEX, PAYMENTS, REFUNDS, TRANSFER_CREDITS, TRANSFERS, ViewHead, ViewStore,
    ViewStoreError, WALLETS, WITHDRAWALS,
};
use super::{numbers, suspense, timeline, transfer_holds};
use crate::backlog::Backlog;

/// Rows that one list request looks at, at most: a rare status must not read the whole index. The
/// page then is short and its cursor goes on.
pub(super) const MAX_SCANNED_ROWS: usize = 5_000;

/// The views of a process, to be asked by the API.
pub struct PaymentViews {
    pub(super) store: Arc<ViewStore>,
    pub(super) outcomes: Outcomes,
    pub(super) heads: RwLock<BTreeMap<Partition, ViewHead>>,
    pub(super) progress: watch::Sender<u64>,
    pub(super) caught_up: AtomicBool,
    /// By partition: the offset below which everything was applied.
    reached: Vec<AtomicI64>,
    /// By partition: shard time of the latest entry applied by this process, 0 before the first.
    times: Vec<AtomicI64>,
    pub(super) backlog: OnceLock<Arc<Backlog>>,
    partitions: PartitionCount,
}

impl PaymentViews {
    /// Views over these rows.
    pub fn new(store: ViewStore, partitions: PartitionCount) -> Result<Self, ViewStoreError> {
        let heads = store.heads()?;
        let next = |partition| heads.get(&partition).map_or(0, |head| head.offset.next().number());
        let reached = Partition::all(partitions).map(|at| AtomicI64::new(next(at))).collect();
        let times = Partition::all(partitions).map(|_| AtomicI64::new(0)).collect();
        let (progress, _) = watch::channel(0);
        let store = Arc::new(store);
        Ok(Self {
            store,
            outcomes: Outcomes::default(),
            heads: RwLock::new(heads),
            progress,
            caught_up: AtomicBool::new(false),
            reached,
            times,
            backlog: OnceLock::new(),
            partitions,
        })
    }

    /// Tells this backlog from now on which requests were handled.
    pub(crate) fn feed(&self, backlog: Arc<Backlog>) {
        self.backlog.get_or_init(|| backlog);
    }

    /// The last entry of every partition that the rows show.
    pub fn heads(&self) -> BTreeMap<Partition, ViewHead> {
        self.heads.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Marks the rows as not being a fold of this journal: the next start builds them anew.
    pub fn discard(&self, reason: &str) -> ViewStoreError {
        self.store.diverged(reason.to_owned())
    }

    /// Notes that everything below these offsets was applied.
    pub(super) fn note_reached(&self, reached: &[(Partition, Offset)]) {
        for (partition, offset) in reached {
            if let Some(noted) = self.reached.get(partition.index()) {
                noted.store(offset.number(), Ordering::Relaxed);
            }
        }
    }

    /// Notes the shard times of entries that were applied, in their order.
    pub(super) fn note_times(&self, entries: impl Iterator<Item = (Partition, Timestamp)>) {
        for (partition, at) in entries {
            if let Some(noted) = self.times.get(partition.index()) {
                noted.store(at.millis(), Ordering::Release);
            }
        }
    }

    /// By partition: the offset below which everything was applied.
    pub fn reached(&self) -> Vec<Offset> {
        let noted = self.reached.iter().map(|noted| noted.load(Ordering::Relaxed));
        noted.map(|offset| Offset::new(offset).unwrap_or(Offset::ZERO)).collect()
    }

    /// Reads rows from the disk; what there is, or why they cannot be read.
    ///
    /// # Errors
    /// What the store says.
    pub fn probe(&self) -> Result<String, String> {
        self.store.heads().map_err(|error| error.to_string())?;
        Ok("rows can be read".to_owned())
    }

    /// How many requests wait for a decision.
    pub fn waiters(&self) -> usize {
        self.outcomes.count()
    }

    /// Whether the rows show everything that the journal held when this process started.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    fn get<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
        key: &[u8],
    ) -> Result<Option<T>, ViewError> {
        self.store.row(column, key).map_err(|error| ViewError(error.to_string()))
    }
}

impl Views for PaymentViews {
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, ViewError> {
        self.get(PAYMENTS, id.as_bytes())
    }

    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, ViewError> {
        self.get(WALLETS, id.as_bytes())
    }

    fn deposit(&self, id: DepositId) -> Result<Option<DepositRow>, ViewError> {
        self.get(DEPOSITS, id.as_bytes())
    }

    fn withdrawal(&self, id: WithdrawalId) -> Result<Option<WithdrawalRow>, ViewError> {
        self.get(WITHDRAWALS, id.as_bytes())
    }

    fn refund(&self, id: RefundId) -> Result<Option<RefundRow>, ViewError> {
        self.get(REFUNDS, id.as_bytes())
    }

    fn refunds(&self, payment: &PaymentRow) -> Result<Vec<RefundRow>, ViewError> {
        let timeline = self.timeline(payment)?;
        let requested =
            timeline.iter().flat_map(|row| &row.events).filter_map(|event| match event {
                TimelineEvent::RefundRequested { refund_id, .. } => Some(*refund_id),
                _ => None,
            });
        requested.filter_map(|id| self.refund(id).transpose()).collect()
    }

    fn transfer(&self, id: TransferId) -> Result<Option<TransferRow>, ViewError> {
        self.get(TRANSFERS, id.as_bytes())
    }

    fn transfer_credit(&self, id: TransferId) -> Result<Option<TransferCreditRow>, ViewError> {
        self.get(TRANSFER_CREDITS, id.as_bytes())
    }

    fn held_transfers(
        &self,
        wallet: WalletId,
        page: PageRequest<(Timestamp, TransferId)>,
    ) -> Result<Page<TransferRow, (Timestamp, TransferId)>, ViewError> {
        transfer_holds::list(&self.store, wallet, page).map_err(|error| unreadable(&error))
    }

    fn suspense(
        &self,
        wallet: Option<WalletId>,
        page: PageRequest<SuspenseKey>,
    ) -> Result<Page<SuspenseRow, SuspenseKey>, ViewError> {
        suspense::list(&self.store, wallet, page).map_err(|error| unreadable(&error))
    }

    fn numbers(&self, wallet: WalletId, as_of: AsOf) -> Result<Option<WalletMovement>, ViewError> {
        numbers::at(&self.store, wallet, as_of).map_err(|error| unreadable(&error))
    }

    fn shard_time(&self, partition: Partition) -> Option<Timestamp> {
        let noted = self.times.get(partition.index())?.load(Ordering::Acquire);
        (noted > 0).then(|| Timestamp::from_millis(noted))
    }

    fn payments(
        &self,
        filter: &PaymentFilter,
        page: PageRequest<(Timestamp, PaymentId)>,
    ) -> Result<Page<PaymentRow, (Timestamp, PaymentId)>, ViewError> {
        let scope = scope_of(filter);
        let newest = match page.after {
            Some((created_at, id)) => index_key(&scope, created_at, id),
            None => scope_end(&scope, filter.created_to),
        };
        let mode = IteratorMode::From(&newest, Direction::Reverse);
        let mut rows = Vec::new();
        let mut last = None;
        let keys =
            self.store.scan(PAYMENT_INDEX, mode).map_err(|error| ViewError(error.to_string()))?;
        for (scanned, item) in keys.enumerate() {
            let (key, _) = item.map_err(|error| ViewError(error.to_string()))?;
            let Some((created_at, id)) = read_index_key(&scope, &key) else { break };
            if filter.created_from.is_some_and(|from| created_at < from) {
                break;
            }
            if rows.len() == page.limit || scanned > MAX_SCANNED_ROWS {
                return Ok(Page { rows, next: last });
            }
            if page.after == Some((created_at, id)) {
                continue;
            }
            last = Some((created_at, id));
            if let Some(row) = self.payment(id)?.filter(|row| matches(filter, row)) {
                rows.push(row);
            }
        }
        Ok(Page { rows, next: None })
    }

    fn doubts(&self, gateway: &GatewayName) -> Result<Doubts, ViewError> {
        doubts::of(&self.store, gateway)
    }

    fn timeline(&self, payment: &PaymentRow) -> Result<Vec<TimelineRow>, ViewError> {
        timeline::of(&self.store, payment).map_err(|error| ViewError(error.to_string()))
    }

    fn saga(&self, payment: &PaymentRow) -> Result<Saga, ViewError> {
        Ok(saga(payment, &self.timeline(payment)?))
    }

    fn statement(
        &self,
        wallet: WalletId,
        page: PageRequest<i64>,
    ) -> Result<Page<WalletMovement, i64>, ViewError> {
        numbers::statement(&self.store, wallet, page).map_err(|error| unreadable(&error))
    }

    fn applied(&self, partition: Partition) -> Option<Position> {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        heads.get(&partition).map(|head| Position { partition, offset: head.offset })
    }

    fn shard(&self, wallet: WalletId) -> Partition {
        wallet.shard(self.partitions)
    }

    fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    fn outcome(&self, command_id: &str) -> oneshot::Receiver<CommandOutcome> {
        self.outcomes.register(command_id)
    }
}

fn unreadable(error: &ViewStoreError) -> ViewError {
    ViewError(error.to_string())
}

fn matches(filter: &PaymentFilter, row: &PaymentRow) -> bool {
    filter.wallet_id.is_none_or(|wallet| row.wallet_id == wallet)
        && filter.user_id.as_ref().is_none_or(|user| row.user_id == *user)
        && filter.status.is_none_or(|status| row.status == status)
        && (!filter.is_held || row.status.is_held())
        && filter.gateway.as_ref().is_none_or(|name| row.gateway.as_ref() == Some(name))
        && filter.created_to.is_none_or(|to| row.created_at < to)
}

/// What an index key begins with: all payments, those of a wallet, or those of a user.
fn scope_of(filter: &PaymentFilter) -> Vec<u8> {
    match (filter.wallet_id, &filter.user_id) {
        (Some(wallet), _) => wallet_scope(wallet),
        (None, Some(user)) => user_scope(user),
        (None, None) => vec![b'a'],
    }
}

fn wallet_scope(wallet: WalletId) -> Vec<u8> {
    [b"w", wallet.as_bytes().as_slice()].concat()
}

/// No user id contains a zero byte, so no scope is the beginning of another.
fn user_scope(user: &UserId) -> Vec<u8> {
    [b"u", user.as_str().as_bytes(), &[0]].concat()
}

/// The keys under which a payment is found, oldest first within each scope.
pub(super) fn index_keys(row: &PaymentRow) -> [Vec<u8>; 3] {
    [vec![b'a'], wallet_scope(row.wallet_id), user_scope(&row.user_id)]
        .map(|scope| index_key(&scope, row.created_at, row.id))
}

fn index_key(scope: &[u8], created_at: Timestamp, id: PaymentId) -> Vec<u8> {
    [scope, &created_at.millis().max(0).to_be_bytes(), id.as_bytes()].concat()
}

/// The key just past the newest payment that a list may show.
fn scope_end(scope: &[u8], created_to: Option<Timestamp>) -> Vec<u8> {
    let mut key = scope.to_vec();
    let end = created_to.map_or(i64::MAX, |to| to.millis().max(0));
    key.extend_from_slice(&end.to_be_bytes());
    key
}

fn read_index_key(scope: &[u8], key: &[u8]) -> Option<(Timestamp, PaymentId)> {
    let (millis, id) = key.strip_prefix(scope)?.split_at_checked(8)?;
    let millis = i64::from_be_bytes(millis.try_into().ok()?);
    Some((Timestamp::from_millis(millis), PaymentId::from_bytes(id.try_into().ok()?)))
}
