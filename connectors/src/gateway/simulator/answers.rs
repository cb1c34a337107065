//! The answers of the simulator: documented ones, and those of the misbehaviours.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::charge_book::{charge_id, digest};
use super::ground_truth::{Charge, ChargeStatus};

/// Says that the answer was given before, for the same key and body.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A refusal in the gateway's own error body.
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// 400: the request is not what the documentation says. Not processed.
    InvalidRequest(&'static str),
    /// 401: a credential is missing or wrong. Not processed.
    Unauthorized,
    /// 404: no such path. Not processed.
    UnknownPath,
    /// 409: another call with this key is under way.
    KeyInUse,
    /// 422: the key has a charge with another body.
    KeyReused,
    /// 429: too many requests. Not processed.
    RateLimited,
    /// 500: something broke.
    Internal,
    /// 503: not available now.
    Unavailable,
}

impl Refusal {
    const fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest(what) => (StatusCode::BAD_REQUEST, "invalid_request", what),
            Self::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "unauthorized", "The credential is missing or wrong.")
            }
            Self::UnknownPath => {
                (StatusCode::NOT_FOUND, "unknown_path", "There is nothing at this path.")
            }
            Self::KeyInUse => (
                StatusCode::CONFLICT,
                "idempotency_key_in_use",
                "Another request with this idempotency key is under way.",
            ),
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "This idempotency key has a charge with another body.",
            ),
            Self::RateLimited => {
                (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests.")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something broke.")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available, try again.")
            }
        }
    }

    /// Whether the body says `processed: false`, which is a promise: no charge comes of the
    /// request.
    const fn promises_unprocessed(self) -> bool {
        match self {
            Self::InvalidRequest(_)
            | Self::Unauthorized
            | Self::UnknownPath
            | Self::RateLimited => true,
            Self::KeyInUse | Self::KeyReused | Self::Internal | Self::Unavailable => false,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = self.describe();
        let mut body = json!({ "error": { "code": code, "message": message } });
        if self.promises_unprocessed() {
            body["processed"] = Value::Bool(false);
        }
        let mut response = json_response(status, body.to_string());
        if matches!(self, Self::RateLimited) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The charge, as documented, by its line in the file.
pub fn charge(line: String) -> Response {
    json_response(StatusCode::CREATED, line)
}

/// The charge that the key already has.
pub fn replayed(stored: &Charge) -> Response {
    let mut response = charge(charge_text(stored));
    response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// The answer to an inquiry about what is called `subject`.
pub fn inquiry(idempotency_key: &str, subject: &str, found: Option<&Charge>) -> Response {
    let mut body = json!({ "found": found.is_some(), "idempotency_key": idempotency_key });
    if let Some(found) = found {
        body[subject] = json!(found);
    }
    json_response(StatusCode::OK, body.to_string())
}

/// 201 and the first half of the charge: JSON that ends in the middle.
pub fn half_body(mut line: String) -> Response {
    line.truncate(line.len() / 2);
    json_response(StatusCode::CREATED, line)
}

/// 201 and a charge that somebody else's key would get.
pub fn foreign_charge(charge: &Charge) -> Response {
    let idempotency_key = "00000000-0000-8000-8000-000000000000".to_owned();
    let foreign = Charge {
        id: charge_id(digest(&idempotency_key)),
        reference: idempotency_key.clone(),
        attempt_id: idempotency_key.clone(),
        status: ChargeStatus::Succeeded,
        idempotency_key,
        ..charge.clone()
    };
    json_response(StatusCode::CREATED, charge_text(&foreign))
}

/// A proxy's page: the gateway never saw the request.
pub fn proxy_page(status: StatusCode) -> Response {
    let page = format!(
        "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center>\
         <hr><center>edge-proxy</center></body></html>"
    );
    let html = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))];
    (status, html, page).into_response()
}

/// A body of JSON text.
pub fn json_response(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn charge_text(charge: &Charge) -> String {
    serde_json::to_string(charge).expect("a charge has only strings, integers and enums")
}
