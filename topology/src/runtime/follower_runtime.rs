//! Where the followers of the journal run: beside the HTTP server, not in its queue.
//!
//! In one runtime with it, every step of a gateway call would wait behind all requests that came in
//! meanwhile. Beyond what the machine can do, payments would be let in and not ended. With a thread
//! of its own, the operating system gives both their share.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use anyhow::Context;
use futures::FutureExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A runtime of one thread, and whom it tells when a follower ends that should not.
pub(super) struct FollowerRuntime {
    /// There until this is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    report: mpsc::Sender<anyhow::Error>,
}

impl FollowerRuntime {
    pub fn start(report: &mpsc::Sender<anyhow::Error>) -> anyhow::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("followers").enable_all().build();
        let runtime = runtime.context("the followers of the journal get no thread")?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle, report: report.clone() })
    }

    /// Runs a follower; that it fails, or panics, is reported with its name.
    pub fn spawn<E: Into<anyhow::Error> + Send>(
        &self,
        name: &'static str,
        run: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> JoinHandle<()> {
        let report = self.report.clone();
        self.handle.spawn(async move {
            let error = match AssertUnwindSafe(run).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.into(),
                Err(_) => anyhow::anyhow!("{name} panicked; the log above says where"),
            };
            // Nobody listens any more when the process ends anyway.
            let _ = report.send(error).await;
        })
    }
}

impl Drop for FollowerRuntime {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which a task of another one must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn a_follower_goes_on_while_the_callers_of_the_api_have_their_runtime_busy() {
        let (report, _reported) = mpsc::channel(1);
        let runtime = FollowerRuntime::start(&report).expect("starts");
        let (called, calls) = std::sync::mpsc::channel();
        let follower = runtime.spawn("a follower", async move {
            tokio::task::yield_now().await;
            called.send(()).expect("somebody listens");
            Ok::<(), Infallible>(())
        });
        // The only thread of this runtime does nothing else meanwhile.
        calls.recv().expect("the follower runs elsewhere");
        follower.await.expect("no panic");
    }

    #[tokio::test]
    async fn a_follower_that_fails_or_panics_is_reported_by_its_name() {
        let (report, mut reported) = mpsc::channel(2);
        let runtime = FollowerRuntime::start(&report).expect("starts");
        let failing = runtime.spawn("the first", async { Err(anyhow::anyhow!("superseded")) });
        failing.await.expect("no panic");
        assert_eq!(reported.recv().await.expect("a report").to_string(), "superseded");
        let fails = std::hint::black_box(true);
        let panicking = runtime.spawn("the second", async move {
            assert!(!fails, "on purpose");
            Ok::<(), Infallible>(())
        });
        panicking.await.expect("the panic is caught");
        let told = reported.recv().await.expect("a report").to_string();
        assert!(told.starts_with("the second panicked"), "{told}");
    }
}
