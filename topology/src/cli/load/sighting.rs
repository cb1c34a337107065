//! What the load generator reads of an entry: as little as tells whose it is and what it decided.
//!
//! Borrowed from the bytes. The generator shares the machine with what it measures.

use std::fmt;

use schemas::codec::{self, DecodeError, RecordKind};
use schemas::entry::Verdict;
use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The part of an entry that is read.
#[derive(Debug)]
pub(super) struct Sighting<'e> {
    input: InputPart<'e>,
    /// What became of the input.
    pub decision: DecisionPart<'e>,
    events: Vec<EventPart<'e>>,
}

/// The fields of an entry, as far as they matter here.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Input,
    Decision,
    Events,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Sighting<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SightingVisitor)
    }
}

struct SightingVisitor;

impl<'de> Visitor<'de> for SightingVisitor {
    type Value = Sighting<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an entry")
    }

    /// Stops at the events: half of an entry comes after them, and none of it is needed.
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Sighting<'de>, A::Error> {
        let (mut input, mut decision) = (None, None);
        let missing = <A::Error as de::Error>::missing_field;
        while let Some(field) = fields.next_key()? {
            match field {
                Field::Input => input = Some(fields.next_value()?),
                Field::Decision => decision = Some(fields.next_value()?),
                Field::Events => {
                    let events = fields.next_value()?;
                    let input = input.ok_or_else(|| missing("input"))?;
                    let decision = decision.ok_or_else(|| missing("decision"))?;
                    return Ok(Sighting { input, decision, events });
                }
                Field::Other => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Err(missing("events"))
    }
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
    PaymentRequested(RequestedPart<'e>),
    #[serde(rename = "holdfast.PaymentCompleted", borrow)]
    PaymentCompleted(PaymentPart<'e>),
    #[serde(rename = "holdfast.PaymentFailed", borrow)]
    PaymentFailed(FailurePart<'e>),
    #[serde(rename = "holdfast.RefundRequested", borrow)]
    RefundRequested(RefundPart<'e>),
    #[serde(rename = "holdfast.RefundSucceeded", borrow)]
    RefundSucceeded(RefundPart<'e>),
    #[serde(rename = "holdfast.RefundFailed", borrow)]
    RefundFailed(RefundFailurePart<'e>),
    #[serde(rename = "holdfast.TransferRequested", borrow)]
    TransferRequested(TransferPart<'e>),
    #[serde(rename = "holdfast.TransferCompleted", borrow)]
    TransferCompleted(TransferPart<'e>),
    #[serde(rename = "holdfast.TransferFailed", borrow)]
    TransferFailed(TransferFailurePart<'e>),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct RequestedPart<'e> {
    payment_id: &'e str,
    wallet_id: &'e str,
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

#[derive(Debug, Deserialize)]
struct RefundPart<'e> {
    refund_id: &'e str,
}

#[derive(Debug, Deserialize)]
struct RefundFailurePart<'e> {
    refund_id: &'e str,
    code: &'e str,
}

#[derive(Debug, Deserialize)]
struct TransferPart<'e> {
    transfer_id: &'e str,
}

#[derive(Debug, Deserialize)]
struct TransferFailurePart<'e> {
    transfer_id: &'e str,
    code: &'e str,
}

/// A step of a payment, a refund or a transfer that an entry states.
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
            EventPart::RefundRequested(_)
            | EventPart::RefundSucceeded(_)
            | EventPart::RefundFailed(_)
            | EventPart::TransferRequested(_)
            | EventPart::TransferCompleted(_)
            | EventPart::TransferFailed(_)
            | EventPart::Other => None,
        })
    }

    /// The payment that the entry begins, if it does, and its wallet.
    pub(super) fn requested_payment(&self) -> Option<(&'e str, &'e str)> {
        self.events.iter().find_map(|event| match event {
            EventPart::PaymentRequested(payment) => Some((payment.payment_id, payment.wallet_id)),
            _ => None,
        })
    }

    /// The steps of refunds and transfers that the entry states, in order.
    pub(super) fn companion_steps(&self) -> impl Iterator<Item = Step<'e>> {
        self.events.iter().filter_map(|event| match event {
            EventPart::RefundRequested(refund) => Some(Step::Requested(refund.refund_id)),
            EventPart::RefundSucceeded(refund) => Some(Step::Completed(refund.refund_id)),
            EventPart::RefundFailed(refund) => Some(Step::Failed(refund.refund_id, refund.code)),
            EventPart::TransferRequested(transfer) => Some(Step::Requested(transfer.transfer_id)),
            EventPart::TransferCompleted(transfer) => Some(Step::Completed(transfer.transfer_id)),
            EventPart::TransferFailed(transfer) => {
                Some(Step::Failed(transfer.transfer_id, transfer.code))
            }
            EventPart::PaymentRequested(_)
            | EventPart::PaymentCompleted(_)
            | EventPart::PaymentFailed(_)
            | EventPart::Other => None,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use schemas::entry::{Decision, Entry, Input, InputBody, READER_VERSION, Source};
    use schemas::event::{Event, PaymentCompleted, PaymentFailed, PaymentInDoubt};
    use schemas::inputs::{
        Command, CommandBody, Envelope, OpenWallet, Operation, OperationBody, Pay,
    };
    use schemas::{ByteString, EntryHash, OperationId, PaymentId, SchemaId, Timestamp};

    use super::*;

    pub(in super::super) fn entry(
        body: InputBody,
        decision: Decision,
        events: Vec<Event>,
    ) -> Vec<u8> {
        let entry = Entry {
            seq: 1,
            prev_hash: EntryHash::from([7; 32]),
            min_reader: READER_VERSION,
            at: Timestamp::from_millis(1),
            policy_version: 1,
            source: Source::Input { topic: "commands".to_owned(), partition: 0, offset: 0 },
            input: Input { raw_hash: ByteString(vec![1; 32]), schema_id: SchemaId(1), body },
            decision,
            events,
            postings: Vec::new(),
            balances: Vec::new(),
            timers: Vec::new(),
        };
        codec::encode(&entry, SchemaId(4))
    }

    fn envelope(key: &str) -> Envelope {
        Envelope {
            command_id: "command".to_owned(),
            tenant: "default".to_owned(),
            idempotency_key: key.to_owned(),
            correlation_id: String::new(),
            actor: String::new(),
            deadline: None,
        }
    }

    pub(in super::super) fn command(key: &str) -> InputBody {
        InputBody::Command(Command {
            envelope: envelope(key),
            body: CommandBody::Pay(Pay {
                payment_id: "p".to_owned(),
                wallet_id: "w".to_owned(),
                amount: 1,
                currency: "USD".to_owned(),
                gateway: None,
                service_id: None,
                description: None,
                metadata: None,
            }),
        })
    }

    fn operation() -> InputBody {
        InputBody::Operation(Operation {
            envelope: envelope(""),
            body: OperationBody::OpenWallet(OpenWallet {
                wallet_id: "w".to_owned(),
                user_id: "u".to_owned(),
                currency: "USD".to_owned(),
                label: "main".to_owned(),
            }),
        })
    }

    #[test]
    fn of_an_entry_is_read_whose_it_is_and_what_it_decided() {
        let payment_id = PaymentId::from_bytes([8; 16]);
        let operation_id = OperationId::from_bytes([9; 16]);
        let doubt = || {
            let reason = "?".to_owned();
            let review_at = None;
            Event::PaymentInDoubt(PaymentInDoubt { payment_id, operation_id, reason, review_at })
        };
        let completed = Event::PaymentCompleted(PaymentCompleted {
            payment_id,
            operation_id,
            gateway: "simulator".parse().expect("a name"),
            gateway_reference: "ch".to_owned(),
            captured_amount: 5_i64.try_into().expect("an amount"),
        });
        let failed = Event::PaymentFailed(PaymentFailed {
            payment_id,
            code: "payment_declined".to_owned(),
            decline_code: String::new(),
            message: String::new(),
        });
        let id = payment_id.to_string();
        let accepted = Decision::accepted;
        let refused = || Decision::refused("misrouted", "elsewhere");
        let (end_well, end_badly) = (Step::Completed(&id), Step::Failed(&id, "payment_declined"));
        let rows = [
            (command("key"), refused(), vec![], (Some("key"), None), vec![]),
            (operation(), accepted(), vec![], (None, Some("command")), vec![]),
            (InputBody::TimerFired {}, accepted(), vec![doubt()], (None, None), vec![]),
            (
                command("key"),
                accepted(),
                vec![doubt(), failed],
                (Some("key"), None),
                vec![end_badly],
            ),
            (InputBody::TimerFired {}, accepted(), vec![completed], (None, None), vec![end_well]),
        ];
        for (body, decision, events, (key, operation), steps) in rows {
            let (verdict, code) = (decision.verdict, decision.code.clone());
            let value = entry(body, decision, events);
            let sighting = Sighting::of(Some(&value)).expect("our schema");
            assert_eq!((sighting.command_key(), sighting.operation_id()), (key, operation));
            assert_eq!((sighting.decision.verdict, sighting.decision.code), (verdict, &*code));
            assert_eq!(sighting.steps().collect::<Vec<_>>(), steps);
        }
        assert!(Sighting::of(Some(&[0, 0, 0, 0, 4, 200])).is_err());
    }
}
