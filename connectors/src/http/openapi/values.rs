//! The values that stand in requests and answers, as the document describes them: what they may be,
//! and an example of each.
//!
//! The examples are those of the demo installation: what is copied out of the document works there.
//! These types are never made. They stand in for types of `schemas`, which knows no HTTP.

use std::borrow::Cow;

use schemas::account::Side;
use schemas::event::{Proof, RefundCause, RefundDestination};
use schemas::inputs::{GatewayOperationKind, ResolvedOutcome};
use schemas::read_model::{PaymentStatus, RefundStatus, TransferStatus};
use schemas::{ErrorCode, MAX_AMOUNT_MINOR};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::gateway::table::{GatewayKind, InquiryKind};
use crate::http::gateways::{AGES, OLDEST};
use crate::ports::BreakerWord;

/// The demo user.
pub(in crate::http) const USER_ID: &str = "123e4567-e89b-12d3-a456-426614174000";
/// His wallet in USD, whose id derives from him.
pub(in crate::http) const WALLET_ID: &str = "452c5386-b2ed-58b2-b56d-ea3caf79853e";
/// Where he puts money aside: the same with label `savings`.
pub(in crate::http) const OTHER_WALLET_ID: &str = "bee2ddf7-75b5-5505-9d7a-7442bf9b726a";
/// The key of the payment, and of everything else, that the document shows.
pub(in crate::http) const KEY: &str = "order-1001";
/// The payment that this key asks of that wallet.
pub(in crate::http) const PAYMENT_ID: &str = "d74d9105-bf5b-8002-97e2-0d6bb8490645";
/// What else it asks of that wallet, and of that payment.
pub(in crate::http) const DEPOSIT_ID: &str = "718cfce2-f9f8-852f-9939-43e8b8490645";
pub(in crate::http) const WITHDRAWAL_ID: &str = "0a466f44-9035-8e01-8788-0a36b8490645";
pub(in crate::http) const TRANSFER_ID: &str = "d2862721-1018-8c05-b7fb-ddf7b8490645";
pub(in crate::http) const REFUND_ID: &str = "d52f4993-ac02-8874-b63a-d5b7b8490645";
/// The first attempt of that payment.
pub(in crate::http) const ATTEMPT_ID: &str = "ceb75d82-4d1d-88fe-8d42-c880b8490645";

pub(super) const REQUEST_ID: &str = "0f8c2f6a-3a0e-4f4c-9a52-7b1d6c1e2f30";

