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
#[derive(Serialize)]
pub(super) struct PaymentBody<'a> {
    id: PaymentId,
    object: &'static str,
    user_id: Option<&'a UserId>,
    wallet_id: WalletId,
    amount: i64,
    currency: &'static str,
    description: Option<&'a str>,
    service_id: Option<&'a str>,
    metadata: Option<&'a RawValue>,
    status: &'static str,
    failure: Option<&'a PaymentFailure>,
    gateway: Option<&'a GatewayName>,
    gateway_reference: Option<&'a str>,
    attempts: i32,
    captured_amount: i64,
    refunded_amount: i64,
    discrepancies: &'a [String],
    cancel_requested: bool,
    balance_after: Option<i64>,
    correlation_id: &'a str,
    created_at: Option<Time>,
    updated_at: Option<Time>,
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
            failure: row.failure.as_ref(),
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
#[derive(Serialize)]
pub(super) struct BalanceBody {
    posted: i64,
    pending_debits: i64,
    pending_credits: i64,
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
#[derive(Serialize)]
struct LimitsBody {
    per_payment: Option<i64>,
    per_day: Option<i64>,
    in_flight: Option<i32>,
}

impl LimitsBody {
    fn of(limits: WalletLimits) -> Self {
        let WalletLimits { per_payment, per_day, in_flight } = limits;
        Self { per_payment, per_day, in_flight }
    }
}

/// A wallet.
#[derive(Serialize)]
pub(super) struct WalletBody<'a> {
    id: WalletId,
    object: &'static str,
    user_id: &'a UserId,
    currency: &'static str,
    label: &'a WalletLabel,
    status: &'static str,
    balance: BalanceBody,
    limits: LimitsBody,
    version: i64,
    created_at: Option<Time>,
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
#[derive(Default, Serialize)]
#[expect(clippy::struct_field_names, reason = "as callers see them")]
struct LineSubject {
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<PaymentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<RefundId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer_id: Option<TransferId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_id: Option<DepositId>,
    #[serde(skip_serializing_if = "Option::is_none")]
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
#[derive(Serialize)]
pub(super) struct TransactionBody<'a> {
    id: PositionText,
    wallet_id: WalletId,
    #[serde(flatten)]
    subject: LineSubject,
    r#type: &'static str,
    direction: Side,
    amount: i64,
    currency: &'static str,
    balance_after: i64,
    description: Option<&'a str>,
    created_at: Time,
    correlation_id: &'a str,
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
