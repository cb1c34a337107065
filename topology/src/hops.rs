//! The way of a request, hop by hop: a log line at level debug and a span for each, joined by the
//! correlation id.
//!
//! Lines have the target `hop`, so that `RUST_LOG=info,hop=debug` shows the way of every request
//! and nothing else. Neither costs anything while nobody looks.

use std::time::{Instant, SystemTime};

use connectors::HOP;
use connectors::gateway::operation::Outcome;
use connectors::ports::Request;
use schemas::entry::{Entry, InputBody, Verdict};
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{CommandBody, Envelope, GatewayOperationKind, GatewayResult};
use schemas::{Partition, PaymentId};
use tracing::Level;

use crate::engine::follower::Tailed;
use crate::traces::{self, Span};

/// Whether anybody looks at hops.
fn is_watched() -> bool {
    traces::is_on() || tracing::enabled!(target: HOP, Level::DEBUG)
}

/// When a hop begins; none while nobody looks.
pub fn begin() -> Option<SystemTime> {
    is_watched().then(SystemTime::now)
}

/// A request is in the log.
pub fn appended(request: &Request) {
    let (envelope, payment_id) = match request {
        Request::Command(command) => match &command.body {
            CommandBody::Pay(pay) => (&command.envelope, pay.payment_id.as_str()),
            CommandBody::Cancel(cancel) => (&command.envelope, cancel.payment_id.as_str()),
            CommandBody::Refund(refund) => (&command.envelope, refund.payment_id.as_str()),
            CommandBody::Transfer(_) => (&command.envelope, ""),
        },
        Request::Operation(operation) => (&operation.envelope, ""),
    };
    let Envelope { command_id, correlation_id, .. } = envelope;
    tracing::debug!(
        target: HOP, hop = "command", command_id, payment_id, correlation_id,
        "A request is in the log."
    );
}

/// A call to a gateway that is under way.
pub struct Call<'a> {
    request: &'a GatewayOperationRequested,
    began: Instant,
    span: Span,
}

/// A gateway is about to be called.
pub fn call(request: &GatewayOperationRequested) -> Call<'_> {
    let GatewayOperationRequested { payment_id, operation_id, operation_seq, .. } = request;
    let (operation, gateway) = (operation_word(request.operation), request.gateway.as_str());
    let correlation_id = request.correlation_id.as_str();
    tracing::debug!(
        target: HOP, hop = "call", gateway, operation, %operation_id, operation_seq, %payment_id,
        correlation_id, "A gateway is called."
    );
    let span = traces::call_span("gateway call");
    if traces::is_on() {
        span.set("gateway", gateway.to_owned());
        span.set("operation", operation);
        span.set("operation_id", operation_id.to_string());
        span.set("payment_id", payment_id.to_string());
        span.set("correlation_id", correlation_id.to_owned());
    }
    Call { request, began: Instant::now(), span }
}

impl Call<'_> {
    /// What the gateway is told of the trace.
    pub fn traceparent(&self) -> Option<String> {
        self.span.traceparent()
    }

    /// The gateway answered, or did not.
    pub fn answered(self, outcome: &Outcome) {
        let (outcome, took_ms) = (outcome_word(outcome), self.began.elapsed().as_millis());
        self.span.set("outcome", outcome);
        let GatewayOperationRequested { payment_id, correlation_id, .. } = self.request;
        tracing::debug!(
            target: HOP, hop = "answer", outcome, took_ms, %payment_id, correlation_id,
            "A call to a gateway ended."
        );
    }
}

/// The result of a call is in the log.
pub fn reported(result: &GatewayResult) {
    let GatewayResult { payment_id, correlation_id, .. } = result;
    tracing::debug!(
        target: HOP, hop = "result", %payment_id, correlation_id, "A result is in the log."
    );
}

fn operation_word(operation: GatewayOperationKind) -> &'static str {
    match operation {
        GatewayOperationKind::Submit => "submit",
        GatewayOperationKind::Inquire => "inquire",
        GatewayOperationKind::Refund => "refund",
        GatewayOperationKind::InquireRefund => "inquire_refund",
        GatewayOperationKind::Notify => "notify",
        GatewayOperationKind::NotifyRefund => "notify_refund",
    }
}

fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Success { .. } => "succeeded",
        Outcome::Decline { .. } => "declined",
        Outcome::NotSent { .. } => "not_sent",
        Outcome::Unknown { .. } => "unknown",
        Outcome::NotFound => "not_found",
    }
}

