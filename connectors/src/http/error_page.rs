//! docs/errors.md as a page: where the `doc_url` of a problem leads, with no network.

use axum::response::Html;

use super::openapi::DOCUMENTS;

/// Where the page is; a code is its anchor.
pub(super) const ERRORS_PATH: &str = "/docs/errors";

/// The document holds no markup but its anchors, so a browser can take it as it is.
const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Errors</title>\n",
    "<pre style=\"white-space: pre-wrap\">\n",
    include_str!("../../../docs/errors.md"),
    "</pre>\n</html>\n",
);

/// The table of all codes
///
/// A code is an anchor of the page.
#[utoipa::path(
    get, path = "/docs/errors", tag = DOCUMENTS, operation_id = "show_errors",
    responses((
        status = 200, description = "A page.", body = String,
        content_type = "text/html; charset=utf-8",
    )),
)]
pub(super) async fn show() -> Html<&'static str> {
    Html(PAGE)
}

#[cfg(test)]
mod tests {
    use schemas::ErrorCode;

    #[test]
    fn every_code_is_an_anchor_and_nothing_else_is_markup() {
        let mut document = include_str!("../../../docs/errors.md").to_owned();
        for code in ErrorCode::ALL {
            let anchor = format!("<a id=\"{}\"></a>", code.code());
            assert_eq!(document.matches(&anchor).count(), 1, "{anchor}");
            document = document.replace(&anchor, "");
        }
        for comment in ["<!-- generated: errors -->", "<!-- end of generated -->"] {
            document = document.replace(comment, "");
        }
        assert!(!document.contains(['<', '&']), "it would not be shown as it stands");
    }
}
