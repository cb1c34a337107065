//! The gateways as an operator sees them: what they promise, how their calls go, and how much money
//! is in doubt at each.
//!
//! What this process does not know it does not say: calls are made by processes with the role
//! gateway, and one without it has no breaker to show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::{Currency, ErrorCode, GatewayName, Money, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::openapi::{refusals, values};
use super::path::GatewayPath;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::Time;
use super::{Api, page};
use crate::gateway::secret::Secret;
use crate::gateway::table::{GatewayKind, GatewayRow, GatewayTable, InquiryKind, RowUnusable};
use crate::ports::{Doubts, GatewayResults, GatewayStates, GatewayTraffic};

/// Said in the place of a breaker by a process that calls no gateway.
const NOT_CALLED_HERE: &str =
    "this process does not have the role gateway: ask /metrics of one that does";

/// Bounds of the ages of money in doubt. Minutes heal by themselves; an hour is when a person is
/// asked; a day is when keys begin to be forgotten.
pub(super) const AGES: [(&str, Duration); 4] = [
    ("under_1m", Duration::from_mins(1)),
    ("under_10m", Duration::from_mins(10)),
    ("under_1h", Duration::from_hours(1)),
    ("under_24h", Duration::from_hours(24)),
];
/// What is older than all of them.
pub(super) const OLDEST: &str = "over_24h";

/// The gateways as the API needs them.
#[derive(Clone)]
pub struct GatewayDesk {
    table: Arc<GatewayTable>,
    /// What their notifications are signed with.
    secrets: Arc<BTreeMap<GatewayName, Vec<Secret>>>,
    pub(super) results: Arc<dyn GatewayResults>,
    states: Arc<dyn GatewayStates>,
}

impl GatewayDesk {
    /// The gateways of this table. Reads the secrets of their notifications, and blocks for that.
    ///
    /// # Errors
    /// [`RowUnusable::Secret`] for the first that cannot be had.
    pub fn new(
        table: Arc<GatewayTable>,
        results: Arc<dyn GatewayResults>,
        states: Arc<dyn GatewayStates>,
    ) -> Result<Self, RowUnusable> {
        let read = |row: &GatewayRow| Ok((row.name.clone(), row.signing_secrets()?));
        let secrets = table.gateways().iter().map(read).collect::<Result<_, RowUnusable>>()?;
        Ok(Self { table, secrets: Arc::new(secrets), results, states })
    }

    /// A gateway of the table.
    pub(super) fn row(&self, name: &GatewayName) -> Result<&GatewayRow, Problem> {
        self.table.gateway(name).ok_or_else(|| Problem::of(ErrorCode::GatewayNotFound))
    }

    /// What its notifications are signed with.
    pub(super) fn secrets(&self, name: &GatewayName) -> &[Secret] {
        self.secrets.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The gateways
///
/// What they promise, and how this process is doing with them; in the order of the configuration.
#[utoipa::path(
    get, path = "/gateways", tag = "gateways", operation_id = "list_gateways", params(ReadQuery),
    responses(
        (status = 200, description = "All of them.", body = page::ListBody<GatewayBody>),
        refusals::ListGateways,
    ),
)]
pub(super) async fn list(State(api): State<Arc<Api>>, query: ReadQuery) -> Result<Answer, Problem> {
    query.fields.finish()?;
    let desk = &api.ports.gateways;
    let gateways = desk.table.gateways().iter();
    let bodies = gateways.map(|row| GatewayBody::of(row, desk.states.traffic(&row.name)));
    Ok(Answer::json(StatusCode::OK, &page::ListBody::new(bodies.collect(), None)))
}

/// Money in doubt at a gateway
///
/// Of payments of which nobody knows whether it charged, and of refunds of which nobody knows
/// whether it gave back: sums by currency, and by the age of the payment or refund.
#[utoipa::path(
    get, path = "/gateways/{name}/exposure", tag = "gateways", operation_id = "get_exposure",
    params(GatewayPath, ReadQuery),
    responses(
        (status = 200, description = "The sums.", body = ExposureBody),
        refusals::LookAtExposure,
    ),
)]
pub(super) async fn exposure(
    State(api): State<Arc<Api>>,
    GatewayPath(name): GatewayPath,
    query: ReadQuery,
) -> Result<Answer, Problem> {
    query.fields.finish()?;
    let row = api.ports.gateways.row(&name)?;
    api.reach(&query.demanded).await?;
    let doubts = api.ports.views.doubts(&row.name)?;
    let now = (api.ports.now)();
    let body = ExposureBody {
        object: "gateway_exposure",
        gateway: &row.name,
        as_of: Time(now),
        complete: doubts.are_all,
        in_doubt: InDoubtBody::all(&doubts, now),
        refunds_in_doubt: RefundsInDoubtBody::all(&doubts, now),
    };
    Ok(Answer::json(StatusCode::OK, &body))
}

/// A gateway.
#[derive(Serialize, ToSchema)]
#[schema(as = Gateway)]
struct GatewayBody<'a> {
    #[schema(pattern = "^gateway$", examples("gateway"))]
    object: &'static str,
    #[schema(value_type = values::GatewayName)]
    name: &'a GatewayName,
    #[schema(value_type = values::GatewayKindName)]
    kind: GatewayKind,
    /// Null where the kind says it.
    #[schema(required = true, examples("http://127.0.0.1:8090"))]
    base_url: Option<&'a str>,
    /// Null where this process does not know; then there is a reason.
    #[schema(required = true)]
    breaker: Option<BreakerBody>,
    /// The same.
    #[schema(required = true)]
    bulkhead: Option<BulkheadBody>,
    /// Why this process does not know how its calls go.
    #[schema(required = true, examples(json!(null)))]
    unknown_because: Option<&'static str>,
    promises: PromisesBody,
    /// Whether the secrets of its notifications are configured.
    takes_notifications: bool,
}

