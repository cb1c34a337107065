//! Objects as callers see them, built from the rows of the views.
//!
//! What is not known yet is null, never a guess: an accepted request has no times and no owner
//! until the ledger has decided it.

use axum::http::StatusCode;
use schemas::account::{Balances, Side};
use schemas::read_model::{
    DepositRow, PaymentFailure, PaymentRow, PaymentStatus, StatementKind, WalletMovement, WalletRow,
};
use schemas::{
    CorrelationId, DepositId, GatewayName, Money, PaymentId, Position, RailName, Sealed, Timestamp,
    UserId, WalletId, WalletLabel,
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::openapi::values;

/// A time as RFC 3339.
pub(super) struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A position as its text.
#[derive(Clone, Copy)]
pub(super) struct PositionText(pub Position);

impl Serialize for PositionText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A payment.
#[derive(Serialize, ToSchema)]
#[schema(as = Payment, examples(json!({
    "id": values::PAYMENT_ID, "object": "payment", "user_id": values::USER_ID,
    "wallet_id": values::WALLET_ID, "amount": 10000, "currency": "USD",
    "description": "Payment for services", "service_id": null, "metadata": null,
    "status": "completed", "failure": null, "gateway": "simulator",
    "gateway_reference": "ch_1", "attempts": 1, "captured_amount": 10000, "refunded_amount": 0,
    "discrepancies": [], "cancel_requested": false, "balance_after": 990_000,
    "correlation_id": values::KEY, "created_at": "2026-01-02T03:04:05.678Z",
    "updated_at": "2026-01-02T03:04:05.731Z",
})))]
pub(super) struct PaymentBody<'a> {
    #[schema(value_type = values::PaymentId)]
    id: PaymentId,
    #[schema(pattern = "^payment$")]
    object: &'static str,
    /// Whose wallet pays; null while that is not known.
    #[schema(value_type = Option<values::UserId>, required = true)]
    user_id: Option<&'a UserId>,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(required = true)]
    description: Option<&'a str>,
    #[schema(required = true)]
    service_id: Option<&'a str>,
    /// The caller's own object.
    #[schema(value_type = Option<Value>, required = true)]
    metadata: Option<&'a RawValue>,
    #[schema(value_type = values::PaymentStatusName)]
    status: &'static str,
    /// Why it failed; null while it has not.
    #[schema(required = true)]
    failure: Option<FailureBody<'a>>,
    /// The gateway of the latest attempt; before the first, the one that was asked for.
    #[schema(value_type = Option<values::GatewayName>, required = true)]
    gateway: Option<&'a GatewayName>,
    /// The gateway's own name of the charge.
    #[schema(required = true)]
    gateway_reference: Option<&'a str>,
    /// How many attempts began.
    attempts: i32,
    /// What the gateway took.
    #[schema(value_type = values::MinorUnits)]
    captured_amount: i64,
    #[schema(value_type = values::MinorUnits)]
    refunded_amount: i64,
    /// Codes of what did not fit between the ledger and the gateway.
    discrepancies: &'a [String],
    cancel_requested: bool,
    /// The posted balance of the wallet after the payment was completed; null before.
    #[schema(value_type = Option<values::MinorUnits>, required = true)]
    balance_after: Option<i64>,
    #[schema(value_type = values::CorrelationId)]
    correlation_id: &'a str,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    created_at: Option<Time>,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    updated_at: Option<Time>,
}

/// Why a payment failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
struct FailureBody<'a> {
    #[schema(value_type = values::ErrorCodeName)]
    code: &'a str,
    /// The gateway's own code, when it declined.
    #[schema(required = true, examples("do_not_honor"))]
    decline_code: Option<&'a str>,
    /// In words.
    message: &'a str,
}

impl<'a> FailureBody<'a> {
    fn of(failure: &'a PaymentFailure) -> Self {
        let PaymentFailure { code, decline_code, message } = failure;
        Self { code, decline_code: decline_code.as_deref(), message }
    }
}

/// A payment that is in the log and not decided yet.
pub(super) struct AcceptedPayment<'a> {
    pub id: PaymentId,
    pub user_id: Option<&'a UserId>,
    pub wallet_id: WalletId,
    pub money: Money,
    pub description: Option<&'a Sealed>,
    pub service_id: Option<&'a str>,
    pub metadata: Option<&'a Sealed>,
    pub gateway: Option<&'a GatewayName>,
    pub correlation_id: &'a CorrelationId,
}

