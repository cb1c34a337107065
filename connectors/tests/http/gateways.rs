//! The gateways over HTTP: what an operator sees of them, and what they say unasked.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request};
use connectors::gateway::secret::SecretReference;
use connectors::gateway::signature::{SIMULATOR_SIGNATURE, sign};
use connectors::gateway::table::GatewayTable;
use connectors::http::{GatewayDesk, Profile};
use connectors::ports::{
    AppendError, BreakerWord, Doubts, GatewayResults, GatewayStates, GatewayTraffic, PortFuture,
};
use schemas::ErrorCode::{
    self, GatewayNotFound, InvalidRequest, LogUnavailable, NotReady, Overloaded, PayloadTooLarge,
    PositionNotReached, SignatureInvalid,
};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, GatewayResult};
use schemas::read_model::{PaymentRow, PaymentStatus, RefundRow, RefundStatus};
use schemas::{GatewayName, OperationId, PaymentId, WalletId};
use serde_json::{Value, json};

use crate::caller::{Answer, Caller};
use crate::error_table::{Row, World, check};
use crate::ledger::{Ledger, Reply, clock, now};

const GATEWAYS: &str = "/api/v1/gateways";
const NOTIFICATIONS: &str = "/api/v1/gateways/simulator/notifications";
const EXPOSURE: &str = "/api/v1/gateways/simulator/exposure";

/// A variable that cargo sets for every test: where the secret of these notifications is.
const SECRET: &str = "CARGO_MANIFEST_DIR";
const TABLE: &str = r#"
    [[gateway]]
    name = "simulator"
    kind = "simulator"
    base_url = "http://127.0.0.1:8090"
    webhook_secrets = [{ env = "CARGO_MANIFEST_DIR" }]
    inquiry = "authoritative"

    [[gateway]]
    name = "quiet"
    kind = "simulator"
    base_url = "http://127.0.0.1:8091"
"#;

/// Two gateways, one of which this process calls.
pub fn desk(ledger: &Arc<Ledger>) -> GatewayDesk {
    let table = Arc::new(GatewayTable::parse(TABLE).unwrap());
    GatewayDesk::new(table, Arc::<Ledger>::clone(ledger), Arc::<Ledger>::clone(ledger)).unwrap()
}

/// Those of the payments and refunds that are in doubt there.
pub fn doubts<'a>(
    payments: impl Iterator<Item = &'a PaymentRow>,
    refunds: impl Iterator<Item = &'a RefundRow>,
    gateway: &GatewayName,
) -> Doubts {
    let in_doubt = |row: &&PaymentRow| {
        matches!(row.status, PaymentStatus::InDoubt | PaymentStatus::NeedsReview)
            && row.gateway.as_ref() == Some(gateway)
    };
    let is_in_doubt = |row: &&RefundRow| {
        matches!(row.status, RefundStatus::InDoubt | RefundStatus::NeedsReview)
            && row.gateway == *gateway
    };
    Doubts {
        payments: payments.filter(in_doubt).cloned().collect(),
        refunds: refunds.filter(is_in_doubt).cloned().collect(),
        are_all: true,
    }
}

impl GatewayResults for Ledger {
    fn append(&self, result: GatewayResult) -> PortFuture<'_, Result<(), AppendError>> {
        let taken = self.hear(result);
        Box::pin(async move { taken })
    }

    fn stand_in(&self, payment: PaymentId) -> WalletId {
        WalletId::from_bytes(*payment.as_bytes())
    }
}

impl GatewayStates for Ledger {
    fn traffic(&self, gateway: &GatewayName) -> Option<GatewayTraffic> {
        (gateway.as_str() == "simulator").then_some(GatewayTraffic {
            breaker: BreakerWord::Open,
            open_until: Some(now(5)),
            under_way: 3,
            limit: 256,
            waiting: 17,
        })
    }
}

fn signed(body: &str) -> String {
    let secret = SecretReference::Env(SECRET.to_owned()).read().unwrap();
    sign(body.as_bytes(), &secret, clock())
}

