//! Stripe's notifications: what is read of each kind of event, and what is not ours.

use connectors::gateway::notification::{Notification, Subject};
use connectors::gateway::operation::Outcome;
use connectors::gateway::stripe::notification::read;
use schemas::Timestamp;
use serde_json::{Value, json};

use crate::stripe_stand_in::{INTENT, charge, intent, refund, refunded, with};

fn event(kind: &str, object: &Value) -> String {
    json!({
        "id": "evt_1", "object": "event", "type": kind, "created": 1_492_774_577, "livemode": false,
        "api_version": "2025-03-31.basil", "data": {"object": object, "previous_attributes": {}},
    })
    .to_string()
}

fn read_of(kind: &str, object: &Value) -> Notification {
    read(event(kind, object).as_bytes()).unwrap()
}

fn failed_intent() -> Value {
    let error = json!({"type": "card_error", "code": "card_declined", "decline_code": "lost_card"});
    let intent = intent(&charge(), "requires_payment_method");
    with(intent, json!({"last_payment_error": error}))
}

#[test]
fn events_about_our_charges_say_what_became_of_them() {
    let charge = charge();
    let notification = read_of("payment_intent.succeeded", &intent(&charge, "succeeded"));
    assert_eq!(notification.event_id, "evt_1");
    assert_eq!(notification.occurred_at, Timestamp::from_millis(1_492_774_577_000));
    assert!(!format!("{notification:?}").contains("hidden"), "{notification:?}");
    let expected = Subject::Charge {
        payment_id: charge.payment_id,
        attempt_id: charge.attempt_id,
        outcome: Outcome::Success {
            gateway_reference: INTENT.to_owned(),
            amount_minor: 1_099,
            currency: "USD".to_owned(),
        },
    };
    assert_eq!(notification.subject, expected);

    let failed = read_of("payment_intent.payment_failed", &failed_intent()).subject;
    let Subject::Charge { outcome: Outcome::Decline { code, .. }, .. } = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(code, "lost_card");
    let canceled = read_of("payment_intent.canceled", &intent(&charge, "canceled")).subject;
    assert!(matches!(canceled, Subject::Charge { outcome: Outcome::Decline { .. }, .. }));
    // The object decides, not the name of the event.
    let early = read_of("payment_intent.succeeded", &intent(&charge, "processing")).subject;
    assert!(matches!(early, Subject::Charge { outcome: Outcome::Unknown { .. }, .. }));
}

#[test]
fn events_about_our_refunds_say_what_became_of_them() {
    let refund = refund();
    let subject = |kind: &str, status: &str| read_of(kind, &refunded(&refund, status)).subject;
    let Subject::Refund { payment_id, refund_id, outcome } = subject("refund.updated", "succeeded")
    else {
        panic!("a refund");
    };
    assert_eq!((payment_id, refund_id), (refund.payment_id, refund.attempt_id));
    assert!(matches!(outcome, Outcome::Success { amount_minor: 500, .. }), "{outcome:?}");
    let failed = subject("refund.failed", "failed");
    assert!(matches!(failed, Subject::Refund { outcome: Outcome::Decline { .. }, .. }));
    let older = subject("charge.refund.updated", "pending");
    assert!(matches!(older, Subject::Refund { outcome: Outcome::Unknown { .. }, .. }));
}

#[test]
fn what_was_refunded_in_all_is_told_of_a_charge() {
    let charge = charge();
    let object = json!({
        "id": "ch_1", "object": "charge", "amount": 1_099, "amount_refunded": 700,
        "currency": "usd", "payment_intent": INTENT, "refunded": false,
        "metadata": intent(&charge, "succeeded")["metadata"],
    });
    let expected = Subject::Refunded {
        payment_id: charge.payment_id,
        attempt_id: charge.attempt_id,
        total_minor: 700,
        currency: "USD".to_owned(),
    };
    assert_eq!(read_of("charge.refunded", &object).subject, expected);
    let nothing = with(object, json!({"amount_refunded": 0}));
    assert!(read(event("charge.refunded", &nothing).as_bytes()).is_err());
}

#[test]
fn what_is_not_ours_or_not_acted_on_is_told_by_its_kind() {
    let foreign = with(intent(&charge(), "succeeded"), json!({"metadata": {"order": "7"}}));
    for (kind, object) in [
        ("payment_intent.succeeded", foreign),
        ("payment_intent.created", intent(&charge(), "requires_confirmation")),
        ("customer.created", json!({"id": "cus_1", "object": "customer"})),
    ] {
        let expected = Subject::Other { kind: kind.to_owned() };
        assert_eq!(read_of(kind, &object).subject, expected);
    }
}

#[test]
fn what_is_no_event_of_stripe_is_refused_without_its_values() {
    let good = intent(&charge(), "succeeded");
    let text = event("payment_intent.succeeded", &good);
    let rows = [
        String::new(),
        "[]".to_owned(),
        text[..text.len() / 2].to_owned(),
        text.replace("\"object\":\"event\"", "\"object\":\"list\""),
        text.replace("evt_1", ""),
        text.replace("evt_1", &"x".repeat(129)),
        text.replace("1492774577", "9223372036854775807"),
        event("payment_intent.succeeded", &with(good.clone(), json!({"status": 1}))),
        event("refund.updated", &good),
    ];
    for body in rows {
        let refused = read(body.as_bytes()).unwrap_err().to_string();
        assert!(refused.starts_with("the notification is not understood: "), "{refused}");
        assert!(!refused.contains("hidden") && !refused.contains("pi_"), "{refused}");
    }
}
