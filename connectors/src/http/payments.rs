//! Payments: pay, and look one up.

use std::sync::Arc;

use axum::extract::State;
use schemas::inputs::{Command, CommandBody, Pay};
use schemas::read_model::{PaymentRow, PaymentStatus};
use schemas::{
    CorrelationId, ErrorCode, Fingerprint, GatewayName, IdempotencyKey, Money, PaymentId, Position,
    Sealed, UserId, WalletId, WalletLabel,
};

use super::answer::Answer;
use super::body::JsonBody;
use super::exchange::RequestIds;
use super::headers::{Key, Wait};
use super::openapi::refusals;
use super::path::PaymentPath;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{AcceptedPayment, PaymentBody, http_status};
use super::requests::PaymentRequest;
use super::submission::effect;
use super::view_wait::Awaited;
use super::{Api, BASE_PATH, fields};
use crate::ports::{Request, ViewError, Views};

/// The longest service id, in bytes.
const MAX_SERVICE_BYTES: usize = 64;

/// Pay
///
/// Holds the amount in the wallet, charges it through a gateway, and then posts the hold or
/// releases it. A trailing slash in the path is accepted.
#[utoipa::path(
    post, path = "/payments", tag = "payments", operation_id = "pay",
    params(Key, Wait), request_body = PaymentRequest,
    responses(
        (status = 201, description = "It is completed.", body = PaymentBody),
        (
            status = 202, body = PaymentBody,
            description = "The money is held and the gateway at work; or, with status `accepted`, \
                           nobody has decided yet. `Location` says where to look.",
        ),
        refusals::Pay,
    ),
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    ids: RequestIds,
    Key(key): Key,
    wait: Wait,
    JsonBody(request): JsonBody<PaymentRequest>,
) -> Answer {
    let answer = pay(&api, &ids, &key, wait, request).await;
    answer.unwrap_or_else(Answer::from).idempotency_key(&key)
}

/// A payment
#[utoipa::path(
    get, path = "/payments/{payment_id}", tag = "payments", operation_id = "get_payment",
    params(PaymentPath, ReadQuery),
    responses(
        (status = 200, description = "The payment.", body = PaymentBody),
        refusals::LookAtPayment,
    ),
)]
pub(super) async fn by_id(
    State(api): State<Arc<Api>>,
    PaymentPath(id): PaymentPath,
    query: ReadQuery,
) -> Result<Answer, Problem> {
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let row = api.known_payment(id).await?;
    let answer = Answer::json(axum::http::StatusCode::OK, &PaymentBody::of(&row));
    Ok(answer.position(row.position))
}

async fn pay(
    api: &Api,
    ids: &RequestIds,
    key: &IdempotencyKey,
    wait: Wait,
    request: PaymentRequest,
) -> Result<Answer, Problem> {
    let (wait, _patience) = api.admission.patience(wait);
    let deadline = wait.deadline(api.options.decision_timeout);
    let asked = Asked::prove(api, key, request)?;
    if let Some(row) = api.ports.views.payment(asked.id)? {
        if row.fingerprint != asked.fingerprint {
            let problem = Problem::of(ErrorCode::IdempotencyKeyReused).payment(asked.id);
            return Ok(Answer::from(problem).position(row.position));
        }
        let row = api.until_at_rest(row, wait, deadline).await?;
        return Ok(answer(&row).position(row.position).waited(wait).replayed());
    }
    let body = CommandBody::Pay(asked.command());
    let command = Command { envelope: api.envelope(ids, key.as_str()), body };
    let decided = api
        .submit(asked.wallet_id, Request::Command(command), deadline)
        .await
        .map_err(|problem| problem.repeat_with(key).payment(asked.id))?;
    let Some(outcome) = decided else {
        api.recently_accepted.remember(*asked.id.as_bytes(), api.command_lifetime());
        return Ok(asked.undecided(&ids.correlation_id).waited(wait));
    };
    let effect = match effect(&outcome.decision) {
        Ok(effect) => effect,
        Err(problem) => {
            let is_known = problem.code() == ErrorCode::IdempotencyKeyReused;
            let problem = if is_known { problem.payment(asked.id) } else { problem };
            return Ok(Answer::from(problem).position(outcome.position));
        }
    };
    let row = api.ports.views.payment(asked.id)?;
    let row = row.ok_or_else(|| Problem::internal("the view lacks a decided payment"))?;
    let row = api.until_at_rest(row, wait, deadline).await?;
    let answer = answer(&row).position(row.position.max(outcome.position)).waited(wait);
    Ok(answer.effect(effect))
}

impl Awaited for PaymentRow {
    fn is_at_rest(&self) -> bool {
        self.status.is_terminal() || self.status == PaymentStatus::NeedsReview
    }

    fn position(&self) -> Position {
        self.position
    }

    fn again(&self, views: &dyn Views) -> Result<Option<Self>, ViewError> {
        views.payment(self.id)
    }
}

