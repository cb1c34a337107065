//! The gateway clients over real HTTP on loopback: what they make of each answer, and what the
//! ground truth says really happened. The simulator is the real one; Stripe is its own mock, and a
//! stand-in for what that cannot do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod admin;
mod bad_worlds;
mod harness;
mod magic_amounts;
mod notifications;
mod refunds;
mod simulator;
mod stripe;
mod stripe_mock;
mod stripe_notifications;
mod stripe_stand_in;
mod wire;
