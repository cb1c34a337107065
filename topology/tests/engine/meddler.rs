//! A proxy between one client and the broker that tampers with the ends of Kafka transactions.
//!
//! It looks at whole requests and answers: a length, then for a request the key of its API. The
//! broker's own port in answers is replaced by the proxy's, so that the client comes back through
//! it. It knows of no other part of the protocol.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

const PRODUCE: [u8; 2] = [0, 0];
const END_TXN: [u8; 2] = [0, 26];
/// More than any answer here.
const MAX_FRAME: usize = 64 << 20;

/// What is done to the next end of a Kafka transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// The connection is cut before it, and the broker gets it later: just before the next produced
    /// records.
    Late,
    /// The broker gets it, and the connection is cut before its answer.
    AnswerLost,
}

/// An end of a Kafka transaction that the broker has not got yet, and the way to it.
struct Held {
    request: Vec<u8>,
    to: OwnedWriteHalf,
    from: OwnedReadHalf,
}

struct Shared {
    broker: u16,
    own: u16,
    plan: Mutex<Option<Trick>>,
    held: Mutex<Option<Held>>,
    late_answers: mpsc::UnboundedSender<i16>,
}

/// The proxy. Ends with the value.
pub struct Meddler {
    shared: Arc<Shared>,
    late_answers: mpsc::UnboundedReceiver<i16>,
    task: JoinHandle<()>,
}

impl Meddler {
    /// In front of the broker at this address on the loopback interface.
    pub async fn before(broker: &str) -> Self {
        let (_, broker) = broker.rsplit_once(':').expect("host:port");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let (tell, late_answers) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            broker: broker.parse().expect("a port"),
            own: listener.local_addr().expect("it is bound").port(),
            plan: Mutex::default(),
            held: Mutex::default(),
            late_answers: tell,
        });
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(lead(client, Arc::clone(&accepting)));
            }
        });
        Self { shared, late_answers, task }
    }

    /// Where clients connect.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.shared.own)
    }

    /// Plays this trick on the next end of a Kafka transaction.
    pub fn play(&self, trick: Trick) {
        *self.shared.plan.lock().expect("no panic under it") = Some(trick);
    }

    /// Whether the trick was played.
    pub fn has_played(&self) -> bool {
        self.shared.plan.lock().expect("no panic under it").is_none()
    }

    /// The error code with which the broker has answered a late end; `None` if it came to none.
    pub fn late_answer(&mut self) -> Option<i16> {
        self.late_answers.try_recv().ok()
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until either side ends it or the trick cuts it.
async fn lead(client: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.broker)).await.ok()?;
    let (mut from_client, to_client) = client.into_split();
    let (from_broker, mut to_broker) = broker.into_split();
    let cut = Arc::new(Notify::new());
    let answers = tokio::spawn(answer(from_broker, to_client, Arc::clone(&shared), cut.clone()));
    while let Some(request) = frame(&mut from_client).await {
        let api = &request[4..6];
        if api == PRODUCE {
            deliver_late(&shared).await;
        }
        let trick = if api == END_TXN { shared.plan.lock().ok()?.take() } else { None };
        if trick != Some(Trick::Late) {
            to_broker.write_all(&request).await.ok()?;
        }
        if let Some(trick) = trick {
            cut.notify_one();
            let from = answers.await.ok()??;
            if trick == Trick::Late {
                *shared.held.lock().ok()? = Some(Held { request, to: to_broker, from });
            }
            return None;
        }
    }
    Some(())
}

/// The way back. Cut, it gives the broker's side of the connection.
async fn answer(
    mut from_broker: OwnedReadHalf,
    mut to_client: OwnedWriteHalf,
    shared: Arc<Shared>,
    cut: Arc<Notify>,
) -> Option<OwnedReadHalf> {
    let [theirs, ours] = [shared.broker, shared.own].map(|port| {
        let port = u32::from(port).to_be_bytes();
        [&b"127.0.0.1"[..], &port[..]].concat()
    });
    loop {
        let mut answer = tokio::select! {
            biased;
            () = cut.notified() => return Some(from_broker),
            answer = frame(&mut from_broker) => answer?,
        };
        for start in 0..answer.len().saturating_sub(theirs.len() - 1) {
            if answer[start..].starts_with(&theirs) {
                answer[start..start + ours.len()].copy_from_slice(&ours);
            }
        }
        to_client.write_all(&answer).await.ok()?;
    }
}

/// Lets the broker have what was held, and notes what it says.
async fn deliver_late(shared: &Shared) -> Option<()> {
    let mut held = shared.held.lock().ok()?.take()?;
    held.to.write_all(&held.request).await.ok()?;
    let answer = frame(&mut held.from).await?;
    // After the length: correlation id, throttle time, error code.
    let code = answer.get(12..14)?.try_into().ok()?;
    shared.late_answers.send(i16::from_be_bytes(code)).ok()
}

/// A whole request or answer, its length first.
async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await.ok()?;
    let count = usize::try_from(u32::from_be_bytes(length)).ok().filter(|it| *it <= MAX_FRAME)?;
    let mut frame = length.to_vec();
    frame.resize(4 + count, 0);
    from.read_exact(&mut frame[4..]).await.ok()?;
    Some(frame)
}
