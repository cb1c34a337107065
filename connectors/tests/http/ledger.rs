//! The ports of the API as a ledger that decides what a test tells it to, and shows it at once.
//!
//! Requests without a scripted reply are accepted; payments stay `processing`.

mod decisions;
mod views;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use connectors::ports::{
    AppendError, CommandLog, CommandOutcome, Component, Health, Page, PortFuture, Request,
};
use schemas::inputs::{CommandBody, GatewayResult, OperationBody};
use schemas::read_model::{
    DepositRow, PaymentRow, PaymentStatus, RefundRow, RefundStatus, SuspenseRow, TransferCreditRow,
    TransferRow, TransferStatus, WalletMovement, WalletRow, WithdrawalRow,
};
use schemas::timeline::{Saga, TimelineRow};
use schemas::{
    DepositId, ErrorCode, Partition, PartitionCount, PaymentId, Position, RefundId, Timestamp,
    TransferId, WalletId, WithdrawalId,
};
use tokio::sync::{oneshot, watch};

/// What becomes of one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The payment exists in this status.
    Pay(PaymentStatus),
    /// The refund exists in this status; without it, refunds stay `processing`.
    Refund(RefundStatus),
    /// The transfer exists in this status; without it, transfers stay `held`.
    Transfer(TransferStatus),
    /// What was asked for exists and has failed.
    Fail(ErrorCode, Option<&'static str>),
    /// Nothing changes.
    Refuse(ErrorCode),
    /// It is in the log, and nobody decides it until [`Ledger::decide`].
    Silence,
    /// The log does not take it, or does not say.
    Append(AppendError),
    /// The port crashes.
    Crash,
}

#[derive(Default)]
struct State {
    payments: BTreeMap<PaymentId, PaymentRow>,
    wallets: BTreeMap<WalletId, WalletRow>,
    deposits: BTreeMap<DepositId, DepositRow>,
    withdrawals: BTreeMap<WithdrawalId, WithdrawalRow>,
    refunds: BTreeMap<RefundId, RefundRow>,
    transfers: BTreeMap<TransferId, TransferRow>,
    transfer_credits: BTreeMap<TransferId, TransferCreditRow>,
    suspense: Vec<SuspenseRow>,
    movements: Vec<WalletMovement>,
    timelines: BTreeMap<PaymentId, Vec<TimelineRow>>,
    sagas: BTreeMap<PaymentId, Saga>,
    expected_wait: Duration,
    applied: BTreeMap<Partition, Position>,
    entries: i64,
    waiters: HashMap<String, oneshot::Sender<CommandOutcome>>,
    replies: VecDeque<Reply>,
    silent: VecDeque<Request>,
    appended: Vec<Request>,
    results: Vec<GatewayResult>,
    components: Vec<Component>,
}

/// A ledger of two shards.
pub struct Ledger {
    state: Mutex<State>,
    progress: watch::Sender<u64>,
}

impl Ledger {
    pub fn new() -> Self {
        Self { state: Mutex::default(), progress: watch::Sender::new(0) }
    }

    /// What becomes of the next request that has no reply yet.
    pub fn reply(&self, reply: Reply) {
        self.state().replies.push_back(reply);
    }

    /// Decides the oldest request that was left in silence.
    pub fn decide(&self, reply: &Reply) {
        let request = self.state().silent.pop_front().unwrap();
        self.handle(&request, reply);
    }

    /// The gateway has answered: the payment changes in an entry of its own.
    pub fn settle(&self, id: PaymentId, status: PaymentStatus) {
        {
            let mut state = self.state();
            let partition = state.payments[&id].position.partition;
            let position = state.next(partition);
            let row = state.payments.get_mut(&id).unwrap();
            row.status = status;
            row.position = position;
        }
        self.progress.send_modify(|version| *version += 1);
    }

    /// The gateway has answered, or a person has: the refund changes in an entry of its own.
    pub fn settle_refund(&self, id: RefundId, status: RefundStatus) {
        {
            let mut state = self.state();
            let partition = state.refunds[&id].position.partition;
            let position = state.next(partition);
            let row = state.refunds.get_mut(&id).unwrap();
            row.status = status;
            row.position = position;
        }
        self.progress.send_modify(|version| *version += 1);
    }

    /// The receiver's shard has credited, and the sender's knows.
    pub fn complete_transfer(&self, id: TransferId) {
        {
            let mut state = self.state();
            let row = state.transfers[&id].clone();
            let credited = state.next(row.to_wallet_id.shard(shards()));
            let at = now(state.entries);
            state.transfer_credits.insert(
                id,
                TransferCreditRow {
                    transfer_id: id,
                    wallet_id: row.to_wallet_id,
                    at,
                    position: credited,
                },
            );
            let position = state.next(row.position.partition);
            let (status, updated_at) = (TransferStatus::Completed, now(state.entries));
            state.transfers.insert(id, TransferRow { status, updated_at, position, ..row });
        }
        self.progress.send_modify(|version| *version += 1);
    }

    /// Money is in suspense.
    pub fn suspend(&self, row: SuspenseRow) {
        self.state().suspense.push(row);
    }

