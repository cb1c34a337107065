//! Refunds as the gateway follower does them: whatever the simulator answers to a refund, the
//! wallet gets back what the gateway gave back.

use std::time::Duration;

use schemas::event::Event;
use schemas::inputs::{Command, CommandBody, Envelope, Refund};
use schemas::{PaymentId, RefundId, TenantId};
use tests::caller::{Numbers, Wallet, new_key};
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::journal;
use tests::producer::{Producer, RawRecord};
use tests::wait::eventually;

use crate::bad_records::Shards;

const DEPOSIT: i64 = 100_000;
const AMOUNT: i64 = 50_000;
const BOUND: Duration = Duration::from_mins(1);

/// Amounts by which the simulator answers a refund, and whether it gives the money back.
const REFUNDS: [(i64, bool); 6] = [
    (1_000, true),
    // Declined.
    (4_003, false),
    // Silence, given back.
    (4_031, true),
    // 503 at first.
    (4_021, true),
    // 429, not processed, at first.
    (4_061, true),
    // The connection is reset after it was given back.
    (4_042, true),
];

/// A command as another service would write it.
fn refund(wallet: &Wallet, payment_id: &str, amount: i64) -> Command {
    let payment: PaymentId = payment_id.parse().expect("a payment id");
    let key = new_key();
    let tenant = TenantId::default_tenant();
    let refund_id = RefundId::derive(&tenant, payment, &key.parse().expect("a key"));
    Command {
        envelope: Envelope {
            command_id: new_key(),
            tenant: String::new(),
            idempotency_key: key,
            correlation_id: "a-refund".to_owned(),
            actor: "e2e".to_owned(),
            deadline: None,
        },
        body: CommandBody::Refund(Refund {
            refund_id: refund_id.to_string(),
            payment_id: payment_id.to_owned(),
            wallet_id: wallet.id.clone(),
            amount: Some(amount),
            reason: None,
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_gives_back_is_in_the_wallet_whatever_it_answers() {
    let installation = Installation::start_with("gateway-refunds", &QUICK_GATEWAY).await;
    let (caller, producer) = (installation.caller(), Producer::of(&installation));
    let wallet = caller.wallet_with(DEPOSIT).await;
    let paid = caller.pay(&wallet, AMOUNT, &new_key()).await.expect(201);
    let shard = Shards::of(&wallet).right;
    for (amount, _) in REFUNDS {
        let command = refund(&wallet, paid.payment_id(), amount);
        producer.send(&RawRecord::well_formed(shard, &wallet.id, &command)).await;
    }
    let given_back: i64 = REFUNDS.iter().filter(|(_, is)| *is).map(|(amount, _)| amount).sum();
    let (mut succeeded, failed) = eventually(BOUND, "every refund has ended", async || {
        let events = journal::events(&installation).await;
        let mut ended = (Vec::new(), 0);
        for event in &events {
            match event {
                Event::RefundSucceeded(it) => ended.0.push(it.amount.minor()),
                Event::RefundFailed(_) => ended.1 += 1,
                _ => {}
            }
        }
        if ended.0.len() + ended.1 == REFUNDS.len() { Ok(ended) } else { Err(ended) }
    })
    .await;
    succeeded.sort_unstable();
    assert_eq!(succeeded, [1_000, 4_021, 4_031, 4_042, 4_061]);
    assert_eq!(failed, 1, "the declined one");
    let expected = Numbers::settled(DEPOSIT - AMOUNT + given_back);
    eventually(BOUND, "the wallet has it back", async || {
        let numbers = caller.numbers(&wallet).await;
        if numbers == expected { Ok(()) } else { Err(numbers) }
    })
    .await;
    installation.assert_clean_audit().await;
}
