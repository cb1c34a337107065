//! What a gateway says of a charge that nobody has asked for yet: kept where people see it, and
//! true of the payment when that comes.

use std::time::Duration;

use schemas::event::Event;
use schemas::{OperationId, PaymentId, TenantId, WalletId};
use serde_json::json;
use tests::caller::{Caller, Numbers, new_key};
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::journal;
use tests::wait::eventually;

const DEPOSIT: i64 = 100_000;
const AMOUNT: i64 = 1_000;
const BOUND: Duration = Duration::from_mins(1);
const SECRET: &str = "the-simulators-secret";

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_kept_and_counts_when_its_attempt_turns_up() {
    let mut settings = QUICK_GATEWAY.to_vec();
    settings.push(("HOLDFAST_GATEWAY_WEBHOOK_SECRET", "env:E2E_WEBHOOK_SECRET"));
    settings.push(("E2E_WEBHOOK_SECRET", SECRET));
    let mut installation = Installation::start_with("orphans", &settings).await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(DEPOSIT).await;
    let (tenant, key) = (TenantId::default_tenant(), new_key());
    let wallet_id: WalletId = wallet.id.parse().expect("a wallet id");
    let payment_id = PaymentId::derive(&tenant, wallet_id, &key.parse().expect("a key"));
    let attempt = OperationId::attempt(&tenant, payment_id, 1).to_string();

    // Its charge is there before the payment: the log has lost it, or somebody can tell ids.
    let url = format!("{}/api/v1/gateways/simulator/notifications", installation.api_url());
    let told = json!({"url": url, "secret": SECRET, "percent": {"after": 100}});
    installation.gateway_admin().behave(&json!({"notifications": told})).await;
    let charge = json!({
        "amount": AMOUNT, "currency": "USD", "reference": payment_id.to_string(),
        "attempt_id": attempt,
    });
    let gateway = Caller::new(installation.gateway_url());
    gateway.post("/v1/charges", &charge, &[("Idempotency-Key", &attempt)]).await.expect(201);
    eventually(BOUND, "it is kept", async || {
        let events = journal::events(&installation).await;
        let is_kept = |event: &Event| {
            matches!(event, Event::OrphanRecorded(it) if it.result.payment_id == payment_id)
        };
        if events.iter().any(is_kept) { Ok(()) } else { Err(events.len()) }
    })
    .await;
    let shown = installation.says(&["journal", "--json"]);
    assert!(shown.contains("OrphanRecorded") && shown.contains(&attempt), "{shown}");
    eventually(BOUND, "it is counted", async || {
        let metrics = caller.get("/metrics").await.expect(200);
        let text = metrics.body.as_str().expect("a text").to_owned();
        let counted = text.lines().find(|line| line.starts_with("holdfast_discrepancies_total"));
        if counted.is_some_and(|line| line.ends_with(" 1")) { Ok(()) } else { Err(text) }
    })
    .await;
    caller.get(&format!("/api/v1/payments/{payment_id}")).await.expect(404);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT), "nobody's yet");

    // Nobody is there who could say it again.
    installation.kill_gateway().await;
    let paid = caller.try_pay(&wallet, AMOUNT, &key).await.expect("answered");
    assert_eq!(paid.payment_id(), payment_id.to_string());
    let paid = caller.settled(paid.payment_id()).await;
    assert_eq!(paid["status"], "completed", "{paid}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - AMOUNT));
    let events = journal::events(&installation).await;
    let applied = events.iter().filter(|event| matches!(event, Event::OrphanApplied(_)));
    assert_eq!(applied.count(), 1, "{events:#?}");

    installation.run_gateway().await;
    assert_eq!(installation.charges_of(&payment_id.to_string()).await.len(), 1);
    installation.assert_clean_audit().await;
}
