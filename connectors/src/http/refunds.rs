//! Refunds: give a payment back, or a part of it, and look refunds up.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::event::{RefundCause, RefundDestination};
use schemas::inputs::{Command, CommandBody, Refund};
use schemas::read_model::{RefundRow, RefundStatus};
use schemas::{
    Amount, ErrorCode, Fingerprint, GatewayName, IdempotencyKey, PaymentId, Position, RefundId,
    WalletId,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::body::MaybeBody;
use super::exchange::RequestIds;
use super::headers::{Key, Wait};
use super::openapi::parameters::PageQuery;
use super::openapi::{refusals, values};
use super::path::{PaymentPath, RefundPath};
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{FailureBody, Time, text};
use super::requests::RefundRequest;
use super::view_wait::Awaited;
use super::{Api, BASE_PATH, cursor, fields, page};
use crate::ports::{Request, ViewError, Views};

/// Give a payment back
///
/// All of it, or a part; again, until all that was captured has been given back. The money goes
/// back to the wallet that paid, when the gateway has done it.
#[utoipa::path(
    post, path = "/payments/{payment_id}/refunds", tag = "refunds", operation_id = "refund",
    params(PaymentPath, Key, Wait, ReadQuery), request_body = Option<RefundRequest>,
    responses(
        (status = 201, description = "The money is back.", body = RefundBody),
        (
            status = 202, body = RefundBody,
            description = "The gateway is at work; or, with status `accepted`, nobody has decided \
                           yet. `Location` says where to look.",
        ),
        refusals::Refund,
    ),
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    Key(key): Key,
    wait: Wait,
    PaymentPath(payment): PaymentPath,
    query: ReadQuery,
    MaybeBody(request): MaybeBody<RefundRequest>,
) -> Answer {
    let answer = refund(&api, &ids, &key, wait, payment, query, request).await;
    answer.unwrap_or_else(Answer::from).idempotency_key(&key)
}

/// A refund
#[utoipa::path(
    get, path = "/refunds/{refund_id}", tag = "refunds", operation_id = "get_refund",
    params(RefundPath, ReadQuery),
    responses(
        (status = 200, description = "The refund.", body = RefundBody),
        refusals::LookAtRefund,
    ),
)]
pub(super) async fn by_id(
    State(api): State<Arc<Api>>,
    RefundPath(id): RefundPath,
    query: ReadQuery,
) -> Result<Answer, Problem> {
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let row = api.known_refund(id).await?;
    Ok(Answer::json(StatusCode::OK, &RefundBody::of(&row)).position(row.position))
}

/// The refunds of a payment
///
/// The newest first; also those of charges that nobody wanted.
#[utoipa::path(
    get, path = "/payments/{payment_id}/refunds", tag = "refunds", operation_id = "list_refunds",
    params(PaymentPath, PageQuery, ReadQuery),
    responses(
        (status = 200, description = "A page of refunds.", body = page::ListBody<RefundBody>),
        refusals::ListOfPayment,
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    PaymentPath(id): PaymentPath,
    mut query: ReadQuery,
) -> Result<Answer, Problem> {
    let limit = page::limit(&mut query.fields)?;
    let name = format!("refunds {id}");
    let after = query.fields.take("cursor");
    let after = after.map(|text| cursor::decode(&name, &text).map(RefundId::from_bytes));
    let after = after.transpose()?;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let payment = api.known_payment(id).await?;
    let mut rows = api.ports.views.refunds(&payment)?;
    rows.reverse();
    if let Some(after) = after {
        // Refunds are only added, at the front.
        let until = rows.iter().position(|row| row.id == after);
        rows.drain(..until.map_or(rows.len(), |until| until + 1));
    }
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| has_more);
    let next = last.map(|row| cursor::encode(&name, *row.id.as_bytes()));
    let body = page::ListBody::new(rows.iter().map(RefundBody::of).collect(), next);
    Ok(Answer::json(StatusCode::OK, &body).position(payment.position))
}

