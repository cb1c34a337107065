//! Serves a router on a listener until told to stop.

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::warn;

/// The longest that a stop waits for requests under way; one with `Prefer: wait` may be cut off,
/// and its caller repeats it with its key.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// Answers until `shutdown` completes, then takes no new connection and finishes the requests under
/// way for at most ten seconds.
///
/// # Errors
/// The listener failed for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // An answer is one small write: waiting to fill a packet only delays it.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        drop(stop);
    });
    tokio::select! {
        result = serving => result,
        () = drain_deadline(stopped) => {
            warn!("Requests were still under way at the end of the drain time.");
            Ok(())
        }
    }
}

async fn drain_deadline(stopped: oneshot::Receiver<()>) {
    // The sender is dropped, never used: its end is the signal.
    let _ = stopped.await;
    tokio::time::sleep(LONGEST_DRAIN).await;
}
