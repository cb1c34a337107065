//! The Stripe client against a stand-in: what it sends, and what it makes of each answer.

use connectors::gateway::operation::{
    Health, OperationAnswer, OperationKind, OperationRequest, Outcome,
};
use connectors::gateway::secret::Secret;
use connectors::gateway::stripe::{StripeGateway, StripeOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Class, class};
use crate::stripe_stand_in::{
    INTENT, KEY, StandIn, Told, about, charge, client, failure, hurried, intent, page, refund,
    refunded, with,
};

/// What is answered, and the class that comes of it.
type Row = (&'static str, u16, Value, Class);

/// Asks once for each row; each is one request, whatever is answered.
async fn check(operation: &OperationRequest, rows: Vec<Row>) {
    let stripe = StandIn::start().await;
    let gateway = stripe.gateway();
    for (what, status, body, expected) in rows {
        let text = match &body {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        stripe.tell(Told::Answer(status, text, None));
        let answer = gateway.perform(&crate::harness::again(operation)).await;
        assert_eq!(class(&answer), expected, "{what}: {answer:?}");
        assert_eq!(stripe.seen().len(), 1, "{what}");
        keeps_secrets(&answer);
    }
}

fn keeps_secrets(answer: &OperationAnswer) {
    let told = format!("{answer:?}");
    assert!(!told.contains("hidden"), "{told}");
}

fn html() -> Value {
    Value::String("<html>edge proxy</html>".to_owned())
}

fn half(body: &Value) -> Value {
    let mut text = body.to_string();
    text.truncate(text.len() / 2);
    Value::String(text)
}

/// A declined card, as an answer to a submission.
fn declined(operation: &OperationRequest, error: Value) -> Value {
    let intent = intent(operation, "requires_payment_method");
    let error = with(json!({"type": "card_error", "payment_intent": intent}), error);
    json!({ "error": error })
}

#[tokio::test]
async fn a_2xx_is_a_success_only_with_our_charge_that_succeeded() {
    let charge = charge();
    let succeeded = || intent(&charge, "succeeded");
    let other = crate::stripe_stand_in::charge();
    let pending = |status: &str| intent(&charge, status);
    let tried = |kind: &str| {
        let error = json!({"type": kind, "code": "card_declined", "decline_code": "do_not_honor"});
        with(pending("requires_payment_method"), json!({"last_payment_error": error}))
    };
    check(
        &charge,
        vec![
            ("succeeded", 200, succeeded(), Class::Success),
            ("processing", 200, pending("processing"), Class::Unknown),
            ("waits for the payer", 200, pending("requires_action"), Class::Unknown),
            ("not confirmed", 200, pending("requires_confirmation"), Class::Unknown),
            ("not captured", 200, pending("requires_capture"), Class::Unknown),
            ("no payment method", 200, pending("requires_payment_method"), Class::Unknown),
            ("a status of tomorrow", 200, pending("settling"), Class::Unknown),
            ("canceled", 200, pending("canceled"), Class::Decline),
            ("declined", 200, tried("card_error"), Class::Decline),
            ("a fault in between", 200, tried("api_error"), Class::Unknown),
            (
                "canceled with money",
                200,
                with(pending("canceled"), json!({"amount_received": 1})),
                Class::Unknown,
            ),
            (
                "nothing received",
                200,
                with(succeeded(), json!({"amount_received": 0})),
                Class::Unknown,
            ),
            ("no currency", 200, with(succeeded(), json!({"currency": "x"})), Class::Unknown),
            ("another object", 200, with(succeeded(), json!({"object": "charge"})), Class::Unknown),
            ("another id", 200, with(succeeded(), json!({"id": "ch_1"})), Class::Unknown),
            ("an error as well", 200, with(succeeded(), json!({"error": {}})), Class::Unknown),
            ("of another attempt", 200, intent(&other, "succeeded"), Class::Unknown),
            ("of nobody", 200, with(succeeded(), json!({"metadata": {}})), Class::Unknown),
            ("half of it", 200, half(&succeeded()), Class::Unknown),
            ("a page", 200, html(), Class::Unknown),
            ("nothing", 204, Value::String(String::new()), Class::Unknown),
            ("a list", 200, page("search_result", &[succeeded()], false), Class::Unknown),
            ("a redirect", 302, succeeded(), Class::Unknown),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_error_is_what_stripe_itself_says_of_it() {
    let charge = charge();
    let other = crate::stripe_stand_in::charge();
    let invalid = || failure("invalid_request_error", Some("parameter_invalid_integer"));
    let with_intent = |status: &str| {
        let intent = intent(&charge, status);
        json!({"error": {"type": "invalid_request_error", "payment_intent": intent}})
    };
    let code = || json!({"code": "expired_card"});
    check(
        &charge,
        vec![
            ("declined", 402, declined(&charge, code()), Class::Decline),
            ("declined without its charge", 402, failure("card_error", None), Class::Unknown),
            ("declined for another", 402, declined(&other, code()), Class::Unknown),
            ("declined and succeeded", 402, with_intent("succeeded"), Class::Unknown),
            ("unacceptable", 400, invalid(), Class::NotSent),
            ("unacceptable in some state", 400, with_intent("succeeded"), Class::Unknown),
            ("the key with another body", 400, failure("idempotency_error", None), Class::Unknown),
            ("a proxy's 400", 400, html(), Class::Unknown),
            ("no valid key", 401, failure("invalid_request_error", None), Class::NotSent),
            ("a proxy's 401", 401, html(), Class::Unknown),
            ("a key without the permission", 403, invalid(), Class::NotSent),
            ("a proxy's 403", 403, html(), Class::Unknown),
            ("no such thing", 404, failure("invalid_request_error", None), Class::Unknown),
            ("a proxy's 404", 404, html(), Class::Unknown),
            (
                "the key is in use",
                409,
                failure("idempotency_error", Some("idempotency_key_in_use")),
                Class::Unknown,
            ),
            ("too many", 429, failure("invalid_request_error", Some("rate_limit")), Class::NotSent),
            ("locked", 429, failure("invalid_request_error", Some("lock_timeout")), Class::Unknown),
            ("a proxy's 429", 429, html(), Class::Unknown),
            ("an error of Stripe", 500, failure("api_error", None), Class::Unknown),
            ("a 5xx that says it did nothing", 503, invalid(), Class::Unknown),
            ("a 5xx with a decline", 500, declined(&charge, code()), Class::Unknown),
            ("a proxy's 502", 502, html(), Class::Unknown),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_search_proves_what_it_finds_and_refuses_what_is_ambiguous() {
    let charge = charge();
    let inquiry = about(&charge, OperationKind::Inquire);
    let other = crate::stripe_stand_in::charge();
    let found = |status: &str| page("search_result", &[intent(&charge, status)], false);
    let ours = intent(&charge, "succeeded");
    let theirs = intent(&other, "succeeded");
    check(
        &inquiry,
        vec![
            ("succeeded", 200, found("succeeded"), Class::Success),
            ("canceled", 200, found("canceled"), Class::Decline),
            ("processing", 200, found("processing"), Class::Unknown),
            ("nothing", 200, page("search_result", &[], false), Class::NotFound),
            ("nothing yet", 200, page("search_result", &[], true), Class::Unknown),
            ("nothing in a list", 200, page("list", &[], false), Class::Unknown),
            ("of another", 200, page("search_result", &[theirs], false), Class::Unknown),
            (
                "two charges of one attempt",
                200,
                page("search_result", &[ours.clone(), ours.clone()], false),
                Class::Unknown,
            ),
            ("no page", 200, ours, Class::Unknown),
            ("half of it", 200, half(&found("succeeded")), Class::Unknown),
            ("no valid key", 401, failure("invalid_request_error", None), Class::Unknown),
            ("too many", 429, failure("rate_limit_error", None), Class::Unknown),
            ("no such thing", 404, failure("invalid_request_error", None), Class::Unknown),
            ("broken", 500, failure("api_error", None), Class::Unknown),
        ],
    )
    .await;
    let known = OperationRequest { charge_reference: Some(INTENT.to_owned()), ..inquiry };
    let missing = failure("invalid_request_error", Some("resource_missing"));
    check(
        &known,
        vec![
            ("succeeded", 200, intent(&charge, "succeeded"), Class::Success),
            ("canceled", 200, intent(&charge, "canceled"), Class::Decline),
            ("of another", 200, intent(&other, "succeeded"), Class::Unknown),
            // An id that Stripe has given does not go away: another account, or another mode.
            ("no such thing", 404, missing, Class::Unknown),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_refund_is_known_when_stripe_has_decided_it() {
    let refund = refund();
    let other = crate::stripe_stand_in::refund();
    let done = |status: &str| refunded(&refund, status);
    let failed = with(done("failed"), json!({"failure_reason": "lost_or_stolen_card"}));
    let already = failure("invalid_request_error", Some("charge_already_refunded"));
    check(
        &refund,
        vec![
            ("succeeded", 200, done("succeeded"), Class::Success),
            ("pending", 200, done("pending"), Class::Unknown),
            ("waits for the payer", 200, done("requires_action"), Class::Unknown),
            ("no status", 200, with(done("x"), json!({"status": null})), Class::Unknown),
            ("failed", 200, failed, Class::Decline),
            ("canceled", 200, done("canceled"), Class::Decline),
            ("of another", 200, refunded(&other, "succeeded"), Class::Unknown),
            ("nothing left to refund", 400, already, Class::NotSent),
            ("broken", 500, failure("api_error", None), Class::Unknown),
        ],
    )
    .await;
    let inquiry = about(&refund, OperationKind::InquireRefund);
    let theirs = || refunded(&other, "succeeded");
    let elsewhere = with(done("succeeded"), json!({"payment_intent": "pi_other"}));
    let list = |data: &[Value]| page("list", data, false);
    check(
        &inquiry,
        vec![
            ("among others", 200, list(&[theirs(), done("succeeded")]), Class::Success),
            ("failed", 200, list(&[done("failed")]), Class::Decline),
            ("pending", 200, list(&[done("pending")]), Class::Unknown),
            ("not among others", 200, list(&[theirs()]), Class::NotFound),
            ("none", 200, list(&[]), Class::NotFound),
            ("more pages", 200, page("list", &[theirs()], true), Class::Unknown),
            (
                "found, and more pages",
                200,
                page("list", &[done("succeeded")], true),
                Class::Success,
            ),
            ("twice", 200, list(&[done("succeeded"), done("pending")]), Class::Unknown),
            ("of another charge", 200, list(&[elsewhere]), Class::Unknown),
            ("no list", 200, page("search_result", &[], false), Class::Unknown),
            ("no such thing", 404, failure("invalid_request_error", None), Class::Unknown),
        ],
    )
    .await;
}

#[tokio::test]
async fn outcomes_carry_what_stripe_said() {
    let (stripe, charge) = (StandIn::start().await, charge());
    let gateway = stripe.gateway();
    // Another amount and currency than were asked for: the ledger's to judge.
    let paid = json!({"amount_received": 700, "currency": "isk"});
    stripe.tell_json(200, &with(intent(&charge, "succeeded"), paid));
    let answer = gateway.perform(&charge).await;
    let expected = Outcome::Success {
        gateway_reference: INTENT.to_owned(),
        amount_minor: 7,
        currency: "ISK".to_owned(),
    };
    assert_eq!(answer.outcome, expected);
    let evidence: Value = serde_json::from_str(answer.evidence.as_str()).unwrap();
    assert_eq!(evidence["id"], INTENT);
    assert_eq!(evidence["request_id"], "req_1");
    assert_eq!(evidence["amount"], 7);

    let rows = [
        (
            json!({"code": "card_declined", "decline_code": "insufficient_funds"}),
            "insufficient_funds",
        ),
        (json!({"code": "expired_card"}), "expired_card"),
        (json!({"code": "Not a code"}), "unnamed"),
    ];
    for (error, expected) in rows {
        let error = with(error, json!({"message": "Your card\nwas declined."}));
        stripe.tell_json(402, &declined(&charge, error.clone()));
        let answer = gateway.perform(&crate::harness::again(&charge)).await;
        // The table has it from the object; what the error says goes with it.
        let Outcome::Decline { code, message } = answer.outcome else { panic!("{answer:?}") };
        assert_eq!((code.as_str(), message.as_str()), (expected, "Your cardwas declined."));
        assert_eq!(answer.health, Health::Well);
    }
}

#[tokio::test]
async fn what_is_sent_is_one_form_with_the_key_and_our_ids() {
    let (stripe, charge) = (StandIn::start().await, charge());
    let gateway = stripe.gateway();
    stripe.tell_json(200, &intent(&charge, "succeeded"));
    stripe.tell(Told::Answer(
        200,
        intent(&charge, "succeeded").to_string(),
        Some(("idempotent-replayed", "true")),
    ));
    let answers = [gateway.perform(&charge).await, gateway.perform(&charge).await];
    assert_eq!(answers[0].outcome, answers[1].outcome);
    assert!(answers[1].evidence.as_str().contains("idempotent_replayed"));
    let [first, again] = &stripe.seen()[..] else { panic!("two requests") };
    assert_eq!(
        (&first.body, first.header("idempotency-key")),
        (&again.body, charge.idempotency_key.as_str())
    );
    assert_eq!((first.method.as_str(), first.uri.path()), ("POST", "/v1/payment_intents"));
    assert_eq!(first.header("authorization"), format!("Bearer {KEY}"));
    assert_eq!(first.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(first.header("stripe-version"), "2025-03-31.basil");
    let (payment, attempt) = (charge.payment_id.to_string(), charge.attempt_id.to_string());
    let expected = [
        ("amount", "1099"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
        ("error_on_requires_action", "true"),
        ("metadata[holdfast_payment_id]", &payment),
        ("metadata[holdfast_attempt_id]", &attempt),
    ];
    assert_eq!(first.form(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    stripe.tell_json(200, &page("search_result", &[], false));
    gateway.perform(&about(&charge, OperationKind::Inquire)).await;
    let known = OperationRequest { charge_reference: Some(INTENT.to_owned()), ..charge.clone() };
    stripe.tell_json(200, &intent(&charge, "succeeded"));
    gateway.perform(&about(&known, OperationKind::Inquire)).await;
    let [search, by_id] = &stripe.seen()[..] else { panic!("two requests") };
    assert_eq!(search.uri.path(), "/v1/payment_intents/search");
    assert_eq!(search.form()[0].1, format!("metadata[\"holdfast_attempt_id\"]:\"{attempt}\""));
    assert_eq!(by_id.uri.to_string(), format!("/v1/payment_intents/{INTENT}"));
    assert_eq!(by_id.header("idempotency-key"), "");

    let refund = refund();
    stripe.tell_json(200, &refunded(&refund, "succeeded"));
    gateway.perform(&refund).await;
    stripe.tell_json(200, &page("list", &[], false));
    gateway.perform(&about(&refund, OperationKind::InquireRefund)).await;
    let [refunding, list] = &stripe.seen()[..] else { panic!("two requests") };
    assert_eq!((refunding.method.as_str(), refunding.uri.path()), ("POST", "/v1/refunds"));
    assert_eq!(refunding.header("idempotency-key"), refund.idempotency_key);
    let form = refunding.form();
    assert_eq!(
        form[..2],
        [("payment_intent".to_owned(), INTENT.to_owned()), ("amount".to_owned(), "500".to_owned())]
    );
    assert_eq!(form[3], ("metadata[holdfast_refund_id]".to_owned(), refund.attempt_id.to_string()));
    assert_eq!(list.uri.to_string(), format!("/v1/refunds?payment_intent={INTENT}&limit=100"));
}

#[tokio::test]
async fn what_stripe_cannot_be_asked_is_not_sent_and_not_its_fault() {
    let stripe = StandIn::start().await;
    let gateway = stripe.gateway();
    let rows = [
        OperationRequest { currency: "KWD".to_owned(), amount_minor: 5_124, ..charge() },
        OperationRequest { charge_reference: None, ..refund() },
        OperationRequest { charge_reference: Some("ch_1".to_owned()), ..refund() },
        OperationRequest { idempotency_key: "two\nlines".to_owned(), ..charge() },
    ];
    for operation in rows {
        let answer = gateway.perform(&operation).await;
        assert_eq!(class(&answer), Class::NotSent, "{answer:?}");
        assert_eq!(answer.health, Health::Well, "{answer:?}");
    }
    let lost = OperationRequest { charge_reference: None, ..refund() };
    let answer = gateway.perform(&about(&lost, OperationKind::InquireRefund)).await;
    assert_eq!(class(&answer), Class::Unknown);
    assert!(stripe.seen().is_empty());
    let secret = Secret::new(KEY).unwrap();
    let over_http = StripeOptions {
        base_url: "http://stripe.example".to_owned(),
        ..StripeOptions::new(secret, "pm_card_visa")
    };
    let refused = StripeGateway::new(over_http).unwrap_err().to_string();
    assert!(refused.contains("https://") && !refused.contains("hidden"), "{refused}");
    assert!(!format!("{gateway:?}").contains("hidden"), "{gateway:?}");
}

#[tokio::test]
async fn silence_and_broken_connections_are_unknown_and_nobody_there_is_not_sent() {
    let stripe = StandIn::start().await;
    let gateway = stripe.gateway();
    stripe.tell(Told::Silence);
    let answer = gateway.perform(&hurried(&charge())).await;
    assert_eq!((class(&answer), answer.health), (Class::Unknown, Health::Ill));
    assert_eq!(stripe.seen().len(), 1);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = client(&format!("http://{}", listener.local_addr().unwrap()));
    for written in ["", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"id\":"] {
        let breaking = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            assert!(connection.read(&mut request).await.unwrap() > 0);
            connection.write_all(written.as_bytes()).await.unwrap();
            connection.set_zero_linger().unwrap();
        };
        let charge = charge();
        let (answer, ()) = tokio::join!(gateway.perform(&charge), breaking);
        assert_eq!((class(&answer), answer.health), (Class::Unknown, Health::Ill), "{written}");
    }
    drop(listener);
    let answer = gateway.perform(&charge()).await;
    assert_eq!((class(&answer), answer.health), (Class::NotSent, Health::Ill));
    let answer = gateway.perform(&about(&charge(), OperationKind::Inquire)).await;
    assert_eq!(class(&answer), Class::Unknown);
}
