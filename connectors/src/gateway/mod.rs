//! Gateways: the external payment providers, and the only code that calls them.
//!
//! - [`operation`]: what is asked of a gateway, and the classified answer that goes back.
//! - [`classification`]: the one table from "what came back over the wire" to an outcome class.
//! - [`client`]: the clients of all kinds of gateways as one type.
//! - [`table`]: which gateways there are, what they promise, and which is asked first.
//! - [`breaker`], [`retry_budget`]: when a gateway is left alone, and how often it is asked again.
//! - [`notification`], [`signature`]: what gateways say unasked, and who says it.
//! - `exchange`: one HTTP request and its answer, sent at most once.
//! - [`stripe`]: the client of a gateway of kind `stripe`, and Stripe's notifications.
//! - [`simulator_client`]: the HTTP client of a gateway of kind `simulator`.
//! - [`simulator`]: that gateway itself, a real and stateful HTTP server that misbehaves on
//!   request.
//!
//! Invariants: an operation is tried once, retries belong to the ledger; an outcome that is not
//! known is reported as unknown and never guessed; nothing here knows of Kafka, shards, attempts of
//! earlier processes, or what a payment does with an outcome.

mod base_url;
pub mod breaker;
pub mod classification;
pub mod client;
pub mod evidence;
mod exchange;
pub mod notification;
pub mod operation;
pub mod retry_budget;
pub mod secret;
pub mod signature;
pub mod simulator;
pub mod simulator_client;
pub mod stripe;
pub mod table;
