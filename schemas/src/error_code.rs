//! The stable codes of refusals: one table for the ledger, the API and the documents.
//!
//! A code never changes its meaning or its HTTP status. docs/errors.md is this table.

use serde::{Deserialize, Serialize};

/// Declares the enum, its texts and the table of all codes together.
macro_rules! error_codes {
    ($($name:ident $status:literal $retryable:literal $code:literal $meaning:literal;)*) => {
        /// The stable code of a refusal or a failure.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        pub enum ErrorCode {
            $(#[doc = $meaning] $name,)*
        }

        impl ErrorCode {
            /// Every code, by HTTP status.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as callers see it.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it, always.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the same request may succeed later, unchanged.
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }

            /// What it means and what to do, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

error_codes! {
    InvalidRequest 400 false "invalid_request"
        "The request is malformed: not JSON, an unknown field, or a value of the wrong type.";
    IdempotencyKeyRequired 400 false "idempotency_key_required"
        "A POST that moves money needs an Idempotency-Key header.";
    IdempotencyKeyInvalid 400 false "idempotency_key_invalid"
        "An Idempotency-Key is 1 to 255 visible ASCII characters.";
    SignatureInvalid 401 false "signature_invalid"
        "The notification is not signed by the gateway: nothing of it was believed.";
    InsufficientFunds 402 false "insufficient_funds"
        "The wallet has less available than the amount; nothing was held.";
    PaymentDeclined 402 false "payment_declined"
        "The gateway declined the payment; the money was released.";
    GatewayUnavailable 402 false "gateway_unavailable"
        "The gateway could not be reached in time; nothing was charged, the money was released.";
    RefundDeclined 402 false "refund_declined"
        "The gateway declined the refund; nothing came back.";
    ResolvedAsFailed 402 false "resolved_as_failed"
        "A person found that the gateway moved no money; what was held was released.";
    NotFound 404 false "not_found"
        "There is nothing at this path.";
    WalletNotFound 404 false "wallet_not_found"
        "There is no such wallet; open it first.";
    PaymentNotFound 404 true "payment_not_found"
        "There is no such payment, or the view has not seen it yet.";
    RefundNotFound 404 true "refund_not_found"
        "There is no such refund, or the view has not seen it yet.";
    TransferNotFound 404 true "transfer_not_found"
        "There is no such transfer, or the view has not seen it yet.";
    DepositNotFound 404 true "deposit_not_found"
        "There is no such deposit in this wallet, or the view has not seen it yet.";
    WithdrawalNotFound 404 true "withdrawal_not_found"
        "There is no such withdrawal in this wallet, or the view has not seen it yet.";
    GatewayNotFound 404 false "gateway_not_found"
        "No gateway of this name is configured.";
    MethodNotAllowed 405 false "method_not_allowed"
        "The path exists but not with this method.";
    ReferenceAlreadyRecorded 409 false "reference_already_recorded"
        "This wallet has a record with the same rail and reference under another key.";
    PaymentNotCancellable 409 false "payment_not_cancellable"
        "The payment has an outcome, or a person is deciding it: it cannot be cancelled any more.";
    PaymentNotRefundable 409 false "payment_not_refundable"
        "Only a payment that was completed can be refunded.";
    NotInReview 409 false "not_in_review"
        "Only what needs review can be resolved; the ledger is still asking the gateway.";
    ResolutionConflicts 409 false "resolution_conflicts"
        "It has ended otherwise than the resolution says; nothing was changed.";
    WalletNotEmpty 409 false "wallet_not_empty"
        "A wallet can be closed when there is no money in it and none is owed.";
    WalletHasOpenOperations 409 false "wallet_has_open_operations"
        "A wallet can be closed when no payment, refund or transfer of it is under way.";
    PositionNotReached 409 true "position_not_reached"
        "The view has not reached the position that the request demands; repeat it.";
    PayloadTooLarge 413 false "payload_too_large"
        "A request body has at most 64 KiB.";
    UnsupportedMediaType 415 false "unsupported_media_type"
        "A request body is application/json.";
    AmountNotPositive 422 false "amount_not_positive"
        "An amount is a positive number of minor units.";
    AmountTooLarge 422 false "amount_too_large"
        "An amount is at most 2^53-1 minor units, and no account may overflow.";
    CurrencyUnknown 422 false "currency_unknown"
        "A currency is an ISO 4217 code in upper case, for example USD.";
    CurrencyMismatch 422 false "currency_mismatch"
        "The wallet holds another currency.";
    SameWallet 422 false "same_wallet"
        "A transfer goes from one wallet to another.";
    LimitExceeded 422 false "limit_exceeded"
        "The payment is more than the limits of its wallet allow; nothing was held.";
    RefundExceedsCaptured 422 false "refund_exceeds_captured"
        "All refunds of a payment, open ones too, are at most what the gateway captured.";
    WalletMismatch 422 false "wallet_mismatch"
        "The wallet id does not belong to the given user, currency and label.";
    GatewayUnknown 422 false "gateway_unknown"
        "No gateway of this name is configured.";
    AsOfInFuture 422 true "as_of_in_future"
        "The time or position asked for has not come yet, as far as the view has read.";
    CursorInvalid 422 false "cursor_invalid"
        "The cursor is not one that this list gave.";
    IdempotencyKeyReused 422 false "idempotency_key_reused"
        "The Idempotency-Key was used for a different request.";
    DeadlineExceeded 422 false "deadline_exceeded"
        "The deadline passed before the request could be completed; nothing was charged.";
    IdMismatch 422 false "id_mismatch"
        "An id in the record does not derive from its other fields.";
    Misrouted 422 false "misrouted"
        "Wrong partition; librdkafka clients need `partitioner=murmur2_random`.";
    Unreadable 422 false "unreadable"
        "The record could not be decoded.";
    FieldInvalid 422 false "field_invalid"
        "A field of the record has a value that it cannot have.";
    UnknownOperation 422 false "unknown_operation"
        "The gateway result is for an operation that the ledger did not ask for.";
    TooManyOrphans 422 false "too_many_orphans"
        "The shard keeps as many results of unknown operations as it may; a person must look.";
    UnknownTransfer 422 false "unknown_transfer"
        "The leg is of a transfer that the ledger does not know, or contradicts what it knows.";
    WalletFrozen 423 false "wallet_frozen"
        "The wallet is frozen: it takes no new debits and no transfers until it is unfrozen.";
    WalletClosed 423 false "wallet_closed"
        "The wallet is closed for good.";
    TooManyInFlight 429 true "too_many_in_flight"
        "Too many requests of this wallet wait for their decision; repeat it later, same key.";
    LogUnavailable 503 true "log_unavailable"
        "Kafka did not confirm the command in time: its fate is unknown; repeat it, same key.";
    NotReady 503 true "not_ready"
        "The service is starting or restoring.";
    Overloaded 503 true "overloaded"
        "Too many requests are waiting; nothing was done; repeat it later with the same key.";
    Internal 500 true "internal"
        "A defect in the service; repeat the request with the same key.";
}

impl ErrorCode {
    /// The code with this text.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_meaning() {
        for (i, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(ErrorCode::from_code(code.code()), Some(*code));
            assert!(ErrorCode::ALL[i + 1..].iter().all(|other| other.code() != code.code()));
            assert!((400..600).contains(&code.status()), "{code:?}");
        }
    }
}
