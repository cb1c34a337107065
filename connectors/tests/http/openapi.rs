//! The OpenAPI document: that it is about this router and no other, and that what it shows is so.
//! Whether answers are what it says, every test here checks (`caller`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use connectors::http::Profile;
use schemas::read_model::{PaymentStatus, RefundStatus, TransferStatus};
use schemas::timeline::{Saga, SagaState};
use serde_json::Value;

use crate::caller::Caller;
use crate::contract::{Operation, document, judge, operations, resolved};
use crate::ledger::Reply;

/// The one operation that nobody can copy: its request is signed.
const SIGNED: &str = "take_notification";

/// The one path that is described by another: the same with a slash at its end.
const WITH_SLASH: &str = ".route(\"/payments/\", with_slash)";

/// A route that is added otherwise than by `routes!` has no description.
#[test]
fn a_route_comes_with_its_description() {
    let mut count = 0;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    for file in fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()) {
        let Ok(source) = fs::read_to_string(&file) else { continue };
        for other in [".route(", ".route_service(", ".nest_service(", ".fallback_service("] {
            let found: Vec<_> = source.lines().filter(|line| line.contains(other)).collect();
            assert!(found.iter().all(|line| line.trim() == WITH_SLASH), "{file:?}: {found:?}");
        }
        count += source.matches(".routes(routes!(").count();
    }
    let paths = document()["paths"].as_object().unwrap().len();
    assert_eq!(count, paths, "a description is in the document and not in the router");
}

#[tokio::test]
async fn the_document_and_its_pages_are_served() {
    let caller = Caller::new(Profile::Production);
    let answer = caller.get("/api/v1/openapi.json", &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (200, document()));
    assert_eq!(answer.body["openapi"], "3.1.0");
    for path in ["/docs", "/docs/errors"] {
        let page = caller.get(path, &[]).await;
        assert_eq!(page.status, 200);
        assert!(page.body.as_str().unwrap().starts_with("<!doctype html>"), "{path}");
    }
    let page = caller.get("/docs", &[]).await;
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
}

#[test]
fn every_part_says_what_it_is() {
    let tags = document()["tags"].as_array().unwrap().iter();
    let tags: BTreeSet<_> = tags.map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for Operation { method, path, described } in operations() {
        let name = format!("{method} {path}");
        assert!(described["summary"].is_string(), "{name}: no summary");
        assert!(ids.insert(described["operationId"].as_str().unwrap()), "{name}: its id is taken");
        let tag = described["tags"][0].as_str().unwrap();
        assert!(tags.contains(tag), "{name}: {tag}");
        for parameter in parameters(described) {
            assert!(parameter["description"].is_string(), "{name}: {parameter}");
        }
        let answers = described["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{name}: {answers:?}");
        for answer in answers.values() {
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{name}: {answer}");
            let headers = answer["headers"].as_object().unwrap().values();
            for header in headers {
                let header = resolved(header).unwrap_or(header);
                assert!(header["description"].is_string(), "{name}: {header}");
            }
        }
    }
}

#[test]
fn requests_take_no_unknown_field_and_money_is_whole() {
    for Operation { path, described, .. } in operations() {
        // What a gateway writes is the gateway's.
        if described["operationId"] != SIGNED
            && let Some(body) = described.get("requestBody")
        {
            let schema = resolved(&body["content"]["application/json"]["schema"]).unwrap();
            assert_eq!(schema["additionalProperties"], false, "{path}");
            assert!(body["required"].is_boolean(), "{path}");
        }
    }
    let mut count = 0;
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    for (schema, (name, property)) in schemas.iter().flat_map(|(schema, described)| {
        let properties = described["properties"].as_object().into_iter().flatten();
        properties.map(move |property| (schema, property))
    }) {
        if name.ends_with("amount") || ["balance_after", "posted", "available"].contains(&&**name) {
            let choices = property["oneOf"].as_array().cloned().unwrap_or_default();
            let choices = choices.iter().chain([property]).filter_map(resolved);
            let types: Vec<_> = choices.map(|choice| &choice["type"]).collect();
            assert_eq!(types, ["integer"], "{schema}.{name}");
            count += 1;
        }
    }
    assert!(count > 10, "the test looks at the wrong place");
}

