//! Money in suspense, as it is listed.

use connectors::http::Profile;
use schemas::account::{Account, Side};
use schemas::event::SuspenseSubject;
use schemas::read_model::SuspenseRow;
use schemas::{Amount, Money, Offset, OperationId, Partition, Position, WalletId};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::demo;
use crate::ledger::now;

fn row(wallet_id: WalletId, offset: i64, number: u32, subject: SuspenseSubject) -> SuspenseRow {
    let partition = Partition::new(i32::try_from(offset % 2).unwrap()).unwrap();
    SuspenseRow {
        position: Position { partition, offset: Offset::new(offset).unwrap() },
        number,
        at: now(offset),
        wallet_id,
        subject,
        against: Account::GatewayClearing("simulator".parse().unwrap()),
        side: Side::Credit,
        money: Money::new(Amount::try_from(offset + 100).unwrap(), "USD".parse().unwrap()),
        code: "unwanted_charge".to_owned(),
        detail: "charged twice".to_owned(),
    }
}

#[tokio::test]
async fn bookings_are_listed_with_their_subjects() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let (payment_id, refund_id) = (demo::payment(), demo::refund());
    let operation_id = OperationId::from_bytes([7; 16]);
    let (deposit_id, withdrawal_id) = (demo::deposit(), demo::withdrawal());
    for (wallet, offset, number, subject) in [
        (demo::wallet(), 5, 0, SuspenseSubject::Charge { payment_id, operation_id }),
        (demo::wallet(), 5, 1, SuspenseSubject::Refund { payment_id, refund_id }),
        (demo::other(), 6, 0, SuspenseSubject::Deposit { deposit_id }),
        (demo::wallet(), 7, 0, SuspenseSubject::Withdrawal { withdrawal_id }),
    ] {
        caller.ledger.suspend(row(wallet, offset, number, subject));
    }
    let list = caller.get("/api/v1/suspense", &[]).await;
    assert_eq!((list.status.as_u16(), &list.body["has_more"]), (200, &json!(false)));
    assert_eq!(list.header("holdfast-position"), Some("0-6,1-7"));
    let subjects: Vec<_> =
        list.body["data"].as_array().unwrap().iter().map(|row| row["subject"].clone()).collect();
    let expected = [
        json!({ "type": "withdrawal", "withdrawal_id": withdrawal_id }),
        json!({ "type": "deposit", "deposit_id": deposit_id }),
        json!({ "type": "refund", "payment_id": payment_id, "refund_id": refund_id }),
        json!({ "type": "charge", "payment_id": payment_id, "attempt_id": operation_id }),
    ];
    assert_eq!(subjects, expected);
    let first = json!({
        "id": "1-7-0", "object": "suspense_booking", "wallet_id": demo::wallet(),
        "subject": expected[0], "direction": "credit", "amount": 107, "currency": "USD",
        "against": "gateway:simulator:clearing", "code": "unwanted_charge",
        "detail": "charged twice", "created_at": now(7).to_string(), "position": "1-7",
    });
    assert_eq!(list.body["data"][0], first);

    let wallet = format!("/api/v1/suspense?wallet_id={}&limit=1", demo::wallet());
    let (mut path, mut ids) = (wallet.clone(), Vec::new());
    loop {
        let page = caller.get(&path, &[]).await;
        ids.push(page.body["data"][0]["id"].as_str().unwrap().to_owned());
        let Value::String(cursor) = &page.body["next_cursor"] else { break };
        path = format!("{wallet}&cursor={cursor}");
    }
    assert_eq!(ids, ["1-7-0", "1-5-1", "1-5-0"]);
}
