//! A page to read the document by, with no network: one file, which asks for the document and for
//! nothing else.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use super::DOCUMENTS;

const PAGE: &str = include_str!("page.html");

/// What the browser may do for it: run what stands in it, and ask this server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A page to read this by
///
/// Every route with its parameters, answers and refusals, and a call to paste.
#[utoipa::path(
    get, path = "/docs", tag = DOCUMENTS, operation_id = "show_page",
    responses((
        status = 200, description = "A page.", body = String,
        content_type = "text/html; charset=utf-8",
    )),
)]
pub(in crate::http) async fn show() -> Response {
    let policy = HeaderValue::from_static(POLICY);
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_nobody_else() {
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            let found = PAGE.lines().find(|line| line.contains(outside));
            assert!(found.is_none(), "{outside}: {found:?}");
        }
        assert!(PAGE.contains("\"/api/v1/openapi.json\""));
    }
}
