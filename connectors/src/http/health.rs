//! Whether the process lives, is ready, and how its parts are. Never cached, never embellished.

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
}

/// `GET /live`: the process answers; nothing else is asked.
pub(super) async fn live() -> Answer {
    let body = HealthBody { status: text(ComponentStatus::Up), components: Vec::new() };
    Answer::json(StatusCode::OK, &body)
}

/// `GET /ready`: 200 when every part does its work, so that requests may come.
pub(super) async fn ready(State(health): State<Arc<dyn Health>>) -> Answer {
    report(&health.components())
}

/// `GET /health`, `GET /healthz`: the same truth, for people and monitors.
pub(super) async fn health(State(health): State<Arc<dyn Health>>) -> Answer {
    report(&health.components())
}

fn report(components: &[Component]) -> Answer {
    let overall = overall(components);
    let status = match overall {
        ComponentStatus::Up => StatusCode::OK,
        ComponentStatus::Starting | ComponentStatus::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    let components = components.iter().map(ComponentBody::of).collect();
    Answer::json(status, &HealthBody { status: text(overall), components })
}

impl<'a> ComponentBody<'a> {
    fn of(component: &'a Component) -> Self {
        let Component { name, status, detail } = component;
        Self { name, status: text(*status), detail }
    }
}

/// The worst of all: down before starting before up.
fn overall(components: &[Component]) -> ComponentStatus {
    let any = |status| components.iter().any(|component| component.status == status);
    if any(ComponentStatus::Down) {
        ComponentStatus::Down
    } else if any(ComponentStatus::Starting) {
        ComponentStatus::Starting
    } else {
        ComponentStatus::Up
    }
}

fn text(status: ComponentStatus) -> &'static str {
    match status {
        ComponentStatus::Up => "up",
        ComponentStatus::Starting => "starting",
        ComponentStatus::Down => "down",
    }
}
