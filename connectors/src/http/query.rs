//! The query string of a request, and the positions that it demands.

use axum::extract::{FromRequestParts, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use schemas::{ErrorCode, Position};

use super::headers::POSITION;
use super::problem::Problem;

/// The parameter that demands positions, like the header.
pub(super) const MIN_POSITION: &str = "min_position";

/// More positions than shards speak in any sensible request.
const MAX_POSITIONS: usize = 64;

/// Parameters by name, taken out one by one; what is left over is refused.
pub(super) struct QueryFields(Vec<(String, String)>);

/// The query string, and the positions that header and query demand of the view.
pub(super) struct ReadQuery {
    /// What else was asked.
    pub fields: QueryFields,
    /// What the view must have applied.
    pub demanded: Vec<Position>,
}

impl QueryFields {
    /// The value of a parameter that may be there.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Refuses what nobody took: unknown parameters and repeated ones.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::invalid_request(
                "A parameter of the query is unknown here, or given twice.",
            )
            .param(name)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ReadQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::try_from_uri(&parts.uri)
            .map_err(|_| Problem::invalid_request("The query string could not be read."))?;
        let mut fields = QueryFields(pairs);
        let mut demanded = demanded_by_header(&parts.headers)?;
        if let Some(text) = fields.take(MIN_POSITION) {
            demand(&text, MIN_POSITION, &mut demanded)?;
        }
        Ok(Self { fields, demanded })
    }
}

fn demanded_by_header(headers: &HeaderMap) -> Result<Vec<Position>, Problem> {
    let mut demanded = Vec::new();
    for value in headers.get_all(POSITION) {
        let text = value.to_str().map_err(|_| {
            Problem::invalid_request("Holdfast-Position reads <partition>-<offset>.")
                .param("Holdfast-Position")
        })?;
        demand(text, "Holdfast-Position", &mut demanded)?;
    }
    Ok(demanded)
}

fn demand(text: &str, param: &'static str, demanded: &mut Vec<Position>) -> Result<(), Problem> {
    for part in text.split(',') {
        let position = part.trim().parse().map_err(|error| {
            Problem::because(ErrorCode::InvalidRequest, format!("{error}")).param(param)
        })?;
        demanded.push(position);
    }
    if demanded.len() > MAX_POSITIONS {
        let detail = format!("A request demands at most {MAX_POSITIONS} positions.");
        return Err(Problem::invalid_request(detail).param(param));
    }
    Ok(())
}
