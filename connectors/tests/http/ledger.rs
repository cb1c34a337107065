//! The ports of the API as a ledger that decides what a test tells it to, and shows it at once.
//!
//! Requests without a scripted reply are accepted; payments stay `processing`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use connectors::ports::{
    AppendError, CommandLog, CommandOutcome, Component, Doubts, Health, Page, PageRequest,
    PaymentFilter, PortFuture, Request, ViewError, Views,
};
use schemas::account::{Balances, Side};
use schemas::entry::Decision;
use schemas::inputs::{CommandBody, Deposit, GatewayResult, OpenWallet, OperationBody, Pay};
use schemas::read_model::{
    DepositRow, PaymentFailure, PaymentRow, PaymentStatus, StatementKind, StatementLine,
    WalletLimits, WalletMovement, WalletRow, WalletStatus,
};
use schemas::timeline::{Saga, TimelineRow};
use schemas::{
    Amount, DepositId, ErrorCode, Fingerprint, GatewayName, Money, Offset, Partition,
    PartitionCount, PaymentId, Position, Timestamp, WalletId,
};
use tokio::sync::{oneshot, watch};

use crate::gateways;

/// What becomes of one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The payment exists in this status.
    Pay(PaymentStatus),
    /// The payment exists and has failed.
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
            let decision = match request {
                Request::Command(command) => match &command.body {
                    CommandBody::Pay(pay) => {
                        state.pay(pay, &command.envelope.correlation_id, position, reply)
                    }
                    other => panic!("the API does not send {other:?} yet"),
                },
                Request::Operation(operation) => match (&operation.body, reply) {
                    (_, Reply::Refuse(code)) => Decision::refused(code.code(), code.meaning()),
                    (OperationBody::OpenWallet(open), _) => state.open(open, position),
                    (OperationBody::Deposit(deposit), _) => state.deposit(deposit, position),
                    (other, _) => panic!("the API does not send {other:?} yet"),
                },
            };
            (state.waiters.remove(&command_id), CommandOutcome { position, decision })
        };
        self.progress.send_modify(|version| *version += 1);
        if let Some(waiter) = waiter {
            let _ = waiter.send(outcome);
        }
    }
}

impl State {
    fn next(&mut self, partition: Partition) -> Position {
        self.entries += 1;
        let position = Position { partition, offset: Offset::new(self.entries).unwrap() };
        self.applied.insert(partition, position);
        position
    }

    fn pay(&mut self, pay: &Pay, correlation: &str, at: Position, reply: &Reply) -> Decision {
        let id: PaymentId = pay.payment_id.parse().unwrap();
        if self.payments.contains_key(&id) {
            return Decision::replayed();
        }
        let (status, failure) = match reply {
            Reply::Pay(status) => (*status, None),
            Reply::Fail(code, decline_code) => (
                PaymentStatus::Failed,
                Some(PaymentFailure {
                    code: code.code().to_owned(),
                    decline_code: decline_code.map(str::to_owned),
                    message: "as scripted".to_owned(),
                }),
            ),
            Reply::Refuse(code) => return Decision::refused(code.code(), code.meaning()),
            Reply::Silence | Reply::Append(_) | Reply::Crash => unreachable!("{reply:?}"),
        };
        let wallet_id: WalletId = pay.wallet_id.parse().unwrap();
        let Some(wallet) = self.wallets.get(&wallet_id) else {
            let code = ErrorCode::WalletNotFound;
            return Decision::refused(code.code(), code.meaning());
        };
        let amount = Amount::try_from(pay.amount).unwrap();
        let money = Money::new(amount, pay.currency.parse().unwrap());
        let gateway = pay.gateway.as_ref().map(|name| name.parse().unwrap());
        let (service, description) = (pay.service_id.as_deref(), pay.description.as_ref());
        let metadata = pay.metadata.as_ref();
        let fingerprint = Fingerprint::of_payment(
            wallet_id,
            money,
            gateway.as_ref(),
            service,
            description,
            metadata,
        );
        let row = PaymentRow {
            id,
            wallet_id,
            user_id: wallet.user_id.clone(),
            money,
            description: description.cloned(),
            service_id: pay.service_id.clone(),
            metadata: metadata.cloned(),
            status,
            failure,
            gateway: Some("simulator".parse().unwrap()),
            gateway_reference: None,
            attempts: 1,
            captured_amount: 0,
            refunded_amount: 0,
            cancel_requested: false,
            discrepancies: Vec::new(),
            balance_after: None,
            correlation_id: correlation.to_owned(),
            fingerprint,
            created_at: now(self.entries),
            updated_at: now(self.entries),
            position: at,
        };
        self.payments.insert(id, row);
        Decision::accepted()
    }

    fn open(&mut self, open: &OpenWallet, position: Position) -> Decision {
        let id: WalletId = open.wallet_id.parse().unwrap();
        if self.wallets.contains_key(&id) {
            return Decision::replayed();
        }
        let row = WalletRow {
            id,
            user_id: open.user_id.parse().unwrap(),
            currency: open.currency.parse().unwrap(),
            label: open.label.parse().unwrap(),
            status: WalletStatus::Active,
            limits: WalletLimits::default(),
            balances: Balances::default(),
            version: 0,
            created_at: now(self.entries),
            updated_at: now(self.entries),
            position,
        };
        self.wallets.insert(id, row);
        Decision::accepted()
    }

