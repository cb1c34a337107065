//! Every route but charges and inquiries: what people and tools ask of the simulator.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use futures::stream;

use super::admin;
use super::answers::{self, Refusal};
use super::charge_book::ChargeBook;
use super::desk::Desk;

/// Longest request body: a behaviour with everything has some 1000 bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Block of the ground truth that is read and sent at a time.
const STREAMED_BLOCK_BYTES: u64 = 64 * 1024;

/// The routes.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    let behaviour = get(admin::behaviour).put(admin::behave).delete(admin::behave_as_at_the_start);
    let outage = get(admin::outage).post(admin::begin_outage).delete(admin::end_outage);
    Router::new()
        .route("/v1/ground-truth", get(charges))
        .route("/v1/ground-truth/refunds", get(refunds))
        .route("/health", get(health))
        .route("/admin/behaviour", behaviour)
        .route("/admin/outage", outage)
        .route("/admin/audit", get(admin::audit))
        .route("/admin/charges", get(admin::charges))
        .route("/admin/keys", delete(admin::prune))
        .fallback(async || Refusal::UnknownPath)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(desk)
}

async fn health(State(desk): State<Arc<Desk>>) -> Response {
    let body = serde_json::json!({ "status": "ok", "charges": desk.book.charges() });
    answers::json_response(StatusCode::OK, body.to_string())
}

async fn charges(State(desk): State<Arc<Desk>>) -> Response {
    ground_truth(desk.book.clone())
}

async fn refunds(State(desk): State<Arc<Desk>>) -> Response {
    ground_truth(desk.refunds.book().clone())
}

/// Streams the file as it is now; charges booked while it streams are not in it.
fn ground_truth(book: ChargeBook) -> Response {
    let end = book.readable_bytes();
    let blocks = stream::try_unfold(0_u64, move |offset| {
        let book = book.clone();
        async move {
            if offset >= end {
                return Ok::<_, io::Error>(None);
            }
            let next = end.min(offset + STREAMED_BLOCK_BYTES);
            let length = usize::try_from(next - offset).map_err(io::Error::other)?;
            // The file may be larger than the page cache, so its reads leave the async threads.
            let block = tokio::task::spawn_blocking(move || {
                let mut block = vec![0; length];
                book.read_block(&mut block, offset).map(|()| block)
            });
            Ok(Some((block.await.map_err(io::Error::other)??, next)))
        }
    });
    let json_lines = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    (json_lines, Body::from_stream(blocks)).into_response()
}
