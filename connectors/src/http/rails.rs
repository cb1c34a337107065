//! What deposits and withdrawals have in common: facts of an external rail, as they are asked for
//! and as they are shown.

use schemas::read_model::{DepositRow, WithdrawalRow};
use schemas::{Amount, CorrelationId, Money, RailName, Timestamp, WalletId};
use serde::Serialize;

use super::problem::Problem;
use super::representations::Time;
use super::requests::MinorUnits;
use super::{BASE_PATH, Profile, fields};

/// The longest reference of an external rail, in bytes.
const MAX_REFERENCE_BYTES: usize = 255;

/// The rail of a fact that names none, in profile `dev`.
const MANUAL_RAIL: &str = "manual";

/// How much moved on which rail under which name, proven.
pub(super) struct OnRail {
    pub amount: Amount,
    pub rail: RailName,
    pub reference: String,
}

impl OnRail {
    /// Proves the fields of a request about the fact with this id.
    pub fn prove(
        profile: Profile,
        id: &impl ToString,
        amount: Option<MinorUnits>,
        rail: Option<String>,
        reference: Option<String>,
    ) -> Result<Self, Problem> {
        let amount = fields::amount(amount)?;
        let (rail, reference) = match profile {
            Profile::Dev => (
                rail.unwrap_or_else(|| MANUAL_RAIL.to_owned()),
                reference.unwrap_or_else(|| id.to_string()),
            ),
            Profile::Production => {
                (fields::required("rail", rail)?, fields::required("reference", reference)?)
            }
        };
        let rail = fields::parse("rail", &rail)?;
        fields::bounded("reference", &reference, 1..=MAX_REFERENCE_BYTES)?;
        Ok(Self { amount, rail, reference })
    }
}

/// A fact has no path of its own: it shows as a line of the statement.
pub(super) fn path_of(wallet: WalletId) -> String {
    format!("{BASE_PATH}/wallets/{wallet}/transactions")
}

/// A deposit or a withdrawal.
#[derive(Serialize)]
pub(super) struct FactBody<'a> {
    id: String,
    object: &'static str,
    wallet_id: WalletId,
    amount: i64,
    currency: &'static str,
    rail: &'a RailName,
    reference: &'a str,
    status: &'static str,
    balance_after: Option<i64>,
    correlation_id: &'a str,
    created_at: Option<Time>,
    reversed_at: Option<Time>,
}

impl<'a> FactBody<'a> {
    /// A deposit as the view has it.
    pub fn of_deposit(row: &'a DepositRow) -> Self {
        Self {
            id: row.id.to_string(),
            object: "deposit",
            wallet_id: row.wallet_id,
            amount: row.money.amount().minor(),
            currency: row.money.currency().code(),
            rail: &row.rail,
            reference: &row.reference,
            status: status(row.reversed_at),
            balance_after: Some(row.balance_after),
            correlation_id: &row.correlation_id,
            created_at: Some(Time(row.created_at)),
            reversed_at: row.reversed_at.map(Time),
        }
    }

    /// A withdrawal as the view has it.
    pub fn of_withdrawal(row: &'a WithdrawalRow) -> Self {
        Self {
            id: row.id.to_string(),
            object: "withdrawal",
            wallet_id: row.wallet_id,
            amount: row.money.amount().minor(),
            currency: row.money.currency().code(),
            rail: &row.rail,
            reference: &row.reference,
            status: status(row.reversed_at),
            balance_after: Some(row.balance_after),
            correlation_id: &row.correlation_id,
            created_at: Some(Time(row.created_at)),
            reversed_at: row.reversed_at.map(Time),
        }
    }

    /// As it was asked for.
    pub fn accepted(asked: &AcceptedFact<'a>) -> Self {
        Self {
            id: asked.id.clone(),
            object: asked.object,
            wallet_id: asked.wallet_id,
            amount: asked.money.amount().minor(),
            currency: asked.money.currency().code(),
            rail: asked.rail,
            reference: asked.reference,
            status: "accepted",
            balance_after: None,
            correlation_id: asked.correlation_id.as_str(),
            created_at: None,
            reversed_at: None,
        }
    }
}

/// A fact that is in the log and not decided yet.
pub(super) struct AcceptedFact<'a> {
    pub id: String,
    pub object: &'static str,
    pub wallet_id: WalletId,
    pub money: Money,
    pub rail: &'a RailName,
    pub reference: &'a str,
    pub correlation_id: &'a CorrelationId,
}

fn status(reversed_at: Option<Timestamp>) -> &'static str {
    match reversed_at {
        None => "recorded",
        Some(_) => "reversed",
    }
}
