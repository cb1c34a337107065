//! Notifications: what the simulator says unasked about what it charged and gave back.
//!
//! A `POST` to a configured URL, signed as Stripe signs, header `Simulator-Signature`
//! ([`crate::gateway::signature`]), body `{id, type, created, charge}`, or with `refund` in the
//! place of `charge`; the type is `charge.succeeded`, or ends with `declined` or `pending`. A share
//! of the keys gets each [`Course`], all others nothing: a notification that never comes.
//! What is not answered well is sent again a few times, under the same id.
//!
//! Invariants: what is true is told after it is in the file; a stop ends what is still to be told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use schemas::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::behaviour::Behaviour;
use super::charge_book::KeyDigest;
use super::connections::stopped;
use super::ground_truth::{Charge, ChargeStatus};
use super::submission::unix_millis;
use crate::gateway::base_url::BaseUrl;
use crate::gateway::exchange::{CONNECT_TIMEOUT, Peer};
use crate::gateway::secret::Secret;
use crate::gateway::signature::{SIMULATOR_SIGNATURE, sign};

/// How often one notification is sent at most.
const TRIES: u32 = 5;
/// How long the one who is told may take.
const TELLING: Duration = Duration::from_secs(5);
/// So that the course of a key says nothing of its misbehaviour.
const COURSE: u64 = 0x00C0_125E;
/// What forgers sign with.
const WRONG_SECRET: &str = "not_the_secret";

/// Who is told, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// Where they are sent.
    pub url: String,
    /// What they are signed with. Never shown.
    #[serde(skip_serializing)]
    pub secret: String,
    /// By course, the percentage of keys that get it; without any, all are told after the answer.
    #[serde(default = "all_after")]
    pub percent: BTreeMap<Course, f64>,
}

/// What is told about a key, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// Once, before the request is answered.
    Before,
    /// Once, some time after the answer or in its place.
    After,
    /// Twice, under the same id.
    Duplicated,
    /// The outcome, and then that it is pending, which was earlier.
    OutOfOrder,
    /// Once, with double the amount and a signature that is not ours.
    Forged,
    /// The outcome, and then its opposite.
    Contradicting,
}

/// Tells.
#[derive(Debug)]
pub(super) struct Notifier {
    pause: Duration,
    stopping: watch::Receiver<bool>,
    /// Where the last one went: the next one goes there too, mostly.
    peer: Mutex<Option<(String, Receiver)>>,
}

/// One who is told.
#[derive(Debug, Clone)]
struct Receiver {
    peer: Peer,
    host: HeaderValue,
    target: Uri,
}

/// What is sent: the body, and what it is signed with.
struct Told {
    body: String,
    secret: Secret,
}

/// How an event tells of a charge.
#[derive(Clone, Copy)]
enum Tense {
    Decided,
    Pending,
}

impl Notifications {
    /// All keys are told after the answer.
    pub(super) fn of_all(url: &str, secret: &Secret) -> Self {
        let (url, secret) = (url.to_owned(), secret.expose().to_owned());
        Self { url, secret, percent: all_after() }
    }

