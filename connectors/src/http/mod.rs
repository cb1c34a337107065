//! The HTTP API: requests become commands in the log, answers come out of the views.
//!
//! One request goes this way: `exchange` gives it its ids, extractors prove its fields, a handler
//! (`payments`, `refunds`, `transfers`, `wallets` …) turns it into a command, `submission`
//! registers the waiter, appends and waits, and the handler answers from the view row in its
//! current state.
//!
//! # Invariants
//!
//! - The waiter is registered before the append, so no decision is missed.
//! - A 2xx or 402 about a payment means: durable in the log. What is not known is said to be
//!   unknown (202 `accepted`, 503 `log_unavailable`), never guessed.
//! - Every refusal is `application/problem+json` with a code of [`schemas::ErrorCode`]; a caller
//!   cannot cause a 500, and a panic ends in a 500 that says nothing of the inside.
//! - Everything a request can hold is bounded: body, texts, pages, waits, requests in flight.
//!
//! It deliberately knows nothing of Kafka, of stores, and of what makes a payment acceptable: that
//! the ledger decides. Checks here only spare the log what can never be accepted.

mod admission;
mod answer;
mod balances;
mod body;
mod cancellations;
mod cursor;
mod deposits;
mod error_page;
mod event_body;
mod exchange;
mod fields;
mod gateways;
mod headers;
mod health;
mod holds;
mod notifications;
mod openapi;
mod page;
mod path;
mod payment_events;
mod payment_list;
mod payments;
mod problem;
mod query;
mod rails;
mod recently_accepted;
mod refunds;
mod representations;
mod requests;
mod reversals;
mod reviews;
mod router;
mod sagas;
mod server;
mod statement;
mod submission;
mod suspense;
mod transfers;
mod view_wait;
mod wallet_changes;
mod wallets;
mod withdrawals;

use std::sync::Arc;
use std::time::Duration;

use schemas::{TenantId, Timestamp};

use crate::ports::{CommandLog, Health, Views};

pub use gateways::GatewayDesk;
pub use router::{document, health_router, router};
pub use server::serve;

use admission::Admission;
use recently_accepted::RecentlyAccepted;

/// Where the routes of this API begin; health stands outside.
pub const BASE_PATH: &str = "/api/v1";

/// The largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// How strict the installation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Idempotency keys, rails and references may be left out; texts stand in the log as plaintext.
    Dev,
    /// All of them are required, and no plaintext goes into the log.
    Production,
}

/// How the API behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiOptions {
    /// How strict it is.
    pub profile: Profile,
    /// How long a POST without `Prefer: wait` waits for its decision before it answers 202.
    pub decision_timeout: Duration,
    /// How long a GET waits for its view to reach a position or a payment that is on its way.
    pub view_timeout: Duration,
    /// How many requests are handled at a time; more are told `overloaded`.
    pub in_flight_limit: usize,
    /// How many requests of one wallet may wait for their decision at a time; more are told
    /// `too_many_in_flight`.
    pub wallet_in_flight_limit: usize,
}

impl ApiOptions {
    /// The documented defaults.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            decision_timeout: Duration::from_secs(5),
            view_timeout: Duration::from_secs(2),
            // Ten times what 6,000 requests/s of 60 ms each have under way.
            in_flight_limit: 4096,
            // Twice what a wallet at 5,000 requests/s of 100 ms each has under way, and half of
            // what all wallets together may have.
            wallet_in_flight_limit: 1024,
        }
    }
}

/// What the API needs from the rest of the system.
#[derive(Clone)]
pub struct Ports {
    /// Where commands go in.
    pub log: Arc<dyn CommandLog>,
    /// Where answers come from.
    pub views: Arc<dyn Views>,
    /// Whether the process can do its work.
    pub health: Arc<dyn Health>,
    /// The gateways, and what they say unasked.
    pub gateways: GatewayDesk,
    /// The wall clock, for the deadlines of commands.
    pub now: fn() -> Timestamp,
}

/// What every handler has at hand.
struct Api {
    options: ApiOptions,
    ports: Ports,
    /// The one tenant of this installation.
    tenant: TenantId,
    admission: Admission,
    recently_accepted: RecentlyAccepted,
}

impl Api {
    fn new(options: ApiOptions, ports: Ports) -> Self {
        Self {
            tenant: TenantId::default_tenant(),
            admission: Admission::new(&options),
            recently_accepted: RecentlyAccepted::default(),
            options,
            ports,
        }
    }
}
