//! Stripe's objects as far as they are needed; fields that are not are ignored.
//!
//! Shared by answers and notifications. Invariants: what a status means is said here once
//! ([`PaymentIntent::verdict`], [`Refund::verdict`]); an object whose fields are not what the
//! documentation says has no verdict.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::requests::{ATTEMPT_ID, INTENT, PAYMENT_ID, REFUND_ID};
use super::units;
use crate::gateway::operation::Outcome;

/// Longest gateway reference, in characters.
const MAX_REFERENCE_CHARS: usize = 128;
/// Longest decline code, in characters.
const MAX_CODE_CHARS: usize = 64;
/// Longest message for a person, in characters.
const MAX_MESSAGE_CHARS: usize = 200;
/// A decline without a readable code.
const UNNAMED: &str = "unnamed";

/// What is taken note of at an object, by name. Values of others may be anything.
type Metadata = HashMap<String, String>;

/// A `PaymentIntent`.
#[derive(Debug, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    #[serde(rename = "object")]
    _object: IntentTag,
    pub(super) status: IntentStatus,
    #[serde(default)]
    pub(super) amount_received: i64,
    pub(super) currency: String,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) last_payment_error: Option<StripeError>,
}

/// A refund.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    #[serde(rename = "object")]
    _object: RefundTag,
    /// Null for some payment methods, as long as nobody knows.
    pub(super) status: Option<RefundStatus>,
    pub(super) amount: i64,
    pub(super) currency: String,
    #[serde(default)]
    pub(super) payment_intent: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) failure_reason: Option<String>,
}

/// A charge: what took the money of a `PaymentIntent`, whose metadata it has a copy of.
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    #[serde(rename = "object")]
    _object: ChargeTag,
    amount_refunded: i64,
    currency: String,
    #[serde(default)]
    metadata: Metadata,
}

/// A list, or the result of a search.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) object: PageTag,
    pub(super) has_more: bool,
    pub(super) data: Vec<T>,
}

/// An answer that is an error.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: StripeError,
}

/// An error, by itself or of the last try to take money.
#[derive(Debug, Deserialize)]
pub(super) struct StripeError {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) decline_code: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) payment_intent: Option<Box<PaymentIntent>>,
}

/// An object that is an error as well contradicts itself.
#[derive(Debug, Deserialize)]
pub(super) struct Whole<T> {
    #[serde(flatten)]
    pub(super) object: T,
    pub(super) error: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) enum IntentTag {
    #[serde(rename = "payment_intent")]
    PaymentIntent,
}

#[derive(Debug, Deserialize)]
pub(super) enum RefundTag {
    #[serde(rename = "refund")]
    Refund,
}

#[derive(Debug, Deserialize)]
pub(super) enum ChargeTag {
    #[serde(rename = "charge")]
    Charge,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PageTag {
    List,
    SearchResult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IntentStatus {
    Succeeded,
    Canceled,
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    RequiresCapture,
    Processing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefundStatus {
    Succeeded,
    Failed,
    Canceled,
    Pending,
    RequiresAction,
}

/// What an object says about the money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeded {
        reference: String,
        amount_minor: i64,
        currency: String,
    },
    Declined {
        code: String,
        message: String,
    },
    /// Not decided; why, for a person.
    Pending(&'static str),
    /// It contradicts itself, or the documentation.
    Unreadable(&'static str),
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Succeeded { reference, amount_minor, currency } => {
                Self::Success { gateway_reference: reference, amount_minor, currency }
            }
            Verdict::Declined { code, message } => Self::Decline { code, message },
            Verdict::Pending(why) | Verdict::Unreadable(why) => {
                Self::Unknown { reason: why.to_owned() }
            }
        }
    }
}

impl PaymentIntent {
    /// The payment and the attempt that it was made for, if it is one of ours.
    pub(super) fn made_for(&self) -> Option<(Uuid, Uuid)> {
        Some((id_in(&self.metadata, PAYMENT_ID)?, id_in(&self.metadata, ATTEMPT_ID)?))
    }

    /// What it says about the money.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict_with(None)
    }

