//! Whether the process lives, is ready, and how its parts are. Never embellished: every part says
//! when it was looked at, for a request here asks nobody.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::openapi::values;
use crate::ports::{Component, ComponentStatus, Health};

/// How the process is: the worst of its parts.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthBody<'a> {
    #[schema(examples("ok"))]
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<ComponentBody<'a>>,
}

/// A part of the process.
#[derive(Serialize, ToSchema)]
#[schema(as = Component)]
struct ComponentBody<'a> {
    #[schema(examples("log"))]
    name: &'static str,
    #[schema(examples("ok"))]
    status: &'static str,
    /// In words.
    detail: &'a str,
    /// When it was looked at.
    #[schema(value_type = values::Time)]
    checked_at: String,
}

/// Whether the process answers
///
/// Nothing else is asked.
#[utoipa::path(
    get, path = "/live", tag = "health",
    responses((status = 200, description = "It does.", body = HealthBody)),
)]
pub(super) async fn live() -> Answer {
    let body = HealthBody { status: ComponentStatus::Ok.label(), components: Vec::new() };
    Answer::json(StatusCode::OK, &body)
}

/// Whether requests may come
///
/// What is degraded does not keep them away.
#[utoipa::path(
    get, path = "/ready", tag = "health",
    responses(
        (status = 200, description = "They may.", body = HealthBody),
        (status = 503, description = "A part is starting or failing.", body = HealthBody),
    ),
)]
pub(super) async fn ready(health: State<Arc<dyn Health>>) -> Answer {
    report(&health)
}

/// How the parts of the process are
#[utoipa::path(
    get, path = "/health", tag = "health",
    responses(
        (status = 200, description = "Every part can do its work.", body = HealthBody),
        (status = 503, description = "A part is starting or failing.", body = HealthBody),
    ),
)]
pub(super) async fn health(health: State<Arc<dyn Health>>) -> Answer {
    report(&health)
}

/// The same as /health
#[utoipa::path(
    get, path = "/healthz", tag = "health",
    responses(
        (status = 200, description = "Every part can do its work.", body = HealthBody),
        (status = 503, description = "A part is starting or failing.", body = HealthBody),
    ),
)]
pub(super) async fn healthz(health: State<Arc<dyn Health>>) -> Answer {
    report(&health)
}

fn report(health: &Arc<dyn Health>) -> Answer {
    let components = health.components();
    let worst = components.iter().map(|component| component.status).max();
    let worst = worst.unwrap_or(ComponentStatus::Ok);
    let status = match worst {
        ComponentStatus::Ok | ComponentStatus::Degraded => StatusCode::OK,
        ComponentStatus::Starting | ComponentStatus::Failing => StatusCode::SERVICE_UNAVAILABLE,
    };
    let components = components.iter().map(ComponentBody::of).collect();
    Answer::json(status, &HealthBody { status: worst.label(), components })
}

impl<'a> ComponentBody<'a> {
    fn of(component: &'a Component) -> Self {
        let Component { name, status, detail, checked_at } = component;
        Self { name, status: status.label(), detail, checked_at: checked_at.to_string() }
    }
}
