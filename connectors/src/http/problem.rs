//! Refusals as callers see them: `application/problem+json` (RFC 9457).
//!
//! A [`Problem`] travels in the extensions of its response until `exchange` writes its body,
//! because only there the request id is known. What a caller must not see is logged there and goes
//! nowhere.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::read_model::PaymentFailure;
use schemas::{ErrorCode, IdempotencyKey, PaymentId, Position, RefundId, TransferId};
use serde::Serialize;
use tracing::{debug, error};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error_page::ERRORS_PATH;
use super::exchange::RequestIds;
use super::headers::{POSITION, visible};
use super::openapi::values;

/// The longest detail that repeats what a caller sent, in bytes.
const MAX_DETAIL_BYTES: usize = 500;

/// The longest name of a field that is repeated, in bytes.
const MAX_PARAM_BYTES: usize = 100;

/// What `Retry-After` says at least and at most: a guess that is wrong costs one request more, or
/// half a minute.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<Parts>);

/// Boxed, for a result is passed on more often than refused.
#[derive(Debug, Clone)]
struct Parts {
    code: ErrorCode,
    detail: Cow<'static, str>,
    param: Option<Cow<'static, str>>,
    decline_code: Option<String>,
    subject: Subject,
    position: Option<Position>,
    idempotency_key: Option<IdempotencyKey>,
    retry_after: Duration,
    cause: Option<String>,
}

/// What exists all the same.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = ProblemSubject)]
#[expect(clippy::struct_field_names, reason = "as callers see them")]
struct Subject {
    /// The payment that exists all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::PaymentId, required = false)]
    payment_id: Option<PaymentId>,
    /// The refund that exists all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::RefundId, required = false)]
    refund_id: Option<RefundId>,
    /// The transfer that exists all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::TransferId, required = false)]
    transfer_id: Option<TransferId>,
}

/// A refusal, after RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// The same as `doc_url`.
    #[schema(examples("/docs/errors#insufficient_funds"))]
    r#type: &'a str,
    /// What the code means.
    title: &'static str,
    /// The HTTP status; a code always has the same.
    #[schema(examples(402))]
    status: u16,
    /// What is wrong, in words that may change.
    detail: &'a str,
    #[schema(value_type = values::ErrorCodeName)]
    code: &'static str,
    /// The field, parameter or header at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, examples("amount"))]
    param: Option<&'a str>,
    /// The gateway's own code, when it declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, examples("do_not_honor"))]
    decline_code: Option<&'a str>,
    #[serde(flatten)]
    #[schema(inline)]
    subject: Subject,
    /// The key with which it is safe to repeat the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::IdempotencyKey, required = false)]
    idempotency_key: Option<&'a str>,
    #[schema(value_type = values::RequestId)]
    request_id: Uuid,
    /// Whether the same request may succeed later, unchanged.
    retryable: bool,
    /// Where to read about the code.
    #[schema(examples("/docs/errors#insufficient_funds"))]
    doc_url: &'a str,
}

impl Problem {
    /// A refusal in the words of the code's table.
    pub fn of(code: ErrorCode) -> Self {
        Self::because(code, code.meaning())
    }

