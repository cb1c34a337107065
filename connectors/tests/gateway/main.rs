//! The gateway client against the real simulator, over real HTTP on loopback: what the client makes
//! of each answer, and what the ground truth says really happened.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod admin;
mod harness;
mod magic_amounts;
mod simulator;
mod wire;