/// An input became an entry. Says nothing of its commit: an aborted batch is decided again.
pub fn decided(since: Option<SystemTime>, trace: Option<&[u8]>, shard: Partition, entry: &Entry) {
    let Some(since) = since else { return };
    let (seq, verdict) = (entry.seq, word(entry.decision.verdict));
    let (payment_id, correlation_id) = (payment_of(entry), correlation_of(entry));
    let span = traces::span_below(trace, "decide", since);
    span.set("shard", i64::from(shard.number()));
    span.set("seq", seq);
    span.set("verdict", verdict);
    span.set("payment_id", payment_id.clone());
    span.set("correlation_id", correlation_id.to_owned());
    let code = entry.decision.code.as_str();
    tracing::debug!(
        target: HOP, hop = "decide", %shard, seq, verdict, code, payment_id, correlation_id,
        "An input was decided."
    );
}

/// The views show an entry.
pub fn viewed(since: Option<SystemTime>, tailed: &Tailed<Entry>) {
    let Some(since) = since else { return };
    let (position, entry) = (tailed.position, &tailed.entry);
    let (payment_id, correlation_id) = (payment_of(entry), correlation_of(entry));
    let span = traces::span_below(tailed.trace.as_deref(), "view", since);
    span.set("position", position.to_string());
    span.set("payment_id", payment_id.clone());
    span.set("correlation_id", correlation_id.to_owned());
    tracing::debug!(
        target: HOP, hop = "view", %position, payment_id, correlation_id, "The views show an entry."
    );
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Replayed => "replayed",
        Verdict::Refused => "refused",
    }
}

/// The payment that an entry is about; empty when it is about none.
fn payment_of(entry: &Entry) -> String {
    match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => pay.payment_id.clone(),
            CommandBody::Cancel(cancel) => cancel.payment_id.clone(),
            CommandBody::Refund(refund) => refund.payment_id.clone(),
            CommandBody::Transfer(_) => String::new(),
        },
        InputBody::GatewayResult(result) => result.payment_id.to_string(),
        InputBody::Operation(_)
        | InputBody::TransferLeg(_)
        | InputBody::TimerFired {}
        | InputBody::Unreadable(_) => {
            let id: Option<PaymentId> = entry.events.iter().find_map(processors::payment_of);
            id.map_or_else(String::new, |id| id.to_string())
        }
    }
}

/// The correlation id of an entry: its input's, or for a timer that of what it asks for.
fn correlation_of(entry: &Entry) -> &str {
    let given = entry.correlation_id();
    if !given.is_empty() {
        return given;
    }
    let asked = entry.events.iter().find_map(|event| match event {
        Event::GatewayOperationRequested(request) => Some(request.correlation_id.as_str()),
        Event::WalletOpened(_)
        | Event::DepositRecorded(_)
        | Event::PaymentRequested(_)
        | Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::AttemptStarted(_)
        | Event::GatewayOperationAnswered(_)
        | Event::ResendScheduled(_)
        | Event::PaymentInDoubt(_)
        | Event::PaymentCompleted(_)
        | Event::PaymentFailed(_)
        | Event::DiscrepancyRecorded(_)
        | Event::WalletFrozen(_)
        | Event::WalletUnfrozen(_)
        | Event::WalletClosed(_)
        | Event::LimitsSet(_)
        | Event::WithdrawalRecorded(_)
        | Event::DepositReversed(_)
        | Event::WithdrawalReversed(_)
        | Event::SuspenseBooked(_)
        | Event::AttemptAbandoned(_)
        | Event::PaymentReviewRequested(_)
        | Event::PaymentResolved(_)
        | Event::CancelRequested(_)
        | Event::PaymentCancelled(_)
        | Event::RefundRequested(_)
        | Event::RefundResendScheduled(_)
        | Event::RefundInDoubt(_)
        | Event::RefundReviewRequested(_)
        | Event::RefundResolved(_)
        | Event::RefundSucceeded(_)
        | Event::RefundFailed(_)
        | Event::TransferRequested(_)
        | Event::TransferHeld(_)
        | Event::TransferLegRequested(_)
        | Event::TransferCredited(_)
        | Event::TransferRefused(_)
        | Event::TransferCompleted(_)
        | Event::TransferFailed(_)
        | Event::PolicyAdopted(_)
        | Event::OrphanRecorded(_)
        | Event::OrphanApplied(_) => None,
    });
    asked.unwrap_or_default()
}
