//! Money in suspense: what nobody can have before a person has decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::account::{Account, Side};
use schemas::event::SuspenseSubject;
use schemas::read_model::SuspenseRow;
use schemas::{
    DepositId, Offset, OperationId, Partition, PaymentId, Position, RefundId, Timestamp, WalletId,
    WithdrawalId,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::openapi::parameters::{PageQuery, SuspenseFilterQuery};
use super::openapi::{refusals, values};
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{PositionText, Time};
use super::{Api, cursor, fields, page};
use crate::ports::{PageRequest, SuspenseKey};

/// A page key as bytes: eight of milliseconds, four of partition, eight of offset, four of number.
const KEY_BYTES: usize = 24;

/// Money in suspense
///
/// What nobody can have before a person has decided: charges of other amounts, money for closed
/// wallets. One row for each booking, the newest first.
#[utoipa::path(
    get, path = "/suspense", tag = "reviews", operation_id = "list_suspense",
    params(SuspenseFilterQuery, PageQuery, ReadQuery),
    responses(
        (status = 200, description = "A page of bookings.", body = page::ListBody<BookingBody>),
        refusals::ListSuspense,
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    mut query: ReadQuery,
) -> Result<Answer, Problem> {
    let limit = page::limit(&mut query.fields)?;
    let wallet = query.fields.take("wallet_id");
    let wallet: Option<WalletId> =
        wallet.map(|text| fields::parse("wallet_id", &text)).transpose()?;
    let name = format!("suspense {wallet:?}");
    let after = query.fields.take("cursor");
    let after = after.map(|text| cursor::decode(&name, &text).and_then(page_key)).transpose()?;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let views = &api.ports.views;
    // Read before the rows, so that the answer has all that the position promises.
    let applied = wallet.and_then(|wallet| views.applied(views.shard(wallet)));
    let page = views.suspense(wallet, PageRequest { after, limit })?;
    let mut positions = BTreeMap::new();
    for position in page.rows.iter().map(|row| row.position).chain(applied) {
        let latest = positions.entry(position.partition).or_insert(position);
        *latest = position.max(*latest);
    }
    let next = page.next.map(|key| cursor::encode(&name, key_bytes(key)));
    let body = page::ListBody::new(page.rows.iter().map(BookingBody::of).collect(), next);
    Ok(Answer::json(StatusCode::OK, &body).positions(positions.into_values()))
}

fn key_bytes((at, position, number): SuspenseKey) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    bytes[..8].copy_from_slice(&at.millis().to_be_bytes());
    bytes[8..12].copy_from_slice(&position.partition.number().to_be_bytes());
    bytes[12..20].copy_from_slice(&position.offset.number().to_be_bytes());
    bytes[20..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn page_key(bytes: [u8; KEY_BYTES]) -> Result<SuspenseKey, Problem> {
    let read = || {
        let (at, rest) = bytes.split_first_chunk::<8>()?;
        let (partition, rest) = rest.split_first_chunk::<4>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (number, _) = rest.split_first_chunk::<4>()?;
        let partition = Partition::new(i32::from_be_bytes(*partition))?;
        let offset = Offset::new(i64::from_be_bytes(*offset))?;
        let at = Timestamp::from_millis(i64::from_be_bytes(*at));
        Some((at, Position { partition, offset }, u32::from_be_bytes(*number)))
    };
    read().ok_or_else(cursor::invalid)
}

/// One booking of a suspense account.
#[derive(Serialize, ToSchema)]
#[schema(as = SuspenseBooking)]
struct BookingBody<'a> {
    /// Its entry and its number there.
    #[schema(examples("0-31-2"))]
    id: String,
    #[schema(pattern = "^suspense_booking$", examples("suspense_booking"))]
    object: &'static str,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    subject: SubjectBody,
    /// Of the suspense account: a credit is owed to somebody, a debit is owed to us.
    #[schema(value_type = values::SideName)]
    direction: Side,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    /// The other account.
    #[schema(value_type = String, examples("gateway:simulator:clearing"))]
    against: &'a Account,
    #[schema(examples("unwanted_charge"))]
    code: &'a str,
    /// In words.
    detail: &'a str,
    #[schema(value_type = values::Time)]
    created_at: Time,
    #[schema(value_type = values::Position)]
    position: PositionText,
}

/// What the money is about.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = SuspenseSubject)]
enum SubjectBody {
    /// A charge that a gateway made.
    Charge {
        #[schema(value_type = values::PaymentId)]
        payment_id: PaymentId,
        #[schema(value_type = values::AttemptId)]
        attempt_id: OperationId,
    },
    /// A refund.
    Refund {
        #[schema(value_type = values::PaymentId)]
        payment_id: PaymentId,
        #[schema(value_type = values::RefundId)]
        refund_id: RefundId,
    },
    /// A deposit.
    Deposit {
        #[schema(value_type = values::DepositId)]
        deposit_id: DepositId,
    },
    /// A withdrawal.
    Withdrawal {
        #[schema(value_type = values::WithdrawalId)]
        withdrawal_id: WithdrawalId,
    },
}

impl<'a> BookingBody<'a> {
    fn of(row: &'a SuspenseRow) -> Self {
        let subject = match row.subject {
            SuspenseSubject::Charge { payment_id, operation_id } => {
                SubjectBody::Charge { payment_id, attempt_id: operation_id }
            }
            SuspenseSubject::Refund { payment_id, refund_id } => {
                SubjectBody::Refund { payment_id, refund_id }
            }
            SuspenseSubject::Deposit { deposit_id } => SubjectBody::Deposit { deposit_id },
            SuspenseSubject::Withdrawal { withdrawal_id } => {
                SubjectBody::Withdrawal { withdrawal_id }
            }
        };
        Self {
            id: format!("{}-{}", row.position, row.number),
            object: "suspense_booking",
            wallet_id: row.wallet_id,
            subject,
            direction: row.side,
            amount: row.money.amount().minor(),
            currency: row.money.currency().code(),
            against: &row.against,
            code: &row.code,
            detail: &row.detail,
            created_at: Time(row.at),
            position: PositionText(row.position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_key_survives_its_bytes() {
        let partition = Partition::new(3).expect("a partition");
        let offset = Offset::new(i64::MAX).expect("an offset");
        let key = (Timestamp::from_millis(1_767_225_600_123), Position { partition, offset }, 7);
        assert_eq!(page_key(key_bytes(key)).ok(), Some(key));
        assert!(page_key([u8::MAX; KEY_BYTES]).is_err());
    }
}
