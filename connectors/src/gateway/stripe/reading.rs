//! What is recognised in an answer of Stripe, and what it comes to.
//!
//! Invariants: an object counts only if the metadata names the payment and the attempt (or refund)
//! that was asked about; an answer that contradicts itself is not understood. Evidence holds named
//! fields only: no payment method, no client secret.

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::objects::{
    ErrorBody, Page, PageTag, PaymentIntent, Refund, StripeError, Verdict, Whole, is_code,
};
use crate::gateway::classification::{
    AnswerKind, BodyReading, OperationKind, OutcomeClass, classify,
};
use crate::gateway::evidence::{Evidence, EvidenceFields};
use crate::gateway::exchange::{Answer, MAX_ANSWER_BYTES};
use crate::gateway::operation::{OperationAnswer, OperationRequest, Outcome};

/// What of the head of an answer is evidence, and the header it is in.
const HEADERS: [(&str, &str); 4] = [
    ("request_id", "request-id"),
    ("idempotent_replayed", "idempotent-replayed"),
    ("should_retry", "stripe-should-retry"),
    ("retry_after", "retry-after"),
];
/// Whoever has it may act on the payment.
const CLIENT_SECRET: &[u8] = b"client_secret";

/// One call as it was seen, before it is judged.
pub(super) struct Reading {
    pub(super) answer: AnswerKind,
    /// What a person would say of it.
    pub(super) reason: String,
    verdict: Option<Verdict>,
    evidence: Evidence,
}

/// What was recognised in a body.
enum Recognised {
    /// An object of ours, by its id.
    Ours(String, Verdict),
    /// An object of somebody else.
    OfAnother,
    /// A page without anything of ours.
    NothingFound,
    /// Stripe's own error, and the verdict of the object of ours in it.
    Error(StripeError, Option<(String, Verdict)>),
    /// Nothing that is understood, or what contradicts itself.
    Nothing(&'static str),
}

impl Reading {
    /// There is no answer.
    pub(super) fn unanswered(answer: AnswerKind, reason: String) -> Self {
        let mut fields = EvidenceFields::default();
        fields.text("failure", &reason);
        Self { answer, reason, verdict: None, evidence: fields.finish() }
    }

