//! Refusals of right requests: by the ledger, the log, the load, and by what was asked before.

use std::time::Duration;

use connectors::ports::AppendError;
use schemas::ErrorCode::{
    self, CurrencyMismatch, DeadlineExceeded, FieldInvalid, GatewayUnavailable,
    IdempotencyKeyRequired, IdempotencyKeyReused, InsufficientFunds, Internal, InvalidRequest,
    LimitExceeded, LogUnavailable, NotReady, Overloaded, PaymentDeclined, PositionNotReached,
    ReferenceAlreadyRecorded, ResolvedAsFailed, TooManyInFlight, WalletClosed, WalletFrozen,
    WalletNotFound,
};

use crate::caller::{USER, payment};
use crate::changes;
use crate::demo::{self, wallet};
use crate::error_table::{Row, World, check};
use crate::ledger::Reply;

const PAYMENTS: &str = "/api/v1/payments";
const WALLETS: &str = "/api/v1/wallets";
const ID: &str = "6f0c1d1e-6a57-5f0e-9d2c-3f1f6a1b2c3d";

/// Every request that goes into the log.
fn sent(code: ErrorCode, world: &World) -> Vec<Row> {
    let deposits = format!("{WALLETS}/{}/deposits", wallet());
    let mut rows = vec![
        Row::post(PAYMENTS, payment(1).to_string(), code).world(world.clone()),
        Row::post(WALLETS, r#"{"user_id":"new","currency":"EUR"}"#, code).world(world.clone()),
        Row::post(&deposits, r#"{"amount":1}"#, code).world(world.clone()),
    ];
    rows.extend(changes::right().into_iter().map(|row| row.refused(code).world(world.clone())));
    rows
}

/// Every request that only looks.
fn looks(code: ErrorCode, world: &World, query: &str) -> Vec<Row> {
    let paths = [
        PAYMENTS.to_owned(),
        format!("{PAYMENTS}/{ID}"),
        format!("{PAYMENTS}/{ID}/events"),
        format!("{PAYMENTS}/{ID}/refunds"),
        format!("/api/v1/sagas/{ID}"),
        format!("/api/v1/refunds/{}", demo::refund()),
        format!("/api/v1/transfers/{}", demo::transfer()),
        "/api/v1/suspense".to_owned(),
        format!("{WALLETS}/{}", wallet()),
        format!("{WALLETS}/{}/holds", wallet()),
        format!("{WALLETS}/{}/transactions", wallet()),
        format!("{WALLETS}/{USER}/USD"),
        format!("{WALLETS}/{USER}/USD/transactions"),
    ];
    let row = |path: &String| Row::get(&format!("{path}{query}"), code).world(world.clone());
    paths.iter().map(row).collect()
}

pub fn rows() -> Vec<Row> {
    let says = |reply| World::Says(reply);
    let refuse = |code| World::Says(Reply::Refuse(code));
    let pay = |code, world| Row::post(PAYMENTS, payment(1).to_string(), code).world(world);
    let bare = format!(r#"{{"user_id":"{USER}","amount":1,"currency":"USD"}}"#);
    let deposits = format!("{WALLETS}/{}/deposits", wallet());
    let deposit = |code, world| Row::post(&deposits, r#"{"amount":1}"#, code).world(world);
    let away = Reply::Append(AppendError::Unconfirmed("away".to_owned()));
    let starting = Reply::Append(AppendError::NotReady("starting".to_owned()));
    let full = Reply::Append(AppendError::QueueFull);
    let mut rows = vec![
        pay(InsufficientFunds, says(Reply::Fail(InsufficientFunds, None))),
        pay(PaymentDeclined, says(Reply::Fail(PaymentDeclined, Some("stolen")))),
        pay(GatewayUnavailable, says(Reply::Fail(GatewayUnavailable, None))),
        pay(DeadlineExceeded, says(Reply::Fail(DeadlineExceeded, None))),
        pay(ResolvedAsFailed, says(Reply::Fail(ResolvedAsFailed, None))),
        pay(LimitExceeded, says(Reply::Fail(LimitExceeded, None))),
        pay(WalletFrozen, says(Reply::Fail(WalletFrozen, None))),
        pay(WalletClosed, says(Reply::Fail(WalletClosed, None))),
        pay(CurrencyMismatch, refuse(CurrencyMismatch)),
        pay(WalletNotFound, refuse(WalletNotFound)),
        pay(Internal, says(Reply::Crash)),
        pay(IdempotencyKeyReused, World::KeyUsed).header("idempotency-key", "used"),
        deposit(IdempotencyKeyReused, World::KeyUsed).header("idempotency-key", "used"),
        deposit(ReferenceAlreadyRecorded, refuse(ReferenceAlreadyRecorded)),
        Row::post(PAYMENTS, bare.as_str(), IdempotencyKeyRequired).world(World::Production),
        deposit(IdempotencyKeyRequired, World::Production),
        pay(FieldInvalid, World::Production).header("idempotency-key", "k").param("description"),
        deposit(InvalidRequest, World::Production).header("idempotency-key", "k").param("rail"),
        Row::post(&format!("{deposits}?min_position=7-7"), r#"{"amount":1}"#, PositionNotReached),
    ];
    for (code, reply) in [(LogUnavailable, away), (NotReady, starting), (Overloaded, full)] {
        rows.extend(sent(code, &says(reply)));
    }
    rows.extend(sent(Overloaded, &World::Queued(Duration::from_mins(1))));
    rows.extend(sent(Overloaded, &World::DoorTaken));
    rows.extend(looks(Overloaded, &World::DoorTaken, ""));
    rows.extend(looks(PositionNotReached, &World::Plain, "?min_position=7-7"));
    rows.extend(
        looks(InvalidRequest, &World::Plain, "?colour=red")
            .into_iter()
            .map(|row| row.param("colour")),
    );
    rows.extend(sent(TooManyInFlight, &World::WalletFull));
    rows
}

#[tokio::test]
async fn what_is_right_is_refused_by_its_name_all_the_same() {
    check(rows()).await;
}
