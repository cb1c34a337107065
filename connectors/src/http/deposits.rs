//! Deposits: records that money arrived on an external rail.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::inputs::{Deposit, Operation, OperationBody};
use schemas::{
    Amount, CorrelationId, Currency, DepositId, ErrorCode, Fingerprint, IdempotencyKey, Money,
    RailName, WalletId,
};
use tokio::time::Instant;

use super::answer::Answer;
use super::body::JsonBody;
use super::exchange::RequestIds;
use super::headers::Key;
use super::openapi::refusals;
use super::path::WalletPath;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{AcceptedDeposit, DepositBody};
use super::requests::DepositRequest;
use super::submission::{Effect, effect};
use super::{Api, BASE_PATH, Profile, fields, wallets};
use crate::ports::Request;

/// The longest reference of an external rail, in bytes.
const MAX_REFERENCE_BYTES: usize = 255;

/// The rail of a deposit that names none, in profile `dev`.
const MANUAL_RAIL: &str = "manual";

/// Record a deposit
///
/// That money arrived on an external rail.
#[utoipa::path(
    post, path = "/wallets/{wallet_id}/deposits", tag = "wallets",
    operation_id = "record_deposit",
    params(WalletPath, Key, ReadQuery), request_body = DepositRequest,
    responses(
        (status = 201, description = "It is recorded.", body = DepositBody),
        (status = 202, description = "Nobody has decided yet.", body = DepositBody),
        refusals::Deposit,
    ),
)]
pub(super) async fn record(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    Key(key): Key,
    WalletPath(wallet): WalletPath,
    query: ReadQuery,
    JsonBody(request): JsonBody<DepositRequest>,
) -> Answer {
    let answer = deposit(&api, &ids, &key, wallet, query, request).await;
    answer.unwrap_or_else(Answer::from).idempotency_key(&key)
}

async fn deposit(
    api: &Api,
    ids: &RequestIds,
    key: &IdempotencyKey,
    wallet: WalletId,
    query: ReadQuery,
    request: DepositRequest,
) -> Result<Answer, Problem> {
    let deadline = Instant::now() + api.options.decision_timeout;
    query.fields.finish()?;
    let arrival = Arrival::prove(api, key, wallet, request)?;
    // The currency is the wallet's, so the view has to know the wallet: a caller that opened it at
    // another node demands that position.
    api.reach(&query.demanded).await?;
    let Some(row) = api.ports.views.wallet(wallet)? else {
        return Ok(wallets::not_found(api, wallet));
    };
    let asked = arrival.in_currency(row.currency);
    if let Some(row) = api.ports.views.deposit(asked.id)? {
        if row.fingerprint != asked.fingerprint {
            let problem = Problem::of(ErrorCode::IdempotencyKeyReused);
            return Ok(Answer::from(problem).position(row.position));
        }
        let answer = Answer::json(StatusCode::CREATED, &DepositBody::of(&row));
        let answer = answer.location(&path_of(wallet)).position(row.position);
        return Ok(answer.replayed());
    }
    let body = OperationBody::Deposit(asked.operation());
    let operation = Operation { envelope: api.envelope(ids, key.as_str()), body };
    let submitted = api.submit(wallet, Request::Operation(operation), deadline).await;
    let Some(outcome) = submitted.map_err(|problem| problem.repeat_with(key))? else {
        return Ok(asked.undecided(&ids.correlation_id));
    };
    let effect = match effect(&outcome.decision) {
        Ok(effect) => effect,
        Err(problem) => return Ok(Answer::from(problem).position(outcome.position)),
    };
    let row = api.ports.views.deposit(asked.id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks a recorded deposit"))?;
    let answer = Answer::json(StatusCode::CREATED, &DepositBody::of(&row));
    let answer = answer.location(&path_of(wallet)).position(row.position.max(outcome.position));
    Ok(match effect {
        Effect::Done => answer,
        Effect::Replayed => answer.replayed(),
    })
}

/// A deposit has no path of its own: it shows as a line of the statement.
fn path_of(wallet: WalletId) -> String {
    format!("{BASE_PATH}/wallets/{wallet}/transactions")
}

/// A deposit request whose fields are proven.
struct Arrival {
    id: DepositId,
    wallet_id: WalletId,
    amount: Amount,
    rail: RailName,
    reference: String,
}

impl Arrival {
    fn prove(
        api: &Api,
        key: &IdempotencyKey,
        wallet_id: WalletId,
        request: DepositRequest,
    ) -> Result<Self, Problem> {
        let id = DepositId::derive(&api.tenant, wallet_id, key);
        let amount = fields::amount(request.amount)?;
        let (rail, reference) = match api.options.profile {
            Profile::Dev => (
                request.rail.unwrap_or_else(|| MANUAL_RAIL.to_owned()),
                request.reference.unwrap_or_else(|| id.to_string()),
            ),
            Profile::Production => (
                fields::required("rail", request.rail)?,
                fields::required("reference", request.reference)?,
            ),
        };
        fields::bounded("reference", &reference, 1..=MAX_REFERENCE_BYTES)?;
        Ok(Self { id, wallet_id, amount, rail: fields::parse("rail", &rail)?, reference })
    }

    fn in_currency(self, currency: Currency) -> Asked {
        let Self { id, wallet_id, amount, rail, reference } = self;
        let money = Money::new(amount, currency);
        let fingerprint = Fingerprint::of_deposit(wallet_id, money, &rail, &reference);
        Asked { id, wallet_id, money, rail, reference, fingerprint }
    }
}

/// A deposit request that is complete.
struct Asked {
    id: DepositId,
    wallet_id: WalletId,
    money: Money,
    rail: RailName,
    reference: String,
    fingerprint: Fingerprint,
}

impl Asked {
    fn operation(&self) -> Deposit {
        Deposit {
            deposit_id: self.id.to_string(),
            wallet_id: self.wallet_id.to_string(),
            amount: self.money.amount().minor(),
            currency: self.money.currency().code().to_owned(),
            rail: self.rail.as_str().to_owned(),
            reference: self.reference.clone(),
        }
    }

    /// The answer while nobody knows what the ledger will say.
    fn undecided(&self, correlation_id: &CorrelationId) -> Answer {
        let body = DepositBody::accepted(&AcceptedDeposit {
            id: self.id,
            wallet_id: self.wallet_id,
            money: self.money,
            rail: &self.rail,
            reference: &self.reference,
            correlation_id,
        });
        Answer::json(StatusCode::ACCEPTED, &body).location(&path_of(self.wallet_id))
    }
}
