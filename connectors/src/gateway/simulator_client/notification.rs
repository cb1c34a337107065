//! The simulator's notifications, verified before they come here
//! ([`crate::gateway::signature::verify`], header
//! [`crate::gateway::signature::SIMULATOR_SIGNATURE`]).

use std::borrow::Cow;

use schemas::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::bodies::{ChargeBody, is_reference};
use crate::gateway::evidence::EvidenceFields;
use crate::gateway::notification::{Notification, NotificationUnreadable, Subject};

/// A notification as it is sent.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    /// Unix time in milliseconds.
    created: i64,
    #[serde(borrow)]
    charge: Option<ChargeBody<'a>>,
    #[serde(borrow)]
    refund: Option<ChargeBody<'a>>,
}

/// Reads a body whose signature was verified.
///
/// # Errors
/// It is no notification of the simulator.
pub fn read(body: &[u8]) -> Result<Notification, NotificationUnreadable> {
    let unreadable = |what: &str| NotificationUnreadable(what.to_owned());
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|_| unreadable("it is no event of the simulator"))?;
    if !is_reference(&event.id) {
        return Err(unreadable("its id is none"));
    }
    let mut fields = EvidenceFields::default();
    fields.text("event_id", &event.id);
    fields.text("event", &event.kind);
    fields.number("created", event.created);
    let is_refund = event.refund.is_some();
    let (told, other) = if is_refund { (event.refund, event.charge) } else { (event.charge, None) };
    let (Some(told), None) = (told, other) else {
        return Err(unreadable("it is about nothing, or about two things"));
    };
    if !told.is_plausible() || told.charge.is_some() != is_refund {
        return Err(unreadable("what it is about is not what is documented"));
    }
    fields.text("charge_id", &told.id);
    fields.number("amount", told.amount);
    fields.text("currency", &told.currency);
    let ids = (Uuid::parse_str(&told.reference), Uuid::parse_str(&told.attempt_id));
    let subject = match ids {
        (Ok(payment_id), Ok(refund_id)) if is_refund => {
            Subject::Refund { payment_id, refund_id, outcome: told.into_outcome() }
        }
        (Ok(payment_id), Ok(attempt_id)) => {
            Subject::Charge { payment_id, attempt_id, outcome: told.into_outcome() }
        }
        // Somebody else charges there as well.
        (Err(_), _) | (_, Err(_)) => Subject::Other { kind: event.kind.into_owned() },
    };
    Ok(Notification {
        event_id: event.id.into_owned(),
        occurred_at: Timestamp::from_millis(event.created),
        subject,
        evidence: fields.finish(),
    })
}
