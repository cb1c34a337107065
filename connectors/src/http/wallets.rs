//! Wallets: open one, and look one up.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::inputs::{OpenWallet, Operation, OperationBody};
use schemas::{ErrorCode, UserId, WalletId, WalletLabel};
use tokio::time::Instant;

use super::answer::Answer;
use super::balances::{AS_OF, Moment, Shown};
use super::body::JsonBody;
use super::exchange::RequestIds;
use super::openapi::parameters::{AsOfQuery, LabelQuery};
use super::openapi::refusals;
use super::path::{OwnerPath, WalletPath};
use super::problem::Problem;
use super::query::{QueryFields, ReadQuery};
use super::representations::WalletBody;
use super::requests::WalletRequest;
use super::submission::{Effect, effect};
use super::{Api, BASE_PATH, balances, fields};
use crate::ports::Request;

/// Open a wallet
///
/// Who owns what is the key: no header is needed, and a wallet is opened once.
#[utoipa::path(
    post, path = "/wallets", tag = "wallets", operation_id = "open_wallet",
    request_body = WalletRequest,
    responses(
        (status = 200, description = "It was open already.", body = WalletBody),
        (status = 201, description = "It is open.", body = WalletBody),
        (status = 202, description = "Nobody has decided yet.", body = WalletBody),
        refusals::OpenWallet,
    ),
)]
pub(super) async fn open(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    JsonBody(request): JsonBody<WalletRequest>,
) -> Result<Answer, Problem> {
    let deadline = Instant::now() + api.options.decision_timeout;
    let user_id = fields::required("user_id", request.user_id)?;
    let user_id: UserId = fields::parse("user_id", &user_id)?;
    let currency = fields::currency(&fields::required("currency", request.currency)?)?;
    let label = label_or_main(request.label.as_deref())?;
    let id = WalletId::derive(&api.tenant, &user_id, currency, &label);
    let location = path_of(id);
    if let Some(row) = api.ports.views.wallet(id)? {
        let answer = Answer::json(StatusCode::OK, &WalletBody::of(&row));
        return Ok(answer.position(row.position).replayed());
    }
    let body = OperationBody::OpenWallet(OpenWallet {
        wallet_id: id.to_string(),
        user_id: user_id.as_str().to_owned(),
        currency: currency.code().to_owned(),
        label: label.as_str().to_owned(),
    });
    let operation = Operation { envelope: api.envelope(&ids, ""), body };
    let Some(outcome) = api.submit(id, Request::Operation(operation), deadline).await? else {
        let body = WalletBody::accepted(id, &user_id, currency, &label);
        return Ok(Answer::json(StatusCode::ACCEPTED, &body).location(&location));
    };
    let effect = match effect(&outcome.decision) {
        Ok(effect) => effect,
        Err(problem) => return Ok(Answer::from(problem).position(outcome.position)),
    };
    let row = api.ports.views.wallet(id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks an opened wallet"))?;
    let body = WalletBody::of(&row);
    let answer = match effect {
        Effect::Done => Answer::json(StatusCode::CREATED, &body).location(&location),
        Effect::Replayed => Answer::json(StatusCode::OK, &body).replayed(),
    };
    Ok(answer.position(row.position.max(outcome.position)))
}

/// A wallet
///
/// As it is; or with `as_of`, what it had.
#[utoipa::path(
    get, path = "/wallets/{wallet_id}", tag = "wallets", operation_id = "get_wallet",
    params(WalletPath, AsOfQuery, ReadQuery),
    responses(
        (status = 200, description = "The wallet.", body = Shown),
        refusals::LookAtWallet,
    ),
)]
pub(super) async fn by_id(
    State(api): State<Arc<Api>>,
    WalletPath(id): WalletPath,
    query: ReadQuery,
) -> Result<Answer, Problem> {
    show(&api, id, query).await
}

/// A wallet, by whose it is
///
/// As it is; or with `as_of`, what it had.
#[utoipa::path(
    get, path = "/wallets/{user_id}/{currency}", tag = "wallets",
    operation_id = "get_wallet_of_owner",
    params(OwnerPath, LabelQuery, AsOfQuery, ReadQuery),
    responses(
        (status = 200, description = "The wallet.", body = Shown),
        refusals::LookAtWalletOfOwner,
    ),
)]
pub(super) async fn by_owner(
    State(api): State<Arc<Api>>,
    owner: OwnerPath,
    mut query: ReadQuery,
) -> Result<Answer, Problem> {
    let id = of_owner(&api, &owner, &mut query.fields)?;
    show(&api, id, query).await
}

/// The wallet of an owner, with parameter `label`.
pub(super) fn of_owner(
    api: &Api,
    OwnerPath(user_id, currency): &OwnerPath,
    fields: &mut QueryFields,
) -> Result<WalletId, Problem> {
    let label = label_or_main(fields.take("label").as_deref())?;
    Ok(WalletId::derive(&api.tenant, user_id, *currency, &label))
}

pub(super) fn path_of(id: WalletId) -> String {
    format!("{BASE_PATH}/wallets/{id}")
}

/// The refusal of a wallet that the view does not know, with how far the view is.
pub(super) fn not_found(api: &Api, id: WalletId) -> Answer {
    let applied = api.ports.views.applied(api.ports.views.shard(id));
    Answer::from(Problem::of(ErrorCode::WalletNotFound)).positions(applied)
}

/// As it is, or with parameter `as_of` what it had.
async fn show(api: &Api, id: WalletId, mut query: ReadQuery) -> Result<Answer, Problem> {
    let moment = query.fields.take(AS_OF).map(|text| Moment::parse(&text)).transpose()?;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    if let Some(moment) = moment {
        return balances::show(api, id, moment).await;
    }
    let Some(row) = api.ports.views.wallet(id)? else { return Ok(not_found(api, id)) };
    Ok(Answer::json(StatusCode::OK, &Shown::Now(WalletBody::of(&row))).position(row.position))
}

fn label_or_main(text: Option<&str>) -> Result<WalletLabel, Problem> {
    text.map_or_else(|| Ok(WalletLabel::main()), |text| fields::parse("label", text))
}