impl<'a> PaymentBody<'a> {
    /// As the view has it.
    pub fn of(row: &'a PaymentRow) -> Self {
        Self {
            id: row.id,
            object: "payment",
            user_id: Some(&row.user_id),
            wallet_id: row.wallet_id,
            amount: row.money.amount().minor(),
            currency: row.money.currency().code(),
            description: text(row.description.as_ref()),
            service_id: row.service_id.as_deref(),
            metadata: json(row.metadata.as_ref()),
            status: row.status.as_str(),
            failure: row.failure.as_ref().map(FailureBody::of),
            gateway: row.gateway.as_ref(),
            gateway_reference: row.gateway_reference.as_deref(),
            attempts: row.attempts,
            captured_amount: row.captured_amount,
            refunded_amount: 0,
            discrepancies: &row.discrepancies,
            cancel_requested: false,
            balance_after: row.balance_after,
            correlation_id: &row.correlation_id,
            created_at: Some(Time(row.created_at)),
            updated_at: Some(Time(row.updated_at)),
        }
    }

    /// As it was asked for.
    pub fn accepted(asked: &AcceptedPayment<'a>) -> Self {
        Self {
            id: asked.id,
            object: "payment",
            user_id: asked.user_id,
            wallet_id: asked.wallet_id,
            amount: asked.money.amount().minor(),
            currency: asked.money.currency().code(),
            description: text(asked.description),
            service_id: asked.service_id,
            metadata: json(asked.metadata),
            status: PaymentStatus::Accepted.as_str(),
            failure: None,
            gateway: asked.gateway,
            gateway_reference: None,
            attempts: 0,
            captured_amount: 0,
            refunded_amount: 0,
            discrepancies: &[],
            cancel_requested: false,
            balance_after: None,
            correlation_id: asked.correlation_id.as_str(),
            created_at: None,
            updated_at: None,
        }
    }
}

/// The HTTP status that the status of a payment maps to. One that failed is a problem instead.
pub(super) fn http_status(status: PaymentStatus) -> Option<StatusCode> {
    match status {
        PaymentStatus::Accepted | PaymentStatus::Processing | PaymentStatus::InDoubt => {
            Some(StatusCode::ACCEPTED)
        }
        PaymentStatus::Completed => Some(StatusCode::CREATED),
        PaymentStatus::Failed => None,
    }
}

/// The numbers of a wallet.
#[derive(Serialize, ToSchema)]
#[schema(as = Balance)]
struct BalanceBody {
    /// What came in less what went out.
    #[schema(value_type = values::MinorUnits)]
    posted: i64,
    /// Held for payments that have not ended.
    #[schema(value_type = values::MinorUnits, examples(0))]
    pending_debits: i64,
    /// On its way in.
    #[schema(value_type = values::MinorUnits, examples(0))]
    pending_credits: i64,
    /// What can be spent now: posted less held.
    #[schema(value_type = values::MinorUnits)]
    available: i64,
}

impl BalanceBody {
    fn of(balances: Balances) -> Self {
        Self {
            posted: balances.posted(),
            pending_debits: balances.debits_pending,
            pending_credits: balances.credits_pending,
            available: balances.available(),
        }
    }
}

/// A wallet.
#[derive(Serialize, ToSchema)]
#[schema(as = Wallet)]
pub(super) struct WalletBody<'a> {
    #[schema(value_type = values::WalletId)]
    id: WalletId,
    #[schema(pattern = "^wallet$", examples("wallet"))]
    object: &'static str,
    #[schema(value_type = values::UserId)]
    user_id: &'a UserId,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::Label)]
    label: &'a WalletLabel,
    status: WalletStatus,
    balance: BalanceBody,
    /// How often its numbers have changed.
    #[schema(examples(1))]
    version: i64,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    created_at: Option<Time>,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    updated_at: Option<Time>,
}

/// Where a wallet stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(examples("active"))]
enum WalletStatus {
    /// The request to open it is in the log, and not decided yet.
    Accepted,
    /// It can be used.
    Active,
}

impl<'a> WalletBody<'a> {
    /// As the view has it.
    pub fn of(row: &'a WalletRow) -> Self {
        Self {
            id: row.id,
            object: "wallet",
            user_id: &row.user_id,
            currency: row.currency.code(),
            label: &row.label,
            status: WalletStatus::Active,
            balance: BalanceBody::of(row.balances),
            version: row.version,
            created_at: Some(Time(row.created_at)),
            updated_at: Some(Time(row.updated_at)),
        }
    }

    /// Asked for and not decided yet.
    pub fn accepted(
        id: WalletId,
        user_id: &'a UserId,
        currency: schemas::Currency,
        label: &'a WalletLabel,
    ) -> Self {
        Self {
            id,
            object: "wallet",
            user_id,
            currency: currency.code(),
            label,
            status: WalletStatus::Accepted,
            balance: BalanceBody::of(Balances::default()),
            version: 0,
            created_at: None,
            updated_at: None,
        }
    }
}

