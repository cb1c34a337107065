//! Connections in, exchanges out: accepts, serves HTTP/1.1, and refuses during an outage.
//!
//! Invariants: a stop is graceful (exchanges under way are finished); an outage of kind `refuse`
//! closes the listening socket and every connection, and the same address is listened on again when
//! it is over.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::charges;
use super::desk::Desk;
use super::outage::OutageKind;
use super::routes;
use super::severable::SeverableStream;

/// The wait before accepting again when the process has no file descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until the desk stops, then finishes what is under way.
pub(super) async fn serve(listener: TcpListener, desk: Arc<Desk>) -> io::Result<()> {
    let address = listener.local_addr()?;
    let router = routes::router(Arc::clone(&desk));
    let mut listener = listener;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&desk.stopping) => break,
            () = desk.outages.begins(OutageKind::Refuse) => {
                info!("An outage begins: connections are refused.");
                drop(listener);
                connections.shutdown().await;
                tokio::select! {
                    () = stopped(&desk.stopping) => return Ok(()),
                    () = desk.outages.ends(OutageKind::Refuse) => {}
                }
                listener = TcpListener::bind(address).await?;
                info!("The outage is over.");
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(exchange(stream, Arc::clone(&desk), router.clone()));
                }
                // The caller was gone before it was his turn.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!(%error, "A connection cannot be accepted.");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
            // A connection that broke is its caller's to notice.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Serves one connection until it ends.
async fn exchange(stream: TcpStream, desk: Arc<Desk>, router: Router) {
    let (stream, lever) = SeverableStream::new(stream);
    let stopping = desk.stopping.clone();
    let service = service_fn(move |request| {
        let (desk, lever, router) = (Arc::clone(&desk), lever.clone(), router.clone());
        async move { Ok::<_, Infallible>(charges::answer(desk, lever, router, request).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let is_over = tokio::select! {
        _ = connection.as_mut() => true,
        () = stopped(&stopping) => false,
    };
    if !is_over {
        connection.as_mut().graceful_shutdown();
        // An error is a caller that hung up.
        let _ = connection.await;
    }
}

/// Returns when the simulator stops.
pub(super) async fn stopped(stopping: &watch::Receiver<bool>) {
    let mut stopping = stopping.clone();
    // A sender that is gone has stopped as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
