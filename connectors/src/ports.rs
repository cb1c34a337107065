//! What the API needs from the rest of the system, as ports that `topology` implements.
//!
//! No Kafka and no `RocksDB` is known here: a command goes into a log, answers come out of views.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use schemas::entry::Decision;
use schemas::inputs::{Command, GatewayResult, Operation};
use schemas::read_model::{
    DepositRow, PaymentRow, PaymentStatus, RefundRow, SuspenseRow, TransferCreditRow, TransferRow,
    WalletMovement, WalletRow, WithdrawalRow,
};
use schemas::timeline::{Saga, TimelineRow};
use schemas::{
    DepositId, GatewayName, Offset, Partition, PaymentId, Position, RefundId, Timestamp,
    TransferId, UserId, WalletId, WithdrawalId,
};
use tokio::sync::{oneshot, watch};

/// A future that a port returns.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What can be appended to the log.
#[derive(Debug, Clone)]
pub enum Request {
    /// To topic `commands`.
    Command(Command),
    /// To topic `operations`.
    Operation(Operation),
}

/// Where commands go in.
pub trait CommandLog: Send + Sync {
    /// Appends a request to the shard of its wallet. `Ok` means durable.
    ///
    /// # Errors
    /// Within a bounded time, when the log did not confirm or its queue is full.
    fn append(&self, wallet: WalletId, request: Request)
    -> PortFuture<'_, Result<(), AppendError>>;

    /// How long this request would wait for its decision if it were appended now, as measured;
    /// zero while nothing says otherwise.
    fn expected_wait(&self, wallet: WalletId, request: &Request) -> Duration;
}

/// Why a request was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log did not confirm in time; whether it has the request is not known.
    #[error("the log did not confirm in time: {0}")]
    Unconfirmed(String),
    /// Too many requests wait for confirmation; this one was not sent.
    #[error("too many requests wait for the log")]
    QueueFull,
    /// The schemas are not registered yet; this request was not sent.
    #[error("not ready: {0}")]
    NotReady(String),
}

/// Where what gateways say unasked goes in.
pub trait GatewayResults: Send + Sync {
    /// Appends a result to the shard of its wallet. `Ok` means durable; the same result may be
    /// appended again, it counts once.
    ///
    /// # Errors
    /// Within a bounded time, when the log did not confirm or its queue is full.
    fn append(&self, result: GatewayResult) -> PortFuture<'_, Result<(), AppendError>>;

    /// A wallet id of nobody, on the shard that would know this payment: routes what is said of a
    /// payment that no view has.
    fn stand_in(&self, payment: PaymentId) -> WalletId;
}

/// How the calls to gateways go in this process.
pub trait GatewayStates: Send + Sync {
    /// Of this gateway; none in a process that does not call it.
    fn traffic(&self, gateway: &GatewayName) -> Option<GatewayTraffic>;
}

/// How the calls to one gateway go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayTraffic {
    /// Whether it is called.
    pub breaker: BreakerWord,
    /// Until when it is not called; none when it is.
    pub open_until: Option<Timestamp>,
    /// Calls under way.
    pub under_way: usize,
    /// How many may be.
    pub limit: usize,
    /// Operations that wait to be called.
    pub waiting: usize,
}

/// The state of a breaker, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerWord {
    /// The gateway is called.
    Closed,
    /// It is not.
    Open,
    /// It is called once in a while, to see.
    HalfOpen,
}

impl BreakerWord {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word in answers and labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What the ledger decided about one request, once the local view shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutcome {
    /// The entry of the request.
    pub position: Position,
    /// Accepted, replayed or refused.
    pub decision: Decision,
}

/// The read models.
pub trait Views: Send + Sync {
    /// A payment.
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, ViewError>;

    /// A wallet.
    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, ViewError>;

    /// A deposit.
    fn deposit(&self, id: DepositId) -> Result<Option<DepositRow>, ViewError>;

    /// A withdrawal.
    fn withdrawal(&self, id: WithdrawalId) -> Result<Option<WithdrawalRow>, ViewError>;

    /// A refund.
    fn refund(&self, id: RefundId) -> Result<Option<RefundRow>, ViewError>;

    /// The refunds of a payment, the oldest first.
    fn refunds(&self, payment: &PaymentRow) -> Result<Vec<RefundRow>, ViewError>;

    /// A transfer, as its sender's shard has it.
    fn transfer(&self, id: TransferId) -> Result<Option<TransferRow>, ViewError>;

    /// The receiver's side of a transfer, once it was credited there.
    fn transfer_credit(&self, id: TransferId) -> Result<Option<TransferCreditRow>, ViewError>;

