//! The statement of a wallet: its posted money, one line for each entry that moved it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::WalletId;

use super::answer::Answer;
use super::openapi::parameters::{LabelQuery, PageQuery};
use super::openapi::refusals;
use super::page::ListBody;
use super::path::{OwnerPath, WalletPath};
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::TransactionBody;
use super::{Api, cursor, page, wallets};
use crate::ports::PageRequest;

/// The statement of a wallet
///
/// Its posted money, one line for each entry that moved it; the newest first.
#[utoipa::path(
    get, path = "/wallets/{wallet_id}/transactions", tag = "wallets",
    operation_id = "list_transactions",
    params(WalletPath, PageQuery, ReadQuery),
    responses(
        (status = 200, description = "A page of lines.", body = ListBody<TransactionBody>),
        refusals::ListOfWallet,
    ),
)]
pub(super) async fn by_id(
    State(api): State<Arc<Api>>,
    WalletPath(id): WalletPath,
    query: ReadQuery,
) -> Result<Answer, Problem> {
    list(&api, id, query).await
}

/// The statement of a wallet, by whose it is
#[utoipa::path(
    get, path = "/wallets/{user_id}/{currency}/transactions", tag = "wallets",
    operation_id = "list_transactions_of_owner",
    params(OwnerPath, LabelQuery, PageQuery, ReadQuery),
    responses(
        (status = 200, description = "A page of lines.", body = ListBody<TransactionBody>),
        refusals::ListOfWalletOfOwner,
    ),
)]
pub(super) async fn by_owner(
    State(api): State<Arc<Api>>,
    owner: OwnerPath,
    mut query: ReadQuery,
) -> Result<Answer, Problem> {
    let id = wallets::of_owner(&api, &owner, &mut query.fields)?;
    list(&api, id, query).await
}

async fn list(api: &Api, id: WalletId, mut query: ReadQuery) -> Result<Answer, Problem> {
    let limit = page::limit(&mut query.fields)?;
    let name = format!("statement {id}");
    let after = query.fields.take("cursor");
    let after = after.map(|text| cursor::decode(&name, &text).map(i64::from_be_bytes));
    let after = after.transpose()?;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let views = &api.ports.views;
    // Read before the rows, so that the answer has all that the position promises.
    let applied = views.applied(views.shard(id));
    if views.wallet(id)?.is_none() {
        return Ok(wallets::not_found(api, id));
    }
    let page = views.statement(id, PageRequest { after, limit })?;
    let next = page.next.map(|offset| cursor::encode(&name, offset.to_be_bytes()));
    let lines = page.rows.iter().filter_map(TransactionBody::of).collect();
    let body = ListBody::new(lines, next);
    Ok(Answer::json(StatusCode::OK, &body).positions(applied))
}
