//! What each route can say no with: the one list, from which the document has it.
//!
//! `connectors/tests/http/error_table.rs` holds it against the routes: each of these has a request
//! that causes it, and no request causes another.

use std::collections::BTreeMap;

use schemas::ErrorCode as E;
use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::{AllOfBuilder, Ref, Type};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, RefOr, Response, ResponseBuilder,
};

use super::values;
use crate::http::error_page::ERRORS_PATH;
use crate::http::problem::{ProblemBody, tells_when_to_retry};

/// The media type of every refusal.
pub(super) const PROBLEM: &str = "application/problem+json";

/// Every route of the API: the door may be taken, and a defect may be met.
const ANY: &[E] = &[E::Overloaded, E::Internal];
/// Whatever looks.
const READ: &[E] = &[E::InvalidRequest, E::PositionNotReached];
/// Whatever looks at one payment.
const OF_PAYMENT: &[E] = &[E::FieldInvalid, E::PaymentNotFound];
/// Whatever looks at one wallet.
const OF_WALLET: &[E] = &[E::FieldInvalid, E::WalletNotFound];
/// Lists.
const PAGED: &[E] = &[E::CursorInvalid, E::FieldInvalid];
/// Whatever goes into the log.
const SENT: &[E] = &[
    E::InvalidRequest,
    E::PayloadTooLarge,
    E::UnsupportedMediaType,
    E::FieldInvalid,
    E::TooManyInFlight,
    E::LogUnavailable,
    E::NotReady,
];
/// Whatever moves money.
const KEYED: &[E] = &[E::IdempotencyKeyRequired, E::IdempotencyKeyInvalid, E::IdempotencyKeyReused];
const OF_AMOUNT: &[E] = &[E::AmountNotPositive, E::AmountTooLarge];
const OF_CURRENCY: &[E] = &[E::CurrencyUnknown];
/// Payments: what the ledger and the gateway say.
const PAID: &[E] = &[
    E::InsufficientFunds,
    E::PaymentDeclined,
    E::GatewayUnavailable,
    E::ResolvedAsFailed,
    E::LimitExceeded,
    E::WalletFrozen,
    E::WalletClosed,
    E::DeadlineExceeded,
    E::WalletNotFound,
    E::WalletMismatch,
    E::CurrencyMismatch,
    E::GatewayUnknown,
];
/// Deposits: the wallet is looked up first.
const DEPOSITED: &[E] =
    &[E::WalletNotFound, E::PositionNotReached, E::DeadlineExceeded, E::ReferenceAlreadyRecorded];
/// What is asked of something that exists.
const CHANGED: &[E] = &[E::PositionNotReached, E::DeadlineExceeded];
const CANCELLED: &[E] = &[E::PaymentNotFound, E::PaymentNotCancellable];
const REFUNDED: &[E] = &[
    E::PaymentNotFound,
    E::PaymentNotRefundable,
    E::RefundExceedsCaptured,
    E::RefundDeclined,
    E::GatewayUnavailable,
    E::ResolvedAsFailed,
];
/// What a person decides.
const RESOLVED: &[E] = &[E::NotInReview, E::ResolutionConflicts];
const TRANSFERRED: &[E] = &[
    E::InsufficientFunds,
    E::WalletNotFound,
    E::WalletFrozen,
    E::WalletClosed,
    E::SameWallet,
    E::CurrencyMismatch,
];
const WITHDRAWN: &[E] = &[
    E::InsufficientFunds,
    E::WalletNotFound,
    E::WalletFrozen,
    E::WalletClosed,
    E::ReferenceAlreadyRecorded,
];
const ON_WALLET: &[E] = &[E::WalletNotFound, E::WalletClosed];
const CLOSED: &[E] = &[E::WalletNotFound, E::WalletNotEmpty, E::WalletHasOpenOperations];
/// Whatever looks at the past.
const PAST: &[E] = &[E::AsOfInFuture];
const OF_REFUND: &[E] = &[E::FieldInvalid, E::RefundNotFound];
const OF_TRANSFER: &[E] = &[E::FieldInvalid, E::TransferNotFound];
const OF_DEPOSIT: &[E] = &[E::DepositNotFound, E::AmountTooLarge];
const OF_WITHDRAWAL: &[E] = &[E::WithdrawalNotFound, E::AmountTooLarge];

/// What a gateway says unasked.
const NOTIFIED: &[E] = &[
    E::InvalidRequest,
    E::SignatureInvalid,
    E::GatewayNotFound,
    E::PayloadTooLarge,
    E::LogUnavailable,
    E::NotReady,
];
const OF_GATEWAY: &[E] = &[E::GatewayNotFound];
const OF_QUERY: &[E] = &[E::InvalidRequest];

/// Declares what a route can refuse, as a type that `#[utoipa::path]` takes among its responses.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $($codes:ident)*;)*) => {$(
        $(#[$doc])*
        pub(in crate::http) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                responses(&[ANY, $($codes),*])
            }
        }
    )*};
}

