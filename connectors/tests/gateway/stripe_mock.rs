//! The Stripe client against Stripe's own mock, which checks every request against the description
//! of the API: the paths exist, and the names and types of all parameters are right.
//!
//! It knows nothing of idempotency, declines or what was charged before, and gives objects back
//! that are not ours; for all that, see `stripe`. It is a Go program, compiled once into the cache
//! directory; where Go is missing, the test says so and shows nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use connectors::gateway::operation::{OperationKind, OperationRequest};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{Class, PATIENT, again, class, raw_client};
use crate::stripe_stand_in::{INTENT, KEY, about, charge, client, refund};
use connectors::gateway::secret::Secret;
use connectors::gateway::stripe::{StripeGateway, StripeOptions};

/// What is compiled. Another version may have another idea of what is required.
const MODULE: &str = "github.com/stripe/stripe-mock@v0.203.0";
const DIRECTORY: &str = "stripe-mock-v0.203.0";
/// Its description of the API is 30 MB of Go.
const COMPILE_BOUND: Duration = Duration::from_mins(15);
/// What it says when it listens.
const LISTENS: &str = "Listening for HTTP at address: ";
/// Runs `$1` until the input ends, which it does with this process, however that ends.
const GUARDED: &str = r#""$1" -http-addr 127.0.0.1: -https-addr 127.0.0.1: & 
    read -r _; kill $!"#;

/// A mock that runs until it is dropped.
struct Mock {
    url: String,
    _guard: Child,
}

/// The executable, compiled now if need be; none where Go is missing.
async fn executable() -> Option<PathBuf> {
    let of = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")));
    let cache = cache.expect("XDG_CACHE_HOME or HOME is set").join("holdfast");
    let complete = cache.join(DIRECTORY);
    let executable = complete.join("stripe-mock");
    if executable.is_file() {
        return Some(executable);
    }
    let version = Command::new("go").arg("version").output().await;
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no go on the path, so that {MODULE} cannot be compiled");
        return None;
    }
    eprintln!("Compiling {MODULE}, once, into {} ...", complete.display());
    fs::create_dir_all(&cache).unwrap();
    // Complete or absent: it is filled under another name and renamed.
    let partial = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&cache).unwrap();
    install(partial.path()).await;
    if fs::rename(partial.path(), &complete).is_err() {
        assert!(executable.is_file(), "it cannot be put into {}", complete.display());
    }
    Some(executable)
}

async fn install(directory: &Path) {
    let run = Command::new("go")
        .args(["install", MODULE])
        .env("GOBIN", directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(COMPILE_BOUND, run).await.expect("go is done in time");
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Mock {
    async fn start() -> Option<Self> {
        let executable = executable().await?;
        let mut guard = Command::new("sh")
            .args(["-c", GUARDED, "guard"])
            .arg(executable)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(false)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(guard.stdout.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it ended before it listened");
                if let Some(address) = line.strip_prefix(LISTENS) {
                    return address.to_owned();
                }
            }
        };
        let address = tokio::time::timeout(PATIENT, listening).await.expect("it listens in time");
        // It writes a line for each request and must not wait for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(Self { url: format!("http://{address}"), _guard: guard })
    }
}

#[tokio::test]
async fn stripes_own_mock_accepts_every_request() {
    let Some(mock) = Mock::start().await else { return };
    let gateway = client(&mock.url);
    gateway.probe(PATIENT).await.unwrap();
    let charge = charge();
    let known = OperationRequest { charge_reference: Some(INTENT.to_owned()), ..charge.clone() };
    let refund = refund();
    let operations = [
        charge.clone(),
        about(&charge, OperationKind::Inquire),
        about(&known, OperationKind::Inquire),
        refund.clone(),
        about(&refund, OperationKind::InquireRefund),
    ];
    for operation in operations {
        let answer = gateway.perform(&again(&operation)).await;
        let evidence: Value = serde_json::from_str(answer.evidence.as_str()).unwrap();
        assert_eq!(evidence["http_status"], 200, "{answer:?}");
        // Well formed, and not ours: it keeps no metadata.
        assert_eq!(evidence["object"], "of another", "{answer:?}");
        assert_eq!(class(&answer), Class::Unknown, "{answer:?}");
    }
}

#[tokio::test]
async fn stripes_own_mock_refuses_what_is_wrong() {
    let Some(mock) = Mock::start().await else { return };
    let posted = |form: &'static str| {
        let request = raw_client().post(format!("{}/v1/payment_intents", mock.url));
        let request = request.bearer_auth(KEY).header("idempotency-key", "k");
        let typed = request.header("content-type", "application/x-www-form-urlencoded");
        async move { typed.body(form).send().await.unwrap().status().as_u16() }
    };
    // So that the test above can fail.
    assert_eq!(posted("amount=1&currency=usd").await, 200);
    assert_eq!(posted("amount=1&currency=usd&colour=red").await, 400);
    assert_eq!(posted("amount=much&currency=usd").await, 400);

    let wrong = StripeOptions::new(Secret::new("not_a_key").unwrap(), "pm_card_visa");
    let gateway =
        StripeGateway::new(StripeOptions { base_url: mock.url.clone(), ..wrong }).unwrap();
    assert_eq!(gateway.probe(PATIENT).await, Err("HTTP 401".to_owned()));
    let answer = gateway.perform(&charge()).await;
    assert_eq!(class(&answer), Class::NotSent, "{answer:?}");
}