impl Api {
    /// The payment that a GET is about; one that was just accepted is waited for.
    pub(super) async fn known_payment(&self, id: PaymentId) -> Result<PaymentRow, Problem> {
        let row = self.known(*id.as_bytes(), |views| views.payment(id)).await?;
        row.ok_or_else(|| Problem::of(ErrorCode::PaymentNotFound))
    }
}

/// The answer that the current state of a payment maps to.
fn answer(row: &PaymentRow) -> Answer {
    match http_status(row.status) {
        Some(status) => Answer::json(status, &PaymentBody::of(row)).location(&path_of(row.id)),
        None => failed(row).into(),
    }
}

/// The refusal that a failed payment is to the one who asked for it.
fn failed(row: &PaymentRow) -> Problem {
    Problem::of_failure(row.failure.as_ref()).payment(row.id)
}

pub(super) fn path_of(id: PaymentId) -> String {
    format!("{BASE_PATH}/payments/{id}")
}

/// A request to pay whose fields are proven.
struct Asked {
    id: PaymentId,
    user_id: Option<UserId>,
    wallet_id: WalletId,
    money: Money,
    gateway: Option<GatewayName>,
    service_id: Option<String>,
    description: Option<Sealed>,
    metadata: Option<Sealed>,
    fingerprint: Fingerprint,
}

impl Asked {
    fn prove(api: &Api, key: &IdempotencyKey, request: PaymentRequest) -> Result<Self, Problem> {
        let profile = api.options.profile;
        let amount = fields::amount(request.amount)?;
        let currency = fields::required("currency", request.currency.as_deref())?;
        let money = Money::new(amount, fields::currency(currency)?);
        let user_id = request.user_id.as_deref();
        let user_id = user_id.map(|text| fields::parse("user_id", text)).transpose()?;
        let label = request.label.as_deref();
        let label = label.map(|text| fields::parse("label", text)).transpose()?;
        let wallet_id = request.wallet_id.as_deref();
        let wallet_id = wallet_id.map(|text| fields::parse("wallet_id", text)).transpose()?;
        let wallet_id = wallet_of(api, money, user_id.as_ref(), label, wallet_id)?;
        let gateway = request.gateway.map(|name| {
            name.parse().map_err(|_| Problem::of(ErrorCode::GatewayUnknown).param("gateway"))
        });
        let gateway = gateway.transpose()?;
        if let Some(service) = &request.service_id {
            fields::bounded("service_id", service, 1..=MAX_SERVICE_BYTES)?;
        }
        let description = request.description.map(|text| fields::description(&text, profile));
        let description = description.transpose()?;
        let metadata = request.metadata.map(|object| fields::metadata(object, profile));
        let metadata = metadata.transpose()?;
        Ok(Self {
            id: PaymentId::derive(&api.tenant, wallet_id, key),
            fingerprint: Fingerprint::of_payment(
                wallet_id,
                money,
                gateway.as_ref(),
                request.service_id.as_deref(),
                description.as_ref(),
                metadata.as_ref(),
            ),
            user_id,
            wallet_id,
            money,
            gateway,
            service_id: request.service_id,
            description,
            metadata,
        })
    }

    fn command(&self) -> Pay {
        Pay {
            payment_id: self.id.to_string(),
            wallet_id: self.wallet_id.to_string(),
            amount: self.money.amount().minor(),
            currency: self.money.currency().code().to_owned(),
            gateway: self.gateway.as_ref().map(|name| name.as_str().to_owned()),
            service_id: self.service_id.clone(),
            description: self.description.clone(),
            metadata: self.metadata.clone(),
        }
    }

    /// The answer while nobody knows what the ledger will say.
    fn undecided(&self, correlation_id: &CorrelationId) -> Answer {
        let body = PaymentBody::accepted(&AcceptedPayment {
            id: self.id,
            user_id: self.user_id.as_ref(),
            wallet_id: self.wallet_id,
            money: self.money,
            description: self.description.as_ref(),
            service_id: self.service_id.as_deref(),
            metadata: self.metadata.as_ref(),
            gateway: self.gateway.as_ref(),
            correlation_id,
        });
        Answer::json(axum::http::StatusCode::ACCEPTED, &body).location(&path_of(self.id))
    }
}

/// The wallet that is named by its id, by whose it is, or by both in agreement.
fn wallet_of(
    api: &Api,
    money: Money,
    user_id: Option<&UserId>,
    label: Option<WalletLabel>,
    wallet_id: Option<WalletId>,
) -> Result<WalletId, Problem> {
    let Some(user_id) = user_id else {
        let wallet_id = fields::required("user_id", wallet_id)?;
        if label.is_some() {
            let detail = "field label: needs user_id; a wallet_id says it all by itself";
            return Err(Problem::because(ErrorCode::FieldInvalid, detail).param("label"));
        }
        return Ok(wallet_id);
    };
    let label = label.unwrap_or_else(WalletLabel::main);
    let derived = WalletId::derive(&api.tenant, user_id, money.currency(), &label);
    if wallet_id.is_some_and(|given| given != derived) {
        return Err(Problem::of(ErrorCode::WalletMismatch).param("wallet_id"));
    }
    Ok(derived)
}
