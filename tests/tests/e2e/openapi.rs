//! The API is what its document says: the examples work as they stand, and schemathesis, which
//! makes requests out of the document, gets no answer that is not in it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tests::caller::Caller;
use tests::example;
use tests::installation::Installation;
use tests::openapi::routes;
use tests::python::interpreter;
use tokio::process::Command;
use uuid::Uuid;

/// The user of the demo installation, whom the examples are about.
const DEMO_USER: &str = "123e4567-e89b-12d3-a456-426614174000";
/// How long schemathesis makes requests: it goes on until the time is up.
const FUZZ_SECONDS: u64 = 30;
/// From its start to its report, on a busy machine.
const FUZZ_BOUND: Duration = Duration::from_mins(3);
/// Requests of each kind for each route.
const FUZZ_EXAMPLES: u32 = 25;
/// What every answer is checked for.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

/// In this order, for what is looked at or changed must have been made.
const FIRST: [&str; 6] =
    ["open_wallet", "record_deposit", "pay", "refund", "transfer", "record_withdrawal"];
/// Examples that are refused in the demo installation: what they are about has an outcome already,
/// the wallet has money, or nobody has signed the body.
const REFUSED: [(&str, u16); 5] = [
    ("take_notification", 401),
    ("cancel_payment", 409),
    ("resolve_payment", 409),
    ("resolve_refund", 409),
    ("close_wallet", 409),
];

/// The wallet of the demo user in USD, with what `make up` puts in.
async fn demo_wallet(caller: &Caller) {
    let wallet = json!({ "user_id": DEMO_USER, "currency": "USD" });
    let wallet = caller.post("/api/v1/wallets", &wallet, &[]).await.expect(201);
    let path = format!("/api/v1/wallets/{}/deposits", wallet.text("id"));
    let key = [("Idempotency-Key", "demo-deposit")];
    caller.post(&path, &json!({ "amount": 1_000_000 }), &key).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_curl_of_the_document_works_as_it_stands() {
    let installation = Installation::start("examples").await;
    demo_wallet(&installation.caller()).await;
    let mut routes = routes();
    assert!(routes.len() > 25, "the test looks at the wrong place");
    let turn = |id: &str| FIRST.iter().position(|first| *first == id).unwrap_or(FIRST.len());
    routes.sort_by_key(|route| turn(&route.id));
    for route in &routes {
        let curl = route.curl(&installation.api_url());
        let command = format!("{curl} --output /dev/null --write-out '%{{http_code}}'");
        let output = Command::new("sh").args(["-c", &command]).output().await.expect("a shell");
        let status: u16 = String::from_utf8_lossy(&output.stdout).parse().unwrap_or_default();
        let refusal = REFUSED.iter().find(|(id, _)| *id == route.id);
        let is_right = match refusal {
            Some((_, refused)) => status == *refused,
            None => (200..300).contains(&status),
        };
        assert!(is_right, "{curl}\n{status} {output:?}");
        assert!(route.answers.iter().any(|(known, _)| *known == status), "{curl}\n{status}");
    }
    installation.assert_clean_audit().await;
}

/// Half an hour of the machine finds more: with more examples, by hand.
#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_gets_no_answer_that_the_document_does_not_have() {
    let installation = Installation::start("schemathesis").await;
    demo_wallet(&installation.caller()).await;
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis.txt");
    let python = match interpreter(&installation, &requirements).await {
        Ok(python) => python,
        Err(error) => {
            // Past the capture of the test harness.
            writeln!(std::io::stderr(), "skipped: schemathesis is not to be had: {error}").unwrap();
            return;
        }
    };
    let seed = std::env::var("HOLDFAST_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(Uuid::new_v4().as_fields().0));
    writeln!(std::io::stderr(), "schemathesis: HOLDFAST_TEST_SEED={seed}").unwrap();
    // Its hooks and its settings are nobody's business here, and its database is not kept.
    let directory = installation.directory().join("schemathesis");
    fs::create_dir(&directory).unwrap();
    let document = directory.join("openapi.json");
    let answer = installation.caller().get("/api/v1/openapi.json").await.expect(200);
    fs::write(&document, answer.body.to_string()).unwrap();
    let examples = FUZZ_EXAMPLES.to_string();
    let (seed, seconds) = (seed.to_string(), FUZZ_SECONDS.to_string());
    let arguments = [
        "-m",
        "schemathesis.cli",
        "run",
        document.to_str().unwrap(),
        "--url",
        &installation.api_url(),
        "--checks",
        CHECKS,
        "--phases=examples,coverage,fuzzing",
        "--max-examples",
        &examples,
        "--max-time",
        &seconds,
        "--seed",
        &seed,
        "--generation-database=none",
        "--no-color",
    ];
    let run = example::run(&installation, "schemathesis", &python, &arguments, FUZZ_BOUND).await;
    assert!(run.succeeded, "HOLDFAST_TEST_SEED={seed}\n{}", run.output);
    // Its own account: it was not for want of requests.
    assert!(run.output.contains("passed"), "{}", run.output);
    installation.assert_clean_audit().await;
}
