//! The harness of the end-to-end tests: real Kafka, a real registry, real processes, real HTTP.
//!
//! One broker and one registry serve the whole test binary ([`cluster`]); every test has an
//! [`installation`] of its own beside the others: topics, ports, a directory, a gateway simulator
//! and an application, each a process that can be killed. Waiting is always for a condition with a
//! deadline ([`wait`]). Nothing outlives the test binary, however it ends ([`scratch`]).
//!
//! It looks at the product from outside (HTTP, topics, files), and takes only the language of the
//! log and the independent audit from its code.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the line that did")]
#![allow(clippy::missing_panics_doc, reason = "to panic is how a test says what is wrong")]
#![allow(clippy::return_self_not_must_use, reason = "an expectation stands for itself")]

pub mod caller;
pub mod cluster;
pub mod command_line;
pub mod containers;
pub mod detour;
pub mod example;
pub mod executable;
pub mod gateway_admin;
pub mod installation;
pub mod journal;
pub mod openapi;
pub mod process;
pub mod producer;
pub mod python;
pub mod random;
pub mod scratch;
pub mod stores;
pub mod wait;
