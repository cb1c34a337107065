//! Reviews: a person says how something ended that no gateway will tell.
//!
//! What is resolved is the key: the same resolution twice is one, another one is a conflict.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::inputs::{
    Envelope, Operation, OperationBody, ResolvePayment, ResolveRefund, ResolvedOutcome,
};
use schemas::{Amount, ErrorCode, Sealed};
use tokio::time::Instant;

use super::answer::Answer;
use super::body::JsonBody;
use super::exchange::RequestIds;
use super::openapi::refusals;
use super::path::{PaymentPath, RefundPath};
use super::problem::Problem;
use super::query::ReadQuery;
use super::refunds::{self, RefundBody};
use super::representations::PaymentBody;
use super::requests::ResolutionRequest;
use super::{Api, fields, payments};
use crate::ports::Request;

/// The longest name of an actor, in bytes.
const MAX_ACTOR_BYTES: usize = 128;
/// The longest name that a gateway may have for something, in bytes.
const MAX_GATEWAY_REFERENCE_BYTES: usize = 128;

/// Resolve a payment
///
/// Says how a payment in review ended, with the evidence for it. The same resolution twice is one:
/// no key is needed. A gateway that contradicts it later leaves a discrepancy.
#[utoipa::path(
    post, path = "/payments/{payment_id}/resolve", tag = "payments",
    operation_id = "resolve_payment",
    params(PaymentPath, ReadQuery), request_body = ResolutionRequest,
    responses(
        (
            status = 202, body = PaymentBody,
            description = "It is resolved; or nobody has decided yet, and the status says so.",
        ),
        refusals::ResolvePayment,
    ),
)]
pub(super) async fn resolve_payment(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    PaymentPath(id): PaymentPath,
    query: ReadQuery,
    JsonBody(request): JsonBody<ResolutionRequest>,
) -> Result<Answer, Problem> {
    let deadline = Instant::now() + api.options.decision_timeout;
    query.fields.finish()?;
    let resolution = Resolution::prove(&api, request)?;
    api.reach(&query.demanded).await?;
    let row = api.known_payment(id).await?;
    let envelope = resolution.envelope(&api, &ids);
    let body = OperationBody::ResolvePayment(ResolvePayment {
        payment_id: id.to_string(),
        wallet_id: row.wallet_id.to_string(),
        outcome: resolution.outcome,
        evidence: Some(resolution.evidence),
        amount: resolution.amount,
        gateway_reference: resolution.gateway_reference,
    });
    let request = Request::Operation(Operation { envelope, body });
    let decided = api.decision(row.wallet_id, request, deadline).await;
    let decided = decided.map_err(|problem| problem.payment(id))?;
    let row = api.known_payment(id).await?;
    let answer = Answer::json(StatusCode::ACCEPTED, &PaymentBody::of(&row));
    let answer = answer.location(&payments::path_of(id));
    Ok(match decided {
        None => answer,
        Some(decided) => answer.position(row.position.max(decided.position)).effect(decided.effect),
    })
}

/// Resolve a refund
///
/// Says how a refund in review ended, with the evidence for it. The same resolution twice is one:
/// no key is needed. A gateway that contradicts it later leaves a discrepancy.
#[utoipa::path(
    post, path = "/refunds/{refund_id}/resolve", tag = "refunds", operation_id = "resolve_refund",
    params(RefundPath, ReadQuery), request_body = ResolutionRequest,
    responses(
        (
            status = 202, body = RefundBody,
            description = "It is resolved; or nobody has decided yet, and the status says so.",
        ),
        refusals::ResolveRefund,
    ),
)]
pub(super) async fn resolve_refund(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    RefundPath(id): RefundPath,
    query: ReadQuery,
    JsonBody(request): JsonBody<ResolutionRequest>,
) -> Result<Answer, Problem> {
    let deadline = Instant::now() + api.options.decision_timeout;
    query.fields.finish()?;
    let resolution = Resolution::prove(&api, request)?;
    api.reach(&query.demanded).await?;
    let row = api.known_refund(id).await?;
    let envelope = resolution.envelope(&api, &ids);
    let body = OperationBody::ResolveRefund(ResolveRefund {
        refund_id: id.to_string(),
        wallet_id: row.wallet_id.to_string(),
        outcome: resolution.outcome,
        evidence: Some(resolution.evidence),
        amount: resolution.amount,
        gateway_reference: resolution.gateway_reference,
    });
    let request = Request::Operation(Operation { envelope, body });
    let decided = api.decision(row.wallet_id, request, deadline).await;
    let decided = decided.map_err(|problem| problem.refund(id))?;
    let row = api.known_refund(id).await?;
    let answer = Answer::json(StatusCode::ACCEPTED, &RefundBody::of(&row));
    let answer = answer.location(&refunds::path_of(id));
    Ok(match decided {
        None => answer,
        Some(decided) => answer.position(row.position.max(decided.position)).effect(decided.effect),
    })
}

/// What a person says, proven.
struct Resolution {
    outcome: ResolvedOutcome,
    evidence: Sealed,
    amount: Option<i64>,
    gateway_reference: String,
    actor: String,
}

impl Resolution {
    fn prove(api: &Api, request: ResolutionRequest) -> Result<Self, Problem> {
        let outcome = outcome(&fields::required("outcome", request.outcome)?)?;
        let evidence = fields::required("evidence", request.evidence)?;
        if evidence.trim().is_empty() {
            let detail = "field evidence: say how it is known";
            return Err(Problem::because(ErrorCode::FieldInvalid, detail).param("evidence"));
        }
        let evidence = fields::evidence(&evidence, api.options.profile)?;
        let amount = request.amount.map(|minor| fields::amount(Some(minor))).transpose()?;
        if outcome == ResolvedOutcome::Failed && amount.is_some() {
            let detail = "field amount: what failed has none";
            return Err(Problem::because(ErrorCode::FieldInvalid, detail).param("amount"));
        }
        let gateway_reference = request.gateway_reference.unwrap_or_default();
        let longest = MAX_GATEWAY_REFERENCE_BYTES;
        fields::bounded("gateway_reference", &gateway_reference, 0..=longest)?;
        let actor = fields::required("actor", request.actor)?;
        fields::bounded("actor", &actor, 1..=MAX_ACTOR_BYTES)?;
        let amount = amount.map(Amount::minor);
        Ok(Self { outcome, evidence, amount, gateway_reference, actor })
    }

    /// In the name of the person.
    fn envelope(&self, api: &Api, ids: &RequestIds) -> Envelope {
        Envelope { actor: self.actor.clone(), ..api.envelope(ids, "") }
    }
}

fn outcome(text: &str) -> Result<ResolvedOutcome, Problem> {
    match text {
        "succeeded" => Ok(ResolvedOutcome::Succeeded),
        "failed" => Ok(ResolvedOutcome::Failed),
        _ => {
            let detail = "field outcome: succeeded or failed";
            Err(Problem::because(ErrorCode::FieldInvalid, detail).param("outcome"))
        }
    }
}
