//! Transfers: move money from wallet to wallet, and look one up.
//!
//! A transfer lives on two shards. The sender's says where it stands; the receiver's, once it has
//! credited, when and at which position, so that whoever reads the receiver's wallet next can
//! demand that.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::inputs::{Command, CommandBody, Transfer};
use schemas::read_model::{TransferCreditRow, TransferRow, TransferStatus};
use schemas::{
    CorrelationId, ErrorCode, Fingerprint, IdempotencyKey, Money, Position, Sealed, TransferId,
    WalletId,
};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::answer::Answer;
use super::body::JsonBody;
use super::exchange::RequestIds;
use super::headers::{Key, Wait};
use super::openapi::{refusals, values};
use super::path::TransferPath;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{FailureBody, Time, text};
use super::requests::{MinorUnits, TransferRequest};
use super::view_wait::Awaited;
use super::{Api, BASE_PATH, fields, wallets};
use crate::ports::{Request, ViewError, Views};

/// Transfer
///
/// Holds the amount in one wallet, credits the other, and then posts the hold; or releases it, when
/// the other wallet refuses.
#[utoipa::path(
    post, path = "/transfers", tag = "transfers", operation_id = "transfer",
    params(Key, Wait, ReadQuery), request_body = TransferRequest,
    responses(
        (status = 201, description = "The money is in the other wallet.", body = TransferBody),
        (
            status = 202, body = TransferBody,
            description = "The money is held and on its way; or, with status `accepted`, nobody \
                           has decided yet. `Location` says where to look.",
        ),
        refusals::Transfer,
    ),
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    Key(key): Key,
    wait: Wait,
    query: ReadQuery,
    JsonBody(request): JsonBody<TransferRequest>,
) -> Answer {
    let answer = transfer(&api, &ids, &key, wait, query, request).await;
    answer.unwrap_or_else(Answer::from).idempotency_key(&key)
}

/// A transfer
#[utoipa::path(
    get, path = "/transfers/{transfer_id}", tag = "transfers", operation_id = "get_transfer",
    params(TransferPath, ReadQuery),
    responses(
        (status = 200, description = "The transfer.", body = TransferBody),
        refusals::LookAtTransfer,
    ),
)]
pub(super) async fn by_id(
    State(api): State<Arc<Api>>,
    TransferPath(id): TransferPath,
    query: ReadQuery,
) -> Result<Answer, Problem> {
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let row = api.known(*id.as_bytes(), |views| views.transfer(id)).await?;
    let row = row.ok_or_else(|| Problem::of(ErrorCode::TransferNotFound))?;
    let credit = api.credit_of(&row).await?;
    let answer = Answer::json(StatusCode::OK, &TransferBody::of(&row, credit.as_ref()));
    Ok(answer.positions(spoke(row.position, credit.as_ref())))
}

