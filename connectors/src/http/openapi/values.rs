//! The values that stand in requests and answers, as the document describes them: what they may be,
//! and an example of each.
//!
//! The examples are those of the demo installation: what is copied out of the document works there.
//! These types are never made. They stand in for types of `schemas`, which knows no HTTP.

use std::borrow::Cow;

use schemas::read_model::PaymentStatus;
use schemas::{ErrorCode, MAX_AMOUNT_MINOR};
use serde_json::{Value, json};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The demo user.
pub(in crate::http) const USER_ID: &str = "123e4567-e89b-12d3-a456-426614174000";
/// His wallet in USD, whose id derives from him.
pub(in crate::http) const WALLET_ID: &str = "452c5386-b2ed-58b2-b56d-ea3caf79853e";
/// The key of the payment, and of the deposit, that the document shows.
pub(in crate::http) const KEY: &str = "order-1001";
/// The payment that this key asks of that wallet.
pub(in crate::http) const PAYMENT_ID: &str = "d74d9105-bf5b-8002-97e2-0d6bb8490645";
const DEPOSIT_ID: &str = "718cfce2-f9f8-852f-9939-43e8b8490645";
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

values! {
    /// A payment, derived from its wallet and its idempotency key.
    PaymentId = id(PAYMENT_ID);
    /// A wallet, derived from its user, currency and label.
    WalletId = id(WALLET_ID);
    /// A deposit, derived from its wallet and its idempotency key.
    DepositId = id(DEPOSIT_ID);
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
    /// The external rail that money comes in by.
    RailName = text("^[a-z0-9_-]{1,32}$", "sepa");
    /// What makes a retry the same request: visible ASCII. It never expires.
    IdempotencyKey = text("^[!-~]{1,255}$", KEY);
    /// Joins everything that one request sets in motion: visible ASCII.
    CorrelationId = string("order-1001");
    /// A place in the log, `<partition>-<offset>`.
    Position = text("^[0-9]+-[0-9]+$", "0-0");
    /// RFC 3339, UTC, with milliseconds.
    Time = string("2026-01-02T03:04:05.678Z").format(format(KnownFormat::DateTime));
    /// An amount to move, in minor units (cents of USD): 1 to 2^53-1.
    Amount = integer(10_000).minimum(Some(1_i64)).maximum(Some(MAX_AMOUNT_MINOR));
    /// An amount of money, in minor units (cents of USD).
    MinorUnits = integer(10_000);
    /// Where a payment stands.
    PaymentStatusName = names(PaymentStatus::ALL.map(PaymentStatus::as_str))
        .examples([PaymentStatus::Completed.as_str()]);
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

fn id(example: &str) -> ObjectBuilder {
    // Only this form: ids are compared as text.
    let pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
    text(pattern, example).format(Some(SchemaFormat::Custom("uuid".to_owned())))
}

fn format(format: KnownFormat) -> Option<SchemaFormat> {
    Some(SchemaFormat::KnownFormat(format))
}

#[cfg(test)]
mod tests {
    use schemas::{DepositId, OperationId, PaymentId, TenantId, WalletId, WalletLabel};

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
        assert_eq!(DepositId::derive(&tenant, wallet, &key).to_string(), DEPOSIT_ID);
        assert_eq!(OperationId::attempt(&tenant, payment, 1).to_string(), ATTEMPT_ID);
    }
}
