//! Parameters as the document describes them. An extractor describes what it takes, so a route that
//! lists its extractors among its `params` has all of them.

use schemas::read_model::PaymentStatus;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Ref, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Required, Schema};
use utoipa::{IntoParams, ToSchema};

use super::values::{self, integer, names, string, text};
use crate::gateway::signature::{SIMULATOR_SIGNATURE, STRIPE_SIGNATURE};
use crate::http::balances::AS_OF;
use crate::http::headers::{Key, LONGEST_WAIT_SECONDS, Wait};
use crate::http::page::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::http::path::{
    DepositPath, GatewayPath, OwnerPath, PaymentPath, RefundPath, TransferPath, WalletPath,
    WithdrawalPath,
};
use crate::http::query::{MIN_POSITION, ReadQuery};

/// Declares the parameters of an extractor.
macro_rules! parameters {
    ($($type:ty: [$($parameter:expr),* $(,)?];)*) => {$(
        impl IntoParams for $type {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![$($parameter),*]
            }
        }
    )*};
}

/// Parameters `limit` and `cursor` of a list.
pub(in crate::http) enum PageQuery {}

/// Parameter `label` of a wallet that is named by its owner.
pub(in crate::http) enum LabelQuery {}

/// Parameter `as_of` of a wallet.
pub(in crate::http) enum AsOfQuery {}

/// The filter of the list of what is in suspense.
pub(in crate::http) enum SuspenseFilterQuery {}

/// What notifications of gateways are signed with.
pub(in crate::http) enum SignatureHeaders {}

/// The filters of the list of payments.
pub(in crate::http) enum PaymentFilterQuery {}

/// Headers that every route of the API takes.
pub(super) enum AnyRequest {}

parameters! {
    PaymentPath: [path::<values::PaymentId>("payment_id", "Which payment.")];
    WalletPath: [path::<values::WalletId>("wallet_id", "Which wallet.")];
    RefundPath: [path::<values::RefundId>("refund_id", "Which refund.")];
    TransferPath: [path::<values::TransferId>("transfer_id", "Which transfer.")];
    GatewayPath: [path::<values::GatewayName>("name", "Which gateway.")];
    SignatureHeaders: [
        header(
            SIMULATOR_SIGNATURE,
            "Of the gateway simulator: `t=<Unix time>,v1=<hex of HMAC-SHA256>` over the time, a \
             dot and the body.",
            string("t=1767323045,v1=00").into(),
        ),
        header(STRIPE_SIGNATURE, "The same of Stripe.", string("t=1767323045,v1=00").into()),
    ];
    DepositPath: [path::<values::DepositId>("deposit_id", "Which deposit.")];
    WithdrawalPath: [path::<values::WithdrawalId>("withdrawal_id", "Which withdrawal.")];
    OwnerPath: [
        path::<values::UserId>("user_id", "Whose wallet."),
        path::<values::Currency>("currency", "In which currency."),
    ];
    Key: [header(
        "Idempotency-Key",
        "What makes a retry the same request: the same key with the same body is the same object, \
         for ever; with another body it is refused. Required in profile `production`; in profile \
         `dev` one is minted and returned.",
        reference::<values::IdempotencyKey>(),
    )];
    Wait: [header(
        "Prefer",
        &format!(
            "RFC 7240. `wait=N` holds the answer until the payment has ended, N seconds at most \
             ({LONGEST_WAIT_SECONDS} at most). What is not understood is ignored."
        ),
        string("wait=10").into(),
    )];
    ReadQuery: [
        query(
            MIN_POSITION,
            "Waits (2 seconds at most) until the view has applied this position; several are \
             separated by commas.",
            text(POSITIONS, "0-0").into(),
        ),
        header("Holdfast-Position", "The same as `min_position`.", text(POSITIONS, "0-0").into()),
    ];
    PageQuery: [
        query("limit", "How many rows.", limit().into()),
        query(
            "cursor",
            "Where the page begins: `next_cursor` of the page before. It stays valid while rows \
             are added, and is good for the same list only.",
            ObjectBuilder::new().schema_type(Type::String).into(),
        ),
    ];
    LabelQuery: [query(
        "label",
        "Which of the user's wallets in this currency; `main` unless given.",
        reference::<values::Label>(),
    )];
    AsOfQuery: [query(
        AS_OF,
        "What the wallet had then, that moment included: a time (RFC 3339), or a position of its \
         shard, which gives the same answer for ever. The answer says which entry a time resolved \
         to, and whether anything earlier can still turn up.",
        string("2026-01-02T03:04:05.678Z").into(),
    )];
    SuspenseFilterQuery: [
        query("wallet_id", "Of this wallet.", reference::<values::WalletId>()),
    ];
    PaymentFilterQuery: [
        query("wallet_id", "Of this wallet.", reference::<values::WalletId>()),
        query("user_id", "Of this user.", reference::<values::UserId>()),
        query(
            "status",
            "In this status.",
            names(PaymentStatus::ALL.map(PaymentStatus::as_str))
                .examples([PaymentStatus::Completed.as_str()])
                .into(),
        ),
        query("gateway", "Whose latest attempt is at this gateway.",
            reference::<values::GatewayName>()),
        query("created_from", "Created then or later.", reference::<values::Time>()),
        query("created_to", "Created before then.", reference::<values::Time>()),
    ];
    AnyRequest: [
        header(
            "X-Correlation-Id",
            "Joins everything that the request sets in motion, in events, logs and answers: 1 to \
             128 visible ASCII characters. Without a valid one, the trace id of `traceparent` is \
             taken, or one is minted.",
            reference::<values::CorrelationId>(),
        ),
        header(
            "traceparent",
            "W3C Trace Context.",
            string("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").into(),
        ),
    ];
}

/// One position, or several separated by commas.
const POSITIONS: &str = "^[0-9]+-[0-9]+(, *[0-9]+-[0-9]+)*$";

fn limit() -> ObjectBuilder {
    let default = Some(DEFAULT_LIMIT.into());
    integer(20).minimum(Some(1_i64)).maximum(Some(MAX_LIMIT)).default(default)
}

fn path<T: ToSchema>(name: &str, description: &str) -> Parameter {
    parameter(ParameterIn::Path, name, description, reference::<T>())
}

fn query(name: &str, description: &str, schema: RefOr<Schema>) -> Parameter {
    parameter(ParameterIn::Query, name, description, schema)
}

fn header(name: &str, description: &str, schema: RefOr<Schema>) -> Parameter {
    parameter(ParameterIn::Header, name, description, schema)
}

fn parameter(
    place: ParameterIn,
    name: &str,
    description: &str,
    schema: RefOr<Schema>,
) -> Parameter {
    let required =
        if matches!(place, ParameterIn::Path) { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}
