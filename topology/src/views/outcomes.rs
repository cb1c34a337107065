//! Who waits for the outcome of which command.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use connectors::ports::CommandOutcome;
use tokio::sync::oneshot;

/// The waiters of this process, by command id. A command id is random for each try, so each has
/// one.
#[derive(Default)]
pub struct Outcomes(Mutex<Waiters>);

#[derive(Default)]
struct Waiters {
    by_command: HashMap<String, oneshot::Sender<CommandOutcome>>,
    /// Sweep abandoned waiters when there are this many: at least twice those that were alive.
    sweep_at: usize,
}

/// Below so many waiters a sweep is not worth its while.
const FIRST_SWEEP: usize = 1024;

impl Outcomes {
    /// Registers a waiter.
    pub fn register(&self, command_id: &str) -> oneshot::Receiver<CommandOutcome> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.by_command.len() >= waiters.sweep_at.max(FIRST_SWEEP) {
            waiters.by_command.retain(|_, sender| !sender.is_closed());
            waiters.sweep_at = waiters.by_command.len() * 2;
        }
        waiters.by_command.insert(command_id.to_owned(), sender);
        receiver
    }

    /// How many wait, those that gave up lately included.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_command.len()
    }

    /// Tells those who wait for these commands. An outcome is asked for only where one waits.
    pub fn resolve<'a>(
        &self,
        outcomes: impl Iterator<Item = (&'a str, impl FnOnce() -> CommandOutcome)>,
    ) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.by_command.is_empty() {
            return;
        }
        for (command_id, outcome) in outcomes {
            if let Some(sender) = waiters.by_command.remove(command_id) {
                // A waiter that gave up is no failure.
                let _ = sender.send(outcome());
            }
        }
    }
}
