//! What a wallet had at a time.

use connectors::http::Profile;
use schemas::ErrorCode;
use serde_json::json;

use crate::caller::{Caller, USER};
use crate::demo;
use crate::ledger::{clock, now};

#[tokio::test]
async fn the_past_of_a_wallet_is_told_by_time_and_by_position() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let wallet = demo::wallet();
    let mut positions = Vec::new();
    let opened = caller.get(&format!("/api/v1/wallets/{wallet}"), &[]).await;
    positions.push(opened.header("holdfast-position").unwrap().to_owned());
    for amount in [10, 20, 30] {
        let path = format!("/api/v1/wallets/{wallet}/deposits");
        let answer = caller.post(&path, &json!({ "amount": amount }), &[]).await;
        positions.push(answer.header("holdfast-position").unwrap().to_owned());
    }
    // Entry 1 opened it at now(1); each deposit came a second later.
    for (entry, posted) in [(1, 0), (2, 10), (3, 30), (4, 60)] {
        let position = &positions[entry - 1];
        let at = now(i64::try_from(entry).unwrap()).to_string();
        for (as_of, is_final) in [(position, true), (&at, entry < 4)] {
            for path in [format!("/api/v1/wallets/{wallet}"), format!("/api/v1/wallets/{USER}/USD")]
            {
                let answer = caller.get(&format!("{path}?as_of={as_of}"), &[]).await;
                let expected = json!({
                    "object": "past_balance", "wallet_id": wallet, "user_id": USER,
                    "currency": "USD", "label": "main",
                    "balance": {
                        "posted": posted, "pending_debits": 0, "pending_credits": 0,
                        "available": posted,
                    },
                    "at": at, "position": position, "is_final": is_final,
                });
                assert_eq!((answer.status.as_u16(), &answer.body), (200, &expected), "{as_of}");
                assert_eq!(answer.header("holdfast-position"), Some(position.as_str()));
            }
        }
    }
    // Now is not the future, though more may come of it.
    let path = format!("/api/v1/wallets/{wallet}?as_of={}", clock());
    let answer = caller.get(&path, &[]).await;
    assert_eq!(answer.body["balance"]["posted"], 60);
    assert_eq!(answer.body["is_final"], false);
    let before = format!("/api/v1/wallets/{wallet}?as_of={}", now(0));
    caller.get(&before, &[]).await.assert_refused(ErrorCode::WalletNotFound);
}