/// Declares a value: its name in the document is the type's, its description the doc comment.
macro_rules! values {
    ($($(#[doc = $doc:literal])* $name:ident = $schema:expr;)*) => {
    $(
        $(#[doc = $doc])*
        pub(in crate::http) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description = [$($doc),*].map(str::trim).join(" ");
                $schema.description(Some(description)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*

        /// All of them by name: parameters name some that no body has.
        pub(super) fn all() -> Vec<(String, RefOr<Schema>)> {
            vec![$(($name::name().into_owned(), $name::schema())),*]
        }
    };
}

/// The names of an enum, each of which must stand here: else it does not compile.
macro_rules! every {
    ($type:ident: $first:ident $($variant:ident)*) => {{
        let _complete = |value: $type| match value {
            $type::$first $(| $type::$variant)* => {}
        };
        named([$type::$first, $($type::$variant),*])
    }};
}

values! {
    /// A payment, derived from its wallet and its idempotency key.
    PaymentId = id(PAYMENT_ID);
    /// A wallet, derived from its user, currency and label.
    WalletId = id(WALLET_ID);
    /// A deposit, derived from its wallet and its idempotency key.
    DepositId = id(DEPOSIT_ID);
    /// A withdrawal, derived from its wallet and its idempotency key.
    WithdrawalId = id(WITHDRAWAL_ID);
    /// A deposit or a withdrawal, derived from its wallet and its idempotency key.
    RailFactId = id(DEPOSIT_ID);
    /// A refund, derived from its payment and its idempotency key.
    RefundId = id(REFUND_ID);
    /// A transfer, derived from the sending wallet and its idempotency key.
    TransferId = id(TRANSFER_ID);
    /// An attempt or a refund; also the idempotency key that the gateway gets.
    OperationId = id(ATTEMPT_ID);
    /// An attempt of a payment; also the idempotency key that the gateway gets.
    AttemptId = id(ATTEMPT_ID);
    /// Names this one HTTP request; also in the log.
    RequestId = id(REQUEST_ID);
    /// Who owns a wallet: opaque, no personal data.
    UserId = text("^[A-Za-z0-9_-]{1,64}$", USER_ID);
    /// Which of a user's wallets in one currency.
    Label = text("^[a-z0-9_-]{1,32}$", "main");
    /// ISO 4217, in upper case.
    Currency = text("^[A-Z]{3}$", "USD");
    /// The name of a gateway.
    GatewayName = text("^[a-z0-9_-]{1,32}$", "simulator");
    /// The external rail that money comes in or leaves by.
    RailName = text("^[a-z0-9_-]{1,32}$", "sepa");
    /// What makes a retry the same request: visible ASCII. It never expires.
    IdempotencyKey = text("^[!-~]{1,255}$", KEY);
    /// Joins everything that one request sets in motion: visible ASCII.
    CorrelationId = string("order-1001");
    /// A place in the log, `<partition>-<offset>`.
    Position = text("^[0-9]+-[0-9]+$", "0-0");
    /// RFC 3339, UTC, with milliseconds.
    Time = string("2026-01-02T03:04:05.678Z")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    /// An amount to move, in minor units (cents of USD): 1 to 2^53-1.
    Amount = integer(10_000).minimum(Some(1_i64)).maximum(Some(MAX_AMOUNT_MINOR));
    /// An amount of money, in minor units (cents of USD).
    MinorUnits = integer(10_000);
    /// A limit, in minor units; 0 forbids all.
    Bound = integer(50_000).minimum(Some(0_i64));
    /// Where a payment stands.
    PaymentStatusName = names(PaymentStatus::ALL.map(PaymentStatus::as_str))
        .examples([PaymentStatus::Completed.as_str()]);
    /// Where a refund stands.
    RefundStatusName =
        every!(RefundStatus: Succeeded Accepted Processing InDoubt NeedsReview Failed);
    /// Where a transfer stands.
    TransferStatusName = every!(TransferStatus: Completed Accepted Held Failed);
    /// Where the payment or the transfer stands that money is held for.
    HoldStatusName = names(["processing", "in_doubt", "needs_review", "held"]);
    /// What a wallet may be used for: everything, no new debits, nothing any more; or, `accepted`,
    /// nobody has decided yet to open it.
    WalletStatusName = names(["active", "frozen", "closed", "accepted"]);
    /// What it is a record of.
    RailFactName = names(["deposit", "withdrawal"]);
    /// Whether it stands; or, `accepted`, nobody has decided yet.
    RailFactStatusName = names(["recorded", "reversed", "accepted"]);
    /// What moved the money of a line of a statement.
    TransactionTypeName = names([
        "payment",
        "deposit",
        "withdrawal",
        "deposit_reversal",
        "withdrawal_reversal",
        "refund",
        "transfer_in",
        "transfer_out",
    ]);
    /// Which way money goes: out of the account, or into it.
    SideName = every!(Side: Debit Credit);
    /// Why a charge is given back: somebody asked for it, or it is for a payment that had failed,
    /// was cancelled, or was charged already.
    RefundCauseName = every!(RefundCause: Asked UnwantedCharge);
    /// Where refunded money goes: back to the wallet; or to suspense, when the wallet is closed or
    /// never paid.
    RefundDestinationName = every!(RefundDestination: Wallet Suspense);
    /// How something in review ended: the gateway did it, or never did it and never will.
    ResolvedOutcomeName = every!(ResolvedOutcome: Failed Succeeded);
    /// What kind a gateway is.
    GatewayKindName = every!(GatewayKind: Simulator InProcess Stripe);
    /// What a gateway's "not found" is worth: a proof, after the ingestion window; a hint; or it
    /// cannot be asked.
    InquiryKindName = every!(InquiryKind: Authoritative Advisory None);
    /// Whether a gateway is called: it is, it is not, or once in a while, to see.
    BreakerStateName = names(BreakerWord::ALL.map(BreakerWord::label));
    /// How long ago the payment was requested.
    DoubtAgeName = names(AGES.map(|(name, _)| name).into_iter().chain([OLDEST]));
    /// An event as its gateway writes it.
    GatewayEvent = ObjectBuilder::new().schema_type(Type::Object).examples([json!({
        "id": "evt_1", "type": "charge.succeeded", "created": 1_767_323_045_729_i64,
        "charge": {
            "id": "ch_1", "status": "succeeded", "amount": 10000, "currency": "USD",
            "reference": PAYMENT_ID, "attempt_id": ATTEMPT_ID, "idempotency_key": ATTEMPT_ID,
            "created": 1_767_323_045_729_i64,
        },
    })]);
    /// What can be asked of a gateway, or heard from it unasked (`notify`, `notify_refund`).
    GatewayOperationName = every!(
        GatewayOperationKind: Submit Inquire Refund InquireRefund Notify NotifyRefund
    );
    /// What the answer of a gateway proves about what it may have received: nothing; that this
    /// operation never reached it; that no operation of this attempt ever did.
    ProofName = every!(Proof: Nothing NotSent NeverReceived);
    /// The stable code of a refusal: it never changes its meaning or its status.
    ErrorCodeName = names(ErrorCode::ALL.iter().copied().map(ErrorCode::code))
        .examples([ErrorCode::InsufficientFunds.code()]);
    /// Where the record of an input stands.
    Offset = integer(16);
}

/// A whole number that is no money.
pub(super) fn integer(example: i64) -> ObjectBuilder {
    let format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    ObjectBuilder::new().schema_type(Type::Integer).format(format).examples([json!(example)])
}

/// A text.
pub(super) fn string(example: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).examples([Value::from(example)])
}

/// A text of this form.
pub(super) fn text(pattern: &str, example: &str) -> ObjectBuilder {
    string(example).pattern(Some(pattern))
}

/// One of several texts.
pub(super) fn names(names: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))
}

/// One of several names, as they are written.
fn named<T: Serialize, const N: usize>(values: [T; N]) -> ObjectBuilder {
    let names = values.map(|value| serde_json::to_value(value).expect("a name is JSON"));
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names))
}

