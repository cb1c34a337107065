//! Which path leads to which handler, and what lies around all of them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use schemas::ErrorCode;
use tower_http::catch_panic::CatchPanicLayer;

use super::error_page::{self, ERRORS_PATH};
use super::problem::Problem;
use super::{
    Api, ApiOptions, BASE_PATH, MAX_BODY_BYTES, Ports, deposits, exchange, gateways, health, holds,
    notifications, payment_events, payment_list, payments, sagas, statement, wallets,
};
use crate::ports::Health;

/// The API as a router. Routes merged into it later lie outside its `exchange` layer and bring
/// their own refusals.
pub fn router(options: ApiOptions, ports: Ports) -> Router {
    let api = Arc::new(Api::new(options, ports));
    let payments = get(payment_list::list).post(payments::create);
    let base = Router::new()
        .route("/payments", payments.clone())
        .route("/payments/", payments)
        .route("/payments/{payment_id}", get(payments::by_id))
        .route("/payments/{payment_id}/events", get(payment_events::list))
        .route("/gateways", get(gateways::list))
        .route("/gateways/{name}/exposure", get(gateways::exposure))
        .route("/gateways/{name}/notifications", post(notifications::take))
        .route("/sagas/{payment_id}", get(sagas::by_payment))
        .route("/wallets", post(wallets::open))
        .route("/wallets/{wallet_id}", get(wallets::by_id))
        .route("/wallets/{wallet_id}/deposits", post(deposits::record))
        .route("/wallets/{wallet_id}/holds", get(holds::list))
        .route("/wallets/{wallet_id}/transactions", get(statement::by_id))
        .route("/wallets/{user_id}/{currency}", get(wallets::by_owner))
        .route("/wallets/{user_id}/{currency}/transactions", get(statement::by_owner))
        .route_layer(from_fn_with_state(Arc::clone(&api), exchange::admit));
    let routes = Router::new()
        .nest(BASE_PATH, base)
        .fallback(async || Problem::of(ErrorCode::NotFound))
        .with_state(Arc::clone(&api));
    framed(routes.merge(health_routes(Arc::clone(&api.ports.health))))
}

/// What a process without the API answers: its health, and where the API is not.
pub fn health_router(health: Arc<dyn Health>) -> Router {
    let elsewhere = async || Problem::because(ErrorCode::NotFound, NO_API);
    framed(health_routes(health).fallback(elsewhere))
}

/// What a caller of a process without the API is told.
const NO_API: &str = "This process answers about its health only; it does not run the role api. \
                      Ask one that does.";

fn health_routes(health: Arc<dyn Health>) -> Router {
    Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::report))
        .route("/health", get(health::report))
        .route("/healthz", get(health::report))
        .route(ERRORS_PATH, get(error_page::show))
        .with_state(health)
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