    /// The outcome: the class from the table, the facts from the object.
    pub(super) fn judge(self, operation: &OperationRequest) -> OperationAnswer {
        let Self { answer, reason, verdict, evidence } = self;
        let outcome = match (classify(operation.kind, answer), verdict) {
            (OutcomeClass::Success, Some(success @ Verdict::Succeeded { .. })) => success.into(),
            (OutcomeClass::Decline, Some(decline @ Verdict::Declined { .. })) => decline.into(),
            (OutcomeClass::NotSent, _) => Outcome::NotSent { reason },
            (OutcomeClass::NotFound, _) => Outcome::NotFound,
            // Success and decline without their verdict cannot be: the table gives them for
            // objects with one only.
            (OutcomeClass::Success | OutcomeClass::Decline | OutcomeClass::Unknown, _) => {
                Outcome::Unknown { reason }
            }
        };
        OperationAnswer { outcome, evidence, health: answer.health() }
    }
}

/// Describes an answer.
pub(super) fn read(operation: &OperationRequest, answer: &Answer) -> Reading {
    let recognised = if answer.body.len() > MAX_ANSWER_BYTES {
        Recognised::Nothing("the body is too long")
    } else if (200..300).contains(&answer.status) {
        recognise(operation, &answer.body)
    } else {
        recognise_error(operation, &answer.body)
    };
    let (body, reason) = describe(answer.status, &recognised);
    let evidence = evidence_of(answer, &recognised);
    let answer = AnswerKind::describe(answer.status, body);
    let verdict = match recognised {
        Recognised::Ours(_, verdict) | Recognised::Error(_, Some((_, verdict))) => Some(verdict),
        Recognised::Error(_, None)
        | Recognised::OfAnother
        | Recognised::NothingFound
        | Recognised::Nothing(_) => None,
    };
    Reading { answer, reason, verdict, evidence }
}

fn recognise(operation: &OperationRequest, body: &[u8]) -> Recognised {
    match operation.kind {
        OperationKind::Submit => one(operation, parse::<PaymentIntent>(body)),
        OperationKind::Inquire if operation.charge_reference.is_some() => {
            one(operation, parse::<PaymentIntent>(body))
        }
        OperationKind::Refund => one(operation, parse::<Refund>(body)),
        OperationKind::Inquire => match parse::<Page<PaymentIntent>>(body) {
            Some(Page { object: PageTag::SearchResult, has_more: false, mut data }) => {
                match (data.pop(), data.is_empty()) {
                    (None, _) => Recognised::NothingFound,
                    (only, true) => one(operation, only),
                    (Some(_), false) => Recognised::Nothing("one attempt has several charges"),
                }
            }
            Some(_) => Recognised::Nothing("the search has more than was asked for"),
            None => Recognised::Nothing("body not understood"),
        },
        OperationKind::InquireRefund => match parse::<Page<Refund>>(body) {
            Some(Page { object: PageTag::List, has_more, data }) => {
                listed(operation, data, has_more)
            }
            Some(_) | None => Recognised::Nothing("body not understood"),
        },
    }
}

/// Our refund in a list of all refunds of a payment.
fn listed(operation: &OperationRequest, data: Vec<Refund>, has_more: bool) -> Recognised {
    let is_of_another_charge =
        |refund: &Refund| refund.payment_intent != operation.charge_reference;
    if data.iter().any(is_of_another_charge) {
        return Recognised::OfAnother;
    }
    let is_ours = |refund: &Refund| refund.made_for() == Some(asked_about(operation));
    let mut ours: Vec<Refund> = data.into_iter().filter(is_ours).collect();
    match (ours.pop(), ours.is_empty()) {
        (None, _) if has_more => Recognised::Nothing("the list of refunds has more pages"),
        (None, _) => Recognised::NothingFound,
        (only, true) => one(operation, only),
        (Some(_), false) => Recognised::Nothing("one refund was made several times"),
    }
}

/// Stripe's own error; one about a charge carries the `PaymentIntent`.
fn recognise_error(operation: &OperationRequest, body: &[u8]) -> Recognised {
    let Ok(ErrorBody { mut error }) = serde_json::from_slice::<ErrorBody>(body) else {
        return Recognised::Nothing("body not understood");
    };
    let Some(intent) = error.payment_intent.take() else { return Recognised::Error(error, None) };
    if intent.made_for() != Some(asked_about(operation)) {
        return Recognised::OfAnother;
    }
    match intent.verdict_with(Some(&error).filter(|error| error.is_of_the_card())) {
        Verdict::Unreadable(why) => Recognised::Nothing(why),
        verdict => Recognised::Error(error, Some((intent.id, verdict))),
    }
}

/// What both kinds of objects have: whose it is, and what it says.
trait Judged {
    fn id(&self) -> &str;
    fn made_for(&self) -> Option<(Uuid, Uuid)>;
    fn verdict(&self) -> Verdict;
}

impl Judged for PaymentIntent {
    fn id(&self) -> &str {
        &self.id
    }

    fn made_for(&self) -> Option<(Uuid, Uuid)> {
        Self::made_for(self)
    }

    fn verdict(&self) -> Verdict {
        Self::verdict(self)
    }
}

impl Judged for Refund {
    fn id(&self) -> &str {
        &self.id
    }

    fn made_for(&self) -> Option<(Uuid, Uuid)> {
        Self::made_for(self)
    }

