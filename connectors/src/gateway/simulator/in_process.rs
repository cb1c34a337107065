//! The simulator without HTTP: the same book of charges, magic amounts and ground truth, called in
//! the process of its caller. For benchmarks and tests, where HTTP would be what is measured.
//!
//! What a misbehaviour looks like on the wire is told here as the answer that a client would have
//! recognised, and judged by the same table. A success costs no timer and no JSON but the line of
//! the ground truth.

use std::io;
use std::path::Path;
use std::time::Duration;

use tracing::error;

use super::Pace;
use super::charge_book::{ChargeBook, Found, KeyState, digest};
use super::ground_truth::{Charge, ChargeStatus, GroundTruthError};
use super::magic::{Booking, MagicAmount, Manner, Plan, Verdict};
use super::refunds::Refunds;
use super::submission::{ChargeRequest, Submission};
use crate::gateway::classification::{
    AnswerKind, OperationKind, OutcomeClass, Processing, classify,
};
use crate::gateway::evidence::{Evidence, EvidenceFields};
use crate::gateway::operation::{OperationAnswer, OperationRequest, Outcome};
use crate::gateway::simulator_client::decline_message;

/// A gateway in this process; clones share its book.
#[derive(Debug, Clone)]
pub struct InProcessGateway {
    book: ChargeBook,
    refunds: Refunds,
    pace: Pace,
    evidence: Evidence,
}

/// What a call came to, before it is judged.
type Answered = (AnswerKind, Option<Charge>);

impl InProcessGateway {
    /// A gateway that keeps its ground truth in `state_dir`. Blocks while it reads what is there.
    ///
    /// # Errors
    /// [`GroundTruthError`] when the file cannot be used, or another gateway uses it.
    pub fn open(state_dir: &Path, pace: Pace) -> Result<Self, GroundTruthError> {
        // The file is closed with the last clone; every charge that was answered is in it.
        let (book, _closed) = ChargeBook::open(state_dir)?;
        let (refunds, _closed) = Refunds::open(state_dir)?;
        let mut fields = EvidenceFields::default();
        fields.text("gateway", "in process");
        Ok(Self { book, refunds, pace, evidence: fields.finish() })
    }

    /// Tries `operation` once and says what became of it. Dropping the future before it completes
    /// leaves the outcome unknown.
    pub async fn perform(&self, operation: &OperationRequest) -> OperationAnswer {
        let answered = match operation.kind {
            OperationKind::Submit => self.submit(operation).await,
            OperationKind::Inquire => Self::inquire(&self.book, operation),
            OperationKind::Refund => self.refund(operation),
            OperationKind::InquireRefund => Self::inquire(self.refunds.book(), operation),
        };
        let (answer, charge) = answered.unwrap_or_else(|failure| {
            error!(%failure, "The ground truth cannot be used.");
            (AnswerKind::ServerError, None)
        });
        let outcome = judge(operation.kind, answer, charge);
        OperationAnswer { outcome, evidence: self.evidence.clone(), health: answer.health() }
    }

    async fn submit(&self, operation: &OperationRequest) -> io::Result<Answered> {
        let submission = submission(operation, None);
        let claim = match self.book.claim(submission.digest)? {
            KeyState::Free(claim) => claim,
            KeyState::InUse => return Ok((AnswerKind::Conflict, None)),
            KeyState::Settled(charge) if submission.request.asks_for(&charge) => {
                return Ok((decided(&charge), Some(*charge)));
            }
            KeyState::Settled(_) => {
                return Ok((AnswerKind::OtherRefusal(Processing::Undeclared), None));
            }
            KeyState::Full => return Ok((AnswerKind::ServerError, None)),
        };
        let plan = match MagicAmount::of(operation.amount_minor) {
            Some(magic) => magic.plan(claim.attempt),
            None => Plan::ORDINARY,
        };
        let charge = match plan.booking {
            Booking::None => {
                claim.fails()?;
                None
            }
            Booking::Now(verdict) => {
                let charge = submission.decided(verdict);
                self.book.book(claim, &charge)?;
                Some(charge)
            }
            Booking::Late(verdict) => {
                let gateway = self.clone();
                // A task of its own: the caller's hanging up does not stop a gateway from charging.
                let late = tokio::spawn(async move {
                    tokio::time::sleep(gateway.pace.long).await;
                    let charge = submission.decided(verdict);
                    gateway.book.book(claim, &charge)?;
                    Ok::<_, io::Error>(charge)
                });
                match tokio::time::timeout(operation.call_timeout, late).await {
                    Ok(charged) => Some(charged.map_err(io::Error::other)??),
                    Err(_) => return Ok((AnswerKind::TimedOut, None)),
                }
            }
        };
        Ok(self.answer(plan.manner, charge, operation.call_timeout).await)
    }