/// What the simulator says of a charge.
fn event(payment_id: &str, attempt_id: &str, amount: i64) -> String {
    json!({
        "id": "evt_1", "type": "charge.succeeded", "created": 1_700_000_000_000_i64,
        "charge": {
            "id": "ch_1", "status": "succeeded", "amount": amount, "currency": "USD",
            "reference": payment_id, "attempt_id": attempt_id, "idempotency_key": attempt_id,
            "created": 1_700_000_000_000_i64,
        },
    })
    .to_string()
}

const PAYMENT: &str = "8b0a3c39-3d0a-8c1e-9f00-000000000001";
const ATTEMPT: &str = "8b0a3c39-3d0a-8c1e-9f00-000000000002";

fn notified(path: &str, body: String, code: ErrorCode) -> Row {
    let signature = signed(&body);
    let row = Row::post(path, body, code).without_headers();
    row.header(SIMULATOR_SIGNATURE, signature)
}

pub fn rows() -> Vec<Row> {
    let append = |error| World::Says(Reply::Append(error));
    let said = |code| notified(NOTIFICATIONS, event(PAYMENT, ATTEMPT, 100), code);
    let text = String::new;
    vec![
        Row::get(&format!("{GATEWAYS}?colour=red"), InvalidRequest).param("colour"),
        Row::get(GATEWAYS, Overloaded).world(World::DoorTaken),
        Row::get(&format!("{EXPOSURE}?colour=red"), InvalidRequest).param("colour"),
        Row::get(&format!("{EXPOSURE}?min_position=0-99"), PositionNotReached),
        Row::get(EXPOSURE, Overloaded).world(World::DoorTaken),
        Row::get(&format!("{GATEWAYS}/nobody/exposure"), GatewayNotFound),
        Row::get(&format!("{GATEWAYS}/NO%20NAME/exposure"), GatewayNotFound),
        said(SignatureInvalid).without_headers(),
        said(SignatureInvalid).header(SIMULATOR_SIGNATURE, "t=1,v1=00"),
        // Signed, but not this.
        said(SignatureInvalid).header(SIMULATOR_SIGNATURE, signed("{}")),
        // It has no secret, so nothing is signed by it.
        notified(&format!("{GATEWAYS}/quiet/notifications"), text(), SignatureInvalid),
        notified(&format!("{GATEWAYS}/nobody/notifications"), text(), GatewayNotFound),
        notified(NOTIFICATIONS, "{}".to_owned(), InvalidRequest),
        notified(NOTIFICATIONS, "not JSON".to_owned(), InvalidRequest),
        notified(NOTIFICATIONS, " ".repeat(70 << 10), PayloadTooLarge),
        said(LogUnavailable).world(append(AppendError::Unconfirmed(text()))),
        said(NotReady).world(append(AppendError::NotReady(text()))),
        said(Overloaded).world(append(AppendError::QueueFull)),
        said(Overloaded).world(World::DoorTaken),
    ]
}

#[tokio::test]
async fn what_is_wrong_with_a_question_about_gateways_is_said() {
    check(rows()).await;
}

