//! End to end: the built executable on real Kafka, a real registry, a real gateway over HTTP.
//!
//! One test binary, so that one broker serves all of it. Each module is one promise of the product;
//! each test has an installation of its own, and looks at it only as anyone outside could.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the line that did")]

mod bad_records;
mod bad_requests;
mod bad_worlds;
mod cancellations_and_reviews;
mod command_line;
mod crash_windows;
mod crashes;
mod dead_letters;
mod direct_producers;
mod explanations;
mod gateway_faults;
mod gateway_follower;
mod gateway_refunds;
mod gateway_table;
mod held_transfers;
mod idempotency;
mod kill_schedule;
mod killed_run;
mod load;
mod load_command;
mod metrics;
mod notifications;
mod openapi;
mod orphans;
mod outage;
mod outcomes;
mod overload;
mod pauses;
mod payments;
mod policies;
mod races;
mod rebuild;
mod redriven_letters;
mod refunds_and_transfers;
mod registry_away;
mod resolutions;
mod roles;
mod second_successes;
mod slow_gateways;
mod stores;
mod telemetry;
mod terminations;
mod timelines;
mod transfers;
mod upgrades;
mod wallet_changes;
