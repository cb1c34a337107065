//! Payments as a list, newest first, with filters.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::read_model::PaymentStatus;
use schemas::{ErrorCode, PaymentId, Timestamp};

use super::answer::Answer;
use super::openapi::parameters::{PageQuery, PaymentFilterQuery};
use super::openapi::refusals;
use super::page::ListBody;
use super::problem::Problem;
use super::query::{QueryFields, ReadQuery};
use super::representations::PaymentBody;
use super::{Api, cursor, fields, page};
use crate::ports::{PageRequest, PaymentFilter};

/// Where a page ends: (created at, id).
pub(super) type PageKey = (Timestamp, PaymentId);

/// A page key as bytes: eight of milliseconds, sixteen of id.
pub(super) const KEY_BYTES: usize = 24;

/// Payments
///
/// The newest first. A trailing slash in the path is accepted.
#[utoipa::path(
    get, path = "/payments", tag = "payments", operation_id = "list_payments",
    params(PaymentFilterQuery, PageQuery, ReadQuery),
    responses(
        (status = 200, description = "A page of payments.", body = ListBody<PaymentBody>),
        refusals::ListPayments,
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    mut query: ReadQuery,
) -> Result<Answer, Problem> {
    let limit = page::limit(&mut query.fields)?;
    let filter = filter(&mut query.fields)?;
    let name = name(&filter);
    let after = query.fields.take("cursor");
    let after = after.map(|text| cursor::decode(&name, &text).map(page_key)).transpose()?;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let views = &api.ports.views;
    // Read before the rows, so that the answer has all that the position promises.
    let shard = filter.wallet_id.map(|wallet| views.shard(wallet));
    let applied = shard.and_then(|shard| views.applied(shard));
    let page = views.payments(&filter, PageRequest { after, limit })?;
    let mut positions = BTreeMap::new();
    for position in page.rows.iter().map(|row| row.position).chain(applied) {
        let latest = positions.entry(position.partition).or_insert(position);
        *latest = position.max(*latest);
    }
    let next = page.next.map(|key| cursor::encode(&name, key_bytes(key)));
    let body = ListBody::new(page.rows.iter().map(PaymentBody::of).collect(), next);
    Ok(Answer::json(StatusCode::OK, &body).positions(positions.into_values()))
}

fn filter(query: &mut QueryFields) -> Result<PaymentFilter, Problem> {
    Ok(PaymentFilter {
        wallet_id: parsed(query, "wallet_id")?,
        user_id: parsed(query, "user_id")?,
        status: query.take("status").map(|text| status(&text)).transpose()?,
        is_held: false,
        gateway: parsed(query, "gateway")?,
        created_from: parsed(query, "created_from")?,
        created_to: parsed(query, "created_to")?,
    })
}

fn parsed<T: FromStr>(query: &mut QueryFields, name: &'static str) -> Result<Option<T>, Problem>
where
    T::Err: std::fmt::Display,
{
    query.take(name).map(|text| fields::parse(name, &text)).transpose()
}

fn status(text: &str) -> Result<PaymentStatus, Problem> {
    PaymentStatus::from_text(text).ok_or_else(|| {
        let known = PaymentStatus::ALL.map(PaymentStatus::as_str).join(", ");
        let detail = format!("field status: one of {known}");
        Problem::because(ErrorCode::FieldInvalid, detail).param("status")
    })
}

/// What tells one list from another: a cursor is good for the same filters only.
fn name(filter: &PaymentFilter) -> String {
    format!("payments {filter:?}")
}

pub(super) fn key_bytes((created_at, id): PageKey) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    bytes[..8].copy_from_slice(&created_at.millis().to_be_bytes());
    bytes[8..].copy_from_slice(id.as_bytes());
    bytes
}

pub(super) fn page_key(bytes: [u8; KEY_BYTES]) -> PageKey {
    let (millis, id) = bytes.split_first_chunk::<8>().expect("24 bytes begin with 8");
    let id = id.try_into().expect("24 bytes less 8 are 16");
    (Timestamp::from_millis(i64::from_be_bytes(*millis)), PaymentId::from_bytes(id))
}
