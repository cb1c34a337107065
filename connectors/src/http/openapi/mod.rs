//! The OpenAPI document of the API: its routes as they stand in the code, completed by what all of
//! them have in common.
//!
//! A route of the router is `routes!(handler)`, which takes path, method and description from the
//! `#[utoipa::path]` of its handler: it cannot be there without being described, nor otherwise.
//! Bodies are described by the types that are read and written, refusals by [`refusals`], the
//! parameters that several routes take by [`parameters`]. Here is added what nobody should have to
//! repeat: headers that every answer has, and examples.
//!
//! The tests of the API hold every answer that they get against the document.

pub(super) mod examples;
pub(super) mod page;
pub(super) mod parameters;
pub(super) mod refusals;
pub(super) mod values;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::{Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, Schema};
use utoipa::{IntoParams, OpenApi};

use super::BASE_PATH;
use super::problem::ProblemBody;
use parameters::AnyRequest;
use values::{string, text};

/// The tag of what is about the API itself.
pub(super) const DOCUMENTS: &str = "documents";

/// What the document says besides its routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "holdfast", description = include_str!("introduction.md")),
    servers((url = "/", description = "The process that serves this document.")),
    tags(
        (name = "payments", description = "Money out of a wallet, through a gateway."),
        (name = "refunds", description = "What payments took, given back."),
        (name = "transfers", description = "Money from wallet to wallet."),
        (name = "wallets", description = "Money of one user in one currency."),
        (name = "reviews", description = "What a person must look at."),
        (name = "gateways", description = "Who charges, and what they say."),
        (name = "health", description = "Whether the process can do its work."),
        (name = "documents", description = "The API about itself."),
    ),
    components(schemas(ProblemBody)),
)]
pub(super) struct Introduction;

/// The document, as it is served.
#[derive(Clone)]
pub(super) struct Document(Bytes);

impl Document {
    /// Of these routes.
    pub fn of(mut routes: utoipa::openapi::OpenApi) -> Self {
        let components = routes.components.get_or_insert_default();
        components.schemas.extend(values::all());
        let headers = headers().map(|(name, header)| (name.to_owned(), header.into()));
        components.headers.extend(headers);
        for (path, item) in &mut routes.paths.paths {
            for (method, operation) in operations(item) {
                complete(operation, &method, path.starts_with(BASE_PATH));
            }
        }
        examples::add(&mut routes);
        Self(serde_json::to_vec(&routes).expect("a document is JSON").into())
    }

    /// Its text.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.0).expect("JSON is UTF-8")
    }
}

/// The OpenAPI document
///
/// OpenAPI 3.1, made from the code of this process.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = DOCUMENTS, operation_id = "get_document",
    responses((
        status = 200, description = "This document.", body = Object,
        example = json!({ "openapi": "3.1.0", "info": { "title": "holdfast" } }),
    )),
)]
pub(super) async fn show(State(document): State<Document>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], document.0).into_response()
}

/// The operations of a path; the API has no other methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let PathItem { get, post, put, .. } = item;
    let methods = [(HttpMethod::Get, get), (HttpMethod::Post, post), (HttpMethod::Put, put)];
    methods.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds what every route has.
fn complete(operation: &mut Operation, method: &HttpMethod, is_of_api: bool) {
    let is_document = operation.tags.iter().flatten().any(|tag| tag == DOCUMENTS);
    let is_of_api = is_of_api && !is_document;
    let parameters = operation.parameters.get_or_insert_default();
    let takes = |wanted: &str| {
        parameters.iter().any(|known| matches!(known, RefOr::T(known) if known.name == wanted))
    };
    let (is_keyed, is_patient) = (takes("Idempotency-Key"), takes("Prefer"));
    if is_of_api {
        parameters.extend(AnyRequest::into_params(|| None).into_iter().map(RefOr::T));
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        complete_body(body);
    }
    let is_write = *method != HttpMethod::Get;
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let is_done = status.starts_with('2');
        let is_of_log = is_done || FROM_THE_LOG.contains(&status.as_str());
        for (name, is_there) in [
            ("Request-Id", true),
            ("X-Correlation-Id", true),
            ("Holdfast-Position", is_of_api && is_of_log),
            ("Idempotency-Key", is_keyed),
            ("Idempotent-Replayed", is_write && is_of_log),
            ("Location", is_write && matches!(status.as_str(), "201" | "202")),
            ("Preference-Applied", is_patient && is_done),
        ] {
            if is_there {
                let reference = Ref::new(format!("#/components/headers/{name}"));
                response.headers.insert(name.to_owned(), RefOr::Ref(reference));
            }
        }
    }
}

/// A body that may be left out is described by an `Option`, which would say that it may be null.
fn complete_body(body: &mut RequestBody) {
    for content in body.content.values_mut().filter_map(examples::whole) {
        if let Some(RefOr::T(Schema::OneOf(choices))) = &content.schema {
            let named = choices.items.iter().find(|choice| matches!(choice, RefOr::Ref(_)));
            content.schema = named.cloned();
            body.required = Some(Required::False);
        }
    }
}

/// Statuses of refusals that may be made from the log.
const FROM_THE_LOG: [&str; 5] = ["402", "404", "409", "422", "423"];

/// The headers of answers.
fn headers() -> [(&'static str, Header); 7] {
    let location = format!("{BASE_PATH}/payments/{}", values::PAYMENT_ID);
    [
        (
            "Request-Id",
            header("Names this one HTTP request; also in the log.", string(values::REQUEST_ID)),
        ),
        ("X-Correlation-Id", header("The caller's, or the one minted.", string(values::KEY))),
        (
            "Holdfast-Position",
            header(
                "How far in the log the answer is: `<partition>-<offset>`, several separated by \
                 commas. Sent back as a request header, it demands that the view has come so far.",
                string("0-16"),
            ),
        ),
        (
            "Idempotency-Key",
            header("The key with which the request can be repeated.", string(values::KEY)),
        ),
        (
            "Idempotent-Replayed",
            header("An earlier request with this key did the work.", values::names(["true"])),
        ),
        ("Location", header("Where the object is from now on.", string(&location))),
        (
            "Preference-Applied",
            header("The wait that was granted.", text("^wait=[0-9]+$", "wait=10")),
        ),
    ]
}

fn header(description: &str, schema: ObjectBuilder) -> Header {
    HeaderBuilder::new().description(Some(description)).schema(Some(schema)).build()
}