    /// Applies entries that concern nobody, up to a position.
    pub fn apply(&self, position: Position) {
        self.state().applied.insert(position.partition, position);
        self.progress.send_modify(|version| *version += 1);
    }

    /// What the views say of a payment besides its row.
    pub fn tell(&self, id: PaymentId, timeline: Vec<TimelineRow>, saga: Saga) {
        self.state().timelines.insert(id, timeline);
        self.state().sagas.insert(id, saga);
    }

    /// Takes what a gateway said, unless the log is to say otherwise.
    pub fn hear(&self, result: GatewayResult) -> Result<(), AppendError> {
        let mut state = self.state();
        if let Some(Reply::Append(error)) = state.replies.pop_front() {
            return Err(error);
        }
        state.results.push(result);
        Ok(())
    }

    /// What gateways said, as far as the log has it.
    pub fn results(&self) -> Vec<GatewayResult> {
        self.state().results.clone()
    }

    /// How long requests wait from now on, as measured.
    pub fn set_expected_wait(&self, wait: Duration) {
        self.state().expected_wait = wait;
    }

    pub fn set_health(&self, components: Vec<Component>) {
        self.state().components = components;
    }

    pub fn appended(&self) -> Vec<Request> {
        self.state().appended.clone()
    }

    /// How many requests wait for a decision.
    pub fn waiters(&self) -> usize {
        self.state().waiters.values().filter(|waiter| !waiter.is_closed()).count()
    }

    /// How many look at the progress of the views.
    pub fn watchers(&self) -> usize {
        self.progress.receiver_count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn handle(&self, request: &Request, reply: &Reply) {
        let command_id = command_id(request).to_owned();
        let (waiter, outcome) = {
            let mut state = self.state();
            let position = state.next(wallet_of(request).shard(shards()));
            let decision = state.decide(request, position, reply);
            (state.waiters.remove(&command_id), CommandOutcome { position, decision })
        };
        self.progress.send_modify(|version| *version += 1);
        if let Some(waiter) = waiter {
            let _ = waiter.send(outcome);
        }
    }
}

impl CommandLog for Ledger {
    fn append(
        &self,
        wallet: WalletId,
        request: Request,
    ) -> PortFuture<'_, Result<(), AppendError>> {
        assert_eq!(wallet, wallet_of(&request));
        let reply = {
            let mut state = self.state();
            assert!(state.waiters.contains_key(command_id(&request)), "registered before");
            state.appended.push(request.clone());
            state.replies.pop_front().unwrap_or(Reply::Pay(PaymentStatus::Processing))
        };
        Box::pin(async move {
            match reply {
                Reply::Append(error) => return Err(error),
                Reply::Crash => panic!("as scripted, with a secret"),
                Reply::Silence => self.state().silent.push_back(request),
                decided => self.handle(&request, &decided),
            }
            Ok(())
        })
    }

    fn expected_wait(&self, wallet: WalletId, request: &Request) -> Duration {
        assert_eq!(wallet, wallet_of(request));
        self.state().expected_wait
    }
}

impl Health for Ledger {
    fn components(&self) -> Vec<Component> {
        self.state().components.clone()
    }
}

/// One second for each entry, from the year 2026 on.
pub fn now(entries: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + entries * 1000)
}

/// The wall clock: later than all entries.
pub fn clock() -> Timestamp {
    now(1_000_000)
}

pub fn shards() -> PartitionCount {
    PartitionCount::try_from(2).unwrap()
}

fn cut<T, C>(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> C) -> Page<T, C> {
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Page { next: if has_more { rows.last().map(key) } else { None }, rows }
}

fn command_id(request: &Request) -> &str {
    match request {
        Request::Command(command) => &command.envelope.command_id,
        Request::Operation(operation) => &operation.envelope.command_id,
    }
}

fn wallet_of(request: &Request) -> WalletId {
    let wallet = match request {
        Request::Command(command) => match &command.body {
            CommandBody::Pay(body) => &body.wallet_id,
            CommandBody::Cancel(body) => &body.wallet_id,
            CommandBody::Refund(body) => &body.wallet_id,
            CommandBody::Transfer(body) => &body.wallet_id,
        },
        Request::Operation(operation) => match &operation.body {
            OperationBody::OpenWallet(body) => &body.wallet_id,
            OperationBody::Deposit(body) => &body.wallet_id,
            OperationBody::Withdraw(body) => &body.wallet_id,
            OperationBody::ReverseDeposit(body) => &body.wallet_id,
            OperationBody::ReverseWithdrawal(body) => &body.wallet_id,
            OperationBody::FreezeWallet(body)
            | OperationBody::UnfreezeWallet(body)
            | OperationBody::CloseWallet(body) => &body.wallet_id,
            OperationBody::SetLimits(body) => &body.wallet_id,
            OperationBody::ResolvePayment(body) => &body.wallet_id,
            OperationBody::ResolveRefund(body) => &body.wallet_id,
            OperationBody::AdoptPolicy(body) => panic!("the API does not send {body:?}"),
        },
    };
    wallet.parse().unwrap()
}
