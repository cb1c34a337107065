//! Lists: pages, filters, cursors.

use connectors::http::Profile;
use schemas::ErrorCode;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller, USER};
use crate::ledger::now;

/// All rows of a list, page by page.
async fn pages(caller: &Caller, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = caller.get(&format!("{path}{cursor}"), &[]).await;
        assert_eq!((page.status.as_u16(), page.text("object")), (200, "list"));
        rows.extend(page.body["data"].as_array().unwrap().iter().cloned());
        assert_eq!(page.body["has_more"].as_bool(), Some(page.body["next_cursor"].is_string()));
        let Some(next) = page.body["next_cursor"].as_str() else { return rows };
        cursor = format!("&cursor={next}");
        // A row that is added at the head does not move what comes after the cursor.
        if rows.len() == 2 {
            caller.pay(99, "late").await;
        }
    }
}

fn next(answer: &Answer) -> &str {
    answer.text("next_cursor")
}

#[tokio::test]
async fn payments_are_listed_newest_first() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    for amount in 1..=5 {
        caller.pay(amount, &format!("key-{amount}")).await;
    }
    let rows = pages(&caller, "/api/v1/payments?limit=2").await;
    let amounts: Vec<_> = rows.iter().map(|row| row["amount"].as_i64().unwrap()).collect();
    assert_eq!(amounts, [5, 4, 3, 2, 1]);

    let all = caller.get("/api/v1/payments", &[]).await;
    assert_eq!(all.body["data"].as_array().unwrap().len(), 6);
    assert_eq!(all.body["next_cursor"], Value::Null);
    assert!(all.header("holdfast-position").unwrap().ends_with("-7"));

    for (query, count) in [
        ("status=processing", 6),
        ("status=failed", 0),
        (&format!("user_id={USER}&gateway=simulator"), 6),
        (&format!("wallet_id={}", rows[0]["wallet_id"].as_str().unwrap()), 6),
        (&format!("created_from={}&created_to={}", now(0), now(4)), 2),
    ] {
        let page = caller.get(&format!("/api/v1/payments/?{query}"), &[]).await;
        assert_eq!(page.body["data"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn a_statement_has_a_line_for_each_entry() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let wallet = caller.get(&format!("/api/v1/wallets/{USER}/USD"), &[]).await;
    let id = wallet.text("id");
    for amount in [10, 20, 30] {
        let body = json!({ "amount": amount });
        caller.post(&format!("/api/v1/wallets/{id}/deposits"), &body, &[]).await;
    }
    let by_id = pages(&caller, &format!("/api/v1/wallets/{id}/transactions?limit=1")).await;
    let by_owner = caller.get(&format!("/api/v1/wallets/{USER}/USD/transactions"), &[]).await;
    assert_eq!(by_owner.body["data"], json!(by_id));
    assert!(by_owner.header("holdfast-position").is_some());
    let position = by_id[0]["position"].clone();
    assert!(position.as_str().unwrap().ends_with("-4"));
    let expected = json!({
        "id": position, "wallet_id": id, "deposit_id": by_id[0]["deposit_id"],
        "type": "deposit", "direction": "credit", "amount": 30,
        "currency": "USD", "balance_after": 60, "description": null,
        "created_at": now(4).to_string(), "correlation_id": "", "position": position,
    });
    assert_eq!(by_id[0], expected);
    assert!(by_id[0]["deposit_id"].is_string());

    let nobody = caller.get("/api/v1/wallets/nobody/USD/transactions", &[]).await;
    nobody.assert_refused(ErrorCode::WalletNotFound);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let wallet = caller.get(&format!("/api/v1/wallets/{USER}/USD"), &[]).await;
    let statement = format!("/api/v1/wallets/{}/transactions", wallet.text("id"));
    for amount in [10, 20] {
        caller.pay(amount, &format!("key-{amount}")).await;
        let path = format!("/api/v1/wallets/{}/deposits", wallet.text("id"));
        caller.post(&path, &json!({ "amount": amount }), &[]).await;
    }
    let payments = caller.get("/api/v1/payments?limit=1", &[]).await;
    let lines = caller.get(&format!("{statement}?limit=1"), &[]).await;
    for path in [
        format!("/api/v1/payments?cursor={}", next(&lines)),
        format!("/api/v1/payments?status=failed&cursor={}", next(&payments)),
        format!("{statement}?cursor={}", next(&payments)),
        format!("/api/v1/payments?cursor={}x", next(&payments)),
        "/api/v1/payments?cursor=".to_owned(),
        "/api/v1/payments?cursor=%00%ff".to_owned(),
    ] {
        let answer = caller.get(&path, &[]).await;
        answer.assert_refused(ErrorCode::CursorInvalid);
        assert_eq!(answer.text("param"), "cursor");
    }
}