    fn deposit(&mut self, deposit: &Deposit, position: Position) -> Decision {
        let id: DepositId = deposit.deposit_id.parse().unwrap();
        if self.deposits.contains_key(&id) {
            return Decision::replayed();
        }
        let at = now(self.entries);
        let wallet_id: WalletId = deposit.wallet_id.parse().unwrap();
        let wallet = self.wallets.get_mut(&wallet_id).unwrap();
        wallet.balances.credits_posted += deposit.amount;
        wallet.version += 1;
        let balances = wallet.balances;
        let (currency, amount) = (wallet.currency, Amount::try_from(deposit.amount).unwrap());
        let (money, rail) = (Money::new(amount, currency), deposit.rail.parse().unwrap());
        let reference = deposit.reference.clone();
        let fingerprint = Fingerprint::of_deposit(wallet_id, money, &rail, &reference);
        let line = Some(StatementLine {
            kind: StatementKind::Deposit(id),
            side: Side::Credit,
            amount,
            currency,
            description: None,
            correlation_id: String::new(),
        });
        self.movements.push(WalletMovement { wallet_id, position, at, balances, line });
        let row = DepositRow {
            id,
            wallet_id,
            money,
            rail,
            reference,
            balance_after: balances.posted(),
            reversed_at: None,
            fingerprint,
            correlation_id: String::new(),
            created_at: at,
            position,
        };
        self.deposits.insert(id, row);
        Decision::accepted()
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

impl Views for Ledger {
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, ViewError> {
        Ok(self.state().payments.get(&id).cloned())
    }

    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, ViewError> {
        Ok(self.state().wallets.get(&id).cloned())
    }

    fn deposit(&self, id: DepositId) -> Result<Option<DepositRow>, ViewError> {
        Ok(self.state().deposits.get(&id).cloned())
    }

    fn payments(
        &self,
        filter: &PaymentFilter,
        page: PageRequest<(Timestamp, PaymentId)>,
    ) -> Result<Page<PaymentRow, (Timestamp, PaymentId)>, ViewError> {
        let key = |row: &PaymentRow| (row.created_at, row.id);
        let mut rows: Vec<_> = self.state().payments.values().cloned().collect();
        rows.retain(|row| {
            filter.status.is_none_or(|status| status == row.status)
                && (!filter.is_held || row.status.is_held())
                && filter.wallet_id.is_none_or(|wallet| wallet == row.wallet_id)
                && filter.created_to.is_none_or(|to| row.created_at < to)
                && page.after.is_none_or(|after| key(row) < after)
        });
        rows.sort_by_key(|row| std::cmp::Reverse(key(row)));
        Ok(cut(rows, page.limit, key))
    }

    fn doubts(&self, gateway: &GatewayName) -> Result<Doubts, ViewError> {
        Ok(gateways::doubts(self.state().payments.values(), gateway))
    }

    fn timeline(&self, payment: &PaymentRow) -> Result<Vec<TimelineRow>, ViewError> {
        Ok(self.state().timelines.get(&payment.id).cloned().unwrap_or_default())
    }

    fn saga(&self, payment: &PaymentRow) -> Result<Saga, ViewError> {
        let saga = self.state().sagas.get(&payment.id).cloned();
        saga.ok_or_else(|| ViewError("no saga was scripted".to_owned()))
    }

    fn statement(
        &self,
        wallet: WalletId,
        page: PageRequest<i64>,
    ) -> Result<Page<WalletMovement, i64>, ViewError> {
        let key = |row: &WalletMovement| row.position.offset.number();
        let mut rows = self.state().movements.clone();
        rows.retain(|row| {
            row.wallet_id == wallet && page.after.is_none_or(|after| key(row) < after)
        });
        rows.reverse();
        Ok(cut(rows, page.limit, key))
    }

    fn applied(&self, partition: Partition) -> Option<Position> {
        self.state().applied.get(&partition).copied()
    }

    fn shard(&self, wallet: WalletId) -> Partition {
        wallet.shard(shards())
    }

    fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    fn outcome(&self, command_id: &str) -> oneshot::Receiver<CommandOutcome> {
        let (waiter, outcome) = oneshot::channel();
        let earlier = self.state().waiters.insert(command_id.to_owned(), waiter);
        assert!(earlier.is_none(), "a command id is used once");
        outcome
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
            CommandBody::Pay(pay) => &pay.wallet_id,
            other => panic!("the API does not send {other:?} yet"),
        },
        Request::Operation(operation) => match &operation.body {
            OperationBody::OpenWallet(open) => &open.wallet_id,
            OperationBody::Deposit(deposit) => &deposit.wallet_id,
            other => panic!("the API does not send {other:?} yet"),
        },
    };
    wallet.parse().unwrap()
}
