//! What the load generator reads of an entry: as little as tells whose it is and what it decided.
//!
//! Borrowed from the bytes. The generator shares the machine with what it measures.

use schemas::codec::{self, DecodeError, RecordKind};
use schemas::entry::Verdict;
use serde::Deserialize;

/// The part of an entry that is read.
#[derive(Debug, Deserialize)]
pub(super) struct Sighting<'e> {
    #[serde(borrow)]
    input: InputPart<'e>,
    /// What became of the input.
    #[serde(borrow)]
    pub decision: DecisionPart<'e>,
    #[serde(borrow)]
    events: Vec<EventPart<'e>>,
}

#[derive(Debug, Deserialize)]
struct InputPart<'e> {
    #[serde(borrow)]
    body: BodyPart<'e>,
}

#[derive(Debug, Deserialize)]
enum BodyPart<'e> {
    #[serde(rename = "holdfast.Command", borrow)]
    Command(RequestPart<'e>),
    #[serde(rename = "holdfast.Operation", borrow)]
    Operation(RequestPart<'e>),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct RequestPart<'e> {
    #[serde(borrow)]
    envelope: EnvelopePart<'e>,
}

#[derive(Debug, Deserialize)]
struct EnvelopePart<'e> {
    command_id: &'e str,
    idempotency_key: &'e str,
}

/// Whether an input was accepted.
#[derive(Debug, Deserialize)]
pub(super) struct DecisionPart<'e> {
    /// Accepted, replayed or refused.
    pub verdict: Verdict,
    /// The code of a refusal.
    pub code: &'e str,
    /// A refusal in words.
    pub detail: &'e str,
}

#[derive(Debug, Deserialize)]
enum EventPart<'e> {
    #[serde(rename = "holdfast.PaymentRequested", borrow)]
    PaymentRequested(PaymentPart<'e>),
    #[serde(rename = "holdfast.PaymentCompleted", borrow)]
    PaymentCompleted(PaymentPart<'e>),
    #[serde(rename = "holdfast.PaymentFailed", borrow)]
    PaymentFailed(FailurePart<'e>),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct PaymentPart<'e> {
    payment_id: &'e str,
}

#[derive(Debug, Deserialize)]
struct FailurePart<'e> {
    payment_id: &'e str,
    code: &'e str,
}

/// A step of a payment that an entry states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'e> {
    /// It exists.
    Requested(&'e str),
    /// It completed.
    Completed(&'e str),
    /// It failed, with this code.
    Failed(&'e str, &'e str),
}

impl<'e> Sighting<'e> {
    /// What is read of an entry under our own schema.
    pub(super) fn of(value: Option<&'e [u8]>) -> Result<Self, DecodeError> {
        codec::part(value, RecordKind::Entry)
    }

    /// The idempotency key of the command that was decided, if it was one.
    pub(super) fn command_key(&self) -> Option<&'e str> {
        match &self.input.body {
            BodyPart::Command(request) => Some(request.envelope.idempotency_key),
            BodyPart::Operation(_) | BodyPart::Other => None,
        }
    }

    /// The command id of the operation that was decided, if it was one.
    pub(super) fn operation_id(&self) -> Option<&'e str> {
        match &self.input.body {
            BodyPart::Operation(request) => Some(request.envelope.command_id),
            BodyPart::Command(_) | BodyPart::Other => None,
        }
    }

    /// The steps of payments that the entry states, in order.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'e>> {
        self.events.iter().filter_map(|event| match event {
            EventPart::PaymentRequested(payment) => Some(Step::Requested(payment.payment_id)),
            EventPart::PaymentCompleted(payment) => Some(Step::Completed(payment.payment_id)),
            EventPart::PaymentFailed(failure) => {
                Some(Step::Failed(failure.payment_id, failure.code))
            }
            EventPart::Other => None,
        })
    }
}
