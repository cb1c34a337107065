//! The demo wallets, opened and filled through the HTTP API like any other.
//!
//! Every request carries a fixed idempotency key or is idempotent by itself: a restart replays and
//! never deposits twice.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The user of every example.
pub const USER: &str = "123e4567-e89b-12d3-a456-426614174000";
/// A user whose wallet holds too little for the examples.
pub const POOR_USER: &str = "123e4567-e89b-12d3-a456-426614174001";
/// What the demo user starts with, in minor units of USD.
pub const DEPOSIT_MINOR: i64 = 1_000_000;
/// What the poor user starts with, in minor units of USD.
pub const POOR_DEPOSIT_MINOR: i64 = 500;

/// A log that was just replayed may take a while to answer its first command.
const BOUND: Duration = Duration::from_mins(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// Opens the wallets and makes the deposits; what is already there stays as it is.
///
/// # Errors
/// The first answer that no repetition can help.
pub async fn open(api_url: &str) -> anyhow::Result<()> {
    let client = Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
    let base = format!("{api_url}/api/v1");
    for (user, currency, deposit_minor) in
        [(USER, "USD", DEPOSIT_MINOR), (USER, "EUR", 0), (POOR_USER, "USD", POOR_DEPOSIT_MINOR)]
    {
        let body = json!({"user_id": user, "currency": currency});
        let wallet = post(&client, &format!("{base}/wallets"), "demo-wallet", &body)
            .await
            .with_context(|| format!("cannot open the {currency} wallet of {user}"))?;
        let id = wallet.get("id").and_then(Value::as_str).context("a wallet without an id")?;
        if deposit_minor > 0 {
            let body = json!({"amount": deposit_minor});
            post(&client, &format!("{base}/wallets/{id}/deposits"), "demo-deposit", &body)
                .await
                .with_context(|| format!("cannot deposit into the wallet {id}"))?;
        }
    }
    Ok(())
}

/// Repeats the same request, with the same key, until it is decided.
async fn post(client: &Client, url: &str, key: &str, body: &Value) -> anyhow::Result<Value> {
    let deadline = Instant::now() + BOUND;
    loop {
        let outcome = match attempt(client, url, key, body).await {
            Ok((status, answer)) => match status {
                StatusCode::OK | StatusCode::CREATED => return Ok(answer),
                // Not yet decided, too busy, or the log is away: the same key is safe to repeat.
                StatusCode::ACCEPTED
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::SERVICE_UNAVAILABLE => format!("{status} {answer}"),
                refused => bail!("POST {url} answered {refused}: {answer}"),
            },
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            bail!("POST {url} is still undecided after {} s: {outcome}", BOUND.as_secs());
        }
        sleep(REPEAT_AFTER).await;
    }
}

async fn attempt(
    client: &Client,
    url: &str,
    key: &str,
    body: &Value,
) -> anyhow::Result<(StatusCode, Value)> {
    let answer = client.post(url).header("Idempotency-Key", key).json(body).send().await?;
    let status = answer.status();
    Ok((status, answer.json().await.unwrap_or(Value::Null)))
}