async fn refund(
    api: &Api,
    ids: &RequestIds,
    key: &IdempotencyKey,
    wait: Wait,
    payment_id: PaymentId,
    query: ReadQuery,
    request: RefundRequest,
) -> Result<Answer, Problem> {
    let (wait, _patience) = api.admission.patience(wait);
    let deadline = wait.deadline(api.options.decision_timeout);
    query.fields.finish()?;
    let amount = request.amount.map(|minor| fields::amount(Some(minor))).transpose()?;
    let reason = fields::reason(request.reason.as_deref(), api.options.profile)?;
    api.reach(&query.demanded).await?;
    // The payment's wallet routes the refund, so the view has to know the payment.
    let payment = api.known_payment(payment_id).await?;
    let id = RefundId::derive(&api.tenant, payment_id, key);
    let fingerprint = Fingerprint::of_refund(payment_id, amount, reason.as_ref());
    if let Some(row) = api.ports.views.refund(id)? {
        if row.fingerprint != fingerprint {
            let problem = Problem::of(ErrorCode::IdempotencyKeyReused).payment(payment_id);
            return Err(problem.refund(id).position(row.position));
        }
        let row = api.until_at_rest(row, wait, deadline).await?;
        return Ok(answer(&row).position(row.position).waited(wait).replayed());
    }
    let body = CommandBody::Refund(Refund {
        refund_id: id.to_string(),
        payment_id: payment_id.to_string(),
        wallet_id: payment.wallet_id.to_string(),
        amount: amount.map(Amount::minor),
        reason: reason.clone(),
    });
    let command = Command { envelope: api.envelope(ids, key.as_str()), body };
    let decided = api.decision(payment.wallet_id, Request::Command(command), deadline).await;
    let Some(decided) = decided.map_err(|problem| problem.payment(payment_id))? else {
        api.recently_accepted.remember(*id.as_bytes(), api.command_lifetime());
        let body = RefundBody {
            id,
            object: "refund",
            payment_id,
            wallet_id: payment.wallet_id,
            amount: amount.map(Amount::minor),
            currency: payment.money.currency().code(),
            reason: text(reason.as_ref()),
            cause: RefundCause::Asked,
            destination: None,
            status: RefundStatus::Accepted.as_str(),
            failure: None,
            gateway: None,
            gateway_reference: None,
            refunded_amount: 0,
            discrepancies: &[],
            balance_after: None,
            correlation_id: ids.correlation_id.as_str(),
            created_at: None,
            updated_at: None,
        };
        let answer = Answer::json(StatusCode::ACCEPTED, &body).location(&path_of(id));
        return Ok(answer.waited(wait));
    };
    let row = api.ports.views.refund(id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks a decided refund"))?;
    let row = api.until_at_rest(row, wait, deadline).await?;
    let position = row.position.max(decided.position);
    Ok(answer(&row).position(position).waited(wait).effect(decided.effect))
}

impl Api {
    /// The refund that a request is about; one that was just accepted is waited for.
    pub(super) async fn known_refund(&self, id: RefundId) -> Result<RefundRow, Problem> {
        let row = self.known(*id.as_bytes(), |views| views.refund(id)).await?;
        row.ok_or_else(|| Problem::of(ErrorCode::RefundNotFound))
    }
}

impl Awaited for RefundRow {
    fn is_at_rest(&self) -> bool {
        self.status.is_terminal() || self.status == RefundStatus::NeedsReview
    }

    fn position(&self) -> Position {
        self.position
    }

    fn again(&self, views: &dyn Views) -> Result<Option<Self>, ViewError> {
        views.refund(self.id)
    }
}

/// The answer that the current state of a refund maps to.
fn answer(row: &RefundRow) -> Answer {
    let status = match row.status {
        RefundStatus::Accepted
        | RefundStatus::Processing
        | RefundStatus::InDoubt
        | RefundStatus::NeedsReview => StatusCode::ACCEPTED,
        RefundStatus::Succeeded => StatusCode::CREATED,
        RefundStatus::Failed => {
            let problem = Problem::of_failure(row.failure.as_ref());
            return problem.payment(row.payment_id).refund(row.id).into();
        }
    };
    Answer::json(status, &RefundBody::of(row)).location(&path_of(row.id))
}

pub(super) fn path_of(id: RefundId) -> String {
    format!("{BASE_PATH}/refunds/{id}")
}

/// A refund.
#[derive(Serialize, ToSchema)]
#[schema(as = Refund, examples(json!({
    "id": values::REFUND_ID, "object": "refund", "payment_id": values::PAYMENT_ID,
    "wallet_id": values::WALLET_ID, "amount": 1000, "currency": "USD",
    "reason": "One item was missing.", "cause": "asked", "destination": "wallet",
    "status": "succeeded", "failure": null, "gateway": "simulator", "gateway_reference": "re_1",
    "refunded_amount": 1000, "discrepancies": [], "balance_after": 991_000,
    "correlation_id": values::KEY, "created_at": "2026-01-02T03:04:05.678Z",
    "updated_at": "2026-01-02T03:04:05.731Z",
})))]
pub(super) struct RefundBody<'a> {
    #[schema(value_type = values::RefundId)]
    id: RefundId,
    #[schema(pattern = "^refund$", examples("refund"))]
    object: &'static str,
    #[schema(value_type = values::PaymentId)]
    payment_id: PaymentId,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    /// Null while it is not decided how much is left to give back.
    #[schema(value_type = Option<values::Amount>, required = true)]
    amount: Option<i64>,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(required = true)]
    reason: Option<&'a str>,
    #[schema(value_type = values::RefundCauseName)]
    cause: RefundCause,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::RefundDestinationName>, required = true)]
    destination: Option<RefundDestination>,
    #[schema(value_type = values::RefundStatusName)]
    status: &'static str,
    /// Why it failed; null while it has not.
    #[schema(required = true)]
    failure: Option<FailureBody<'a>>,
    /// The gateway that charged; null while nobody has decided the request.
    #[schema(value_type = Option<values::GatewayName>, required = true)]
    gateway: Option<&'a GatewayName>,
    /// The gateway's own name of the refund.
    #[schema(required = true)]
    gateway_reference: Option<&'a str>,
    /// What the gateway gave back.
    #[schema(value_type = values::MinorUnits)]
    refunded_amount: i64,
    /// Codes of what did not fit between the ledger and the gateway.
    discrepancies: &'a [String],
    /// The posted balance of the wallet after it succeeded; null before.
    #[schema(value_type = Option<values::MinorUnits>, required = true)]
    balance_after: Option<i64>,
    #[schema(value_type = values::CorrelationId)]
    correlation_id: &'a str,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    created_at: Option<Time>,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    updated_at: Option<Time>,
}

impl<'a> RefundBody<'a> {
    /// As the view has it.
    pub fn of(row: &'a RefundRow) -> Self {
        Self {
            id: row.id,
            object: "refund",
            payment_id: row.payment_id,
            wallet_id: row.wallet_id,
            amount: Some(row.money.amount().minor()),
            currency: row.money.currency().code(),
            reason: text(row.reason.as_ref()),
            cause: row.cause,
            destination: Some(row.destination),
            status: row.status.as_str(),
            failure: row.failure.as_ref().map(FailureBody::of),
            gateway: Some(&row.gateway),
            gateway_reference: row.gateway_reference.as_deref(),
            refunded_amount: row.refunded_amount,
            discrepancies: &row.discrepancies,
            balance_after: row.balance_after,
            correlation_id: &row.correlation_id,
            created_at: Some(Time(row.created_at)),
            updated_at: Some(Time(row.updated_at)),
        }
    }
}