async fn transfer(
    api: &Api,
    ids: &RequestIds,
    key: &IdempotencyKey,
    wait: Wait,
    query: ReadQuery,
    request: TransferRequest,
) -> Result<Answer, Problem> {
    let (wait, _patience) = api.admission.patience(wait);
    let deadline = wait.deadline(api.options.decision_timeout);
    query.fields.finish()?;
    let asked = Asked::prove(api, request)?;
    let (from, to) = (asked.from, asked.to);
    // The currency is the sending wallet's, so the view has to know it.
    api.reach(&query.demanded).await?;
    let Some(sender) = api.ports.views.wallet(from)? else {
        return Ok(wallets::not_found(api, from));
    };
    let money = Money::new(fields::amount(asked.amount)?, sender.currency);
    let description = asked.description;
    let id = TransferId::derive(&api.tenant, from, key);
    let fingerprint = Fingerprint::of_transfer(from, to, money, description.as_ref());
    if let Some(row) = api.ports.views.transfer(id)? {
        if row.fingerprint != fingerprint {
            let problem = Problem::of(ErrorCode::IdempotencyKeyReused).transfer(id);
            return Err(problem.position(row.position));
        }
        let row = api.until_at_rest(row, wait, deadline).await?;
        return Ok(api.answer(&row, row.position).await?.waited(wait).replayed());
    }
    // A wallet never changes its currency: what cannot end well is not begun.
    if let Some(receiver) = api.ports.views.wallet(to)?
        && receiver.currency != sender.currency
    {
        let (from, to) = (sender.currency, receiver.currency);
        let detail = format!("the sending wallet holds {from}, the receiving one {to}");
        return Err(Problem::because(ErrorCode::CurrencyMismatch, detail).param("to_wallet_id"));
    }
    let body = CommandBody::Transfer(Transfer {
        transfer_id: id.to_string(),
        wallet_id: from.to_string(),
        to_wallet_id: to.to_string(),
        amount: money.amount().minor(),
        currency: money.currency().code().to_owned(),
        description: description.clone(),
    });
    let command = Command { envelope: api.envelope(ids, key.as_str()), body };
    let decided = api.decision(from, Request::Command(command), deadline).await?;
    let Some(decided) = decided else {
        api.recently_accepted.remember(*id.as_bytes(), api.command_lifetime());
        let accepted = Accepted { id, from, to, money, description: description.as_ref() };
        let body = TransferBody::accepted(&accepted, &ids.correlation_id);
        let answer = Answer::json(StatusCode::ACCEPTED, &body).location(&path_of(id));
        return Ok(answer.waited(wait));
    };
    let row = api.ports.views.transfer(id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks a decided transfer"))?;
    let row = api.until_at_rest(row, wait, deadline).await?;
    let position = row.position.max(decided.position);
    Ok(api.answer(&row, position).await?.waited(wait).effect(decided.effect))
}

/// A request to transfer whose wallets and texts are proven; what it moves depends on the sender.
struct Asked {
    from: WalletId,
    to: WalletId,
    amount: Option<MinorUnits>,
    description: Option<Sealed>,
}

impl Asked {
    fn prove(api: &Api, request: TransferRequest) -> Result<Self, Problem> {
        let amount = request.amount;
        fields::amount(amount)?;
        let from = fields::required("from_wallet_id", request.from_wallet_id)?;
        let from: WalletId = fields::parse("from_wallet_id", &from)?;
        let to = fields::required("to_wallet_id", request.to_wallet_id)?;
        let to: WalletId = fields::parse("to_wallet_id", &to)?;
        if from == to {
            return Err(Problem::of(ErrorCode::SameWallet).param("to_wallet_id"));
        }
        let profile = api.options.profile;
        let description = request.description.map(|text| fields::description(&text, profile));
        Ok(Self { from, to, amount, description: description.transpose()? })
    }
}

impl Api {
    /// The answer that the current state of a transfer maps to.
    async fn answer(&self, row: &TransferRow, position: Position) -> Result<Answer, Problem> {
        let status = match row.status {
            TransferStatus::Accepted | TransferStatus::Held => StatusCode::ACCEPTED,
            TransferStatus::Completed => StatusCode::CREATED,
            TransferStatus::Failed => {
                let problem = Problem::of_failure(row.failure.as_ref());
                return Err(problem.transfer(row.id).position(position));
            }
        };
        let credit = self.credit_of(row).await?;
        let answer = Answer::json(status, &TransferBody::of(row, credit.as_ref()));
        let answer = answer.location(&path_of(row.id));
        Ok(answer.positions(spoke(position, credit.as_ref())))
    }

    /// The receiver's side. Of a completed transfer it is in the log; the view of that shard may be
    /// a little behind and is waited for.
    async fn credit_of(&self, row: &TransferRow) -> Result<Option<TransferCreditRow>, Problem> {
        let look = || Ok(self.ports.views.transfer_credit(row.id)?);
        if row.status != TransferStatus::Completed {
            return look();
        }
        self.watch(Instant::now() + self.options.view_timeout, look).await
    }
}

impl Awaited for TransferRow {
    fn is_at_rest(&self) -> bool {
        self.status.is_terminal()
    }

    fn position(&self) -> Position {
        self.position
    }

    fn again(&self, views: &dyn Views) -> Result<Option<Self>, ViewError> {
        views.transfer(self.id)
    }
}

/// The entries of the shards that an answer is made from, one for each shard.
fn spoke(
    sender: Position,
    credit: Option<&TransferCreditRow>,
) -> impl Iterator<Item = Position> + use<> {
    let receiver = credit.map(|credit| credit.position);
    let other = receiver.filter(|position| position.partition != sender.partition);
    let same = receiver.filter(|position| position.partition == sender.partition);
    let sender = same.map_or(sender, |position| position.max(sender));
    std::iter::once(sender).chain(other)
}

fn path_of(id: TransferId) -> String {
    format!("{BASE_PATH}/transfers/{id}")
}

/// A transfer that is in the log and not decided yet.
struct Accepted<'a> {
    id: TransferId,
    from: WalletId,
    to: WalletId,
    money: Money,
    description: Option<&'a Sealed>,
}

