//! Whether the process lives, is ready, and how its parts are. Never embellished: every part says
//! when it was looked at, for a request here asks nobody.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::answer::Answer;
use crate::ports::{Component, ComponentStatus, Health};

#[derive(Serialize)]
struct HealthBody<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<ComponentBody<'a>>,
}

#[derive(Serialize)]
struct ComponentBody<'a> {
    name: &'static str,
    status: &'static str,
    detail: &'a str,
    checked_at: String,
}

/// `GET /live`: the process answers; nothing else is asked.
pub(super) async fn live() -> Answer {
    let body = HealthBody { status: ComponentStatus::Ok.label(), components: Vec::new() };
    Answer::json(StatusCode::OK, &body)
}

/// `GET /ready`, `GET /health`, `GET /healthz`: 200 when requests may come. What is degraded does
/// not keep them away.
pub(super) async fn report(State(health): State<Arc<dyn Health>>) -> Answer {
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
