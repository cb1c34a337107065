//! The HTTP API against a scripted ledger: what callers get for what they send.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod bad_input;
mod caller;
mod error_table;
mod gateways;
mod health;
mod ledger;
mod lists;
mod outage;
mod payments;
mod positions;
mod refusals;
mod timelines;
mod wallets;