    /// Gives a charge back, at once and without misbehaviours.
    fn refund(&self, operation: &OperationRequest) -> io::Result<Answered> {
        let submission = submission(operation, operation.charge_reference.clone());
        let Some(charged) = Refunds::charge_of(&self.book, &submission.request)? else {
            return Ok((AnswerKind::OtherRefusal(Processing::DeclaredUnprocessed), None));
        };
        let book = self.refunds.book();
        match book.claim(submission.digest)? {
            KeyState::Free(claim) => {
                let amount = operation.amount_minor;
                let verdict = self.refunds.decide(&charged, amount, Verdict::Succeeded);
                let refund = submission.decided(verdict);
                if let Err(failure) = book.book(claim, &refund) {
                    self.refunds.undo(&charged, amount, verdict);
                    return Err(failure);
                }
                Ok((decided(&refund), Some(refund)))
            }
            KeyState::InUse => Ok((AnswerKind::Conflict, None)),
            KeyState::Settled(refund) if submission.request.asks_for(&refund) => {
                Ok((decided(&refund), Some(*refund)))
            }
            KeyState::Settled(_) => Ok((AnswerKind::OtherRefusal(Processing::Undeclared), None)),
            KeyState::Full => Ok((AnswerKind::ServerError, None)),
        }
    }

    fn inquire(book: &ChargeBook, operation: &OperationRequest) -> io::Result<Answered> {
        let key = digest(&operation.idempotency_key);
        let charge = match book.find(key)? {
            Found::Charge(charge) => charge,
            Found::InUse => return Ok((AnswerKind::Conflict, None)),
            Found::Nothing => return Ok((AnswerKind::NothingFound, None)),
        };
        let failing = MagicAmount::of(charge.amount).map_or(0, MagicAmount::failing_inquiries);
        if failing > 0 && book.fail_inquiry(key, failing) {
            return Ok((AnswerKind::ServerError, None));
        }
        if charge.reference != operation.payment_id.to_string() {
            return Ok((AnswerKind::ChargeOfAnother, None));
        }
        Ok((decided(&charge), Some(*charge)))
    }

    /// What a client would have recognised of an answer given in this manner.
    async fn answer(
        &self,
        manner: Manner,
        charge: Option<Charge>,
        call_timeout: Duration,
    ) -> Answered {
        let told = |charge: Option<Charge>| match &charge {
            Some(known) => (decided(known), charge),
            // The table of magic amounts has no row that tells of a charge it did not book.
            None => (AnswerKind::ServerError, None),
        };
        match manner {
            Manner::Honest => told(charge),
            Manner::Slowly if self.pace.short < call_timeout => {
                tokio::time::sleep(self.pace.short).await;
                told(charge)
            }
            Manner::Slowly | Manner::Silence => {
                tokio::time::sleep(call_timeout).await;
                (AnswerKind::TimedOut, None)
            }
            Manner::InternalError | Manner::Unavailable => (AnswerKind::ServerError, None),
            Manner::Reset => (AnswerKind::ConnectionLost, None),
            Manner::HalfBody => (AnswerKind::MalformedSuccess, None),
            Manner::ForeignCharge => (AnswerKind::ChargeOfAnother, None),
            Manner::ProxyNotFoundPage => (AnswerKind::NotFoundPage, None),
            Manner::RateLimited => (AnswerKind::RateLimited(Processing::DeclaredUnprocessed), None),
            Manner::ProxyRateLimitPage => (AnswerKind::RateLimited(Processing::Undeclared), None),
            Manner::Unauthorized => {
                (AnswerKind::Unauthorized(Processing::DeclaredUnprocessed), None)
            }
        }
    }
}

fn submission(operation: &OperationRequest, charge: Option<String>) -> Submission {
    let request = ChargeRequest {
        amount: operation.amount_minor,
        currency: operation.currency.clone(),
        reference: operation.payment_id.to_string(),
        attempt_id: operation.attempt_id.to_string(),
        charge,
    };
    let key = operation.idempotency_key.clone();
    Submission { digest: digest(&key), key, request }
}

fn decided(charge: &Charge) -> AnswerKind {
    match charge.status {
        ChargeStatus::Succeeded => AnswerKind::ChargeSucceeded,
        ChargeStatus::Declined => AnswerKind::ChargeDeclined,
    }
}

/// The outcome: the class from the table, the facts from the charge.
fn judge(operation: OperationKind, answer: AnswerKind, charge: Option<Charge>) -> Outcome {
    let reason = || format!("in process: {answer:?}");
    match (classify(operation, answer), charge) {
        (OutcomeClass::Success, Some(charge)) => Outcome::Success {
            gateway_reference: charge.id,
            amount_minor: charge.amount,
            currency: charge.currency,
        },
        (OutcomeClass::Decline, Some(charge)) => {
            let code = charge.decline_code.unwrap_or_default();
            Outcome::Decline { message: decline_message(&code).to_owned(), code }
        }
        (OutcomeClass::NotSent, _) => Outcome::NotSent { reason: reason() },
        (OutcomeClass::NotFound, _) => Outcome::NotFound,
        // Success and decline without a charge cannot be: the table gives them for charges only.
        (OutcomeClass::Success | OutcomeClass::Decline | OutcomeClass::Unknown, _) => {
            Outcome::Unknown { reason: reason() }
        }
    }
}