/// A deposit.
#[derive(Serialize, ToSchema)]
#[schema(as = Deposit)]
pub(super) struct DepositBody<'a> {
    #[schema(value_type = values::DepositId)]
    id: DepositId,
    #[schema(pattern = "^deposit$", examples("deposit"))]
    object: &'static str,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::RailName)]
    rail: &'a RailName,
    /// What the rail calls it.
    #[schema(examples("E2E-1001"))]
    reference: &'a str,
    status: DepositStatus,
    /// The posted balance of the wallet afterwards; null while nobody has decided the request.
    #[schema(value_type = Option<values::MinorUnits>, required = true)]
    balance_after: Option<i64>,
    #[schema(value_type = values::CorrelationId)]
    correlation_id: &'a str,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    created_at: Option<Time>,
}

/// Where a deposit stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(examples("recorded"))]
enum DepositStatus {
    /// It is in the log, and not decided yet.
    Accepted,
    /// The money is in the wallet.
    Recorded,
}

/// A deposit that is in the log and not decided yet.
pub(super) struct AcceptedDeposit<'a> {
    pub id: DepositId,
    pub wallet_id: WalletId,
    pub money: Money,
    pub rail: &'a RailName,
    pub reference: &'a str,
    pub correlation_id: &'a CorrelationId,
}

impl<'a> DepositBody<'a> {
    /// As the view has it.
    pub fn of(row: &'a DepositRow) -> Self {
        Self {
            id: row.id,
            object: "deposit",
            wallet_id: row.wallet_id,
            amount: row.money.amount().minor(),
            currency: row.money.currency().code(),
            rail: &row.rail,
            reference: &row.reference,
            status: DepositStatus::Recorded,
            balance_after: Some(row.balance_after),
            correlation_id: &row.correlation_id,
            created_at: Some(Time(row.created_at)),
        }
    }

    /// As it was asked for.
    pub fn accepted(asked: &AcceptedDeposit<'a>) -> Self {
        Self {
            id: asked.id,
            object: "deposit",
            wallet_id: asked.wallet_id,
            amount: asked.money.amount().minor(),
            currency: asked.money.currency().code(),
            rail: asked.rail,
            reference: asked.reference,
            status: DepositStatus::Accepted,
            balance_after: None,
            correlation_id: asked.correlation_id.as_str(),
            created_at: None,
        }
    }
}

/// A line of a statement.
#[derive(Serialize, ToSchema)]
#[schema(as = Transaction)]
pub(super) struct TransactionBody<'a> {
    #[schema(value_type = values::Position)]
    id: PositionText,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    /// The payment that moved the money, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::PaymentId, required = false)]
    payment_id: Option<PaymentId>,
    r#type: TransactionType,
    direction: Direction,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    /// The posted balance of the wallet afterwards.
    #[schema(value_type = values::MinorUnits)]
    balance_after: i64,
    #[schema(required = true, examples("Payment for services"))]
    description: Option<&'a str>,
    #[schema(value_type = values::Time)]
    created_at: Time,
    #[schema(value_type = values::CorrelationId)]
    correlation_id: &'a str,
    #[schema(value_type = values::Position)]
    position: PositionText,
}

/// What moved the money.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(examples("payment"))]
enum TransactionType {
    Deposit,
    Payment,
}

/// Which way the money went.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Direction {
    /// Out of the wallet.
    Debit,
    /// Into the wallet.
    Credit,
}

impl<'a> TransactionBody<'a> {
    /// The line of a movement; none when only pending money moved.
    pub fn of(movement: &'a WalletMovement) -> Option<Self> {
        let line = movement.line.as_ref()?;
        let (r#type, payment_id) = match line.kind {
            StatementKind::Deposit(_) => (TransactionType::Deposit, None),
            StatementKind::Payment(id) => (TransactionType::Payment, Some(id)),
        };
        let direction = match line.side {
            Side::Debit => Direction::Debit,
            Side::Credit => Direction::Credit,
        };
        Some(Self {
            id: PositionText(movement.position),
            wallet_id: movement.wallet_id,
            payment_id,
            r#type,
            direction,
            amount: line.amount.minor(),
            currency: line.currency.code(),
            balance_after: movement.balances.posted(),
            description: text(line.description.as_ref()),
            created_at: Time(movement.at),
            correlation_id: &line.correlation_id,
            position: PositionText(movement.position),
        })
    }
}

/// A sealed text that can be read here.
fn text(sealed: Option<&Sealed>) -> Option<&str> {
    sealed.and_then(Sealed::read_plaintext)
}

/// A sealed text that can be read here and is JSON; other producers may have sealed anything.
pub(super) fn json(sealed: Option<&Sealed>) -> Option<&RawValue> {
    text(sealed).and_then(|text| serde_json::from_str(text).ok())
}
