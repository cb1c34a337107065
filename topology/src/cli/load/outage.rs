//! Makes a gateway simulator be away for a while, in the middle of a run.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

/// How long the simulator may take to say that it will.
const ADMIN_BOUND: Duration = Duration::from_secs(10);

/// At `begins`, asks these simulators to refuse every connection for so long.
///
/// # Errors
/// When there are none, or one does not do it: the run was not what was asked for.
pub(super) async fn make(
    begins: Instant,
    lasts: Duration,
    gateway_urls: Vec<String>,
) -> anyhow::Result<()> {
    ensure!(
        !gateway_urls.is_empty(),
        "--outage needs a gateway simulator that is called over HTTP: name it with --gateway-url"
    );
    tokio::time::sleep_until(begins.into()).await;
    let client = reqwest::Client::builder().no_proxy().timeout(ADMIN_BOUND).build()?;
    for url in gateway_urls {
        let endpoint = format!("{}/admin/outage", url.trim_end_matches('/'));
        let wish = json!({ "kind": "refuse", "seconds": lasts.as_secs_f64() });
        let answer = client.post(endpoint).json(&wish).send().await;
        let answered = answer.and_then(reqwest::Response::error_for_status);
        answered.with_context(|| format!("{url} was not to be made away"))?;
    }
    Ok(())
}
