//! The gateway simulator: a payment provider of its own, over real HTTP, stateful and durable.
//!
//! # Its API
//!
//! `POST /v1/charges`, header `Idempotency-Key: <1 to 255 visible ASCII>`, JSON body
//! `{amount, currency, reference, attempt_id}` (amount in minor units, reference = payment id):
//!
//! - 201 `{id: "ch_…", status: "succeeded" | "declined", decline_code?, amount, currency,
//!   reference, attempt_id, idempotency_key, created}` (`created`: Unix time in milliseconds). A
//!   declined charge is decided, and stored, as a succeeded one is.
//! - The same key and body again: the stored answer with `Idempotent-Replayed: true`, for ever.
//! - 409 `idempotency_key_in_use` while another request with the key is under way, 422
//!   `idempotency_key_reused` for another body under a settled key.
//! - Errors: `{error: {code, message}, processed?: false}`. `processed: false` is a promise that
//!   this request charged nothing and never will; 5xx, 409 and 422 do not make it.
//!
//! `GET /v1/charges?idempotency_key=…`, the inquiry: 200 `{found: true, idempotency_key, charge}`
//! or `{found: false, idempotency_key}`; 409 while a request with the key is under way. So
//! inquiries are authoritative, the ingestion window is zero, and not-found is never a 404.
//!
//! `GET /v1/ground-truth`: every charge ever decided, one JSON object per line, oldest first, with
//! the fields of the 201 above: for `holdfast audit`. `GET /health`: `{status: "ok", charges}`.
//!
//! `POST /v1/refunds`, the same with `charge` (the id of a charge) besides, `attempt_id` the
//! refund's own id; its answers have the id `re_…` and the `charge`. More than the charge took is
//! declined, `refund_exceeds_charge`; a charge that is not there, or of another payment or
//! currency, is 400. `GET /v1/refunds?idempotency_key=…`: as the inquiry above, `refund` in the
//! place of `charge`. `GET /v1/ground-truth/refunds`: every refund.
//!
//! Whoever is named in the behaviour gets notifications (see docs/simulator.md).
//!
//! `/admin/behaviour`, `/admin/outage`, `/admin/audit`, `/admin/charges`: see docs/simulator.md.
//!
//! Every answer carries a `Request-Id`. Amounts make it misbehave ([`magic`]), and so does a
//! [`behaviour`] that gives a share of the keys the same.
//!
//! # Invariants
//!
//! - A key is charged at most once, also across kill -9 and restart on the same state directory.
//! - No answer, and no silence, precedes the charge it is about being in the file
//!   ([`ground_truth`]); an unanswered charge may or may not be there.
//! - A stop is graceful: pauses end at once, bookings under way are finished and answered, silent
//!   calls are reset.
//!
//! It deliberately knows nothing of payments, wallets or the ledger, and has no credentials: it
//! listens on loopback unless told otherwise.

mod admin;
mod answers;
pub mod audit;
pub mod behaviour;
mod charge_book;
mod charges;
mod connections;
pub mod deceit;
mod desk;
pub mod ground_truth;
mod in_process;
pub mod magic;
pub mod notifier;
pub mod outage;
mod refunds;
mod routes;
mod settled_keys;
mod severable;
mod submission;
mod tries;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

pub use in_process::InProcessGateway;

use behaviour::Behaviour;
use charge_book::{ChargeBook, Closed};
use desk::Desk;
use ground_truth::GroundTruthError;
use refunds::Refunds;

/// Longest time that a stop waits for connections to end; a caller that never finishes sending its
/// request must not hold the process.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// How long the simulator's pauses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Before a slow answer.
    pub short: Duration,
    /// Before a very slow charge.
    pub long: Duration,
}

/// What a simulator needs to start.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Directory of the ground truth, made when missing.
    pub state_dir: PathBuf,
    /// Its pauses.
    pub pace: Pace,
    /// How it behaves until it is told otherwise.
    pub behaviour: Behaviour,
}

/// Why a simulator cannot start or go on.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The ground truth cannot be opened.
    #[error(transparent)]
    GroundTruth(#[from] GroundTruthError),
    /// A thread or task of the simulator ended in a panic.
    #[error("a part of the gateway simulator has crashed: {0}")]
    Crashed(String),
}

/// A simulator that listens, and answers as soon as it is served.
#[derive(Debug)]
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    books: (ChargeBook, Refunds),
    closed: [Closed; 2],
    options: SimulatorOptions,
}

impl Default for Pace {
    /// The pauses that the documentation of the magic amounts names.
    fn default() -> Self {
        Self { short: Duration::from_millis(1500), long: Duration::from_secs(15) }
    }
}

impl Simulator {
    /// Loads the ground truth of the state directory, then starts to listen: whoever can connect is
    /// answered with all charges known.
    pub async fn bind(options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let (listen, state_dir) = (options.listen, options.state_dir.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let (book, closed) = ChargeBook::open(&state_dir)?;
            let (refunds, refunds_closed) = Refunds::open(&state_dir)?;
            Ok::<_, GroundTruthError>(((book, refunds), [closed, refunds_closed]))
        });
        let (books, closed) =
            opened.await.map_err(|crash| SimulatorError::Crashed(crash.to_string()))??;
        let cannot_listen = |source| SimulatorError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        Ok(Self { listener, address, books, closed, options })
    }

    /// The address it listens on, with the port that was taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` completes, then stops gracefully. Returns when every booking is in
    /// the file and the file is closed, so that the state directory can be used again at once.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SimulatorError> {
        let (stop, stopping) = watch::channel(false);
        let (charges, seed) = (self.books.0.charges(), self.options.behaviour.seed);
        info!(address = %self.address, charges, seed, "Gateway simulator listens.");

        let desk = Arc::new(Desk::new(self.books, &self.options, stopping.clone()));
        let (listener, closed) = (self.listener, self.closed);
        let server = async move {
            connections::serve(listener, desk).await?;
            // The last handler and the last late booking have let go of the book.
            for closed in closed {
                closed.wait().await;
            }
            Ok(())
        };
        let stop_when_asked = async move {
            shutdown.await;
            stop.send_replace(true);
            // The server ends when everything under way has.
            std::future::pending::<()>().await;
        };
        let drained = tokio::select! {
            ended = server => {
                ended.map_err(|source| SimulatorError::Listen { address: self.address, source })?;
                true
            }
            () = stop_when_asked => false,
            () = drain_deadline(stopping) => false,
        };
        if drained {
            info!("Gateway simulator has stopped.");
        } else {
            warn!("Connections were still open at the end of the drain time.");
        }
        Ok(())
    }
}

async fn drain_deadline(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone has stopped as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
    tokio::time::sleep(LONGEST_DRAIN).await;
}
