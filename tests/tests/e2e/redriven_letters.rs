//! A dead letter whose bytes were good: when the reason is gone it is sent again, and takes effect.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use schemas::entry::{Entry, Verdict};
use schemas::{Position, Topic};
use serde_json::json;
use tests::caller::Numbers;
use tests::installation::Installation;
use tests::journal;
use tests::producer::Producer;
use tests::wait::eventually;
use tokio::net::TcpListener;

use crate::dead_letters::listed;
use crate::registry_away::{by_foreign_schema, prepare, register_foreign};

/// The registry's word is remembered for some seconds.
const BOUND: Duration = Duration::from_mins(1);

/// The port of a registry that has lost its memory.
async fn forgetful_registry() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let unknown = (StatusCode::NOT_FOUND, Json(json!({"error_code": 40403, "message": "No."})));
    let router = axum::Router::new().fallback(async || unknown);
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

/// Sends a letter again; gives what became of it.
async fn redriven(installation: &Installation, letter: &str) -> Entry {
    let said = installation.says(&["dead-letters", "redrive", letter, "--yes"]);
    let place = said.split_whitespace().find(|word| word.starts_with("commands/"));
    let place = place.unwrap_or_else(|| panic!("no place in {said}"));
    let position = place.trim_start_matches("commands/").replace('/', "-");
    let position: Position = position.parse().expect("a position");
    journal::entry_of(installation, Topic::Commands, position).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_takes_effect_once_when_its_schema_is_known() {
    let (mut installation, detour, registry) = prepare("redriven").await;
    detour.open();
    installation.run().await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000).await;
    let schema = register_foreign(&registry, &installation.prefix().to_string()).await;
    let (record, payment_id) = by_foreign_schema(&wallet, 2_000, schema);

    detour.turn_to(forgetful_registry().await);
    Producer::of(&installation).send(&record).await;
    let letters = listed(&installation, 1).await;
    let id = letters[0]["position"].as_str().expect("a position");
    let shown = installation.says(&["dead-letters", "show", id]);
    assert!(shown.contains(&format!("schema id {schema}")), "{shown}");
    caller.get(&format!("/api/v1/payments/{payment_id}")).await.expect(404);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(10_000));

    detour.open();
    let accepted = eventually(BOUND, "the letter can be read", async || {
        let entry = redriven(&installation, id).await;
        let is_accepted = entry.decision.verdict == Verdict::Accepted;
        if is_accepted { Ok(entry) } else { Err(entry.decision) }
    })
    .await;
    assert!(!accepted.events.is_empty(), "{accepted:?}");
    assert_eq!(caller.settled(&payment_id).await["status"], "completed");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(8_000));

    // What was done is not done again.
    let again = redriven(&installation, id).await;
    assert_eq!(again.decision.verdict, Verdict::Replayed, "{again:?}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(8_000));
    assert_eq!(installation.charges_of(&payment_id).await.len(), 1);
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.completed, 1);
}