    /// The same, where it came with an error.
    pub(super) fn verdict_with(&self, error: Option<&StripeError>) -> Verdict {
        if !self.id.starts_with(INTENT) || !is_reference(&self.id) {
            return Verdict::Unreadable("its id is none of a PaymentIntent");
        }
        match self.status {
            IntentStatus::Succeeded => moved(&self.id, self.amount_received, &self.currency),
            _ if self.amount_received != 0 => {
                Verdict::Unreadable("it has received money and has not succeeded")
            }
            // For ever: it can take nothing any more.
            IntentStatus::Canceled => Verdict::Declined {
                code: "canceled".to_owned(),
                message: "The PaymentIntent was canceled.".to_owned(),
            },
            // Where it goes back to when the try to take money has failed, and stays, for nobody
            // confirms it again.
            IntentStatus::RequiresPaymentMethod => match self.last_payment_error.as_ref().or(error)
            {
                Some(failure) if failure.is_of_the_payment() => failure.decline(),
                _ => Verdict::Pending("it has no payment method"),
            },
            IntentStatus::RequiresConfirmation => Verdict::Pending("it is not confirmed"),
            IntentStatus::RequiresAction => Verdict::Pending("it waits for the payer"),
            IntentStatus::RequiresCapture => Verdict::Pending("it is not captured"),
            IntentStatus::Processing => Verdict::Pending("it is being processed"),
        }
    }
}

impl Refund {
    /// The payment and the refund that it was made for, if it is one of ours.
    pub(super) fn made_for(&self) -> Option<(Uuid, Uuid)> {
        Some((id_in(&self.metadata, PAYMENT_ID)?, id_in(&self.metadata, REFUND_ID)?))
    }

    /// What it says about the money.
    pub(super) fn verdict(&self) -> Verdict {
        if !is_reference(&self.id) {
            return Verdict::Unreadable("its id is none");
        }
        match self.status {
            None => Verdict::Pending("it has no status"),
            Some(RefundStatus::Succeeded) => moved(&self.id, self.amount, &self.currency),
            Some(RefundStatus::Failed) => Verdict::Declined {
                code: code_of([self.failure_reason.as_deref()]),
                message: "The refund failed.".to_owned(),
            },
            Some(RefundStatus::Canceled) => Verdict::Declined {
                code: "canceled".to_owned(),
                message: "The refund was canceled.".to_owned(),
            },
            Some(RefundStatus::Pending) => Verdict::Pending("it is pending"),
            Some(RefundStatus::RequiresAction) => Verdict::Pending("it waits for the payer"),
        }
    }
}

impl Charge {
    /// The payment and the attempt that it was made for, if it is one of ours.
    pub(super) fn made_for(&self) -> Option<(Uuid, Uuid)> {
        Some((id_in(&self.metadata, PAYMENT_ID)?, id_in(&self.metadata, ATTEMPT_ID)?))
    }

    /// What of it was given back in all.
    pub(super) fn refunded(&self) -> Verdict {
        moved(&self.id, self.amount_refunded, &self.currency)
    }
}

impl StripeError {
    /// Whether it tells of the try to take money, and not of a fault in between.
    fn is_of_the_payment(&self) -> bool {
        matches!(self.kind.as_str(), "card_error" | "invalid_request_error")
    }

    /// Whether it is about the card that was to be charged.
    pub(super) fn is_of_the_card(&self) -> bool {
        self.kind == "card_error"
    }

    /// It as a decline: the issuer's code where there is one.
    fn decline(&self) -> Verdict {
        let code = code_of([self.decline_code.as_deref(), self.code.as_deref()]);
        let message = match &self.message {
            Some(message) if !message.is_empty() => printable(message),
            _ => "Stripe declined the payment.".to_owned(),
        };
        Verdict::Declined { code, message }
    }
}

/// Money that was moved, in minor units.
fn moved(id: &str, amount: i64, currency: &str) -> Verdict {
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_alphabetic());
    let currency = currency.to_ascii_uppercase();
    match units::from_stripe(amount, &currency) {
        Some(amount_minor) if is_code && amount > 0 => {
            Verdict::Succeeded { reference: id.to_owned(), amount_minor, currency }
        }
        _ => Verdict::Unreadable("its amount or currency is none"),
    }
}

fn id_in(metadata: &Metadata, name: &str) -> Option<Uuid> {
    Uuid::parse_str(metadata.get(name)?).ok()
}

/// Whether a text is an id that may be taken over: visible ASCII, not too long.
pub(super) fn is_reference(id: &str) -> bool {
    (1..=MAX_REFERENCE_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a text is a code of `[a-z0-9_]` and not too long.
pub(super) fn is_code(text: &str) -> bool {
    (1..=MAX_CODE_CHARS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn code_of<const N: usize>(codes: [Option<&str>; N]) -> String {
    let readable = codes.into_iter().flatten().find(|code| is_code(code));
    readable.unwrap_or(UNNAMED).to_owned()
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}
