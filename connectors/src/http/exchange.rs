//! What lies around every request: its ids, the limit of requests in flight, the form of refusals.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use schemas::CorrelationId;
use tokio::time::Instant;
use tracing::{Level, debug};
use uuid::Uuid;

use super::Api;
use super::headers::{CORRELATION_ID, REQUEST_ID, correlation_id, visible};
use super::problem::Problem;
use crate::HOP;

/// What names one HTTP try and what it belongs to.
#[derive(Debug, Clone)]
pub(super) struct RequestIds {
    /// Minted for each try; also the command id in the log, where its entry is found by it.
    pub request_id: Uuid,
    /// The caller's, or the request id.
    pub correlation_id: CorrelationId,
}

impl<S: Sync> FromRequestParts<S> for RequestIds {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = || Problem::internal("a route lies outside the exchange layer");
        parts.extensions.get().cloned().ok_or_else(missing)
    }
}

/// Gives the request its ids, writes refusals out and puts the ids on every answer.
pub(super) async fn frame(mut request: Request, next: Next) -> Response {
    let request_id = Uuid::new_v4();
    let mut buffer = Uuid::encode_buffer();
    let request_text = &*request_id.hyphenated().encode_lower(&mut buffer);
    let correlation_id = correlation_id(request.headers())
        .unwrap_or_else(|| request_text.parse().expect("a UUID is visible ASCII"));
    let ids = RequestIds { request_id, correlation_id };
    request.extensions_mut().insert(ids.clone());

    let asked = tracing::enabled!(target: HOP, Level::DEBUG)
        .then(|| (request.method().clone(), request.uri().path().to_owned(), Instant::now()));
    let mut response = next.run(request).await;
    if let Some((method, path, began)) = asked {
        let (status, took_ms) = (response.status().as_u16(), began.elapsed().as_millis());
        let RequestIds { request_id, correlation_id } = &ids;
        debug!(
            target: HOP, hop = "http", %request_id, %correlation_id, %method, path, status,
            took_ms, "A request was answered."
        );
    }
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.log(&ids);
        problem.write_body(request_id, &mut response);
    }
    response.headers_mut().insert(REQUEST_ID, visible(request_text));
    response.headers_mut().insert(CORRELATION_ID, visible(ids.correlation_id.as_str()));
    response
}

/// Lets no more requests in than the limit; health stays reachable beyond it.
pub(super) async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match api.admission.through_the_door() {
        Ok(_permit) => next.run(request).await,
        Err(code) => Problem::of(code).into_response(),
    }
}
