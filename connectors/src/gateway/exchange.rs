//! One HTTP exchange with a gateway: a request out, an answer back or the reason why not.
//!
//! Invariants: a request is sent at most once, whatever happens; redirects and proxies do not
//! exist here. [`Unanswered::NotConnected`] is said only when no byte of the request can have left.
//! Nothing is sent after the deadline: it is looked at before each step, also when the process was
//! stopped for an hour in between.
//!
//! Connections are kept and used again, and one belongs to one exchange at a time, which drives it
//! in its own task: nobody writes for an exchange that has been given up. A kept connection that is
//! found closed before the request was begun on it is replaced; one that breaks later is lost.
//!
//! It deliberately knows nothing of what is asked or answered.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_tls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::Service;

/// Longest time for making a connection, unless configured. Shorter than a call, so that a host
/// that is not there is told apart from a gateway that does not answer.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept: shorter than the minute after which middle boxes forget.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(45);
/// How many connections may be in the making: a host that is not asked for more at once than its
/// queue of new ones holds (often 128) drops none. Whoever waits takes what is kept meanwhile.
const CONNECTING: usize = 64;
/// Longest answer that is read: a charge has some 400 bytes.
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1024;

type Transport = MaybeHttpsStream<TokioIo<TcpStream>>;
type Outgoing = Request<Full<Bytes>>;

/// A host that is talked to; clones share its connections.
#[derive(Clone)]
pub(super) struct Peer {
    base: Uri,
    connector: HttpsConnector<HttpConnector>,
    kept: Arc<Mutex<VecDeque<Kept>>>,
    /// A permit for each connection that may be in the making.
    connecting: Arc<Semaphore>,
    connect_timeout: Duration,
}

/// An answer that was received whole, or up to the limit.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// At most [`MAX_ANSWER_BYTES`] and one chunk.
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// No byte of the request can have left.
    NotConnected(String),
    /// The connection ended before the answer did.
    Lost(String),
    /// The deadline passed after the request was begun.
    TimedOut,
}

/// A connection that no exchange uses, and nobody polls.
struct Kept {
    link: Link,
    since: Instant,
}

/// Whether a connection has carried an exchange before.
#[derive(Clone, Copy)]
enum Age {
    New,
    Kept,
}

/// Both ends of a connection.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    wire: Wire,
}

/// The end that reads and writes; gone when it is closed, which tells the sender.
struct Wire(Option<Pin<Box<Exchanges>>>);

type Exchanges = Connection<Transport, Full<Bytes>>;