    /// A refusal that says more than the table.
    pub fn because(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: bounded(detail.into(), MAX_DETAIL_BYTES),
            param: None,
            decline_code: None,
            subject: Subject::default(),
            position: None,
            idempotency_key: None,
            retry_after: SHORTEST_RETRY,
            cause: None,
        }))
    }

    /// A malformed request, and what is wrong with it.
    pub fn invalid_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::because(ErrorCode::InvalidRequest, detail)
    }

    /// A defect of ours. `cause` is for the log alone.
    pub fn internal(cause: impl Display) -> Self {
        Self::of(ErrorCode::Internal).caused_by(cause)
    }

    /// The refusal that a failed object is to the one who asked for it.
    pub fn of_failure(failure: Option<&PaymentFailure>) -> Self {
        let Some(failure) = failure else {
            return Self::internal("something failed without a failure");
        };
        let Some(code) = ErrorCode::from_code(&failure.code) else {
            return Self::internal(format!("unknown failure {}", failure.code));
        };
        let mut problem = Self::because(code, failure.message.clone());
        problem.0.decline_code.clone_from(&failure.decline_code);
        problem
    }

    /// Names the field or parameter at fault.
    pub fn param(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.0.param = Some(bounded(name.into(), MAX_PARAM_BYTES));
        self
    }

    /// Names the payment that exists all the same.
    pub fn payment(mut self, id: PaymentId) -> Self {
        self.0.subject.payment_id = Some(id);
        self
    }

    /// Names the refund that exists all the same.
    pub fn refund(mut self, id: RefundId) -> Self {
        self.0.subject.refund_id = Some(id);
        self
    }

    /// Names the transfer that exists all the same.
    pub fn transfer(mut self, id: TransferId) -> Self {
        self.0.subject.transfer_id = Some(id);
        self
    }

    /// The entry that the refusal is made from.
    pub fn position(mut self, position: Position) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Says with which key the request is safe to repeat.
    pub fn repeat_with(mut self, key: &IdempotencyKey) -> Self {
        self.0.idempotency_key = Some(key.clone());
        self
    }

    /// Says when it may help to repeat the request, where the code allows that at all.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = wait.clamp(SHORTEST_RETRY, LONGEST_RETRY);
        self
    }

    /// What the operator should know and the caller should not.
    pub fn caused_by(mut self, cause: impl Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Its code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The field or parameter at fault.
    #[cfg(test)]
    pub fn param_name(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// One log line: an error only for what an operator must look at.
    pub fn log(&self, ids: &RequestIds) {
        let (code, cause) = (self.0.code.code(), self.0.cause.as_deref().unwrap_or_default());
        let RequestIds { request_id, correlation_id } = ids;
        if self.0.code == ErrorCode::Internal {
            error!(%request_id, %correlation_id, cause, "A request met a defect.");
        } else {
            debug!(%request_id, %correlation_id, code, cause, "A request was refused.");
        }
    }

    /// Writes the body into the response that carried the problem.
    pub fn write_body(&self, request_id: Uuid, response: &mut Response) {
        let parts = &self.0;
        let document = format!("{ERRORS_PATH}#{}", parts.code.code());
        let body = ProblemBody {
            r#type: &document,
            title: parts.code.meaning(),
            status: parts.code.status(),
            detail: &parts.detail,
            code: parts.code.code(),
            param: parts.param.as_deref(),
            decline_code: parts.decline_code.as_deref(),
            subject: parts.subject,
            idempotency_key: parts.idempotency_key.as_ref().map(IdempotencyKey::as_str),
            request_id,
            retryable: parts.code.is_retryable(),
            doc_url: &document,
        };
        let body = serde_json::to_vec(&body).expect("texts and numbers are JSON");
        *response.body_mut() = Body::from(body);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.0.code;
        let mut response = Response::new(Body::empty());
        *response.status_mut() =
            StatusCode::from_u16(code.status()).expect("the table has HTTP statuses");
        if tells_when_to_retry(code) {
            let seconds = HeaderValue::from(self.0.retry_after.as_secs());
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if let Some(position) = self.0.position {
            response.headers_mut().insert(POSITION, visible(&position.to_string()));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether a refusal says when to repeat the request. 404 and 500 may be repeated too, but there is
/// no telling when it helps.
pub(super) fn tells_when_to_retry(code: ErrorCode) -> bool {
    code.is_retryable() && matches!(code.status(), 409 | 429 | 503)
}

/// The text, cut at a character boundary to at most so many bytes.
fn bounded(text: Cow<'static, str>, most_bytes: usize) -> Cow<'static, str> {
    if text.len() <= most_bytes {
        return text;
    }
    let cut = text.floor_char_boundary(most_bytes);
    Cow::Owned(format!("{}…", &text[..cut]))
}
