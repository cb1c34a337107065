//! Traces: one request across HTTP, the log, the shard, the gateway and the views, exported over
//! OTLP when an endpoint is configured.
//!
//! The context travels as `traceparent` (W3C Trace Context): a header of the HTTP request, of the
//! record, of the entry, of the call to the gateway. Only sampled contexts travel, so what is not
//! sampled costs nothing further on. Without an endpoint nothing is made: a check of one atomic.
//!
//! The tracer is one per process, like the log lines: it decides nothing, and passing it through
//! every signature would say no more.

use std::borrow::Cow;
use std::future::Future;
use std::sync::OnceLock;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use connectors::http::BASE_PATH;
use futures::future::Either;
use opentelemetry::trace::{
    FutureExt, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::engine::application::CARRIED_HEADER;

/// What the spans of this process are said to come from, unless `OTEL_SERVICE_NAME` says otherwise.
const SERVICE: &str = "holdfast";
/// The answer's header that joins what one request set in motion.
const CORRELATION_ID: &str = "x-correlation-id";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Exports spans until it is stopped.
#[derive(Debug)]
pub struct Export(SdkTracerProvider);

impl Export {
    /// Begins to export to the collector at this base URL, `http://127.0.0.1:4318`. Sampler and
    /// batches follow the variables of OpenTelemetry (`OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`).
    ///
    /// # Errors
    /// When the URL is none, or the export was begun before.
    pub fn start(endpoint: &str) -> anyhow::Result<Self> {
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder().with_http().with_endpoint(&url).build();
        let exporter = exporter.map_err(|error| {
            anyhow::anyhow!("spans cannot be exported to {url} (--otlp-endpoint): {error}")
        })?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(SERVICE);
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        let is_first = TRACER.set(provider.tracer(SERVICE)).is_ok();
        anyhow::ensure!(is_first, "a process exports its spans to one collector");
        Ok(Self(provider))
    }

    /// Exports what is left. Blocks for some seconds at most.
    pub fn stop(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "The last spans were not exported.");
        }
    }
}

/// A span that ends when this is dropped; nothing at all when traces are off.
#[must_use = "it ends when it is dropped"]
#[derive(Debug, Clone)]
pub struct Span(Option<Context>);

impl Span {
    fn start(
        tracer: &SdkTracer,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: &Context,
    ) -> Self {
        let span = tracer.span_builder(name).with_kind(kind);
        Self(Some(parent.with_span(tracer.build_with_context(span, parent))))
    }

    /// Says something about it.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Marks it as failed.
    pub fn fail(&self, reason: String) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(reason));
        }
    }

    /// What whoever is called next is told; none when there is nothing to tell.
    pub fn traceparent(&self) -> Option<String> {
        self.0.as_ref().and_then(|context| written(context.span().span_context()))
    }
}

/// A span that began at `since` and ends now, below the one that this header names.
pub fn span_below(trace: Option<&[u8]>, name: &'static str, since: SystemTime) -> Span {
    let (Some(tracer), Some(parent)) = (TRACER.get(), trace.and_then(parsed)) else {
        return Span(None);
    };
    let parent = Context::new().with_remote_span_context(parent);
    let span = tracer.span_builder(name).with_start_time(since);
    Span(Some(parent.with_span(tracer.build_with_context(span, &parent))))
}

/// A span of a call to somebody else, below the current one; nothing when there is none.
pub fn call_span(name: &'static str) -> Span {
    let Some(tracer) = TRACER.get() else { return Span(None) };
    let current = Context::current();
    if !current.span().span_context().is_sampled() {
        return Span(None);
    }
    Span::start(tracer, name, SpanKind::Client, &current)
}

/// Whether spans are exported.
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// What a record carries of the current span.
pub fn outgoing() -> Option<String> {
    TRACER.get()?;
    Context::map_current(|current| written(current.span().span_context()))
}

/// The future, all of which happens below the span that this header names.
pub fn below<F: Future>(
    trace: Option<&[u8]>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    let parent = trace.filter(|_| is_on()).and_then(parsed);
    match parent {
        Some(parent) => {
            Either::Left(future.with_context(Context::new().with_remote_span_context(parent)))
        }
        None => Either::Right(future),
    }
}

/// The router, every request to the API of which is a span. The router as it is when traces are
/// off.
pub fn observed(router: Router) -> Router {
    if is_on() { router.layer(from_fn(observe)) } else { router }
}

async fn observe(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.filter(|route| route.as_str().starts_with(BASE_PATH));
    let (Some(tracer), Some(route)) = (TRACER.get(), route) else {
        return next.run(request).await;
    };
    let caller = request.headers().get(CARRIED_HEADER).and_then(|value| parsed(value.as_bytes()));
    let parent =
        caller.map_or_else(Context::new, |caller| Context::new().with_remote_span_context(caller));
    let method = request.method().as_str().to_owned();
    let name = format!("{method} {}", route.as_str());
    let span = Span::start(tracer, name, SpanKind::Server, &parent);
    span.set("http.request.method", method);
    span.set("http.route", route.as_str().to_owned());
    let within = span.0.clone().unwrap_or_default();
    let response = next.run(request).with_context(within).await;
    let status = response.status();
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.fail(status.to_string());
    }
    let correlation_id = response.headers().get(CORRELATION_ID).and_then(|id| id.to_str().ok());
    if let Some(correlation_id) = correlation_id {
        span.set("correlation_id", correlation_id.to_owned());
    }
    response
}

/// The context in a `traceparent`; none when it is not sampled, or not understood.
fn parsed(traceparent: &[u8]) -> Option<SpanContext> {
    let mut parts = std::str::from_utf8(traceparent).ok()?.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let has_lengths = [version, trace, span, flags].map(str::len) == [2, 32, 16, 2];
    if !has_lengths || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    (context.is_valid() && context.is_sampled()).then_some(context)
}

fn written(context: &SpanContext) -> Option<String> {
    let sampled = context.is_valid() && context.is_sampled();
    sampled.then(|| format!("00-{}-{}-01", context.trace_id(), context.span_id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_survives_its_text_and_only_sampled_ones_travel() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(parsed(text.as_bytes()).as_ref().and_then(written).as_deref(), Some(text));
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473ä-00f067aa0ba902b7-01",
        ] {
            assert!(parsed(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
