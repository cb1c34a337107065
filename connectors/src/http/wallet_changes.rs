//! What an operator does to a wallet: freeze, unfreeze, close, and bound what may be taken from it.
//!
//! The wallet is the key: what is so already stays so, and the answer says that it was.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::inputs::{Operation, OperationBody, SetLimits, WalletChange};
use schemas::{Amount, ErrorCode, WalletId};
use tokio::time::Instant;

use super::answer::Answer;
use super::body::{JsonBody, MaybeBody};
use super::exchange::RequestIds;
use super::openapi::refusals;
use super::path::WalletPath;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::WalletBody;
use super::requests::{LimitsRequest, MinorUnits, ReasonedRequest};
use super::{Api, fields, wallets};
use crate::ports::Request;

/// Freeze a wallet
///
/// It takes no new debits and no transfers; what is under way ends, refunds and deposits come in.
#[utoipa::path(
    post, path = "/wallets/{wallet_id}/freeze", tag = "wallets", operation_id = "freeze_wallet",
    params(WalletPath, ReadQuery), request_body = Option<ReasonedRequest>,
    responses(
        (status = 200, description = "It is done.", body = WalletBody),
        (status = 202, description = "Nobody has decided yet.", body = WalletBody),
        refusals::ChangeWallet,
    ),
)]
pub(super) async fn freeze(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    WalletPath(id): WalletPath,
    query: ReadQuery,
    MaybeBody(request): MaybeBody<ReasonedRequest>,
) -> Result<Answer, Problem> {
    let body = OperationBody::FreezeWallet(change_of(&api, id, &request)?);
    change(&api, &ids, id, query, body).await
}

/// Unfreeze a wallet
///
/// It takes new debits again.
#[utoipa::path(
    post, path = "/wallets/{wallet_id}/unfreeze", tag = "wallets", operation_id = "unfreeze_wallet",
    params(WalletPath, ReadQuery), request_body = Option<ReasonedRequest>,
    responses(
        (status = 200, description = "It is done.", body = WalletBody),
        (status = 202, description = "Nobody has decided yet.", body = WalletBody),
        refusals::ChangeWallet,
    ),
)]
pub(super) async fn unfreeze(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    WalletPath(id): WalletPath,
    query: ReadQuery,
    MaybeBody(request): MaybeBody<ReasonedRequest>,
) -> Result<Answer, Problem> {
    let body = OperationBody::UnfreezeWallet(change_of(&api, id, &request)?);
    change(&api, &ids, id, query, body).await
}

/// Close a wallet
///
/// For good. There must be no money in it and nothing under way.
#[utoipa::path(
    post, path = "/wallets/{wallet_id}/close", tag = "wallets", operation_id = "close_wallet",
    params(WalletPath, ReadQuery), request_body = Option<ReasonedRequest>,
    responses(
        (status = 200, description = "It is done.", body = WalletBody),
        (status = 202, description = "Nobody has decided yet.", body = WalletBody),
        refusals::CloseWallet,
    ),
)]
pub(super) async fn close(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    WalletPath(id): WalletPath,
    query: ReadQuery,
    MaybeBody(request): MaybeBody<ReasonedRequest>,
) -> Result<Answer, Problem> {
    let body = OperationBody::CloseWallet(change_of(&api, id, &request)?);
    change(&api, &ids, id, query, body).await
}

/// Set the limits of a wallet
///
/// What payments may take from it. They replace those before; what is left out has no limit.
#[utoipa::path(
    put, path = "/wallets/{wallet_id}/limits", tag = "wallets", operation_id = "set_limits",
    params(WalletPath, ReadQuery), request_body = LimitsRequest,
    responses(
        (status = 200, description = "They hold from now on.", body = WalletBody),
        (status = 202, description = "Nobody has decided yet.", body = WalletBody),
        refusals::ChangeWallet,
    ),
)]
pub(super) async fn set_limits(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    WalletPath(id): WalletPath,
    query: ReadQuery,
    JsonBody(request): JsonBody<LimitsRequest>,
) -> Result<Answer, Problem> {
    let body = OperationBody::SetLimits(SetLimits {
        wallet_id: id.to_string(),
        per_payment: limit("per_payment", request.per_payment)?,
        per_day: limit("per_day", request.per_day)?,
        in_flight: limit("in_flight", request.in_flight)?,
    });
    change(&api, &ids, id, query, body).await
}

fn change_of(api: &Api, id: WalletId, request: &ReasonedRequest) -> Result<WalletChange, Problem> {
    let reason = fields::reason(request.reason.as_deref(), api.options.profile)?;
    Ok(WalletChange { wallet_id: id.to_string(), reason })
}

/// A bound that may be there: 0 or more, 0 forbids all.
fn limit<T: TryFrom<i64>>(
    name: &'static str,
    given: Option<MinorUnits>,
) -> Result<Option<T>, Problem> {
    let Some(MinorUnits(minor)) = given else { return Ok(None) };
    // No amount is larger than the largest: a bound beyond it is a mistake.
    let is_sensible = minor == 0 || Amount::try_from(minor).is_ok();
    let bound = Some(minor).filter(|_| is_sensible).and_then(|minor| T::try_from(minor).ok());
    let wrong = || {
        let detail = format!("field {name}: 0 or more, at most 2^53-1, or null for no limit");
        Problem::because(ErrorCode::FieldInvalid, detail).param(name)
    };
    bound.ok_or_else(wrong).map(Some)
}

async fn change(
    api: &Api,
    ids: &RequestIds,
    id: WalletId,
    query: ReadQuery,
    body: OperationBody,
) -> Result<Answer, Problem> {
    let deadline = Instant::now() + api.options.decision_timeout;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let Some(row) = api.ports.views.wallet(id)? else { return Ok(wallets::not_found(api, id)) };
    let operation = Operation { envelope: api.envelope(ids, ""), body };
    let decided = api.decision(id, Request::Operation(operation), deadline).await?;
    let Some(decided) = decided else {
        let answer = Answer::json(StatusCode::ACCEPTED, &WalletBody::of(&row));
        return Ok(answer.location(&wallets::path_of(id)));
    };
    let row = api.ports.views.wallet(id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks a changed wallet"))?;
    let answer = Answer::json(StatusCode::OK, &WalletBody::of(&row));
    Ok(answer.position(row.position.max(decided.position)).effect(decided.effect))
}
