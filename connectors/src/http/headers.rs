//! The headers of the API: their names, and what is read from those of a request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use schemas::{CorrelationId, ErrorCode, IdempotencyKey};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

use super::problem::Problem;
use super::{Api, Profile};

/// What makes a retry the same request.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the answer is about an earlier request with the same key.
pub(super) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// How far in the log an answer is, or has to be.
pub(super) const POSITION: HeaderName = HeaderName::from_static("holdfast-position");
/// One HTTP try; also the command id in the log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// Joins what one request set in motion.
pub(super) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// RFC 7240.
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// RFC 7240.
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// W3C Trace Context.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest that `Prefer: wait` holds an answer, in seconds; more is cut to it.
pub(super) const LONGEST_WAIT_SECONDS: u64 = 30;
/// The same.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(LONGEST_WAIT_SECONDS);

/// A `HeaderValue` of what can only be visible ASCII.
pub(super) fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids, numbers and paths of ours are visible ASCII")
}

/// The key of a POST that moves money: the caller's, or in profile `dev` one minted here.
pub(super) struct Key(pub IdempotencyKey);

impl FromRequestParts<Arc<Api>> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        match (given_key(&parts.headers)?, api.options.profile) {
            (Some(key), _) => Ok(Self(key)),
            (None, Profile::Dev) => {
                let minted = Uuid::new_v4().to_string().parse();
                Ok(Self(minted.expect("a UUID is visible ASCII")))
            }
            (None, Profile::Production) => Err(Problem::of(ErrorCode::IdempotencyKeyRequired)),
        }
    }
}

fn given_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .map(Some)
            .ok_or_else(|| Problem::of(ErrorCode::IdempotencyKeyInvalid)),
        (Some(_), Some(_)) => Err(Problem::because(
            ErrorCode::IdempotencyKeyInvalid,
            "One request has one Idempotency-Key.",
        )),
    }
}

/// `Prefer: wait=N`, when the caller prefers to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait(Option<u64>);

impl<S: Sync> FromRequestParts<S> for Wait {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

impl Wait {
    /// RFC 7240: a preference that is not understood is as one that was not sent.
    fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let seconds = values.flat_map(|value| value.split(',')).find_map(wait_seconds);
        Self(seconds.map(|seconds| seconds.min(LONGEST_WAIT_SECONDS)))
    }

    /// When the answer has to go out at the latest: after the wait, or after `otherwise`.
    pub fn deadline(self, otherwise: Duration) -> Instant {
        Instant::now() + self.0.map_or(otherwise, Duration::from_secs)
    }

    /// The preference ignored, as RFC 7240 allows.
    pub const NONE: Self = Self(None);

    /// How long the caller prefers to wait, in seconds.
    pub fn seconds(self) -> Option<u64> {
        self.0
    }
}

/// The number of one preference `wait=N`, parameters after it ignored.
fn wait_seconds(preference: &str) -> Option<u64> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    let value = value.trim().trim_matches('"');
    let is_wait = name.trim().eq_ignore_ascii_case("wait");
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    (is_wait && is_number).then(|| value.parse().unwrap_or(LONGEST_WAIT_SECONDS))
}

/// The correlation id of a request: the caller's, else his trace's.
pub(super) fn correlation_id(headers: &HeaderMap) -> Option<CorrelationId> {
    let given = headers.get(CORRELATION_ID).and_then(|value| value.to_str().ok());
    given.and_then(|text| text.parse().ok()).or_else(|| {
        let trace = trace_id(headers.get(TRACEPARENT)?.to_str().ok()?)?;
        trace.parse().ok()
    })
}

/// The trace id of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_valid = is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16);
    (is_valid && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_that_is_not_understood_is_as_none() {
        for (prefer, expected) in [
            ("wait=10", Some(10)),
            ("respond-async, wait=7", Some(7)),
            ("WAIT = \"3\"; x=y", Some(3)),
            ("wait=0", Some(0)),
            ("wait=31", Some(30)),
            ("wait=99999999999999999999999", Some(30)),
            ("wait=-1", None),
            ("wait=+1", None),
            ("wait=1.5", None),
            ("wait=", None),
            ("wait", None),
            ("waiting=5", None),
            ("", None),
            (",,;=", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, visible(prefer));
            assert_eq!(Wait::of(&headers), Wait(expected), "{prefer:?}");
        }
    }

    #[test]
    fn the_correlation_id_is_the_callers_else_his_traces() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for (given, traceparent, expected) in [
            (Some("order-1"), Some(parent.as_str()), Some("order-1")),
            (Some("two words"), Some(parent.as_str()), Some(trace)),
            (None, Some(parent.as_str()), Some(trace)),
            (None, Some(zero), None),
            (None, Some("00-4bf9-00f0-01"), None),
            (Some(""), None, None),
        ] {
            let mut headers = HeaderMap::new();
            given.map(|text| headers.insert(CORRELATION_ID, visible(text)));
            traceparent.map(|text| headers.insert(TRACEPARENT, visible(text)));
            let found = correlation_id(&headers);
            assert_eq!(found.as_ref().map(CorrelationId::as_str), expected, "{given:?}");
        }
    }
}
