//! What deposits and withdrawals have in common: facts of an external rail, as they are asked for
//! and as they are shown.

use schemas::read_model::{DepositRow, WithdrawalRow};
use schemas::{Amount, CorrelationId, Money, RailName, Timestamp, WalletId};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::openapi::values;
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
#[derive(Serialize, ToSchema)]
#[schema(as = RailFact)]
pub(super) struct FactBody<'a> {
    #[schema(value_type = values::RailFactId)]
    id: String,
    #[schema(value_type = values::RailFactName)]
    object: &'static str,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::RailName)]
    rail: &'a RailName,
    /// What the rail calls it.
    #[schema(examples("E2E-1001"))]
    reference: &'a str,
    #[schema(value_type = values::RailFactStatusName)]
    status: &'static str,
    /// The posted balance of the wallet afterwards; null while nobody has decided the request.
    #[schema(value_type = Option<values::MinorUnits>, required = true)]
    balance_after: Option<i64>,
    #[schema(value_type = values::CorrelationId)]
    correlation_id: &'a str,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    created_at: Option<Time>,
    /// Null while it stands.
    #[schema(value_type = Option<values::Time>, required = true)]
    reversed_at: Option<Time>,
}

/// One of these as the document shows it.
pub(super) fn shown_deposit(status: &str) -> Value {
    shown(values::DEPOSIT_ID, "deposit", status)
}

/// The same for a withdrawal.
pub(super) fn shown_withdrawal(status: &str) -> Value {
    shown(values::WITHDRAWAL_ID, "withdrawal", status)
}

fn shown(id: &str, object: &str, status: &str) -> Value {
    let (amount, reference, balance_after) = match object {
        "deposit" => (5000, "E2E-1001", 1_005_000),
        _ => (2500, "E2E-2001", 1_002_500),
    };
    json!({
        "id": id, "object": object, "wallet_id": values::WALLET_ID, "amount": amount,
        "currency": "USD", "rail": "sepa", "reference": reference, "status": status,
        "balance_after": balance_after, "correlation_id": values::KEY,
        "created_at": "2026-01-02T03:04:05.678Z",
        "reversed_at": (status == "reversed").then_some("2026-01-03T03:04:05.678Z"),
    })
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
