//! The open holds of a wallet: the money that payments and transfers keep from being spent, and
//! what each of them waits for.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::read_model::{PaymentRow, TransferRow};
use schemas::timeline::Saga;
use schemas::{PaymentId, Timestamp, TransferId, WalletId};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::openapi::parameters::PageQuery;
use super::openapi::{refusals, values};
use super::page::ListBody;
use super::path::WalletPath;
use super::payment_list::{self, KEY_BYTES, page_key};
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{PositionText, Time};
use super::sagas::WaitBody;
use super::{Api, cursor, page, wallets};
use crate::ports::{Page, PageRequest, PaymentFilter};

/// The open holds of a wallet
///
/// The money that payments and transfers keep from being spent, and what each of them waits for;
/// the newest first.
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
    let after = after.map(|text| cursor::decode(&name, &text).map(hold_key)).transpose()?;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let views = &api.ports.views;
    // Read before the rows, so that the answer has all that the position promises.
    let applied = views.applied(views.shard(id));
    if views.wallet(id)?.is_none() {
        return Ok(wallets::not_found(&api, id));
    }
    let page = held(&api, id, PageRequest { after, limit })?;
    let mut holds = Vec::new();
    for held in &page.rows {
        holds.push(match held {
            Held::Payment(payment) => HoldBody::of_payment(payment, &views.saga(payment)?),
            Held::Transfer(transfer) => HoldBody::of_transfer(transfer),
        });
    }
    let next = page.next.map(|key| cursor::encode(&name, key_bytes(key)));
    let body = ListBody::new(holds, next);
    Ok(Answer::json(StatusCode::OK, &body).positions(applied))
}

/// What holds money.
enum Held {
    Payment(Box<PaymentRow>),
    Transfer(Box<TransferRow>),
}

/// Where a page ends: (created at, the bytes of an id of either kind).
type HoldKey = (Timestamp, [u8; 16]);

impl Held {
    fn key(&self) -> HoldKey {
        match self {
            Self::Payment(row) => (row.created_at, *row.id.as_bytes()),
            Self::Transfer(row) => (row.created_at, *row.id.as_bytes()),
        }
    }
}

/// Payments and transfers in one list, the newest first.
fn held(
    api: &Api,
    wallet: WalletId,
    page: PageRequest<HoldKey>,
) -> Result<Page<Held, HoldKey>, Problem> {
    let PageRequest { after, limit } = page;
    let filter =
        PaymentFilter { wallet_id: Some(wallet), is_held: true, ..PaymentFilter::default() };
    let of_payments = after.map(|(at, id)| (at, PaymentId::from_bytes(id)));
    let payments = api.ports.views.payments(&filter, PageRequest { after: of_payments, limit })?;
    let of_transfers = after.map(|(at, id)| (at, TransferId::from_bytes(id)));
    let transfers =
        api.ports.views.held_transfers(wallet, PageRequest { after: of_transfers, limit })?;
    let ends = [
        payments.next.map(|(at, id)| (at, *id.as_bytes())),
        transfers.next.map(|(at, id)| (at, *id.as_bytes())),
    ];
    let payments = payments.rows.into_iter().map(|row| Held::Payment(Box::new(row)));
    let transfers = transfers.rows.into_iter().map(|row| Held::Transfer(Box::new(row)));
    let rows = payments.chain(transfers).collect();
    Ok(merged(rows, ends, limit, Held::key))
}

/// One page of two, each with where it ended before its list did: what is older than such an end
/// may have others before it that nobody has seen, and waits for a later page.
fn merged<T, K: Ord + Copy>(
    mut rows: Vec<T>,
    ends: [Option<K>; 2],
    limit: usize,
    key: impl Fn(&T) -> K,
) -> Page<T, K> {
    let end = ends.into_iter().flatten().max();
    rows.retain(|row| end.is_none_or(|end| key(row) >= end));
    rows.sort_by_key(|row| Reverse(key(row)));
    let next = if rows.len() > limit { rows.get(limit - 1).map(&key) } else { end };
    rows.truncate(limit);
    Page { rows, next }
}

/// A page key as bytes.
fn key_bytes((created_at, id): HoldKey) -> [u8; KEY_BYTES] {
    payment_list::key_bytes((created_at, PaymentId::from_bytes(id)))
}

fn hold_key(bytes: [u8; KEY_BYTES]) -> HoldKey {
    let (created_at, id) = page_key(bytes);
    (created_at, *id.as_bytes())
}

/// Money held for a payment or a transfer.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
struct HoldBody {
    #[schema(pattern = "^hold$", examples("hold"))]
    object: &'static str,
    /// The payment that it is for, where it is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::PaymentId, required = false)]
    payment_id: Option<PaymentId>,
    /// The transfer that it is for, where it is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::TransferId, required = false)]
    transfer_id: Option<TransferId>,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::HoldStatusName)]
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
    fn of_payment(payment: &PaymentRow, saga: &Saga) -> Self {
        Self {
            object: "hold",
            payment_id: Some(payment.id),
            transfer_id: None,
            wallet_id: payment.wallet_id,
            amount: payment.money.amount().minor(),
            currency: payment.money.currency().code(),
            status: payment.status.as_str(),
            waits_for: saga.waits_for.map(WaitBody::of),
            created_at: Time(payment.created_at),
            position: PositionText(payment.position),
        }
    }

    fn of_transfer(transfer: &TransferRow) -> Self {
        Self {
            object: "hold",
            payment_id: None,
            transfer_id: Some(transfer.id),
            wallet_id: transfer.from_wallet_id,
            amount: transfer.money.amount().minor(),
            currency: transfer.money.currency().code(),
            status: transfer.status.as_str(),
            waits_for: Some(WaitBody::RECEIVER),
            created_at: Time(transfer.created_at),
            position: PositionText(transfer.position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list in pages, each from two lists in pages of their own, is the two lists in order.
    #[test]
    fn two_lists_in_pages_are_one() {
        let page_of = |list: &[u32], after: Option<u32>, limit: usize| {
            let mut rows: Vec<u32> =
                list.iter().copied().filter(|row| after.is_none_or(|after| *row < after)).collect();
            let has_more = rows.len() > limit;
            rows.truncate(limit);
            let end = rows.last().copied().filter(|_| has_more);
            (rows, end)
        };
        for mask in 0..1_u32 << 9 {
            let side = |wanted: u32| -> Vec<u32> {
                (0..9).rev().filter(|bit| mask >> bit & 1 == wanted).collect()
            };
            let (left, right) = (side(0), side(1));
            for limit in 1..5 {
                let (mut seen, mut after) = (Vec::new(), None);
                loop {
                    let (mut rows, first) = page_of(&left, after, limit);
                    let (others, second) = page_of(&right, after, limit);
                    rows.extend(others);
                    let page = merged(rows, [first, second], limit, |row| *row);
                    assert!(page.rows.len() <= limit);
                    seen.extend(page.rows);
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(seen, [8, 7, 6, 5, 4, 3, 2, 1, 0], "{mask:b}, {limit}");
            }
        }
    }
}
