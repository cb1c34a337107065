//! The open holds of a wallet: the money that payments keep from being spent, and what each of them
//! waits for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::read_model::PaymentRow;
use schemas::timeline::Saga;
use schemas::{PaymentId, WalletId};
use serde::Serialize;

use super::answer::Answer;
use super::path::WalletPath;
use super::payment_list::{key_bytes, page_key};
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{PositionText, Time};
use super::sagas::WaitBody;
use super::{Api, cursor, page, wallets};
use crate::ports::{PageRequest, PaymentFilter};

/// `GET /wallets/{wallet_id}/holds`: the newest first.
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
    let body = page::ListBody::new(holds, next);
    Ok(Answer::json(StatusCode::OK, &body).positions(applied))
}

/// Money held for a payment.
#[derive(Serialize)]
struct HoldBody {
    object: &'static str,
    payment_id: PaymentId,
    wallet_id: WalletId,
    amount: i64,
    currency: &'static str,
    status: &'static str,
    waits_for: Option<WaitBody>,
    created_at: Time,
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
