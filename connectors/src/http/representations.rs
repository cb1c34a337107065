//! Objects as callers see them, built from the rows of the views.
//!
//! What is not known yet is null, never a guess: an accepted request has no times and no owner
//! until the ledger has decided it.

use axum::http::StatusCode;
use schemas::account::{Balances, Side};
use schemas::read_model::{
    PaymentFailure, PaymentRow, PaymentStatus, StatementKind, WalletLimits, WalletMovement,
    WalletRow,
};
use schemas::{
    CorrelationId, DepositId, GatewayName, Money, PaymentId, Position, RefundId, Sealed, Timestamp,
    TransferId, UserId, WalletId, WalletLabel, WithdrawalId,
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

/// Why something failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub(super) struct FailureBody<'a> {
    #[schema(value_type = values::ErrorCodeName)]
    code: &'a str,
    /// The gateway's own code, when it declined.
    #[schema(required = true, examples("do_not_honor"))]
    decline_code: Option<&'a str>,
    /// In words.
    message: &'a str,
}

impl<'a> FailureBody<'a> {
    pub fn of(failure: &'a PaymentFailure) -> Self {
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
            refunded_amount: row.refunded_amount,
            discrepancies: &row.discrepancies,
            cancel_requested: row.cancel_requested,
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
        PaymentStatus::Accepted
        | PaymentStatus::Processing
        | PaymentStatus::InDoubt
        | PaymentStatus::NeedsReview => Some(StatusCode::ACCEPTED),
        PaymentStatus::Completed
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded
        | PaymentStatus::Cancelled => Some(StatusCode::CREATED),
        PaymentStatus::Failed => None,
    }
}

/// The numbers of a wallet.
#[derive(Serialize, ToSchema)]
#[schema(as = Balance)]
pub(super) struct BalanceBody {
    /// What came in less what went out.
    #[schema(value_type = values::MinorUnits)]
    posted: i64,
    /// Held for payments and transfers that have not ended.
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
    pub fn of(balances: Balances) -> Self {
        Self {
            posted: balances.posted(),
            pending_debits: balances.debits_pending,
            pending_credits: balances.credits_pending,
            available: balances.available(),
        }
    }
}

/// What payments may take from a wallet; null is no limit.
#[derive(Serialize, ToSchema)]
#[schema(as = Limits)]
struct LimitsBody {
    /// The most that one payment may take.
    #[schema(value_type = Option<values::MinorUnits>, required = true)]
    per_payment: Option<i64>,
    /// The most that all payments of a day (UTC) together may take.
    #[schema(value_type = Option<values::MinorUnits>, required = true)]
    per_day: Option<i64>,
    /// How many payments may be under way at a time.
    #[schema(required = true, examples(10))]
    in_flight: Option<i32>,
}

impl LimitsBody {
    fn of(limits: WalletLimits) -> Self {
        let WalletLimits { per_payment, per_day, in_flight } = limits;
        Self { per_payment, per_day, in_flight }
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
    #[schema(value_type = values::WalletStatusName)]
    status: &'static str,
    balance: BalanceBody,
    limits: LimitsBody,
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

impl<'a> WalletBody<'a> {
    /// As the view has it.
    pub fn of(row: &'a WalletRow) -> Self {
        Self {
            id: row.id,
            object: "wallet",
            user_id: &row.user_id,
            currency: row.currency.code(),
            label: &row.label,
            status: row.status.as_str(),
            balance: BalanceBody::of(row.balances),
            limits: LimitsBody::of(row.limits),
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
            status: "accepted",
            balance: BalanceBody::of(Balances::default()),
            limits: LimitsBody::of(WalletLimits::default()),
            version: 0,
            created_at: None,
            updated_at: None,
        }
    }
}

/// What moved the money of a line: the ids that it has.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = TransactionSubject)]
#[expect(clippy::struct_field_names, reason = "as callers see them")]
struct LineSubject {
    /// Of a payment and of a refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::PaymentId, required = false)]
    payment_id: Option<PaymentId>,
    /// Of a refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::RefundId, required = false)]
    refund_id: Option<RefundId>,
    /// Of a transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::TransferId, required = false)]
    transfer_id: Option<TransferId>,
    /// Of a deposit and of its reversal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::DepositId, required = false)]
    deposit_id: Option<DepositId>,
    /// Of a withdrawal and of its reversal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::WithdrawalId, required = false)]
    withdrawal_id: Option<WithdrawalId>,
}

impl LineSubject {
    fn of(kind: StatementKind) -> Self {
        let nothing = Self::default();
        match kind {
            StatementKind::Payment(id) => Self { payment_id: Some(id), ..nothing },
            StatementKind::Refund(payment, refund) => {
                Self { payment_id: Some(payment), refund_id: Some(refund), ..nothing }
            }
            StatementKind::Deposit(id) | StatementKind::DepositReversal(id) => {
                Self { deposit_id: Some(id), ..nothing }
            }
            StatementKind::Withdrawal(id) | StatementKind::WithdrawalReversal(id) => {
                Self { withdrawal_id: Some(id), ..nothing }
            }
            StatementKind::TransferIn(id) | StatementKind::TransferOut(id) => {
                Self { transfer_id: Some(id), ..nothing }
            }
        }
    }
}

/// A line of a statement.
#[derive(Serialize, ToSchema)]
#[schema(as = Transaction, examples(json!({
    "id": "0-17", "wallet_id": values::WALLET_ID, "payment_id": values::PAYMENT_ID,
    "type": "payment", "direction": "debit", "amount": 10000, "currency": "USD",
    "balance_after": 990_000, "description": "Payment for services",
    "created_at": "2026-01-02T03:04:05.731Z", "correlation_id": values::KEY, "position": "0-17",
})))]
pub(super) struct TransactionBody<'a> {
    #[schema(value_type = values::Position)]
    id: PositionText,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    #[serde(flatten)]
    subject: LineSubject,
    /// What moved the money.
    #[schema(value_type = values::TransactionTypeName)]
    r#type: &'static str,
    /// Out of the wallet, or into it.
    #[schema(value_type = values::SideName)]
    direction: Side,
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

impl<'a> TransactionBody<'a> {
    /// The line of a movement; none when only pending money moved.
    pub fn of(movement: &'a WalletMovement) -> Option<Self> {
        let line = movement.line.as_ref()?;
        Some(Self {
            id: PositionText(movement.position),
            wallet_id: movement.wallet_id,
            subject: LineSubject::of(line.kind),
            r#type: line.kind.as_str(),
            direction: line.side,
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
pub(super) fn text(sealed: Option<&Sealed>) -> Option<&str> {
    sealed.and_then(Sealed::read_plaintext)
}

/// A sealed text that can be read here and is JSON; other producers may have sealed anything.
pub(super) fn json(sealed: Option<&Sealed>) -> Option<&RawValue> {
    text(sealed).and_then(|text| serde_json::from_str(text).ok())
}
