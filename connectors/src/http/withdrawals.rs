//! Withdrawals: records that money left by an external rail.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::inputs::{Operation, OperationBody, Withdraw};
use schemas::{ErrorCode, Fingerprint, IdempotencyKey, Money, WithdrawalId};
use tokio::time::Instant;

use super::Api;
use super::answer::Answer;
use super::body::JsonBody;
use super::exchange::RequestIds;
use super::headers::Key;
use super::openapi::refusals;
use super::path::WalletPath;
use super::problem::Problem;
use super::query::ReadQuery;
use super::rails::{AcceptedFact, FactBody, OnRail, path_of, shown_withdrawal};
use super::requests::WithdrawalRequest;
use super::wallets;
use crate::ports::Request;

/// Record a withdrawal
///
/// That money left by an external rail; refused when the wallet has less available.
#[utoipa::path(
    post, path = "/wallets/{wallet_id}/withdrawals", tag = "wallets",
    operation_id = "record_withdrawal",
    params(WalletPath, Key, ReadQuery), request_body = WithdrawalRequest,
    responses(
        (
            status = 201, description = "It is recorded.", body = FactBody,
            example = json!(shown_withdrawal("recorded")),
        ),
        (
            status = 202, description = "Nobody has decided yet.", body = FactBody,
            example = json!(shown_withdrawal("accepted")),
        ),
        refusals::Withdraw,
    ),
)]
pub(super) async fn record(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    Key(key): Key,
    wallet: WalletPath,
    query: ReadQuery,
    JsonBody(request): JsonBody<WithdrawalRequest>,
) -> Answer {
    let answer = withdrawal(&api, &ids, &key, wallet, query, request).await;
    answer.unwrap_or_else(Answer::from).idempotency_key(&key)
}

async fn withdrawal(
    api: &Api,
    ids: &RequestIds,
    key: &IdempotencyKey,
    WalletPath(wallet_id): WalletPath,
    query: ReadQuery,
    request: WithdrawalRequest,
) -> Result<Answer, Problem> {
    let deadline = Instant::now() + api.options.decision_timeout;
    query.fields.finish()?;
    let id = WithdrawalId::derive(&api.tenant, wallet_id, key);
    let WithdrawalRequest { amount, rail, reference } = request;
    let OnRail { amount, rail, reference } =
        OnRail::prove(api.options.profile, &id, amount, rail, reference)?;
    // The currency is the wallet's, so the view has to know the wallet: a caller that opened it at
    // another node demands that position.
    api.reach(&query.demanded).await?;
    let Some(wallet) = api.ports.views.wallet(wallet_id)? else {
        return Ok(wallets::not_found(api, wallet_id));
    };
    let money = Money::new(amount, wallet.currency);
    let fingerprint = Fingerprint::of_withdrawal(wallet_id, money, &rail, &reference);
    let location = path_of(wallet_id);
    if let Some(row) = api.ports.views.withdrawal(id)? {
        if row.fingerprint != fingerprint {
            return Err(Problem::of(ErrorCode::IdempotencyKeyReused).position(row.position));
        }
        let answer = Answer::json(StatusCode::CREATED, &FactBody::of_withdrawal(&row));
        return Ok(answer.location(&location).position(row.position).replayed());
    }
    let body = OperationBody::Withdraw(Withdraw {
        withdrawal_id: id.to_string(),
        wallet_id: wallet_id.to_string(),
        amount: amount.minor(),
        currency: wallet.currency.code().to_owned(),
        rail: rail.as_str().to_owned(),
        reference: reference.clone(),
    });
    let operation = Operation { envelope: api.envelope(ids, key.as_str()), body };
    let decided = api.decision(wallet_id, Request::Operation(operation), deadline).await?;
    let Some(decided) = decided else {
        let body = FactBody::accepted(&AcceptedFact {
            id: id.to_string(),
            object: "withdrawal",
            wallet_id,
            money,
            rail: &rail,
            reference: &reference,
            correlation_id: &ids.correlation_id,
        });
        return Ok(Answer::json(StatusCode::ACCEPTED, &body).location(&location));
    };
    let row = api.ports.views.withdrawal(id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks a recorded withdrawal"))?;
    let answer = Answer::json(StatusCode::CREATED, &FactBody::of_withdrawal(&row));
    let position = row.position.max(decided.position);
    Ok(answer.location(&location).position(position).effect(decided.effect))
}
