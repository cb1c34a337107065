//! Sends the payments of a run through the HTTP API.
//!
//! One thread, connections of its own that are kept and used again, the last used first: what a
//! request costs here is taken from what is measured. Every answer is read whole.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use schemas::ErrorCode;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, sleep};

use super::handover::{Handed, Handover, Job, Refuser};
use super::schedule::Due;

const PATH: &str = "/api/v1/payments";
/// How often a sender that waits looks whether it shall stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After so many payments in a row the connections get their turn.
const PAYMENTS_PER_TURN: u32 = 32;
/// A new connection that is not there after so long is an error.
const CONNECT_BOUND: Duration = Duration::from_secs(5);

/// Where the API is: `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiAddress(String);

impl ApiAddress {
    /// Of a base URL such as `http://127.0.0.1:8080`.
    pub(super) fn of(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            bail!("the API is at http://host:port, not {url}");
        };
        Ok(Self(format!("{host}:{}", uri.port_u16().unwrap_or(80))))
    }
}

/// Sends everything and waits for the answers. Blocks.
pub(super) fn send(job: Job, api: &ApiAddress) -> anyhow::Result<Handover> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handover = Rc::new(RefCell::new(job.handover()));
    let teller = Rc::new(Teller {
        host: HeaderValue::try_from(&api.0).context("the host is no header")?,
        address: api.0.clone(),
        idle: RefCell::default(),
        in_flight: Cell::new(0),
        job,
        handover: Rc::clone(&handover),
    });
    LocalSet::new().block_on(&runtime, pay(teller));
    drop(runtime);
    let handover = Rc::into_inner(handover).context("an exchange outlived its runtime")?;
    Ok(handover.into_inner())
}

/// What the exchanges of a run share.
struct Teller {
    address: String,
    host: HeaderValue,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
    in_flight: Cell<u64>,
    job: Job,
    handover: Rc<RefCell<Handover>>,
}

async fn pay(teller: Rc<Teller>) {
    let mut in_a_row = 0;
    'payments: for due in teller.job.schedule.clone() {
        while let Some(left) = teller.job.until(due) {
            if teller.job.is_stopped() {
                break 'payments;
            }
            sleep(left.min(LOOK_EVERY)).await;
            in_a_row = 0;
        }
        if teller.job.is_stopped() {
            break;
        }
        if teller.in_flight.get() >= teller.job.max_in_flight {
            teller.handover.borrow_mut().next(due, Handed::NotInTime);
        } else {
            teller.handover.borrow_mut().next(due, Handed::Unknown);
            teller.in_flight.update(|count| count + 1);
            spawn_local(exchange(Rc::clone(&teller), due));
        }
        in_a_row += 1;
        if in_a_row >= PAYMENTS_PER_TURN {
            yield_now().await;
            in_a_row = 0;
        }
    }
    let deadline = Instant::now() + teller.job.drain;
    while teller.in_flight.get() > 0 && Instant::now() < deadline {
        sleep(LOOK_EVERY).await;
    }
}

/// What was answered.
struct Answer {
    status: StatusCode,
    /// Of an answer that is no success.
    body: Vec<u8>,
}

/// The part of a problem that is read.
#[derive(Deserialize)]
struct ProblemPart {
    code: String,
}

async fn exchange(teller: Rc<Teller>, due: Due) {
    let answer = teller.ask(due).await;
    teller.in_flight.update(|count| count - 1);
    let mut handover = teller.handover.borrow_mut();
    match answer {
        Ok(Answer { status, .. })
            if status.is_success() || status == StatusCode::PAYMENT_REQUIRED =>
        {
            handover.taken(due);
        }
        Ok(Answer { status, body }) => {
            let code = serde_json::from_slice(&body).map(|problem: ProblemPart| problem.code);
            let known = code.as_deref().ok().and_then(ErrorCode::from_code);
            match (known, code) {
                // The API itself does not know what became of these.
                (Some(ErrorCode::LogUnavailable | ErrorCode::Internal) | None, Ok(code)) => {
                    handover.unknown(due.number, format!("{} {code}", status.as_u16()));
                }
                (None, Err(_)) => handover.unknown(due.number, format!("HTTP {}", status.as_u16())),
                (Some(_), code) => {
                    let is_decision = matches!(status.as_u16(), 404 | 409 | 422 | 423);
                    let refuser = if is_decision { Refuser::Ledger } else { Refuser::Door };
                    handover.refused(due, code.unwrap_or_default(), refuser);
                }
            }
        }
        Err(kind) => handover.unknown(due.number, kind),
    }
}

impl Teller {
    /// One request; an error is the kind of the failure, in a few words.
    async fn ask(&self, due: Due) -> Result<Answer, String> {
        let mut connection = self.connection().await?;
        let answered = connection.send_request(self.request(due)).await;
        let response = match answered {
            Ok(response) => response,
            // A kept connection that the server has closed: the request was not sent.
            Err(error) if error.is_canceled() => {
                connection = self.connect().await?;
                let request = self.request(due);
                connection.send_request(request).await.map_err(|error| kind_of(&error))?
            }
            Err(error) => return Err(kind_of(&error)),
        };
        let answer = read(response).await.map_err(|error| kind_of(&error))?;
        self.idle.borrow_mut().push(connection);
        Ok(answer)
    }

    fn request(&self, due: Due) -> Request<Full<Bytes>> {
        let payer = &self.job.payers[due.wallet];
        let body = format!(
            r#"{{"wallet_id":"{}","amount":{},"currency":"USD"}}"#,
            payer.wallet_id_text, due.amount
        );
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(PATH);
        let key = HeaderValue::try_from(self.job.key(due)).expect("a key is visible ASCII");
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("idempotency-key", key);
        request
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        loop {
            let kept = self.idle.borrow_mut().pop();
            let Some(mut kept) = kept else { return self.connect().await };
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let connected = tokio::time::timeout(CONNECT_BOUND, TcpStream::connect(&self.address));
        let stream = match connected.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(format!("connect: {}", error.kind())),
            Err(_) => return Err("connect: timed out".to_owned()),
        };
        // Requests are written in one piece; waiting for more only delays them.
        let _ = stream.set_nodelay(true);
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| kind_of(&error))?;
        // What goes wrong on the connection is what its requests end with.
        spawn_local(async move { drop(connection.await) });
        Ok(sender)
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Answer, hyper::Error> {
    let status = response.status();
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        if let (false, Some(data)) = (status.is_success(), frame?.data_ref()) {
            body.extend_from_slice(data);
        }
    }
    Ok(Answer { status, body })
}

fn kind_of(error: &hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "connection closed".to_owned();
    }
    let cause = std::error::Error::source(error);
    match cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()) {
        Some(cause) => format!("connection: {}", cause.kind()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_has_a_host_and_a_port() {
        let rows = [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("http://localhost", Some("localhost:80")),
            ("http://[::1]:9", Some("[::1]:9")),
            ("https://localhost", None),
            ("localhost:8080", None),
        ];
        for (url, expected) in rows {
            let address = ApiAddress::of(url).ok();
            assert_eq!(address.as_ref().map(|address| address.0.as_str()), expected, "{url}");
        }
    }
}