#[test]
fn examples_are_what_they_are_examples_of() {
    let mut faults = Vec::new();
    let mut count = 0;
    let mut check = |schema: &'static Value, example: &Value, place: &str| {
        count += 1;
        judge(schema, example, place, &mut faults);
    };
    for Operation { method, path, described } in operations() {
        let name = format!("{method} {path}");
        for parameter in parameters(described) {
            let schema = resolved(&parameter["schema"]).unwrap_or(&parameter["schema"]);
            for example in schema["examples"].as_array().into_iter().flatten() {
                check(schema, example, &format!("{name} {}", parameter["name"]));
            }
        }
        let answers = described["responses"].as_object().unwrap().values();
        for content in answers.chain(described.get("requestBody")).flat_map(contents) {
            let examples = content["examples"].as_object().into_iter().flatten();
            let examples = examples.map(|(_, example)| &example["value"]);
            for example in examples.chain(content.get("example")) {
                check(&content["schema"], example, &name);
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(count > 200, "{count}: the test looks at the wrong place");
}

/// The bodies in JSON of a request or an answer.
fn contents(part: &'static Value) -> impl Iterator<Item = &'static Value> {
    let contents = part["content"].as_object().into_iter().flatten();
    contents.filter(|(media, _)| media.ends_with("json")).map(|(_, content)| content)
}

fn parameters(described: &'static Value) -> impl Iterator<Item = &'static Value> {
    described["parameters"].as_array().into_iter().flatten()
}

fn example(parameter: &'static Value) -> Option<&'static Value> {
    let schema = resolved(&parameter["schema"]).unwrap_or(&parameter["schema"]);
    schema["examples"].get(0)
}

/// The path of an operation with its blanks filled in.
fn filled(operation: &Operation) -> String {
    parameters(operation.described).filter(|parameter| parameter["in"] == "path").fold(
        operation.path.to_owned(),
        |path, parameter| {
            let blank = format!("{{{}}}", parameter["name"].as_str().unwrap());
            path.replace(&blank, example(parameter).unwrap().as_str().unwrap())
        },
    )
}

/// As somebody would send it who copies the examples, with every header that has one; a position
/// depends on the log.
fn request(operation: &Operation) -> Request<Body> {
    let method = operation.method.to_uppercase();
    let mut request = Request::builder().method(method.as_str()).uri(filled(operation));
    for parameter in parameters(operation.described).filter(|parameter| parameter["in"] == "header")
    {
        let name = parameter["name"].as_str().unwrap();
        if name != "Holdfast-Position" {
            request = request.header(name, example(parameter).unwrap().as_str().unwrap());
        }
    }
    let body = operation.described.pointer("/requestBody/content/application~1json/example");
    let body = body.map(ToString::to_string);
    let request = request.header("content-type", "application/json");
    request.body(body.map_or_else(Body::empty, Body::from)).unwrap()
}

/// What the examples ask for that others of them are about, and what becomes of it.
const MADE: [(&str, Reply, u16); 6] = [
    ("open_wallet", Reply::Pay(PaymentStatus::Processing), 201),
    ("pay", Reply::Pay(PaymentStatus::Completed), 201),
    ("refund", Reply::Refund(RefundStatus::Succeeded), 201),
    ("transfer", Reply::Transfer(TransferStatus::Held), 202),
    ("record_deposit", Reply::Pay(PaymentStatus::Processing), 201),
    ("record_withdrawal", Reply::Pay(PaymentStatus::Processing), 201),
];

/// The demo user with a wallet, and what the examples ask for.
async fn demo() -> Caller {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    for (id, reply, status) in MADE {
        caller.ledger.reply(reply);
        let known = operations().into_iter().find(|known| known.described["operationId"] == id);
        let answer = caller.send(request(&known.unwrap())).await;
        assert_eq!(answer.status, status, "{id}: {answer:?}");
    }
    let pay = operations().into_iter().find(|known| known.described["operationId"] == "pay");
    let paid = caller.send(request(&pay.unwrap())).await;
    let payment = paid.text("id").parse().unwrap();
    let saga = Saga {
        payment_id: payment,
        cancel_requested: false,
        refunds: Vec::new(),
        wallet_id: paid.text("wallet_id").parse().unwrap(),
        state: SagaState::Completed,
        deadline: None,
        hold: None,
        attempts: Vec::new(),
        timer: None,
        compensations: Vec::new(),
        waits_for: None,
        discrepancies: Vec::new(),
        position: "0-1".parse().unwrap(),
    };
    caller.ledger.tell(payment, Vec::new(), saga);
    caller
}

#[tokio::test]
async fn the_examples_work() {
    let caller = demo().await;
    for operation in operations() {
        let name = format!("{} {}", operation.method, operation.path);
        let answer = caller.send(request(&operation)).await;
        let is_right = match operation.described["operationId"].as_str() {
            Some(SIGNED) => answer.status == 401,
            _ => answer.status.is_success(),
        };
        assert!(is_right, "{name}: {answer:?}");
        for parameter in parameters(operation.described) {
            let (place, name) = (&parameter["in"], parameter["name"].as_str().unwrap());
            if place == "query"
                && name != "min_position"
                && let Some(example) = example(parameter)
            {
                let example = example.to_string();
                let query = format!("?{name}={}", example.trim_matches('"'));
                let answer = caller.get(&format!("{}{query}", filled(&operation)), &[]).await;
                // Another label is another wallet, which need not be there.
                assert!(answer.status.is_success(), "{query}: {answer:?}");
            }
        }
    }
}

/// What one route calls a parameter, another may not know: each takes what it describes, and
/// nothing else.
#[tokio::test]
async fn a_route_takes_the_parameters_that_it_describes() {
    let caller = demo().await;
    let mut all: BTreeMap<&str, &Value> = BTreeMap::new();
    for parameter in operations().iter().flat_map(|known| parameters(known.described)) {
        if parameter["in"] == "query" {
            all.insert(parameter["name"].as_str().unwrap(), parameter);
        }
    }
    assert!(all.len() > 8, "{all:?}");
    let reads = operations().into_iter().filter(|known| {
        known.method == "get" && parameters(known.described).any(|known| known["in"] == "query")
    });
    for operation in reads {
        let described: BTreeSet<_> = parameters(operation.described)
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for name in all.keys() {
            let path = format!("{}?{name}=", filled(&operation));
            let answer = caller.get(&path, &[]).await;
            let detail = answer.body["detail"].as_str().unwrap_or_default();
            assert_eq!(!detail.contains("is unknown here"), described.contains(name), "{path}");
        }
    }
}
