//! Stripe's notifications: events about `PaymentIntents`, charges and refunds.
//!
//! Invariants: only what carries our ids in its metadata is ours, whatever else happens in the
//! account; what an object says about the money is said in `objects`, as for answers.

use schemas::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::objects::{Charge, PaymentIntent, Refund, Verdict, is_reference};
use crate::gateway::evidence::{Evidence, EvidenceFields};
use crate::gateway::notification::{Notification, NotificationUnreadable, Subject};

/// Longest kind of event that is repeated, in characters.
const MAX_KIND_CHARS: usize = 64;

/// An event as it is sent.
#[derive(Deserialize)]
struct Event<'a> {
    id: String,
    #[serde(rename = "object")]
    _object: EventTag,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    #[serde(default)]
    livemode: bool,
    #[serde(borrow)]
    data: EventData<'a>,
}

#[derive(Deserialize)]
enum EventTag {
    #[serde(rename = "event")]
    Event,
}

#[derive(Deserialize)]
struct EventData<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Reads a body whose signature was verified ([`crate::gateway::signature::verify`]).
///
/// # Errors
/// It is no event of Stripe, or its object is not what the documentation says.
pub fn read(body: &[u8]) -> Result<Notification, NotificationUnreadable> {
    let event: Event<'_> = serde_json::from_slice(body).map_err(|e| unreadable(&e))?;
    let millis = event.created.checked_mul(1000).filter(|_| is_reference(&event.id));
    let Some(millis) = millis else {
        return Err(NotificationUnreadable("its id or its time is none".to_owned()));
    };
    let (subject, reference) = match event.kind.as_str() {
        "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.canceled" => {
            let intent: PaymentIntent = parse(event.data.object)?;
            let subject = intent.made_for().map(|(payment_id, attempt_id)| {
                let outcome = intent.verdict().into();
                Subject::Charge { payment_id, attempt_id, outcome }
            });
            (subject, intent.id)
        }
        // The last is what the others were called before.
        "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            let refund: Refund = parse(event.data.object)?;
            let subject = refund.made_for().map(|(payment_id, refund_id)| {
                let outcome = refund.verdict().into();
                Subject::Refund { payment_id, refund_id, outcome }
            });
            (subject, refund.id)
        }
        "charge.refunded" => {
            let charge: Charge = parse(event.data.object)?;
            let subject = match (charge.made_for(), charge.refunded()) {
                (None, _) => None,
                (
                    Some((payment_id, attempt_id)),
                    Verdict::Succeeded { amount_minor, currency, .. },
                ) => {
                    let total_minor = amount_minor;
                    Some(Subject::Refunded { payment_id, attempt_id, total_minor, currency })
                }
                (Some(_), _) => {
                    let what = "what was refunded is no amount of a currency";
                    return Err(NotificationUnreadable(what.to_owned()));
                }
            };
            (subject, charge.id)
        }
        _ => (None, String::new()),
    };
    let evidence = evidence_of(&event, &reference);
    let kind = || event.kind.chars().take(MAX_KIND_CHARS).collect();
    let subject = subject.unwrap_or_else(|| Subject::Other { kind: kind() });
    let occurred_at = Timestamp::from_millis(millis);
    Ok(Notification { event_id: event.id, occurred_at, subject, evidence })
}

fn parse<T: DeserializeOwned>(object: &RawValue) -> Result<T, NotificationUnreadable> {
    serde_json::from_str(object.get()).map_err(|error| unreadable(&error))
}

/// What is wrong and where; the values stay out of it.
fn unreadable(error: &serde_json::Error) -> NotificationUnreadable {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a field is missing or of another type",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Eof => "it is cut short",
        serde_json::error::Category::Io => "it cannot be read",
    };
    NotificationUnreadable(format!("{kind}, line {} column {}", error.line(), error.column()))
}

fn evidence_of(event: &Event<'_>, reference: &str) -> Evidence {
    let mut fields = EvidenceFields::default();
    fields.text("event_id", &event.id);
    fields.text("event", &event.kind);
    fields.number("created", event.created);
    fields.text("livemode", if event.livemode { "true" } else { "false" });
    if !reference.is_empty() {
        fields.text("id", reference);
    }
    fields.finish()
}
