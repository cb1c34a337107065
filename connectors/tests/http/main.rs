//! The HTTP API against a scripted ledger: what callers get for what they send.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod bad_input;
mod caller;
mod changes;
mod contract;
mod demo;
mod error_table;
mod gateways;
mod health;
mod ledger;
mod lists;
mod openapi;
mod outage;
mod past;
mod payments;
mod positions;
mod rails;
mod refunds;
mod refusals;
mod reviews;
mod suspense;
mod timelines;
mod transfers;
mod wallet_changes;
mod wallets;
