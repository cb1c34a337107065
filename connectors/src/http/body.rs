//! Request bodies: bytes with a limit, then JSON into a wire type, else a refusal that names the
//! field.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use schemas::ErrorCode;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Problem;

/// The longest that a caller may take to send its body: 64 KiB at modem speed.
const LONGEST_TRANSFER: Duration = Duration::from_secs(10);

/// A body that is a JSON object of the wire type.
pub(super) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        let body = whole(request, state).await?;
        parse(&body).map(Self)
    }
}

/// A body that may be left out: then it is as an empty object, whatever its type is said to be.
pub(super) struct MaybeBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json = require_json(request.headers());
        let body = whole(request, state).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        json?;
        parse(&body).map(Self)
    }
}

/// The bytes of a body.
async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    timeout(LONGEST_TRANSFER, Bytes::from_request(request, state))
        .await
        .map_err(|_| Problem::invalid_request("The body did not arrive in time."))?
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::of(ErrorCode::PayloadTooLarge),
            _ => Problem::invalid_request("The body did not arrive whole."),
        })
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next()).unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::because(
        ErrorCode::UnsupportedMediaType,
        "Send the body with the header Content-Type: application/json.",
    ))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // Without this, serde would take an array for an object, field by field.
    match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error)),
        Some(_) => Err(Problem::invalid_request("The body is not a JSON object.")),
        None => Err(Problem::invalid_request("The body is empty; a JSON object is expected.")),
    }
}

/// Reads the body once more, only to find the field at fault: accepted bodies do not pay for it.
fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read_again: Result<T, _> = serde_path_to_error::deserialize(&mut deserializer);
    let path = read_again.err().map(|error| error.path().to_string());
    let problem = Problem::invalid_request(format!("The body could not be read: {error}."));
    match path {
        Some(path) if error.is_data() && path != "." => problem.param(path),
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::requests::PaymentRequest;

    #[test]
    fn a_body_that_is_not_understood_names_its_field() {
        for (body, param) in [
            (r#"{"colour": "red"}"#, Some("colour")),
            (r#"{"amount": "100"}"#, Some("amount")),
            (r#"{"amount": 1, "amount": 2}"#, None),
            (r#"{"user_id": 7}"#, Some("user_id")),
            (r#"{"metadata": [1]}"#, Some("metadata")),
            (r#"["user", 1]"#, None),
            (r#"{"amount": 1} x"#, None),
            (r#"{"amount": 1"#, None),
            ("null", None),
            (" \n", None),
        ] {
            let problem = parse::<PaymentRequest>(body.as_bytes()).expect_err(body);
            assert_eq!(problem.code(), ErrorCode::InvalidRequest, "{body}");
            assert_eq!(problem.param_name(), param, "{body}");
        }
    }
}
