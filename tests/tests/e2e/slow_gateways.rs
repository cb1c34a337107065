//! A gateway that hangs: whoever does not wait for it is not held up, and what waits heals.

use connectors::gateway::simulator::magic::MagicAmount;
use futures::future::join_all;
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::installation::Installation;

const DEPOSIT: i64 = 10_000_000;

/// Payments of which the gateway takes the money and says nothing. They are decided at once.
async fn hang(caller: &Caller, wallet: &Wallet, count: usize) -> Vec<String> {
    let amount = MagicAmount::TimeoutAfterCharging.ending();
    let paying = (0..count).map(async |_| {
        let answer = caller.try_pay(wallet, amount, &new_key()).await.expect("answered");
        answer.expect(202).payment_id().to_owned()
    });
    join_all(paying).await
}

async fn status(caller: &Caller, payment_id: &str) -> String {
    let answer = caller.get(&format!("/api/v1/payments/{payment_id}")).await.expect(200);
    answer.text("status").to_owned()
}

async fn all_complete(caller: &Caller, ids: &[String]) {
    for id in ids {
        let payment = caller.settled(id).await;
        assert_eq!(payment["status"], "completed", "{payment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_that_hang_at_the_gateway_hold_up_nobody_else() {
    // Longer than the others can take on any machine, so that "meanwhile" is certain.
    let slow = [("HOLDFAST_GATEWAY_CALL_TIMEOUT_MS", "20000")];
    let installation = Installation::start_with("hanging", &slow).await;
    let caller = installation.caller();
    let (hanging, other) = (caller.wallet_with(DEPOSIT).await, caller.wallet_with(DEPOSIT).await);
    let hung = hang(&caller, &hanging, 60).await;
    // Another wallet, and the same one: both complete while those hang.
    for wallet in [&other, &hanging] {
        let paid = join_all((0..10).map(|_| {
            let caller = caller.clone();
            async move { caller.pay(wallet, 100, &new_key()).await }
        }));
        for answer in paid.await {
            answer.expect(201);
        }
    }
    for id in &hung {
        assert_eq!(status(&caller, id).await, "processing", "it hangs");
    }
    all_complete(&caller, &hung).await;
    assert_eq!(caller.numbers(&other).await, Numbers::settled(DEPOSIT - 1_000));
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.open_holds, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_every_call_hangs_makes_payments_wait_and_then_all_heal() {
    let narrow = [
        ("HOLDFAST_GATEWAY_CONCURRENCY", "2"),
        ("HOLDFAST_GATEWAY_CALL_TIMEOUT_MS", "700"),
        ("HOLDFAST_GATEWAY_OPERATION_WINDOW_MS", "3000"),
        ("HOLDFAST_GATEWAY_INGESTION_WINDOW_MS", "100"),
    ];
    let installation = Installation::start_with("saturated", &narrow).await;
    let caller = installation.caller();
    let (hanging, other) = (caller.wallet_with(DEPOSIT).await, caller.wallet_with(DEPOSIT).await);
    // More than the two calls at a time can begin inside the operation window: some expire unsent.
    let hung = hang(&caller, &hanging, 16).await;
    // The ledger goes on deciding, whatever the gateway does.
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let answer = caller.try_pay(&other, 100, &new_key()).await.expect("answered").expect(202);
        waiting.push(answer.payment_id().to_owned());
    }
    let poor = caller.try_pay(&other, 2 * DEPOSIT, &new_key()).await.expect("answered");
    poor.expect_refusal(402, "insufficient_funds");
    assert_eq!(caller.deposit(&other, 1).await.status, 201);
    all_complete(&caller, &waiting).await;
    all_complete(&caller, &hung).await;
    assert_eq!(caller.numbers(&other).await, Numbers::settled(DEPOSIT + 1 - 500));
    let report = installation.assert_clean_audit().await;
    assert_eq!((report.totals.open_holds, report.totals.payments.failed_in_all()), (0, 1));
}
