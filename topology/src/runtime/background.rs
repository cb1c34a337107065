//! What runs beside the parts of a process: probes, watches, checks of the registry.
//!
//! Every task is joined when the process stops: one that still held a Kafka client then would run
//! into the end of the C library.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

/// The tasks in the background.
pub(crate) struct Background {
    cut_off: Mutex<JoinSet<()>>,
    asked: Mutex<JoinSet<()>>,
    stopping: watch::Sender<bool>,
}

impl Default for Background {
    fn default() -> Self {
        let (stopping, _) = watch::channel(false);
        Self { cut_off: Mutex::default(), asked: Mutex::default(), stopping }
    }
}

impl Background {
    /// Runs this until the process stops. It is cut off wherever it waits.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.cut_off.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// Does this again and again with these pauses until the process stops. A turn is never cut
    /// off: it may be on a thread that nobody can stop.
    pub fn repeat<F>(&self, pause: Duration, mut turn: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut stopping = self.stopping.subscribe();
        let task = async move {
            loop {
                turn().await;
                let stop = stopping.wait_for(|stopping| *stopping);
                if tokio::time::timeout(pause, stop).await.is_ok() {
                    return;
                }
            }
        };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// Ends every task and waits until they are gone.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        take(&self.cut_off).shutdown().await;
        take(&self.asked).join_all().await;
    }
}

fn take(tasks: &Mutex<JoinSet<()>>) -> JoinSet<()> {
    std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner))
}
