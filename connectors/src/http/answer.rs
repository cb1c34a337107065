//! An answer in the making: a JSON body or a problem, and the headers that go with it.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::{IdempotencyKey, Position};
use serde::Serialize;

use super::headers::{
    IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, POSITION, PREFERENCE_APPLIED, Wait, visible,
};
use super::problem::Problem;
use super::submission::Effect;

/// An answer to a request.
pub(super) struct Answer(Response);

impl Answer {
    /// A body of ours.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = match serde_json::to_vec(body) {
            Ok(body) => body,
            Err(error) => return Problem::internal(error).into(),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Self(response)
    }

    /// The entry that the answer is made from.
    pub fn position(mut self, position: Position) -> Self {
        self.0.headers_mut().insert(POSITION, visible(&position.to_string()));
        self
    }

    /// The entries that the answer is made from, one for each shard that spoke; none leaves it out.
    pub fn positions(mut self, positions: impl IntoIterator<Item = Position>) -> Self {
        let mut text = String::new();
        for position in positions {
            let separator = if text.is_empty() { "" } else { "," };
            write!(text, "{separator}{position}").expect("a String takes everything");
        }
        if !text.is_empty() {
            self.0.headers_mut().insert(POSITION, visible(&text));
        }
        self
    }

    /// Where the object is found from now on.
    pub fn location(mut self, path: &str) -> Self {
        self.0.headers_mut().insert(header::LOCATION, visible(path));
        self
    }

    /// Says that an earlier request did the work.
    pub fn replayed(mut self) -> Self {
        self.0.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        self
    }

    /// Says so where an earlier request did the work.
    pub fn effect(self, effect: Effect) -> Self {
        match effect {
            Effect::Done => self,
            Effect::Replayed => self.replayed(),
        }
    }

    /// Says with which key the request can be repeated.
    pub fn idempotency_key(mut self, key: &IdempotencyKey) -> Self {
        self.0.headers_mut().insert(IDEMPOTENCY_KEY, visible(key.as_str()));
        self
    }

    /// Says that the caller's preference to wait was honoured.
    pub fn waited(mut self, wait: Wait) -> Self {
        if let Some(seconds) = wait.seconds() {
            let applied = visible(&format!("wait={seconds}"));
            self.0.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        self
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self(problem.into_response())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.0
    }
}
