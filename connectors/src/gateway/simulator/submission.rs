//! What is asked for: a charge or a refund, read from a request, and what it is when it is decided.
//!
//! Invariant: a submission is well formed, so that it can be booked as it is.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName};
use serde::Deserialize;

use super::answers::Refusal;
use super::charge_book::{KeyDigest, charge_id, digest, refund_id};
use super::deceit::Deceit;
use super::ground_truth::{Asked, Charge, ChargeStatus};
use super::magic::Verdict;

/// Longest idempotency key, reference and attempt id, in characters.
const MAX_TEXT_CHARS: usize = 255;
/// Largest amount in minor units: what a JSON number can hold exactly everywhere.
const MAX_AMOUNT_MINOR: i64 = (1 << 53) - 1;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is asked for, and asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Charge,
    Refund,
}

/// Body of `POST /v1/charges` and of `POST /v1/refunds`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChargeRequest {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) reference: String,
    pub(super) attempt_id: String,
    /// Of a refund: the id of the charge.
    #[serde(default)]
    pub(super) charge: Option<String>,
}

/// A request that is a charge or a refund.
#[derive(Debug, Clone)]
pub(super) struct Submission {
    pub(super) key: String,
    pub(super) digest: KeyDigest,
    pub(super) request: ChargeRequest,
}

/// What a request asks for, or why it is refused.
pub(super) fn read_submission(
    subject: Subject,
    headers: &HeaderMap,
    body: Option<Bytes>,
) -> Result<Submission, Refusal> {
    let key = headers
        .get(IDEMPOTENCY_KEY)
        .and_then(|value| value.to_str().ok())
        .filter(|key| is_short_text(key))
        .ok_or(Refusal::InvalidRequest("Idempotency-Key must be 1 to 255 visible ASCII."))?;
    let body = body.ok_or(Refusal::InvalidRequest("The body is too long or was cut."))?;
    let request: ChargeRequest = serde_json::from_slice(&body).map_err(|_| {
        Refusal::InvalidRequest("The body must be amount, currency, reference, attempt_id.")
    })?;
    if request.charge.is_some() != (subject == Subject::Refund) {
        return Err(Refusal::InvalidRequest("A refund names its charge, a charge names none."));
    }
    if !(1..=MAX_AMOUNT_MINOR).contains(&request.amount) {
        return Err(Refusal::InvalidRequest("amount must be 1 to 9007199254740991."));
    }
    if request.currency.len() != 3 || !request.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Refusal::InvalidRequest("currency must be three upper-case letters."));
    }
    if !is_short_text(&request.reference) || !is_short_text(&request.attempt_id) {
        return Err(Refusal::InvalidRequest("reference and attempt_id: 1 to 255 visible ASCII."));
    }
    Ok(Submission { key: key.to_owned(), digest: digest(key), request })
}

fn is_short_text(text: &str) -> bool {
    (1..=MAX_TEXT_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

impl ChargeRequest {
    pub(super) fn asks_for(&self, charge: &Charge) -> bool {
        let (amount, currency) = match &charge.asked {
            Some(asked) => (asked.amount, &asked.currency),
            None => (charge.amount, &charge.currency),
        };
        self.amount == amount
            && self.currency == *currency
            && self.charge == charge.charge
            && self.reference == charge.reference
            && self.attempt_id == charge.attempt_id
    }
}

impl Submission {
    pub(super) fn decided(self, verdict: Verdict) -> Charge {
        self.decided_with(verdict, None)
    }

    pub(super) fn decided_with(self, verdict: Verdict, deceit: Option<Deceit>) -> Charge {
        let asked = Asked { amount: self.request.amount, currency: self.request.currency };
        let (amount, currency) = match deceit {
            Some(deceit) => {
                let (amount, currency) = deceit.charged(asked.amount, &asked.currency);
                (amount, currency.to_owned())
            }
            None => (asked.amount, asked.currency.clone()),
        };
        let asked =
            Some(asked).filter(|asked| asked.amount != amount || asked.currency != currency);
        let id = match &self.request.charge {
            Some(_) => refund_id(self.digest),
            None => charge_id(self.digest),
        };
        let (status, decline_code) = match verdict {
            Verdict::Succeeded => (ChargeStatus::Succeeded, None),
            Verdict::Declined(code) => (ChargeStatus::Declined, Some(code.to_owned())),
        };
        Charge {
            id,
            charge: self.request.charge,
            idempotency_key: self.key,
            reference: self.request.reference,
            attempt_id: self.request.attempt_id,
            amount,
            currency,
            status,
            decline_code,
            created: unix_millis(),
            asked,
        }
    }
}

pub(super) fn unix_millis() -> i64 {
    // A clock before 1970 is wrong by so much that zero is as good.
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}