refusals! {
    /// `POST /payments`
    Pay = SENT KEYED OF_AMOUNT OF_CURRENCY PAID;
    /// `GET /payments`
    ListPayments = READ PAGED;
    /// `GET /payments/{payment_id}`, `GET /sagas/{payment_id}`
    LookAtPayment = READ OF_PAYMENT;
    /// `GET /payments/{payment_id}/events`, `GET /payments/{payment_id}/refunds`
    ListOfPayment = READ OF_PAYMENT PAGED;
    /// `POST /payments/{payment_id}/cancel`
    Cancel = SENT CHANGED CANCELLED;
    /// `POST /payments/{payment_id}/refunds`
    Refund = SENT CHANGED KEYED OF_AMOUNT REFUNDED;
    /// `POST /payments/{payment_id}/resolve`
    ResolvePayment = SENT CHANGED OF_AMOUNT OF_PAYMENT RESOLVED;
    /// `GET /refunds/{refund_id}`
    LookAtRefund = READ OF_REFUND;
    /// `POST /refunds/{refund_id}/resolve`
    ResolveRefund = SENT CHANGED OF_AMOUNT OF_REFUND RESOLVED;
    /// `POST /transfers`
    Transfer = SENT CHANGED KEYED OF_AMOUNT TRANSFERRED;
    /// `GET /transfers/{transfer_id}`
    LookAtTransfer = READ OF_TRANSFER;
    /// `GET /suspense`
    ListSuspense = READ PAGED;
    /// `GET /gateways`
    ListGateways = OF_QUERY;
    /// `GET /gateways/{name}/exposure`
    LookAtExposure = READ OF_GATEWAY;
    /// `POST /gateways/{name}/notifications`
    TakeNotification = NOTIFIED;
    /// `POST /wallets`
    OpenWallet = SENT OF_CURRENCY;
    /// `GET /wallets/{wallet_id}`
    LookAtWallet = READ OF_WALLET PAST;
    /// `GET /wallets/{user_id}/{currency}`
    LookAtWalletOfOwner = READ OF_WALLET OF_CURRENCY PAST;
    /// `GET /wallets/{wallet_id}/holds`, `GET /wallets/{wallet_id}/transactions`
    ListOfWallet = READ OF_WALLET PAGED;
    /// `GET /wallets/{user_id}/{currency}/transactions`
    ListOfWalletOfOwner = READ OF_WALLET OF_CURRENCY PAGED;
    /// `POST /wallets/{wallet_id}/freeze` and `/unfreeze`, `PUT /wallets/{wallet_id}/limits`
    ChangeWallet = SENT CHANGED ON_WALLET;
    /// `POST /wallets/{wallet_id}/close`
    CloseWallet = SENT CHANGED CLOSED;
    /// `POST /wallets/{wallet_id}/deposits`
    Deposit = SENT KEYED OF_AMOUNT DEPOSITED;
    /// `POST /wallets/{wallet_id}/withdrawals`
    Withdraw = SENT CHANGED KEYED OF_AMOUNT WITHDRAWN;
    /// `POST /deposits/{deposit_id}/reverse`
    ReverseDeposit = SENT CHANGED OF_DEPOSIT;
    /// `POST /withdrawals/{withdrawal_id}/reverse`
    ReverseWithdrawal = SENT CHANGED OF_WITHDRAWAL;
}

/// One answer for each status, with the codes that have it.
fn responses(sets: &[&[E]]) -> BTreeMap<String, RefOr<Response>> {
    // In the order of the table of all codes.
    let given = |code: &&E| sets.iter().any(|set| set.contains(code));
    let mut by_status: BTreeMap<u16, Vec<E>> = BTreeMap::new();
    for code in E::ALL.iter().filter(given) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    let answer = |(status, codes): (u16, Vec<E>)| (status.to_string(), refusal(status, &codes));
    by_status.into_iter().map(answer).collect()
}

fn refusal(status: u16, codes: &[E]) -> RefOr<Response> {
    let meanings = codes.iter().map(|code| format!("`{}`: {}", code.code(), code.meaning()));
    let code = values::names(codes.iter().copied().map(E::code));
    let status = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([status]));
    let narrowed = ObjectBuilder::new().property("code", code).property("status", status);
    let problem = Ref::from_schema_name(ProblemBody::name());
    let schema = AllOfBuilder::new().item(problem).item(narrowed);
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new().summary(code.meaning()).value(Some(example(*code)));
        (code.code(), example)
    });
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    let mut response = ResponseBuilder::new()
        .description(meanings.collect::<Vec<_>>().join("\n\n"))
        .content(PROBLEM, content);
    if codes.iter().copied().any(tells_when_to_retry) {
        let header = HeaderBuilder::new()
            .schema(Some(values::integer(1)))
            .description(Some("Seconds after which it may help to repeat the request."));
        response = response.header("Retry-After", header.build());
    }
    response.into()
}

fn example(code: E) -> Value {
    let document = format!("{ERRORS_PATH}#{}", code.code());
    json!({
        "type": document,
        "title": code.meaning(),
        "status": code.status(),
        "detail": code.meaning(),
        "code": code.code(),
        "request_id": values::REQUEST_ID,
        "retryable": code.is_retryable(),
        "doc_url": document,
    })
}
