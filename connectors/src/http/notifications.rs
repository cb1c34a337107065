//! What gateways say unasked: verified over the raw body, then appended to the log.
//!
//! Invariants: nothing is parsed before its signature was verified; 200 is said after a durable
//! append, or when there is nothing to append; everything else makes the gateway send it again. The
//! same event twice is the same result twice: the ledger takes it once.
//!
//! A payment that no view knows may be on its way, or nobody's: what is said of it goes to the
//! shard that would know it, and the ledger decides.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use schemas::inputs::{GatewayOperationKind, GatewayResult};
use schemas::{ErrorCode, GatewayName, OperationId, PaymentId, RefundId, Sealed, WalletId};
use serde::Serialize;
use tokio::time::Instant;
use tracing::warn;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::Answer;
use super::exchange::RequestIds;
use super::openapi::parameters::SignatureHeaders;
use super::openapi::{refusals, values};
use super::path::GatewayPath;
use super::problem::Problem;
use super::{Api, Profile};
use crate::gateway::notification::{Notification, NotificationUnreadable, Subject};
use crate::gateway::operation::Outcome;
use crate::gateway::signature::{SIMULATOR_SIGNATURE, STRIPE_SIGNATURE, TOLERANCE, verify};
use crate::gateway::table::GatewayKind;
use crate::gateway::{simulator_client, stripe};

/// How long a view that is behind may take to show the payment that a notification is about: a
/// gateway can be faster than our own tail, but not by much.
const VIEW_BEHIND: Duration = Duration::from_millis(500);

/// The answer to a notification that was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
struct TakenBody<'a> {
    #[schema(pattern = "^notification$", examples("notification"))]
    object: &'static str,
    /// The gateway's own name of the event.
    #[schema(examples("evt_1"))]
    id: &'a str,
    /// Whether it is about something of ours, and in the log.
    appended: bool,
}

/// What of a notification goes into the log.
struct Said {
    operation: GatewayOperationKind,
    payment_id: PaymentId,
    operation_id: OperationId,
    outcome: Outcome,
}

/// Take a notification
///
/// For the gateway: what it says unasked. Nothing is believed before its signature over the body
/// was verified, and 200 is said after it is durable; everything else makes it send it again.
#[utoipa::path(
    post, path = "/gateways/{name}/notifications", tag = "gateways",
    operation_id = "take_notification",
    params(GatewayPath, SignatureHeaders), request_body = values::GatewayEvent,
    responses(
        (status = 200, description = "It was taken.", body = TakenBody),
        refusals::TakeNotification,
    ),
)]
pub(super) async fn take(
    State(api): State<Arc<Api>>,
    GatewayPath(name): GatewayPath,
    ids: RequestIds,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Answer, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::of(ErrorCode::PayloadTooLarge),
        _ => Problem::invalid_request("The body did not arrive whole."),
    })?;
    let notification = read(&api, &name, &headers, &body)?;
    let Notification { event_id, occurred_at: _, subject, evidence } = notification;
    let said = said(subject, &name, &event_id);
    if let Some(Said { operation, payment_id, operation_id, outcome }) = said {
        let wallet_id = wallet_of(&api, payment_id).await?;
        let evidence = match api.options.profile {
            Profile::Dev => Some(Sealed::plaintext(evidence.as_str())),
            Profile::Production => None,
        };
        let result = GatewayResult {
            wallet_id,
            payment_id,
            operation_id,
            operation_seq: 0,
            operation,
            gateway: name,
            outcome: outcome.into(),
            evidence,
            observed_at: (api.ports.now)(),
            correlation_id: ids.correlation_id.as_str().to_owned(),
            notification_id: event_id.clone(),
        };
        api.ports.gateways.results.append(result).await?;
        return Ok(taken(&event_id, true));
    }
    Ok(taken(&event_id, false))
}

fn taken(id: &str, appended: bool) -> Answer {
    Answer::json(StatusCode::OK, &TakenBody { object: "notification", id, appended })
}

/// The notification, if its gateway signed it.
fn read(
    api: &Api,
    name: &GatewayName,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Notification, Problem> {
    type Reader = fn(&[u8]) -> Result<Notification, NotificationUnreadable>;
    let desk = &api.ports.gateways;
    let (header, reader): (_, Reader) = match desk.row(name)?.kind {
        GatewayKind::Stripe => (STRIPE_SIGNATURE, stripe::notification::read),
        GatewayKind::Simulator | GatewayKind::InProcess => {
            (SIMULATOR_SIGNATURE, simulator_client::notification::read)
        }
    };
    let signature = headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = (api.ports.now)();
    verify(signature, body, desk.secrets(name), now, TOLERANCE).map_err(|invalid| {
        warn!(gateway = %name, reason = %invalid, "A notification was not believed.");
        Problem::because(ErrorCode::SignatureInvalid, format!("{header}: {invalid}."))
    })?;
    reader(body).map_err(|unreadable| {
        warn!(gateway = %name, reason = %unreadable, "A notification was not understood.");
        Problem::invalid_request(unreadable.to_string())
    })
}

/// What the ledger is to hear; none for what is not ours, or nothing that it keeps.
fn said(subject: Subject, gateway: &GatewayName, event_id: &str) -> Option<Said> {
    let payment = |id: Uuid| PaymentId::from_bytes(*id.as_bytes());
    match subject {
        Subject::Charge { payment_id, attempt_id, outcome } => Some(Said {
            operation: GatewayOperationKind::Notify,
            payment_id: payment(payment_id),
            operation_id: OperationId::from_bytes(*attempt_id.as_bytes()),
            outcome,
        }),
        Subject::Refund { payment_id, refund_id, outcome } => Some(Said {
            operation: GatewayOperationKind::NotifyRefund,
            payment_id: payment(payment_id),
            operation_id: OperationId::refund(RefundId::from_bytes(*refund_id.as_bytes())),
            outcome,
        }),
        Subject::Refunded { payment_id, attempt_id: _, total_minor, currency } => {
            // Each of our own refunds has a notification of its own; only a person can tell what
            // somebody else gave back.
            warn!(
                %gateway, event_id, %payment_id, total_minor, currency,
                "A gateway says how much of a charge was given back in all: compare it."
            );
            None
        }
        Subject::Other { kind } => {
            tracing::debug!(%gateway, event_id, kind, "A notification is about nothing of ours.");
            None
        }
    }
}

/// The wallet of a payment, which routes what is said of it.
async fn wallet_of(api: &Api, payment_id: PaymentId) -> Result<WalletId, Problem> {
    let deadline = Instant::now() + VIEW_BEHIND.min(api.options.view_timeout);
    let views = &api.ports.views;
    let known = api.watch(deadline, || Ok(views.payment(payment_id)?)).await?;
    Ok(match known {
        Some(row) => row.wallet_id,
        None => api.ports.gateways.results.stand_in(payment_id),
    })
}
