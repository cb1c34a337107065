//! Reversals: records that an external rail took a deposit back, or gave a withdrawal back.
//!
//! What is reversed is the key: reversing it twice is reversing it once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::ErrorCode;
use schemas::inputs::{Operation, OperationBody, ReverseDeposit, ReverseWithdrawal};
use schemas::read_model::{DepositRow, WithdrawalRow};
use tokio::time::Instant;

use super::answer::Answer;
use super::body::MaybeBody;
use super::exchange::RequestIds;
use super::openapi::refusals;
use super::path::{DepositPath, WithdrawalPath};
use super::problem::Problem;
use super::query::ReadQuery;
use super::rails::{FactBody, path_of, shown_deposit, shown_withdrawal};
use super::requests::ReasonedRequest;
use super::{Api, fields};
use crate::ports::Request;

/// Reverse a deposit
///
/// That the external rail took its money back. The wallet may go negative by it, and then takes no
/// debits.
#[utoipa::path(
    post, path = "/deposits/{deposit_id}/reverse", tag = "wallets",
    operation_id = "reverse_deposit",
    params(DepositPath, ReadQuery), request_body = Option<ReasonedRequest>,
    responses(
        (
            status = 201, description = "It is reversed.", body = FactBody,
            example = json!(shown_deposit("reversed")),
        ),
        (
            status = 202, description = "Nobody has decided yet.", body = FactBody,
            example = json!(shown_deposit("recorded")),
        ),
        refusals::ReverseDeposit,
    ),
)]
pub(super) async fn of_deposit(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    DepositPath(id): DepositPath,
    query: ReadQuery,
    MaybeBody(request): MaybeBody<ReasonedRequest>,
) -> Result<Answer, Problem> {
    let deadline = Instant::now() + api.options.decision_timeout;
    query.fields.finish()?;
    let reason = fields::reason(request.reason.as_deref(), api.options.profile)?;
    api.reach(&query.demanded).await?;
    let row = api.ports.views.deposit(id)?;
    let row = row.ok_or_else(|| Problem::of(ErrorCode::DepositNotFound))?;
    let answer = |status, row: &DepositRow| {
        let answer = Answer::json(status, &FactBody::of_deposit(row));
        answer.location(&path_of(row.wallet_id)).position(row.position)
    };
    if row.reversed_at.is_some() {
        return Ok(answer(StatusCode::CREATED, &row).replayed());
    }
    let body = OperationBody::ReverseDeposit(ReverseDeposit {
        deposit_id: id.to_string(),
        wallet_id: row.wallet_id.to_string(),
        reason,
    });
    let operation = Operation { envelope: api.envelope(&ids, ""), body };
    let decided = api.decision(row.wallet_id, Request::Operation(operation), deadline).await?;
    let Some(decided) = decided else { return Ok(answer(StatusCode::ACCEPTED, &row)) };
    let row = api.ports.views.deposit(id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks a reversed deposit"))?;
    let answer = answer(StatusCode::CREATED, &row);
    Ok(answer.position(row.position.max(decided.position)).effect(decided.effect))
}

/// Reverse a withdrawal
///
/// That the external rail gave its money back.
#[utoipa::path(
    post, path = "/withdrawals/{withdrawal_id}/reverse", tag = "wallets",
    operation_id = "reverse_withdrawal",
    params(WithdrawalPath, ReadQuery), request_body = Option<ReasonedRequest>,
    responses(
        (
            status = 201, description = "It is reversed.", body = FactBody,
            example = json!(shown_withdrawal("reversed")),
        ),
        (
            status = 202, description = "Nobody has decided yet.", body = FactBody,
            example = json!(shown_withdrawal("recorded")),
        ),
        refusals::ReverseWithdrawal,
    ),
)]
pub(super) async fn of_withdrawal(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    WithdrawalPath(id): WithdrawalPath,
    query: ReadQuery,
    MaybeBody(request): MaybeBody<ReasonedRequest>,
) -> Result<Answer, Problem> {
    let deadline = Instant::now() + api.options.decision_timeout;
    query.fields.finish()?;
    let reason = fields::reason(request.reason.as_deref(), api.options.profile)?;
    api.reach(&query.demanded).await?;
    let row = api.ports.views.withdrawal(id)?;
    let row = row.ok_or_else(|| Problem::of(ErrorCode::WithdrawalNotFound))?;
    let answer = |status, row: &WithdrawalRow| {
        let answer = Answer::json(status, &FactBody::of_withdrawal(row));
        answer.location(&path_of(row.wallet_id)).position(row.position)
    };
    if row.reversed_at.is_some() {
        return Ok(answer(StatusCode::CREATED, &row).replayed());
    }
    let body = OperationBody::ReverseWithdrawal(ReverseWithdrawal {
        withdrawal_id: id.to_string(),
        wallet_id: row.wallet_id.to_string(),
        reason,
    });
    let operation = Operation { envelope: api.envelope(&ids, ""), body };
    let decided = api.decision(row.wallet_id, Request::Operation(operation), deadline).await?;
    let Some(decided) = decided else { return Ok(answer(StatusCode::ACCEPTED, &row)) };
    let row = api.ports.views.withdrawal(id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks a reversed withdrawal"))?;
    let answer = answer(StatusCode::CREATED, &row);
    Ok(answer.position(row.position.max(decided.position)).effect(decided.effect))
}
