//! The open holds of a wallet: the money that payments keep from being spent, and what each of them
//! waits for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::read_model::PaymentRow;
use schemas::timeline::Saga;
use schemas::{PaymentId, WalletId};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::openapi::parameters::PageQuery;
use super::openapi::{refusals, values};
use super::page::ListBody;
use super::path::WalletPath;
use super::payment_list::{key_bytes, page_key};
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{PositionText, Time};
use super::sagas::WaitBody;
use super::{Api, cursor, page, wallets};
use crate::ports::{PageRequest, PaymentFilter};

/// The open holds of a wallet
///
/// The money that payments keep from being spent, and what each of them waits for; the newest first.
#[utoipa::path(
    get, path = "/wallets/{wallet_id}/holds", tag = "wallets", operation_id = "list_holds",
    params(WalletPath, PageQuery, ReadQuery),
    responses(
        (status = 200, description = "A page of holds.", body = ListBody<HoldBody>),
        refusals::ListOfWallet,
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    WalletPath(id): WalletPath,
    mut query: ReadQuery,
) -> Result<Answer, Problem> {
    let limit = page::limit(&mut query.fields)?;
    let name = format!("holds {id}");
    let after = query.fields.take("cursor");
    let after = after.map(|text| cursor::decode(&name, &text).map(page_key)).transpose()?;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let views = &api.ports.views;
    // Read before the rows, so that the answer has all that the position promises.
    let applied = views.applied(views.shard(id));
    if views.wallet(id)?.is_none() {
        return Ok(wallets::not_found(&api, id));
    }
    let filter = PaymentFilter { wallet_id: Some(id), is_held: true, ..PaymentFilter::default() };
    let page = views.payments(&filter, PageRequest { after, limit })?;
    let mut holds = Vec::new();
    for payment in &page.rows {
        holds.push(HoldBody::of(payment, &views.saga(payment)?));
    }
    let next = page.next.map(|key| cursor::encode(&name, key_bytes(key)));
    let body = ListBody::new(holds, next);
    Ok(Answer::json(StatusCode::OK, &body).positions(applied))
}

/// Money held for a payment.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
struct HoldBody {
    #[schema(pattern = "^hold$", examples("hold"))]
    object: &'static str,
    #[schema(value_type = values::PaymentId)]
    payment_id: PaymentId,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    /// Of the payment.
    #[schema(value_type = values::PaymentStatusName, examples("processing"))]
    status: &'static str,
    /// What goes on next by itself; null when nothing does.
    #[schema(required = true)]
    waits_for: Option<WaitBody>,
    #[schema(value_type = values::Time)]
    created_at: Time,
    #[schema(value_type = values::Position)]
    position: PositionText,
}

impl HoldBody {
    fn of(payment: &PaymentRow, saga: &Saga) -> Self {
        Self {
            object: "hold",
            payment_id: payment.id,
            wallet_id: payment.wallet_id,
            amount: payment.money.amount().minor(),
            currency: payment.money.currency().code(),
            status: payment.status.as_str(),
            waits_for: saga.waits_for.map(WaitBody::of),
            created_at: Time(payment.created_at),
            position: PositionText(payment.position),
        }
    }
}
