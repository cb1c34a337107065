//! What the process says of itself: log lines and spans of one request through every hop, health
//! and `holdfast status`.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::Value;
use tests::caller::{Caller, PATIENT, new_key, payment};
use tests::executable::holdfast;
use tests::installation::{Installation, new_port};
use tests::wait::eventually;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// From the end of a request to its last line and its last exported span.
const SEEN_BOUND: Duration = Duration::from_mins(1);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN: &str = "00f067aa0ba902b7";

/// A span as it was exported.
#[derive(Debug, Clone)]
struct Exported {
    name: String,
    trace: String,
    id: String,
    parent: String,
}

/// An OpenTelemetry collector that keeps what it gets.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Exported>>>,
    server: JoinHandle<()>,
}

impl Collector {
    async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Exported>>>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(spans.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, spans, server }
    }

    /// The spans of the trace.
    fn spans(&self) -> Vec<Exported> {
        let mut spans = self.spans.lock().unwrap().clone();
        spans.retain(|span| span.trace == TRACE);
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(kept): State<Arc<Mutex<Vec<Exported>>>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("protobuf");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let hex =
        |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let spans = scopes.flat_map(|scope| scope.spans).map(|span| Exported {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
    });
    kept.lock().unwrap().extend(spans);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_correlation_id_and_one_trace_go_through_every_hop() {
    let collector = Collector::start().await;
    let environment = [
        ("RUST_LOG", "info,rdkafka=off,librdkafka=error,hop=debug"),
        ("HOLDFAST_LOG_FORMAT", "json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let mut installation = Installation::start_with("hops", &environment).await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000).await;
    let key = new_key();
    let traceparent = format!("00-{TRACE}-{CALLER_SPAN}-01");
    let headers = [
        ("Idempotency-Key", key.as_str()),
        ("X-Correlation-Id", "order-7"),
        ("traceparent", traceparent.as_str()),
        PATIENT,
    ];
    let paid = caller.post("/api/v1/payments", &payment(&wallet, 1_000), &headers).await;
    let paid = paid.expect(201);
    check_lines(&installation, paid.payment_id()).await;
    check_spans(&collector).await;
    check_health(&installation, &caller).await;
    let end = installation.stop().await;
    assert_eq!(end, "exit code 0");
}

/// Each hop has its lines, with the caller's correlation id and the payment.
async fn check_lines(installation: &Installation, payment_id: &str) {
    let hops = ["http", "command", "decide", "call", "answer", "result", "decide", "view"];
    eventually(SEEN_BOUND, "every hop has its line", async || {
        let log = installation.application_log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours: Vec<Value> = lines.filter(|line| line["correlation_id"] == "order-7").collect();
        let count = |hop: &str| ours.iter().filter(|line| line["hop"] == hop).count();
        for hop in hops {
            let wanted = hops.iter().filter(|other| **other == hop).count();
            if count(hop) < wanted {
                return Err(format!("{hop} {} times of {wanted}: {ours:#?}", count(hop)));
            }
        }
        let mut of_payment = ours.iter().filter(|line| line["hop"] != "http");
        assert!(of_payment.all(|line| line["payment_id"] == payment_id), "{ours:#?}");
        assert!(ours.iter().all(|line| line["level"] == "DEBUG"), "{ours:#?}");
        Ok(())
    })
    .await;
}

/// The caller's trace goes on: his span, the request below it, and all the rest below the request.
async fn check_spans(collector: &Collector) {
    let hops = ["decide", "gateway call", "decide", "view"];
    let spans = eventually(SEEN_BOUND, "every hop has its span", async || {
        let spans = collector.spans();
        let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
        let has = |name: &&str| count(name) >= hops.iter().filter(|hop| *hop == name).count();
        let is_whole = hops.iter().all(has) && count("POST /api/v1/payments") == 1;
        if is_whole { Ok(spans) } else { Err(spans) }
    })
    .await;
    let request = spans.iter().find(|span| span.name.starts_with("POST ")).unwrap();
    assert_eq!(request.parent, CALLER_SPAN);
    for span in spans.iter().filter(|span| span.id != request.id) {
        assert_eq!(span.parent, request.id, "{span:?}");
    }
}

/// Everything was looked at, and is well.
async fn check_health(installation: &Installation, caller: &Caller) {
    let health = eventually(SEEN_BOUND, "everything is well", async || {
        let answer = caller.get("/health").await;
        if answer.body["status"] == "ok" { Ok(answer) } else { Err(answer.body) }
    })
    .await;
    let components = health.expect(200).body["components"].as_array().unwrap().clone();
    let names: Vec<_> = components.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "log",
            "schemas",
            "shards",
            "transfer-follower",
            "dead-letter-follower",
            "views",
            "gateway-follower",
            "gateways",
            "memory",
            "entries"
        ],
        "{components:#?}"
    );
    let is_dated = |part: &Value| part["checked_at"].as_str().is_some_and(|at| at.ends_with('Z'));
    assert!(components.iter().all(is_dated), "{components:#?}");

    let url = installation.api_url();
    let (code, text) = status(&["--url", &url]).await;
    assert_eq!(code, 0, "{text}");
    for said in ["shard 0  state running", "shard 1  state running", "in doubt: nothing"] {
        assert!(text.contains(said), "{said} is not in:\n{text}");
    }
    let (code, text) = status(&["--url", &url, "--json"]).await;
    assert_eq!(code, 0, "{text}");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json[0]["shards"].as_array().map(Vec::len), Some(2), "{json:#}");
    assert_eq!(json[0]["health"]["status"], "ok", "{json:#}");
}

/// The exit code of `holdfast status` and what it prints.
async fn status(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(holdfast());
    command.arg("status").args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_degraded_is_said_and_keeps_nobody_away() {
    let nobody = format!("http://127.0.0.1:{}", new_port());
    let environment =
        [("HOLDFAST_GATEWAY_URL", nobody.as_str()), ("HOLDFAST_MEMORY_THRESHOLD_MIB", "1")];
    let installation = Installation::start_with("degraded", &environment).await;
    let caller = installation.caller();
    let health = eventually(SEEN_BOUND, "the gateway is missed", async || {
        let answer = caller.get("/health").await;
        if answer.body["status"] == "degraded" { Ok(answer) } else { Err(answer.body) }
    })
    .await
    .expect(200);
    caller.get("/ready").await.expect(200);
    let components = health.body["components"].as_array().unwrap().clone();
    for part in &components {
        let name = part["name"].as_str().unwrap();
        let wanted = if ["gateways", "memory"].contains(&name) { "degraded" } else { "ok" };
        assert_eq!(part["status"], wanted, "{part}");
    }
    let (code, text) = status(&["--url", &installation.api_url()]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("simulator: does not answer"), "{text}");
    let (code, _) = status(&["--url", &nobody]).await;
    assert_eq!(code, 2);
}