    fn verdict(&self) -> Verdict {
        Self::verdict(self)
    }
}

fn one(operation: &OperationRequest, object: Option<impl Judged>) -> Recognised {
    let Some(object) = object else { return Recognised::Nothing("body not understood") };
    if object.made_for() != Some(asked_about(operation)) {
        return Recognised::OfAnother;
    }
    match object.verdict() {
        Verdict::Unreadable(why) => Recognised::Nothing(why),
        verdict => Recognised::Ours(object.id().to_owned(), verdict),
    }
}

fn asked_about(operation: &OperationRequest) -> (Uuid, Uuid) {
    (operation.payment_id, operation.attempt_id)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    match serde_json::from_slice::<Whole<T>>(body) {
        Ok(Whole { object, error: None }) => Some(object),
        Ok(Whole { error: Some(_), .. }) | Err(_) => None,
    }
}

/// What the table is told of a body, and what a person is.
fn describe(status: u16, recognised: &Recognised) -> (BodyReading, String) {
    let told = |why: &str| format!("HTTP {status}, {why}");
    match recognised {
        Recognised::Ours(_, verdict) => match verdict {
            Verdict::Succeeded { .. } => (BodyReading::ChargeSucceeded, told("succeeded")),
            Verdict::Declined { code, .. } => (BodyReading::ChargeDeclined, told(code)),
            Verdict::Pending(why) => (BodyReading::ChargePending, told(why)),
            Verdict::Unreadable(why) => (BodyReading::Unrecognised, told(why)),
        },
        Recognised::OfAnother => (BodyReading::ChargeOfAnother, told("an object that is not ours")),
        Recognised::NothingFound => (BodyReading::NothingFound, told("nothing found")),
        Recognised::Nothing(why) => (BodyReading::Unrecognised, told(why)),
        Recognised::Error(error, object) => {
            let reading = match object {
                // A declined payment is answered with the error and the object that has it.
                Some((_, Verdict::Declined { .. })) => BodyReading::ChargeDeclined,
                None if was_not_processed(status, error) => BodyReading::RefusedUnprocessed,
                Some(_) | None => BodyReading::Refused,
            };
            (reading, told(error_name(error)))
        }
    }
}

/// Whether Stripe says with this error, which has no object, that it did not process the request.
fn was_not_processed(status: u16, error: &StripeError) -> bool {
    match status {
        400 => error.kind == "invalid_request_error",
        401 | 403 => error.kind != "api_error",
        // Rate limiters run before anything else; other codes tell of a request that had begun.
        429 => error.kind == "rate_limit_error" || error.code.as_deref() == Some("rate_limit"),
        _ => false,
    }
}

/// The code of an error, or its kind, or what stands for one that is neither.
fn error_name(error: &StripeError) -> &str {
    let names = [error.code.as_deref(), Some(error.kind.as_str())];
    names.into_iter().flatten().find(|name| is_code(name)).unwrap_or("unreadable_code")
}

fn evidence_of(answer: &Answer, recognised: &Recognised) -> Evidence {
    let mut fields = EvidenceFields::default();
    fields.number("http_status", i64::from(answer.status));
    for (name, header) in HEADERS {
        if let Some(value) = answer.headers.get(header) {
            fields.text(name, &String::from_utf8_lossy(value.as_bytes()));
        }
    }
    let mut object = |id: &str, verdict: &Verdict| {
        fields.text("id", id);
        match verdict {
            Verdict::Succeeded { amount_minor, currency, .. } => {
                fields.number("amount", *amount_minor);
                fields.text("currency", currency);
            }
            Verdict::Declined { code, .. } => fields.text("decline_code", code),
            Verdict::Pending(why) | Verdict::Unreadable(why) => fields.text("pending", why),
        }
    };
    match recognised {
        Recognised::Ours(id, verdict) => object(id, verdict),
        Recognised::OfAnother => fields.text("object", "of another"),
        Recognised::NothingFound => fields.text("found", "false"),
        Recognised::Nothing(_) => fields.extract("body_extract", before_secret(&answer.body)),
        Recognised::Error(error, of) => {
            if let Some((id, verdict)) = of {
                object(id, verdict);
            }
            fields.text("error_type", &error.kind);
            fields.text("error", error_name(error));
            // It can quote the key that was refused, all but its middle.
            if let Some(message) = error.message.as_deref().filter(|_| answer.status != 401) {
                fields.text("message", message);
            }
        }
    }
    fields.finish()
}

/// A body, or what of it stands before a secret.
fn before_secret(body: &[u8]) -> &[u8] {
    let secret = body.windows(CLIENT_SECRET.len()).position(|part| part == CLIENT_SECRET);
    &body[..secret.unwrap_or(body.len())]
}
