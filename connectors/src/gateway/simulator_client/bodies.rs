//! The simulator's bodies: what is sent to it, and what it answers and notifies.
//!
//! Fields that are not needed are ignored; those that are count only if they are what the
//! documentation says ([`ChargeBody::is_plausible`]).

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::gateway::operation::{OperationKind, OperationRequest, Outcome};

/// Longest gateway reference, in characters.
const MAX_REFERENCE_CHARS: usize = 128;
/// Longest decline code, in characters.
const MAX_CODE_CHARS: usize = 64;

/// Body of a submission.
#[derive(Serialize)]
pub(super) struct Submission<'a> {
    pub(super) amount: i64,
    pub(super) currency: &'a str,
    pub(super) reference: Uuid,
    pub(super) attempt_id: Uuid,
    /// Of a refund: what is to be given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) charge: Option<&'a str>,
}

/// A charge or a refund as the gateway tells it.
#[derive(Debug, Deserialize)]
pub(super) struct ChargeBody<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    /// Of a refund: what was given back.
    #[serde(borrow)]
    pub(super) charge: Option<Cow<'a, str>>,
    pub(super) status: ChargeBodyStatus,
    #[serde(borrow)]
    pub(super) decline_code: Option<Cow<'a, str>>,
    pub(super) amount: i64,
    #[serde(borrow)]
    pub(super) currency: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) reference: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) attempt_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) idempotency_key: Cow<'a, str>,
    /// A charge that is an error as well contradicts itself.
    pub(super) error: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChargeBodyStatus {
    Succeeded,
    Declined,
    /// Not decided yet: in notifications.
    Pending,
}

/// Answer to an inquiry.
#[derive(Debug, Deserialize)]
pub(super) struct InquiryBody<'a> {
    pub(super) found: bool,
    #[serde(borrow)]
    pub(super) idempotency_key: Cow<'a, str>,
    #[serde(borrow, alias = "refund")]
    pub(super) charge: Option<ChargeBody<'a>>,
    pub(super) error: Option<IgnoredAny>,
}

/// The gateway's error body.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorDetail,
    pub(super) processed: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorDetail {
    pub(super) code: String,
}

impl ChargeBody<'_> {
    pub(super) fn is_of(&self, operation: &OperationRequest) -> bool {
        let is_refund =
            matches!(operation.kind, OperationKind::Refund | OperationKind::InquireRefund);
        self.idempotency_key == operation.idempotency_key
            && self.charge.as_deref() == operation.charge_reference.as_deref().filter(|_| is_refund)
            && Uuid::parse_str(&self.reference) == Ok(operation.payment_id)
            && Uuid::parse_str(&self.attempt_id) == Ok(operation.attempt_id)
    }

    /// Whether its fields are what the documentation says, so that they may be taken over.
    pub(super) fn is_plausible(&self) -> bool {
        let currency =
            self.currency.len() == 3 && self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        let code = |code: &Cow<'_, str>| {
            (1..=MAX_CODE_CHARS).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let verdict = match self.status {
            ChargeBodyStatus::Succeeded | ChargeBodyStatus::Pending => self.decline_code.is_none(),
            ChargeBodyStatus::Declined => self.decline_code.as_ref().is_some_and(code),
        };
        is_reference(&self.id) && currency && verdict && self.amount > 0
    }

    /// What it says about the money.
    pub(super) fn into_outcome(self) -> Outcome {
        match self.status {
            ChargeBodyStatus::Succeeded => Outcome::Success {
                gateway_reference: self.id.into_owned(),
                amount_minor: self.amount,
                currency: self.currency.into_owned(),
            },
            ChargeBodyStatus::Declined => {
                let code = self.decline_code.unwrap_or_default().into_owned();
                Outcome::Decline { message: decline_message(&code).to_owned(), code }
            }
            ChargeBodyStatus::Pending => Outcome::Unknown { reason: "it is pending".to_owned() },
        }
    }
}

impl ErrorBody {
    /// The code, or what stands for one that is not a code.
    pub(super) fn code(&self) -> &str {
        let is_code = (1..=MAX_CODE_CHARS).contains(&self.error.code.len())
            && self.error.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if is_code { &self.error.code } else { "unreadable_code" }
    }
}

/// Whether a text is an id that may be taken over.
pub(super) fn is_reference(id: &str) -> bool {
    (1..=MAX_REFERENCE_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the gateway's documentation says of a decline code.
pub(in crate::gateway) fn decline_message(code: &str) -> &'static str {
    match code {
        "insufficient_funds" => "The payment method does not have enough funds.",
        "expired_card" => "The card has expired.",
        "do_not_honor" => "The issuer declined without giving a reason.",
        "refund_exceeds_charge" => "Less is left of the charge than was to be given back.",
        _ => "The gateway declined the charge.",
    }
}
