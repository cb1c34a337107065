//! Payments that want the same money at the same time.

use std::collections::BTreeMap;

use futures::future::join_all;
use tests::caller::{Numbers, new_key};
use tests::installation::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn forty_payments_racing_for_the_funds_of_ten_end_as_ten_and_thirty() {
    let installation = Installation::start("race").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000).await;
    let keys: Vec<_> = (0..40).map(|_| new_key()).collect();
    let answers = join_all(keys.iter().map(|key| caller.pay(&wallet, 1_000, key))).await;

    let mut ends = BTreeMap::new();
    for answer in &answers {
        *ends.entry((answer.status, answer.code())).or_insert(0) += 1;
        let payment = caller.settled(answer.payment_id()).await;
        let expected = if answer.status == 201 { "completed" } else { "failed" };
        assert_eq!(payment["status"], expected);
    }
    assert_eq!(ends, BTreeMap::from([((201, ""), 10), ((402, "insufficient_funds"), 30)]));
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(0));
    assert_eq!(installation.charges().await.len(), 10);
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.requested, 40);
}