    /// What is wrong with it: the field, and why.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if let Err(error) = BaseUrl::parse(&self.url) {
            return Err(("notifications.url".to_owned(), error.to_string()));
        }
        if Secret::new(self.secret.as_str()).is_none() {
            let why = "must be visible ASCII and not empty".to_owned();
            return Err(("notifications.secret".to_owned(), why));
        }
        let mut sum = 0.0;
        for (course, percent) in &self.percent {
            if !(0.0..=100.0).contains(percent) {
                let name = json!(course).as_str().unwrap_or_default().to_owned();
                let why = format!("{percent} is not between 0 and 100");
                return Err((format!("notifications.percent.{name}"), why));
            }
            sum += percent;
        }
        if sum > 100.0 + super::behaviour::ROUNDING {
            let why = format!("{sum} percent of the keys are more than all");
            return Err(("notifications.percent".to_owned(), why));
        }
        Ok(())
    }

    /// What is to be told of a charge or refund.
    fn told(&self, course: Course, charge: &Charge) -> Vec<Told> {
        let true_one = |charge: &Charge, tense| Self::event(charge, tense, &self.secret);
        let decided = true_one(charge, Tense::Decided);
        let more = match course {
            Course::Before | Course::After => return decided.into_iter().collect(),
            Course::Duplicated => true_one(charge, Tense::Decided),
            Course::OutOfOrder => true_one(charge, Tense::Pending),
            Course::Contradicting => true_one(&opposite(charge), Tense::Decided),
            Course::Forged => {
                let amount = charge.amount.saturating_mul(2);
                let forged = Charge { amount, ..charge.clone() };
                return Self::event(&forged, Tense::Decided, WRONG_SECRET).into_iter().collect();
            }
        };
        decided.into_iter().chain(more).collect()
    }

    fn event(charge: &Charge, tense: Tense, secret: &str) -> Option<Told> {
        let subject = if charge.charge.is_some() { "refund" } else { "charge" };
        let mut told = json!(charge);
        let (status, created) = match (tense, charge.status) {
            (Tense::Pending, _) => {
                told["status"] = json!("pending");
                // It has no verdict yet.
                if let Some(fields) = told.as_object_mut() {
                    fields.remove("decline_code");
                }
                ("pending", charge.created - 1)
            }
            (Tense::Decided, ChargeStatus::Succeeded) => ("succeeded", charge.created),
            (Tense::Decided, ChargeStatus::Declined) => ("declined", charge.created),
        };
        let name = format!("{subject}/{status}/{}", charge.idempotency_key);
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).simple();
        let body = json!({
            "id": format!("evt_{id}"), "type": format!("{subject}.{status}"), "created": created,
            subject: told,
        });
        Some(Told { body: body.to_string(), secret: Secret::new(secret)? })
    }
}

impl Notifier {
    pub(super) fn new(pause: Duration, stopping: watch::Receiver<bool>) -> Self {
        Self { pause, stopping, peer: Mutex::new(None) }
    }

    /// Tells what the behaviour wants told of a charge or refund that is in its file; gives what
    /// must be waited for before the answer.
    pub(super) fn tell(
        &self,
        behaviour: &Behaviour,
        key: KeyDigest,
        charge: &Charge,
    ) -> Option<JoinHandle<()>> {
        let notifications = behaviour.notifications.as_ref()?;
        let course = behaviour.drawn_of(&notifications.percent, key, COURSE)?;
        let receiver = self.receiver(&notifications.url)?;
        let told = notifications.told(course, charge);
        let is_before = course == Course::Before;
        let (pause, stopping) = (self.pause, self.stopping.clone());
        let telling = tokio::spawn(async move {
            let telling = async {
                if !is_before {
                    tokio::time::sleep(pause).await;
                }
                for told in &told {
                    receiver.tell(told, pause).await;
                }
            };
            tokio::select! {
                () = telling => {}
                () = stopped(&stopping) => {}
            }
        });
        is_before.then_some(telling)
    }

    fn receiver(&self, url: &str) -> Option<Receiver> {
        let mut last = self.peer.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((of, receiver)) if of == url => Some(receiver.clone()),
            _ => {
                // It was checked when the behaviour was put.
                let base = BaseUrl::parse(url).ok()?;
                let (host, target) = (base.host(), base.target());
                let receiver = Receiver { peer: base.peer(CONNECT_TIMEOUT).ok()?, host, target };
                *last = Some((url.to_owned(), receiver.clone()));
                Some(receiver)
            }
        }
    }
}

impl Receiver {
    async fn tell(&self, told: &Told, pause: Duration) {
        for _ in 0..TRIES {
            let now = Timestamp::from_millis(unix_millis());
            let signature = sign(told.body.as_bytes(), &told.secret, now);
            let request = Request::post(self.target.clone())
                .header(HOST, self.host.clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .header(SIMULATOR_SIGNATURE, signature)
                .body(Full::from(told.body.clone()));
            let Ok(request) = request else { return };
            match self.peer.exchange(request, Instant::now() + TELLING).await {
                // A refusal stays one.
                Ok(answer) if answer.status < 500 => return,
                Ok(_) | Err(_) => tokio::time::sleep(pause).await,
            }
        }
        tracing::warn!(target = %self.target, "A notification was not taken.");
    }
}

/// The same with the other verdict.
fn opposite(charge: &Charge) -> Charge {
    let (status, decline_code) = match charge.status {
        ChargeStatus::Succeeded => (ChargeStatus::Declined, Some("do_not_honor".to_owned())),
        ChargeStatus::Declined => (ChargeStatus::Succeeded, None),
    };
    Charge { status, decline_code, ..charge.clone() }
}

fn all_after() -> BTreeMap<Course, f64> {
    BTreeMap::from([(Course::After, 100.0)])
}
