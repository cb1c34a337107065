//! Parts of lists: limit, cursor and the body around the rows.

use schemas::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::query::QueryFields;

/// The most rows of one page.
pub(super) const MAX_LIMIT: usize = 100;
/// How many rows a page has unless the caller says otherwise.
pub(super) const DEFAULT_LIMIT: usize = 20;

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = List)]
pub(super) struct ListBody<T> {
    #[schema(pattern = "^list$", examples("list"))]
    object: &'static str,
    data: Vec<T>,
    /// Whether there is a page after this one.
    has_more: bool,
    /// What `cursor` of the next page is; null when there is none.
    #[schema(required = true, examples(json!(null)))]
    next_cursor: Option<String>,
}

impl<T> ListBody<T> {
    /// The rows, and the cursor of what comes after them.
    pub fn new(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { object: "list", data, has_more: next_cursor.is_some(), next_cursor }
    }
}

/// Parameter `limit`.
pub(super) fn limit(fields: &mut QueryFields) -> Result<usize, Problem> {
    let Some(text) = fields.take("limit") else { return Ok(DEFAULT_LIMIT) };
    let limit: usize = text
        .parse()
        .map_err(|_| Problem::invalid_request("limit is a whole number.").param("limit"))?;
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("limit is 1 to {MAX_LIMIT}");
    Err(Problem::because(ErrorCode::FieldInvalid, detail).param("limit"))
}