fn id(example: &str) -> ObjectBuilder {
    // Only this form: ids are compared as text.
    let pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
    text(pattern, example).format(Some(SchemaFormat::Custom("uuid".to_owned())))
}

#[cfg(test)]
mod tests {
    use schemas::{
        DepositId, OperationId, PaymentId, RefundId, TenantId, TransferId, WalletId, WalletLabel,
        WithdrawalId,
    };

    use super::*;

    #[test]
    fn the_examples_are_those_of_the_demo() {
        let tenant = TenantId::default_tenant();
        let user = USER_ID.parse().expect("a user");
        let currency = "USD".parse().expect("a currency");
        let wallet = WalletId::derive(&tenant, &user, currency, &WalletLabel::main());
        let key = KEY.parse().expect("a key");
        let payment = PaymentId::derive(&tenant, wallet, &key);
        assert_eq!(wallet.to_string(), WALLET_ID);
        assert_eq!(payment.to_string(), PAYMENT_ID);
        let savings = "savings".parse().expect("a label");
        let other = WalletId::derive(&tenant, &user, currency, &savings);
        assert_eq!(other.to_string(), OTHER_WALLET_ID);
        assert_eq!(DepositId::derive(&tenant, wallet, &key).to_string(), DEPOSIT_ID);
        assert_eq!(WithdrawalId::derive(&tenant, wallet, &key).to_string(), WITHDRAWAL_ID);
        assert_eq!(TransferId::derive(&tenant, wallet, &key).to_string(), TRANSFER_ID);
        assert_eq!(RefundId::derive(&tenant, payment, &key).to_string(), REFUND_ID);
        assert_eq!(OperationId::attempt(&tenant, payment, 1).to_string(), ATTEMPT_ID);
    }
}
