//! What a wallet had at a time: its numbers after an entry of the past.
//!
//! A position repeats exactly, for ever. A time resolves to a position; `is_final` says whether the
//! view has read past that time, so that nothing earlier can turn up any more.

use axum::http::StatusCode;
use schemas::read_model::{WalletMovement, WalletRow};
use schemas::{ErrorCode, Position, Timestamp, UserId, WalletId, WalletLabel};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::openapi::values;
use super::problem::Problem;
use super::representations::{BalanceBody, PositionText, Time, WalletBody};
use super::{Api, wallets};
use crate::ports::AsOf;

/// The parameter that asks for the past.
pub(super) const AS_OF: &str = "as_of";

/// The point in time or in the log that a caller means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// After this entry.
    Position(Position),
    /// After everything of this time and before.
    Time(Timestamp),
}

impl Moment {
    /// Reads a position, `3-1042`, or else a time.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        let detail = "as_of is a time (RFC 3339) or a position (<partition>-<offset>)";
        let wrong = |_| Problem::because(ErrorCode::FieldInvalid, detail).param(AS_OF);
        text.parse().map(Self::Time).map_err(wrong)
    }
}

/// The numbers of a wallet at a moment.
pub(super) async fn show(api: &Api, id: WalletId, moment: Moment) -> Result<Answer, Problem> {
    let views = &api.ports.views;
    let shard = views.shard(id);
    let as_of = match moment {
        Moment::Position(position) => {
            if position.partition != shard {
                let detail = format!("the wallet lives in partition {shard}");
                return Err(Problem::because(ErrorCode::FieldInvalid, detail).param(AS_OF));
            }
            api.reach(&[position]).await.map_err(|problem| match problem.code() {
                ErrorCode::PositionNotReached => in_future(),
                _ => problem,
            })?;
            AsOf::Offset(position.offset)
        }
        Moment::Time(time) => {
            if time > (api.ports.now)() {
                return Err(in_future());
            }
            AsOf::Time(time)
        }
    };
    // Read before the numbers: what is applied later cannot make them more final.
    let read_to = views.shard_time(shard);
    let row = views.wallet(id)?;
    let Some((row, movement)) = row.zip(views.numbers(id, as_of)?) else {
        return Ok(wallets::not_found(api, id));
    };
    let is_final = match moment {
        Moment::Position(_) => true,
        Moment::Time(time) => {
            read_to.is_some_and(|read_to| read_to > time) || row.updated_at > time
        }
    };
    let body = PastBalanceBody::of(&row, &movement, is_final);
    Ok(Answer::json(StatusCode::OK, &Shown::Then(body)).position(movement.position))
}

fn in_future() -> Problem {
    Problem::of(ErrorCode::AsOfInFuture).param(AS_OF)
}

/// The numbers of a wallet after an entry.
#[derive(Serialize, ToSchema)]
#[schema(as = PastBalance)]
pub(super) struct PastBalanceBody<'a> {
    #[schema(pattern = "^past_balance$", examples("past_balance"))]
    object: &'static str,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    #[schema(value_type = values::UserId)]
    user_id: &'a UserId,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::Label)]
    label: &'a WalletLabel,
    balance: BalanceBody,
    /// The time of the entry that the question resolved to.
    #[schema(value_type = values::Time)]
    at: Time,
    /// That entry: asked for, it gives the same answer for ever.
    #[schema(value_type = values::Position)]
    position: PositionText,
    /// Whether nothing earlier than the time asked for can turn up any more.
    is_final: bool,
}

/// What a look at a wallet shows.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = WalletOrPastBalance)]
pub(super) enum Shown<'a> {
    /// As it is.
    Now(WalletBody<'a>),
    /// With `as_of`: what it had.
    Then(PastBalanceBody<'a>),
}

impl<'a> PastBalanceBody<'a> {
    fn of(row: &'a WalletRow, movement: &WalletMovement, is_final: bool) -> Self {
        Self {
            object: "past_balance",
            wallet_id: row.id,
            user_id: &row.user_id,
            currency: row.currency.code(),
            label: &row.label,
            balance: BalanceBody::of(movement.balances),
            at: Time(movement.at),
            position: PositionText(movement.position),
            is_final,
        }
    }
}
