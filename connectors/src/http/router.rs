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

use super::problem::Problem;
use super::{
    Api, ApiOptions, BASE_PATH, MAX_BODY_BYTES, Ports, deposits, exchange, health, payment_list,
    payments, statement, wallets,
};

/// The API as a router. Routes merged into it later lie outside its `exchange` layer and bring
/// their own refusals.
pub fn router(options: ApiOptions, ports: Ports) -> Router {
    let api = Arc::new(Api::new(options, ports));
    let payments = get(payment_list::list).post(payments::create);
    let base = Router::new()
        .route("/payments", payments.clone())
        .route("/payments/", payments)
        .route("/payments/{payment_id}", get(payments::by_id))
        .route("/wallets", post(wallets::open))
        .route("/wallets/{wallet_id}", get(wallets::by_id))
        .route("/wallets/{wallet_id}/deposits", post(deposits::record))
        .route("/wallets/{wallet_id}/transactions", get(statement::by_id))
        .route("/wallets/{user_id}/{currency}", get(wallets::by_owner))
        .route("/wallets/{user_id}/{currency}/transactions", get(statement::by_owner))
        .route_layer(from_fn_with_state(Arc::clone(&api), exchange::admit));
    Router::new()
        .nest(BASE_PATH, base)
        .route("/live", get(health::live))
        .route("/ready", get(health::report))
        .route("/health", get(health::report))
        .route("/healthz", get(health::report))
        .method_not_allowed_fallback(async || Problem::of(ErrorCode::MethodNotAllowed))
        .fallback(async || Problem::of(ErrorCode::NotFound))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(exchange::frame))
        .with_state(api)
}

/// The panic hook has told the operator; the caller learns nothing of the inside.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::internal("a handler panicked").into_response()
}
