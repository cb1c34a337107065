//! What happened in an entry, as the timeline of a payment shows it.

use schemas::Money;
use schemas::account::Side;
use schemas::event::{Proof, RefundCause, RefundDestination};
use schemas::inputs::{GatewayOperationKind, ResolvedOutcome};
use schemas::timeline::TimelineEvent;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::values;
use super::representations::Time;

/// Money.
#[derive(Serialize, ToSchema)]
#[schema(as = Money)]
pub(super) struct MoneyBody {
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = Event)]
pub(super) enum EventBody<'a> {
    /// The payment exists.
    PaymentRequested {
        #[serde(flatten)]
        money: MoneyBody,
        #[schema(value_type = values::Time)]
        deadline: Time,
    },
    /// Money is reserved.
    HoldPlaced(MoneyBody),
    /// Reserved money went out.
    HoldPosted(MoneyBody),
    /// Reserved money is free again.
    HoldVoided(MoneyBody),
    /// A try at one gateway with one key began.
    AttemptStarted {
        #[schema(value_type = values::AttemptId)]
        attempt_id: String,
        #[schema(value_type = values::GatewayName)]
        gateway: &'a str,
    },
    /// The gateway was to do something.
    GatewayOperationRequested {
        /// The refund that it was for, where it was for one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = values::RefundId, required = false)]
        refund_id: Option<String>,
        #[schema(value_type = values::GatewayOperationName)]
        operation: GatewayOperationKind,
        operation_seq: i32,
        #[schema(value_type = values::Time)]
        not_after: Time,
        #[schema(value_type = values::Time)]
        conclusive_after: Time,
    },
    /// The result of an operation was taken in.
    GatewayOperationAnswered {
        operation_seq: i32,
        #[schema(value_type = values::ProofName)]
        proof: Proof,
    },
    /// The attempt will be sent again.
    ResendScheduled {
        reason: &'a str,
        #[schema(value_type = values::Time)]
        due: Time,
    },
    /// Whether the gateway charged is not known.
    PaymentInDoubt { reason: &'a str },
    /// The gateway charged and the money is gone.
    PaymentCompleted {
        gateway_reference: &'a str,
        #[schema(value_type = values::MinorUnits)]
        captured_amount: i64,
    },
    /// It failed for good.
    PaymentFailed {
        #[schema(value_type = values::ErrorCodeName)]
        code: &'a str,
        #[schema(required = true)]
        decline_code: Option<&'a str>,
        message: &'a str,
    },
    /// What a gateway said does not fit.
    DiscrepancyRecorded { code: &'a str, detail: &'a str },
    /// The attempt is given up: no operation of it charged, nor ever will.
    AttemptAbandoned {
        #[schema(value_type = values::AttemptId)]
        attempt_id: String,
        reason: &'a str,
    },
    /// A person must find out whether the gateway charged.
    PaymentReviewRequested { reason: &'a str },
    /// A person has found out.
    PaymentResolved {
        #[schema(value_type = values::ResolvedOutcomeName)]
        outcome: ResolvedOutcome,
        #[schema(value_type = values::MinorUnits)]
        amount: i64,
        actor: &'a str,
    },
    /// Its caller wants it to end.
    CancelRequested,
    /// It ended as its caller wished.
    PaymentCancelled,
    /// Money went to suspense, or came from there.
    SuspenseBooked {
        #[schema(value_type = values::SideName)]
        side: Side,
        #[serde(flatten)]
        money: MoneyBody,
        code: &'a str,
        detail: &'a str,
    },
    /// A refund exists.
    RefundRequested {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        #[schema(value_type = values::GatewayName)]
        gateway: &'a str,
        #[serde(flatten)]
        money: MoneyBody,
        #[schema(value_type = values::RefundCauseName)]
        cause: RefundCause,
        #[schema(value_type = values::RefundDestinationName)]
        destination: RefundDestination,
    },
    /// The refund will be sent again.
    RefundResendScheduled {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        reason: &'a str,
        #[schema(value_type = values::Time)]
        due: Time,
    },
    /// Whether the gateway gave the money back is not known.
    RefundInDoubt {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        reason: &'a str,
    },
    /// A person must find out whether the gateway gave the money back.
    RefundReviewRequested {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        reason: &'a str,
    },
    /// A person has found out.
    RefundResolved {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        #[schema(value_type = values::ResolvedOutcomeName)]
        outcome: ResolvedOutcome,
        actor: &'a str,
    },
    /// The gateway gave the money back.
    RefundSucceeded {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        gateway_reference: &'a str,
        #[schema(value_type = values::Amount)]
        amount: i64,
    },
    /// Nothing came back.
    RefundFailed {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        #[schema(value_type = values::ErrorCodeName)]
        code: &'a str,
        message: &'a str,
    },
}

impl MoneyBody {
    pub(super) fn of(money: Money) -> Self {
        Self { amount: money.amount().minor(), currency: money.currency().code() }
    }
}

impl<'a> EventBody<'a> {
    pub(super) fn of(event: &'a TimelineEvent) -> Self {
        match event {
            TimelineEvent::PaymentRequested { money, deadline } => {
                Self::PaymentRequested { money: MoneyBody::of(*money), deadline: Time(*deadline) }
            }
            TimelineEvent::HoldPlaced(money) => Self::HoldPlaced(MoneyBody::of(*money)),
            TimelineEvent::HoldPosted(money) => Self::HoldPosted(MoneyBody::of(*money)),
            TimelineEvent::HoldVoided(money) => Self::HoldVoided(MoneyBody::of(*money)),
            TimelineEvent::AttemptStarted { operation_id, gateway } => Self::AttemptStarted {
                attempt_id: operation_id.to_string(),
                gateway: gateway.as_str(),
            },
            TimelineEvent::GatewayOperationRequested {
                refund_id,
                operation_seq,
                operation,
                not_after,
                conclusive_after,
            } => Self::GatewayOperationRequested {
                refund_id: refund_id.map(|id| id.to_string()),
                operation: *operation,
                operation_seq: *operation_seq,
                not_after: Time(*not_after),
                conclusive_after: Time(*conclusive_after),
            },
            TimelineEvent::GatewayOperationAnswered { operation_seq, proof, .. } => {
                Self::GatewayOperationAnswered { operation_seq: *operation_seq, proof: *proof }
            }
            TimelineEvent::ResendScheduled { reason, due } => {
                Self::ResendScheduled { reason, due: Time(*due) }
            }
            TimelineEvent::PaymentInDoubt { reason } => Self::PaymentInDoubt { reason },
            TimelineEvent::PaymentCompleted { gateway_reference, captured_amount } => {
                let captured_amount = captured_amount.minor();
                Self::PaymentCompleted { gateway_reference, captured_amount }
            }
            TimelineEvent::PaymentFailed { code, decline_code, message } => {
                let decline_code = Some(decline_code.as_str()).filter(|code| !code.is_empty());
                Self::PaymentFailed { code, decline_code, message }
            }
            TimelineEvent::DiscrepancyRecorded { code, detail } => {
                Self::DiscrepancyRecorded { code, detail }
            }
            TimelineEvent::AttemptAbandoned { operation_id, reason } => {
                Self::AttemptAbandoned { attempt_id: operation_id.to_string(), reason }
            }
            TimelineEvent::PaymentReviewRequested { reason } => {
                Self::PaymentReviewRequested { reason }
            }
            TimelineEvent::PaymentResolved { outcome, amount, actor } => {
                Self::PaymentResolved { outcome: *outcome, amount: *amount, actor }
            }
            TimelineEvent::CancelRequested => Self::CancelRequested,
            TimelineEvent::PaymentCancelled => Self::PaymentCancelled,
            TimelineEvent::SuspenseBooked { side, money, code, detail } => {
                let money = MoneyBody::of(*money);
                Self::SuspenseBooked { side: *side, money, code, detail }
            }
            TimelineEvent::RefundRequested { .. }
            | TimelineEvent::RefundResendScheduled { .. }
            | TimelineEvent::RefundInDoubt { .. }
            | TimelineEvent::RefundReviewRequested { .. }
            | TimelineEvent::RefundResolved { .. }
            | TimelineEvent::RefundSucceeded { .. }
            | TimelineEvent::RefundFailed { .. } => Self::of_refund(event),
        }
    }

    fn of_refund(event: &'a TimelineEvent) -> Self {
        match event {
            TimelineEvent::RefundRequested { refund_id, gateway, money, cause, destination } => {
                Self::RefundRequested {
                    refund_id: refund_id.to_string(),
                    gateway: gateway.as_str(),
                    money: MoneyBody::of(*money),
                    cause: *cause,
                    destination: *destination,
                }
            }
            TimelineEvent::RefundResendScheduled { refund_id, reason, due } => {
                let refund_id = refund_id.to_string();
                Self::RefundResendScheduled { refund_id, reason, due: Time(*due) }
            }
            TimelineEvent::RefundInDoubt { refund_id, reason } => {
                Self::RefundInDoubt { refund_id: refund_id.to_string(), reason }
            }
            TimelineEvent::RefundReviewRequested { refund_id, reason } => {
                Self::RefundReviewRequested { refund_id: refund_id.to_string(), reason }
            }
            TimelineEvent::RefundResolved { refund_id, outcome, actor } => {
                let refund_id = refund_id.to_string();
                Self::RefundResolved { refund_id, outcome: *outcome, actor }
            }
            TimelineEvent::RefundSucceeded { refund_id, gateway_reference, amount } => {
                let (refund_id, amount) = (refund_id.to_string(), amount.minor());
                Self::RefundSucceeded { refund_id, gateway_reference, amount }
            }
            TimelineEvent::RefundFailed { refund_id, code, message } => {
                Self::RefundFailed { refund_id: refund_id.to_string(), code, message }
            }
            other => Self::of(other),
        }
    }
}
