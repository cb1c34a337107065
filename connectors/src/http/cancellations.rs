//! Cancellations: payments that their callers want to end.
//!
//! The payment is the key: asking twice is asking once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::ErrorCode;
use schemas::inputs::{Cancel, Command, CommandBody};
use schemas::read_model::PaymentStatus;

use super::Api;
use super::answer::Answer;
use super::body::MaybeBody;
use super::exchange::RequestIds;
use super::headers::Wait;
use super::openapi::refusals;
use super::path::PaymentPath;
use super::payments::path_of;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::PaymentBody;
use super::requests::CancelRequest;
use crate::ports::Request;

/// Cancel a payment
///
/// At once, while no gateway can have been asked; otherwise nothing new is sent, and it ends as
/// cancelled, or as completed when the wish came too late. Asking twice is asking once: no key is
/// needed.
#[utoipa::path(
    post, path = "/payments/{payment_id}/cancel", tag = "payments",
    operation_id = "cancel_payment",
    params(PaymentPath, Wait, ReadQuery), request_body = Option<CancelRequest>,
    responses(
        (status = 201, description = "It is cancelled.", body = PaymentBody),
        (
            status = 202, body = PaymentBody,
            description = "The wish is known and the gateway's answer outstanding; or nobody has \
                           decided yet, and `cancel_requested` is false.",
        ),
        refusals::Cancel,
    ),
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    PaymentPath(id): PaymentPath,
    wait: Wait,
    query: ReadQuery,
    MaybeBody(CancelRequest {}): MaybeBody<CancelRequest>,
) -> Result<Answer, Problem> {
    let (wait, _patience) = api.admission.patience(wait);
    let deadline = wait.deadline(api.options.decision_timeout);
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let row = api.known_payment(id).await?;
    let body = CommandBody::Cancel(Cancel {
        payment_id: id.to_string(),
        wallet_id: row.wallet_id.to_string(),
    });
    let command = Command { envelope: api.envelope(&ids, ""), body };
    let decided = api.decision(row.wallet_id, Request::Command(command), deadline).await;
    let Some(decided) = decided.map_err(|problem| problem.payment(id))? else {
        let answer = Answer::json(StatusCode::ACCEPTED, &PaymentBody::of(&row));
        return Ok(answer.location(&path_of(id)).waited(wait));
    };
    let row = api.known_payment(id).await?;
    let row = api.until_at_rest(row, wait, deadline).await?;
    let position = row.position.max(decided.position);
    let status = match row.status {
        PaymentStatus::Cancelled => StatusCode::CREATED,
        PaymentStatus::Accepted
        | PaymentStatus::Processing
        | PaymentStatus::InDoubt
        | PaymentStatus::NeedsReview => StatusCode::ACCEPTED,
        // The wish came too late: the payment ended otherwise while it was waited for.
        PaymentStatus::Completed
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded
        | PaymentStatus::Failed => {
            let detail = format!("The payment has ended as {}.", row.status.as_str());
            let problem = Problem::because(ErrorCode::PaymentNotCancellable, detail);
            return Err(problem.payment(id).position(position));
        }
    };
    let answer = Answer::json(status, &PaymentBody::of(&row)).location(&path_of(id));
    Ok(answer.position(position).effect(decided.effect).waited(wait))
}
