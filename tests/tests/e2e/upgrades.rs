//! A newer binary goes on with what an earlier release has written.
//!
//! `data/state-of-entry-schema-v1.tar.gz` is the state directory of `holdfast dev` of the release
//! whose entries have the schemas of `schemas/avro/v1`, without its logs. It made the payments in
//! [`SETTLED`], was told of [`UNDER_WAY`], and was killed with everything else (-9) when the
//! gateway had charged those and had not answered yet.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::caller::Caller;
use tests::installation::new_port;
use tests::wait::eventually;
use tests::{executable, scratch};
use topology::embedded::child::{ChildSpec, RunningChild};

const ARCHIVE: &str = "data/state-of-entry-schema-v1.tar.gz";
const USER: &str = "123e4567-e89b-12d3-a456-426614174000";
/// By their descriptions.
const SETTLED: [(&str, &str); 3] =
    [("v1-completed", "completed"), ("v1-declined", "failed"), ("v1-in-doubt", "completed")];
const UNDER_WAY: [&str; 2] = ["v1-under-way-1", "v1-under-way-2"];
/// A broker, a registry, two processes, and stores that are made anew.
const READY_BOUND: Duration = Duration::from_mins(3);
const SETTLED_BOUND: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn payments_of_the_release_before_are_known_finished_and_clean() {
    let directory = scratch::directory("upgrade");
    unpack(&directory);
    let state = directory.join("state");
    let (mut dev, api) = start(&directory, &state);
    let caller = Caller::new(api);
    eventually(READY_BOUND, "holdfast dev is ready", async || {
        if !dev.identity().is_alive() {
            return Err(dev.log_tail());
        }
        fs::read(state.join("ready.json")).map_err(|error| error.to_string())
    })
    .await;

    let path = format!("/api/v1/payments?user_id={USER}");
    let known = caller.get(&path).await.expect(200).body;
    for (description, status) in SETTLED {
        assert_eq!(payment(&known, description)["status"], status, "{known:#}");
    }
    eventually(SETTLED_BOUND, "what was under way is completed", async || {
        let known = caller.get(&path).await.expect(200).body;
        let is_completed = |it| payment(&known, it)["status"] == "completed";
        if UNDER_WAY.into_iter().all(is_completed) { Ok(()) } else { Err(known.to_string()) }
    })
    .await;
    // The same key is the same payment, across releases.
    let first = payment(&known, "v1-completed");
    let body = serde_json::json!({
        "user_id": USER, "amount": first["amount"], "currency": "USD",
        "description": "v1-completed",
    });
    let key = [("Idempotency-Key", "v1-completed"), ("Prefer", "wait=10")];
    let again = caller.post("/api/v1/payments", &body, &key).await;
    assert!(again.is_replayed(), "{again:?}");
    assert_eq!(again.payment_id(), first["id"], "{again:?}");
    let key = [("Idempotency-Key", "v2-completed"), ("Prefer", "wait=10")];
    caller.post("/api/v1/payments", &body, &key).await.expect(201);

    assert_clean(&state);
    dev.identity().signal(nix::sys::signal::Signal::SIGTERM);
    tokio::time::timeout(GRACE, dev.wait()).await.expect("it stops in time");
}

fn unpack(directory: &Path) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(ARCHIVE);
    let status = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(directory).status();
    assert!(status.expect("tar runs").success(), "tar unpacks it");
}

/// `holdfast dev` in this directory, and the base of its API.
fn start(directory: &Path, state: &Path) -> (RunningChild, String) {
    let ports = [new_port(), new_port(), new_port()];
    let [api, metrics, gateway] = ports.map(|port| port.to_string());
    let child = RunningChild::spawn(&ChildSpec {
        name: "dev",
        program: executable::holdfast(),
        arguments: vec![
            "dev".into(),
            "--state-dir".into(),
            state.into(),
            "--port".into(),
            api.clone().into(),
            "--metrics-port".into(),
            metrics.into(),
            "--gateway-port".into(),
            gateway.into(),
        ],
        environment: vec![("HOLDFAST_PARTITIONS".into(), "2".into())],
        record_directory: directory.to_owned(),
        log_file: directory.join("dev.log"),
        grace: GRACE,
    });
    (child.expect("holdfast dev starts"), format!("http://127.0.0.1:{api}"))
}

fn payment<'a>(known: &'a Value, description: &str) -> &'a Value {
    let payments = known["data"].as_array().expect("a list");
    let found = payments.iter().find(|payment| payment["description"] == description);
    found.unwrap_or_else(|| panic!("{description} is not known: {known:#}"))
}

/// `holdfast audit` of the log, of both releases, against what the gateway did.
fn assert_clean(state: &Path) {
    let ready = fs::read(state.join("ready.json")).expect("it is ready");
    let ready: Value = serde_json::from_slice(&ready).expect("JSON");
    let servers = ready["bootstrap_servers"].as_str().expect("a broker");
    let output = Command::new(executable::holdfast())
        .args(["audit", "--kafka-bootstrap-servers", servers, "--ground-truth"])
        .arg(state.join("gateway-sim"))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("audit: clean"), "{text}");
}