impl fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peer").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Peer {
    /// A host by the scheme and the authority of its base URL.
    pub(super) fn new(base: Uri, connect_timeout: Duration) -> Result<Self, String> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect_timeout));
        let tls = hyper_tls::native_tls::TlsConnector::new().map_err(|error| error.to_string())?;
        let connector = HttpsConnector::from((http, tls.into()));
        let connecting = Arc::new(Semaphore::new(CONNECTING));
        Ok(Self { base, connector, kept: Arc::default(), connecting, connect_timeout })
    }

    /// Sends `request` (its URI is path and query, its headers name the host) once.
    pub(super) async fn exchange(
        &self,
        request: Outgoing,
        until: Instant,
    ) -> Result<Answer, Unanswered> {
        let has_begun = AtomicBool::new(false);
        let mut exchange = pin!(self.try_exchange(request, &has_begun));
        let in_time = poll_fn(|context| {
            if Instant::now() >= until {
                return Poll::Ready(None);
            }
            exchange.as_mut().poll(context).map(Some)
        });
        let done = tokio::time::timeout_at(until, in_time).await;
        done.ok().flatten().unwrap_or_else(|| {
            Err(if has_begun.load(Ordering::Relaxed) {
                Unanswered::TimedOut
            } else {
                Unanswered::NotConnected("no connection in time".to_owned())
            })
        })
    }

    async fn try_exchange(
        &self,
        mut request: Outgoing,
        has_begun: &AtomicBool,
    ) -> Result<Answer, Unanswered> {
        loop {
            let (mut link, age) = self.link().await.map_err(Unanswered::NotConnected)?;
            has_begun.store(true, Ordering::Relaxed);
            match (link.send(request).await, age) {
                (Ok(response), _) => return self.read(link, response).await,
                (Err(NotSent::Begun(reason)), _) => return Err(Unanswered::Lost(reason)),
                (Err(NotSent::Unbegun(_, reason)), Age::New) => {
                    return Err(Unanswered::NotConnected(reason));
                }
                (Err(NotSent::Unbegun(unsent, _)), Age::Kept) => request = *unsent,
            }
            has_begun.store(false, Ordering::Relaxed);
        }
    }

    /// A connection of our own.
    async fn link(&self) -> Result<(Link, Age), String> {
        if let Some(kept) = self.take() {
            return Ok((kept, Age::Kept));
        }
        let _place = self.connecting.acquire().await.map_err(|closed| closed.to_string())?;
        // Somebody may have finished meanwhile.
        match self.take() {
            Some(kept) => Ok((kept, Age::Kept)),
            None => Ok((self.connect().await?, Age::New)),
        }
    }

    async fn connect(&self) -> Result<Link, String> {
        // A DNS server or a TLS handshake can take long as well.
        let made = tokio::time::timeout(self.connect_timeout, async {
            let mut connector = self.connector.clone();
            let ready = poll_fn(|context| connector.poll_ready(context)).await;
            ready.map_err(|error| root_cause(&*error))?;
            let made = connector.call(self.base.clone()).await;
            made.map_err(|error| root_cause(&*error))
        });
        let transport = made.await.unwrap_or_else(|_| Err("no connection in time".to_owned()))?;
        let (sender, connection) =
            http1::handshake(transport).await.map_err(|error| root_cause(&error))?;
        Ok(Link { sender, wire: Wire(Some(Box::pin(connection))) })
    }

    /// Reads the answer, and keeps the connection if it can be used again.
    async fn read(
        &self,
        mut link: Link,
        response: Response<Incoming>,
    ) -> Result<Answer, Unanswered> {
        let (head, mut incoming) = response.into_parts();
        let mut body = Bytes::new();
        let mut is_whole = false;
        while body.len() <= MAX_ANSWER_BYTES {
            let frame = link.wire.drive(pin!(incoming.frame())).await;
            let Some(frame) = frame else {
                is_whole = true;
                break;
            };
            let frame = frame.map_err(|error| Unanswered::Lost(root_cause(&error)))?;
            let Ok(chunk) = frame.into_data() else { continue };
            // Answers come in one piece, mostly.
            body = if body.is_empty() { chunk } else { [body, chunk].concat().into() };
        }
        // Once more, so that the connection is idle and hears of its end.
        link.wire.drive(pin!(std::future::ready(()))).await;
        if is_whole && link.wire.is_open() {
            self.keep(link);
        }
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// The connection that was used last: the others may grow old.
    fn take(&self) -> Option<Link> {
        let last = self.kept().pop_back()?;
        (last.since.elapsed() <= IDLE_CONNECTION_KEPT).then_some(last.link)
    }

    fn keep(&self, link: Link) {
        let since = Instant::now();
        let mut kept = self.kept();
        kept.push_back(Kept { link, since });
        while kept.front().is_some_and(|oldest| since - oldest.since > IDLE_CONNECTION_KEPT) {
            kept.pop_front();
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that got no answer on a connection.
enum NotSent {
    /// Not a byte of it was written: here it is again.
    Unbegun(Box<Outgoing>, String),
    /// It may have been written.
    Begun(String),
}

impl Link {
    async fn send(&mut self, request: Outgoing) -> Result<Response<Incoming>, NotSent> {
        // A connection that was closed while it was kept says so now.
        let ready = poll_fn(|context| self.sender.poll_ready(context));
        if let Err(error) = self.wire.drive(pin!(ready)).await {
            return Err(NotSent::Unbegun(Box::new(request), root_cause(&error)));
        }
        let answered = pin!(self.sender.try_send_request(request));
        self.wire.drive(answered).await.map_err(|mut failure| match failure.take_message() {
            Some(unsent) => NotSent::Unbegun(Box::new(unsent), root_cause(failure.error())),
            None => NotSent::Begun(root_cause(failure.error())),
        })
    }
}

impl Wire {
    fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Reads and writes until `wanted` is there.
    async fn drive<T>(&mut self, mut wanted: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|context| {
            // Its error is told to whoever waits for an answer.
            if self.0.as_mut().is_some_and(|wire| wire.as_mut().poll(context).is_ready()) {
                self.0 = None;
            }
            wanted.as_mut().poll(context)
        })
        .await
    }
}

/// The innermost error: the outer ones repeat the URL.
fn root_cause(failure: &(dyn std::error::Error + 'static)) -> String {
    const MAX_CHARS: usize = 128;
    let mut cause = failure;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(MAX_CHARS).collect()
}