/// A transfer.
#[derive(Serialize, ToSchema)]
#[schema(as = Transfer, examples(json!({
    "id": values::TRANSFER_ID, "object": "transfer", "from_wallet_id": values::WALLET_ID,
    "to_wallet_id": values::OTHER_WALLET_ID, "amount": 1500, "currency": "USD",
    "description": "Put aside", "status": "completed", "failure": null, "balance_after": 988_500,
    "credited_at": "2026-01-02T03:04:05.699Z", "correlation_id": values::KEY,
    "created_at": "2026-01-02T03:04:05.678Z", "updated_at": "2026-01-02T03:04:05.731Z",
})))]
struct TransferBody<'a> {
    #[schema(value_type = values::TransferId)]
    id: TransferId,
    #[schema(pattern = "^transfer$", examples("transfer"))]
    object: &'static str,
    #[schema(value_type = values::WalletId)]
    from_wallet_id: WalletId,
    #[schema(value_type = values::WalletId)]
    to_wallet_id: WalletId,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(required = true)]
    description: Option<&'a str>,
    #[schema(value_type = values::TransferStatusName)]
    status: &'static str,
    /// Why it failed; null while it has not.
    #[schema(required = true)]
    failure: Option<FailureBody<'a>>,
    /// The posted balance of the sending wallet after it was completed; null before.
    #[schema(value_type = Option<values::MinorUnits>, required = true)]
    balance_after: Option<i64>,
    /// When the receiving wallet got the money; null before.
    #[schema(value_type = Option<values::Time>, required = true)]
    credited_at: Option<Time>,
    #[schema(value_type = values::CorrelationId)]
    correlation_id: &'a str,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    created_at: Option<Time>,
    /// Null while nobody has decided the request.
    #[schema(value_type = Option<values::Time>, required = true)]
    updated_at: Option<Time>,
}

impl<'a> TransferBody<'a> {
    /// As the view has it.
    fn of(row: &'a TransferRow, credit: Option<&TransferCreditRow>) -> Self {
        Self {
            id: row.id,
            object: "transfer",
            from_wallet_id: row.from_wallet_id,
            to_wallet_id: row.to_wallet_id,
            amount: row.money.amount().minor(),
            currency: row.money.currency().code(),
            description: text(row.description.as_ref()),
            status: row.status.as_str(),
            failure: row.failure.as_ref().map(FailureBody::of),
            balance_after: row.balance_after,
            credited_at: credit.map(|credit| Time(credit.at)),
            correlation_id: &row.correlation_id,
            created_at: Some(Time(row.created_at)),
            updated_at: Some(Time(row.updated_at)),
        }
    }

    /// As it was asked for.
    fn accepted(asked: &Accepted<'a>, correlation_id: &'a CorrelationId) -> Self {
        Self {
            id: asked.id,
            object: "transfer",
            from_wallet_id: asked.from,
            to_wallet_id: asked.to,
            amount: asked.money.amount().minor(),
            currency: asked.money.currency().code(),
            description: text(asked.description),
            status: TransferStatus::Accepted.as_str(),
            failure: None,
            balance_after: None,
            credited_at: None,
            correlation_id: correlation_id.as_str(),
            created_at: None,
            updated_at: None,
        }
    }
}
