//! Refunds: give a payment back, or a part of it, and look refunds up.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::event::{RefundCause, RefundDestination};
use schemas::inputs::{Command, CommandBody, Refund};
use schemas::read_model::{PaymentFailure, RefundRow, RefundStatus};
use schemas::{
    Amount, ErrorCode, Fingerprint, GatewayName, IdempotencyKey, PaymentId, Position, RefundId,
    WalletId,
};
use serde::Serialize;

use super::answer::Answer;
use super::body::MaybeBody;
use super::exchange::RequestIds;
use super::headers::{Key, Wait};
use super::path::{PaymentPath, RefundPath};
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{Time, text};
use super::requests::RefundRequest;
use super::view_wait::Awaited;
use super::{Api, BASE_PATH, cursor, fields, page};
use crate::ports::{Request, ViewError, Views};

/// `POST /payments/{payment_id}/refunds`
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

/// `GET /refunds/{refund_id}`
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

/// `GET /payments/{payment_id}/refunds`: the newest first.
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
#[derive(Serialize)]
pub(super) struct RefundBody<'a> {
    id: RefundId,
    object: &'static str,
    payment_id: PaymentId,
    wallet_id: WalletId,
    /// Null while it is not decided how much is left to give back.
    amount: Option<i64>,
    currency: &'static str,
    reason: Option<&'a str>,
    cause: RefundCause,
    destination: Option<RefundDestination>,
    status: &'static str,
    failure: Option<&'a PaymentFailure>,
    gateway: Option<&'a GatewayName>,
    gateway_reference: Option<&'a str>,
    refunded_amount: i64,
    discrepancies: &'a [String],
    balance_after: Option<i64>,
    correlation_id: &'a str,
    created_at: Option<Time>,
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
            failure: row.failure.as_ref(),
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