/// Whether the gateway is called.
#[derive(Serialize, ToSchema)]
#[schema(as = Breaker)]
struct BreakerBody {
    #[schema(value_type = values::BreakerStateName)]
    state: &'static str,
    /// When it is tried again; null while it is closed.
    #[schema(value_type = Option<values::Time>, required = true, examples(json!(null)))]
    open_until: Option<Time>,
}

/// How many calls are under way.
#[derive(Serialize, ToSchema)]
#[schema(as = Bulkhead)]
struct BulkheadBody {
    calls_under_way: usize,
    #[schema(examples(256))]
    calls_limit: usize,
    /// Operations that wait for a place.
    operations_waiting: usize,
}

/// What the configuration says that the gateway promises.
#[derive(Serialize, ToSchema)]
#[schema(as = GatewayPromises)]
struct PromisesBody {
    /// How long it knows an idempotency key.
    #[schema(examples(24))]
    key_retention_hours: u64,
    /// How long one call can take.
    #[schema(examples(20_000))]
    maximum_call_time_ms: u64,
    /// After that an inquiry knows of a call.
    #[schema(examples(5000))]
    ingestion_window_ms: u64,
    #[schema(value_type = values::InquiryKindName)]
    inquiry: InquiryKind,
    /// The same of refunds.
    #[schema(value_type = values::InquiryKindName)]
    refund_inquiry: InquiryKind,
}

impl<'a> GatewayBody<'a> {
    fn of(row: &'a GatewayRow, traffic: Option<GatewayTraffic>) -> Self {
        Self {
            object: "gateway",
            name: &row.name,
            kind: row.kind,
            base_url: row.base_url.as_deref(),
            breaker: traffic.map(|traffic| BreakerBody {
                state: traffic.breaker.label(),
                open_until: traffic.open_until.map(Time),
            }),
            bulkhead: traffic.map(|traffic| BulkheadBody {
                calls_under_way: traffic.under_way,
                calls_limit: traffic.limit,
                operations_waiting: traffic.waiting,
            }),
            unknown_because: traffic.is_none().then_some(NOT_CALLED_HERE),
            promises: PromisesBody {
                key_retention_hours: row.key_retention_hours,
                maximum_call_time_ms: row.maximum_call_time_ms,
                ingestion_window_ms: row.ingestion_window_ms,
                inquiry: row.inquiry,
                refund_inquiry: row.refund_inquiry,
            },
            takes_notifications: !row.webhook_secrets.is_empty(),
        }
    }
}

/// Money of which nobody knows whether this gateway charged it, or gave it back.
#[derive(Serialize, ToSchema)]
#[schema(as = GatewayExposure)]
struct ExposureBody<'a> {
    #[schema(pattern = "^gateway_exposure$", examples("gateway_exposure"))]
    object: &'static str,
    #[schema(value_type = values::GatewayName)]
    gateway: &'a GatewayName,
    #[schema(value_type = values::Time)]
    as_of: Time,
    /// Whether every payment and refund in doubt is in the sums.
    complete: bool,
    /// What it may have charged.
    in_doubt: Vec<InDoubtBody>,
    /// What it may have given back.
    refunds_in_doubt: Vec<RefundsInDoubtBody>,
}

/// The sum of one currency and age, counted from when the payment was requested.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InDoubt)]
struct InDoubtBody {
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::DoubtAgeName)]
    age: &'static str,
    /// How many payments.
    #[schema(examples(1))]
    payments: u64,
    /// Their sum.
    #[schema(value_type = values::MinorUnits)]
    amount: i64,
}

/// The sum of one currency and age, counted from when the refund was requested.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RefundsInDoubt)]
struct RefundsInDoubtBody {
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::DoubtAgeName)]
    age: &'static str,
    /// How many refunds.
    #[schema(examples(1))]
    refunds: u64,
    /// Their sum.
    #[schema(value_type = values::MinorUnits)]
    amount: i64,
}

impl InDoubtBody {
    fn all(doubts: &Doubts, now: Timestamp) -> Vec<Self> {
        let payments = doubts.payments.iter().map(|row| (row.money, row.created_at));
        let body = |Sum { currency, age, count: payments, amount }| Self {
            currency,
            age,
            payments,
            amount,
        };
        by_currency_and_age(payments, now).map(body).collect()
    }
}

impl RefundsInDoubtBody {
    fn all(doubts: &Doubts, now: Timestamp) -> Vec<Self> {
        let refunds = doubts.refunds.iter().map(|row| (row.money, row.created_at));
        let body =
            |Sum { currency, age, count: refunds, amount }| Self { currency, age, refunds, amount };
        by_currency_and_age(refunds, now).map(body).collect()
    }
}

struct Sum {
    currency: &'static str,
    age: &'static str,
    count: u64,
    amount: i64,
}

fn by_currency_and_age(
    all: impl Iterator<Item = (Money, Timestamp)>,
    now: Timestamp,
) -> impl Iterator<Item = Sum> {
    let mut sums: BTreeMap<(&'static str, usize), (u64, i64)> = BTreeMap::new();
    for (money, created_at) in all {
        let age = now.since(created_at);
        let bucket = AGES.iter().position(|(_, bound)| age < *bound).unwrap_or(AGES.len());
        let currency: Currency = money.currency();
        let (count, amount) = sums.entry((currency.code(), bucket)).or_default();
        *count += 1;
        *amount = amount.saturating_add(money.amount().minor());
    }
    sums.into_iter().map(|((currency, bucket), (count, amount))| {
        let age = AGES.get(bucket).map_or(OLDEST, |(name, _)| *name);
        Sum { currency, age, count, amount }
    })
}