    /// Transfers that hold money of this wallet, newest first by (created at, id).
    fn held_transfers(
        &self,
        wallet: WalletId,
        page: PageRequest<(Timestamp, TransferId)>,
    ) -> Result<Page<TransferRow, (Timestamp, TransferId)>, ViewError>;

    /// Bookings of the suspense accounts, newest first: of one wallet, or of all.
    fn suspense(
        &self,
        wallet: Option<WalletId>,
        page: PageRequest<SuspenseKey>,
    ) -> Result<Page<SuspenseRow, SuspenseKey>, ViewError>;

    /// The numbers of a wallet as they stood; none before its opening.
    fn numbers(&self, wallet: WalletId, as_of: AsOf) -> Result<Option<WalletMovement>, ViewError>;

    /// Shard time of the latest entry that the views have applied since this process started.
    fn shard_time(&self, partition: Partition) -> Option<Timestamp>;

    /// Payments, newest first by (created at, id).
    fn payments(
        &self,
        filter: &PaymentFilter,
        page: PageRequest<(Timestamp, PaymentId)>,
    ) -> Result<Page<PaymentRow, (Timestamp, PaymentId)>, ViewError>;

    /// Payments at this gateway of which nobody knows whether it charged.
    fn doubts(&self, gateway: &GatewayName) -> Result<Doubts, ViewError>;

    /// The entries that changed a payment up to its row, the oldest first; of very many the newest.
    fn timeline(&self, payment: &PaymentRow) -> Result<Vec<TimelineRow>, ViewError>;

    /// The saga of a payment as its row and the entries before it have it.
    fn saga(&self, payment: &PaymentRow) -> Result<Saga, ViewError>;

    /// Entries that moved posted money of a wallet, newest first by offset: every row has a line.
    fn statement(
        &self,
        wallet: WalletId,
        page: PageRequest<i64>,
    ) -> Result<Page<WalletMovement, i64>, ViewError>;

    /// The latest entry of a partition that the views have applied; none before the first.
    fn applied(&self, partition: Partition) -> Option<Position>;

    /// The shard of a wallet.
    fn shard(&self, wallet: WalletId) -> Partition;

    /// Changes whenever the views have applied more: wait on it, then look again.
    fn progress(&self) -> watch::Receiver<u64>;

    /// Resolves when the views have applied the entry of this command. Register before appending;
    /// dropping the receiver unregisters.
    fn outcome(&self, command_id: &str) -> oneshot::Receiver<CommandOutcome>;
}

/// The views could not be read; a defect, or the process is stopping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the view could not be read: {0}")]
pub struct ViewError(pub String);

/// Which payments to list; none of a field means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentFilter {
    /// Of this wallet.
    pub wallet_id: Option<WalletId>,
    /// Of this user.
    pub user_id: Option<UserId>,
    /// In this status.
    pub status: Option<PaymentStatus>,
    /// Only those that money is held for.
    pub is_held: bool,
    /// At this gateway.
    pub gateway: Option<GatewayName>,
    /// Created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Created before this time.
    pub created_to: Option<Timestamp>,
}

/// What a booking of a suspense account is listed by: its time, its entry, and which of the entry.
pub type SuspenseKey = (Timestamp, Position, u32);

/// A point in the history of a wallet; what happened at that point counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After the entry at this offset of its shard's journal.
    Offset(Offset),
    /// After everything of this time and before.
    Time(Timestamp),
}

/// Payments and refunds in doubt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubts {
    /// The payments, in no order.
    pub payments: Vec<PaymentRow>,
    /// The refunds, in no order.
    pub refunds: Vec<RefundRow>,
    /// Whether these are all: of very many only a part is read.
    pub are_all: bool,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<C> {
    /// What comes after (is older than) this; none for the newest.
    pub after: Option<C>,
    /// At most so many.
    pub limit: usize,
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next part begins; none when there is no more.
    pub next: Option<C>,
}

/// Whether the process can do its work, truthfully.
pub trait Health: Send + Sync {
    /// Every component and what it says of itself now.
    fn components(&self) -> Vec<Component>;
}

/// One part of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// For example `log`, `shards`, `views`, `gateways`.
    pub name: &'static str,
    /// Whether it does its work.
    pub status: ComponentStatus,
    /// What a person would want to know.
    pub detail: String,
    /// When it was looked at.
    pub checked_at: Timestamp,
}

/// How a component is, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComponentStatus {
    /// It does its work.
    Ok,
    /// It does not do all of its work, but requests may come.
    Degraded,
    /// It is on its way: starting, restoring, catching up.
    Starting,
    /// It does not do its work.
    Failing,
}

impl ComponentStatus {
    /// The word in answers and labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Starting => "starting",
            Self::Failing => "failing",
        }
    }
}
