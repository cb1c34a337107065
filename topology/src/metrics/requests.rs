//! Requests over HTTP: each counted by the template of its route; and the route of the metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{HistogramVec, IntCounterVec};

use super::catalogue::Metric;
use super::registry::Metrics;

struct RequestMeter {
    requests: IntCounterVec,
    durations: HistogramVec,
}

/// The router, every request of which is counted. The route of the metrics comes with it.
pub fn observed(router: Router, metrics: &Arc<Metrics>) -> Router {
    let meter = Arc::new(RequestMeter {
        requests: metrics.counters(Metric::HttpRequests),
        durations: metrics.histograms(Metric::HttpRequestDuration),
    });
    router.merge(routes(metrics)).layer(from_fn_with_state(meter, observe))
}

/// `GET /metrics`.
pub fn routes(metrics: &Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(show)).with_state(Arc::clone(metrics))
}

async fn show(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], metrics.text())
}

async fn observe(State(meter): State<Arc<RequestMeter>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let verb = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "other",
    };
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let endpoint = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status();
    let labels = [verb, endpoint, status.as_str()];
    meter.requests.with_label_values(&labels).inc();
    let duration = meter.durations.with_label_values(&labels[..2]);
    duration.observe(began.elapsed().as_secs_f64());
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_request_is_counted_by_its_route_and_never_by_its_path() {
        let metrics = Arc::new(Metrics::default());
        let nested = Router::new().route("/payments/{id}", get(async || "a payment"));
        let router = observed(Router::new().nest("/api/v1", nested), &metrics);
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap().status().as_u16()
        };
        assert_eq!(ask("/api/v1/payments/secret-1").await, 200);
        assert_eq!(ask("/api/v1/payments/secret-2").await, 200);
        assert_eq!(ask("/api/v1/secret-3").await, 404);
        assert_eq!(ask("/metrics").await, 200);
        let text = metrics.text();
        for line in [
            r#"http_requests_total{endpoint="/api/v1/payments/{id}",method="GET",status="200"} 2"#,
            r#"http_requests_total{endpoint="none",method="GET",status="404"} 1"#,
            r#"http_request_duration_count{endpoint="/api/v1/payments/{id}",method="GET"} 2"#,
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }
}
