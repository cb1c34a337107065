//! Which path leads to which handler, and what lies around all of them.
//!
//! Path and method stand in the description above the handler. `routes!` takes them from there, and
//! the OpenAPI document is what was taken: a route and its description are one thing.

use std::any::Any;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use schemas::ErrorCode;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{self, Document, Introduction};
use super::problem::Problem;
use super::{
    Api, ApiOptions, BASE_PATH, MAX_BODY_BYTES, Ports, cancellations, deposits, error_page,
    exchange, gateways, health, holds, notifications, payment_events, payment_list, payments,
    refunds, reversals, reviews, sagas, statement, suspense, transfers, wallet_changes, wallets,
    withdrawals,
};
use crate::ports::Health;

/// Made once: it says the same whatever the options are.
static DOCUMENT: LazyLock<Document> = LazyLock::new(describe);

/// The API as a router. Routes merged into it later lie outside its `exchange` layer and bring
/// their own refusals.
pub fn router(options: ApiOptions, ports: Ports) -> Router {
    let api = Arc::new(Api::new(options, ports));
    let with_slash = get(payment_list::list).post(payments::create);
    let base = Router::from(base_routes())
        .route("/payments/", with_slash)
        .route_layer(from_fn_with_state(Arc::clone(&api), exchange::admit));
    let documents = Router::from(document_routes()).with_state(DOCUMENT.clone());
    let routes = Router::new()
        .nest(BASE_PATH, base)
        .with_state(Arc::clone(&api))
        .merge(documents)
        .fallback(async || Problem::of(ErrorCode::NotFound));
    let health = Router::from(health_routes()).with_state(Arc::clone(&api.ports.health));
    framed(routes.merge(health))
}

/// What a process without the API answers: its health, and where the API is not.
pub fn health_router(health: Arc<dyn Health>) -> Router {
    let elsewhere = async || Problem::because(ErrorCode::NotFound, NO_API);
    framed(Router::from(health_routes()).with_state(health).fallback(elsewhere))
}

/// The OpenAPI document of the API, in JSON.
pub fn document() -> &'static str {
    DOCUMENT.text()
}

/// What a caller of a process without the API is told.
const NO_API: &str = "This process answers about its health only; it does not run the role api. \
                      Ask one that does.";

/// What the API is for.
fn base_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(payment_list::list, payments::create))
        .routes(routes!(payments::by_id))
        .routes(routes!(payment_events::list))
        .routes(routes!(cancellations::cancel))
        .routes(routes!(refunds::list, refunds::create))
        .routes(routes!(reviews::resolve_payment))
        .routes(routes!(refunds::by_id))
        .routes(routes!(reviews::resolve_refund))
        .routes(routes!(transfers::create))
        .routes(routes!(transfers::by_id))
        .routes(routes!(reversals::of_deposit))
        .routes(routes!(reversals::of_withdrawal))
        .routes(routes!(gateways::list))
        .routes(routes!(gateways::exposure))
        .routes(routes!(notifications::take))
        .routes(routes!(sagas::by_payment))
        .routes(routes!(suspense::list))
        .routes(routes!(wallets::open))
        .routes(routes!(wallets::by_id))
        .routes(routes!(deposits::record))
        .routes(routes!(withdrawals::record))
        .routes(routes!(holds::list))
        .routes(routes!(wallet_changes::freeze))
        .routes(routes!(wallet_changes::unfreeze))
        .routes(routes!(wallet_changes::close))
        .routes(routes!(wallet_changes::set_limits))
        .routes(routes!(statement::by_id))
        .routes(routes!(wallets::by_owner))
        .routes(routes!(statement::by_owner))
}

/// What the API says of itself.
fn document_routes() -> OpenApiRouter<Document> {
    OpenApiRouter::default().routes(routes!(openapi::show)).routes(routes!(openapi::page::show))
}

/// What every process answers.
fn health_routes() -> OpenApiRouter<Arc<dyn Health>> {
    OpenApiRouter::default()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::health))
        .routes(routes!(health::healthz))
        .routes(routes!(error_page::show))
}

fn describe() -> Document {
    let introduced = OpenApiRouter::with_openapi(Introduction::openapi());
    let mut described = introduced.nest(BASE_PATH, base_routes()).into_openapi();
    described.merge(document_routes().into_openapi());
    described.merge(health_routes().into_openapi());
    Document::of(described)
}

/// What lies around every route.
fn framed(routes: Router) -> Router {
    routes
        .method_not_allowed_fallback(async || Problem::of(ErrorCode::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(exchange::frame))
}

/// The panic hook has told the operator; the caller learns nothing of the inside.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::internal("a handler panicked").into_response()
}