#[tokio::test]
async fn gateways_are_shown_with_their_promises_and_what_is_not_known_is_null() {
    let caller = Caller::new(Profile::Dev);
    let answer = caller.get(GATEWAYS, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let [simulator, quiet] = answer.body["data"].as_array().unwrap().as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!(simulator["name"], "simulator");
    assert_eq!(simulator["breaker"]["state"], "open");
    assert_eq!(simulator["breaker"]["open_until"], now(5).to_string());
    let bulkhead = json!({"calls_under_way": 3, "calls_limit": 256, "operations_waiting": 17});
    assert_eq!(simulator["bulkhead"], bulkhead);
    assert_eq!(simulator["unknown_because"], Value::Null);
    assert_eq!(simulator["promises"]["inquiry"], "authoritative");
    assert_eq!(
        (&simulator["kind"], &simulator["takes_notifications"]),
        (&json!("simulator"), &json!(true),)
    );
    assert_eq!(quiet["takes_notifications"], false);
    assert_eq!((&quiet["breaker"], &quiet["bulkhead"]), (&Value::Null, &Value::Null));
    assert!(quiet["unknown_because"].as_str().unwrap().contains("role gateway"), "{quiet}");
    let secret = std::env::var(SECRET).unwrap();
    assert!(!answer.body.to_string().contains(&secret), "no secret is shown");
}

async fn notify(caller: &Caller, body: String) -> Answer {
    let request = Request::builder().method(Method::POST).uri(NOTIFICATIONS);
    let request = request.header(SIMULATOR_SIGNATURE, signed(&body));
    caller.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_notification_is_appended_as_the_result_that_the_ledger_knows_it_by() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let paid = caller.pay(1_000, "key").await;
    let payment_id = paid.text("id").to_owned();
    for _ in 0..2 {
        // The same event twice is the same result twice: the ledger takes it once.
        let answer = notify(&caller, event(&payment_id, ATTEMPT, 999)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["appended"], true);
        assert_eq!(answer.body["id"], "evt_1");
    }
    let [result, again] = caller.ledger.results().try_into().unwrap();
    let unnamed =
        |result: &GatewayResult| GatewayResult { correlation_id: String::new(), ..result.clone() };
    assert_eq!(unnamed(&result), unnamed(&again));
    let wallet: WalletId = paid.text("wallet_id").parse().unwrap();
    assert_eq!((result.wallet_id, result.operation_seq), (wallet, 0));
    assert_eq!(result.operation, GatewayOperationKind::Notify);
    assert_eq!(result.operation_id, ATTEMPT.parse::<OperationId>().unwrap());
    assert_eq!((result.notification_id.as_str(), result.gateway.as_str()), ("evt_1", "simulator"));
    let expected = GatewayOutcome::Succeeded {
        gateway_reference: "ch_1".to_owned(),
        amount: 999,
        currency: "USD".to_owned(),
    };
    assert_eq!(result.outcome, expected, "what was charged, whatever was asked");
    assert!(result.evidence.is_some(), "profile dev");
}

#[tokio::test]
async fn what_is_said_of_a_payment_nobody_knows_goes_to_its_shard() {
    let caller = Caller::impatient();
    let answer = notify(&caller, event(PAYMENT, ATTEMPT, 100)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["appended"]), (200, &json!(true)));
    let [result] = caller.ledger.results().try_into().unwrap();
    let payment: PaymentId = PAYMENT.parse().unwrap();
    // As this ledger stands in for a wallet.
    assert_eq!(result.wallet_id, WalletId::from_bytes(*payment.as_bytes()));
}

#[tokio::test]
async fn what_somebody_else_charges_there_is_taken_and_not_appended() {
    let caller = Caller::impatient();
    let answer = notify(&caller, event("order 7", "cart 8", 100)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["appended"]), (200, &json!(false)));
    assert_eq!(caller.ledger.results(), []);
}

#[tokio::test]
async fn money_in_doubt_is_summed_by_currency_and_age() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    for (amount, status) in [
        (100, PaymentStatus::InDoubt),
        (20, PaymentStatus::NeedsReview),
        (7, PaymentStatus::Processing),
        (3, PaymentStatus::Completed),
    ] {
        caller.ledger.reply(Reply::Pay(status));
        let paid = caller.pay(amount, &format!("key-{amount}")).await;
        if status == PaymentStatus::Completed {
            caller.ledger.reply(Reply::Refund(RefundStatus::InDoubt));
            let refunds = format!("/api/v1/payments/{}/refunds", paid.text("id"));
            caller.post(&refunds, &json!({"amount": 2}), &[]).await;
        }
    }
    let answer = caller.get(EXPOSURE, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["complete"], true);
    let expected = json!([{ "currency": "USD", "age": "over_24h", "payments": 2, "amount": 120 }]);
    assert_eq!(answer.body["in_doubt"], expected, "{answer:?}");
    let expected = json!([{ "currency": "USD", "age": "over_24h", "refunds": 1, "amount": 2 }]);
    assert_eq!(answer.body["refunds_in_doubt"], expected, "{answer:?}");
    let quiet = caller.get("/api/v1/gateways/quiet/exposure", &[]).await;
    assert_eq!(quiet.body["in_doubt"], json!([]));
}
